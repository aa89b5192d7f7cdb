"""The prediction interval of a measurement: ends, ranges, and every reason without one."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lvef.core.config import to_mapping
from lvef.core.errors import WeightsError
from lvef.core.records import CodedWarning, Correction, ImageQuality
from lvef.geometry.categories import HeartFailureRange
from lvef.inference.catalogue import find_model
from lvef.measure import interval as i
from lvef.measure.options import MeasureOptions
from tests.measure.made_up import beating

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
CALIBRATION = i.Calibration(
    model="camus-seg 1",
    model_sha256="ab" * 32,
    measured_with="fold 0",
    measured_with_sha256="cd" * 32,
    level=0.9,
    methods=(i.CLIP, i.STILLS),
    below={"constant": 5.0},
    above={"constant": 5.0, "odd_shapes": 10.0},
    ranges={},
    foreign_from={"appearance_distance": 3.0},
    levels=LEVELS,
    quantiles={
        i.CLIP: [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0],
        i.STILLS: [-1.0] * 7,
        i.FOREIGN: [-1.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0],
    },
    data="made up",
    patients=80,
    n=100,
    command="lvef weights calibrate",
)


def _measured(ef: float = 50.0, odd: float = 0.0, distance: float = 0.0, **changes):
    measurement, _ = beating()
    parts = {"odd_shapes": odd, "appearance_distance": distance}
    return dataclasses.replace(
        measurement, ef_percent=ef, quality=ImageQuality(0.8, parts), notices=(), **changes
    )


def test_ends_are_the_ef_and_the_scaled_quantiles():
    found = i.with_interval(_measured(), CALIBRATION)
    assert (found.ef_low_percent, found.ef_high_percent, found.interval_level) == (40.0, 60.0, 0.9)
    assert found.interval_note == ""


def test_a_sign_widens_only_its_side():
    found = i.with_interval(_measured(odd=0.5), CALIBRATION)
    assert (found.ef_low_percent, found.ef_high_percent) == (40.0, 70.0)


def test_foreign_images_have_their_own_quantiles_and_the_ef_stays_inside():
    found = i.with_interval(_measured(distance=3.1), CALIBRATION)
    assert (found.ef_low_percent, found.ef_high_percent) == (50.0, 70.0)


@pytest.mark.parametrize(("ef", "ends"), [(96.0, (86.0, 100.0)), (4.0, (0.0, 14.0))])
def test_ends_are_cut_at_0_and_100(ef, ends):
    found = i.with_interval(_measured(ef), CALIBRATION)
    assert (found.ef_low_percent, found.ef_high_percent) == ends


@pytest.mark.parametrize("ef", [3.0, 35.0, 40.5, 45.0, 49.5, 62.0, 97.0])
def test_probabilities_sum_to_1_over_the_ranges(ef):
    found = i.with_interval(_measured(ef), CALIBRATION).category_probabilities
    assert list(found) == [str(name) for name in HeartFailureRange]
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) >= 0


def test_probabilities_follow_the_rounded_ef():
    # 40.5 is the limit of the rounded 41, and the median error is 0.
    found = i.with_interval(_measured(40.5), CALIBRATION).category_probabilities
    assert found["reduced"] == pytest.approx(0.5)
    found = i.with_interval(_measured(49.5), CALIBRATION).category_probabilities
    assert found["preserved"] == pytest.approx(0.5)
    # From 5 points above the EF on 25 %, 1 % beyond 15 points.
    assert i.with_interval(_measured(44.5), CALIBRATION).category_probabilities["preserved"] == pytest.approx(
        0.25
    )


def _without(measurement, calibration=CALIBRATION) -> str:
    found = i.with_interval(measurement, calibration)
    assert found.ef_low_percent is found.ef_high_percent is found.interval_level is None
    assert found.category_probabilities == {}
    return found.interval_note


def test_no_interval_of_another_model():
    assert _without(_measured(), dataclasses.replace(CALIBRATION, model_sha256="ef" * 32)) == i.OTHER_MODEL
    assert _without(_measured(), None) == i.NO_CALIBRATION


def test_the_precision_does_not_matter():
    made = dataclasses.replace(_measured().provenance, precision="f32")
    assert i.with_interval(_measured(provenance=made), CALIBRATION).ef_low_percent == 40.0


def test_no_interval_of_a_corrected_result():
    correction = Correction("A. Reader", "2026-01-01T00:00:00+00:00", ("ed_contour",))
    old = i.with_interval(_measured(), CALIBRATION)
    assert _without(dataclasses.replace(old, correction=correction)) == i.OF_MODEL_ONLY


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({"single_plane": {"A4C": 50.0, "A2C": 52.0}}, "biplane"),
        ({"notices": (CodedWarning("frames_by_hand", ""),)}, "chosen frames"),
    ],
)
def test_no_interval_of_a_method_that_was_not_calibrated(changes, method):
    assert method in _without(dataclasses.replace(_measured(), **changes))


def test_a_study_has_the_mean_scale_of_its_views():
    """Its interval lies between those that its views would give it; the more foreign view decides on the group."""
    calibration = dataclasses.replace(
        CALIBRATION,
        methods=(*CALIBRATION.methods, i.BIPLANE),
        quantiles={**CALIBRATION.quantiles, i.BIPLANE: CALIBRATION.quantiles[i.CLIP]},
        above={"constant": 5.0, "odd_shapes": 4.0},
    )
    study = dataclasses.replace(_measured(), single_plane={"A4C": 50.0, "A2C": 50.0}, quality=None)
    good, odd, foreign = _measured(), _measured(odd=0.5), _measured(distance=3.1)

    def width(*views):
        found = i.with_interval(study, calibration, views)
        return found.ef_high_percent - found.ef_low_percent

    assert width(good, good) == pytest.approx(
        i.with_interval(good, CALIBRATION).ef_high_percent - i.with_interval(good, CALIBRATION).ef_low_percent
    )
    assert width(odd, odd) > width(good, good)
    assert width(good, odd) == pytest.approx((width(good, good) + width(odd, odd)) / 2)
    for views in ((good, foreign), (foreign, good)):
        assert i.with_interval(study, calibration, views).ef_high_percent == 70.0, (
            "quantiles of foreign images"
        )


def test_no_interval_of_a_study_where_a_view_lacks_a_sign():
    study = dataclasses.replace(_measured(), single_plane={"A4C": 50.0, "A2C": 50.0})
    calibration = dataclasses.replace(
        CALIBRATION, methods=(i.BIPLANE,), quantiles={i.BIPLANE: CALIBRATION.quantiles[i.CLIP]}
    )
    views = (_measured(), dataclasses.replace(_measured(), quality=ImageQuality(None)))
    assert "appearance distance" in i.with_interval(study, calibration, views).interval_note


def test_no_interval_where_a_sign_is_not_known():
    assert "appearance distance" in _without(dataclasses.replace(_measured(), quality=ImageQuality(None)))


def test_nothing_without_an_ef():
    found = i.with_interval(dataclasses.replace(_measured(), ef_percent=None), CALIBRATION)
    assert found.interval_note == ""


def test_a_calibration_is_read_back(tmp_path):
    path = tmp_path / i.INTERVAL_NAME
    assert i.read_calibration(tmp_path) is None
    path.write_text(json.dumps(to_mapping(CALIBRATION)))
    assert i.read_calibration(tmp_path) == CALIBRATION
    path.write_text(json.dumps(to_mapping(CALIBRATION) | {"levels": [0.5]}))
    with pytest.raises(WeightsError, match=r"interval\.json"):
        i.read_calibration(tmp_path)
    path.write_text("{")
    with pytest.raises(WeightsError, match="calibrate anew"):
        i.read_calibration(tmp_path)


def test_the_shipped_model_has_a_calibration_of_its_own_file():
    entry = find_model(MeasureOptions.weights)
    calibration = i.read_calibration(entry.folder)
    assert calibration is not None
    assert calibration.model_sha256 == entry.card.model_sha256
    assert calibration.level == 0.9
    inside = {cover.group: cover for cover in calibration.cover}["patients set aside, stills"]
    assert inside.cover == pytest.approx(0.9, abs=0.02)
    assert inside.width < 1.5 * inside.oracle
    foreign = {cover.group: cover for cover in calibration.cover}["phantoms of another seed"]
    assert foreign.cover >= 0.85
    assert foreign.width < 1.5 * foreign.oracle


def test_unlikeness_counts_what_lies_outside_the_ranges():
    ranges = {"haze": [0.1, 0.3], "mean_grey": [0.2, 0.6]}
    assert i.unlikeness({"haze": 0.1, "mean_grey": 0.6}, ranges) == 0
    assert i.unlikeness({"haze": 0.36, "mean_grey": 0.04}, ranges) == pytest.approx(0.5)
    assert i.unlikeness({"haze": 2.0, "mean_grey": 0.3}, ranges) == 1
