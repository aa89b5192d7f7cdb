"""Conformal quantiles: exact values, cover on simulated exchangeable patients, a second library's values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.stats import conformal as c


def ends_of(errors, level, weights=None):
    """Both ends of an interval of errors, with as much beyond each."""
    beyond = (1 - level) / 2
    return c.signed_quantile(errors, beyond, weights), c.signed_quantile(errors, 1 - beyond, weights)


@pytest.mark.parametrize(
    ("n", "level", "rank"), [(19, 0.9, 18), (9, 0.9, 9), (99, 0.95, 95), (100, 0.9, 91), (9, 0.5, 5)]
)
def test_the_quantile_is_the_score_of_the_corrected_rank(n, level, rank):
    assert c.conformal_quantile(np.arange(n, 0, -1), level) == rank


def test_too_few_patients_give_an_infinite_quantile():
    assert c.conformal_quantile(range(8), 0.9) == math.inf
    assert ends_of(range(8), 0.9) == (-math.inf, math.inf)
    assert c.conformal_quantile([], 0.5) == math.inf


# Ends of crepes 0.9.1: ConformalRegressor().fit(errors, sigmas).predict_int at 90 % for a sigma of 1, and
# ConformalPredictiveSystem().fit(errors).predict_int. Not asked at n where (n + 1) (1 - level) is whole: there crepes rounds
# a floating-point number down and takes the next larger score.
def test_ends_are_those_of_crepes():
    errors = np.arange(1.0, 56.0, 2.0)
    sigmas = np.where(np.arange(28) % 2, 2.0, 1.0)
    assert c.conformal_quantile(errors, 0.9) == 53.0
    assert c.conformal_quantile(errors / sigmas, 0.9) == pytest.approx(49.0)
    signed = np.concatenate([np.linspace(-10, 0, 20), np.linspace(0.5, 30, 30)])
    assert ends_of(signed, 0.9) == pytest.approx((-9.47368421, 28.98275862))
    assert ends_of(signed, 0.8) == pytest.approx((-7.89473684, 25.93103448))


def test_rows_of_a_patient_share_its_weight():
    once = c.conformal_quantile([1, 2, 3, 4, 5, 6, 7, 8, 9], 0.8)
    patients = list("abcdefghi") + ["a"] * 50
    scores = [*range(1, 10), *[1] * 50]
    assert c.conformal_quantile(scores, 0.8, c.patient_weights(patients)) == once == 8
    assert c.patient_weights(patients).sum() == pytest.approx(9)


def test_both_sides_have_their_own_quantile():
    errors = np.concatenate([np.linspace(-2, 0, 50), np.linspace(0, 20, 50)])
    low, high = ends_of(errors, 0.9)
    assert -2 < low < -1.5
    assert 17 < high < 20
    assert ends_of(-errors, 0.9) == pytest.approx((-high, -low))


@given(st.lists(st.floats(-50, 50), min_size=20, max_size=60), st.floats(0.1, 20), st.floats(0.1, 20))
def test_scaling_inverts_normalising(errors, below, above):
    assert c.scaled(c.normalised(errors, below, above), below, above) == pytest.approx(np.array(errors))


def _patients(rng, n, *, skewed=True):
    """Errors of two rows a patient, which are alike, with a sign that tells their size."""
    sign = rng.uniform(0, 1, n).repeat(2)
    own = rng.normal(0, 3, n).repeat(2) + rng.normal(0, 2, 2 * n)
    errors = own * (1 + 3 * sign) + (4 * sign if skewed else 0)
    return sign, errors, [str(i) for i in np.arange(n).repeat(2)]


def test_cover_holds_on_exchangeable_patients():
    rng = np.random.default_rng(0)
    covers, widths, constant = [], [], []
    for _ in range(200):
        sign, errors, patients = _patients(rng, 80)
        weights = c.patient_weights(patients)
        scale = 1 + 3 * sign
        low, high = ends_of(c.normalised(errors, scale, scale), 0.9, weights)
        new, truth, _ = _patients(rng, 50)
        ends = [np.array([c.scaled(q, 1 + 3 * s, 1 + 3 * s) for s in new]) for q in (low, high)]
        covers.append(c.coverage(*ends, truth))
        widths.append(np.mean(ends[1] - ends[0]))
        constant.append(np.subtract(*ends_of(errors, 0.9, weights)[::-1]))
    assert 0.9 <= np.mean(covers) < 0.925
    assert np.mean(widths) < np.mean(constant)


def test_distribution_is_linear_between_quantiles_and_ends_where_values_end():
    levels, values = [0.1, 0.5, 0.9], [40.0, 50.0, 60.0]

    def share(at: float) -> float:
        return c.distribution(levels, values, at, low=0, high=100)

    assert share(45) == pytest.approx(0.3)
    assert share(0) == 0
    assert share(100) == 1
    assert share(20) == pytest.approx(0.05)
    assert share(80) == pytest.approx(0.95)
    # Quantiles cut at the end of the scale are one step.
    assert c.distribution([0.1, 0.6, 0.9], [60, 100, 100], 99.9, low=0, high=100) < 0.9
    assert c.distribution([0.1, 0.6, 0.9], [60, 100, 100], 100, low=0, high=100) == 1


def test_oracle_is_the_shortest_interval():
    errors = np.random.default_rng(1).exponential(5, 400)
    width = c.oracle_width(errors, 0.9)
    assert width < np.subtract(*np.percentile(errors, [95, 5]))
    starts = np.sort(errors)
    assert max(((errors >= s) & (errors <= s + width + 1e-9)).mean() for s in starts) == pytest.approx(0.9)


def test_cover_counts_both_ends_and_weighs():
    assert c.coverage([0, 0], [1, 1], [1, 2]) == 0.5
    assert c.coverage([0, 0], [1, 1], [1, 2], weights=[3, 1]) == 0.75
