"""Mends a cavity that a network tore: bands, bites and lost corners that it called background.

Between a cavity and its wall lies no background. So where the wall or the atrium is seen, background that a closing of the
cavity covers is cavity, whether it parts the ventricle in two, bites into it or makes a hole. What the network calls wall
or atrium is believed, so that a piece of another chamber behind the septum stays apart.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.geometry.contour import LEVEL, Field, disk

GAP = 0.5
"""Diameter of the closing in roots of the cavity's area, three tenths of the long axis: the widest gap that is bridged."""

FINE = 0.09
"""Tears narrower than this (roots of the area) are roughness of the edge: the level of the field says enough."""

MIN_TORN = 0.004
"""Tears that take less than this part of the cavity's area are left as they are."""


def mended(lv: Field, atrium: Field | None, wall: Field | None) -> Field:
    """The field of the cavity with its tears filled; the field itself where nothing is torn.

    Filled pixels get all probability that is neither wall nor atrium, so that the border towards these stays sub-pixel.

    Args:
        lv: Probability of the cavity, ``(h, w)`` in 0..1. It is not changed.
        atrium: Probability of the left atrium, or None.
        wall: Probability of the myocardium, or None; without it there is nothing to tell a tear from another chamber.
    """
    if wall is None:
        return lv
    above = (lv > LEVEL).astype(np.uint8)
    x0, y0, width, height = cv2.boundingRect(above)
    area = cv2.countNonZero(above)
    if area == 0:
        return lv
    part = np.s_[y0 : y0 + height, x0 : x0 + width]
    other = wall[part] if atrium is None else np.maximum(wall[part], atrium[part])
    taken = wall[part] if atrium is None else wall[part] + atrium[part]
    # Of what is no cavity: more background than wall or atrium.
    torn = np.asarray((1.0 - taken - lv[part] > other), dtype=np.uint8) & (1 - above[part])
    cavity = np.ascontiguousarray(above[part])
    least = max(1, int(MIN_TORN * area))
    torn &= _hull(cavity)
    scale = float(np.sqrt(area))
    coarse = np.ones((_odd(FINE * scale),) * 2, np.uint8)
    # On nearly every frame this is all: the slivers between cavity and hull are thin.
    if cv2.countNonZero(torn) <= least or not cv2.morphologyEx(torn, cv2.MORPH_OPEN, coarse).any():
        return lv
    torn &= _closed(cavity, GAP * scale)
    thick = cv2.morphologyEx(torn, cv2.MORPH_OPEN, coarse)
    torn &= np.asarray(cv2.dilate(thick, np.ones((3, 3), np.uint8)), dtype=np.uint8)
    if cv2.countNonZero(torn) <= least:
        return lv
    filled = lv.copy()
    filled[part][torn > 0] = (1.0 - taken)[torn > 0]
    return filled


def _hull(cavity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convex hull of the cavity, 0/1: no closing goes beyond it, and it costs little."""
    pieces, _ = cv2.findContours(cavity, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = np.zeros_like(cavity)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(pieces)), 1)
    return hull


def _closed(cavity: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
    """The cavity closed with a disk of that diameter in pixels, 0/1; nothing grows at the edge of the crop."""
    side = _odd(size)
    edge = side // 2 + 1
    closed = cv2.morphologyEx(np.pad(cavity, edge), cv2.MORPH_CLOSE, disk(side))
    return np.asarray(closed[edge:-edge, edge:-edge], dtype=np.uint8)


def _odd(size: float) -> int:
    """The odd number below a size, at least 3."""
    return max(3, (int(size) - 1) // 2 * 2 + 1)
