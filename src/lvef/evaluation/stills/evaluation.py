"""Evaluates models on stills with expert masks: everything is loaded, then every still measured, then metrics computed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError, DataError
from lvef.core.serialization import read_json
from lvef.datasets.camus import read_names, read_split
from lvef.evaluation.metrics import MetricTable, PairedMetric
from lvef.evaluation.report import listed
from lvef.evaluation.runner import CaseRunner, UsedWeights, first_distinct, label_candidates, used_weights
from lvef.evaluation.stills.metrics import (
    CARD_METRICS,
    ModelScores,
    compare_models,
    ef_comparisons,
    ef_metrics,
    still_metrics,
)
from lvef.evaluation.stills.robustness import (
    PERTURBATIONS,
    drop_metrics,
    performance_drops,
    summarise_perturbed,
)
from lvef.evaluation.stills.scores import StillCase, StillResult, find_cases, measure_cases
from lvef.inference.card import CARD_NAME, CardMetric, experimental_text, patients_sha256
from lvef.io.atomic import write_text_atomic
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import Predictor
from lvef.measure.predictors import load_predictor

HELD_OUT_NAME = "held-out.txt"
"""File in a training run's folder: the patients kept out of its training, one a line."""

POOLED_LABEL = "cross-validation"
"""Label of the models of several runs, evaluated together."""

TRAINING, VALIDATION, TESTING = "training", "validation", "testing"
"""Splits of CAMUS."""

TEST_SET_WARNING = (
    "These are CAMUS's testing patients. They give an unbiased estimate for one finished model, once: selecting a model by "
    "them, or evaluating again after a change, makes the estimate optimistic."
)
"""Warning on metrics of the testing patients."""


