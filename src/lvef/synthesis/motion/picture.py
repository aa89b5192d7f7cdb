"""The picture of any instant, drawn from both stills.

Blending two speckle patterns flattens both: where each weighs a half, the deviation falls to 0.7. So every still is split
into a smooth part, which is blended as it is, and a speckled rest, which is blended with weights whose squares sum to 1 and
then brought to the deviation that the two stills have at that place.

Nothing outside the sector, and no pixel of its very edge, takes part in the motion: tissue that comes in from beyond the
edge is the mirror image of what lies inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FrameArray

Picture = NDArray[np.float32]

SMOOTH_SHARE = 0.018
"""Standard deviation of the blur that parts structure from speckle, in longer sides of the still: 4 pixels of 220, about
3 mm, one and a half speckle cells."""

DEVIATION_SHARE = 0.027
"""Standard deviation of the window over which the local deviation is taken, likewise."""

GAIN_LIMITS = (0.6, 1.6)
"""Range in which the speckle is brought to its deviation; more would blow up noise."""

HANDOVER = (0.1, 0.9)
"""Levels between which the ED still hands over to the ES still. Shorter than the whole way: structures without a mark (valve
leaflets, right heart) lie in two places for as short as can be done without a jump."""

DARK = 4
"""Grey levels up to this are outside the sector when they lie at the border of the picture (traces of compression)."""


@dataclass(frozen=True, slots=True)
class Sector:
    """Where the scanner looks, the same in both stills and in all frames.

    Attributes:
        inside: ``(h, w)`` True where the picture moves.
        hull: ``(k, 2)`` its convex border in pixels.
        top: ``(2,)`` its highest point: where the beams start.
    """

    inside: BoolArray
    hull: NDArray[np.float64]
    top: NDArray[np.float64]


def sector_of(ed: FrameArray, es: FrameArray) -> Sector:
    """The convex hull of what is not dark in either still; the whole picture when nothing is dark at its border."""
    lit = (np.maximum(ed, es) > DARK).astype(np.uint8)
    opened = cv2.morphologyEx(lit, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    pieces, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    inside = np.zeros(ed.shape, np.uint8)
    if not pieces:
        h, w = ed.shape
        box = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], dtype=np.int32)
        pieces = [box[:, None]]
    hull = cv2.convexHull(max(pieces, key=cv2.contourArea))
    cv2.fillConvexPoly(inside, hull, 1)
    kernel = np.ones((3, 3), np.uint8)
    eroded = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    points = hull[:, 0].astype(np.float64)
    top = points[points[:, 1] <= points[:, 1].min() + 1].mean(axis=0)
    return Sector(np.asarray(eroded, dtype=np.bool_), points, top)


def handover(level: float) -> float:
    """Weight of the ES still at a contraction level: 0 at ED, 1 at ES, smooth in between.

    Example:
        >>> handover(0.0), handover(0.5), handover(1.3)
        (0.0, 0.5, 1.0)
    """
    share = float(np.clip((level - HANDOVER[0]) / (HANDOVER[1] - HANDOVER[0]), 0, 1))
    return share * share * (3 - 2 * share)


class Painter:
    """Draws the frame of a contraction level from two stills and the maps that lead into them."""

    def __init__(self, ed: FrameArray, es: FrameArray, sector: Sector) -> None:
        side = max(ed.shape)
        self.sector = sector
        self.smooth, self.window = SMOOTH_SHARE * side, DEVIATION_SHARE * side
        self.stills = [self._split(still) for still in (ed, es)]
        self.outside = [np.where(sector.inside, 0, still).astype(np.float32) for still in (ed, es)]
        self.mask = sector.inside.astype(np.float32)

    def parts(self, level: float, ed_map: Picture, es_map: Picture) -> tuple[Picture, Picture, Picture]:
        """Smooth part, speckle and its deviation at a contraction level, each ``(h, w)`` float32.

        Args:
            level: 0 at ED, 1 at ES; beyond, one still alone is used.
            ed_map: ``(h, w, 2)`` for every pixel its place in the ED still.
            es_map: The same in the ES still.
        """
        weight = handover(level)
        maps = [
            (still, places, share)
            for still, places, share in zip(self.stills, (ed_map, es_map), (1 - weight, weight), strict=True)
            if share > 0
        ]
        shape = ed_map.shape[:2]
        smooth, speckle, variance = (np.zeros(shape, np.float32) for _ in range(3))
        for still, places, share in maps:
            got = sampled(still, places)
            smooth = smooth + np.float32(share) * got[..., 0]
            speckle = speckle + np.float32(np.sqrt(share)) * got[..., 1]
            variance = variance + np.float32(share) * got[..., 2]
        variance = np.maximum(variance, 0)
        found = self._variance(speckle)
        gain = np.sqrt((variance + 1e-2) / (found + 1e-2))
        grain = np.asarray(speckle * np.clip(gain, *GAIN_LIMITS), dtype=np.float32)
        return smooth, grain, np.sqrt(variance)

    def framed(self, picture: Picture, level: float) -> Picture:
        """The picture inside the sector, the stills themselves outside."""
        weight = np.float32(handover(level))
        outside = self.outside[0] + weight * (self.outside[1] - self.outside[0])
        return np.asarray(picture * self.mask + outside, dtype=np.float32)

    def _split(self, still: FrameArray) -> Picture:
        filled = _mirrored(still.astype(np.float32), self.sector.inside)
        smooth = cv2.GaussianBlur(filled, (0, 0), self.smooth, borderType=cv2.BORDER_REFLECT_101)
        speckle = filled - smooth
        return np.ascontiguousarray(np.dstack([smooth, speckle, self._variance(speckle)]), dtype=np.float32)

    def _variance(self, speckle: Picture) -> Picture:
        return np.asarray(
            cv2.GaussianBlur(speckle * speckle, (0, 0), self.window, borderType=cv2.BORDER_REFLECT_101)
        )


def sampled(picture: Picture, places: Picture) -> Picture:
    """A picture at places ``(h, w, 2)``, cubic between pixels; beyond the border its edge is held."""
    none = np.empty(0, np.float32)
    return np.asarray(
        cv2.remap(picture, places, none, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32
    )


def _mirrored(picture: Picture, inside: BoolArray) -> Picture:
    """The picture with everything outside filled by its mirror image at the nearest inside pixel."""
    if inside.all():
        return picture
    _, nearest = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    ys, xs = np.nonzero(inside)
    row, column = np.empty(nearest.max() + 1, np.intp), np.empty(nearest.max() + 1, np.intp)
    row[nearest[inside]], column[nearest[inside]] = ys, xs
    oy, ox = np.nonzero(~inside)
    edge = nearest[~inside]
    h, w = picture.shape
    my = np.clip(2 * row[edge] - oy, 0, h - 1)
    mx = np.clip(2 * column[edge] - ox, 0, w - 1)
    lost = ~inside[my, mx]
    my[lost], mx[lost] = row[edge][lost], column[edge][lost]
    filled = picture.copy()
    filled[oy, ox] = picture[my, mx]
    return filled
