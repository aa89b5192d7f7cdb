"""Reads the contours that experts drew into images, and removes the drawing from the image.

A drawing has colour, ultrasound is grey. Nothing is stored: masks are made in each run.

How much of the drawing stays in the image that a model is shown: the translucent band is computed back (what lies under it
is restored up to rounding; its rim of two pixels and the white dots are filled in from around them). Opaque lines of 2 to 6
pixels are filled in from both sides, which leaves a smooth trail of that width. Where two images of the same frame have
different drawings, pixels come from the one that is not drawn on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lvef.core.errors import DataError
from lvef.core.records import BoolArray, FrameArray

Rgb = NDArray[np.uint8]
"""``(height, width, 3)``."""

LINE_CHROMA, BAND_CHROMA = 50, 20
"""Largest difference between two channels above which a pixel belongs to an opaque line, or to a translucent band."""

BAND_OPACITY = 0.5
"""Opacity of the contoured beat's band: over the darkest tissue it is (37, 78, 91), over the brightest about 120 more."""

WHITE_LEVEL = 200
"""Pixels of the band with all channels above this are its white dots."""

RIM_PX = 2
"""Pixels around a drawing that are filled in too: antialiasing and JPEG spread its colour."""


class Drawn(NamedTuple):
    """What was read from an image.

    Attributes:
        cavity: ``(height, width)`` bool, the ventricle that the drawing encloses, closed by a straight line at its base.
        image: ``(height, width)`` uint8 grey, without the drawing.
    """

    cavity: BoolArray
    image: FrameArray


def read_line(image: Rgb, other: Rgb | None = None) -> Drawn:
    """An image with one contour, or with the contours of several readers: the middle of all that is drawn counts.

    Args:
        image: With opaque coloured lines; the widest connected drawing counts, other marks in colour do not.
        other: The same frame with another drawing, or None.

    Raises:
        DataError: No contour is drawn.
    """
    coloured = _chroma(image) > LINE_CHROMA
    line = _widest_piece(coloured)
    cavity = _middle(line, _enclosed(line))
    drawn = _grown(coloured, RIM_PX)
    grey = _grey(image)
    if other is not None:
        again = _grown(_chroma(other) > LINE_CHROMA, RIM_PX)
        grey = np.where(drawn, _grey(other), grey)
        drawn &= again
    return Drawn(cavity, _filled(grey, drawn))


def read_beat(images: Sequence[Rgb]) -> list[Drawn]:
    """Frames of a beat with a translucent band laid on the wall: the endocardium is its inner edge.

    Raises:
        DataError: No band is drawn.
    """
    bands = [_widest_piece(_chroma(image) > BAND_CHROMA, dots=7) for image in images]
    white = [band & (p.min(axis=2) > WHITE_LEVEL) for band, p in zip(bands, images, strict=True)]
    inner = [
        ndimage.binary_erosion(band, iterations=RIM_PX) & ~_grown(dots, RIM_PX)
        for band, dots in zip(bands, white, strict=True)
    ]
    if not all(one.any() for one in inner):
        raise DataError(
            "The band is too thin to be read; a contoured beat as in its folder's README was expected."
        )
    # Black tissue lies somewhere under the band: there its own colour is seen alone. Each frame has a palette of its own.
    darkest = [np.percentile(p[one], 0.5, axis=0) for p, one in zip(images, inner, strict=True)]
    tint = np.min(darkest, axis=0)
    found = []
    for image, band, kept in zip(images, bands, inner, strict=True):
        under = ((image - tint) / (1 - BAND_OPACITY)).mean(axis=2)
        grey = np.where(band, np.clip(under, 0, 255), _grey(image)).astype(np.uint8)
        other_marks = (_chroma(image) > BAND_CHROMA) & ~band
        found.append(Drawn(_enclosed(band), _filled(grey, (_grown(band, RIM_PX) & ~kept) | other_marks)))
    return found


def _chroma(image: Rgb) -> NDArray[np.uint8]:
    return np.asarray(image.max(axis=2) - image.min(axis=2), np.uint8)


def _grey(image: Rgb) -> FrameArray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _grown(mask: BoolArray, pixels: int) -> BoolArray:
    side = 2 * pixels + 1
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def _widest_piece(coloured: BoolArray, dots: int = 5) -> BoolArray:
    """The connected piece that spans the largest box; gaps up to ``dots`` pixels are closed."""
    closed = cv2.morphologyEx(coloured.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((dots, dots), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    spans = stats[1:, cv2.CC_STAT_WIDTH] * stats[1:, cv2.CC_STAT_HEIGHT]
    if count < 2 or max(spans) < 0.01 * coloured.size:
        raise DataError("No drawn contour was found in the image; coloured lines or a band were expected.")
    return np.asarray(pieces == 1 + int(np.argmax(spans)))


def _enclosed(line: BoolArray) -> BoolArray:
    """The largest region between a drawing and its convex hull, which also closes a drawing that is open at the base."""
    points = np.argwhere(line)[:, ::-1].astype(np.int32)
    hull = np.zeros(line.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    # Slivers along the outside of a drawing's ends are no cavity.
    pieces, count = ndimage.label(ndimage.binary_opening((hull > 0) & ~line, iterations=2))
    if not count:
        raise DataError("The drawn contour encloses nothing; a ventricle was expected.")
    sizes = np.bincount(pieces.ravel())[1:]
    return np.asarray(pieces == 1 + int(np.argmax(sizes)))


def _middle(line: BoolArray, inside: BoolArray) -> BoolArray:
    """The region up to the middle of the line: its pixels go to the nearer of inside and outside."""
    outside = ~(line | inside)
    # What lies between the lines of several readers is neither: only the region that reaches the image's edge is outside.
    pieces, _ = ndimage.label(outside)
    rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    outside = np.isin(pieces, np.setdiff1d(rim, [0]))
    to_inside = ndimage.distance_transform_edt(~inside)
    to_outside = ndimage.distance_transform_edt(~outside)
    return np.asarray(to_inside <= to_outside)


def _filled(grey: FrameArray, lost: BoolArray) -> FrameArray:
    return np.asarray(cv2.inpaint(grey, lost.astype(np.uint8), 3, cv2.INPAINT_TELEA), np.uint8)
