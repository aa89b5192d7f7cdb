"""``lvef info`` and ``lvef demo``; the demo with the real network, with every socket blocked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import lvef
from lvef.core.errors import WeightsError


def test_info_tells_versions_engines_and_licences(run):
    facts = json.loads(run("info", "--json").stdout)
    assert facts["lvef_version"] == lvef.__version__
    assert facts["code_licence"] == "Apache-2.0"
    assert facts["engines"]["openvino"]["installed"]
    assert "f32" in facts["engines"]["openvino"]["precisions"]
    assert facts["packages"]["pydicom"]
    network = next(n for n in facts["networks"] if n["name"] == "camus-seg")
    assert network["licence"].startswith("CC-BY-NC-SA")
    assert "10.1109/TMI.2019.2900516" in network["citation"]


def test_info_for_people(run):
    result = run("info")
    assert result.exit_code == 0
    for word in (
        lvef.__version__,
        "Apache-2.0",
        "openvino",
        "Not a medical device",
        "camus-seg",
        "CC-BY-NC-SA",
    ):
        assert word in result.stdout


def test_info_without_a_network_tells_how_to_get_one(run, monkeypatch):
    monkeypatch.setattr("lvef.engine.catalogue.list_networks", list)
    result = run("info")
    assert result.exit_code == 0
    assert 'pip install "lvef[weights]"' in result.stdout


def test_info_stands_a_damaged_catalogue(run, monkeypatch):
    def broken():
        raise WeightsError("card.json: not valid JSON.")

    monkeypatch.setattr("lvef.engine.catalogue.list_networks", broken)
    result = run("info")
    assert result.exit_code == 0
    assert "card.json: not valid JSON." in result.stdout


def test_the_demo_says_where_to_look(run, fake, here):
    result = run("demo")
    assert result.exit_code == 0, result.stderr
    assert str(Path("lvef-demo") / "examples_ybr_color" / "summary.png") in result.stderr
    assert (here / "lvef-demo" / "examples_ybr_color" / "overlay.mp4").is_file()
    assert "60 %" in result.stdout


def test_the_demo_measures_a_real_echo_offline(run, here):
    """The whole way, in this process: the conftest lets no socket connect."""
    result = run("demo", "--precision", "f32")
    assert result.exit_code == 0, result.stderr
    document = json.loads((here / "lvef-demo" / "examples_ybr_color" / "measurement.json").read_text())
    assert document["status"] == "partial_cycle"
    assert 40 <= document["ef_percent"] <= 80
    assert document["edv_ml"] is None
    assert document["volume_note"]
    assert document["provenance"]["precision"] == "f32"
    assert "%" in result.stdout


def test_a_fresh_process_without_network_or_home(here):
    """As a user would start it, with sockets that cannot connect and a home that cannot be written."""
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a socket was opened')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from lvef.cli.main import main\n"
        "main(['demo', '--json'])\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ef_percent"]
    assert "Traceback" not in done.stderr
