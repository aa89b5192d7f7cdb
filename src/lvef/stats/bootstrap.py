"""Percentile bootstrap over independent units (patients)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    n = len(units)
    draws = np.array([statistic(units[rng.integers(0, n, n)]) for _ in range(resamples)])
    tail = 100 * (1 - level) / 2
    low, high = np.nanpercentile(draws, [tail, 100 - tail])
    return float(low), float(high)
