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

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.geometry.contour import Field, Rings, rings_of

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
BLUR = (EVIDENCE_BLUR_PX, EVIDENCE_BLUR_PX)

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
    rings: Rings, lv: Field, atria: Sequence[Field | None], walls: Sequence[Field | None], aspect: float
) -> tuple[FloatArray, FloatArray]:
    """Apex and hinge points of the contours of several frames.

    Args:
        rings: Contours in field pixels.
        lv: Probability of the cavity, ``(n, h, w)``.
        atria: Of each frame the probability of the left atrium, ``(h, w)``, or None.
        walls: The same of the myocardium.
        aspect: Pixel height over pixel width.

    Returns:
        Apexes ``(n, 2)`` and hinge points ``(n, 2, 2)`` (left then right in the image), field pixels; NaN where the contour
        has no extent.
    """
    metric = np.array([1.0, aspect])
    scaled = Rings(rings.points * metric, rings.counts)
    hinges = _openings(scaled, _evidence(rings, lv, atria, walls))
    hinges = np.where((hinges[:, 0, 0] > hinges[:, 1, 0])[:, None, None], hinges[:, ::-1], hinges)
    return find_apexes(scaled, hinges) / metric, hinges / metric


def find_apex(points: FloatArray, hinges: FloatArray) -> FloatArray:
    """The place on the contour furthest from the middle of the mitral plane, ``(2,)``, isotropic coordinates.

    A blunt apex has many points that are as far; the furthest jumps among them. So the direction is the mean over the
    points of the last `APEX_SHARE` of the length, and the apex lies where it leaves the contour.

    Args:
        points: ``(k, 2)`` closed contour in isotropic coordinates.
        hinges: ``(2, 2)`` hinge points of the mitral valve.
    """
    return np.asarray(find_apexes(rings_of([points]), hinges[None])[0])


def find_apexes(rings: Rings, hinges: FloatArray) -> FloatArray:
    """As `find_apex` for the contours of several frames, ``(n, 2)``.

    Args:
        rings: Contours in isotropic coordinates.
        hinges: ``(n, 2, 2)``.
    """
    base = hinges.mean(axis=1)
    away = rings.points - base[:, None]
    far = np.hypot(away[..., 0], away[..., 1])
    excess = far - (1 - APEX_SHARE) * far.max(axis=1)[:, None]
    towards = np.einsum("nk,nkj->nj", np.where((excess > 0) & rings.valid, excess, 0.0), away)
    length = np.hypot(towards[:, 0], towards[:, 1])
    towards = towards / np.maximum(length, 1e-12)[:, None]
    along = np.einsum("nkj,nj->nk", away, towards)
    across = away[..., 1] * towards[:, :1] - away[..., 0] * towards[:, 1:]
    before, after = across[:, :-1], across[:, 1:]
    crosses = (before <= 0) != (after <= 0)
    share = before / np.where(crosses, before - after, 1.0)
    reach = np.where(crosses, along[:, :-1] + share * (along[:, 1:] - along[:, :-1]), -np.inf).max(axis=1)
    furthest = rings.points[np.arange(len(far)), far.argmax(axis=1)]
    unclear = (length < 1e-9) | ~np.isfinite(reach)
    tip = base + np.where(unclear, 0.0, reach)[:, None] * towards
    return np.asarray(np.where(unclear[:, None], furthest, tip))


def _furthest(points: FloatArray, hinges: FloatArray) -> FloatArray:
    """The contour's vertex furthest from the middle of the mitral plane, ``(2,)``, isotropic coordinates."""
    away = points - hinges.mean(axis=0)
    return np.asarray(points[int(np.argmax(np.einsum("ij,ij->i", away, away)))])


def _openings(rings: Rings, evidence: FloatArray) -> FloatArray:
    """Hinge points by what lies outside the contours, else by their shape, ``(n, 2, 2)``; NaN without an extent."""
    n, m = evidence.shape
    counts, rows = rings.counts, np.arange(n)
    # Surely no mitral plane: the stretch looked for does not run across the cut.
    start = evidence.argmin(axis=1)
    order = start[:, None] + np.where(rings.valid, np.arange(m), 0)
    order -= np.where(order < counts[:, None], 0, counts[:, None])
    score, ring = evidence[rows[:, None], order], rings.points[rows[:, None], order]
    edges = np.hypot(*np.moveaxis(ring[:, 1:] - ring[:, :-1], 2, 0))
    weight = np.zeros((n, m))
    weight[:, :-1] = edges / 2
    weight[:, 1:] += edges / 2
    # The first point is repeated behind the last one.
    weight[:, 0] += weight[rows, counts]
    weight[rows, counts] = 0.0
    sums = np.zeros((n, m + 1))
    np.cumsum(score * weight, axis=1, out=sums[:, 1:])
    last = (sums - np.minimum.accumulate(sums, axis=1)).argmax(axis=1)
    first = np.where(np.arange(m + 1) <= last[:, None], sums, np.inf).argmin(axis=1)
    upto = np.zeros((n, m + 1))
    np.cumsum(weight, axis=1, out=upto[:, 1:])
    share = (upto[rows, last] - upto[rows, first]) / np.maximum(upto[:, -1], 1e-12)
    low, high = OPENING_SHARE
    clear = (score[:, 0] < 0) & (low <= share) & (share <= high) & (last < counts)
    outside = np.stack([(first - 1) % counts, np.minimum(last, m - 1)], axis=1)
    inside = np.stack([np.minimum(first, m - 1), last - 1], axis=1)
    hinges = _cut(ring, score, outside, inside)
    for i in np.flatnonzero(~clear).tolist():
        k = counts[i]
        hinges[i] = _corners(ring[i, :k], _pull(ring[i, :k], score[i, :k], weight[i, :k]))
    return hinges


