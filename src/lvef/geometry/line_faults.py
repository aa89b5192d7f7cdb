"""What is wrong with the lines that a keypoint network drew, counted as they came, before anything mends them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvef.core.records import BoolArray, FloatArray

OFF_AXIS_DEG = 30.0
"""A chord further than this from the perpendicular of its long axis does not lie across it. Chords cut from masks are at 0;
at 30 degrees a chord is 15 % too long."""


@dataclass(frozen=True, slots=True)
class LineFaults:
    """Faults of the lines of some frames.

    Attributes:
        crossing: ``(n,)`` pairs of neighbouring chords that cross each other inside.
        off_axis: ``(n,)`` chords that do not cross their long axis between its ends, or lie aslant.
    """

    crossing: FloatArray
    off_axis: FloatArray


def line_faults(lines: FloatArray) -> LineFaults:
    """Count the faults of each frame's lines.

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
    return LineFaults(crossing.astype(float), (~(meets & upright)).sum(axis=1).astype(float))


def _cross(first: FloatArray, second: FloatArray) -> BoolArray:
    """Whether two lines ``(..., 2, 2)`` cross at an inner point of both; touching ends do not."""
    a, b, c, d = first[..., 0, :], first[..., 1, :], second[..., 0, :], second[..., 1, :]
    of_first = _turn(b - a, c - a) * _turn(b - a, d - a) < 0
    of_second = _turn(d - c, a - c) * _turn(d - c, b - c) < 0
    return np.asarray(of_first & of_second)


def _turn(u: FloatArray, v: FloatArray) -> FloatArray:
    """Cross product of plane vectors ``(..., 2)``: its sign tells the side."""
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])
