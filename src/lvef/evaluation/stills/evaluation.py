"""Evaluates models on stills with expert masks: everything is loaded, then every still measured, then metrics computed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError, DataError
from lvef.core.records import BoolArray
from lvef.core.serialization import parse_json
from lvef.core.terms import Structure
from lvef.datasets.camus import CamusStill, read_split
from lvef.evaluation.metrics import MetricTable, PairedMetric
from lvef.evaluation.report import listed
from lvef.evaluation.runner import (
    CaseRunner,
    UsedWeights,
    check_distinct,
    first_distinct,
    patients_digest,
    used_weights,
)
from lvef.evaluation.stills.metrics import (
    CARD_METRICS,
    EfComparison,
    Side,
    compare_models,
    ef_comparisons,
    ef_metrics,
    still_metrics,
)
from lvef.evaluation.stills.robustness import (
    PERTURBATIONS,
    PerformanceDrop,
    PerturbedMetrics,
    drop_figures,
    performance_drops,
    summarise_perturbed,
)
from lvef.evaluation.stills.scores import (
    StillCase,
    StillResult,
    StillScore,
    find_cases,
    measure_cases,
    unpack_cavity,
)
from lvef.inference.card import CARD_NAME, Figure, experimental_text
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
class Fold:
    """Patients, and the models evaluated on them.

    Attributes:
        patients: Their names.
        networks: Label -> loaded model.
    """

    patients: Sequence[str]
    networks: dict[str, Predictor]


@dataclass(frozen=True, slots=True)
class EvaluatedModels:
    """The models and patients of an evaluation on stills.

    Attributes:
        folds: One, or one a training run.
        split: Description of the patients.
        notices: Warnings to the reader.
    """

    folds: Sequence[Fold]
    split: str
    notices: Sequence[str]

    @property
    def labels(self) -> list[str]:
        """Labels of the models, in the order given."""
        return list(dict.fromkeys(label for fold in self.folds for label in fold.networks))

    def weights_of(self, label: str) -> tuple[UsedWeights, ...]:
        """The model files of a label."""
        return tuple(
            used_weights(fold.networks[label], len(fold.patients))
            for fold in self.folds
            if label in fold.networks
        )


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
        folds = _load_folds(plan)
        runs = f"{len(folds)} {'run' if len(folds) == 1 else 'runs'}"
        split = f"patients held out by {runs}, each evaluated with its own model"
    else:
        patients = _patients(plan)
        split = f"patients of {plan.patients.name}" if plan.patients else f"CAMUS {plan.split}"
        folds = [Fold(patients, _load_models(plan))]
    warnings = [TEST_SET_WARNING] if split == f"CAMUS {TESTING}" else []
    experimental = dict.fromkeys(
        experimental_text(predictor.entry.card) for fold in folds for predictor in fold.networks.values()
    )
    return EvaluatedModels(
        folds, split, [*warnings, *filter(None, experimental), *_leakage_warnings(plan.data, folds)]
    )


def read_names(path: Path) -> list[str]:
    """Patient names, one a line, without duplicates.

    Raises:
        DataError: The file cannot be read or is empty.
    """
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        raise DataError(
            f"{path} cannot be read; a file with patient names, one a line, was expected."
        ) from None
    if not names:
        raise DataError(f"{path} is empty; patient names, one a line, were expected.")
    return list(dict.fromkeys(names))


def _patients(plan: Plan) -> list[str]:
    return (
        read_names(plan.patients) if plan.patients else list(dict.fromkeys(read_split(plan.data, plan.split)))
    )


def _load_models(plan: Plan) -> dict[str, Predictor]:
    predictors = [_load_model(plan, name) for name in plan.weights]
    check_distinct(plan.weights, [p.entry.card for p in predictors])
    return dict(zip(_labels(plan.weights, predictors), predictors, strict=True))


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


def _labels(given: Sequence[str], predictors: Sequence[Predictor]) -> list[str]:
    """The shortest labels that are unique; a folder is labelled by its last two names."""
    cards = [p.entry.card for p in predictors]
    folders = [p.entry.folder.resolve() for p in predictors]
    return first_distinct(
        [card.name for card in cards],
        [f"{card.name} {card.version}" for card in cards],
        [
            f"{folder.parent.name}/{folder.name}" if (Path(name) / CARD_NAME).is_file() else name
            for name, folder in zip(given, folders, strict=True)
        ],
        [f"{card.name} {card.model_sha256[:8]}" for card in cards],
    )


def _load_folds(plan: Plan) -> list[Fold]:
    folds: list[Fold] = []
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
        folds.append(Fold(patients, {POOLED_LABEL: _load_model(plan, str(_model_folder(run)))}))
    return folds


def _model_folder(run: Path) -> Path:
    """The one folder with a card in a run's folder.

    Raises:
        DataError: There is none, or more than one.
    """
    found = sorted(path.parent for path in run.glob(f"*/{CARD_NAME}"))
    if len(found) != 1:
        names = ", ".join(folder.name for folder in found) or "none"
        raise DataError(f"{run}: one folder with {CARD_NAME} was expected in a run's folder, found: {names}.")
    return found[0]


def _leakage_warnings(data: Path, folds: Sequence[Fold]) -> list[str]:
    """Warnings on models whose training patients, by their card, are among those evaluated."""
    try:
        trained_on = read_split(data, TRAINING)
    except DataError:
        return []
    digest = patients_digest(trained_on)
    leaked: Counter[str] = Counter()
    evaluated: Counter[str] = Counter()
    for fold in folds:
        for label, predictor in fold.networks.items():
            evaluated[label] += len(fold.patients)
            if predictor.entry.card.training.patients_sha256 == digest:
                leaked[label] += len(set(fold.patients) & set(trained_on))
    return [
        f"Data leakage: {label} was trained on all CAMUS training patients, by its card, and {n} of the {evaluated[label]} "
        "patients evaluated here are among them: its metrics do not hold for new patients."
        for label, n in leaked.items()
        if n
    ]


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
    folds = [(find_cases(plan.data, fold.patients), fold.networks) for fold in loaded.folds]
    runner.start(sum(len(cases) * len(networks) for cases, networks in folds))
    found: dict[str, list[tuple[StillCase, StillResult]]] = {label: [] for label in loaded.labels}
    for cases, networks in folds:
        for label, predictor in networks.items():
            results = measure_cases(predictor, cases, runner, PERTURBATIONS if plan.robustness else {})
            found[label] += zip(cases, results, strict=True)
    failed = list(dict.fromkeys(r.item for pairs in found.values() for _, r in pairs if r.is_failed))
    models = [_model_scores(label, loaded.weights_of(label), pairs, plan) for label, pairs in found.items()]
    asked = sum(len(fold.patients) for fold in loaded.folds)
    there = len({case.files.patient for cases, _ in folds for case in cases})
    split = f"{loaded.split}, {max(len(model.patients) for model in models)} patients"
    notices = list(loaded.notices)
    if there < asked:
        notices.append(f"{asked - there} of the {asked} patients asked for have no stills and are left out.")
    if failed:
        stills = sum(len(cases) for cases, _ in folds)
        notices.append(f"{len(failed)} of the {stills} stills could not be evaluated: {listed(failed)}.")
    rows = []
    for m in models:
        rows += still_metrics(m.scores, method=m.label, split=split, seed=plan.seed)
        for comparison in m.comparisons:
            rows += ef_metrics(comparison, method=m.label, split=split, seed=plan.seed)
    paired = compare_models([Side(m.label, m.scores, m.comparisons) for m in models], plan.seed)
    seconds = time.perf_counter() - began
    return StillsEvaluation(
        split, models, MetricTable(rows), paired, notices, seconds, runner.resumed, failed
    )


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
        [_worst(case.files.read(), result.cavity, score) for case, result, score in lowest[:WORST]],
        ef_comparisons(scores),
        [d for name, them in perturbed.items() for d in performance_drops(name, scores, them, plan.seed)],
        [summarise_perturbed(name, them) for name, them in [("clean", scores), *perturbed.items()]]
        if perturbed
        else (),
    )


def _worst(still: CamusStill, cavity: str, score: StillScore) -> WorstStill:
    predicted = unpack_cavity(cavity, still.mask.shape)
    return WorstStill(score, still.image, still.mask == Structure.LV, predicted)
