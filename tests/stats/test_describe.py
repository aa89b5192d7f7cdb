"""The table of a column: hand-computed, and against other implementations."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.core.errors import DataError
from lvef.stats.describe import LARGEST, Fences, describe, fences, outside, z_scores

NAN = float("nan")
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


def test_by_hand():
    # Sorted 2, 4, 4, 5, 7, 14: ranks 0 to 5, so the quartiles lie at ranks 1.25, 2.5 and 3.75.
    d = describe([14.0, 4.0, NAN, 2.0, 7.0, 4.0, 5.0])
    assert (d.n, d.missing, d.minimum, d.maximum) == (6, 1, 2.0, 14.0)
    assert (d.q25, d.median, d.q75) == (4.0, 4.5, 6.5)
    assert d.mean == 6.0
    # Squares of -4, -2, -2, -1, 1, 8 are 90 together; over n - 1 = 5.
    assert d.std == pytest.approx(math.sqrt(18), abs=1e-15)
    # Interquartile range 2.5, so 3.75 beyond the quartiles.
    assert fences([14.0, 4.0, NAN, 2.0, 7.0, 4.0, 5.0]) == Fences(0.25, 10.25)


@given(NUMBERS)
def test_against_the_standard_library(values):
    d = describe(values)
    assert d.mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    assert d.std == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-6)
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    assert [d.q25, d.median, d.q75] == pytest.approx(quartiles, rel=1e-9, abs=1e-6)
    assert d.minimum <= d.q25 <= d.median <= d.q75 <= d.maximum


@given(NUMBERS, st.integers(0, 5))
def test_what_is_not_known_changes_nothing_but_its_count(values, holes):
    assert describe([NAN] * holes + values) == describe(values + [NAN] * holes)
    d = describe(values + [NAN] * holes)
    assert (d.n, d.missing) == (len(values), holes)


def test_none_and_one_value():
    d = describe([NAN, NAN])
    assert (d.n, d.missing) == (0, 2)
    assert np.isnan([d.mean, d.std, d.minimum, d.q25, d.median, d.q75, d.maximum]).all()
    assert describe([]).n == 0
    d = describe([55.0])
    assert (d.mean, d.minimum, d.q25, d.median, d.q75, d.maximum) == (55.0,) * 6
    assert math.isnan(d.std)


@pytest.mark.parametrize("value", [0.1, 0.0, -7.3, 1e-300])
def test_equal_values_have_no_spread_at_all(value):
    # Summed in floating point, three times 0.1 has another mean than 0.1.
    values = [value] * 3
    d = describe(values)
    assert (d.mean, d.std) == (value, 0.0)
    assert z_scores(values).tolist() == [0.0, 0.0, 0.0]


def test_z_scores():
    np.testing.assert_allclose(z_scores([2.0, NAN, 4.0, 6.0]), [-1.0, NAN, 0.0, 1.0])
    assert z_scores([3.0]).tolist() == [0.0]
    assert z_scores([]).tolist() == []
    assert np.isnan(z_scores([NAN])).all()
    np.testing.assert_array_equal(z_scores([5.0, NAN, 5.0]), [0.0, NAN, 0.0])


@given(NUMBERS)
def test_z_scores_have_mean_zero_and_deviation_one(values):
    z = z_scores(values)
    assert np.isfinite(z).all()
    # Where the spread is near the last digit of the values, so is the error of the mean.
    if np.std(values) > 1e-6 * max(1.0, np.abs(values).max()):
        assert z.mean() == pytest.approx(0, abs=1e-6)
        assert z.std(ddof=1) == pytest.approx(1, rel=1e-9)


def test_on_a_fence_is_inside():
    low, high = outside([-0.5, -0.51, 5.5, 5.51, NAN], fences([1.0, 2.0, 3.0, 4.0]))
    assert low.tolist() == [False, True, False, False, False]
    assert high.tolist() == [False, False, False, True, False]
    low, high = outside([1.0], fences([]))
    assert not low.any() and not high.any()


@pytest.mark.parametrize("call", [describe, fences, z_scores])
@pytest.mark.parametrize("bad", [[1.0, float("inf")], [-float("inf")], [2 * LARGEST, 1.0], [[1.0, 2.0]]])
def test_what_cannot_be_described_is_a_sentence(call, bad):
    with pytest.raises(DataError, match=r"too large to be described|one list of numbers"):
        call(bad)