@dataclass(frozen=True)
class Plan:
    """Settings of an evaluation on stills.

    Attributes:
        data: Folder of CAMUS.
        split: Its split.
        patients: File with patient names instead of a split, or None.
        weights: Names or folders of models.
        runs: Folders of training runs, each evaluated on the patients it held out, instead of ``weights``.
        robustness: Whether to evaluate under perturbations as well.
        seed: Of the bootstrap.
        options: Engine, precision and threads.
    """

    data: Path
    split: str = VALIDATION
    patients: Path | None = None
    weights: tuple[str, ...] = (MeasureOptions.weights,)
    runs: tuple[Path, ...] = ()
    robustness: bool = False
    seed: int = 0
    options: MeasureOptions = field(default_factory=MeasureOptions)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and the patients it is evaluated on.

    Attributes:
        label: Its name among the others; models of several runs share one.
        predictor: The model.
        patients: Their names.
    """

    label: str
    predictor: Predictor
    patients: Sequence[str]


@dataclass(frozen=True, slots=True)
class EvaluatedModels:
    """The models and patients of an evaluation on stills.

    Attributes:
        models: They; several on the same patients, or one a training run.
        split: Description of the patients.
        notices: Warnings to the reader.
    """

    models: Sequence[LoadedModel]
    split: str
    notices: Sequence[str]

    @property
    def labels(self) -> list[str]:
        """Labels of the models, in the order given."""
        return list(dict.fromkeys(model.label for model in self.models))

    def weights_of(self, label: str) -> tuple[UsedWeights, ...]:
        """The model files of a label."""
        return tuple(used_weights(m.predictor, len(m.patients)) for m in self.models if m.label == label)


def load_models(plan: Plan) -> EvaluatedModels:
    """Find the patients and load the models.

    Raises:
        ConfigError: A model is given twice.
        DataError: The dataset, a list of patients or a run's folder is missing or not as expected.
        WeightsError: A model is missing or damaged.
    """
    if not plan.data.is_dir():
        raise DataError(
            f"{plan.data}: no such folder; the folder of the dataset was expected, with database_nifti in it."
        )
    if plan.runs:
        models = _load_runs(plan)
        runs = f"{len(models)} {'run' if len(models) == 1 else 'runs'}"
        split = f"patients held out by {runs}, each evaluated with its own model"
    else:
        names = read_names(plan.patients) if plan.patients else read_split(plan.data, plan.split)
        split = f"patients of {plan.patients.name}" if plan.patients else f"CAMUS {plan.split}"
        predictors = [_load_model(plan, name) for name in plan.weights]
        labels = first_distinct(*label_candidates(plan.weights, [p.entry for p in predictors]))
        patients = list(dict.fromkeys(names))
        models = [LoadedModel(*each, patients) for each in zip(labels, predictors, strict=True)]
    warnings = [TEST_SET_WARNING] if split == f"CAMUS {TESTING}" else []
    experimental = dict.fromkeys(experimental_text(model.predictor.entry.card) for model in models)
    return EvaluatedModels(
        models, split, [*warnings, *filter(None, experimental), *_leakage_warnings(plan.data, models)]
    )


def _load_model(plan: Plan, name: str) -> Predictor:
    """A model that traces stills.

    Raises:
        ConfigError: It takes whole clips.
    """
    predictor = load_predictor(replace(plan.options, weights=name))
    if not predictor.structures:
        raise ConfigError(
            f"{name} predicts the EF of a clip, not of a still; evaluate it on clips, with lvef evaluate dataset."
        )
    return predictor


def _load_runs(plan: Plan) -> list[LoadedModel]:
    models: list[LoadedModel] = []
    seen: dict[str, Path] = {}
    for run in plan.runs:
        patients = read_names(run / HELD_OUT_NAME)
        for patient in patients:
            if patient in seen:
                raise DataError(
                    f"{patient} is held out by {seen[patient]} and by {run}; in a cross-validation every patient is "
                    "evaluated once, with the model it was kept out of."
                )
            seen[patient] = run
        models.append(LoadedModel(POOLED_LABEL, _load_model(plan, str(model_of_run(run))), patients))
    return models


def model_of_run(run: Path) -> Path:
    """Folder of the model that a training run made.

    Raises:
        DataError: There is none, or more than one.
    """
    found = sorted(path.parent for path in run.glob(f"*/{CARD_NAME}"))
    if len(found) != 1:
        names = ", ".join(folder.name for folder in found) or "none"
        raise DataError(f"{run}: one folder with {CARD_NAME} was expected in a run's folder, found: {names}.")
    return found[0]


def _leakage_warnings(data: Path, models: Sequence[LoadedModel]) -> list[str]:
    """Warnings on models whose training patients, by their card, are among those evaluated."""
    try:
        trained_on = read_split(data, TRAINING)
    except DataError:
        return []
    digest = patients_sha256(trained_on)
    leaked: Counter[str] = Counter()
    evaluated: Counter[str] = Counter()
    for m in models:
        evaluated[m.label] += len(m.patients)
        if m.predictor.entry.card.training.patients_sha256 == digest:
            leaked[m.label] += len(set(m.patients) & set(trained_on))
    return [
        f"Data leakage: {label} was trained on all CAMUS training patients, by its card, and {n} of the {evaluated[label]} "
        "patients evaluated here are among them: its metrics do not hold for new patients."
        for label, n in leaked.items()
        if n
    ]


WORST = 12
"""Stills with the lowest LV Dice that are kept to look at."""


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
        resumed: Results that an earlier run had made.
        failed: Stills that could not be evaluated.
    """

    split: str
    models: Sequence[ModelScores]
    metrics: MetricTable
    paired: Sequence[PairedMetric]
    notices: Sequence[str]
    seconds: float
    resumed: int = 0
    failed: Sequence[str] = ()

    @property
    def labels(self) -> list[str]:
        """Labels of the models."""
        return [model.label for model in self.models]

    @property
    def patients(self) -> int:
        """Patients that have stills."""
        return max(len(model.patients) for model in self.models)


