"""Evaluates models on stills with expert masks: every still through every model once, then the metrics."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lvef.core.config import to_mapping
from lvef.core.records import BoolArray
from lvef.core.serialization import parse_json
from lvef.core.terms import Structure
from lvef.datasets.camus import CamusStill, read_stills
from lvef.evaluation.metrics import MetricTable, PairedMetric
from lvef.evaluation.results import UsedWeights
from lvef.evaluation.stills.metrics import (
    CARD_METRICS,
    EfComparison,
    Side,
    compare_models,
    ef_comparisons,
    ef_metrics,
    still_metrics,
)
from lvef.evaluation.stills.models import EvaluatedModels, Fold, Plan
from lvef.evaluation.stills.perturbations import PERTURBATIONS
from lvef.evaluation.stills.robustness import (
    PerformanceDrop,
    PerturbedMetrics,
    drop_figures,
    performance_drops,
    score_perturbed,
    summarise_perturbed,
)
from lvef.evaluation.stills.scores import StillScore, other_phase, segment_and_score
from lvef.inference.card import CARD_NAME, Figure
from lvef.io.atomic import write_text_atomic
from lvef.measure.predictor import Predictor

WORST = 12
"""Stills with the lowest LV Dice that are kept to look at."""


@dataclass(frozen=True, slots=True)
class WorstStill:
    """A still with low Dice, with all that is needed to look at it.

    Attributes:
        score: Its score.
        image: ``(height, width)`` uint8.
        expert: ``(height, width)`` cavity of the expert.
        predicted: ``(height, width)`` predicted cavity.
    """

    score: StillScore
    image: NDArray[np.uint8]
    expert: BoolArray
    predicted: BoolArray


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Everything scored of one model, or of the models of one cross-validation.

    Attributes:
        label: Its name among the others.
        weights: The file, or one file a fold.
        scores: One a still.
        perturbed: Perturbation -> scores in the order of ``scores``; empty where that was not asked for.
        worst: The stills with the lowest LV Dice, the worst first.
        comparisons: EFs beside each reference.
        drops: Performance drops under each perturbation.
        sums: Metrics of the clean image and under each perturbation; empty where that was not asked for.
    """

    label: str
    weights: tuple[UsedWeights, ...]
    scores: Sequence[StillScore]
    perturbed: Mapping[str, Sequence[StillScore]] = field(default_factory=dict)
    worst: Sequence[WorstStill] = ()
    comparisons: Sequence[EfComparison] = ()
    drops: Sequence[PerformanceDrop] = ()
    sums: Sequence[PerturbedMetrics] = ()

    @property
    def patients(self) -> list[str]:
        """Their names, in the order in which they were scored."""
        return list(dict.fromkeys(score.patient for score in self.scores))


@dataclass(frozen=True, slots=True)
class StillsEvaluation:
    """All scores and metrics.

    Attributes:
        split: Patients, in words.
        models: What was scored, in the order given.
        metrics: The tidy table.
        paired: Differences between models on the same patients; empty with one model.
        notices: What a reader must know before believing the metrics.
        seconds: Time it took.
    """

    split: str
    models: Sequence[ModelScores]
    metrics: MetricTable
    paired: Sequence[PairedMetric]
    notices: Sequence[str]
    seconds: float

    @property
    def labels(self) -> list[str]:
        """Labels of the models."""
        return [model.label for model in self.models]

    @property
    def patients(self) -> int:
        """Patients that have stills."""
        return max(len(model.patients) for model in self.models)


