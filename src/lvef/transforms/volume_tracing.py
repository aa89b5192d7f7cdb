"""Traced frames for keypoint networks: which traced frame is ED, and its 21 lines in the prepared square.

The lines are those of a table of tracings: for every traced frame the long axis and then the chords. What such a table does
not promise is not relied on: ED comes before or after ES, the axis starts at either end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray
from lvef.geometry.simpson import disks_single_plane
from lvef.geometry.tracing import N_DISKS
from lvef.geometry.volume_tracing import tracing_of_volume_tracing, volume_tracing_of_tracing

N_LINES = 1 + N_DISKS
"""Long axis and chords of a traced frame."""

LINES_HEADER = "line,x1_px,y1_px,x2_px,y2_px"
"""First line of a file of lines: 0 is the long axis, 1 to 20 are the chords."""

DECIMALS = 3
"""Digits of a pixel that are written: a thousandth, which moves no volume by 0.01 %."""


@dataclass(frozen=True, slots=True)
class TracedFrame:
    """The tracing of one frame.

    Attributes:
        frame: Its number from 0.
        lines: ``(21, 2, 2)`` pixels: long axis from apex to base, chords from apex to base, each left to right.
        volume_px3: By the method of disks, in cubic pixels.
        n_lines: How many lines were traced; other than 21, the chords are cut anew from the contour.
    """

    frame: int
    lines: FloatArray
    volume_px3: float
    n_lines: int


def traced_frame(frame: int, lines: FloatArray) -> TracedFrame:
    """Bring the lines of a traced frame into the one order and direction.

    The apex is the end of the axis with the narrower chords, whatever the table says.

    Args:
        frame: Its number from 0.
        lines: ``(1 + n, 2, 2)`` pixels: the long axis, then the chords in any order.

    Raises:
        GeometryError: When they are no tracing.
    """
    ordered = volume_tracing_of_tracing(tracing_of_volume_tracing(lines))
    return TracedFrame(frame, ordered, volume_of_lines(ordered), len(lines))


def ed_and_es(traced: Iterable[TracedFrame]) -> tuple[TracedFrame, TracedFrame]:
    """The traced frame with the largest volume, and the one with the smallest.

    Raises:
        GeometryError: Fewer than two frames are traced, or all have the same volume.
    """
    listed = sorted(traced, key=lambda t: t.frame)
    if len(listed) < 2:
        raise GeometryError(f"{len(listed)} traced frame; ED and ES need two.")
    ed, es = max(listed, key=lambda t: t.volume_px3), min(listed, key=lambda t: t.volume_px3)
    if ed.volume_px3 <= es.volume_px3:
        raise GeometryError(
            f"Frames {', '.join(str(t.frame) for t in listed)} have the same volume; ED and ES cannot be told apart."
        )
    return ed, es


def volume_of_lines(lines: FloatArray) -> float:
    """Volume by the method of disks of ordered lines ``(21, 2, 2)``, in cubic pixels."""
    lengths = np.hypot(*np.moveaxis(lines[:, 1] - lines[:, 0], -1, 0))
    return disks_single_plane(lengths[1:], float(lengths[0]))


def level_error(lines: FloatArray) -> float:
    """How far the chords' middles lie from ``(i + 1/2) L / 20`` at most, in parts of the step ``L / 20``.

    Args:
        lines: ``(21, 2, 2)``, long axis first, from apex to base.
    """
    apex, base = lines[0]
    length = float(np.hypot(*(base - apex)))
    along = (lines[1:].mean(axis=1) - apex) @ ((base - apex) / length)
    levels = (np.arange(len(along)) + 0.5) * length / len(along)
    return float(np.abs(along - levels).max() / (length / len(along)))


def lines_csv(lines: FloatArray) -> str:
    """Lines as CSV text with `LINES_HEADER`."""
    rows = [
        f"{i}," + ",".join(f"{value:.{DECIMALS}f}" for value in line.ravel()) for i, line in enumerate(lines)
    ]
    return "\n".join([LINES_HEADER, *rows]) + "\n"


def checked_frame(frame: int, n_frames: int) -> int:
    """The same frame number, if the clip has it.

    Raises:
        GeometryError: It has not.
    """
    if not 0 <= frame < n_frames:
        raise GeometryError(f"Frame {frame} is traced, but the clip has frames 0 to {n_frames - 1}.")
    return frame
