"""Two networks on the same clips: which errs less, which follows the reference better, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.evaluation.ef.figures import places_of
from lvef.evaluation.ef.records import EfEvaluation, Entrant
from lvef.evaluation.metrics import LEVEL, make_generator
from lvef.evaluation.stills.ef import EF_POINTS
from lvef.stats.agreement import pearson_r
from lvef.stats.bootstrap import intervals
from lvef.stats.paired import holm, signed_rank_p

COMPARED = {
    "mae": ("mean absolute error", EF_POINTS, False),
    "rmse": ("root mean square error", EF_POINTS, False),
    "r": ("Pearson's r", "", True),
}
"""What is compared: words, unit, and whether more is better."""


@dataclass(frozen=True, slots=True)
class EfPaired:
    """Two entrants on the clips that both answered.

    Attributes:
        first: The one that is subtracted.
        second: The other one.
        figure: One of `COMPARED`.
        unit: Its unit.
        n: Clips.
        patients: Their patients.
        first_value: Figure of the first on these clips.
        second_value: Figure of the second.
        difference: Second minus first.
        low: Lower end of the bootstrap interval over patients.
        high: Upper end.
        level: Level of the interval.
        p: Two-sided p of Wilcoxon's signed-rank test on the patients' mean absolute errors; None but for the ``mae``.
        p_holm: The same after Holm's correction over all pairs.
        more_is_better: Whether a positive difference speaks for the second.
    """

    first: str
    second: str
    figure: str
    unit: str
    n: int
    patients: int
    first_value: float
    second_value: float
    difference: float
    low: float
    high: float
    level: float
    p: float | None
    p_holm: float | None
    more_is_better: bool


def compare_entrants(evaluation: EfEvaluation, seed: int) -> list[EfPaired]:
    """Every pair that has answered clips of at least two patients together, every figure of `COMPARED`."""
    found = [
        p
        for first, second in combinations(evaluation.entrants, 2)
        for p in _pair(evaluation, first, second, seed)
    ]
    tested = [i for i, paired in enumerate(found) if paired.p is not None]
    corrected = holm([found[i].p or 0.0 for i in tested])
    for i, p in zip(tested, corrected, strict=True):
        found[i] = replace(found[i], p_holm=p)
    return found


def _pair(evaluation: EfEvaluation, first: Entrant, second: Entrant, seed: int) -> list[EfPaired]:
    both = [
        (case, a.ef_percent, b.ef_percent)
        for case, a, b in zip(evaluation.cases, first.records, second.records, strict=True)
        if a.answered and b.answered
    ]
    of = places_of([case.patient for case, *_ in both])
    if len(of) < 2:
        return []
    rows = np.array([(a, b, case.ef_percent) for case, a, b in both])

    def over(units: NDArray[np.intp]) -> list[float]:
        drawn = rows[np.concatenate([of[i] for i in units])]
        return [b - a for a, b in zip(_values(drawn, 0), _values(drawn, 1), strict=True)]

    ends = intervals(
        over, np.arange(len(of)), make_generator(seed, f"{first.label} {second.label}"), level=LEVEL
    )
    errors = np.abs(rows[:, :2] - rows[:, 2:])
    p = signed_rank_p([float((errors[at, 1] - errors[at, 0]).mean()) for at in of])
    ours, theirs = _values(rows, 0), _values(rows, 1)
    return [
        EfPaired(
            first.label,
            second.label,
            name,
            unit,
            len(rows),
            len(of),
            ours[place],
            theirs[place],
            theirs[place] - ours[place],
            float(ends[place, 0]),
            float(ends[place, 1]),
            LEVEL,
            p if name == "mae" else None,
            None,
            better,
        )
        for place, (name, (_, unit, better)) in enumerate(COMPARED.items())
        if np.isfinite([ours[place], theirs[place], *ends[place]]).all()
    ]


def _values(rows: FloatArray, column: int) -> list[float]:
    """`COMPARED` of one of the two answers."""
    answer, reference = rows[:, column], rows[:, 2]
    error = answer - reference
    return [float(np.abs(error).mean()), float(np.sqrt((error**2).mean())), pearson_r(answer, reference)]
