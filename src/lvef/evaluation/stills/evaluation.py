"""The evaluation as a whole: every still through every network once, then the figures."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from lvef.core.terms import Phase, Structure
from lvef.datasets.camus import CamusStill, read_stills
from lvef.evaluation.stills.comparison import PairedFigure, Side, compare_networks
from lvef.evaluation.stills.ef import card_names, ef_comparisons, ef_figures
from lvef.evaluation.stills.lines import line_figures
from lvef.evaluation.stills.models import EvaluatedModels, Fold, Plan
from lvef.evaluation.stills.perturbations import CHANGES
from lvef.evaluation.stills.records import (
    STRUCTURES,
    EfComparison,
    Judged,
    StillScore,
    WorstStill,
)
from lvef.evaluation.stills.robustness import (
    Cost,
    PairedCost,
    cost,
    cost_figures,
    paired_costs,
    score_changed,
)
from lvef.evaluation.stills.scores import VIEWS, other_phase, overlap_figures, segment_and_score
from lvef.inference.card import Figure
from lvef.measure.predictor import Predictor

WORST = 12
"""Stills with the lowest LV Dice that are kept to look at."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was found.

    Attributes:
        split: Which patients, in words.
        networks: What was scored, in the order given.
        figures: Label -> its figures of merit.
        comparisons: Label -> EFs beside each reference.
        costs: Label -> what each change of the picture costs; empty where that was not asked for.
        sums: Label -> figures of the clean picture and under each change; empty where that was not asked for.
        paired: Differences between networks on the same patients; empty with one network.
        notices: What a reader must know before believing the figures.
        seconds: Time it took.
    """

    split: str
    networks: Sequence[Judged]
    figures: Mapping[str, Sequence[Figure]]
    comparisons: Mapping[str, Sequence[EfComparison]]
    costs: Mapping[str, Sequence[PairedCost]]
    sums: Mapping[str, Sequence[Cost]]
    paired: Sequence[PairedFigure]
    notices: Sequence[str]
    seconds: float

    @property
    def patients(self) -> int:
        """Patients that have stills."""
        return max(len(judged.patients) for judged in self.networks)


def evaluate(plan: Plan, models: EvaluatedModels, advance: Callable[[], None] = lambda: None) -> Evaluation:
    """Score and sum up.

    Args:
        plan: What was asked for.
        models: From `lvef.evaluation.stills.models.load_models`.
        advance: Called after each patient of each network, `Field.steps` times at most.

    Raises:
        DataError: No patient has stills, or a mask does not fit its picture.
    """
    began = time.perf_counter()
    books = {label: _Book() for label in models.labels}
    asked = 0
    for fold in models.folds:
        asked += len(fold.patients)
        _judge(fold, plan, books, advance)
    networks = [
        Judged(
            label,
            models.weights_of(label),
            book.scores,
            book.changed,
            [w for *_, w in sorted(book.worst, reverse=True)],
        )
        for label, book in books.items()
    ]
    there = max(len(judged.patients) for judged in networks)
    split = f"{models.split}, {there} patients"
    notices = list(models.notices)
    if there < asked:
        notices.append(f"{asked - there} of the {asked} patients asked for have no stills and are left out.")
    comparisons = {judged.label: ef_comparisons(judged.scores) for judged in networks}
    figures = {
        judged.label: overlap_figures(judged.scores, split, plan.seed)
        + line_figures(judged.scores, VIEWS, split, plan.seed)
        + [f for c in comparisons[judged.label] for f in ef_figures(c, split, plan.seed)]
        for judged in networks
    }
    costs = {
        judged.label: [
            found
            for change, scores in judged.changed.items()
            for found in paired_costs(change, judged.scores, scores, plan.seed)
        ]
        for judged in networks
    }
    sums = {
        judged.label: [
            cost(name, scores) for name, scores in [("clean", judged.scores), *judged.changed.items()]
        ]
        for judged in networks
        if judged.changed
    }
    sides = [Side(judged.label, judged.scores, comparisons[judged.label]) for judged in networks]
    paired = compare_networks(sides, plan.seed)
    seconds = time.perf_counter() - began
    return Evaluation(split, networks, figures, comparisons, costs, sums, paired, notices, seconds)


def card_figures(evaluation: Evaluation, label: str) -> list[Figure]:
    """What a card holds of a network: Dice by view and phase, EF of each view and biplane, the cost of each change."""
    dice = {f"dice_{name}_{view}_{phase}".lower() for name in STRUCTURES for view in VIEWS for phase in Phase}
    kept = [f for f in evaluation.figures[label] if f.name in dice | card_names()]
    return kept + cost_figures(evaluation.costs[label], evaluation.split)


@dataclass
class _Book:
    """Scores of one network while they come in."""

    scores: list[StillScore] = field(default_factory=list)
    changed: dict[str, list[StillScore]] = field(default_factory=dict)
    worst: list[tuple[float, int, WorstStill]] = field(default_factory=list)


def _judge(fold: Fold, plan: Plan, books: Mapping[str, _Book], advance: Callable[[], None]) -> None:
    # Patient by patient, so that one patient's pictures are in memory and are read once for all networks.
    for _, group in groupby(read_stills(plan.data, list(fold.patients)), key=lambda still: still.patient):
        stills = list(group)
        for label, predictor in fold.networks.items():
            for still in stills:
                _score(predictor, still, other_phase(still, stills), books[label], robustness=plan.robustness)
            advance()


def _score(
    predictor: Predictor,
    still: CamusStill,
    other: CamusStill | None,
    book: _Book,
    *,
    robustness: bool,
) -> None:
    clean, labels = segment_and_score(predictor, still, other=other)
    book.scores.append(clean)
    worst = WorstStill(clean, still.picture, still.mask == Structure.LV, labels == Structure.LV)
    # A heap of the highest losses; the count settles ties, because stills have no order.
    entry = (1 - clean.dice_lv if clean.dice_lv == clean.dice_lv else 0.0, -len(book.scores), worst)
    if len(book.worst) < WORST:
        heapq.heappush(book.worst, entry)
    else:
        heapq.heappushpop(book.worst, entry)
    if robustness:
        for name, change in CHANGES.items():
            book.changed.setdefault(name, []).append(score_changed(predictor, still, other, change, clean))
