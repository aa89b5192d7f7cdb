"""Agreement of two methods on the classes of the same cases, and of scores with two classes (ROC curve)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lvef.core.errors import DataError
from lvef.core.records import BoolArray, FloatArray


def observed_agreement(first: NDArray[np.int_], second: NDArray[np.int_]) -> float:
    """Observed agreement: part of the cases, 0-1, that both put into the same class; NaN without cases.

    Args:
        first: ``(n,)`` classes by one reader.
        second: ``(n,)`` classes by the other.

    Examples:
        >>> observed_agreement(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
        0.75
    """
    return float((first == second).mean()) if len(first) else float("nan")


def majority_share(classes: NDArray[np.int_]) -> float:
    """Part of the cases in the most frequent class: the score of always predicting that class. NaN without cases."""
    return float(np.bincount(classes).max() / len(classes)) if len(classes) else float("nan")


def cohen_kappa(first: NDArray[np.int_], second: NDArray[np.int_]) -> float:
    """Cohen's kappa without weights: agreement beyond that of two raters who keep their class frequencies but guess.

    Args:
        first: ``(n,)`` class numbers from 0 up.
        second: ``(n,)`` class numbers of the same cases.

    Returns:
        1 for the same class throughout, 0 for no better than chance; NaN without cases, or where both use one class only.

    Source:
        J. Cohen, Educational and Psychological Measurement 20, 37-46, 1960.

    Examples:
        >>> cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
        0.5
    """
    n = len(first)
    if not n:
        return float("nan")
    size = int(max(first.max(), second.max())) + 1
    by_chance = float(np.bincount(first, minlength=size) @ np.bincount(second, minlength=size)) / n**2
    return (
        (observed_agreement(first, second) - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")
    )


def confusion_matrix(truth: NDArray[np.int_], predicted: NDArray[np.int_], size: int) -> NDArray[np.int_]:
    """Counts ``(size, size)`` of true classes (rows) by predicted classes (columns).

    Args:
        truth: ``(n,)`` class numbers from 0 up to ``size - 1``.
        predicted: ``(n,)`` class numbers of the same cases.
        size: Number of classes.

    Examples:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    return np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)


def sensitivities(matrix: NDArray[np.int_]) -> NDArray[np.float64]:
    """Part of each true class that was predicted as such, ``(size,)``; NaN for a class that no case has.

    Examples:
        >>> sensitivities(np.array([[3, 1], [0, 0]])).tolist()
        [0.75, nan]
    """
    sizes = matrix.sum(axis=1).astype(float)
    found = np.full(len(matrix), np.nan)
    np.divide(np.diag(matrix), sizes, out=found, where=sizes > 0)
    return found


def macro_sensitivity(matrix: NDArray[np.int_]) -> float:
    """Mean sensitivity over the classes that some case has: each counts the same, however rare. NaN without cases.

    Examples:
        >>> macro_sensitivity(np.array([[90, 0], [10, 0]]))
        0.5
    """
    known = sensitivities(matrix)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def class_indices(names: Sequence[str], known: Sequence[str]) -> NDArray[np.int_]:
    """Class names as their places in ``known``, ``(n,)``.

    Args:
        names: ``(n,)`` class names.
        known: All class names, in order.

    Raises:
        DataError: A name is not known.
    """
    places = {name: i for i, name in enumerate(known)}
    unknown = sorted(set(names) - set(places))
    if unknown:
        raise DataError(f"The class {unknown[0]} is not among {', '.join(known)}.")
    return np.array([places[name] for name in names], dtype=int)


def roc_auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve: how often a positive case scores above a negative one, ties counted half.

    Args:
        scores: ``(n,)`` numbers, higher for what looks positive.
        positive: ``(n,)`` whether each is positive.

    Returns:
        0 to 1; NaN where all cases are of one class.

    Raises:
        DataError: Different lengths, or scores that are not finite.

    Source:
        Hanley & McNeil, Radiology 143, 29-36, 1982: the area is the Mann-Whitney statistic.

    Examples:
        >>> roc_auc([1.0, 2.0, 3.0, 4.0], [False, True, False, True])
        0.75
    """
    values, true = _pair(scores, positive)
    wanted, others = values[true], np.sort(values[~true])
    if not len(wanted) or not len(others):
        return float("nan")
    below = np.searchsorted(others, wanted, side="left")
    up_to = np.searchsorted(others, wanted, side="right")
    return float((below + up_to).mean() / (2 * len(others)))


def roc_curve(scores: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The ROC curve from (0, 0) to (1, 1): one point for each threshold between different scores.

    Args:
        scores: ``(n,)`` numbers, higher for what looks positive.
        positive: ``(n,)`` whether each is positive.

    Returns:
        ``(k,)`` part of the negative cases at or above the threshold, and ``(k,)`` part of the positive ones; both
        empty where all cases are of one class.

    Raises:
        DataError: Different lengths, or scores that are not finite.
    """
    values, true = _pair(scores, positive)
    if true.all() or not true.any():
        return np.empty(0), np.empty(0)
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.diff(values[order]) != 0)
    at = np.append(ends, len(values) - 1)
    hits, alarms = np.cumsum(true[order])[at], np.cumsum(~true[order])[at]
    return np.append(0.0, alarms / alarms[-1]), np.append(0.0, hits / hits[-1])


def _pair(scores: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, BoolArray]:
    values, true = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if values.shape != true.shape or values.ndim != 1:
        raise DataError(
            f"{values.shape} scores and {true.shape} classes cannot be compared; two lists of the same cases were expected."
        )
    if not np.isfinite(values).all():
        raise DataError(
            "Scores that are not finite cannot be ranked; leave such cases out first, and count them."
        )
    return values, true
