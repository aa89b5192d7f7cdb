"""Agreement of a method with a reference on the same cases, and calibration: observed against predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.errors import DataError
from lvef.core.records import FloatArray

LIMITS_SD = 1.96
"""Half width of the limits of agreement in standard deviations. Source: Bland & Altman, Lancet 1986."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a method with a reference, in the unit of the values.

    Attributes:
        n: Cases.
        bias: Mean of method minus reference.
        sd: Standard deviation of the differences (n - 1).
        limits: ``bias -+ 1.96 sd``.
        mae: Mean absolute difference.
        pearson_r: Correlation; NaN when one side does not vary.
        baseline_mae: MAE of always predicting the reference's median.
    """

    n: int
    bias: float
    sd: float
    limits: tuple[float, float]
    mae: float
    pearson_r: float
    baseline_mae: float


def agreement(method: ArrayLike, reference: ArrayLike) -> Agreement:
    """Compare a method with a reference, case by case.

    Args:
        method: ``(n,)`` values.
        reference: ``(n,)`` values of the same cases.

    Raises:
        DataError: Fewer than two cases, different lengths, or values that are not finite.

    Examples:
        >>> agreement([50.0, 62.0], [51.0, 60.0]).mae
        1.5
    """
    a, b = _pair(method, reference)
    difference = a - b
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    return Agreement(
        n=len(a),
        bias=bias,
        sd=sd,
        limits=limits_of_agreement(difference),
        mae=mean_absolute_error(a, b),
        pearson_r=pearson_r(a, b),
        baseline_mae=float(np.abs(b - np.median(b)).mean()),
    )


def mean_absolute_error(method: ArrayLike, reference: ArrayLike) -> float:
    """Mean absolute difference.

    Args:
        method: ``(n,)`` values of the method, for example EF in percent.
        reference: ``(n,)`` values of the reference, in the same unit.
    """
    a, b = np.asarray(method, dtype=float), np.asarray(reference, dtype=float)
    return float(np.abs(a - b).mean())


def root_mean_square_error(method: ArrayLike, reference: ArrayLike) -> float:
    """Root of the mean squared difference: as the mean absolute one, with large errors weighing more.

    Args:
        method: ``(n,)`` values of the method, for example EF in percent.
        reference: ``(n,)`` values of the reference, in the same unit.
    """
    a, b = np.asarray(method, dtype=float), np.asarray(reference, dtype=float)
    return float(np.sqrt(((a - b) ** 2).mean()))


def mean_square_error(method: ArrayLike, reference: ArrayLike) -> float:
    """Mean squared difference.

    Args:
        method: ``(n,)`` values of the method, for example EF in percent.
        reference: ``(n,)`` values of the reference, in the same unit.
    """
    a, b = np.asarray(method, dtype=float), np.asarray(reference, dtype=float)
    return float(((a - b) ** 2).mean())


def r_squared(method: ArrayLike, reference: ArrayLike) -> float:
    """Coefficient of determination: 1 minus the squared errors over those of predicting the reference's mean.

    Not the square of `pearson_r`: a bias or a wrong slope lowers it, below 0 where the mean would have been better. NaN when
    the reference does not vary.

    Args:
        method: ``(n,)`` values of the method, for example EF in percent.
        reference: ``(n,)`` values of the reference, in the same unit.

    Examples:
        >>> r_squared([50.0, 60.0], [40.0, 60.0])
        0.5
    """
    a, b = np.asarray(method, dtype=float), np.asarray(reference, dtype=float)
    around = float(((b - b.mean()) ** 2).sum())
    return 1 - float(((a - b) ** 2).sum()) / around if around > 0 else float("nan")


def limits_of_agreement(differences: ArrayLike) -> tuple[float, float]:
    """Bland and Altman's limits, mean -+ 1.96 standard deviations (n - 1) of ``(n,)`` differences.

    Examples:
        >>> low, high = limits_of_agreement([-1.0, 1.0])
        >>> round(high, 3)
        2.772
    """
    d = np.asarray(differences, dtype=float)
    bias, sd = float(d.mean()), float(d.std(ddof=1))
    return bias - LIMITS_SD * sd, bias + LIMITS_SD * sd


def pearson_r(method: ArrayLike, reference: ArrayLike) -> float:
    """Pearson's correlation; NaN when one side does not vary.

    Args:
        method: ``(n,)`` values of the method, for example EF in percent.
        reference: ``(n,)`` values of the reference, in the same unit.
    """
    a, b = np.asarray(method, dtype=float), np.asarray(reference, dtype=float)
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


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

    Examples:
        >>> calibration_line([40.0, 50.0, 60.0], [45.0, 50.0, 55.0])
        (0.5, 25.0)
    """
    x, y = _pair(predicted, observed, least=0)
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
    x, y = _pair(predicted, observed, least=0)
    order = np.argsort(x, kind="stable")
    found = []
    for at in np.array_split(order, max(1, min(parts, len(x)))):
        if len(at):
            sd = float(y[at].std(ddof=1)) if len(at) > 1 else float("nan")
            found.append(CalibrationPart(len(at), float(x[at].mean()), float(y[at].mean()), sd))
    return found


def _pair(first: ArrayLike, second: ArrayLike, *, least: int = 2) -> tuple[FloatArray, FloatArray]:
    """Both lists as float arrays ``(n,)`` of the same cases, at least ``least`` of them."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < least:
        raise DataError(
            f"{a.shape} and {b.shape} values cannot be compared; two lists of the same cases were expected."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(
            "Values that are not finite cannot be compared; leave such cases out first, and count them."
        )
    return a, b
