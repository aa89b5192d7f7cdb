"""``lvef app``: its words, a missing extra, and that it serves."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

import lvef.cli.serve as app_module
from lvef.cli.main import main
from lvef.webapp.settings import AppSettings

invoke = partial(CliRunner().invoke, main)


def test_help_names_every_option_and_loads_no_server():
    result = invoke(["app", "--help"])
    assert result.exit_code == 0
    for option in (
        "--host",
        "--port",
        "--max-upload-mb",
        "--weights",
        "--open / --no-open",
        "--base-path",
        "--data",
        "--keep-hours",
    ):
        assert option in result.output
    code = "import sys, lvef.cli.serve; print('starlette' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_a_missing_extra_is_one_sentence(monkeypatch):
    monkeypatch.setattr(app_module, "find_spec", lambda name: None)
    result = invoke(["app"])
    assert result.exit_code == 1
    assert 'pip install "lvef[app]"' in result.output and "Traceback" not in result.output


@pytest.mark.parametrize(
    "words", [["--port", "70000"], ["--max-upload-mb", "0"], ["--keep-hours", "0"], ["--colour"]]
)
def test_wrong_words(words):
    assert invoke(["app", *words]).exit_code == 2


def test_an_unknown_network_is_one_sentence():
    pytest.importorskip("starlette")
    result = invoke(["app", "--port", "0", "--no-open", "--weights", "no-such"])
    assert result.exit_code == 2 and "No model named no-such" in result.output


def test_each_setting_is_an_option():
    names = {p.name for p in app_module.app.params if p.name != "help"}
    assert names == {field.name for field in dataclasses.fields(AppSettings)}


def test_what_is_typed_reaches_the_page(monkeypatch):
    server = pytest.importorskip("lvef.webapp.server", exc_type=ImportError)
    told = []
    monkeypatch.setattr(server, "run_app", lambda settings, announce: told.append(settings))
    words = ["--port", "0", "--max-upload-mb", "9", "--no-open", "--base-path", "/echo/", "--host", "::1"]
    assert invoke(["app", *words]).exit_code == 0
    assert told == [AppSettings("::1", 0, 9, base_path="echo", open_browser=False)]
    assert invoke(["app"]).exit_code == 0
    assert told[1] == AppSettings(open_browser=True)
