"""Frames to tracings with one loaded segmentation network: the part of a measurement that costs time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import BoolArray, Box, Clip, FloatArray, FrameArray, PixelGeometry, Tracing, aspect_of
from lvef.core.terms import SEGMENTATION
from lvef.geometry.tracing import trace, trace_probabilities
from lvef.inference.card import CLASSES
from lvef.inference.catalogue import ModelEntry
from lvef.inference.session import EngineInfo
from lvef.measure.loaded import (
    FrameProgress,
    find_model_of_kind,
    ignore_progress,
    open_session_for,
    prefetch,
)
from lvef.measure.options import MeasureOptions
from lvef.measure.quality import wall_contact
from lvef.transforms.frames import Placement, context_frames, fit, normalise, other_phase_channels, place
from lvef.transforms.sector import Sector

CHUNK = 16
"""Frames the network sees at once. On a 175-frame clip 16 is 5 % faster as a whole than 8, and 25 no faster than 12."""

OTHER_PHASE = -1
"""Stands for the still of the other phase where frames are named by number."""

CONTACT_EVERY = 4
"""Frames between two looks at the wall around the cavity."""


@dataclass(frozen=True, slots=True)
class TracedFrames:
    """Tracings of a run of frames.

    Attributes:
        tracings: One a frame in pixels of the picture, None where there is no ventricle.
        wall_contact: ``(n,)`` part of the cavity's border with wall around it; NaN where not looked at.
        walls_known: Whether the network tells walls at all.
        counts: How often its output broke a rule before any guard acted, by name; see `lvef.core.records.Measurement`.
    """

    tracings: tuple[Tracing | None, ...]
    wall_contact: FloatArray
    walls_known: bool = True
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def traced(self) -> BoolArray:
        """``(n,)`` whether there is a tracing."""
        return np.array([t is not None for t in self.tracings])


class SegmentationPredictor:
    """A segmentation network ready to trace frames. Safe to use from several threads.

    Args:
        options: Which network, backend and precision.
        entry: The network, where it has been looked up already.

    Raises:
        WeightsError: No such network, it is damaged, of another kind, or not what its card says.
    """

    def __init__(self, options: MeasureOptions, entry: ModelEntry | None = None) -> None:
        self.entry: ModelEntry = find_model_of_kind(options, entry, SEGMENTATION)
        self._session = open_session_for(options, self.entry)
        self.engine: EngineInfo = self._session.describe()
        self._mirror = self.entry.card.input.mirror
        self.walls_known = "myocardium" in self.entry.card.classes
        """Whether it tells walls, so that what is no apical view can be told by them."""

    def shown(self, clip: Clip, fan: Sector) -> tuple[FrameArray, Box]:
        """Frames and the part of the picture that this network is shown."""
        if self.entry.card.input.crop == "whole":
            height, width = clip.frames.shape[1:]
            return clip.frames, Box(0, 0, width, height)
        return clip.frames, fan.box

    @property
    def sees_other_phase(self) -> bool:
        """Whether a still is shown with the still of its other phase, where that is known."""
        return len(self.entry.card.input.offsets_s) > 1

    def square(self, clip: Clip, fan: Sector) -> FrameArray | None:
        """A still as the network would see it, ``(1, size, size)``, to be the other phase of another still.

        None for networks that are shown one frame alone.
        """
        if not self.sees_other_phase:
            return None
        spec = self.entry.card.input
        frames, box = self.shown(clip, fan)
        return fit(frames[:1], place(box, spec.size, clip.spacing), spec.size)

    def probabilities(
        self,
        frames: FrameArray,
        box: Box,
        spacing: PixelGeometry | None,
        *,
        times_s: FloatArray | None = None,
        only: Sequence[int] | None = None,
        other: FrameArray | None = None,
        alternate_mirror: bool = False,
    ) -> Iterator[tuple[NDArray[np.float32], Placement]]:
        """Class probabilities of each frame ``(classes, size, size)`` and where that square lies in the picture.

        A network errs a little differently on a picture and on its mirror image, so both are asked and averaged
        (EXPERIMENTS.md has what it brings), unless its card says that it never learned from mirrored ones. The network works
        on the next frames while the caller uses the ones before.

        Args:
            frames: ``(n, height, width)`` uint8.
            box: Part of the picture to show.
            spacing: Scale of the picture; only its ratio matters.
            times_s: ``(n,)`` instants of the frames, for models that are shown the frames around; None where each frame
                stands alone (stills).
            only: Numbers of the frames that are wanted; None for all.
            other: For one still: the still of the other phase (`square`), for models that are shown the frames around.
            alternate_mirror: Show frames with odd numbers mirrored and the others as they are, each once. This halves the
                cost; for cines, temporal smoothing averages the two just as well.
        """
        spec = self.entry.card.input
        placement = place(box, spec.size, spacing)
        shown = np.arange(len(frames))[:, None].repeat(len(spec.offsets_s), axis=1)
        if times_s is not None and len(spec.offsets_s) > 1:
            shown = context_frames(times_s, spec.offsets_s)
        if only is not None:
            shown = shown[list(only)]
        squares: dict[int, FrameArray] = {}
        if other is not None:
            squares[OTHER_PHASE] = other[0]
            shown[:, other_phase_channels(spec.offsets_s)] = OTHER_PHASE

        def start(first: int) -> Callable[[], NDArray[np.float32]]:
            chunk = shown[first : first + CHUNK]
            missing = [i for i in np.unique(chunk).tolist() if i not in squares]
            squares.update(zip(missing, fit(frames[missing], placement, spec.size), strict=True))
            batch = normalise(np.stack([[squares[i] for i in row] for row in chunk.tolist()]), spec)
            if not self._mirror:
                return self._session.start(batch)
            if alternate_mirror:
                return self._in_turn(batch, first)
            plain, mirrored = self._session.start(batch), self._session.start(_mirror(batch))
            return lambda: np.asarray((plain() + mirrored()[..., ::-1]) / 2, dtype=np.float32)

        for batch in prefetch(start, range(0, len(shown), CHUNK), self.engine.lanes + 1):
            for probability in batch:
                yield probability, placement

    def trace(
        self,
        frames: FrameArray,
        box: Box,
        spacing: PixelGeometry | None,
        *,
        times_s: FloatArray | None = None,
        only: Sequence[int] | None = None,
        other: FrameArray | None = None,
        alternate_mirror: bool = False,
        seen: FrameProgress = ignore_progress,
    ) -> TracedFrames:
        """Trace the ventricle on every frame.

        Args:
            frames: ``(n, height, width)`` uint8.
            box: Part of the picture to show, from :func:`lvef.transforms.sector.find_sector`.
            spacing: Scale of the picture, or None.
            times_s: See `probabilities`.
            only: See `probabilities`; tracings come in this order.
            other: See `probabilities`.
            alternate_mirror: See `probabilities`.
            seen: Told how many frames are traced.
        """
        tracings: list[Tracing | None] = []
        contact = np.full(len(frames if only is None else only), np.nan)
        for i, (probability, placement) in enumerate(
            self.probabilities(
                frames,
                box,
                spacing,
                times_s=times_s,
                only=only,
                other=other,
                alternate_mirror=alternate_mirror,
            )
        ):
            tracing = trace_in_image(probability, placement, spacing)
            tracings.append(tracing)
            seen(i + 1)
            if tracing is None:
                continue
            if self.walls_known and i % CONTACT_EVERY == 0:
                contact[i] = wall_contact(probability)
        return TracedFrames(tuple(tracings), contact, self.walls_known)

    def _in_turn(self, batch: NDArray[np.float32], first: int) -> Callable[[], NDArray[np.float32]]:
        odd = np.arange(first, first + len(batch)) % 2 == 1
        batch[odd] = batch[odd][..., ::-1]
        running = self._session.start(batch)

        def fetch() -> NDArray[np.float32]:
            out = running()
            out[odd] = out[odd][..., ::-1]
            return out

        return fetch


def _mirror(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(batch[..., ::-1])


def trace_in_image(
    probability: NDArray[np.float32], placement: Placement, spacing: PixelGeometry | None
) -> Tracing | None:
    """The tracing of one frame's class probabilities in pixels of the picture, or None without a ventricle.

    Args:
        probability: ``(classes, size, size)``, the classes a beginning of `lvef.inference.card.CLASSES`.
        placement: Where the square lies in the picture.
        spacing: Scale of the picture, or None.
    """
    aspect = model_aspect(placement, spacing)
    try:
        if len(probability) == len(CLASSES):
            return tracing_in_image(trace_probabilities(probability, aspect=aspect), placement)
        # A network without atrium or wall: the shape alone tells the base from the apex.
        seen = dict(zip(CLASSES, probability, strict=False))
        found = trace(seen["lv"], seen.get("la"), seen.get("myocardium"), aspect=aspect)
        return tracing_in_image(found, placement)
    except GeometryError:
        return None


def model_aspect(placement: Placement, spacing: PixelGeometry | None) -> float:
    """Height over width of one network pixel in the body."""
    return aspect_of(spacing) * placement.scale_x / placement.scale_y


def tracing_in_image(tracing: Tracing, placement: Placement) -> Tracing:
    """A tracing in network pixels, in pixels of the picture."""
    parts = (tracing.contour, tracing.apex, tracing.base, tracing.mitral, tracing.chords)
    flat = placement.to_image(np.concatenate([part.reshape(-1, 2) for part in parts]))
    cuts = np.cumsum([part.size // 2 for part in parts])[:-1]
    contour, apex, base, mitral, chords = (
        moved.reshape(part.shape) for moved, part in zip(np.split(flat, cuts), parts, strict=True)
    )
    return Tracing(contour=contour, apex=apex, base=base, mitral=mitral, chords=chords)
