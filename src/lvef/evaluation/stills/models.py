"""Models evaluated on stills, and the patients of each: from command-line arguments to loaded models."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lvef.core.errors import ConfigError, DataError
from lvef.datasets.camus import read_split
from lvef.evaluation.results import UsedWeights, check_distinct, first_distinct, used_weights
from lvef.inference.card import CARD_NAME, experimental_text
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

    @property
    def steps(self) -> int:
        """Number of pairs of patient and model."""
        return sum(len(fold.patients) * len(fold.networks) for fold in self.folds)

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
    digest = hashlib.sha256("\n".join(sorted(trained_on)).encode()).hexdigest()
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
