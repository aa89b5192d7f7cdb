"""Which networks are installed. Distributions announce theirs through the entry-point group ``lvef.weights``.

An entry point names a module with a ``FOLDER``: the folder that holds one subfolder a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from lvef.core.errors import UnknownNameError, WeightsError, did_you_mean
from lvef.core.journal import file_sha256
from lvef.core.terms import EF_CLIP, EF_TWO_STREAM, MEASURING_KINDS, SEGMENTATION, VIEW
from lvef.inference.card import CARD_NAME, MODEL_NAME, REINSTALL, Card, read_card
from lvef.inference.session import Port, Session, open_session
from lvef.transforms.volume_tracing import N_LINES

GROUP = "lvef.weights"
"""Entry-point group of distributions that carry networks."""


SPATIAL, TEMPORAL = "spatial", "temporal"
"""Names of a two-stream network's inputs."""

LINE_VALUES = 4 * N_LINES
"""Numbers that stand for the lines of a frame: 21 lines x 2 ends x (x, y)."""

Shape = tuple[int | None, ...]
"""Sides of an array, batch first; None for any."""


@dataclass(frozen=True)
class ModelEntry:
    """An installed network."""

    name: str
    folder: Path
    card: Card

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL_NAME


def list_models() -> list[ModelEntry]:
    """All installed networks, by name.

    Raises:
        WeightsError: Two distributions carry a network of the same name.
    """
    found: dict[str, ModelEntry] = {}
    for folder in model_folders():
        card = read_card(folder)
        if card.name in found:
            raise WeightsError(
                f"The model {card.name} is installed twice, in {found[card.name].folder} and {folder}; uninstall one."
            )
        found[card.name] = ModelEntry(card.name, folder, card)
    return [found[name] for name in sorted(found)]


def model_folders() -> list[Path]:
    """The folders of all installed models, damaged ones too."""
    roots = [Path(point.load().FOLDER) for point in entry_points(group=GROUP)]
    return [path.parent for root in roots for path in sorted(root.glob(f"*/{CARD_NAME}"))]


def measuring_models() -> list[ModelEntry]:
    """The installed models that measure, by name: those that may be asked for.

    Raises:
        WeightsError: See `list_models`.
    """
    return [entry for entry in list_models() if entry.card.kind in MEASURING_KINDS]


def first_model_of_kind(kind: str, preferred: str) -> str:
    """Name of an installed network of a kind: the preferred one if it is there, else the first, experimental ones last.

    Raises:
        WeightsError: None of this kind is installed.
    """
    found = [entry for entry in list_models() if entry.card.kind == kind]
    names = [entry.name for entry in sorted(found, key=lambda entry: entry.card.experimental)]
    if not names:
        raise WeightsError(f'No {kind} model is installed: run pip install "lvef[weights]".')
    return preferred if preferred in names else names[0]


def find_model(name: str) -> ModelEntry:
    """A network by name, or by the folder it lies in.

    Raises:
        WeightsError: No such network; the message lists those there are. Or its file is not the one its card names.
    """
    folder = Path(name)
    if (folder / CARD_NAME).is_file():
        card = read_card(folder)
        entry = ModelEntry(card.name, folder, card)
    else:
        installed = {e.name: e for e in list_models()}
        if name not in installed:
            known = ", ".join(installed) or 'none (run pip install "lvef[weights]")'
            hint = did_you_mean(name, installed)
            said = f"No model named {name}" + (
                f"{hint} Installed: {known}." if hint else f"; installed: {known}."
            )
            # A name with a slash is a folder, which may be missing.
            raise WeightsError(said) if "/" in name else UnknownNameError(said)
        entry = installed[name]
    check_hash(entry)
    return entry


def check_hash(entry: ModelEntry) -> None:
    """See that the model is there and is the one the card was written for.

    Raises:
        WeightsError: It is not.
    """
    digest = file_sha256(entry.model_path, REINSTALL, WeightsError)
    if digest != entry.card.model_sha256:
        raise WeightsError(
            f"{entry.model_path}: SHA-256 {digest[:12]}... found, the card names {entry.card.model_sha256[:12]}...; "
            f"{REINSTALL}."
        )


def open_model(
    entry: ModelEntry, *, backend: str = "auto", precision: str = "auto", threads: int = 0
) -> Session:
    """Load a network that fits its card.

    Args:
        entry: From `lvef.inference.catalogue.find_model`.
        backend: See `open_session`.
        precision: See `open_session`.
        threads: See `open_session`.

    Raises:
        WeightsError: The file is no network, or its inputs or its output are not those of the card.
        ConfigError: A backend or precision that is not to be had.
        MissingExtraError: The backend asked for is not installed.
    """
    session = open_session(entry.model_path, backend=backend, precision=precision, threads=threads)
    reason = card_mismatch(entry.card, session.inputs, session.outputs)
    if reason:
        raise WeightsError(f"{entry.model_path}: {reason}; its card and its file do not belong together.")
    return session


def card_mismatch(card: Card, inputs: Sequence[Port], outputs: Sequence[Port]) -> str:
    """How a network differs from what its card says, or an empty text where it does not.

    Args:
        card: The card.
        inputs: The network's inputs.
        outputs: The network's outputs; the first counts.
    """
    expected = input_shapes(card)
    if len(inputs) != len(expected):
        return f"{len(inputs)} inputs found, the card's kind {card.kind} has {len(expected)}"
    named = {port.name: port for port in inputs} if len(expected) > 1 else {"": inputs[0]}
    for name, shape in expected.items():
        if name not in named:
            found = ", ".join(port.name for port in inputs)
            return f"inputs {found} found, {' and '.join(expected)} were expected"
        if not _shapes_agree(named[name].shape, shape):
            words = f"input {name}" if name else "input"
            return f"{words} {_format_shape(named[name].shape)} found, the card says {_format_shape(shape)}"
    if not outputs:
        return "no output found"
    shapes = output_shapes(card)
    if not any(_shapes_agree(outputs[0].shape, shape) for shape in shapes):
        return f"output {_format_shape(outputs[0].shape)} found, the card says {_format_shape(shapes[0])}"
    return ""


def input_shapes(card: Card) -> dict[str, Shape]:
    """Inputs of a network by name; a single one is nameless. Batch, channel, time, height, width."""
    size = card.input.size
    if card.clip is None:
        return {"": (None, len(card.input.offsets_s), size, size)}
    if card.kind == EF_CLIP:
        return {"": (None, 1, card.clip.n_frames, size, size)}
    return dict.fromkeys((SPATIAL, TEMPORAL), (None, card.clip.n_frames - 1, size, size))


def output_shapes(card: Card) -> tuple[Shape, ...]:
    """Shapes that the output of a network may have."""
    if card.kind == SEGMENTATION:
        return ((None, len(card.classes), card.input.size, card.input.size),)
    if card.kind in (EF_CLIP, EF_TWO_STREAM):
        return ((None,), (None, 1))
    if card.kind == VIEW:
        return ((None, len(card.classes)),)
    return ((None, LINE_VALUES),)


def _shapes_agree(found: Shape, expected: Shape) -> bool:
    """Whether shapes agree in all that both state; a batch of fixed size fits none but itself."""
    if len(found) != len(expected) or found[:1] not in ((None,), ()):
        return False
    return all(a is None or b is None or a == b for a, b in zip(found, expected, strict=True))


def _format_shape(shape: Shape) -> str:
    return "(" + ", ".join("n" if side is None else str(side) for side in shape) + ")"
