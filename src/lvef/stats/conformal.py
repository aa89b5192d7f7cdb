"""Split conformal prediction: quantiles of the errors on held-out patients, with their finite-sample correction.

The unit is the patient, not the row. A patient with several rows weighs as much as one with a single row: each row weighs
1 / (rows of its patient), and the new patient weighs 1. Sources: Vovk, Gammerman & Shafer, Algorithmic Learning in a
Random World, 2005; normalised: Papadopoulos et al., ECML 2002; weights: Tibshirani et al., NeurIPS 2019; several rows a
patient: Lee, Barber & Willett, arXiv 2306.06342.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.records import FloatArray

_ROUNDING = 1e-9
"""What sums of weights may be off by."""


def patient_weights(patients: Sequence[str]) -> FloatArray:
    """Weight of each row, so that every patient weighs 1, ``(n,)``.

    Examples:
        >>> patient_weights(["a", "b", "a"]).tolist()
        [0.5, 1.0, 0.5]
    """
    _, place, counts = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[place], dtype=np.float64)


def conformal_quantile(scores: ArrayLike, level: float, weights: ArrayLike | None = None) -> float:
    """The score that a new patient's score does not exceed with a probability of at least ``level``.

    It is the ``ceil((n + 1) level)``-th smallest of n scores, since the new one may rank anywhere among them; with weights
    the first at which the sum of weights reaches ``level`` times (their sum + 1).

    Args:
        scores: ``(n,)``, for example absolute errors.
        level: Probability, 0-1.
        weights: ``(n,)`` as `patient_weights` gives them; None weighs each row 1.

    Returns:
        The score; infinite where the patients are too few for this level.

    Examples:
        >>> conformal_quantile(range(1, 20), 0.9), conformal_quantile([1, 2, 3], 0.9)
        (18.0, inf)
    """
    found = np.asarray(scores, dtype=np.float64)
    own = np.ones(len(found)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(found, kind="stable")
    reached = np.cumsum(own[order])
    place = int(np.searchsorted(reached, level * (own.sum() + 1) - _ROUNDING))
    return float(found[order[place]]) if place < len(found) else math.inf


def signed_quantile(errors: ArrayLike, level: float, weights: ArrayLike | None = None) -> float:
    """A quantile of signed errors, corrected outwards: downwards below the median, upwards above it.

    Args:
        errors: ``(n,)`` reference minus prediction, normalised or not.
        level: Below 0.5 at most this share of new errors is smaller; from 0.5 on at least this share is at most as large.
        weights: See `conformal_quantile`.

    Returns:
        The quantile; minus or plus infinity where the patients are too few for this level.
    """
    if level < 0.5:
        return -conformal_quantile(-np.asarray(errors, dtype=np.float64), 1 - level, weights)
    return conformal_quantile(errors, level, weights)


def normalised(errors: ArrayLike, below: ArrayLike, above: ArrayLike) -> FloatArray:
    """Signed errors in units of the expected size of an error on their side.

    Args:
        errors: ``(n,)`` reference minus prediction.
        below: ``(n,)`` scale of negative errors, above 0.
        above: ``(n,)`` scale of positive errors, above 0.
    """
    signed = np.asarray(errors, dtype=np.float64)
    return np.asarray(signed / np.where(signed < 0, below, above), dtype=np.float64)


def scaled(quantile: ArrayLike, below: float, above: float) -> FloatArray:
    """Normalised errors back in their unit: the inverse of `normalised` for one prediction.

    Args:
        quantile: Any shape.
        below: Scale of negative errors.
        above: Scale of positive errors.
    """
    values = np.asarray(quantile, dtype=np.float64)
    return np.asarray(values * np.where(values < 0, below, above), dtype=np.float64)


def distribution(
    levels: Sequence[float], values: Sequence[float], at: float, *, low: float, high: float
) -> float:
    """Probability that a value is at most ``at``, by a conformal predictive distribution.

    Args:
        levels: Probabilities, rising, between 0 and 1.
        values: Their quantiles, not falling.
        at: Where.
        low: Least value that can be: nothing lies below.
        high: Largest.

    Returns:
        0-1, linear between the quantiles, and beyond the outermost down to ``low`` and up to ``high``.

    Examples:
        >>> distribution([0.25, 0.75], [40, 60], 50, low=0, high=100)
        0.5
    """
    if at >= high:
        return 1.0
    return float(np.interp(at, [low, *values, high], [0.0, *levels, 1.0]))


def coverage(
    low: ArrayLike, high: ArrayLike, reference: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Share of references that their intervals hold, both ends included, 0-1.

    Args:
        low: ``(n,)``.
        high: ``(n,)``.
        reference: ``(n,)``.
        weights: ``(n,)``; None weighs each row alike.
    """
    truth = np.asarray(reference, dtype=np.float64)
    held = (np.asarray(low) <= truth) & (truth <= np.asarray(high))
    return float(np.average(held, weights=None if weights is None else np.asarray(weights)))


def oracle_width(errors: ArrayLike, level: float) -> float:
    """Width of the shortest interval of one width and place for all that holds a share of the errors.

    It needs the true errors: no method can know them, but its width is what a method is compared with.

    Args:
        errors: ``(n,)`` reference minus prediction, at least one.
        level: Share.

    Examples:
        >>> oracle_width([0, 1, 2, 3, 50], 0.8)
        3.0
    """
    ordered = np.sort(np.asarray(errors, dtype=np.float64))
    held = max(1, math.ceil(level * len(ordered) - _ROUNDING))
    return float((ordered[held - 1 :] - ordered[: len(ordered) - held + 1]).min())
