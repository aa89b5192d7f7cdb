"""Frames to tracings with a volume-trace network: 84 numbers a frame are its long axis and 20 chords."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import (
    BoolArray,
    Box,
    Clip,
    CodedWarning,
    FloatArray,
    FrameArray,
    PixelGeometry,
    Tracing,
)
from lvef.core.terms import VOLUME_TRACE
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import MIN_AXIS_PX, N_DISKS
from lvef.geometry.volume_tracing import tracing_of_volume_tracing, volume_tracing_defects
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
from lvef.measure.predictor import CHUNK, TracedFrames, tracing_in_image
from lvef.transforms.frames import Placement, fit, normalise, place, shown_frames
from lvef.transforms.sector import Sector
from lvef.transforms.volume_tracing import N_LINES

MAX_OFF_AXIS = N_DISKS // 2
"""A frame with more chords than this off their axis shows no ventricle that its lines could measure."""


class VolumeTracePredictor:
    """A volume-trace network ready to trace frames. Safe to use from several threads.

    Args:
        options: Which network, backend and precision.
        entry: The network, where it has been looked up already.

    Raises:
        WeightsError: No such network, it is damaged, of another kind, or not what its card says.
    """

    def __init__(self, options: MeasureOptions, entry: ModelEntry | None = None) -> None:
        self.entry: ModelEntry = find_model_of_kind(options, entry, VOLUME_TRACE)
        self._session = open_session_for(options, self.entry)
        self.engine: EngineInfo = self._session.describe()

    def shown(self, clip: Clip, fan: Sector) -> tuple[FrameArray, Box]:
        """Frames and the part of the picture that this network is shown."""
        return shown_frames(clip, fan, self.entry.card.input)

    def lines(
        self,
        frames: FrameArray,
        placement: Placement,
        *,
        alternate_mirror: bool = False,
        seen: FrameProgress = ignore_progress,
    ) -> FloatArray:
        """What the network draws on each frame, as it comes, ``(n, 21, 2, 2)`` pixels of its square.

        A network that has learned from mirrored pictures too is shown each frame both ways, and the mean of both answers
        counts, as with masks (`lvef.measure.predictor`).

        Args:
            frames: ``(n, height, width)`` uint8.
            placement: Where the square lies in the picture.
            alternate_mirror: Show the frames with odd numbers mirrored and the others as they are, each once.
            seen: Told how many frames are done.
        """
        spec = self.entry.card.input
        ways, shown = 2 if spec.mirror and not alternate_mirror else 1, 0
        odd = np.arange(len(frames)) % 2 == 1

        def drawn(mirrored: BoolArray) -> FloatArray:
            nonlocal shown

            def start(first: int) -> Callable[[], NDArray[np.float32]]:
                batch = normalise(fit(frames[first : first + CHUNK], placement, spec.size), spec)
                turned = mirrored[first : first + CHUNK]
                batch[turned] = batch[turned][..., ::-1]
                return self._session.start(batch)

            found = []
            for answer in prefetch(start, range(0, len(frames), CHUNK), self.engine.lanes + 1):
                found.append(answer)
                shown += len(answer)
                seen(shown // ways)
            lines = np.concatenate(found).astype(np.float64).reshape(-1, N_LINES, 2, 2) * spec.size
            lines[mirrored] = mirrored_lines(lines[mirrored], spec.size)
            return lines

        if not spec.mirror:
            return drawn(np.zeros_like(odd))
        if alternate_mirror:
            return drawn(odd)
        return (drawn(np.zeros_like(odd)) + drawn(np.ones_like(odd))) / 2

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
            box: Part of the picture to show, from `shown`.
            spacing: Scale of the picture, or None.
            times_s: Not used: each frame stands alone.
            only: Numbers of the frames that are wanted; None for all.
            other: Not used, as `times_s`.
            alternate_mirror: See `lines`.
            seen: Told how many frames are done.
        """
        frames = frames if only is None else frames[list(only)]
        placement = place(box, self.entry.card.input.size, spacing)
        lines = self.lines(frames, placement, alternate_mirror=alternate_mirror, seen=seen)
        finite = np.asarray(np.isfinite(lines).all(axis=(1, 2, 3)), dtype=np.bool_)
        faults = volume_tracing_defects(np.where(finite[:, None, None, None], lines, 0.0))
        usable = finite & (faults.off_axis <= MAX_OFF_AXIS)
        tracings = tuple(
            _tracing(one, placement) if ok else None for one, ok in zip(lines, usable.tolist(), strict=True)
        )
        crossing, off_axis = faults.crossing[finite], faults.off_axis[finite]
        counts = {
            "frames": len(frames),
            "frames_unusable": sum(t is None for t in tracings),
            "crossing_chords": int(crossing.sum()),
            "frames_with_crossing_chords": int((crossing > 0).sum()),
            "lines_off_axis": int(off_axis.sum()),
            "frames_with_lines_off_axis": int((off_axis > 0).sum()),
        }
        return TracedFrames(tracings, np.full(len(frames), np.nan), walls_known=False, counts=counts)


def mirrored_lines(lines: FloatArray, size: int) -> FloatArray:
    """Lines on the mirror image: each chord's ends change places, because chords run from left to right.

    Args:
        lines: ``(n, 21, 2, 2)`` pixels, the middle of the first pixel is 0.
        size: Width of the picture in pixels.
    """
    turned = lines.copy()
    turned[..., 0] = size - 1 - turned[..., 0]
    turned[:, 1:] = turned[:, 1:, ::-1]
    return turned


def line_warnings(counts: dict[str, int]) -> tuple[CodedWarning, ...]:
    """What a reader should know of the lines as they came.

    Args:
        counts: From `VolumeTracePredictor.trace`, and ``es_above_ed`` once it is known.
    """
    notices = []
    crossing, off = counts.get("frames_with_crossing_chords", 0), counts.get("frames_with_lines_off_axis", 0)
    if crossing or off:
        notices.append(
            CodedWarning(
                "line_faults",
                f"Of {counts['frames']} frames, {crossing} have chords that cross each other and {off} have chords that do "
                "not lie across the long axis: look at the film.",
            )
        )
    if counts.get("es_above_ed"):
        notices.append(
            CodedWarning(
                "es_above_ed_lines",
                "As the network drew them, the ventricle is larger at ES than at ED; only smoothed over time it is not.",
            )
        )
    return tuple(notices)


def es_above_ed(tracings: tuple[Tracing | None, ...], ed: int | None, es: int | None) -> bool:
    """Whether the ventricle as it was drawn is larger at ES than at ED: a negative EF, before any guard acts."""
    pair = [None if frame is None else tracings[frame] for frame in (ed, es)]
    if pair[0] is None or pair[1] is None:
        return False
    return volume_of_tracing(pair[1]) > volume_of_tracing(pair[0])


def _tracing(lines: FloatArray, placement: Placement) -> Tracing | None:
    """Lines in network pixels as a tracing in the picture, or None where they measure nothing."""
    if np.hypot(*(lines[0, 1] - lines[0, 0])) < MIN_AXIS_PX:
        return None
    try:
        return tracing_in_image(tracing_of_volume_tracing(lines), placement)
    except GeometryError:
        return None
