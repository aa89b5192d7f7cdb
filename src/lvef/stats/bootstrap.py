"""Percentile bootstrap over independent units (patients), and two methods compared on the same patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lvef.core.errors import DataError
from lvef.core.records import FloatArray

RESAMPLES = 2000
"""Enough for the second digit of a 95 % interval. Source: Efron & Tibshirani 1993, section 13.3."""


def interval(
    statistic: Callable[[NDArray[Any]], float],
    units: NDArray[Any],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Percentile interval of a statistic.

    Args:
        statistic: Takes rows of ``units``, gives one number.
        units: One row a patient, ``(n, ...)``; whole rows are drawn, so that what belongs to one patient stays together.
        rng: Source of randomness.
        level: Level of the interval; 0.95 cuts at 2.5 and 97.5 %.
        resamples: Draws.

    Returns:
        Lower and upper end. Draws in which the statistic is not defined are left out.
    """
    [(low, high)] = intervals(lambda rows: [statistic(rows)], units, rng, level=level, resamples=resamples)
    return float(low), float(high)


def intervals(
    statistics: Callable[[NDArray[Any]], ArrayLike],
    units: NDArray[Any],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> FloatArray:
    """Percentile intervals of several statistics from the same draws: see `interval`.

    Args:
        statistics: Takes rows of ``units``, gives ``(k,)`` numbers.
        units: One row a patient, ``(n, ...)``.
        rng: Source of randomness.
        level: Level of the intervals.
        resamples: Draws.

    Returns:
        ``(k, 2)`` lower and upper ends; NaN for a statistic that is defined in no draw.
    """
    n = len(units)
    draws = np.array(
        [np.asarray(statistics(units[rng.integers(0, n, n)]), dtype=float) for _ in range(resamples)]
    )
    tail = 100 * (1 - level) / 2
    found = np.full((draws.shape[1], 2), np.nan)
    defined = np.isfinite(draws).any(axis=0)
    if defined.any():
        found[defined] = np.nanpercentile(draws[:, defined], [tail, 100 - tail], axis=0).T
    return found


@dataclass(frozen=True, slots=True)
class Paired:
    """Second minus first over the same patients.

    Attributes:
        n: Patients in whom both are known.
        difference: Mean of second minus first, in the unit of the values.
        low: Lower end of the bootstrap interval over patients.
        high: Upper end.
        p: Two-sided p of Wilcoxon's signed-rank test, 0-1.
    """

    n: int
    difference: float
    low: float
    high: float
    p: float


def compare(
    first: ArrayLike, second: ArrayLike, rng: np.random.Generator, *, level: float = 0.95
) -> Paired | None:
    """Compare two methods patient by patient.

    Args:
        first: ``(n,)`` values of the first method, one a patient; NaN where there is none.
        second: ``(n,)`` of the second method, same patients in the same order.
        rng: Source of randomness of the bootstrap.
        level: Level of the interval.

    Returns:
        None where fewer than two patients have both.

    Raises:
        DataError: The two lists differ in length.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(
            f"{a.shape} and {b.shape} values cannot be paired; two lists of the same patients were expected."
        )
    difference = (b - a)[np.isfinite(a) & np.isfinite(b)]
    if len(difference) < 2:
        return None
    low, high = interval(np.mean, difference, rng, level=level)
    return Paired(len(difference), float(difference.mean()), low, high, signed_rank_p(difference))


def signed_rank_p(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test on ``(n,)`` differences; 1 where all are zero.

    Zeros are left out, as Wilcoxon did. The distribution is exact for up to 50 differences without ties, normal beyond.

    Source: F. Wilcoxon, Biometrics Bulletin 1(6), 80-83, 1945.
    """
    from scipy.stats import wilcoxon

    values = np.asarray(differences, dtype=float)
    values = values[values != 0]
    if not len(values):
        return 1.0
    ties = len(np.unique(np.abs(values))) < len(values)
    return float(wilcoxon(values, method="approx" if ties or len(values) > 50 else "exact").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number, in their order: those below .05 hold together at 5 %.

    Source: S. Holm, Scandinavian Journal of Statistics 6(2), 65-70, 1979.

    Examples:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    found, reached = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(np.asarray(p_values, dtype=float), kind="stable")):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[place]))
        found[place] = reached
    return found
