"""Agreement of a method with a reference on the same cases: of values, of classes, ROC curves, and calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lvef.core.errors import DataError
from lvef.core.records import BoolArray, FloatArray

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
    values, true = _ranked(scores, positive)
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
    values, true = _ranked(scores, positive)
    if true.all() or not true.any():
        return np.empty(0), np.empty(0)
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.diff(values[order]) != 0)
    at = np.append(ends, len(values) - 1)
    hits, alarms = np.cumsum(true[order])[at], np.cumsum(~true[order])[at]
    return np.append(0.0, alarms / alarms[-1]), np.append(0.0, hits / hits[-1])


def _ranked(scores: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, BoolArray]:
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
