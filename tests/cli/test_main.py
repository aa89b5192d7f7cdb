"""The group: help in a blink, errors as sentences, exit codes."""

from __future__ import annotations

import errno
import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

import lvef
from lvef.cli.main import VERBS, main
from lvef.core.errors import DataError, QualityRefusal, WeightsError


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_verb(run):
    result = run("--help")
    assert result.exit_code == 0
    for verb, (_, line) in VERBS.items():
        assert verb in result.stdout
        assert line in result.stdout
    assert "Not a medical device" in result.stdout


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_every_help_has_an_example(run, verb):
    result = run(*([verb] if verb else []), "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"lvef {verb or 'measure'}" in result.stdout.split("Example", 1)[1]
    assert run(*([verb] if verb else []), "-h").stdout == result.stdout


def test_help_loads_nothing_heavy_and_is_there_in_a_blink():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from lvef.cli.main import main\n"
        "verbs = ('measure', 'demo', 'info', 'evaluate')\n"
        "for words in (['--help'], ['--version'], *([verb, '--help'] for verb in verbs)):\n"
        "    assert CliRunner().invoke(main, words).exit_code == 0\n"
        "heavy = {'numpy', 'cv2', 'av', 'openvino', 'matplotlib', 'scipy', 'pydicom', 'torch', 'rich', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        assert "measure" in python("-c", "from lvef.cli.main import main; main(['--help'])").stdout
        seconds.append(time.perf_counter() - began)
    # A wide margin: benchmarks/ measures it, this only catches a heavy import.
    assert min(seconds) < 1.0


def test_version(run):
    assert run("--version").stdout == f"lvef {lvef.__version__}\n"


@pytest.mark.parametrize(
    "words", [["measuer"], ["--nope"], ["info", "--nope"], ["measure", "--sex", "x", "a"]]
)
def test_wrong_words_are_2(run, words):
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error" in result.stderr


def verb_that_raises(monkeypatch, error: BaseException):
    @click.command()
    def broken() -> None:
        raise error

    import lvef.cli.info

    monkeypatch.setattr(lvef.cli.info, "info", broken)
    return CliRunner().invoke(main, ["info"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("clip.avi is empty."), 1),
        (WeightsError("No network named x."), 1),
        (QualityRefusal("no_fan", "No fan was found."), 3),
    ],
)
def test_errors_of_ours_are_one_sentence(monkeypatch, error, code):
    result = verb_that_raises(monkeypatch, error)
    assert result.exit_code == code
    assert result.stderr == f"lvef: {error}\n"
    assert result.stdout == ""


def test_a_stop_by_the_user_is_130(monkeypatch):
    result = verb_that_raises(monkeypatch, KeyboardInterrupt())
    assert result.exit_code == 130
    assert "same command goes on" in result.stderr


def test_a_bug_is_one_sentence_that_says_so_and_tells_nothing_of_a_person(monkeypatch):
    result = verb_that_raises(monkeypatch, ValueError("Patient^Name"))
    assert result.exit_code == 1
    assert "bug in lvef" in result.stderr
    assert "LVEF_DEBUG=1" in result.stderr
    assert "Patient" not in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("LVEF_DEBUG", "1")
    result = verb_that_raises(monkeypatch, ValueError("inner"))
    assert "Traceback" in result.stderr
    assert "inner" in result.stderr


def test_a_closed_pipe_is_no_bug(monkeypatch):
    result = verb_that_raises(monkeypatch, OSError(errno.EPIPE, "Broken pipe"))
    assert "bug" not in result.stderr
