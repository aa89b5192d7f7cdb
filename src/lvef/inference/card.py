"""The card beside every network: what it is, what it wants to see, what it was trained on, how good it is; and its texts."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lvef.core.config import read_json_config
from lvef.core.errors import DataError, WeightsError
from lvef.core.terms import EF_KINDS, EF_TWO_STREAM, KINDS, RECOGNISED_VIEWS, SEGMENTATION, VIEW
from lvef.transforms.spec import ClipSpec, InputSpec

CARD_NAME = "card.json"
"""File name of a card."""

MODEL_NAME = "model.onnx"
"""File name of the network beside its card."""

SPLIT_NAME = "split.csv"
"""Beside the card: SHA-256 of each patient's name and the part it was in, so that anyone who has the names can see whom the
network has met, and it reveals no others."""

PARTS = TRAIN, VALIDATION, HELD_OUT = "train", "validation", "held_out"
"""Parts in that file: patients for training the model, for selecting its weights, and those held out."""

REINSTALL = "install the weights again"
"""What to do about a model's file that is damaged."""

CARD_SCHEMA = "lvef-card/1"
"""Version of the layout below. Fields with a default may be added without a new one."""

CLASSES = ("background", "lv", "myocardium", "la")
"""Names of a segmentation's classes, in the order of `lvef.core.terms.Structure`. Networks without the atrium, or without
atrium and wall, leave off the last ones."""


VIEW_OUTPUTS = (*map(str, RECOGNISED_VIEWS), "appearance_distance")
"""Names of a view model's outputs: a probability of each view, and how unlike the apical frames of training a frame is (1 is
what 99 % of those of patients set aside stay below)."""

MARK = "experimental"
"""The word beside the name of a network whose EF does not hold on other hospitals' clips."""

EF_MAE, EF_BIAS, EF_R = "ef_mae", "ef_bias", "ef_r"
"""Names of the EF metrics; in-domain followed by the patients, such as ``ef_mae_a4c``."""

INTENDED_USE = (
    "Research and teaching only. Not a medical device; no use in the diagnosis or treatment of patients."
)
"""What the weights are for."""

EVERY_FRAME = "every frame on its own"
"""``sampling`` of a network that is shown single frames."""

NO_CHECK = "Gives an EF and nothing to check it by: no contour, no volume."
"""Known weakness of networks that give an EF alone."""

NOT_VALIDATED = "no external validation"
"""Shown where a card has no external metrics."""

GENERATED = ("phantoms", "animated stills")
"""Beginnings of the ``split`` of external metrics that are of generated clips, not of another hospital's."""

COST = "cost_"
"""Beginning of the names of metrics under perturbations."""


@dataclass(frozen=True)
class CardMetric:
    """A metric of a model card, with what is needed to believe it."""

    name: str
    """What was measured, for example ``dice_lv_a4c_ed``."""
    value: float
    """Its value."""
    unit: str
    """Unit, or empty for a ratio."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    level: float
    """Level of the interval, for example 0.95 (percentile bootstrap over patients)."""
    n: int
    """Cases."""
    split: str
    """Patients it was measured on."""
    reference: str
    """What it was compared with."""
    trivial: float | None = None
    """The same figure of the baseline, where there is one."""


@dataclass(frozen=True)
class Training:
    """What a network was trained on and how."""

    data: str
    """Collection and part."""
    licence: str
    """Licence of that data."""
    citation: str
    """How to cite it."""
    patients: int
    """Number of patients."""
    patients_sha256: str
    """SHA-256 of the sorted patient names, one a line."""
    recipe: str
    """Recipe file."""
    command: str
    """Command that made the network."""
    minutes: float
    """Time it took."""


@dataclass(frozen=True)
class Card:
    """Everything a network says of itself."""

    name: str
    """Name under which it is asked for."""
    version: str
    """Version of the weights."""
    kind: str
    """What it gives, one of `KINDS`."""
    title: str
    """One line for people."""
    licence: str
    """SPDX licence of the weights."""
    intended_use: str
    """Research and teaching; what it must not be used for."""
    input: InputSpec
    """What the network is shown of a frame; of a network with a ``clip`` the same as its `ClipSpec.square`."""
    classes: tuple[str, ...]
    """Names of the output channels, in order; only ``segmentation`` and ``view`` have them."""
    architecture: dict[str, Any]
    """Family, settings and number of parameters."""
    training: Training
    """Data and recipe."""
    model_sha256: str
    """SHA-256 of ``model.onnx``."""
    sampling: str = EVERY_FRAME
    """Which frames are shown."""
    experimental: bool = False
    """The EF does not hold on other hospitals' clips: the name is shown with that word, and every measurement warns."""
    external: tuple[CardMetric, ...] = ()
    """Metrics out of domain, shown before `figures`: on clips of other hospitals, then those that ``python -m
    studies.external`` writes (``split`` names its suite). Without an interval both ends are the value."""
    figures: tuple[CardMetric, ...] = ()
    """Metrics, in-domain."""
    limits: tuple[str, ...] = ()
    """Known weaknesses, one sentence each."""
    clip: ClipSpec | None = None
    """What the network is shown of a clip; only `EF_KINDS` have it."""
    schema: str = field(default=CARD_SCHEMA)
    """Version of this layout."""


