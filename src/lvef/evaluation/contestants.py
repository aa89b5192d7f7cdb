"""Which networks are judged on which patients: from the words of the command line to loaded networks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lvef.core.errors import ConfigError, DataError
from lvef.datasets.camus import read_split
from lvef.evaluation.records import UsedWeights
from lvef.inference.card import CARD_NAME
from lvef.inference.card_text import experimental_text
from lvef.measure.clip_predictor import ClipPredictor
from lvef.measure.kinds import AnyPredictor, TracingPredictor, load_predictor
from lvef.measure.options import MeasureOptions

HELD_OUT_NAME = "held-out.txt"
"""File in a training run's folder: the patients that its network has not seen, one a line."""

POOLED_LABEL = "cross-validation"
"""Name of the networks of several runs, judged together."""

TRAINING, VALIDATION, TESTING = "training", "validation", "testing"
"""Parts of the collection that may be judged on."""

TESTING_NOTICE = (
    "These are CAMUS's testing patients. They tell how good a chosen network is once; whoever chooses by them, or looks "
    "again after a change, has used them up."
)
"""What a reader of figures on the testing patients must know."""


@dataclass(frozen=True)
class Plan:
    """What is to be evaluated.

    Attributes:
        data: Folder of the collection.
        split: Part of the collection.
        patients: File with patient names instead of a split, or None.
        weights: Names or folders of networks.
        runs: Folders of training runs, each judged on the patients it held out, instead of ``weights``.
        robustness: Whether the changes of the picture are tried as well.
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
class Part:
    """Patients and the networks that are judged on them.

    Attributes:
        patients: Their names.
        networks: Label -> loaded network.
    """

    patients: Sequence[str]
    networks: dict[str, TracingPredictor]


@dataclass(frozen=True, slots=True)
class Field:
    """Everything that takes part.

    Attributes:
        parts: One, or one a fold.
        split: Which patients these are, in words.
        notices: What a reader must know before believing the figures.
    """

    parts: Sequence[Part]
    split: str
    notices: Sequence[str]

    @property
    def labels(self) -> list[str]:
        """Labels of the networks, in the order given."""
        return list(dict.fromkeys(label for part in self.parts for label in part.networks))

    @property
    def steps(self) -> int:
        """Patients, counted once for each network that is judged on them."""
        return sum(len(part.patients) * len(part.networks) for part in self.parts)

    def weights_of(self, label: str) -> tuple[UsedWeights, ...]:
        """The files behind a label."""
        return tuple(
            used_weights(part.networks[label], len(part.patients))
            for part in self.parts
            if label in part.networks
        )


def enter(plan: Plan) -> Field:
    """Find the patients and load the networks.

    Raises:
        ConfigError: A network is given twice.
        DataError: The collection, a list of patients or a run's folder is not there or not as expected.
        WeightsError: A network is missing or damaged.
    """
    if not plan.data.is_dir():
        raise DataError(
            f"{plan.data}: no such folder; the folder of the collection was expected, with database_nifti in it."
        )
    if plan.runs:
        parts = _folds(plan)
        split = f"patients held out by {len(parts)} {'run' if len(parts) == 1 else 'runs'}, each judged by its own network"
    else:
        patients = _patients(plan)
        split = f"patients of {plan.patients.name}" if plan.patients else f"CAMUS {plan.split}"
        parts = [Part(patients, _load(plan))]
    told = [TESTING_NOTICE] if split == f"CAMUS {TESTING}" else []
    marked = dict.fromkeys(
        experimental_text(predictor.entry.card) for part in parts for predictor in part.networks.values()
    )
    return Field(parts, split, [*told, *filter(None, marked), *_notices(plan.data, parts)])


def used_weights(predictor: AnyPredictor, patients: int) -> UsedWeights:
    """What the card and the engine of a loaded network tell."""
    card, engine = predictor.entry.card, predictor.engine
    return UsedWeights(
        card.name,
        card.version,
        card.model_sha256,
        card.licence,
        engine.backend,
        engine.precision,
        engine.device,
        patients,
    )


def read_names(path: Path) -> list[str]:
    """Patient names, one a line; a name that stands there twice is taken once.

    Raises:
        DataError: The file cannot be read or holds no name.
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


