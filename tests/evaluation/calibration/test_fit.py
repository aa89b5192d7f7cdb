"""A calibration of simulated patients: cover holds, signs widen, foreign images have their own quantiles."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.evaluation.calibration import CalibrationCounts, CalibrationPlan
from lvef.evaluation.calibration.cases import (
    ANIMATED,
    ANIMATED_STUDIES,
    FIT,
    PHANTOM_STUDIES,
    PHANTOMS,
    STILLS,
    TEST,
    SignsResult,
)
from lvef.evaluation.calibration.fit import FitSettings, cross_validate, fit, usable
from lvef.evaluation.calibration.run import COVERAGE_CSV, RISK_PNG, SIGNS_CSV, calibrate, coverage_metrics
from lvef.measure.interval import BIPLANE, CLIP, FOREIGN, Calibration
from lvef.measure.interval import STILLS as STILLS_METHOD

BLANK = Calibration(
    "m 1", "ab", "fold", "cd", 0.9, (), {}, {}, {}, {}, (), {}, "simulated", 0, 0, "lvef weights calibrate"
)
SETTINGS = FitSettings(
    below=("odd_shapes",), above=("odd_shapes",), ranges=(), foreign=("appearance_distance",)
)


def _case(rng, source, number, part=FIT, method=CLIP) -> SignsResult:
    odd = float(rng.uniform(0, 1))
    far = source in (PHANTOMS, PHANTOM_STUDIES)
    error = rng.normal(0, 3) * (1 + 2 * odd) + (10 if far else 0)
    ef = float(rng.uniform(25, 70))
    return SignsResult(
        item=f"{source} {number} {part} {rng.integers(2**40)}",
        status="ok",
        ef_percent=ef,
        patient=f"{PHANTOMS if far else 'patient'} {number} {part if far else ''}",
        source=source,
        view="A4C",
        part=part,
        reference_percent=ef + error,
        method=method,
        signs={"odd_shapes": odd, "appearance_distance": float(rng.normal(6 if far else 1, 0.5))},
    )


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    stills = [_case(rng, STILLS, n // 2, method=STILLS_METHOD) for n in range(160)]
    animated = [_case(rng, ANIMATED, n) for n in range(60)]
    phantoms = [
        _case(rng, PHANTOMS, n, part) for part, many in ((FIT, 200), (TEST, 300)) for n in range(many)
    ]
    studies = [_case(rng, ANIMATED_STUDIES, n, method=BIPLANE) for n in range(60)]
    studies += [
        _case(rng, PHANTOM_STUDIES, n, part, BIPLANE)
        for part, many in ((FIT, 200), (TEST, 300))
        for n in range(many)
    ]
    return [*stills, *animated, *phantoms, *studies]


def test_cover_holds_on_patients_and_phantoms_that_had_no_part(rows):
    predicted = cross_validate(rows, SETTINGS, BLANK)
    assert len(predicted) == len(rows)
    found = {(row.group, row.metric): row for row in coverage_metrics(predicted, "simulated", "m 1")}
    assert found["patients set aside, stills", "interval_cover"].value == pytest.approx(0.9, abs=0.05)
    # Of calibrations by 200 phantoms, cover varies by 2 % from one to the next, and as much by the test.
    assert found["phantoms of another seed", "interval_cover"].value == pytest.approx(0.9, abs=0.06)
    assert found["biplane, phantoms of another seed", "interval_cover"].value == pytest.approx(0.9, abs=0.06)
    for group in (
        "patients set aside, stills",
        "phantoms of another seed",
        "biplane, phantoms of another seed",
    ):
        width = found[group, "interval_width"]
        assert width.value < 1.5 * width.baseline


def test_signs_widen_and_the_bias_of_foreign_images_goes_to_one_side(rows):
    found = fit(rows, SETTINGS, BLANK)
    assert found.below["odd_shapes"] > 0
    assert found.above["odd_shapes"] > 0
    assert 1 < found.foreign_from["appearance_distance"] < 4
    assert set(found.quantiles) == {CLIP, STILLS_METHOD, BIPLANE, FOREIGN}
    at = dict(zip(found.levels, found.quantiles[FOREIGN], strict=True))
    assert at[0.95] > 2 * -at[0.05]
    assert found.quantiles[FOREIGN] == sorted(found.quantiles[FOREIGN])


def test_studies_change_nothing_for_clips_and_stills(rows):
    whole = fit(rows, SETTINGS, BLANK)
    worse = [
        dataclasses.replace(r, reference_percent=r.ef_percent + 2 * r.error) if r.method == BIPLANE else r
        for r in rows
    ]
    other = fit(worse, SETTINGS, BLANK)
    assert other.quantiles.pop(BIPLANE) != whole.quantiles.pop(BIPLANE)
    assert other == whole


def test_phantoms_of_the_test_have_no_part_in_the_fit(rows):
    changed = [dataclasses.replace(r, reference_percent=99.0) if r.part == TEST else r for r in rows]
    assert fit(changed, SETTINGS, BLANK) == fit(rows, SETTINGS, BLANK)


def test_signs_that_are_not_known_everywhere_are_left_out(rows):
    without = [dataclasses.replace(rows[0], signs={"odd_shapes": 0.0}), *rows[1:]]
    kept, settings = usable([*without, dataclasses.replace(rows[1], ef_percent=float("nan"))], SETTINGS)
    assert len(kept) == len(rows)
    assert settings.foreign == ()
    assert settings.above == ("odd_shapes",)


def test_too_few_patients_are_an_error(rows):
    with pytest.raises(DataError, match="at least 33 are needed"):
        fit([r for r in rows if r.source != STILLS or int(r.patient.split()[1]) < 20], SETTINGS, BLANK)
    with pytest.raises(DataError, match="nothing can be calibrated"):
        usable([dataclasses.replace(rows[0], ef_percent=float("nan"))], SETTINGS)


def test_report_has_every_case_and_group(rows, tmp_path):
    plan = CalibrationPlan("m", tmp_path, tmp_path / "run", CalibrationCounts())
    calibration, report = calibrate(plan, BLANK, rows, 1.0)
    assert (calibration.patients, calibration.n) == (280, 680)
    assert calibration.methods == (STILLS_METHOD, CLIP, BIPLANE)
    groups = [cover.group for cover in calibration.cover]
    assert groups[0] == "patients set aside, stills"
    assert {
        "phantoms of another seed",
        "biplane, animated stills",
        "biplane, phantoms of another seed",
    } <= set(groups)
    assert report.csv[SIGNS_CSV].count("\n") == len(rows) + 1
    assert report.csv[COVERAGE_CSV].count("\n") == len(groups) + 1
    assert report.plots[RISK_PNG].png[:4] == b"\x89PNG"
