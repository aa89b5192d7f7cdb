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
    "layers": {
        "a lower layer that imports a higher one": ("geometry/upwards.py", "import lvef.measure\n"),
        "siblings": ("geometry/sideways.py", "from lvef.io import atomic\n"),
        "a service that knows of the page": ("service/to_page.py", "from lvef.webapp import settings\n"),
        "a page that knows of the command line": ("webapp/to_cli.py", "from lvef.cli import main\n"),
    },
    "no-torch": {
        "torch where measuring happens": ("measure/late.py", "def f() -> None:\n    import torch\n"),
    },
    "readers": {
        "a reader that imports a reader": (
            "datasets/readers/other.py",
            "from lvef.datasets.readers import camus\n",
        ),
    },
    "circles": {
        "one half of a circle": ("stats/circle_a.py", "from lvef.stats import circle_b\n"),
        "the other half": ("stats/circle_b.py", "from lvef.stats import circle_a\n"),
    },
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    words = [str(program), "--no-logo", "--no-cache", "--config", "pyproject.toml"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "lvef", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_contracts_are_kept(copy):
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert "6 kept, 0 broken" in done.stdout


def test_contracts_notice(copy):
    for cases in STRAY.values():
        for name, text in cases.values():
            (copy / "lvef" / name).write_text(text, encoding="utf-8")
    done = lint(copy)
    assert done.returncode == 1, done.stdout
    assert f"{6 - len(STRAY)} kept, {len(STRAY)} broken" in done.stdout
    unseen = [
        case
        for cases in STRAY.values()
        for case, (name, _) in cases.items()
        if f".{Path(name).stem}" not in done.stdout
    ]
    assert not unseen, done.stdout


def test_a_module_without_a_layer_is_noticed(copy):
    (copy / "lvef" / "utils.py").write_text('"""Odds and ends."""\n', encoding="utf-8")
    done = lint(copy)
    assert done.returncode == 1, done.stdout
    assert "utils" in done.stdout
