"""Mitral plane and apex of a ventricle's contour.

Images come apex up, apex down, mirrored and rotated, so "up" is the last resort. In this order:

1. *The opening.* Each contour point is scored by what lies outside it: atrium counts for the mitral plane,
   myocardium against it, background a little for it next to the atrium (an atrium may be narrower than the
   annulus) and against it elsewhere (a wall may be lost, or cut off by the sector). The stretch of contour
   with the largest sum is the mitral opening, its ends are the hinge points.
2. *The direction.* Where there is an atrium or a wall but no clear opening, the direction of that evidence
   gives the base, the shape gives the hinge points.
3. *The shape.* With the ventricle alone, the base is the wider end; the hinge points are the corners of that
   end.
4. *Apex up*, only where the two ends are equally wide (within `EQUAL_ENDS`).
"""

from __future__ import annotations

import cv2
import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray
from lvef.geometry.contour import Field, interpolate, roll

BACKGROUND_WEIGHT = 0.3
"""What a background neighbour counts for the opening, where an atrium counts 1 and wall -1: an atrium that is
narrower than the annulus or cut off by the sector must not narrow the opening. (On 899 CAMUS masks, 0 instead
changes the width of the opening by 0.3 % in the median and by 2 % at most: it is a safeguard.)"""

NEAR_REACH = 0.3
"""Side of the box around a point in which an atrium is looked for, as a part of the contour's diagonal. Background beyond
speaks against the opening: else a ventricle whose wall is lost or cut off by the sector reads 27 to 47 % too small."""

NEAR_GAIN = 10.0
"""A tenth of that box filled with atrium is near enough; in between the weight of background changes its sign smoothly."""

EVIDENCE_BLUR_PX = 5
"""Side of the box over which the neighbourhood of a contour point is averaged, in field pixels."""

OPENING_SHARE = (0.04, 0.5)
"""A mitral opening takes at least and at most this share of the contour's length; else the shape decides.
899 CAMUS expert masks: 0.07 to 0.23."""

END_SHARE = 0.2
"""Part of the length at either end whose width distinguishes base from apex."""

EQUAL_ENDS = 0.02
"""Relative difference of the widths of the two ends below which the shape decides nothing."""

APEX_SHARE = 0.01
"""Last part of the length over which the direction of the apex is averaged. 0.01 moves the EF of 899 pairs of expert
masks by 0.08 points in the mean; 0.02 and more smooth the apex further and move EF by more than 0.1."""

CORNER_SLANT = 0.8
"""A corner of the base is the contour point furthest along (axis +- this times the axis' normal)."""


def find_landmarks(
    contour: FloatArray, lv: Field, atrium: Field | None, wall: Field | None, aspect: float
) -> tuple[FloatArray, FloatArray]:
    """Apex and hinge points of a contour.

    Args:
        contour: ``(k, 2)`` field pixels.
        lv: Probability of the cavity, ``(h, w)``.
        atrium: Probability of the left atrium, or None.
        wall: Probability of the myocardium, or None.
        aspect: Pixel height over pixel width.

    Returns:
        Apex ``(2,)`` and hinge points ``(2, 2)`` (left then right in the image), field pixels.

    Raises:
        GeometryError: When the contour has no extent.
    """
    metric = np.array([1.0, aspect])
    points = contour * metric
    hinges, direction = None, None
    if atrium is not None or wall is not None:
        hinges, direction = _opening(points, contour, lv, atrium, wall)
    if hinges is None:
        hinges = _corners(points, direction)
    if hinges[0, 0] > hinges[1, 0]:
        hinges = hinges[::-1]
    return find_apex(points, hinges) / metric, hinges / metric


def find_apex(points: FloatArray, hinges: FloatArray) -> FloatArray:
    """The place on the contour furthest from the middle of the mitral plane, ``(2,)``, isotropic coordinates.

    A blunt apex has many points that are as far; the furthest jumps among them. So the direction is the mean over the
    points of the last `APEX_SHARE` of the length, and the apex lies where it leaves the contour.

    Args:
        points: ``(k, 2)`` closed contour in isotropic coordinates.
        hinges: ``(2, 2)`` hinge points of the mitral valve.
    """
    base = hinges.mean(axis=0)
    away = points - base
    far = np.hypot(away[:, 0], away[:, 1])
    excess = far - (1 - APEX_SHARE) * far.max()
    tip = excess > 0
    towards = excess[tip] @ away[tip]
    length = float(np.hypot(towards[0], towards[1]))
    if length < 1e-9:
        return _furthest(points, hinges)
    towards = towards / length
    along, across = away @ towards, away @ np.array([-towards[1], towards[0]])
    after = roll(across, 1)
    edge = np.flatnonzero((across <= 0) != (after <= 0))
    if len(edge) == 0:
        return _furthest(points, hinges)
    reach = along[edge] + across[edge] / (across[edge] - after[edge]) * (roll(along, 1)[edge] - along[edge])
    return np.asarray(base + float(reach.max()) * towards)


def _furthest(points: FloatArray, hinges: FloatArray) -> FloatArray:
    """The contour's vertex furthest from the middle of the mitral plane, ``(2,)``, isotropic coordinates."""
    away = points - hinges.mean(axis=0)
    return np.asarray(points[int(np.argmax(np.einsum("ij,ij->i", away, away)))])


