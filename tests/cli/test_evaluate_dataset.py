"""``lvef evaluate dataset`` from end to end, and every sentence it says instead."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from lvef.inference.catalogue import find_model
from tests.evaluation.dataset import made_up


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    return made_up.write_traced(tmp_path_factory.mktemp("ef") / "made", [60.0, 50.0, 40.0, 30.0])


@pytest.fixture
def knowing(monkeypatch, fake):
    """A measurer that errs by two points, and refuses the fourth clip."""
    from tests.cli.fakes import FakeMeasurer

    efs = {
        "clip001": 62.0,
        "clip002": 52.0,
        "clip003": 42.0,
        "clip004": None,
        "clip005": 50.0,
        "clip006": 60.0,
    }

    class Knowing(FakeMeasurer):
        def measure(self, path):
            self.asked.append((path.stem,))
            return made_up.KnowingMeasurer(efs).measure(path)

    monkeypatch.setattr("lvef.measure.pipeline.Measurer", Knowing)
    return fake


def predictions(folder, **efs):
    told = {"clip001": 61, "clip002": 49, "clip003": 44, "clip004": 35} | efs
    return made_up.write_predictions(folder / "mine.csv", told)


@pytest.mark.slow
def test_a_network_beside_predictions(run, here, traced, knowing):
    words = ("dataset", traced, "--weights", "camus-seg", "--predictions", predictions(here))
    result = run("evaluate", *words, "--overlays", "2", "--out", "out")
    assert result.exit_code == 0, result.stderr
    out = result.stdout
    assert "manifest.parquet, split test: 4 clips of 4 patients" in out
    assert "Reference: EF of made-up: made up" in out
    assert "camus-seg: 3 clips with an EF, 1 without" in out and "mine: 4 clips with an EF, 0 without" in out
    assert "always 55.0 %" in out and "always" in out
    assert "not comparable" in out and "no_fan" in out and "Method against method" in out
    assert "nan" not in out.lower()
    files = {p.name for p in (here / "out").iterdir()}
    assert {
        "index.html",
        "cases.csv",
        "paired.csv",
        "overlay_test_camus-seg.png",
        "overlay_train_camus-seg.png",
    } <= files
    assert len(knowing[0].asked) == 6
    again = run("evaluate", *words, "--overlays", "2", "--out", "out", "--json")
    assert again.exit_code == 0 and "4 results from an earlier run" in again.stderr
    assert len(knowing[1].asked) == 0
    assert json.loads(again.stdout) == json.loads((here / "out" / "summary.json").read_text())


def test_json_without_files(run, here, traced, knowing):
    result = run("evaluate", "dataset", traced, "--json", "--precision", "f32")
    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    [network] = values["networks"]
    assert network["weights"]["name"] == "fake" and network["answered"] == 3
    figures = {f["name"]: f for f in network["figures"]}
    assert figures["ef_mae"]["value"] == figures["ef_bias"]["value"] == 2.0
    # Two points up: 60, 50 and 40 become normal, normal and mild.
    assert figures["ef_accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert not list(here.iterdir())


def test_predictions_alone_load_no_network(run, here, traced, knowing):
    result = run(
        "evaluate", "dataset", traced, "--predictions", predictions(here, other=50), "--split", "test"
    )
    assert result.exit_code == 0, result.stderr
    assert not knowing
    assert "1 items of its file are not evaluated" in result.stdout


def test_one_class_only_is_said(run, here, knowing):
    path = made_up.write(here / "m.csv", made_up.rows([55.0, 60.0, 65.0], root=here))
    told = made_up.write_predictions(here / "p.csv", {"clip001": 56, "clip002": 58, "clip003": 66})
    result = run("evaluate", "dataset", path, "--predictions", told)
    assert result.exit_code == 0, result.stderr
    assert "not defined: EF <= 35 in no clip, or in all" in " ".join(result.stdout.split())
    assert "nan" not in result.stdout.lower()


def test_a_file_that_cannot_be_read(run, traced, fake, monkeypatch):
    efs = {"clip001": "gone", "clip002": 50.0, "clip003": 40.0, "clip004": 30.0}
    monkeypatch.setattr(
        "tests.cli.fakes.FakeMeasurer.measure", lambda self, path: made_up.KnowingMeasurer(efs).measure(path)
    )
    result = run("evaluate", "dataset", traced)
    assert result.exit_code == 1
    assert "clip001" in result.stderr and result.stderr.startswith("lvef: ")
    assert "1 of them because they could not be read" in result.stdout


def test_only_refusals(run, traced, fake, monkeypatch):
    from tests.measure.made_up import refused

    monkeypatch.setattr("tests.cli.fakes.FakeMeasurer.measure", lambda self, path: (refused(str(path)), None))
    result = run("evaluate", "dataset", traced)
    assert result.exit_code == 3
    assert "no_fan" in result.stdout


def test_a_training_patient_in_the_test_is_refused(run, here, knowing):
    both = made_up.rows([55.0, 45.0], root=here, split="train", start=8, patient=["patient002", "patient009"])
    path = made_up.write(here / "m.csv", made_up.rows([60.0, 50.0], root=here), both)
    result = run("evaluate", "dataset", path)
    assert result.exit_code == 1
    assert "patient002" in result.stderr and "one split only" in result.stderr
    assert not knowing and result.stdout == ""


def test_the_training_of_a_further_network_counts(run, here, traced, knowing):
    folder = here / "net"
    shutil.copytree(find_model("camus-seg").folder, folder)
    digest = hashlib.sha256(b"patient001").hexdigest()
    (folder / "split.csv").write_text(f"patient_sha256,part\n{digest},train\n")
    words = ("--predictions", predictions(here), "--train-card", folder / "card.json")
    result = run("evaluate", "dataset", traced, *words)
    assert result.exit_code == 1 and "patient001" in result.stderr and "has not seen" in result.stderr
    assert run("evaluate", "dataset", traced, "--weights", folder).exit_code == 1


def test_what_cannot_be_evaluated_at_all(run, here, traced, knowing):
    none = made_up.write(here / "none.csv", made_up.rows([None, None], root=here))
    one = made_up.write(here / "one.csv", made_up.rows([60.0], root=here))
    nan = made_up.write(here / "nan.csv", made_up.rows([60.0, 50.0], root=here))
    nan.write_text(nan.read_text().replace(",60.0,", ",nan,"))
    (here / "file").write_text("")
    for words, sentence in (
        ((here / "gone.csv",), "cannot be read"),
        ((here / "file",), "a manifest ends in"),
        ((none,), "no EF to compare with"),
        ((one,), "of one patient"),
        ((nan,), "ef_percent"),
        ((traced, "--split", "val"), "no clip is in the split val"),
        ((traced, "--weights", "out/network"), "No model named out/network"),
        ((traced, "--weights", "camus-seg", "--weights", "camus-seg"), "give each model once"),
        ((traced, "--predictions", "gone.csv"), "gone.csv: cannot be read"),
        ((traced, "--losses", "gone"), "no metrics.csv"),
        ((traced, "--train-card", "gone"), "no card there"),
        ((traced, "--out", "file/out"), "cannot be made"),
    ):
        result = run("evaluate", "dataset", *words)
        assert result.exit_code == 1, words
        assert sentence in result.stderr, (words, result.stderr)
        assert result.stderr.startswith("lvef: ") and result.stderr.count("\n") == 1
        assert result.stdout == ""
