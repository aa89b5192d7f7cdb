"""Tutorials and gallery run from the first cell to the last, as scripts; ``make docs`` runs them as notebooks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from docsite.notebooks import NEEDS, missing_packages, page, scripts
from tests.house import ROOT

CELL = re.compile(r"^# %%(.*)\n", re.M)


def python_of(source: str) -> str:
    """A percent script as plain Python: cells of commands are run by bash, text is left out."""
    parts = CELL.split(source)
    lines = ["import subprocess"]
    for head, body in zip(parts[1::2], parts[2::2], strict=True):
        if 'language="bash"' in head:
            command = re.sub(r"^# ?", "", body, flags=re.M)
            lines.append(f"subprocess.run(['bash', '-e', '-c', {command!r}], check=True)")
        elif "[markdown]" not in head:
            lines.append(body)
    return "\n".join(lines)


def marked(script: Path) -> object:
    marks = [pytest.mark.slow]
    if NEEDS.search(script.read_text(encoding="utf-8")):
        marks.append(pytest.mark.training)
    return pytest.param(script, marks=marks, id=script.stem)


@pytest.mark.parametrize("script", [marked(script) for script in scripts()])
def test_a_tutorial_runs(script, tmp_path):
    if missing := missing_packages(script):
        pytest.skip(f"needs {', '.join(missing)}: make train-env")
    commands = tmp_path / "bin"
    commands.mkdir()
    lvef = commands / "lvef"
    lvef.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lvef.cli.main "$@"\n')
    lvef.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", python_of(script.read_text(encoding="utf-8"))],
        cwd=work,
        env={
            **os.environ,
            "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
            "MPLBACKEND": "agg",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_a_cell_of_commands_that_fails_is_noticed():
    code = python_of('# %% language="bash"\n# false\n# true\n')
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ((), "executed no notebooks"),
        (("torch", "onnx"), "because torch and onnx were missing"),
        (("torch",), "torch was"),
    ],
)
def test_a_page_without_outputs_says_why_and_how_to_get_them(tmp_path, missing, reason):
    cells = [SimpleNamespace(cell_type="markdown", source="# Title", get=lambda *_: None)]
    text = page(SimpleNamespace(cells=cells), tmp_path / "a.md", missing)
    assert reason in text and "`make docs`" in text
    assert ("`make train-env`" in text) is bool(missing)


def test_scripts_hold_no_outputs_and_begin_with_a_title():
    for script in scripts():
        text = script.read_text(encoding="utf-8")
        assert text.startswith("# %% [markdown]\n# # "), script.name
        assert "base64" not in text
