"""Frames to tracings with one loaded network: the part of a measurement that costs time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import BoolArray, Box, FloatArray, FrameArray, PixelSpacing, Tracing
from lvef.engine.catalogue import NetworkEntry, find_network
from lvef.engine.session import EngineInfo, open_session
from lvef.geometry.tracing import trace_probabilities
from lvef.measure.options import MeasureOptions
from lvef.measure.quality import wall_contact
from lvef.preprocess.frames import Placement, fit, normalise, place

CHUNK = 16
"""Frames the network sees at once. On a 175-frame clip 16 is 5 % faster as a whole than 8, and 25 no faster than 12."""

CONTACT_EVERY = 4
"""Frames between two looks at the wall around the cavity."""


@dataclass(frozen=True, slots=True)
class TracedFrames:
    """Tracings of a run of frames.

    Attributes:
        tracings: One a frame in pixels of the picture, None where there is no ventricle.
        wall_contact: ``(n,)`` part of the cavity's border with wall around it; NaN where not looked at.
    """

    tracings: tuple[Tracing | None, ...]
    wall_contact: FloatArray

    @property
    def traced(self) -> BoolArray:
        """``(n,)`` whether there is a tracing."""
        return np.array([t is not None for t in self.tracings])


class Predictor:
    """A segmentation network ready to trace frames. Safe to use from several threads.

    Args:
        options: Which network, backend and precision.

    Raises:
        WeightsError: No such network, or it is damaged.
    """

    def __init__(self, options: MeasureOptions) -> None:
        self.entry: NetworkEntry = find_network(options.weights)
        self._session = open_session(
            self.entry.model_path,
            backend=options.backend,
            precision=options.precision,
            threads=options.threads,
        )
        self.engine: EngineInfo = self._session.describe()

    def probabilities(
        self, frames: FrameArray, box: Box, spacing: PixelSpacing | None, *, in_turn: bool = False
    ) -> Iterator[tuple[NDArray[np.float32], Placement]]:
        """Class probabilities of each frame ``(classes, size, size)`` and where that square lies in the picture.

        A network errs a little differently on a picture and on its mirror image, so both are asked and averaged
        (EXPERIMENTS.md has what it brings). The network works on the next frames while the caller uses the ones before.

        Args:
            frames: ``(n, height, width)`` uint8.
            box: Part of the picture to show.
            spacing: Scale of the picture; only its ratio matters.
            in_turn: Show the frames with odd numbers mirrored and the others as they are, each once: half the cost, for
                cines whose tracings are steadied over time, which averages the two just as well.
        """
        spec = self.entry.card.input
        placement = place(box, spec.size, spacing)

        def start(first: int) -> Callable[[], NDArray[np.float32]]:
            batch = normalise(fit(frames[first : first + CHUNK], placement, spec.size), spec)
            if in_turn:
                return self._in_turn(batch, first)
            plain, mirrored = self._session.start(batch), self._session.start(_mirrored(batch))
            return lambda: np.asarray((plain() + mirrored()[..., ::-1]) / 2, dtype=np.float32)

        # Frames ahead of the caller are bounded, so that a long clip does not pile up in memory.
        firsts = iter(range(0, len(frames), CHUNK))
        under_way = deque(start(first) for first in islice(firsts, self.engine.lanes + 1))
        while under_way:
            batch = under_way.popleft()()
            under_way.extend(start(first) for first in islice(firsts, 1))
            for probability in batch:
                yield probability, placement

    def trace(
        self, frames: FrameArray, box: Box, spacing: PixelSpacing | None, *, in_turn: bool = False
    ) -> TracedFrames:
        """Trace the ventricle on every frame.

        Args:
            frames: ``(n, height, width)`` uint8.
            box: Part of the picture to show, from :func:`lvef.preprocess.fan.find_fan`.
            spacing: Scale of the picture, or None.
            in_turn: See `probabilities`.
        """
        tracings: list[Tracing | None] = []
        contact = np.full(len(frames), np.nan)
        for i, (probability, placement) in enumerate(
            self.probabilities(frames, box, spacing, in_turn=in_turn)
        ):
            tracing = trace_in_picture(probability, placement, spacing)
            tracings.append(tracing)
            if tracing is None:
                continue
            if i % CONTACT_EVERY == 0:
                contact[i] = wall_contact(probability)
        return TracedFrames(tuple(tracings), contact)

    def _in_turn(self, batch: NDArray[np.float32], first: int) -> Callable[[], NDArray[np.float32]]:
        odd = np.arange(first, first + len(batch)) % 2 == 1
        batch[odd] = batch[odd][..., ::-1]
        running = self._session.start(batch)

        def fetch() -> NDArray[np.float32]:
            out = running()
            out[odd] = out[odd][..., ::-1]
            return out

        return fetch


def _mirrored(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(batch[..., ::-1])


def trace_in_picture(
    probability: NDArray[np.float32], placement: Placement, spacing: PixelSpacing | None
) -> Tracing | None:
    """The tracing of one frame's class probabilities in pixels of the picture, or None without a ventricle.

    Args:
        probability: ``(classes, size, size)``, from :meth:`Predictor.probabilities`.
        placement: Where that square lies in the picture.
        spacing: Scale of the picture, or None.
    """
    try:
        return _in_picture(trace_probabilities(probability, aspect=_aspect(placement, spacing)), placement)
    except GeometryError:
        return None


def _aspect(placement: Placement, spacing: PixelSpacing | None) -> float:
    """Height over width of one network pixel in the body."""
    ratio = spacing.y_mm / spacing.x_mm if spacing else 1.0
    return ratio * placement.scale_x / placement.scale_y


def _in_picture(tracing: Tracing, placement: Placement) -> Tracing:
    """A tracing in network pixels, in pixels of the picture."""
    parts = (tracing.contour, tracing.apex, tracing.base, tracing.mitral, tracing.chords)
    flat = placement.to_picture(np.concatenate([part.reshape(-1, 2) for part in parts]))
    cuts = np.cumsum([part.size // 2 for part in parts])[:-1]
    contour, apex, base, mitral, chords = (
        moved.reshape(part.shape) for moved, part in zip(np.split(flat, cuts), parts, strict=True)
    )
    return Tracing(contour=contour, apex=apex, base=base, mitral=mitral, chords=chords)
