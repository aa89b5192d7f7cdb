"""Area under the ROC curve: counted by hand, SciPy as second opinion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lvef.core.errors import DataError
from lvef.stats.agreement import roc_auc, roc_curve


@pytest.mark.parametrize(
    ("scores", "positive", "area"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([5, 5, 5, 5], [0, 1, 0, 1], 0.5),
        # Pairs (positive, negative): 2 > 1, 2 < 3, 4 > 1, 4 > 3.
        ([1, 2, 3, 4], [0, 1, 0, 1], 0.75),
        # 2 = 2 counts half, 3 > 2, 2 > 1, 3 > 1.
        ([1, 2, 2, 3], [0, 0, 1, 1], 3.5 / 4),
    ],
)
def test_by_hand(scores, positive, area):
    assert roc_auc(scores, positive) == pytest.approx(area)


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=60))
def test_against_scipy_and_the_curve(cases):
    scores, positive = np.array([s for s, _ in cases]), np.array([p for _, p in cases])
    area = roc_auc(scores, positive)
    alarms, hits = roc_curve(scores, positive)
    if positive.all() or not positive.any():
        assert np.isnan(area) and not len(alarms) and not len(hits)
        return
    u = stats.mannwhitneyu(scores[positive], scores[~positive], method="asymptotic").statistic
    assert area == pytest.approx(u / (positive.sum() * (~positive).sum()))
    assert np.trapezoid(hits, alarms) == pytest.approx(area)
    assert (alarms[0], hits[0], alarms[-1], hits[-1]) == (0, 0, 1, 1)
    assert (np.diff(alarms) >= 0).all() and (np.diff(hits) >= 0).all()
    assert roc_auc(-scores, positive) == pytest.approx(1 - area)


@pytest.mark.parametrize("call", [roc_auc, roc_curve])
def test_what_cannot_be_ranked(call):
    with pytest.raises(DataError, match="cannot be compared"):
        call([1.0, 2.0], [True])
    with pytest.raises(DataError, match="not finite"):
        call([1.0, float("nan")], [True, False])
