"""Image quality: its score, its parts, what it advises, and that every measurement has it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from lvef.core.errors import WeightsError
from lvef.core.records import Box, ImageQuality
from lvef.core.terms import View
from lvef.inference.card import read_card
from lvef.inference.catalogue import ModelEntry, find_model
from lvef.measure.image_quality import (
    ADVICE,
    advice,
    image_parts,
    probe_drift_percent,
    quality_of_views,
    quality_with_beats,
)
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.quality_score import QUALITY_NAME, SCORED, QualityScale, ScoredPart, read_quality_scale
from lvef.transforms.sector import Sector
from tests.measure.made_up import beating
from tests.transforms.test_image_signs import ALL, TRACING, heart

CINE = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
SECTOR = Sector(Box(0, 0, 128, 128), ALL)


def scale(**weights):
    parts = tuple(ScoredPart(name, 0.0, 1.0, 0.5, 0.25, weight) for name, weight in weights.items())
    return QualityScale("ab", parts, -1.0, 1.0, "test", "test", "test", "test")


def test_the_score_is_the_expected_label():
    one = scale(visible_border=2.0)
    # At the mean the linear predictor is 0, half-way between the cut-offs.
    assert one.score({"visible_border": 0.5}) == pytest.approx(0.5)
    at_least = [1 / (1 + np.exp(cut - 4)) for cut in (-1, 1)]
    assert one.score({"visible_border": 1.0}) == pytest.approx(np.mean(at_least))
    assert one.score({"visible_border": 3.0}) == one.score({"visible_border": 1.0}), "no extrapolation"
    assert one.score({"visible_border": 0.2}) < one.score({"visible_border": 0.4})


@pytest.mark.parametrize("value", [None, float("nan")])
def test_without_a_part_there_is_no_score(value):
    assert scale(visible_border=2.0, haze=-1.0).score({"visible_border": 0.5, "haze": value}) is None


def test_the_shipped_coefficients_are_those_of_the_shipped_model_and_have_the_right_sign():
    entry = find_model("camus-seg")
    shipped = read_quality_scale(entry)
    assert shipped.model_sha256 == entry.card.model_sha256
    assert {part.name for part in shipped.parts} == set(SCORED)
    assert all(part.weight * SCORED[part.name] > 0 for part in shipped.parts)
    assert shipped.medium < shipped.good
    assert shipped.licence == entry.card.licence
    assert shipped.metrics["spearman_a2c_low"] > 0.35


def test_coefficients_of_another_model_give_no_score_and_damaged_ones_are_refused(tmp_path, caplog):
    entry = find_model("camus-seg")
    folder = tmp_path / "camus-seg"
    shutil.copytree(entry.folder, folder, ignore=shutil.ignore_patterns("model.onnx", QUALITY_NAME))
    copy = ModelEntry("camus-seg", folder, read_card(folder))
    assert read_quality_scale(copy) is None
    values = json.loads((entry.folder / QUALITY_NAME).read_text(encoding="utf-8"))
    (folder / QUALITY_NAME).write_text(json.dumps(values | {"model_sha256": "0" * 64}), encoding="utf-8")
    assert read_quality_scale(copy) is None
    assert "clips get no image-quality score" in caplog.text
    (folder / QUALITY_NAME).write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"quality\.json: is not valid JSON"):
        read_quality_scale(copy)


def test_a_fainter_wall_and_a_hazier_apex_lower_the_score():
    shipped = read_quality_scale(find_model("camus-seg"))

    def score(image):
        return shipped.score(image_parts(image[None], SECTOR, None, [TRACING]) | {"certainty": 0.89})

    scores = [score(heart(wall=wall, speckle=0.2)) for wall in (90, 70, 50, 32)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.05
    veil = np.clip(60 - np.arange(128), 0, None)[:, None]
    hazy = [score(np.clip(heart(speckle=0.2) + k * veil, 0, 255).astype(np.uint8)) for k in (0, 0.5, 1, 2)]
    assert hazy == sorted(hazy, reverse=True)
    assert hazy[0] - hazy[-1] > 0.1


def test_parts_are_means_over_frames():
    both = np.stack([heart(wall=80), heart(wall=30)])
    found = image_parts(both, SECTOR, None, [TRACING, TRACING])
    each = [image_parts(one[None], SECTOR, None, [TRACING]) for one in both]
    assert found["visible_border"] == pytest.approx(np.mean([parts["visible_border"] for parts in each]))
    assert found["sector_width_deg"] is None


def test_advice_names_what_is_worst_first_and_nothing_where_all_is_well():
    good = {rule.part: rule.limit + (0.1 if rule.below else -0.1) for rule in ADVICE} | {"mean_grey": 0.3}
    assert advice(good, View.A4C) == ()
    poor = good | {"visible_right_wall": 0.1, "visible_left_wall": 0.4}
    assert advice(poor, View.A4C) == (
        "Right wall (lateral) not visible on 90 % of its border: turn or tilt the probe slightly.",
        "Left wall (septal) not visible on 60 % of its border: turn or tilt the probe slightly.",
    )
    assert advice(poor, View.A2C)[0].startswith("Right wall (anterior) not visible on 90 %")
    assert advice(poor, View.UNKNOWN)[0].startswith("Right wall not visible on 90 %")


def test_foreshortening_is_only_suspected_and_the_text_says_so():
    [text] = advice({"foreshortening": 2 / 3}, View.A4C)
    assert "one view cannot show it reliably" in text
    assert advice({"foreshortening": 1 / 3}, View.A4C) == ()


def test_drift_is_the_way_of_the_landmarks_between_ends_of_diastole():
    still, _ = beating()
    assert probe_drift_percent(still) == pytest.approx(0, abs=1e-9)
    tracings = list(still.tracings)
    last = max(beat.end_frame for beat in still.beats)
    moved = tracings[last]
    length = np.hypot(*(moved.base - moved.apex))
    tracings[last] = replace(
        moved,
        **{
            name: getattr(moved, name) + np.array([0.2 * length, 0])
            for name in ("contour", "apex", "base", "mitral", "chords")
        },
    )
    assert probe_drift_percent(replace(still, tracings=tuple(tracings))) == pytest.approx(20, rel=0.01)
    assert probe_drift_percent(replace(still, beats=())) is None


def test_beats_are_added_to_the_parts():
    one, _ = beating()
    known = replace(one, quality=ImageQuality(0.5, {"haze": 0.1}))
    quality = quality_with_beats(known).quality
    assert quality.parts["beats"] == len(one.counted_beats)
    assert quality.parts["haze"] == 0.1
    assert quality.score == 0.5
    assert quality_with_beats(one).quality is None
    none = quality_with_beats(replace(known, beats=())).quality
    assert none.advice == ("No complete beat: record at least two beats.",)


def test_a_study_has_the_lower_score_and_the_advice_of_both_views():
    one, _ = beating()
    views = {
        "A4C": replace(one, quality=ImageQuality(0.8, {}, ("First.", "Third."))),
        "A2C": replace(one, quality=ImageQuality(0.3, {}, ("Second.",))),
    }
    assert quality_of_views(views) == ImageQuality(0.3, {}, ("A4C: First.", "A2C: Second.", "A4C: Third."))
    assert quality_of_views({"A4C": one}) is None


@pytest.fixture(scope="module")
def measured():
    return Measurer(MeasureOptions(precision="f32")).measure(CINE)[0]


def test_a_measured_clip_has_a_score_and_all_parts(measured):
    quality = measured.quality
    assert 0 <= quality.score <= 1
    assert set(SCORED) <= set(quality.parts)
    assert quality.parts["frame_rate_hz"] == pytest.approx(measured.frame_rate_hz)
    assert quality.parts["wall_contact"] > 0.8
    assert 0.5 < quality.parts["certainty"] < 1
    assert 40 < quality.parts["sector_width_deg"] < 120
    assert all(value is None or np.isfinite(value) for value in quality.parts.values())
    shares = [name for name in quality.parts if name.startswith("visible_")]
    assert len(shares) == 4
    assert all(0 <= quality.parts[name] <= 1 for name in shares)
