"""Calibration: lines that are known, SciPy as second opinion, parts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lvef.core.errors import DataError
from lvef.stats.agreement import calibration_line, calibration_parts


def test_a_line_comes_back():
    x = np.array([30.0, 41.0, 55.0, 62.0])
    assert calibration_line(x, 0.8 * x + 7) == pytest.approx((0.8, 7.0))
    assert calibration_line(x, x) == pytest.approx((1.0, 0.0))


def test_against_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(55, 12, 80)
    y = 10 + 0.7 * x + rng.normal(0, 5, 80)
    fit = stats.linregress(x, y)
    assert calibration_line(x, y) == pytest.approx((fit.slope, fit.intercept))


def test_one_answer_for_all_has_no_line():
    assert np.isnan(calibration_line([55.0, 55.0], [40.0, 60.0])).all()
    assert np.isnan(calibration_line([], [])).all()


def test_parts_by_hand():
    parts = calibration_parts([5, 1, 4, 2, 3], [50, 10, 40, 20, 30], parts=2)
    assert [(p.n, p.predicted, p.observed) for p in parts] == [(3, 2.0, 20.0), (2, 4.5, 45.0)]
    assert parts[0].sd == pytest.approx(10.0)
    few = calibration_parts([2.0, 1.0], [20.0, 10.0])
    assert [(p.n, p.predicted, p.observed) for p in few] == [(1, 1.0, 10.0), (1, 2.0, 20.0)]
    assert np.isnan(few[0].sd)
    assert calibration_parts([], []) == []


def test_parts_hold_every_case_once():
    x = np.random.default_rng(1).normal(size=103)
    parts = calibration_parts(x, x)
    assert len(parts) == 10 and sum(p.n for p in parts) == 103
    assert {p.n for p in parts} == {10, 11}
    assert sum(p.n * p.observed for p in parts) == pytest.approx(x.sum())


@pytest.mark.parametrize("call", [calibration_line, calibration_parts])
def test_what_cannot_be_compared(call):
    with pytest.raises(DataError, match="cannot be compared"):
        call([1.0], [1.0, 2.0])
    with pytest.raises(DataError, match="not finite"):
        call([1.0, np.inf], [1.0, 2.0])
