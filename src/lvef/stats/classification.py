"""How well two methods sort the same cases into classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError


def same_class(first: NDArray[np.int_], second: NDArray[np.int_]) -> float:
    """Part of the cases, 0-1, in which both say the same class; NaN without cases.

    Example:
        >>> same_class(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
        0.75
    """
    return float((first == second).mean()) if len(first) else float("nan")


def most_frequent(classes: NDArray[np.int_]) -> float:
    """Part of the cases in the most frequent class: what always saying that class would score. NaN without cases."""
    return float(np.bincount(classes).max() / len(classes)) if len(classes) else float("nan")


def cohen_kappa(first: NDArray[np.int_], second: NDArray[np.int_]) -> float:
    """Cohen's kappa without weights: agreement beyond that of two sorters who keep their frequencies but guess.

    Args:
        first: ``(n,)`` class numbers from 0 up.
        second: ``(n,)`` class numbers of the same cases.

    Returns:
        1 for the same class throughout, 0 for no better than chance; NaN without cases, or where both know one class only.

    Source:
        J. Cohen, Educational and Psychological Measurement 20, 37-46, 1960.

    Example:
        >>> cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
        0.5
    """
    n = len(first)
    if not n:
        return float("nan")
    size = int(max(first.max(), second.max())) + 1
    by_chance = float(np.bincount(first, minlength=size) @ np.bincount(second, minlength=size)) / n**2
    return (same_class(first, second) - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def confusion_matrix(truth: NDArray[np.int_], answer: NDArray[np.int_], size: int) -> NDArray[np.int_]:
    """How often each class was answered with each: ``(size, size)``, a row a true class, a column an answer.

    Args:
        truth: ``(n,)`` class numbers from 0 up to ``size - 1``.
        answer: ``(n,)`` class numbers of the same cases.
        size: Number of classes.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return np.bincount(truth * size + answer, minlength=size * size).reshape(size, size)


def sensitivities(matrix: NDArray[np.int_]) -> NDArray[np.float64]:
    """Part of each true class that was answered with it, ``(size,)``; NaN for a class that no case has.

    Example:
        >>> sensitivities(np.array([[3, 1], [0, 0]])).tolist()
        [0.75, nan]
    """
    sizes = matrix.sum(axis=1).astype(float)
    found = np.full(len(matrix), np.nan)
    np.divide(np.diag(matrix), sizes, out=found, where=sizes > 0)
    return found


def macro_sensitivity(matrix: NDArray[np.int_]) -> float:
    """Mean sensitivity over the classes that some case has: each counts the same, however rare. NaN without cases.

    Example:
        >>> macro_sensitivity(np.array([[90, 0], [10, 0]]))
        0.5
    """
    known = sensitivities(matrix)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def numbered(names: Sequence[str], known: Sequence[str]) -> NDArray[np.int_]:
    """Class names as their places in ``known``, ``(n,)``.

    Raises:
        DataError: A name is not known.
    """
    places = {name: i for i, name in enumerate(known)}
    unknown = sorted(set(names) - set(places))
    if unknown:
        raise DataError(f"The class {unknown[0]} is not among {', '.join(known)}.")
    return np.array([places[name] for name in names], dtype=int)