def _load(plan: Plan) -> dict[str, TracingPredictor]:
    predictors = [_loaded(plan, name) for name in plan.weights]
    twice = [d for d, n in Counter(p.entry.card.model_sha256 for p in predictors).items() if n > 1]
    if twice:
        names = [
            n for n, p in zip(plan.weights, predictors, strict=True) if p.entry.card.model_sha256 == twice[0]
        ]
        raise ConfigError(f"{' and '.join(names)} are the same network; give each network once.")
    return dict(zip(_labels(plan.weights, predictors), predictors, strict=True))


def _loaded(plan: Plan, name: str) -> TracingPredictor:
    """A network that tells something of a still.

    Raises:
        ConfigError: It reads whole clips.
    """
    predictor = load_predictor(replace(plan.options, weights=name))
    if isinstance(predictor, ClipPredictor):
        raise ConfigError(
            f"{name} gives an EF for a clip and nothing for a still; judge it on clips, with lvef evaluate --manifest."
        )
    return predictor


def _labels(given: Sequence[str], predictors: Sequence[TracingPredictor]) -> list[str]:
    """The shortest names that tell the networks apart; a folder is called by its last two names."""
    cards = [p.entry.card for p in predictors]
    folders = [p.entry.folder.resolve() for p in predictors]
    candidates = (
        [card.name for card in cards],
        [f"{card.name} {card.version}" for card in cards],
        [
            f"{folder.parent.name}/{folder.name}" if (Path(name) / CARD_NAME).is_file() else name
            for name, folder in zip(given, folders, strict=True)
        ],
    )
    for labels in candidates:
        if len(set(labels)) == len(labels):
            return labels
    return [f"{card.name} {card.model_sha256[:8]}" for card in cards]


def _folds(plan: Plan) -> list[Part]:
    parts: list[Part] = []
    seen: dict[str, Path] = {}
    for run in plan.runs:
        patients = read_names(run / HELD_OUT_NAME)
        for patient in patients:
            if patient in seen:
                raise DataError(
                    f"{patient} is held out by {seen[patient]} and by {run}; in a cross-validation every patient is "
                    "judged once, by the one network that has not seen it."
                )
            seen[patient] = run
        parts.append(Part(patients, {POOLED_LABEL: _loaded(plan, str(_network_of(run)))}))
    return parts


def _network_of(run: Path) -> Path:
    """The one folder with a card in a run's folder.

    Raises:
        DataError: There is none, or more than one.
    """
    found = sorted(path.parent for path in run.glob(f"*/{CARD_NAME}"))
    if len(found) != 1:
        names = ", ".join(folder.name for folder in found) or "none"
        raise DataError(f"{run}: one folder with {CARD_NAME} was expected in a run's folder, found: {names}.")
    return found[0]


def _notices(data: Path, parts: Sequence[Part]) -> list[str]:
    """Networks whose card says that they have seen patients on whom they are judged."""
    try:
        trained_on = read_split(data, TRAINING)
    except DataError:
        return []
    digest = hashlib.sha256("\n".join(sorted(trained_on)).encode()).hexdigest()
    seen: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for part in parts:
        for label, predictor in part.networks.items():
            judged[label] += len(part.patients)
            if predictor.entry.card.training.patients_sha256 == digest:
                seen[label] += len(set(part.patients) & set(trained_on))
    return [
        f"The card of {label} says that it was trained on all CAMUS training patients, and {n} of the {judged[label]} "
        "patients judged here are among them: its figures then say little about new patients."
        for label, n in seen.items()
        if n
    ]
