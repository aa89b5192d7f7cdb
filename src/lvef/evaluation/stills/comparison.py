"""One network against another on the same patients, figure by figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from lvef.core.terms import Phase
from lvef.evaluation.metrics import LEVEL, make_generator
from lvef.evaluation.stills.ef import EF_POINTS
from lvef.evaluation.stills.records import STRUCTURE_WORDS, EfComparison, StillScore
from lvef.evaluation.stills.scores import VIEWS
from lvef.stats.paired import compare, holm


@dataclass(frozen=True, slots=True)
class PairedFigure:
    """One figure of two networks on the same patients.

    Attributes:
        first: Network that is subtracted.
        second: The other network.
        figure: For people, for example ``LV Dice A4C ED``.
        unit: ``Dice``, ``mm``, ``px`` or EF points.
        n: Patients in whom both networks have it.
        difference: Mean of second minus first.
        low: Lower end of the bootstrap interval over patients.
        high: Upper end.
        level: Level of the interval.
        p: Wilcoxon signed-rank test, two-sided.
        p_holm: The same after Holm's correction over all figures of all pairs of networks.
        more_is_better: Whether a positive difference speaks for the second.
    """

    first: str
    second: str
    figure: str
    unit: str
    n: int
    difference: float
    low: float
    high: float
    level: float
    p: float
    p_holm: float
    more_is_better: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its name, its stills, its EFs."""

    label: str
    scores: Sequence[StillScore]
    comparisons: Sequence[EfComparison]


def compare_networks(sides: Sequence[Side], seed: int) -> list[PairedFigure]:
    """Every pair of networks, every figure; p values corrected over all of them."""
    found: list[PairedFigure] = []
    for first, second in combinations(sides, 2):
        ours, theirs = _values(first), _values(second)
        for (figure, unit, more_is_better), values in ours.items():
            others = theirs.get((figure, unit, more_is_better), {})
            patients = [p for p in values if p in others]
            paired = compare(
                [values[p] for p in patients],
                [others[p] for p in patients],
                make_generator(seed, f"{first.label} {second.label} {figure}"),
                level=LEVEL,
            )
            if paired is not None:
                found.append(
                    PairedFigure(
                        first.label,
                        second.label,
                        figure,
                        unit,
                        paired.n,
                        paired.difference,
                        paired.low,
                        paired.high,
                        LEVEL,
                        paired.p,
                        paired.p,
                        more_is_better,
                    )
                )
    corrected = holm([f.p for f in found])
    return [replace(f, p_holm=p) for f, p in zip(found, corrected, strict=True)]


def _values(side: Side) -> dict[tuple[str, str, bool], dict[str, float]]:
    """Name, unit and direction of each figure -> its value by patient."""
    found: dict[tuple[str, str, bool], dict[str, float]] = {}
    for name, words in STRUCTURE_WORDS.items():
        for view in VIEWS:
            for phase in Phase:
                found[f"{words} Dice {view} {phase}", "Dice", True] = {
                    s.patient: getattr(s, f"dice_{name}")
                    for s in side.scores
                    if s.view == view and s.phase == phase
                }
    for view in VIEWS:
        for phase in Phase:
            for score in side.scores:
                if score.view == view and score.phase == phase and score.distance_unit:
                    key = f"LV border {view} {phase}", score.distance_unit, False
                    found.setdefault(key, {})[score.patient] = score.distance_lv
    for comparison in side.comparisons:
        where = "A4C to biplane" if comparison.key == "a4c_vs_biplane" else comparison.title
        found[f"EF error {where}", EF_POINTS, False] = {
            case.patient: abs(case.ef_percent - case.ef_reference_percent) for case in comparison.cases
        }
    return found
