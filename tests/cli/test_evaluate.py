"""``lvef evaluate`` from end to end, and every sentence it says instead."""

from __future__ import annotations

import json
import shutil

import pytest

from lvef.datasets.camus import read_split
from lvef.evaluation.stills.robustness import PERTURBATIONS
from lvef.inference.session import bf16_available
from tests.datasets import camus_folder
from tests.evaluation.conftest import copy_network


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    return camus_folder.write(tmp_path_factory.mktemp("stills") / "camus", 6)


@pytest.mark.slow
def test_table_and_files(run, here, stills):
    result = run("evaluate", "stills", stills, "--out", here / "out", "--precision", "f32")
    assert result.exit_code == 0, result.stderr
    assert "CAMUS validation, 3 patients" in result.stdout
    assert "LV A4C ED" in " ".join(result.stdout.split())
    assert "against method of disks on the expert masks, A4C" in result.stdout
    assert "A4C axis for both views" in result.stdout
    assert "Not a medical device" in result.stdout
    assert "index.html" in result.stderr
    assert (here / "out" / "index.html").is_file()
    assert not (here / "out" / "robustness.csv").exists()


def test_json_is_the_summary_and_nothing_is_written_unasked(run, here, stills):
    result = run("evaluate", "stills", stills, "--split", "training", "--json", "--precision", "f32")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["schema"] == "lvef-evaluation/1"
    assert summary["split"] == "CAMUS training, 3 patients"
    assert summary["networks"][0]["weights"][0]["precision"] == "f32"
    assert not list(here.iterdir())


@pytest.mark.slow
def test_two_networks_and_changes(run, here, stills, monkeypatch):
    monkeypatch.setattr(
        "lvef.evaluation.stills.evaluation.PERTURBATIONS", {"wall drop-out": PERTURBATIONS["wall drop-out"]}
    )
    twin = copy_network(here / "run" / "camus-seg", "twin")
    (here / "two.txt").write_text("patient0001\npatient0002\n")
    words = ("--weights", "camus-seg", "--weights", twin, "--patients", here / "two.txt", "--robustness")
    result = run("evaluate", "stills", stills, "--precision", "f32", "--out", here / "out", *words)
    assert result.exit_code == 0, result.stderr
    assert "run/camus-seg" in result.stdout
    assert "wall drop-out" in result.stdout
    assert "Model against model" in result.stdout
    assert (here / "out" / "paired.csv").is_file()
    assert (here / "out" / "robustness_run-camus-seg.png").is_file()


def test_an_earlier_run_is_taken_over_and_a_broken_still_is_one_sentence(run, here, stills):
    data = here / "camus"
    shutil.copytree(stills, data)
    (here / "two.txt").write_text("patient0001\npatient0002\n")
    network = copy_network(here / "net", "card")
    before = (network / "card.json").read_bytes()
    words = (data, "--patients", "two.txt", "--weights", network, "--write-card", "--out", "out", "--json")
    broken = data / "database_nifti" / "patient0002" / "patient0002_4CH_ED_gt.nii.gz"
    sound = broken.read_bytes()
    broken.write_bytes(b"none")
    first = run("evaluate", "stills", *words)
    assert first.exit_code == 1
    assert f"lvef: {broken}" in first.stderr
    assert "keeps its metrics" in first.stderr
    assert "patient0002 A4C ED" in json.loads(first.stdout)["notices"][-1]
    assert (network / "card.json").read_bytes() == before
    broken.write_bytes(sound)
    second = run("evaluate", "stills", *words)
    assert second.exit_code == 0, second.stderr
    assert "6 results from an earlier run" in second.stderr
    assert "metrics written into the card" in second.stderr
    assert (network / "card.json").read_bytes() != before
    third = run("evaluate", "stills", *words)
    assert "8 results from an earlier run" in third.stderr
    assert third.stdout == second.stdout


