import dataclasses
import functools
import sys

import pytest
from click.testing import CliRunner

from lvef.cli.main import main
from lvef.cli.serve import RANGES
from lvef.service.settings import ServiceSettings

invoke = functools.partial(CliRunner().invoke, help_option_names=["-h", "--help"])


def test_the_help_has_examples_and_every_default():
    done = invoke(main, ["serve", "--help"])
    assert done.exit_code == 0
    said = " ".join(done.output.split())
    for words in (
        "lvef serve --port 0",
        "curl -F files=@clip.dcm",
        "LVEF_API_KEY",
        "127.0.0.1",
        "[default: 8000;",
    ):
        assert words in said
    assert "not installed" not in done.output


def test_every_setting_is_an_option():
    fields = {field.name for field in dataclasses.fields(ServiceSettings)}
    assert fields - {"api_key"} == RANGES.keys()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--no-key", "--api-key-file", "key"], "contradict"),
        (["--root-path", "lvef"], "begins with /"),
        (["--root-path", "/a b"], "begins with /"),
        (["--allow-origin", "echo.example.org"], "is an origin such as"),
        (["--port", "99999"], "--port"),
        (["--keep-hours", "-1"], "--keep-hours"),
        (["--precision", "f16"], "--precision"),
    ],
)
def test_wrong_words(words, said):
    done = invoke(main, ["serve", *words])
    assert done.exit_code == 2
    assert said in done.output


def test_what_is_said_arrives(monkeypatch, tmp_path):
    import lvef.service.server as run

    seen = []
    monkeypatch.setattr(run, "run_service", lambda settings, **more: seen.append((settings, more)))
    monkeypatch.delenv("LVEF_API_KEY", raising=False)
    words = [
        "--port",
        "0",
        "--workers",
        "2",
        "--keep-hours",
        "0",
        "--data",
        str(tmp_path),
        "--root-path",
        "/lvef/",
    ]
    words += ["--allow-host", "a", "--allow-host", "b", "--no-log"]
    done = invoke(main, ["serve", *words])
    assert done.exit_code == 0, done.output
    ((settings, more),) = seen
    assert settings == ServiceSettings(
        port=0, workers=2, keep_hours=0, data=tmp_path, root_path="/lvef", allow_host=("a", "b")
    )
    assert more["log"] is False


def test_an_address_of_others_needs_a_key(monkeypatch):
    monkeypatch.delenv("LVEF_API_KEY", raising=False)
    done = invoke(main, ["serve", "--host", "0.0.0.0"])
    assert done.exit_code == 1
    assert "an API key is needed" in done.output


def test_without_the_extra_it_says_what_to_do(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("lvef.service.") and n != "lvef.service.settings"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = invoke(main, ["serve"])
    assert done.exit_code == 1
    assert 'pip install "lvef[service]"' in done.output
