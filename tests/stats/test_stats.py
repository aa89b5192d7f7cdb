"""Figures of merit against a second library and against coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lvef.core.errors import DataError
from lvef.stats.agreement import agreement, mean_square_error, r_squared, root_mean_square_error
from lvef.stats.bootstrap import interval


def test_agreement_equals_scipy_and_hand():
    rng = np.random.default_rng(0)
    truth = rng.normal(55, 12, 80)
    guess = truth + rng.normal(2, 4, 80)
    a = agreement(guess, truth)
    assert a.pearson_r == pytest.approx(stats.pearsonr(guess, truth).statistic)
    assert a.bias == pytest.approx((guess - truth).mean())
    assert a.sd == pytest.approx(stats.tstd(guess - truth))
    assert a.limits == pytest.approx((a.bias - 1.96 * a.sd, a.bias + 1.96 * a.sd))
    assert a.baseline_mae == pytest.approx(np.abs(truth - np.median(truth)).mean())


def test_squares_by_hand():
    truth, guess = [40.0, 50.0, 60.0], [42.0, 50.0, 54.0]
    assert mean_square_error(guess, truth) == pytest.approx(40 / 3)
    assert root_mean_square_error(guess, truth) ** 2 == pytest.approx(40 / 3)
    assert r_squared(guess, truth) == pytest.approx(1 - 40 / 200)
    # The mean explains nothing, and r squared is not R2: a bias of 20 points keeps r at 1.
    assert r_squared([50.0] * 3, truth) == 0
    assert r_squared([t + 20 for t in truth], truth) == pytest.approx(-5)
    assert np.isnan(r_squared(guess, [50.0] * 3))


@pytest.mark.parametrize("bad", [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, np.nan], [1.0, 2.0])])
def test_agreement_refuses_what_cannot_be_compared(bad):
    with pytest.raises(DataError):
        agreement(*bad)


def test_interval_covers_at_its_level():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        low, high = interval(lambda v: float(v.mean()), rng.normal(0, 1, 40), rng, resamples=300)
        hits += low <= 0 <= high
    # 95 % nominal; an interval cut at 5 and 95 % would cover about 0.89.
    assert 0.91 <= hits / 200 <= 0.985
