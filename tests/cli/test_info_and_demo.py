"""``lvef info`` and ``lvef demo``; the demo with the real network, with every socket blocked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lvef
from lvef.core.errors import WeightsError
from lvef.io.open import long_sample_cine, open_clip, sample_cine
from tests.cli.fakes import FakeMeasurer


def test_info_tells_versions_engines_and_licences(run):
    facts = json.loads(run("info", "--json").stdout)
    assert facts["lvef_version"] == lvef.__version__
    assert facts["code_licence"] == "Apache-2.0"
    assert facts["engines"]["openvino"]["installed"]
    assert "f32" in facts["engines"]["openvino"]["precisions"]
    assert facts["packages"]["pydicom"]
    network = next(n for n in facts["networks"] if n["name"] == "camus-seg")
    assert network["licence"].startswith("CC-BY-NC-SA")
    assert network["kind"] == "segmentation"
    assert 1 < network["size_mb"] < 10
    assert network["parameters"] > 1_000_000
    assert "10.1109/TMI.2019.2900516" in network["citation"]


def test_info_is_a_line_a_model(run):
    result = run("info")
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if "CC-BY-NC-SA" in line}
    assert set(rows) == {n["name"] for n in json.loads(run("info", "--json").stdout)["networks"]}
    # The errors that the card of camus-seg has are of phantoms and animated stills: not of another hospital.
    assert "segmentation  not validated externally  CC-BY-NC-SA-4.0" in rows["camus-seg"]
    assert "ef-clip       11.5 points, experimental CC-BY-NC-SA-4.0" in rows["small-video"]
    assert "measures no EF" in rows["camus-view"]
    assert "10.1109" not in result.stdout
    assert "Not a medical device" in result.stdout
    assert (
        max(len(line.rstrip()) for line in result.stdout.splitlines() if not line.startswith("Config")) <= 80
    )
    assert run("weights", "list").stdout in result.stdout


def test_info_for_people(run):
    result = run("info", "--all")
    assert result.exit_code == 0
    for word in (
        lvef.__version__,
        "Apache-2.0",
        "openvino",
        "Not a medical device",
        "camus-seg",
        "CC-BY-NC-SA",
        "segmentation, ",
        "million parameters",
    ):
        assert word in result.stdout


def test_info_marks_experimental_networks_and_tells_external_figures_first(run):
    for network in json.loads(run("info", "--json").stdout)["networks"]:
        text = run("info", network["name"]).stdout
        told = " ".join(text.split())
        assert text.startswith(f"Model {network['name']} ") and text.count("\nModel ") == 0
        assert ("experimental" in told) is network["experimental"]
        assert network["experimental_text"] in told
        assert told.index(" External ") < told.index(" In-domain ")
        for figure in network["external"]:
            place = told.index(f"{figure['name']} {figure['value']:.3g}")
            assert told.index(" External ") < place < told.index(" In-domain ")
            assert f"n = {figure['n']}, {figure['split']}, reference: {figure['reference']}" in told[place:]


def test_info_of_a_network_that_is_not_there(run):
    result = run("info", "nosuch")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No model named nosuch; installed: camus-seg" in result.stderr
    for words in (("info", "camus-sge"), ("measure", "x.avi", "--weights", "camus-sge")):
        result = run(*words)
        assert result.exit_code == 2
        assert result.stderr.startswith("lvef: No model named camus-sge; did you mean camus-seg? Installed: ")
        assert result.stderr.count("\n") == 1


def test_info_without_a_network_tells_how_to_get_one(run, monkeypatch):
    monkeypatch.setattr("lvef.inference.catalogue.list_models", list)
    result = run("info")
    assert result.exit_code == 0
    assert 'pip install "lvef[weights]"' in result.stdout


def test_info_stands_a_damaged_catalogue(run, monkeypatch):
    def broken():
        raise WeightsError("card.json: not valid JSON.")

    monkeypatch.setattr("lvef.inference.catalogue.list_models", broken)
    result = run("info")
    assert result.exit_code == 0
    assert "card.json: not valid JSON." in result.stdout


@pytest.fixture
def only_short(monkeypatch):
    """As where pydicom-data is not installed."""
    monkeypatch.setattr("lvef.io.open.long_sample_cine", lambda: None)


def test_the_demo_says_where_to_look(run, fake, here):
    stem = (long_sample_cine() or sample_cine()).stem
    result = run("demo")
    assert result.exit_code == 0, result.stderr
    assert str(Path("lvef-demo") / stem / "summary.png") in result.stderr
    assert (here / "lvef-demo" / stem / "overlay.mp4").is_file()
    assert "60 %" in result.stdout


def test_the_demo_shows_complete_beats_and_millilitres(run, here):
    """The lines of README stand in what is printed."""
    if long_sample_cine() is None:
        pytest.skip("needs pydicom-data, which make test installs")
    result = run("demo", "--precision", "f32")
    assert result.exit_code == 0, result.stderr
    document = json.loads((here / "lvef-demo" / "color3d_jpeg_baseline" / "measurement.json").read_text())
    assert (document["status"], document["beats_averaged"]) == ("ok", 3)
    assert document["edv_ml"] == pytest.approx(113, abs=3)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    [block] = [part for part in readme.split("```") if part.startswith("text\n")]
    printed = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert [line for line in map(str.split, block.splitlines()[1:]) if " ".join(line) not in printed] == []


def test_the_demo_measures_a_real_echo_offline(run, here, only_short):
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


@pytest.fixture
def drawn(phantom_clip, monkeypatch):
    """The phantom as it was drawn for all tests."""
    monkeypatch.setattr("lvef.synthesis.phantom.render.sample_phantom", lambda: phantom_clip)


def test_the_phantom_shows_both_efs(run, fake, drawn, here):
    result = run("demo", "--phantom", "--out", "out")
    assert result.exit_code == 0, result.stderr
    truth = json.loads((here / "out" / "phantom.truth.json").read_text())
    plane = truth["plane_ef_percent"]
    assert truth["ef_percent"] == pytest.approx(55, abs=3)
    assert f"Known EF: {plane:.1f} % by disks in the plane of the clip" in result.stdout
    assert re.search(r"Measured EF: 60\.0 %, \d+\.\d points above that in the plane\.", result.stdout)
    assert str(Path("out") / "phantom" / "overlay.mp4") in result.stderr
    assert open_clip(here / "out" / "phantom.avi").frames.shape == (150, 112, 112)


def test_the_phantom_as_json(run, fake, drawn, here):
    found = json.loads(run("demo", "--phantom", "--json").stdout)
    assert found["measurement"]["ef_percent"] == pytest.approx(60)
    assert len(found["truth"]["beats"]) >= 2
    assert found["truth"]["parameters"]["rhythm"] == "sinus"


def test_a_phantom_that_is_refused_is_reported_so(run, drawn, here, monkeypatch):
    monkeypatch.setattr("lvef.cli.demo.PHANTOM_FILE", "menu.avi")
    monkeypatch.setattr("lvef.measure.pipeline.Measurer", FakeMeasurer)
    result = run("demo", "--phantom")
    assert result.exit_code == 3
    assert "Known EF" in result.stdout
    assert "Measured EF" not in result.stdout


def test_the_phantom_where_nothing_can_be_written(run, here):
    (here / "file").write_text("x")
    result = run("demo", "--phantom", "--out", "file/below")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_phantom_is_measured_offline_by_the_real_network(run, here, phantom_file):
    """The whole way, in this process: the conftest lets no socket connect."""
    result = run("demo", "--phantom", "--precision", "f32", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["measurement"]["status"] == "ok"
    systoles = [beat["es_time_s"] for beat in found["measurement"]["beats"]]
    assert all(min(abs(t - beat["es_time_s"]) for t in systoles) < 0.1 for beat in found["truth"]["beats"])
    assert abs(found["measurement"]["ef_percent"] - found["truth"]["plane_ef_percent"]) < 20
    assert (here / "lvef-demo" / "phantom.avi").read_bytes() == phantom_file.read_bytes(), "always the same"


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
        timeout=600,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ef_percent"]
    assert "Traceback" not in done.stderr
