"""Description of a column of numbers: count, centre, spread and quartiles, Tukey's fences, z-scores.

NaN means "not known": it is left out and counted. Infinite values, or values beyond `LARGEST`, are errors and raise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.errors import DataError
from lvef.core.records import BoolArray, FloatArray

WHISKER = 1.5
"""Reach of the whiskers beyond the quartiles, in interquartile ranges. Source: Tukey, Exploratory Data Analysis, 1977."""

LARGEST = 1e150
"""Larger values have a square that floating point cannot hold, and so no standard deviation."""


@dataclass(frozen=True, slots=True)
class Description:
    """Count, centre, spread and quartiles, in the unit of the values. NaN where too few values are known.

    Attributes:
        n: Values that are known.
        missing: Values that are not.
        mean: Arithmetic mean.
        std: Standard deviation with n - 1; needs two values.
        minimum: Least value.
        q25: Lower quartile, by linear interpolation between the neighbours in rank.
        median: The same at one half.
        q75: Upper quartile.
        maximum: Largest value.
    """

    n: int
    missing: int
    mean: float
    std: float
    minimum: float
    q25: float
    median: float
    q75: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Fences:
    """Limits of ordinary values: `WHISKER` interquartile ranges below the lower and above the upper quartile."""

    low: float
    high: float


def describe(values: ArrayLike) -> Description:
    """Count, mean, standard deviation (n - 1), minimum, linear quartiles and maximum.

    Args:
        values: ``(n,)`` numbers, NaN where one is not known.

    Raises:
        DataError: A value is infinite or beyond `LARGEST`.

    Source:
        Quartiles: Hyndman & Fan, Am Stat 1996, definition 7 (that of NumPy, pandas and R).

    Examples:
        >>> d = describe([1.0, 2.0, 3.0, 4.0, float("nan")])
        >>> d.n, d.missing, d.mean, d.q25, d.median, d.q75
        (4, 1, 2.5, 1.75, 2.5, 3.25)
    """
    x = _known(values)
    missing = np.size(values) - len(x)
    if not len(x):
        return Description(0, missing, *[float("nan")] * 7)
    low, middle, high = (float(q) for q in np.percentile(x, [25, 50, 75], method="linear"))
    mean, std = _centre_and_spread(x)
    return Description(len(x), missing, mean, std, float(x.min()), low, middle, high, float(x.max()))


def fences(values: ArrayLike) -> Fences:
    """The whisker rule's two ends; NaN where no value is known.

    Args:
        values: ``(n,)`` numbers, NaN where one is not known.

    Raises:
        DataError: A value is infinite or beyond `LARGEST`.

    Examples:
        >>> fences([1.0, 2.0, 3.0, 4.0])
        Fences(low=-0.5, high=5.5)
    """
    d = describe(values)
    reach = WHISKER * (d.q75 - d.q25)
    return Fences(d.q25 - reach, d.q75 + reach)


def outside(values: ArrayLike, ends: Fences) -> tuple[BoolArray, BoolArray]:
    """Which values lie below the low fence, and which above the high one; on a fence is inside.

    Args:
        values: ``(n,)`` numbers; NaN is on neither side.
        ends: From `fences`.

    Returns:
        Two ``(n,)`` bool arrays.
    """
    x = np.asarray(values, dtype=float)
    return x < ends.low, x > ends.high


def z_scores(values: ArrayLike) -> FloatArray:
    """Distance of each value from the mean in standard deviations (n - 1).

    Args:
        values: ``(n,)`` numbers, NaN where one is not known.

    Returns:
        ``(n,)``. Zero everywhere where the values do not vary or there is only one; NaN stays NaN.

    Raises:
        DataError: A value is infinite or beyond `LARGEST`.

    Examples:
        >>> z_scores([1.0, 2.0, 3.0]).tolist(), z_scores([5.0, 5.0]).tolist()
        ([-1.0, 0.0, 1.0], [0.0, 0.0])
    """
    x = np.asarray(values, dtype=float)
    known = _known(x)
    if not len(known):
        return x.copy()
    mean, std = _centre_and_spread(known)
    if not std > 0:
        return np.where(np.isnan(x), np.nan, 0.0)
    return np.asarray((x - mean) / std)


def _known(values: ArrayLike) -> FloatArray:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1:
        raise DataError(f"an array of shape {x.shape} cannot be described; one list of numbers was expected.")
    known = np.asarray(x[~np.isnan(x)])
    if (np.abs(known) > LARGEST).any():
        worst = known[np.abs(known).argmax()]
        raise DataError(f"{worst:g} is too large to be described; correct it, or leave it out and count it.")
    return known


def _centre_and_spread(known: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation of at least one value; the latter is NaN for one."""
    first = float(known[0])
    if (known == first).all():
        # The mean of equal numbers, as floating point sums it, is not always that number.
        return first, 0.0 if len(known) > 1 else float("nan")
    return float(known.mean()), float(known.std(ddof=1))