def read_card(folder: Path) -> Card:
    """Read the card of a network folder.

    Raises:
        WeightsError: There is no card, or it does not fit the layout.
    """
    path = folder / CARD_NAME
    if not path.exists():
        raise WeightsError(f"{path}: no card there; a folder with {MODEL_NAME} and {CARD_NAME} was expected.")
    card = read_json_config(Card, path, CARD_SCHEMA, REINSTALL, WeightsError)
    defect = card_inconsistency(card)
    if defect:
        raise WeightsError(f"{path}: {defect}")
    return card


def sampling_text(clip: ClipSpec | None) -> str:
    """``sampling`` of a network that is shown clips, or single frames where there is no ``clip``."""
    if clip is None:
        return EVERY_FRAME
    return f"{clip.clips} evenly spaced clips of {clip.n_frames} frames over {clip.duration_s:g} s"


def patients_sha256(patients: Iterable[str]) -> str:
    """SHA-256 of the sorted names, each once, one a line, as the card has it."""
    return _sha256("\n".join(sorted(set(patients))))


def split_csv(patients: Mapping[str, Iterable[str]]) -> str:
    """`SPLIT_NAME` as text: ``patient_sha256,part``, sorted by hash.

    Args:
        patients: Names of each of the `PARTS`.
    """
    rows = sorted(f"{_sha256(name)},{part}" for part, names in patients.items() for name in names)
    return "\n".join(["patient_sha256,part", *rows]) + "\n"


def read_parts(folder: Path, patients: Iterable[str]) -> dict[str, str | None]:
    """Part of each patient in the training of a network, by its `SPLIT_NAME`; None of those that it does not know.

    Args:
        folder: Folder of the network; without the file no patient is known.
        patients: Names.

    Raises:
        DataError: The file is there and is something else.
    """
    path = folder / SPLIT_NAME
    try:
        with path.open(encoding="utf-8", newline="") as file:
            parts = {row["patient_sha256"]: row["part"] for row in csv.DictReader(file)}
    except FileNotFoundError:
        parts = {}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        raise DataError(
            f"{path}: cannot be read; the columns patient_sha256 and part were expected, as training writes them."
        ) from None
    return {name: parts.get(_sha256(name)) for name in patients}


