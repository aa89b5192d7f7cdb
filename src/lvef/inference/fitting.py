"""Opens a network and holds it against its card: a file that reads or gives something else is refused before it answers."""

from __future__ import annotations

from collections.abc import Sequence

from lvef.core.errors import WeightsError
from lvef.core.terms import EF_CLIP, EF_TWO_STREAM, SEGMENTATION
from lvef.inference.card import Card
from lvef.inference.catalogue import ModelEntry
from lvef.inference.session import Port, Session, open_session
from lvef.transforms.volume_tracing import N_LINES

SPATIAL, TEMPORAL = "spatial", "temporal"
"""Names of a two-stream network's inputs."""

LINE_VALUES = 4 * N_LINES
"""Numbers that stand for the lines of a frame: 21 lines x 2 ends x (x, y)."""

Shape = tuple[int | None, ...]
"""Sides of an array, batch first; None for any."""


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
    """Shapes that the answer of a network may have."""
    if card.kind == SEGMENTATION:
        return ((None, len(card.classes), card.input.size, card.input.size),)
    if card.kind in (EF_CLIP, EF_TWO_STREAM):
        return ((None,), (None, 1))
    return ((None, LINE_VALUES),)


def _shapes_agree(found: Shape, expected: Shape) -> bool:
    """Whether shapes agree in all that both tell; a batch of fixed size fits none but itself."""
    if len(found) != len(expected) or found[:1] not in ((None,), ()):
        return False
    return all(a is None or b is None or a == b for a, b in zip(found, expected, strict=True))


def _format_shape(shape: Shape) -> str:
    return "(" + ", ".join("n" if side is None else str(side) for side in shape) + ")"
