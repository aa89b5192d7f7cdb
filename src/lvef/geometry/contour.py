"""From a field (a class probability per pixel) to one closed sub-pixel contour, and back to a mask.

The contour is the marching-squares line of the field: border pixels come in order from OpenCV's border
following, and every step from an inside pixel to an outside neighbour is cut where the field crosses the
level, all in array operations. So the contour moves smoothly with the field, by fractions of a pixel, which a
frame-to-frame volume curve needs; the contour of a thresholded mask would jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import BoolArray, FloatArray

Field = NDArray[np.float32]

LEVEL = 0.5
"""Probability at which the contour runs: as likely inside as outside."""

MIN_AREA_PX = 24.0
"""Smallest area, in field pixels, from which an axis and 20 disks can be had (about 4 x 6 pixels)."""

MASK_BLUR_PX = 0.8
"""Standard deviation of the blur that turns a 0/1 mask into a field. A straight edge keeps its place exactly;
a closed contour loses pi sigma^2 = 2 square pixels in all, 0.1 % of a 2000-pixel ventricle."""

SPUR_WIDTH_PX = 3
"""Spurs narrower than this (a leak through a hole in the wall) are cut off."""

SPUR_SHARE = 0.2
"""The same in roots of the cavity's area, about an eighth of the long axis: a leak through the wall, nine hundredths of the
long axis wide, then moves the volume by 4 % instead of 18 %. No EF of 899 pairs of expert masks moves by 0.02 points."""

SPUR_REACH = 0.34
"""What lies within this part of that width of the thick part stays: the rounding that the opening takes off apex and hinges.
0.25 cuts real corners: the jitter of the packaged cine's volume rises by 3 %."""

MIN_SPUR = 0.005
"""Spurs with less than this part of the cavity's pixels stay: cutting a corner pixel only in some frames would be jitter."""

_STEPS = np.array([[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]], dtype=np.intp)


