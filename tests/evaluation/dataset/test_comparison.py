"""Two networks on the same clips."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lvef.evaluation.dataset.analysis import compare_methods
from tests.evaluation.dataset.made_up import made_evaluation


def compared(*answers, **settings):  # the references first
    return {
        (p.first, p.second, p.figure): p for p in compare_methods(made_evaluation(*answers, **settings), 0)
    }


def test_a_network_that_errs_two_points_more_everywhere():
    rng = np.random.default_rng(0)
    reference = rng.normal(55, 10, 40)
    found = compared(reference, reference + 3, reference + 5)
    p = found["a", "b", "mae"]
    assert (p.n, p.patients) == (40, 40)
    assert (p.first_value, p.second_value) == pytest.approx((3, 5))
    assert (p.difference, p.low, p.high) == pytest.approx((2, 2, 2))
    assert p.p < 1e-6 and p.p_holm == p.p and not p.more_is_better
    assert found["a", "b", "r"].difference == pytest.approx(0, abs=1e-9)
    assert found["a", "b", "r"].p is None and found["a", "b", "r"].more_is_better


def test_p_is_that_of_scipy_and_corrected_over_the_pairs():
    rng = np.random.default_rng(1)
    reference = rng.normal(55, 10, 30)
    answers = [reference + rng.normal(0, s, 30) for s in (3, 4, 8)]
    found = compared(reference, *answers)
    errors = [np.abs(a - reference) for a in answers]
    expected = stats.wilcoxon(errors[2] - errors[0]).pvalue
    assert found["a", "c", "mae"].p == pytest.approx(expected)
    ps = {key: p for key, p in found.items() if p.p is not None}
    assert len(ps) == 3
    smallest = min(ps.values(), key=lambda p: p.p)
    assert smallest.p_holm == pytest.approx(min(1, 3 * smallest.p))
    r = found["a", "c", "r"]
    assert r.difference == pytest.approx(
        np.corrcoef(answers[2], reference)[0, 1] - np.corrcoef(answers[0], reference)[0, 1]
    )
    assert r.low < r.difference < r.high


def test_only_clips_that_both_answered_and_patients_as_wholes():
    reference = [60.0, 50.0, 40.0, 30.0]
    found = compared(reference, [61, 51, 41, None], [62, None, 43, 33], patients=["p", "q", "r", "s"])
    assert (found["a", "b", "mae"].n, found["a", "b", "mae"].difference) == (2, 1.5)
    assert not compared(reference, [61, 51, None, None], [62, 52, None, None], patients=["p", "p", "q", "q"])
    # Two clips of one patient are one pair for the test.
    both = compared(reference, [61, 51, 41, 31], [62, 52, 42, 33], patients=["p", "p", "q", "q"])
    assert both["a", "b", "mae"].patients == 2
    assert both["a", "b", "mae"].p == pytest.approx(0.5)