def _opening(
    points: FloatArray, contour: FloatArray, lv: Field, atrium: Field | None, wall: Field | None
) -> tuple[FloatArray | None, FloatArray | None]:
    """Hinge points by what lies outside the contour, or None and the direction in which the base lies."""
    evidence = _evidence(contour, lv, atrium, wall)
    # Surely no mitral plane: the stretch looked for does not run across the cut.
    start = int(np.argmin(evidence))
    score, ring = roll(evidence, start), roll(points, start)
    edges = np.hypot(*(roll(ring, 1) - ring).T)
    weight = (edges + roll(edges, len(edges) - 1)) / 2
    sums = np.concatenate([[0.0], np.cumsum(score * weight)])
    lowest = np.minimum.accumulate(sums)
    last = int(np.argmax(sums - lowest))
    first = int(np.argmin(sums[: last + 1]))
    share = weight[first:last].sum() / max(weight.sum(), 1e-12)
    if score[0] < 0 and OPENING_SHARE[0] <= share <= OPENING_SHARE[1] and last < len(score):
        return np.stack([_cut(ring, score, first - 1, first), _cut(ring, score, last, last - 1)]), None
    pull = np.maximum(score, 0) * weight if (score > 0).any() else (score - score.min()) * weight
    if pull.sum() <= 0:
        return None, None
    return None, np.asarray((ring * pull[:, None]).sum(axis=0) / pull.sum() - ring.mean(axis=0))


def _evidence(contour: FloatArray, lv: Field, atrium: Field | None, wall: Field | None) -> FloatArray:
    """For each contour point, how much its neighbourhood speaks for the mitral opening, ``(k,)``."""
    margin = EVIDENCE_BLUR_PX
    x0, y0 = np.maximum(np.floor(contour.min(axis=0)).astype(int) - margin, 0)
    x1, y1 = np.ceil(contour.max(axis=0)).astype(int) + margin + 1
    part = np.s_[y0:y1, x0:x1]
    free = 1.0 - lv[part]
    # At a hinge the box holds, by quarters: cavity, wall, atrium below the cavity, background below the wall.
    # What that adds up to is taken off, so that the evidence is zero right at the corner.
    if atrium is not None and wall is not None:
        side = 2 * round(NEAR_REACH * float(np.hypot(*np.ptp(contour, axis=0))) / 2) + 1
        near = cv2.blur(np.ascontiguousarray(atrium[part]), (side, side), borderType=cv2.BORDER_REPLICATE)
        weight = BACKGROUND_WEIGHT * (2.0 * np.minimum(NEAR_GAIN * near, 1.0) - 1.0)
        field = atrium[part] - wall[part] + weight * (free - atrium[part] - wall[part])
        at_corner = BACKGROUND_WEIGHT / 4
    elif atrium is not None:  # everything else outside may be wall
        field, at_corner = 2.0 * atrium[part] - free, -1 / 4
    elif wall is not None:
        field, at_corner = free - 2.0 * wall[part], 1 / 4
    else:
        raise GeometryError("Neither atrium nor wall is given: there is no evidence of the mitral opening.")
    size = (EVIDENCE_BLUR_PX, EVIDENCE_BLUR_PX)
    blurred = cv2.blur(np.asarray(field, dtype=np.float32), size, borderType=cv2.BORDER_REPLICATE)
    return interpolate(np.asarray(blurred), contour - (x0, y0)) - at_corner


def _cut(ring: FloatArray, score: FloatArray, outside: int, inside: int) -> FloatArray:
    """Point between two neighbours where the score changes its sign."""
    low, high = score[outside % len(score)], score[inside]
    share = float(np.clip(-low / (high - low), 0.0, 1.0)) if high > low else 0.5
    return np.asarray(ring[outside % len(ring)] * (1 - share) + ring[inside] * share)


def _corners(points: FloatArray, direction: FloatArray | None) -> FloatArray:
    """Hinge points by shape alone: the corners of the wider end, or of the end that lies in ``direction``."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axis = axes[0]
    if direction is not None and np.hypot(*direction) > 1e-9:
        axis = axis if axis @ direction >= 0 else -axis
    else:
        axis = _towards_base(centred, axis)
    for _ in range(2):
        normal = np.array([-axis[1], axis[0]])
        hinges = points[[int(np.argmax(points @ (axis + side * CORNER_SLANT * normal))) for side in (-1, 1)]]
        towards = hinges.mean(axis=0) - _furthest(points, hinges)
        length = float(np.hypot(*towards))
        if length < 1e-9:
            raise GeometryError("The ventricle's contour has no extent.")
        axis = towards / length
    return np.asarray(hinges)


def _towards_base(centred: FloatArray, axis: FloatArray) -> FloatArray:
    """The axis turned towards the wider end; downwards in the image where the ends are equally wide."""
    along, across = centred @ axis, centred @ np.array([-axis[1], axis[0]])
    low, high = along.min(), along.max()
    band = END_SHARE * (high - low)
    first, second = across[along <= low + band], across[along >= high - band]
    widths = np.ptp(first), np.ptp(second)
    if abs(widths[1] - widths[0]) > EQUAL_ENDS * max(widths):
        return axis if widths[1] > widths[0] else -axis
    return axis if axis[1] >= 0 else -axis
