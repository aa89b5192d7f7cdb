"""Tracing <-> the 21 lines of EchoNet-Dynamic's ``VolumeTracings.csv`` (long axis, then 20 chords)."""

from __future__ import annotations

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray, Tracing
from lvef.geometry.tracing import N_DISKS, left_to_right, tracing_of_contour

MIN_CHORDS = 3
"""Fewer chords than this are no tracing."""

EQUAL_ENDS = 0.05
"""Relative difference between the widths of the two ends below which the axis keeps the direction it came
with."""


def lines_from_tracing(tracing: Tracing) -> FloatArray:
    """Lines of a tracing, ``(21, 2, 2)``: long axis from apex to base, then the chords from apex to base."""
    return np.concatenate([np.stack([tracing.apex, tracing.base])[None], tracing.chords])


def tracing_from_lines(lines: FloatArray) -> Tracing:
    """Tracing from lines whose ends and chords may come in any order.

    The apex is the axis end with the narrower chords; where both ends are equally wide the axis keeps its
    direction (apex first). Twenty chords are kept as they are; any other number is turned into 20 through the
    contour. The mitral hinge points are the last chord moved along the axis to its end.

    Args:
        lines: ``(1 + n, 2, 2)`` pixels: the long axis, then n chords.

    Raises:
        GeometryError: When a value is not finite, the axis has no length or fewer than three chords are left.
    """
    lines = np.asarray(lines, dtype=np.float64)
    if (
        lines.ndim != 3
        or lines.shape[1:] != (2, 2)
        or len(lines) < 1 + MIN_CHORDS
        or not np.isfinite(lines).all()
    ):
        raise GeometryError(
            f"A traced frame is (1 + n, 2, 2) finite points with n >= {MIN_CHORDS}; found {lines.shape}."
        )
    apex, base = lines[0]
    chords = left_to_right(lines[1:])
    along = base - apex
    length = float(np.hypot(along[0], along[1]))
    if length <= 0:
        raise GeometryError("The long axis of the traced frame has no length.")
    axis = along / length
    chords = chords[np.argsort((chords.mean(axis=1) - apex) @ axis, kind="stable")]
    widths = np.hypot(*(chords[:, 1] - chords[:, 0]).T)
    end = max(1, len(chords) // 5)
    first, last = float(widths[:end].mean()), float(widths[-end:].mean())
    if first - last > EQUAL_ENDS * max(first, last):
        apex, base, axis, chords = base, apex, -axis, chords[::-1]
    lift = length - (chords[-1].mean(axis=0) - apex) @ axis
    mitral = chords[-1] + lift * axis
    mitral = mitral + (base - mitral.mean(axis=0))
    contour = np.concatenate([apex[None], chords[:, 0], mitral, chords[::-1, 1]])
    if len(chords) == N_DISKS:
        return Tracing(contour, apex, base, left_to_right(mitral[None])[0], chords)
    return tracing_of_contour(contour, apex, mitral)
