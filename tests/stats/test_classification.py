"""Agreement on classes: tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.stats.classification import cohen_kappa, most_frequent, numbered, same_class


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
    assert np.isnan(same_class(none, none))
    assert np.isnan(most_frequent(none))


def test_numbers_and_frequencies():
    assert numbered(["b", "a", "b"], ["a", "b"]).tolist() == [1, 0, 1]
    assert most_frequent(np.array([1, 0, 1])) == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="class c is not among a, b"):
        numbered(["c"], ["a", "b"])