def evaluate(plan: Plan, loaded: EvaluatedModels, runner: CaseRunner) -> StillsEvaluation:
    """Score all stills and compute the metrics.

    Args:
        plan: What was asked for.
        loaded: From `lvef.evaluation.stills.evaluation.load_models`.
        runner: Runs the stills, and takes over those of an earlier run with the same files and settings.

    Raises:
        DataError: There are no stills, or none could be evaluated.
        OutputError: The journal cannot be written.
    """
    began = time.perf_counter()
    cases = [find_cases(plan.data, model.patients) for model in loaded.models]
    runner.start(sum(map(len, cases)))
    found: dict[str, list[tuple[StillCase, StillResult]]] = {label: [] for label in loaded.labels}
    for model, own in zip(loaded.models, cases, strict=True):
        results = measure_cases(model.predictor, own, runner, PERTURBATIONS if plan.robustness else {})
        found[model.label] += zip(own, results, strict=True)
    models = [_model_scores(label, loaded.weights_of(label), pairs, plan) for label, pairs in found.items()]
    asked = {patient for model in loaded.models for patient in model.patients}
    there = {case.files.patient for own in cases for case in own}
    failed = list(dict.fromkeys(r.item for pairs in found.values() for _, r in pairs if r.is_failed))
    split = f"{loaded.split}, {max(len(model.patients) for model in models)} patients"
    notices = list(loaded.notices)
    if n := len(asked - there):
        notices.append(f"{n} of the {len(asked)} patients asked for have no stills and are left out.")
    if failed:
        stills = len({case for own in cases for case in own})
        notices.append(f"{len(failed)} of the {stills} stills could not be evaluated: {listed(failed)}.")
    rows = []
    for m in models:
        rows += still_metrics(m.scores, method=m.label, split=split, seed=plan.seed)
        for comparison in m.comparisons:
            rows += ef_metrics(comparison, method=m.label, split=split, seed=plan.seed)
    paired = compare_models(models, plan.seed)
    seconds = time.perf_counter() - began
    return StillsEvaluation(
        split, models, MetricTable(rows), paired, notices, seconds, runner.resumed, failed
    )


def card_metrics(evaluation: StillsEvaluation, label: str) -> list[CardMetric]:
    """What a card holds of a model: Dice by view and phase, EF of each view and biplane, the drop of each perturbation."""
    [model] = [model for model in evaluation.models if model.label == label]
    kept = [row.to_card_metric() for row in evaluation.metrics.select(label) if row.metric in CARD_METRICS]
    return kept + drop_metrics(model.drops, evaluation.split)


def write_card_metrics(folder: Path, figures: Sequence[CardMetric]) -> None:
    """Put metrics into the card of a model's folder, in place of those that are there.

    Raises:
        DataError: The card cannot be written.
    """
    path = folder / CARD_NAME
    card = read_json(path, "a model's card was expected")
    card["figures"] = [to_mapping(figure) for figure in figures]
    write_text_atomic(path, json.dumps(card, indent=2) + "\n")


def _model_scores(
    label: str, weights: tuple[UsedWeights, ...], found: Sequence[tuple[StillCase, StillResult]], plan: Plan
) -> ModelScores:
    known = [(case, result, result.score) for case, result in found if result.score is not None]
    if not known:
        raise DataError(
            f"{plan.data}: none of the {len(found)} stills could be evaluated: {found[0][1].reason}"
        )
    scores = [score for *_, score in known]
    names = tuple(PERTURBATIONS) if plan.robustness else ()
    perturbed = {name: [result.perturbed[i] for _, result, _ in known] for i, name in enumerate(names)}
    lowest = sorted(known, key=lambda each: np.nan_to_num(each[2].dice_lv, nan=1.0))
    return ModelScores(
        label,
        weights,
        scores,
        perturbed,
        [(case, result) for case, result, _ in lowest[:WORST]],
        ef_comparisons(scores),
        [d for name, them in perturbed.items() for d in performance_drops(name, scores, them, plan.seed)],
        [summarise_perturbed(name, them) for name, them in [("clean", scores), *perturbed.items()]]
        if perturbed
        else (),
    )
