"""Agreement on classes: tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.stats.agreement import (
    cohen_kappa,
    confusion_matrix,
    macro_sensitivity,
    majority_share,
    observed_agreement,
    sensitivities,
)


def from_table(table):
    """Two lists of classes with the given ``(k, k)`` counts."""
    pairs = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return np.array(pairs).T


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        # Two of the textbook: 50 grants and two readers; p_o .7, p_e .5.
        ([[20, 5], [10, 15]], 0.4),
        # p_o .6, p_e .54.
        ([[45, 15], [25, 15]], 0.06 / 0.46),
        ([[7, 0, 0], [0, 2, 0], [0, 0, 5]], 1.0),
        # Independent: rows and columns in proportion.
        ([[8, 4], [4, 2]], 0.0),
    ],
)
def test_kappa(table, kappa):
    assert cohen_kappa(*from_table(table)) == pytest.approx(kappa)
    assert cohen_kappa(*from_table(table)[::-1]) == pytest.approx(kappa)


def test_kappa_does_not_ask_how_classes_are_numbered():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    new = np.array([2, 0, 1])
    assert cohen_kappa(new[a], new[b]) == pytest.approx(cohen_kappa(a, b))


def test_where_kappa_is_not_defined():
    assert np.isnan(cohen_kappa(np.zeros(4, int), np.zeros(4, int)))
    none = np.array([], int)
    assert np.isnan(cohen_kappa(none, none))
    assert np.isnan(observed_agreement(none, none))
    assert np.isnan(majority_share(none))


def test_frequencies():
    assert majority_share(np.array([1, 0, 1])) == pytest.approx(2 / 3)


def test_the_reports_test_row():
    """Accuracy, majority answer and sensitivities fit the 1,276 cases of its 2,552 images, and give a macro of .49."""
    matrix = np.array([[561, 260, 159], [70, 26, 30], [20, 32, 118]])
    assert matrix.sum() == 1276
    truth, answer = from_table(matrix)
    np.testing.assert_array_equal(confusion_matrix(truth, answer, 3), matrix)
    assert observed_agreement(truth, answer) == pytest.approx(0.5525, abs=5e-5)
    assert majority_share(truth) == pytest.approx(0.768, abs=5e-4)
    assert sensitivities(matrix) == pytest.approx([0.572, 0.206, 0.694], abs=5e-4)
    assert macro_sensitivity(matrix) == pytest.approx((0.572 + 0.206 + 0.694) / 3, abs=5e-4)
    always = confusion_matrix(truth, np.zeros_like(truth), 3)
    assert macro_sensitivity(always) == pytest.approx(1 / 3)


def test_a_class_that_nobody_has_is_left_out_of_the_macro():
    matrix = np.array([[4, 0, 0], [0, 0, 0], [1, 0, 1]])
    assert np.isnan(sensitivities(matrix)[1])
    assert macro_sensitivity(matrix) == pytest.approx(0.75)
    assert np.isnan(macro_sensitivity(np.zeros((3, 3), int)))
