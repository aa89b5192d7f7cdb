"""Paired comparison: closed forms, SciPy as second opinion, Holm by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from lvef.core.errors import DataError
from lvef.stats.bootstrap import compare, holm, signed_rank_p


def test_a_constant_gain_is_found_with_certainty():
    first = np.random.default_rng(0).normal(50, 10, 30)
    found = compare(first, first + 2, np.random.default_rng(1))
    assert found.n == 30
    assert found.difference == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((2, 2))
    assert found.p < 1e-6


def test_patients_without_both_are_left_out():
    found = compare([1, np.nan, 3, 4], [2, 5, np.nan, 6], np.random.default_rng(0))
    assert found.n == 2
    assert found.difference == 1.5
    assert compare([1, np.nan], [2, 3], np.random.default_rng(0)) is None
    with pytest.raises(DataError, match="cannot be paired"):
        compare([1, 2], [1, 2, 3], np.random.default_rng(0))


def test_p_counts_all_signs():
    """The exact distribution: each of the 2^n signs of the ranks is as likely."""
    d = np.array([1.5, -0.3, 2.2, 0.9, -1.1, 3.0, 0.4])
    ranks = stats.rankdata(np.abs(d))
    sums = np.array([ranks[list(s)].sum() for s in itertools.product([False, True], repeat=len(d))])
    observed = ranks[d > 0].sum()
    middle = ranks.sum() / 2
    by_hand = (np.abs(sums - middle) >= abs(observed - middle) - 1e-9).mean()
    assert signed_rank_p(d) == pytest.approx(by_hand)


def test_p_of_nothing_and_of_many():
    assert signed_rank_p([0, 0, 0]) == 1
    d = np.random.default_rng(3).normal(0.2, 1, 200)
    assert signed_rank_p(d) == pytest.approx(stats.wilcoxon(d).pvalue)
    assert 0 <= signed_rank_p([1, 1, -1, 0, 2, 2]) <= 1


def test_p_is_even_where_nothing_differs():
    """Under no difference the p values of many trials are spread evenly."""
    rng = np.random.default_rng(0)
    p = np.array([signed_rank_p(rng.normal(0, 1, 60)) for _ in range(400)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