def field_of_mask(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> Field:
    """A yes/no mask as a field: 0/1 with a light blur, so that the 0.5 level is sub-pixel and true in area.

    Args:
        mask: ``(h, w)``, inside where it is not 0.

    Returns:
        ``(h, w)`` float32 in 0..1.
    """
    inside = (mask != 0).astype(np.float32)
    return np.asarray(
        cv2.GaussianBlur(inside, (0, 0), MASK_BLUR_PX, borderType=cv2.BORDER_REPLICATE), dtype=np.float32
    )


@dataclass(frozen=True, slots=True)
class Rings:
    """Closed contours of several frames in one array, for calculations on all of them at once.

    Attributes:
        points: ``(n, m, 2)``: each contour, then its first point again up to the end of the row, at least once. So each
            point and the next one are an edge, and the edges that are added have no length.
        counts: ``(n,)`` points of each contour.
    """

    points: FloatArray
    counts: NDArray[np.intp]

    @property
    def valid(self) -> BoolArray:
        """``(n, m)`` points that belong to a contour and are no repetition."""
        return np.arange(self.points.shape[1]) < self.counts[:, None]

    def contour(self, number: int) -> FloatArray:
        """One contour without a repeated point, ``(k, 2)``."""
        return np.asarray(self.points[number, : self.counts[number]])


def rings_of(contours: Sequence[FloatArray]) -> Rings:
    """Contours ``(k, 2)``, at least one, as rings."""
    counts = np.array([len(contour) for contour in contours], dtype=np.intp)
    points = np.empty((len(contours), int(counts.max()) + 1, 2))
    for row, contour in zip(points, contours, strict=True):
        row[: len(contour)] = contour
        row[len(contour) :] = contour[0]
    return Rings(points, counts)


def contour_of_field(field: Field) -> FloatArray:
    """Sub-pixel contour of the largest connected piece above `LEVEL`, holes filled.

    Args:
        field: ``(h, w)`` float32; it counts as 0 outside its frame.

    Returns:
        Closed contour without a repeated end point, ``(k, 2)`` field pixels.

    Raises:
        GeometryError: When nothing exceeds the level or the piece is too small to measure.
    """
    (found,) = contours_of_fields(field[None])
    if isinstance(found, GeometryError):
        raise found
    return found


def contours_of_fields(fields: Field) -> list[FloatArray | GeometryError]:
    """As `contour_of_field` for several frames: the contour of each, or why there is none.

    Args:
        fields: ``(n, h, w)`` float32.
    """
    n, height, width = fields.shape
    # Outside its frame a field counts as 0.
    values = np.zeros((n, height + 2, width + 2), dtype=np.float32)
    values[:, 1:-1, 1:-1] = fields
    found: list[FloatArray | GeometryError] = []
    borders: list[NDArray[np.intp]] = []
    for field, inner in zip(fields, values[:, 1:-1, 1:-1], strict=True):
        try:
            borders.append(_border(field, inner))
            found.append(_PENDING)
        except GeometryError as error:
            found.append(error)
    if not borders:
        return found
    traced = [i for i, one in enumerate(found) if one is _PENDING]
    points, counts = _crossings(values, traced, borders)
    for i, contour in zip(traced, np.split(points, np.cumsum(counts)[:-1]), strict=True):
        few = GeometryError("No ventricle: the largest piece has no inside.")
        found[i] = contour if len(contour) >= 3 else few
    return found


_PENDING: FloatArray = np.empty((0, 2))


def _border(field: Field, values: Field) -> NDArray[np.intp]:
    """Border pixels of the largest piece above `LEVEL`, ``(k, 2)``; in ``values`` spurs are taken off.

    Args:
        field: ``(h, w)``.
        values: The same; it is changed.
    """
    above = (field > LEVEL).astype(np.uint8)
    x0, y0, width, height = cv2.boundingRect(above)
    if width == 0:
        raise GeometryError(f"No ventricle: the field nowhere exceeds {LEVEL:g}.")
    crop = np.zeros((height + 4, width + 4), dtype=np.uint8)
    crop[2:-2, 2:-2] = above[y0 : y0 + height, x0 : x0 + width]
    removed = _cut_spurs(crop)
    if removed is not None:
        values[y0 : y0 + height, x0 : x0 + width][removed[2:-2, 2:-2]] = LEVEL / 2
    return np.asarray(_largest_border(crop) + np.array([x0 - 2, y0 - 2]), dtype=np.intp)


def interpolate(field: NDArray[Any], points: FloatArray) -> FloatArray:
    """Bilinear values of a field at points; points outside take the value of the nearest edge.

    In numpy: for so few points, OpenCV's threads cost more than they save.

    Args:
        field: ``(h, w)`` or ``(h, w, c)``.
        points: ``(k, 2)`` pixels.

    Returns:
        ``(k,)`` or ``(k, c)``.
    """
    height, width = field.shape[:2]
    x, y = np.clip(points[:, 0], 0, width - 1), np.clip(points[:, 1], 0, height - 1)
    left, top = np.minimum(x.astype(np.intp), width - 2), np.minimum(y.astype(np.intp), height - 2)
    u, v = ((a - b).reshape(-1, *[1] * (field.ndim - 2)) for a, b in ((x, left), (y, top)))
    upper = field[top, left] * (1 - u) + field[top, left + 1] * u
    lower = field[top + 1, left] * (1 - u) + field[top + 1, left + 1] * u
    return np.asarray(upper * (1 - v) + lower * v, dtype=np.float64)


def roll(values: NDArray[Any], start: int) -> NDArray[Any]:
    """A closed ring of values that begins at another place: ``values[start]`` comes first, ``(k, ...)``.

    numpy's own roll does the same in eight times the time, which counts when it runs on every frame.

    Args:
        values: ``(k, ...)``.
        start: Place of the value that comes first, 0 to k - 1.
    """
    return np.concatenate((values[start:], values[:start]))


@cache
def disk(side: int) -> NDArray[np.uint8]:
    """A round structuring element of an odd number of pixels across, ``(side, side)`` 0/1."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def mask_of_contour(contour: FloatArray, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Rasterised contour: a pixel is inside when its centre is.

    Args:
        contour: ``(k, 2)`` pixels.
        shape: ``(h, w)`` of the mask.

    Returns:
        ``(h, w)`` uint8, 0 or 1.
    """
    h, w = shape
    mask = np.zeros((h, w), dtype=np.uint8)
    x, y = contour[:, 0], contour[:, 1]
    x_next, y_next = roll(x, 1), roll(y, 1)
    rows = np.arange(max(0, int(np.ceil(y.min()))), min(h - 1, int(np.floor(y.max()))) + 1)
    # Even-odd rule along each row of pixel centres; OpenCV's own filling also paints the border.
    for row in rows:
        hit = (y <= row) != (y_next <= row)
        cuts = np.sort(x[hit] + (row - y[hit]) / (y_next[hit] - y[hit]) * (x_next[hit] - x[hit]))
        for left, right in zip(cuts[0::2], cuts[1::2], strict=True):
            mask[row, max(0, int(np.ceil(left))) : max(0, int(np.floor(right)) + 1)] = 1
    return mask


def _cut_spurs(mask: NDArray[np.uint8]) -> BoolArray | None:
    """Cut spurs off the mask in place; return the removed pixels, or None. Pixels close to the thick part stay."""
    area = cv2.countNonZero(mask)
    side = max(SPUR_WIDTH_PX, int(SPUR_SHARE * np.sqrt(area)) // 2 * 2 + 1)
    thick = cv2.morphologyEx(mask, cv2.MORPH_OPEN, disk(side))
    kept = cv2.bitwise_and(mask, cv2.dilate(thick, disk(2 * round(SPUR_REACH * side) + 1)))
    count = cv2.countNonZero(kept)
    if count == 0 or area - count < MIN_SPUR * area:
        return None
    removed = np.asarray(mask > kept, dtype=np.bool_)
    mask[:] = kept
    return removed


def _largest_border(mask: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Border pixels of the largest piece in the order of OpenCV's border following, ``(k, 2)``."""
    pieces, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # the polygon through border-pixel centres is half a border smaller than the piece
    areas = [cv2.contourArea(piece) + len(piece) / 2 + 1 for piece in pieces]
    best = int(np.argmax(areas))
    if areas[best] < MIN_AREA_PX:
        raise GeometryError(
            f"No ventricle: the largest piece has about {areas[best]:.0f} pixels; "
            f"at least {MIN_AREA_PX:.0f} are needed."
        )
    return np.asarray(pieces[best][:, 0, :], dtype=np.intp)


def _outer_neighbours() -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Directions of the outside 4-neighbours of a border pixel, by the steps into and out of it.

    OpenCV follows an outer border with the inside on its left, and looks for the next pixel by turning from
    where it came from. All neighbours that it passes while turning are outside.
    """
    directions = np.zeros((8, 8, 4), dtype=np.intp)
    used = np.zeros((8, 8, 4), dtype=np.bool_)
    for came in range(8):
        back = (came + 4) % 8
        for goes in range(8):
            turns = (back - goes) % 8 or 8
            passed = [(back - j) % 8 for j in range(1, turns)]
            outside = [d for d in passed if d % 2 == 0]
            directions[came, goes, : len(outside)] = outside
            used[came, goes, : len(outside)] = True
    return directions, used


_OUTER, _OUTER_USED = _outer_neighbours()


def _crossings(
    values: Field, frames: Sequence[int], borders: Sequence[NDArray[np.intp]]
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Points in order where fields cross `LEVEL` between border pixels and outside neighbours, and how many a frame.

    Args:
        values: ``(n, h + 2, w + 2)``, fields with a margin of one pixel.
        frames: Their numbers, one for each border.
        borders: Border pixels of each in order, ``(k, 2)`` without the margin.
    """
    border = np.concatenate(borders)
    lengths = np.array([len(one) for one in borders])
    last = np.cumsum(lengths) - 1
    first = last - lengths + 1
    after = np.arange(1, len(border) + 1)
    after[last] = first
    step = border[after] - border
    codes = _CODE[step[:, 1] + 1, step[:, 0] + 1]
    came = np.empty_like(codes)
    came[after] = codes
    used = _OUTER_USED[came, codes]
    which, _ = np.nonzero(used)
    step = _STEPS[_OUTER[came, codes][used]]
    inside = border[which]
    x, y = inside[:, 0] + 1, inside[:, 1] + 1
    frame = np.repeat(np.asarray(frames, dtype=np.intp), lengths)[which]
    high = values[frame, y, x].astype(np.float64)
    low = values[frame, y + step[:, 1], x + step[:, 0]].astype(np.float64)
    share = np.clip((high - LEVEL) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    return inside + share[:, None] * step, np.add.reduceat(used.sum(axis=1), first)


_CODE = np.zeros((3, 3), dtype=np.intp)
_CODE[_STEPS[:, 1] + 1, _STEPS[:, 0] + 1] = np.arange(8)


GAP = 0.5
"""Diameter of the closing in roots of the cavity's area, three tenths of the long axis: the widest gap that is bridged."""

FINE = 0.09
"""Gaps narrower than this (roots of the area) are roughness of the edge and are left alone."""

MIN_TORN = 0.004
"""Gaps of less than this part of the cavity's area are left as they are."""


def fill_gaps(lv: Field, atrium: Field | None, wall: Field | None) -> Field:
    """Fill bands, bites and lost corners of the cavity that a network labelled as background.

    There is no background between a cavity and its wall. So where the wall or the atrium is seen, background that a
    closing of the cavity covers is cavity, whether it splits the ventricle, cuts into it or makes a hole. Pixels
    labelled as wall or atrium stay, so that a piece of another chamber behind the septum stays separate.

    Filled pixels get all probability that is neither wall nor atrium, so that the edge towards these stays sub-pixel.

    Args:
        lv: Probability of the cavity, ``(h, w)`` in 0..1. It is not changed.
        atrium: Probability of the left atrium, or None.
        wall: Probability of the myocardium, or None; without it a gap cannot be distinguished from another chamber, and
            the field is returned unchanged.
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
    # Outside the cavity: more background than wall or atrium.
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
