"""Volume tracings: the 21 lines of EchoNet-Dynamic's ``VolumeTracings.csv`` (long axis, then 20 chords).

Mask -> lines keeps the volume (the chords are its disks). Lines -> mask fills the polygon through the ends of the
chords, the apex and the hinge points. ``python -m studies.lines`` measures how far lines move in a round trip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import BoolArray, FloatArray, Tracing
from lvef.geometry.contour import contour_of_field, field_of_mask, mask_of_contour
from lvef.geometry.tracing import N_DISKS, left_to_right, trace_labels, tracing_of_contour

MIN_CHORDS = 3
"""Fewer chords than this are no tracing."""

EQUAL_ENDS = 0.05
"""Relative difference between the widths of the two ends below which the axis keeps the direction it came with."""


def volume_tracing_of_tracing(tracing: Tracing) -> FloatArray:
    """Lines of a tracing, ``(21, 2, 2)``: long axis from apex to base, then the chords from apex to base."""
    return np.concatenate([np.stack([tracing.apex, tracing.base])[None], tracing.chords])


def tracing_of_volume_tracing(lines: FloatArray) -> Tracing:
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


def volume_tracing_of_mask(labels: NDArray[np.uint8], *, aspect: float = 1.0) -> FloatArray:
    """The 21 lines of a mask.

    Args:
        labels: ``(h, w)`` with the values of `lvef.core.terms.Structure`; a cavity alone (0 and 1) is enough, then the
            shape tells apex from base.
        aspect: Pixel height over pixel width.

    Returns:
        ``(21, 2, 2)`` pixels: long axis from apex to base, then the chords from apex to base, each left to right.

    Raises:
        GeometryError: When no ventricle can be measured, with the reason.
    """
    return volume_tracing_of_tracing(trace_labels(labels, aspect=aspect))


def mask_of_volume_tracing(lines: FloatArray, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The cavity inside lines, ``(h, w)`` of 0 and 1.

    Args:
        lines: ``(1 + n, 2, 2)``, the long axis and then n chords, in any order.
        shape: ``(h, w)`` of the mask.

    Raises:
        GeometryError: When the lines are no ventricle.
    """
    return mask_of_contour(tracing_of_volume_tracing(lines).contour, shape)


def volume_tracing_along_axis(
    mask: NDArray[np.bool_] | NDArray[np.uint8], guide: FloatArray, *, aspect: float = 1.0
) -> FloatArray:
    """The 21 lines of a cavity's mask along a long axis that is known, for example that of the lines it was drawn from.

    The shape is not used to find apex and base, so a round trip returns the lines to a fraction of a pixel.

    Args:
        mask: ``(h, w)``, inside where it is not 0.
        guide: ``(1 + n, 2, 2)`` lines, or the long axis alone, ``(1, 2, 2)``, from apex to base.
        aspect: Pixel height over pixel width.

    Returns:
        ``(21, 2, 2)``; the axis is the guide's.

    Raises:
        GeometryError: When a chord misses the mask.
    """
    axis = np.asarray(guide, dtype=np.float64)[0]
    if axis.shape != (2, 2) or not np.isfinite(axis).all():
        raise GeometryError(f"A long axis is two finite points (apex, base); found {np.shape(guide)}.")
    contour, mitral = contour_of_field(field_of_mask(mask)), np.stack([axis[1], axis[1]])
    return volume_tracing_of_tracing(tracing_of_contour(contour, axis[0], mitral, aspect=aspect))


def end_distances(lines: FloatArray, others: FloatArray) -> FloatArray:
    """Distance between the corresponding ends of two sets of lines, ``(21, 2)`` pixels.

    Args:
        lines: ``(21, 2, 2)`` lines, long axis first, in pixels.
        others: The same lines of another tracing.
    """
    step = np.asarray(lines) - np.asarray(others)
    return np.asarray(np.hypot(step[..., 0], step[..., 1]))


OFF_AXIS_DEG = 30.0
"""A chord further than this from the perpendicular of its long axis does not lie across it. Chords cut from masks are at 0;
at 30 degrees a chord is 15 % too long."""


@dataclass(frozen=True, slots=True)
class VolumeTracingDefects:
    """Defects of the lines of some frames.

    Attributes:
        crossing: ``(n,)`` pairs of neighbouring chords that cross each other inside.
        off_axis: ``(n,)`` chords that do not cross their long axis between its ends, or lie aslant.
    """

    crossing: FloatArray
    off_axis: FloatArray


def volume_tracing_defects(lines: FloatArray) -> VolumeTracingDefects:
    """Count the defects of each frame's lines.

    Args:
        lines: ``(n, 21, 2, 2)`` in square pixels: the long axis, then the chords.
    """
    apex, base = lines[:, 0, 0], lines[:, 0, 1]
    chords = lines[:, 1:]
    crossing = _cross(chords[:, :-1], chords[:, 1:]).sum(axis=1)
    axes = np.broadcast_to(np.stack([apex, base], axis=1)[:, None], chords.shape)
    meets = _cross(chords, axes)
    along, own = (base - apex)[:, None], chords[:, :, 1] - chords[:, :, 0]
    lengths = np.hypot(along[..., 0], along[..., 1]) * np.hypot(own[..., 0], own[..., 1])
    sine = np.abs(_turn(along, own))
    upright = sine >= np.cos(np.radians(OFF_AXIS_DEG)) * lengths
    return VolumeTracingDefects(crossing.astype(float), (~(meets & upright)).sum(axis=1).astype(float))


def _cross(first: FloatArray, second: FloatArray) -> BoolArray:
    """Whether two lines ``(..., 2, 2)`` cross at an inner point of both; touching ends do not."""
    a, b, c, d = first[..., 0, :], first[..., 1, :], second[..., 0, :], second[..., 1, :]
    of_first = _turn(b - a, c - a) * _turn(b - a, d - a) < 0
    of_second = _turn(d - c, a - c) * _turn(d - c, b - c) < 0
    return np.asarray(of_first & of_second)


def _turn(u: FloatArray, v: FloatArray) -> FloatArray:
    """Cross product of plane vectors ``(..., 2)``: its sign gives the side."""
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])
