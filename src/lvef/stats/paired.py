"""Two methods on the same patients: difference, confidence interval and p value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.errors import DataError
from lvef.stats.bootstrap import interval


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
