"""Loading the network that a user asked for, and keeping it busy: what all predictors share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from lvef.core.errors import WeightsError
from lvef.core.terms import EF_CLIP, EF_TWO_STREAM, SEGMENTATION, VOLUME_TRACE
from lvef.inference.catalogue import ModelEntry, find_model
from lvef.inference.fitting import open_model
from lvef.inference.session import Session
from lvef.measure.options import MeasureOptions

T = TypeVar("T")
A = TypeVar("A")

FrameProgress = Callable[[int], None]
"""Told how many frames a network has answered."""


def ignore_progress(frames: int) -> None:
    """Nobody wants to know."""


WORDS = {
    SEGMENTATION: "marks the ventricle on each frame",
    VOLUME_TRACE: "draws the lines of the ventricle on each frame",
    EF_CLIP: "reads the EF from clips",
    EF_TWO_STREAM: "reads the EF from grey frames and their differences",
}
"""What a network of each kind does, after its name."""


def find_model_of_kind(options: MeasureOptions, entry: ModelEntry | None, *kinds: str) -> ModelEntry:
    """The network that is asked for, if it is of one of the kinds.

    Args:
        options: Its ``weights`` count.
        entry: The network, where it has been looked up already.
        kinds: Kinds that will do.

    Raises:
        WeightsError: No such network, it is damaged, or it is of another kind.
    """
    entry = entry or find_model(options.weights)
    if entry.card.kind not in kinds:
        raise WeightsError(
            f"{entry.folder}: the network {entry.name} is of the kind {entry.card.kind}, {' or '.join(kinds)} is needed "
            "here; choose another (lvef info lists them)."
        )
    return entry


def open_session_for(options: MeasureOptions, entry: ModelEntry) -> Session:
    """The network, loaded as the options say.

    Raises:
        WeightsError: Its file is no network or not that of its card.
        ConfigError: A backend or precision that is not to be had.
    """
    return open_model(entry, backend=options.backend, precision=options.precision, threads=options.threads)


def prefetch(start: Callable[[A], Callable[[], T]], todo: Iterable[A], depth: int) -> Iterator[T]:
    """Answers in order, with a few begun before the caller asks for them.

    Args:
        start: Begins a piece of work and returns what waits for its answer.
        todo: Pieces of work.
        depth: Most pieces under way: a long clip must not pile up in memory.
    """
    left = iter(todo)
    under_way = deque(start(one) for one in islice(left, depth))
    while under_way:
        answer = under_way.popleft()()
        under_way.extend(start(one) for one in islice(left, 1))
        yield answer
