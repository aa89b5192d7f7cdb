"""Label masks corrupted on purpose, each in a way that models fail. The uncorrupted mask is the truth.

A corruption takes labels ``(height, width)`` uint8 of :class:`lvef.core.terms.Structure`, the tracing of the uncorrupted
mask, and a generator, and returns new labels. All sizes are parts of the long axis, so that a corruption is the same at any
scale, and all places are relative to the ventricle's axis, so that it is the same in any orientation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FloatArray, Tracing
from lvef.core.terms import Structure

Labels = NDArray[np.uint8]
Corruption = Callable[[Labels, Tracing, np.random.Generator], Labels]
"""Labels, the tracing of the uncorrupted ventricle and a generator to corrupted labels."""

BACKGROUND, LV, WALL, ATRIUM = (
    np.uint8(s) for s in (Structure.BACKGROUND, Structure.LV, Structure.MYOCARDIUM, Structure.LA)
)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Place of every pixel in the ventricle's own frame, in long axes.

    Attributes:
        along: 0 at the apex, 1 at the mitral plane.
        across: 0 on the axis, positive to the side of the second hinge point.
        half: Half the distance of the hinge points.
    """

    along: FloatArray
    across: FloatArray
    half: float

    def round(self, along: float, across: float, radius: float) -> BoolArray:
        """Pixels within a radius of a place."""
        return np.asarray(np.hypot(self.along - along, self.across - across) < radius)


def _grid(labels: Labels, tracing: Tracing) -> _Grid:
    axis = tracing.base - tracing.apex
    length = float(np.hypot(*axis))
    axis = axis / length
    normal = np.array([-axis[1], axis[0]])
    if (tracing.mitral[1] - tracing.base) @ normal < 0:
        normal = -normal
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]].astype(float)
    x, y = x - tracing.apex[0], y - tracing.apex[1]
    half = float(np.hypot(*(tracing.mitral[1] - tracing.mitral[0]))) / 2 / length
    return _Grid((x * axis[0] + y * axis[1]) / length, (x * normal[0] + y * normal[1]) / length, half)


def _put(labels: Labels, where: BoolArray, old: np.uint8 | None, new: np.uint8) -> Labels:
    """Labels with ``new`` where asked for (and where it was ``old``, unless None)."""
    chosen = where if old is None else where & (labels == old)
    return np.where(chosen, new, labels).astype(np.uint8)


def _band(at: float, width: float, slant: float) -> Corruption:
    """A dark band right across the cavity."""

    def corrupt(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
        g = _grid(labels, tracing)
        return _put(labels, np.abs(g.along - at - slant * g.across) < width / 2, LV, BACKGROUND)

    return corrupt


def _holes(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
    """Two holes in the blood, one of them called wall (a papillary muscle)."""
    g = _grid(labels, tracing)
    labels = _put(labels, g.round(0.45, -0.04, 0.07), LV, BACKGROUND)
    return _put(labels, g.round(0.7, 0.05, 0.06), LV, WALL)


def _notch(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
    """A bite out of the cavity beside the wall."""
    g = _grid(labels, tracing)
    inside = (labels == LV) & (np.abs(g.along - 0.6) < 0.02)
    edge = float(g.across[inside].max())
    return _put(labels, g.round(0.6, edge, 0.1), LV, BACKGROUND)


def _atrial_leak(width: float, depth: float) -> Corruption:
    """The cavity runs on through the mitral plane: ``width`` of the annulus wide, ``depth`` long axes deep."""

    def corrupt(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
        g = _grid(labels, tracing)
        leak = (np.abs(g.across) < width * g.half) & (g.along > 0.9) & (g.along < 1 + depth)
        return _put(labels, leak, ATRIUM, LV)

    return corrupt


def _wall_leak(width: float) -> Corruption:
    """The cavity runs out through a hole in the wall, 0.3 long axes far."""

    def corrupt(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
        g = _grid(labels, tracing)
        inside = (labels == LV) & (np.abs(g.along - 0.5) < 0.02)
        edge = float(g.across[inside].max())
        leak = (np.abs(g.along - 0.5) < width / 2) & (g.across > edge - 0.05) & (g.across < edge + 0.3)
        return _put(labels, leak, None, LV)

    return corrupt


def _sector_cut(share: float) -> Corruption:
    """The sector ends inside the ventricle: a ``share`` of the half width is out of the image, with all beyond."""

    def corrupt(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
        g = _grid(labels, tracing)
        widest = float(g.across[labels == LV].max())
        return _put(labels, g.across > (1 - share) * widest, None, BACKGROUND)

    return corrupt


def _ragged(labels: Labels, _: Tracing, rng: np.random.Generator) -> Labels:
    """A border that wanders in and out by 4 % of the cavity's mean width, in bites of a few pixels."""
    inside = (labels == LV).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(
        1 - inside, cv2.DIST_L2, 5
    )
    grain = cv2.GaussianBlur(rng.normal(0, 1, labels.shape), (0, 0), 1.5)
    amount = 0.04 * float(np.sqrt(inside.sum()))
    bitten = distance + amount * grain / grain.std() > 0
    return _put(_put(labels, ~bitten, LV, BACKGROUND), bitten & (np.abs(distance) < 3 * amount), None, LV)


def _lost_corner(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
    """The cavity is missing at one hinge point."""
    g = _grid(labels, tracing)
    hinge = tracing.mitral[1]
    x, y = int(np.clip(hinge[0], 0, labels.shape[1] - 1)), int(np.clip(hinge[1], 0, labels.shape[0] - 1))
    return _put(labels, g.round(float(g.along[y, x]), float(g.across[y, x]), 0.12), LV, BACKGROUND)


def _lost_wall(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
    """One wall is missing in its lower half; the cavity is complete."""
    g = _grid(labels, tracing)
    return _put(labels, (g.across > 0) & (g.along > 0.5), WALL, BACKGROUND)


def _lost_atrium(labels: Labels, _: Tracing, __: np.random.Generator) -> Labels:
    """No atrium."""
    return _put(labels, labels == ATRIUM, None, BACKGROUND)


def _island(labels: Labels, tracing: Tracing, _: np.random.Generator) -> Labels:
    """A part of another chamber is called left ventricle; the wall lies between."""
    g = _grid(labels, tracing)
    solid = (labels == LV) | (labels == WALL)
    edge = float(g.across[solid & (np.abs(g.along - 0.5) < 0.02)].max())
    blob = g.round(0.5, edge + 0.16, 0.14) & ~solid
    return _put(labels, blob, None, LV)


CORRUPTIONS: dict[str, Corruption] = {
    "two pieces, middle": _band(0.55, 0.08, 0.25),
    "two pieces, apex": _band(0.25, 0.08, -0.2),
    "two pieces, wide gap": _band(0.5, 0.14, 0.0),
    "holes": _holes,
    "bite at the wall": _notch,
    "leak into the atrium, half": _atrial_leak(0.5, 0.3),
    "leak into the atrium, whole": _atrial_leak(2.0, 0.2),
    "leak through the wall, thin": _wall_leak(0.03),
    "leak through the wall, wide": _wall_leak(0.09),
    "cut by the sector, 15 %": _sector_cut(0.15),
    "cut by the sector, 35 %": _sector_cut(0.35),
    "ragged edge": _ragged,
    "lost corner of the base": _lost_corner,
    "lost wall": _lost_wall,
    "lost atrium": _lost_atrium,
    "island behind the wall": _island,
}
"""Every damage by name, in the order of the table."""
