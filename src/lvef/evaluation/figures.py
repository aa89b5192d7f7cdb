"""Figures of merit with their intervals: one bootstrap over patients for all figures of the same patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lvef.evaluation.metrics import DIGITS, LEVEL, make_generator
from lvef.inference.card import Figure
from lvef.stats.bootstrap import intervals


@dataclass(frozen=True, slots=True)
class Named:
    """What is to be said of one figure beside its value.

    Attributes:
        name: For example ``ef_mae_a4c``.
        unit: Unit, or empty for a ratio.
        trivial: The same figure of the trivial answer, or None.
    """

    name: str
    unit: str = ""
    trivial: float | None = None


def make_figures(
    named: Sequence[Named],
    statistics: Callable[[NDArray[Any]], ArrayLike],
    units: NDArray[Any],
    *,
    split: str,
    reference: str,
    seed: int,
) -> list[Figure]:
    """Figures of the same patients.

    Args:
        named: ``k`` names.
        statistics: Takes rows of ``units``, gives the ``k`` figures.
        units: One row a patient, ``(n, ...)``.
        split: Which patients, in words.
        reference: What was compared with.
        seed: Of the bootstrap.

    Returns:
        Those that are defined; none without at least two patients.
    """
    if len(units) < 2:
        return []
    values = np.asarray(statistics(units), dtype=float)
    ends = intervals(statistics, units, make_generator(seed, named[0].name), level=LEVEL)
    return [
        Figure(
            what.name,
            round(float(value), DIGITS),
            what.unit,
            round(float(low), DIGITS),
            round(float(high), DIGITS),
            LEVEL,
            len(units),
            split,
            reference,
            None if what.trivial is None else round(what.trivial, DIGITS),
        )
        for what, value, (low, high) in zip(named, values, ends, strict=True)
        if np.isfinite([value, low, high]).all()
    ]