def test_runs_are_pooled(run, here, stills):
    words = []
    for fold, split in enumerate(("training", "validation")):
        folder = here / f"fold{fold}"
        copy_network(folder / "camus-seg", str(fold))
        (folder / "held-out.txt").write_text("\n".join(read_split(stills, split)))
        words += ["--runs", folder]
    result = run("evaluate", "stills", stills, "--precision", "f32", "--json", *words)
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert [n["name"] for n in summary["networks"]] == ["cross-validation"]
    assert summary["patients"] == 6
    (here / "fold1" / "held-out.txt").write_text("patient0001\n")
    result = run("evaluate", "stills", stills, *words)
    assert result.exit_code == 1
    assert "patient0001 is held out by" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_card_is_filled_in_f32(run, here, stills):
    network = copy_network(here / "net", "card")
    before = json.loads((network / "card.json").read_text())
    result = run("evaluate", "stills", stills, "--weights", network, "--write-card", "--json")
    assert result.exit_code == 0, result.stderr
    card = json.loads((network / "card.json").read_text())
    names = {f["name"] for f in card["figures"]}
    assert {"dice_lv_a4c_ed", "dice_la_a2c_es", "ef_mae_a4c", "ef_mae_biplane"} <= names
    assert {k: v for k, v in card.items() if k != "figures"} == {
        k: v for k, v in before.items() if k != "figures"
    }
    assert {f["split"] for f in card["figures"]} == {"CAMUS validation, 3 patients"}
    assert json.loads(result.stdout)["networks"][0]["weights"][0]["precision"] == "f32"
    info = run("measure", "--weights", network, "nothing.avi")
    assert "card" not in info.stderr, "the card can still be read"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--split", "training", "--patients", "a.txt"), "either --split or --patients"),
        (("--runs", "a", "--weights", "b"), "either --weights or --runs"),
        (("--runs", "a", "--split", "training"), "a run names its own patients"),
        (("--runs", "a", "--patients", "a.txt"), "a run names its own patients"),
        (("--runs", "a", "--write-card"), "belong to several models"),
        (("--weights", "a", "--weights", "b", "--write-card"), "a card holds the metrics of its own model"),
        (("--write-card", "--precision", "bf16"), "needs --precision f32"),
        (("--split", "all"), "is not one of"),
        (("--seed", "-1"), "--seed"),
    ],
)
def test_words_that_do_not_go_together(run, stills, words, sentence):
    result = run("evaluate", "stills", stills, *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--data", "CAMUS"), "write lvef evaluate stills CAMUS"),
        (("--manifest", "m.csv", "--split", "val"), "write lvef evaluate dataset m.csv"),
        (("--synthetic", "made"), "write lvef evaluate synthetic made"),
        (("stills",), "Missing argument 'DATA'"),
        (("stills", "CAMUS", "--predictions", "p.csv"), "--predictions"),
        (("dataset", "m.csv", "--robustness"), "--robustness"),
        (("synthetic", "made", "--split", "test"), "--split"),
    ],
)
def test_former_and_foreign_options(run, words, sentence):
    result = run("evaluate", *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_what_is_missing_is_one_sentence(run, here, stills):
    (here / "bare").mkdir()
    (here / "strange.txt").write_text("patient9999\n")
    (here / "file").write_text("")
    cases = [
        (("nowhere",), "nowhere: no such folder"),
        (("bare",), "list of CAMUS validation patients is missing"),
        ((stills, "--patients", "none.txt"), "none.txt: cannot be read"),
        ((stills, "--patients", "file"), "is empty"),
        ((stills, "--patients", "strange.txt"), "no CAMUS stills of the 1 patients"),
        ((stills, "--weights", "nothing"), "No model named nothing"),
        ((stills, "--weights", "camus-seg", "--weights", "camus-seg"), "are the same model"),
        ((stills, "--runs", "bare"), "held-out.txt: cannot be read"),
        ((stills, "--precision", "f16"), "f16"),
        ((stills, "--out", "file/out"), "cannot be made"),
    ]
    for words, sentence in cases:
        result = run("evaluate", "stills", *words)
        assert result.exit_code == (2 if "nothing" in words else 1), (words, result.stderr)
        assert sentence in result.stderr
        assert result.stderr.startswith("lvef: ")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""


@pytest.mark.skipif(not bf16_available(), reason="this processor has no bf16 units")
def test_the_precision_used_is_reported(run, stills):
    result = run("evaluate", "stills", stills, "--json", "--precision", "bf16")
    assert json.loads(result.stdout)["networks"][0]["weights"][0]["precision"] == "bf16"