def card_inconsistency(card: Card) -> str:
    """What does not fit together in a card, as the rest of a sentence; empty where all does."""
    if card.kind not in KINDS:
        return (
            f"kind {card.kind!r} found, {', '.join(KINDS[:-1])} or {KINDS[-1]} was expected; install weights that fit "
            "this lvef."
        )
    if (card.clip is not None) != (card.kind in EF_KINDS):
        found = "with" if card.clip else "without"
        return f"kind {card.kind} {found} a clip; {' and '.join(EF_KINDS)} have one, the others none."
    if card.clip is not None and card.clip.square != replace(card.input, mirror=True, pad="black"):
        return (
            "input and clip state two different squares; input must repeat size, crop, mean and std of clip."
        )
    if card.input.brightness and card.kind != SEGMENTATION:
        return (
            f"brightness {card.input.brightness:g} found; kind {card.kind} has none, only {SEGMENTATION} has."
        )
    if card.kind == EF_TWO_STREAM and card.clip is not None and (card.clip.mean, card.clip.std) != (0.0, 1.0):
        found = f"mean {card.clip.mean:g} and std {card.clip.std:g}"
        return f"{found} found; the two streams have their own scales, mean 0 and std 1 was expected."
    if card.kind == SEGMENTATION and (len(card.classes) < 2 or card.classes != CLASSES[: len(card.classes)]):
        found = ", ".join(card.classes) or "none"
        return f"classes {found} found; the first two or more of {', '.join(CLASSES)} were expected."
    if card.kind == VIEW and card.classes != VIEW_OUTPUTS:
        return f"classes {', '.join(card.classes) or 'none'} found; {', '.join(VIEW_OUTPUTS)} were expected."
    return ""


def display_name(card: Card) -> str:
    """The network's name as it is shown, with `MARK` where it is experimental."""
    return f"{card.name} ({MARK})" if card.experimental else card.name


def card_facts(card: Card) -> dict[str, Any]:
    """What `lvef info --json` and ``/v1/models`` say of a model, as plain values."""
    return {
        "name": card.name,
        "version": card.version,
        "kind": card.kind,
        "title": card.title,
        "licence": card.licence,
        "intended_use": card.intended_use,
        "trained_on": card.training.data,
        "sha256": card.model_sha256,
        "experimental": card.experimental,
        "experimental_text": experimental_text(card),
        "external": [asdict(figure) for figure in card.external],
        "figures": [asdict(figure) for figure in card.figures],
        "limits": list(card.limits),
    }


def experimental_text(card: Card) -> str:
    """Why a network is experimental, in one sentence, its external metrics first; empty where it is not."""
    if not card.experimental:
        return ""
    parts = [_external_error_text(card)]
    inside = next((f for f in card.figures if f.name.startswith(EF_MAE)), None)
    if inside is not None:
        parts.append(f"in-domain {_format_points(inside)} points on {inside.split}")
    return f"The model {card.name} is {MARK}: {'; '.join(parts)}. Do not rely on its EF."


def metric_text(figure: CardMetric) -> str:
    """A metric with its 95 % confidence interval where it has one, unit, number, patients, reference and baseline."""
    value = f"{figure.value:.3g}"
    if figure.unit:
        value += f" {figure.unit}"
    if has_interval(figure):
        value += f" ({figure.low:.3g} to {figure.high:.3g})"
    parts = [value, f"n = {figure.n}", figure.split, f"reference: {figure.reference}"]
    if figure.trivial is not None:
        parts.append(f"constant median {figure.trivial:.3g}")
    return ", ".join(parts)


def external_ef_error(figures: Sequence[CardMetric]) -> CardMetric | None:
    """The mean absolute error of the EF on clips of other hospitals, None where none was measured.

    Args:
        figures: The ``external`` metrics of a card.
    """
    return next((f for f in figures if f.name == EF_MAE and not f.split.startswith(GENERATED)), None)


def has_interval(figure: CardMetric) -> bool:
    """Whether a metric has a confidence interval; without one both ends are its value."""
    return figure.low < figure.high


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _external_error_text(card: Card) -> str:
    error = next((f for f in card.external if f.name == EF_MAE), None)
    if error is None:
        return NOT_VALIDATED
    text = f"mean absolute error of the EF {_format_points(error)} points on {error.split}"
    text += f" (n = {error.n}, reference: {error.reference})"
    if error.trivial is not None:
        text += f", constant median {error.trivial:.1f}"
    beside = {f.name: f for f in card.external if f.split == error.split}
    if EF_BIAS in beside:
        text += f", bias {beside[EF_BIAS].value:+.1f}"
    if EF_R in beside:
        text += f", r {beside[EF_R].value:.2f}"
    return text


def _format_points(figure: CardMetric) -> str:
    value = f"{figure.value:.1f}"
    return f"{value} ({figure.low:.1f} to {figure.high:.1f})" if has_interval(figure) else value