def evaluate(
    plan: Plan, loaded: EvaluatedModels, advance: Callable[[], None] = lambda: None
) -> StillsEvaluation:
    """Score all stills and compute the metrics.

    Args:
        plan: What was asked for.
        loaded: From `lvef.evaluation.stills.models.load_models`.
        advance: Called after each patient of each model, `EvaluatedModels.steps` times at most.

    Raises:
        DataError: No patient has stills, or a mask does not fit its image.
    """
    began = time.perf_counter()
    collected = {label: _Collected() for label in loaded.labels}
    for fold in loaded.folds:
        _score_fold(fold, plan, collected, advance)
    models = [_model_scores(label, loaded, found, plan.seed) for label, found in collected.items()]
    asked = sum(len(fold.patients) for fold in loaded.folds)
    there = max(len(model.patients) for model in models)
    split = f"{loaded.split}, {there} patients"
    notices = list(loaded.notices)
    if there < asked:
        notices.append(f"{asked - there} of the {asked} patients asked for have no stills and are left out.")
    rows = []
    for m in models:
        rows += still_metrics(m.scores, method=m.label, split=split, seed=plan.seed)
        for comparison in m.comparisons:
            rows += ef_metrics(comparison, method=m.label, split=split, seed=plan.seed)
    paired = compare_models([Side(m.label, m.scores, m.comparisons) for m in models], plan.seed)
    seconds = time.perf_counter() - began
    return StillsEvaluation(split, models, MetricTable(rows), paired, notices, seconds)


def card_figures(evaluation: StillsEvaluation, label: str) -> list[Figure]:
    """What a card holds of a model: Dice by view and phase, EF of each view and biplane, the drop of each perturbation."""
    [model] = [model for model in evaluation.models if model.label == label]
    kept = [row.to_figure() for row in evaluation.metrics.select(label) if row.metric in CARD_METRICS]
    return kept + drop_figures(model.drops, evaluation.split)


def write_card_figures(folder: Path, figures: Sequence[Figure]) -> None:
    """Put metrics into the card of a model's folder, in place of those that are there.

    Raises:
        DataError: The card cannot be written.
    """
    path = folder / CARD_NAME
    card = parse_json(path.read_text(encoding="utf-8"))
    card["figures"] = [to_mapping(figure) for figure in figures]
    write_text_atomic(path, json.dumps(card, indent=2) + "\n")


@dataclass
class _Collected:
    """Scores of one model while they come in."""

    scores: list[StillScore] = field(default_factory=list)
    perturbed: dict[str, list[StillScore]] = field(default_factory=dict)
    worst: list[tuple[float, int, WorstStill]] = field(default_factory=list)


def _model_scores(label: str, loaded: EvaluatedModels, found: _Collected, seed: int) -> ModelScores:
    changes = found.perturbed.items()
    return ModelScores(
        label,
        loaded.weights_of(label),
        found.scores,
        found.perturbed,
        [worst for *_, worst in sorted(found.worst, reverse=True)],
        ef_comparisons(found.scores),
        [d for change, scores in changes for d in performance_drops(change, found.scores, scores, seed)],
        [summarise_perturbed(name, scores) for name, scores in [("clean", found.scores), *changes]]
        if changes
        else (),
    )


def _score_fold(
    fold: Fold, plan: Plan, collected: Mapping[str, _Collected], advance: Callable[[], None]
) -> None:
    # Patient by patient, so that one patient's images are in memory and are read once for all models.
    for _, group in groupby(read_stills(plan.data, list(fold.patients)), key=lambda still: still.patient):
        stills = list(group)
        for label, predictor in fold.networks.items():
            for still in stills:
                other = other_phase(still, stills)
                _score(predictor, still, other, collected[label], with_perturbations=plan.robustness)
            advance()


def _score(
    predictor: Predictor,
    still: CamusStill,
    other: CamusStill | None,
    found: _Collected,
    *,
    with_perturbations: bool,
) -> None:
    clean, labels = segment_and_score(predictor, still, other=other)
    found.scores.append(clean)
    worst = WorstStill(clean, still.image, still.mask == Structure.LV, labels == Structure.LV)
    # A heap of the highest losses; the count settles ties, because stills have no order.
    entry = (1 - clean.dice_lv if clean.dice_lv == clean.dice_lv else 0.0, -len(found.scores), worst)
    if len(found.worst) < WORST:
        heapq.heappush(found.worst, entry)
    else:
        heapq.heappushpop(found.worst, entry)
    if with_perturbations:
        for name, change in PERTURBATIONS.items():
            score = score_perturbed(predictor, still, other, change, clean)
            found.perturbed.setdefault(name, []).append(score)
