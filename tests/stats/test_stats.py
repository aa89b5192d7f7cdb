"""Figures of merit against a second library and against coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lvef.core.errors import DataError
from lvef.stats.agreement import agreement
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
    assert a.trivial_mae == pytest.approx(np.abs(truth - np.median(truth)).mean())


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
