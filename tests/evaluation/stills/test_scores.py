"""Scores of a model on stills with masks: known values, and the metrics that the card states."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.records import Box, Clip
from lvef.core.terms import View
from lvef.datasets.camus import read_split, read_stills
from lvef.evaluation.metrics import dice_score
from lvef.evaluation.stills.metrics import still_metrics
from lvef.evaluation.stills.scores import (
    StillScore,
    ef_pairs,
    labels_in_contour,
    labels_in_image,
    line_error,
    other_phase,
    segment_and_score,
)
from lvef.geometry.tracing import trace_labels
from lvef.inference.card import patients_sha256
from lvef.inference.catalogue import find_model
from lvef.inference.session import bf16_available
from lvef.measure.options import MeasureOptions
from lvef.measure.predictors import SegmentationPredictor, load_predictor
from lvef.training.cases import held_out
from lvef.transforms.frames import fit, place
from lvef.transforms.sector import find_sector
from studies import precision
from tests.datasets import camus_folder

pytest.importorskip("onnx", reason="a network of these tests is made with onnx")

from tests.inference import tiny_networks as tiny

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return camus_folder.write(tmp_path_factory.mktemp("camus") / "camus", 2)


def metrics_of(scores):
    return {row.metric: row for row in still_metrics(scores, method="a", split="made up", seed=0)}


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


def test_metrics_carry_interval_reference_and_n():
    scores = [
        replace(score(f"p{i}", phase, 100, 100, dice=0.9 + i / 1000), distance_lv=1.0 + i, distance_unit="mm")
        for i in range(30)
        for phase in ("ED", "ES")
    ]
    found = metrics_of(scores)
    assert found["dice_lv_a4c_ed"].value == pytest.approx(0.9145)
    assert found["dice_lv_a4c_ed_good"].value == found["dice_lv_a4c_ed"].value
    assert "dice_lv_a2c_ed" not in found
    assert "dice_lv_a4c_ed_poor" not in found
    assert found["distance_lv_a4c_es"].value == 15.5
    assert found["distance_lv_a4c_es"].unit == "mm"
    assert all(f.low <= f.value <= f.high and f.n == 30 for f in found.values())
    assert all(f.reference == "expert masks" and f.split == "made up" for f in found.values())
    alone = metrics_of([s for s in scores if s.phase == "ED"])
    assert alone["dice_lv_a4c_ed"] == found["dice_lv_a4c_ed"], "an interval does not depend on other metrics"


def test_millimetres_and_pixels_have_no_mean():
    scores = [
        replace(score(f"p{i}", "ED", 1, 1), distance_lv=1.0, distance_unit=unit)
        for i, unit in enumerate(["mm", "px", "mm"])
    ]
    assert not [name for name in metrics_of(scores) if name.startswith("distance")]


@pytest.mark.parametrize("upside_down", [False, True])
def test_labels_find_their_way_back_to_the_image(upside_down):
    mask = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((60, 50), np.uint8))
    mask = np.pad(mask, ((7, 3), (5, 9)))
    placement = place(Box(5, 7, 105, 127, upside_down), 128)
    square = fit(mask[None], placement, 128, labels=True)[0]
    probability = np.stack([square == k for k in range(4)]).astype(np.float32)
    back = labels_in_image(probability, placement, mask.shape)
    assert (back == mask).mean() > 0.98
    assert (back[:7] == 0).all()


def test_a_still_without_a_fan_is_lost_and_not_an_error(folder):
    still = next(read_stills(folder, ["patient0001"]))
    blank = replace(still, image=np.zeros_like(still.image))
    score, labels = segment_and_score(SegmentationPredictor(MeasureOptions(precision="f32")), blank)
    assert score.is_lost
    assert score.dice_lv == 0
    assert np.isnan(score.hausdorff_lv)
    assert np.isfinite(score.volume_expert)
    assert not labels.any()


def test_a_changed_still_keeps_the_reference_of_the_clean_one(folder):
    predictor = SegmentationPredictor(MeasureOptions(precision="f32"))
    still = next(read_stills(folder, ["patient0001"]))
    clean = segment_and_score(predictor, still)[0]
    assert clean.distance_unit == "mm"
    assert clean.hausdorff_lv >= clean.distance_lv > 0
    smaller = replace(still, mask=np.where(still.mask == 1, 0, still.mask).astype(np.uint8))
    changed = segment_and_score(predictor, smaller, clean=clean)[0]
    assert changed.volume_expert == clean.volume_expert
    assert changed.volume == clean.volume
    assert changed.dice_lv == 0
    assert np.isnan(changed.distance_lv)


def test_views_without_scale_are_in_pixels(folder):
    predictor = SegmentationPredictor(MeasureOptions(precision="f32"))
    units = {
        s.view: segment_and_score(predictor, s)[0].distance_unit for s in read_stills(folder, ["patient0001"])
    }
    assert units == {"A4C": "mm", "A2C": "px"}


def test_a_contour_encloses_the_mask_it_was_traced_on():
    y, x = np.mgrid[:120, :100]
    labels = np.where(np.hypot((x - 48) / 22, (y - 55) / 40) < 1, 1, 0).astype(np.uint8)
    labels[(labels == 1) & (y > 85)] = 3
    tracing = trace_labels(labels)
    assert dice_score(labels_in_contour(tracing, labels.shape) == 1, labels == 1) > 0.98
    assert labels_in_contour(tracing, labels.shape).sum() == pytest.approx((labels == 1).sum(), rel=0.005)
    assert not labels_in_contour(None, (4, 5)).any()


def test_lines_are_scored_like_masks_and_have_no_myocardium(folder, tmp_path):
    still = next(read_stills(folder, ["patient0001"]))
    expert = trace_labels(still.mask)
    box = find_sector(Clip(still.image[None], np.zeros(1), "still", "s")).box
    square = place(box, tiny.TRACE_INPUT.size, still.spacing)
    # What this network draws is the expert's own lines, but for the mean grey of the image.
    level = 2 * fit(still.image[None], square, square_px := tiny.TRACE_INPUT.size).mean() / 255
    lines = np.concatenate([np.stack([expert.apex, expert.base])[None], expert.chords])
    wanted = square.to_network(lines.reshape(-1, 2)).reshape(lines.shape) / square_px
    drawn = tiny.lines_of_brightness(tmp_path / "n", 0.5 + (wanted - 0.5) / level)
    card = json.loads((drawn / "card.json").read_text())
    card["input"]["mirror"] = False
    (drawn / "card.json").write_text(json.dumps(card))
    found, labels = segment_and_score(
        load_predictor(MeasureOptions(weights=str(drawn), precision="f32")), still
    )
    assert found.dice_lv > 0.95
    assert np.isnan([found.dice_myocardium, found.dice_la, found.hausdorff_myocardium]).all()
    assert np.isfinite([found.hausdorff_lv, found.distance_lv]).all()
    assert found.volume == pytest.approx(found.volume_expert, rel=0.02)
    assert set(np.unique(labels)) == {0, 1}
    assert line_error(found.tracing, found.tracing_expert) < 0.01
    moved = replace(found.tracing, apex=found.tracing.apex + 3, base=found.tracing.base + 3)
    moved = replace(moved, chords=moved.chords + 3)
    length = np.hypot(*(expert.base - expert.apex))
    assert line_error(moved, found.tracing) == pytest.approx(3 / length, rel=0.02)
    twice = [found, replace(found, patient="other")]
    names = set(metrics_of(twice))
    assert {name for name in names if "line" in name} == {f"line_mae_lengths_a4c_{still.phase}".lower()}
    assert "dice_myocardium_a4c_ed" not in names


@pytest.mark.realdata
@pytest.mark.slow
def test_the_card_tells_the_truth(camus_root):
    """Validation patients of the card's own split reproduce its LV Dice (a part of them, to save time)."""
    predictor = SegmentationPredictor(MeasureOptions(precision="f32"))
    patients = read_split(camus_root, "validation")[:12]
    stills = list(read_stills(camus_root, patients))
    scores = [segment_and_score(predictor, s, other=other_phase(s, stills))[0] for s in stills]
    card = {f.name: f for f in predictor.entry.card.figures}
    for view in ("A4C", "A2C"):
        for phase in ("ED", "ES"):
            mean = np.mean([s.dice_lv for s in scores if s.view == view and s.phase == phase])
            assert abs(mean - card[f"dice_lv_{view}_{phase}".lower()].value) < 0.03


@pytest.mark.realdata
def test_the_card_names_the_patients_who_were_learned_from(camus_root):
    known = read_split(camus_root, "training")
    unseen = held_out(known, 0, 5, seed=1)
    training = find_model("camus-seg").card.training
    used = [patient for patient in known if patient not in unseen]
    assert (training.patients, training.patients_sha256) == (320, patients_sha256(used))


@pytest.mark.parametrize("module", ["precision", "masks"])
def test_a_wrong_folder_is_one_sentence(module, tmp_path):
    import subprocess
    import sys

    command = [sys.executable, "-m", f"studies.{module}", "--data", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("lvef: ")
    assert "Traceback" not in done.stderr
    assert str(tmp_path) in done.stderr or "bf16" in done.stderr


@pytest.mark.skipif(not bf16_available(), reason="bf16 units are asked for before the patients")
def test_a_missing_list_of_patients_is_one_sentence(folder, tmp_path):
    with pytest.raises(DataError, match=r"names\.txt cannot be read; a file with patient names"):
        precision.main(["--data", str(folder), "--patients", str(tmp_path / "names.txt")])
