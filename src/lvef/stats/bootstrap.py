"""Percentile bootstrap over independent units (patients)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
