"""Scores of a network on stills with masks: known answers, and the figures that the card claims."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.records import Box
from lvef.core.terms import View
from lvef.datasets.camus import read_split, read_stills
from lvef.engine.catalogue import find_network
from lvef.evaluation.stills import (
    StillScore,
    dice_score,
    ef_pairs,
    figures,
    labels_in_picture,
    main,
    score_still,
)
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import Predictor
from lvef.preprocess.frames import fit, place
from tests.datasets import camus_folder


def score(patient, phase, volume, expert, dice=0.9, view="A4C"):
    return StillScore(patient, view, phase, "Good", dice, 0.8, 0.7, volume, expert)


def test_dice_on_known_overlaps():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert np.isnan(dice_score(a, b))
    a[:2] = True
    assert dice_score(a, a) == 1
    b[1:3] = True
    assert dice_score(a, b) == 0.5


def test_ef_is_paired_by_patient_and_untraceable_stills_are_left_out():
    scores = [
        score("a", "ED", 100, 120),
        score("b", "ED", 90, 100),
        score("a", "ES", 40, 60),
        score("b", "ES", float("nan"), 50),
        score("c", "ES", 40, 60),
        score("a", "ED", 1, 1, view="A2C"),
    ]
    assert ef_pairs(scores, View.A4C).tolist() == [[60.0, 50.0]]


def test_figures_carry_interval_reference_and_trivial_answer():
    rng = np.random.default_rng(0)
    scores = []
    for i in range(30):
        ef = rng.uniform(0.3, 0.7)
        scores += [
            score(f"p{i}", "ED", 100, 100, dice=0.95),
            score(f"p{i}", "ES", 100 * (1 - ef) - 2, 100 * (1 - ef)),
        ]
    found = {f.name: f for f in figures(scores, "made up", np.random.default_rng(1))}
    assert found["dice_lv_a4c_ed"].value == 0.95
    assert found["ef_bias_a4c"].value == pytest.approx(2)
    assert found["ef_mae_a4c"].value == pytest.approx(2)
    assert found["ef_mae_a4c"].trivial > 5
    assert found["ef_r_a4c"].value == pytest.approx(1, abs=1e-3)
    assert "A4C" in found["ef_mae_a4c"].reference
    assert all(f.low <= f.value <= f.high and f.n == 30 for f in found.values())


def test_labels_find_their_way_back_to_the_picture():
    mask = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((60, 50), np.uint8))
    mask = np.pad(mask, ((7, 3), (5, 9)))
    placement = place(Box(5, 7, 105, 127), 128)
    square = fit(mask[None], placement, 128, labels=True)[0]
    probability = np.stack([square == k for k in range(4)]).astype(np.float32)
    back = labels_in_picture(probability, placement, mask.shape)
    assert (back == mask).mean() > 0.98
    assert (back[:7] == 0).all()


def test_the_command_scores_writes_and_fills_a_card(tmp_path, capsys):
    import shutil

    root = camus_folder.write(tmp_path / "camus", 8)
    folder = tmp_path / "net"
    shutil.copytree(find_network("camus-seg").folder, folder)
    out = tmp_path / "scores.jsonl"
    main(["--data", str(root), "--weights", str(folder), "--out", str(out), "--write-card"])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {r["patient"] for r in rows} == set(read_split(root, "validation"))
    card = json.loads((folder / "card.json").read_text())
    names = {f["name"] for f in card["figures"]}
    assert {"dice_lv_a4c_ed", "dice_la_a2c_es", "ef_mae_a4c"} <= names
    assert "dice_lv_a4c_ed" in capsys.readouterr().out


@pytest.mark.realdata
@pytest.mark.slow
def test_the_card_tells_the_truth(camus_root):
    """Validation patients of the card's own split reproduce its LV Dice (a part of them, to save time)."""
    predictor = Predictor(MeasureOptions(precision="f32"))
    patients = read_split(camus_root, "validation")[:12]
    scores = [score_still(predictor, s) for s in read_stills(camus_root, patients)]
    card = {f.name: f for f in predictor.entry.card.figures}
    for view in ("A4C", "A2C"):
        for phase in ("ED", "ES"):
            mean = np.mean([s.dice_lv for s in scores if s.view == view and s.phase == phase])
            assert abs(mean - card[f"dice_lv_{view}_{phase}".lower()].value) < 0.03
    assert len(read_split(camus_root, "training")) == predictor.entry.card.training.patients


@pytest.mark.parametrize("module", ["stills", "precision", "robustness", "masks"])
def test_a_wrong_folder_is_one_sentence(module, tmp_path):
    import subprocess
    import sys

    command = [sys.executable, "-m", f"lvef.evaluation.{module}", "--data", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("lvef: ")
    assert "Traceback" not in done.stderr
    assert str(tmp_path) in done.stderr or "bf16" in done.stderr


def test_a_missing_list_of_patients_is_one_sentence(tmp_path):
    root = camus_folder.write(tmp_path / "camus", 2)
    with pytest.raises(DataError, match=r"names\.txt cannot be read; a file with patient names"):
        main(["--data", str(root), "--patients", str(tmp_path / "names.txt")])
