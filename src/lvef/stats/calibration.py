"""Whether a prediction can be taken at its word: observed against predicted, in parts and as a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.errors import DataError
from lvef.core.records import FloatArray

PARTS = 10
"""Parts of equal size that predictions are cut into: deciles."""


@dataclass(frozen=True, slots=True)
class CalibrationPart:
    """Cases whose predictions lie beside each other.

    Attributes:
        n: Cases.
        predicted: Their mean prediction.
        observed: Their mean observation.
        sd: Standard deviation (n - 1) of their observations; NaN for one case.
    """

    n: int
    predicted: float
    observed: float
    sd: float


def calibration_line(predicted: ArrayLike, observed: ArrayLike) -> tuple[float, float]:
    """Slope and intercept of the least-squares line observed = intercept + slope * predicted.

    A slope below 1 says that predictions are too extreme, one above 1 that they keep too close to the middle.

    Args:
        predicted: ``(n,)``.
        observed: ``(n,)`` of the same cases.

    Returns:
        Both NaN where the predictions do not vary.

    Raises:
        DataError: Different lengths, or values that are not finite.

    Example:
        >>> calibration_line([40.0, 50.0, 60.0], [45.0, 50.0, 55.0])
        (0.5, 25.0)
    """
    x, y = _pair(predicted, observed)
    if not len(x) or np.ptp(x) == 0:
        return float("nan"), float("nan")
    apart = x - x.mean()
    slope = float((apart * (y - y.mean())).sum() / (apart * apart).sum())
    return slope, float(y.mean() - slope * x.mean())


def calibration_parts(predicted: ArrayLike, observed: ArrayLike, parts: int = PARTS) -> list[CalibrationPart]:
    """Cases in order of their prediction, cut into parts whose sizes differ by one at most.

    Args:
        predicted: ``(n,)``.
        observed: ``(n,)`` of the same cases.
        parts: How many; of fewer cases there are as many parts as cases.

    Raises:
        DataError: Different lengths, or values that are not finite.
    """
    x, y = _pair(predicted, observed)
    order = np.argsort(x, kind="stable")
    found = []
    for at in np.array_split(order, max(1, min(parts, len(x)))):
        if len(at):
            sd = float(y[at].std(ddof=1)) if len(at) > 1 else float("nan")
            found.append(CalibrationPart(len(at), float(x[at].mean()), float(y[at].mean()), sd))
    return found


def _pair(predicted: ArrayLike, observed: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(predicted, dtype=float), np.asarray(observed, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(
            f"{x.shape} predictions and {y.shape} observations do not belong together; two lists of the same cases were "
            "expected."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError(
            "Values that are not finite cannot be compared; leave such cases out first, and count them."
        )
    return x, y
