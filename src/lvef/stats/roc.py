"""How well a number tells two kinds of cases apart, whatever the border: the ROC curve and the area under it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.errors import DataError
from lvef.core.records import BoolArray, FloatArray


def roc_auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve: how often a positive case scores above a negative one, ties counted half.

    Args:
        scores: ``(n,)`` numbers, higher for what looks positive.
        positive: ``(n,)`` whether each is positive.

    Returns:
        0 to 1; NaN where all cases are of one kind, so that nothing could be told apart.

    Raises:
        DataError: Different lengths, or scores that are not finite.

    Source:
        Hanley & McNeil, Radiology 143, 29-36, 1982: the area is the Mann-Whitney statistic.

    Example:
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
    """The ROC curve from (0, 0) to (1, 1): one point for each border between different scores.

    Args:
        scores: ``(n,)`` numbers, higher for what looks positive.
        positive: ``(n,)`` whether each is positive.

    Returns:
        ``(k,)`` part of the negative cases at or above the border, and ``(k,)`` part of the positive ones; both empty where
        all cases are of one kind.

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
            f"{values.shape} scores and {true.shape} kinds do not belong together; two lists of the same cases do."
        )
    if not np.isfinite(values).all():
        raise DataError(
            "Scores that are not finite tell nothing apart; leave such cases out first, and count them."
        )
    return values, true