def _pull(ring: FloatArray, score: FloatArray, weight: FloatArray) -> FloatArray | None:
    """Direction in which the evidence of one frame places the base, or None."""
    pull = np.maximum(score, 0) * weight if (score > 0).any() else (score - score.min()) * weight
    if pull.sum() <= 0:
        return None
    return np.asarray((ring * pull[:, None]).sum(axis=0) / pull.sum() - ring.mean(axis=0))


def _evidence(
    rings: Rings, lv: Field, atria: Sequence[Field | None], walls: Sequence[Field | None]
) -> FloatArray:
    """For each contour point, how much its neighbourhood speaks for the mitral opening, ``(n, m)``; 0 without evidence."""
    n, height, width = lv.shape
    lowest, highest = rings.points.min(axis=1), rings.points.max(axis=1)
    start = np.maximum(np.floor(lowest).astype(int) - EVIDENCE_BLUR_PX, 0)
    end = np.minimum(np.ceil(highest).astype(int) + EVIDENCE_BLUR_PX + 1, (width, height))
    reach = 2 * np.round(NEAR_REACH * np.hypot(*(highest - lowest).T) / 2).astype(int) + 1
    size = end - start
    blurred = np.zeros((n, size[:, 1].max(), size[:, 0].max()), np.float32)
    at_corner = np.zeros(n)
    boxes = zip(start.tolist(), end.tolist(), reach.tolist(), strict=True)
    for i, ((x0, y0), (x1, y1), near) in enumerate(boxes):
        part = np.s_[y0:y1, x0:x1]
        atrium, wall = (None if field is None else field[part] for field in (atria[i], walls[i]))
        found = _opening_field(lv[i][part], atrium, wall, near)
        if found is not None:
            field, at_corner[i] = found
            target = blurred[i, : y1 - y0, : x1 - x0]
            target[...] = cv2.blur(field, BLUR, borderType=cv2.BORDER_REPLICATE)
    x, y = np.moveaxis(np.clip(rings.points - start[:, None], 0, size[:, None] - 1), 2, 0)
    left, top = np.minimum(x.astype(np.intp), size[:, :1] - 2), np.minimum(y.astype(np.intp), size[:, 1:] - 2)
    u, v, frame = x - left, y - top, np.arange(n)[:, None]
    upper = blurred[frame, top, left] * (1 - u) + blurred[frame, top, left + 1] * u
    lower = blurred[frame, top + 1, left] * (1 - u) + blurred[frame, top + 1, left + 1] * u
    return np.asarray(upper * (1 - v) + lower * v - at_corner[:, None])


def _opening_field(
    lv: Field, atrium: Field | None, wall: Field | None, near: int
) -> tuple[Field, float] | None:
    """How much each pixel of one frame speaks for the opening, and what that is at a hinge; None without atrium and wall.

    Args:
        lv: Probability of the cavity in the part of the frame that is looked at.
        atrium: The same of the left atrium, or None.
        wall: The same of the myocardium, or None.
        near: Side of the box in which an atrium is looked for, pixels.
    """
    free = 1.0 - lv
    # At a hinge the box holds, by quarters: cavity, wall, atrium below the cavity, background below the wall.
    # What that adds up to is taken off, so that the evidence is zero right at the corner.
    if atrium is not None and wall is not None:
        seen = cv2.blur(atrium, (near, near), borderType=cv2.BORDER_REPLICATE)
        weight = BACKGROUND_WEIGHT * (2.0 * np.minimum(NEAR_GAIN * seen, 1.0) - 1.0)
        return atrium - wall + weight * (free - atrium - wall), BACKGROUND_WEIGHT / 4
    if atrium is not None:  # everything else outside may be wall
        return 2.0 * atrium - free, -1 / 4
    if wall is not None:
        return free - 2.0 * wall, 1 / 4
    return None


def _cut(
    ring: FloatArray, score: FloatArray, outside: NDArray[np.intp], inside: NDArray[np.intp]
) -> FloatArray:
    """Points between two neighbours where the score changes its sign, ``(n, 2, 2)``.

    Args:
        ring: ``(n, m, 2)``.
        score: ``(n, m)``.
        outside: ``(n, 2)`` places of the neighbours that do not belong to the opening.
        inside: Those of the neighbours that do.
    """
    rows = np.arange(len(ring))[:, None]
    low, high = score[rows, outside], score[rows, inside]
    rises = high > low
    share = np.where(rises, np.clip(-low / np.where(rises, high - low, 1.0), 0.0, 1.0), 0.5)[..., None]
    return np.asarray(ring[rows, outside] * (1 - share) + ring[rows, inside] * share)


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
            return np.full((2, 2), np.nan)
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
