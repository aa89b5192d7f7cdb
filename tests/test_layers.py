"""The layer contracts hold, and they notice what they are there to notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import ROOT, SOURCE

pytest.importorskip("importlinter", reason="import-linter comes with `make check`")

STRAY = {
    "a module without a layer": ("utils.py", '"""Odds and ends."""\n', "layers"),
    "a lower layer that imports a higher one": ("geometry/upwards.py", "import lvef.measure\n", "layers"),
    "siblings": ("geometry/sideways.py", "from lvef.io import atomic\n", "layers"),
    "a page that knows of the service": ("webapp/late.py", "from lvef.service import settings\n", "layers"),
    "a page that knows of the command line": ("webapp/upwards.py", "from lvef.cli import main\n", "layers"),
    "torch where measuring happens": ("measure/late.py", "def f() -> None:\n    import torch\n", "no-torch"),
    "a reader that imports a reader": (
        "datasets/readers/other.py",
        "from lvef.datasets.readers import camus\n",
        "readers",
    ),
}


def lint(folder: Path, contract: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    words = [str(program), "--no-logo", "--no-cache", "--config", "pyproject.toml", "--contract", contract]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "lvef", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("contract", ["layers", "no-torch", "no-torch-in-cli", "no-telemetry", "readers"])
def test_contract_is_kept(copy, contract):
    done = lint(copy, contract)
    assert done.returncode == 0, done.stdout
    assert "1 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("case", STRAY)
def test_contract_notices(copy, case):
    name, text, contract = STRAY[case]
    (copy / "lvef" / name).write_text(text, encoding="utf-8")
    done = lint(copy, contract)
    assert done.returncode == 1, done.stdout
    assert Path(name).stem in done.stdout
