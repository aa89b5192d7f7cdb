"""``lvef app``: its words, a missing extra, and that it serves."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

import lvef.cli.app as app_module
from lvef.cli.main import main

invoke = partial(CliRunner().invoke, main)


def test_help_names_every_option_and_loads_no_streamlit():
    result = invoke(["app", "--help"])
    assert result.exit_code == 0
    for option in ("--host", "--port", "--max-upload-mb", "--weights", "--open / --no-open", "--base-path"):
        assert option in result.output
    code = "import sys, lvef.cli.app; print('streamlit' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_a_missing_extra_is_one_sentence(monkeypatch):
    monkeypatch.setattr(app_module, "find_spec", lambda name: None)
    result = invoke(["app"])
    assert result.exit_code == 1
    assert 'pip install "lvef[app]"' in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("words", [["--port", "70000"], ["--max-upload-mb", "0"], ["--colour"]])
def test_wrong_words(words):
    assert invoke(["app", *words]).exit_code == 2


def test_an_unknown_network_is_one_sentence():
    pytest.importorskip("streamlit")
    result = invoke(["app", "--port", "0", "--no-open", "--weights", "no-such"])
    assert result.exit_code == 1 and "No network named no-such" in result.output


def test_defaults_are_those_of_the_settings():
    if importlib.util.find_spec("streamlit") is None:
        pytest.skip("the page is not installed")
    from lvef.webapp.settings import AppSettings

    defaults = {p.name: p.default for p in app_module.app.params if p.name != "help"}
    own = AppSettings()
    assert {name: defaults[name] for name in ("host", "port", "max_upload_mb", "weights", "base_path")} == {
        "host": own.host,
        "port": own.port,
        "max_upload_mb": own.max_upload_mb,
        "weights": own.weights,
        "base_path": own.base_path,
    }
