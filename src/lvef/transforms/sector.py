"""Find the ultrasound sector on a screen full of menus, text, ECG strips and black.

Tissue moves, is grainy and fills an area; burned-in text stands still or is thin, and what it is painted on is even. So:
what is lit at any time, thin and even things taken away, the largest piece that is left and is no bar. A region that the
file itself names (DICOM) limits the search, unless it cuts the sector that is found without it: then it belongs to an image
of another size, as after a resampling that left the header as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import QualityRefusal
from lvef.core.records import BoolArray, Box, Clip

SAMPLED_FRAMES = 16
"""Frames looked at: enough to see every wall move once, cheap on a long clip."""

LIT_LEVEL = 10
"""Grey level above which a pixel counts as lit. JPEG ripple around black stays below it (packaged cine: at most 7)."""

DIM_LEVEL = 2
"""The same for an image so dark that most of its tissue lies below `LIT_LEVEL`."""

DARK_MEDIAN = 64
"""A sector whose median grey level is below this is looked for at `DIM_LEVEL` as well."""

DIM_GAIN = 1.3
"""What is found at `DIM_LEVEL` counts where it is larger by this factor: then `LIT_LEVEL` saw only a part of the
sector. JPEG ripple adds a few pixels along the edge."""

MAX_BOX_FILL = 0.92
"""What fills more of its bounding box is not a dark sector but the grey background of a screen; sectors fill 0.6 to 0.85."""

MAX_ASPECT = 3.0
"""A piece longer than this many times its width is a bar of a screen, not a sector, however large."""

FLAT_SIDE, FLAT_LEVEL, FLAT_RANGE = 7, 20, 2
"""In an image without motion, a square of this side whose grey levels are above 20, not saturated, and differ by at most 2
is the painted ground of a screen (with writing on it): ultrasound is grainy."""

MOVING_LEVEL = 6
"""Range over time above which a pixel counts as moving."""

MIN_AREA_FRACTION = 0.04
"""A sector smaller than this part of the image is not accepted; exports with four images a screen hold 0.1."""

MIN_SIDE_PX = 48
"""Fewer pixels than this across cannot show a wall."""


MIN_OVERHANG_PX, MIN_OVERHANG = 3, 0.008
"""A sector that reaches over a region's side by more than this, in pixels and as part of its own side, is cut by it.
Soft edges and JPEG ripple stay below."""

MAX_OUTSIDE, MIN_CROSSING = 0.4, 0.25
"""Where more of what was found lies outside of the region, the region chooses one of two images that touch, unless its
side runs through the sector over more than this part of its length."""


MIN_OTHER, OTHER_FILL = 0.5, (0.4, 0.92)
"""A second sector has at least this part of the first one's area and height, and at most the inverse, and fills this part of
its box."""

MIN_SMALLER = 0.4
"""The same part of the sides of a second sector that has its narrow end where the first one has it. Smaller ones are images
by which a scanner shows where the beam is."""

MAX_ARC = 0.93
"""A second sector's end at the arc has at most this part of its largest width; panels and spectra have a flat end."""

WAIST, WAIST_REACH = 8.0, 0.15
"""Two sectors that touch: somewhere in between, further from both ends than the second part, what is lit reaches over
at most the inverse of this part of its extent on either side. Pairs made of 17 cines: where they are one piece 10 and more;
1798 stills of CAMUS and 27 cines and images of other hospitals: at most 3.2."""

TURNED_OFFSET, LEVEL_OFFSET = 0.075, 0.04
"""A sector's centre of area lies towards its arc, by more than the second part of its box (400 stills of CAMUS and twelve
cines of other hospitals: 0.05 to 0.14), and in the other direction in the middle. On a still a part of a sector may be too
dark to be found: that it is turned by 90 degrees is only believed from the first part on."""

END = 0.12
"""Part of a sector's extent at each side whose mean width is looked at."""

TIP_WIDTH, TIP_RATIO = 0.45, 1.65
"""At the probe a sector's end has at most this part of its largest width, and the opposite end is so many times as wide. The
same 400 stills and twelve cines: 0.09 to 0.27, and 2.5 times and more; the end at the arc has 0.39 to 0.92."""


@dataclass(frozen=True, slots=True)
class Sector:
    """Where the ultrasound image lies.

    Attributes:
        box: Tight bounding box.
        mask: ``(height, width)`` bool over the whole image, holes filled.
        region_void: Whether the region that the file names cuts the sector, and was not used.
        second: Bounding box of a second sector in the image, or None.
    """

    box: Box
    mask: BoolArray
    region_void: bool = False
    second: Box | None = None

    @property
    def apex_side(self) -> str:
        """Side of the image at which the probe stands: ``top``, ``bottom``, ``left``, ``right``, or nothing if unclear."""
        inside = self.mask[self.box.y0 : self.box.y1, self.box.x0 : self.box.x1]
        found, offsets = [], []
        for sides, widths in (
            (("left", "right"), inside.sum(axis=0)),
            (("top", "bottom"), inside.sum(axis=1)),
        ):
            offsets.append((widths @ (np.arange(len(widths)) + 0.5)) / widths.sum() / len(widths) - 0.5)
            n = max(1, round(END * len(widths)))
            ends = np.array([widths[:n].mean(), widths[-n:].mean()]) / widths.max()
            narrow = int(ends.argmin())
            found.append((float(abs(np.log(ends[0] / ends[1]))), sides[narrow], float(ends[narrow])))
        across, down = offsets
        # A sector is the same on both sides of its own axis.
        (main, side, tip), (other, _, _) = sorted(found, reverse=True)
        if tip > TIP_WIDTH or main < max(np.log(TIP_RATIO), 1.5 * other):
            return ""
        offset = {"top": down, "bottom": -down, "left": across, "right": -across}[side]
        if side in ("left", "right"):
            return side if offset >= TURNED_OFFSET and abs(down) <= LEVEL_OFFSET else ""
        return side if offset > LEVEL_OFFSET else ""

    @property
    def upside_down(self) -> bool:
        """Whether the probe stands below."""
        return self.apex_side == "bottom"

    @property
    def shown(self) -> Box:
        """The box as networks are shown it: with the probe above where it is known to be below."""
        return replace(self.box, upside_down=self.upside_down)


def find_sector(clip: Clip) -> Sector:
    """Bounding box and area of the ultrasound sector.

    Args:
        clip: Any clip or still.

    Raises:
        QualityRefusal: ``black`` when nothing is lit, ``no_fan`` when nothing has the size of a sector.
    """
    frames = clip.frames
    picked = frames[np.linspace(0, len(frames) - 1, min(SAMPLED_FRAMES, len(frames))).round().astype(int)]
    # Frames without an image say nothing of what moves.
    shown = picked.any(axis=(1, 2))
    picked = picked[shown] if shown.any() else picked
    brightest = picked.max(axis=0)
    if int(brightest.max()) <= LIT_LEVEL:
        raise QualityRefusal(
            "black",
            f"{clip.source}: every pixel is black (brightest grey level {int(brightest.max())}); "
            "an ultrasound image was expected. Export the clip again.",
        )
    allowed = None if clip.region is None else _inside(brightest.shape, clip.region)
    mask = _piece(picked, brightest, allowed)
    region_void = False
    if allowed is not None and clip.region is not None:
        elsewhere = np.ones_like(allowed)
        for other in clip.other_regions:
            elsewhere &= ~_inside(brightest.shape, other)
        # The region wins where it overlaps another.
        whole = _piece(picked, brightest, elsewhere | allowed)
        region_void = _is_sector(whole) and (not _is_sector(mask) or _cuts(clip.region, whole))
        mask = whole if region_void else mask
    if not _is_sector(mask):
        raise QualityRefusal(
            "no_fan",
            f"{clip.source}: no ultrasound sector was found in the image; an apical 2-D cine was expected. "
            "Crop the clip to the ultrasound image, or check that this is an echo file.",
        )
    if clip.region is None:
        second = None
        while (parts := _touching(picked, brightest, mask)) is not None:
            mask, second = parts[0], _box(parts[1])
        if second is not None:
            return Sector(_box(mask), mask, region_void, second)
    return Sector(_box(mask), mask, region_void, _second(picked[-1], mask))


def hide_outside_sector(clip: Clip) -> Clip:
    """The clip with everything outside its sector black: names burned into the image must not reach an output.

    Args:
        clip: Any clip. Where no sector is found, all of it becomes black.
    """
    try:
        sector = find_sector(clip)
    except QualityRefusal:
        return replace(clip, frames=np.zeros_like(clip.frames))
    return keep_sector(clip, sector)


def keep_sector(clip: Clip, sector: Sector) -> Clip:
    """The clip with everything outside a sector that was found in it black.

    Args:
        clip: Any clip.
        sector: Its sector, from :func:`find_sector`.
    """
    mask = sector.mask
    # The sector's dark rim and rounded tip lie just outside of what was found.
    rim = _odd(min(mask.shape) * 0.04)
    shown = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (rim, rim)))
    return replace(clip, frames=clip.frames * np.asarray(shown, dtype=np.uint8))


def _inside(shape: tuple[int, ...], box: Box) -> BoolArray:
    inside = np.zeros(shape, bool)
    inside[box.y0 : box.y1, box.x0 : box.x1] = True
    return inside


def _box(mask: BoolArray) -> Box:
    """Tight bounding box."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)


def _is_sector(mask: BoolArray | None) -> TypeGuard[BoolArray]:
    """Whether a piece was found and has the size of a sector."""
    if mask is None or mask.sum() < MIN_AREA_FRACTION * mask.size:
        return False
    box = _box(mask)
    return bool(min(box.width, box.height) >= min(MIN_SIDE_PX, *mask.shape))


def _cuts(region: Box, mask: BoolArray) -> bool:
    """Whether a region's side runs through the sector that was found without it."""
    box, inside = _box(mask), mask[region.y0 : region.y1, region.x0 : region.x1]
    if not inside.any():  # another image than the one that the region names
        return False
    height, width = inside.shape
    # By how much the sector reaches over each side, its own extent in that direction, and how long the cut is.
    sides = (
        (region.x0 - box.x0, box.width, inside[:, 0].sum() / height),
        (box.x1 - region.x1, box.width, inside[:, -1].sum() / height),
        (region.y0 - box.y0, box.height, inside[0].sum() / width),
        (box.y1 - region.y1, box.height, inside[-1].sum() / width),
    )
    cuts = [
        cut for over, extent, cut in sides if over > max(MIN_OVERHANG_PX, MIN_OVERHANG * extent) and cut > 0
    ]
    outside = 1.0 - float(inside.sum()) / float(mask.sum())
    return bool(cuts) and (outside <= MAX_OUTSIDE or max(cuts) >= MIN_CROSSING)


def _touching(
    picked: NDArray[np.uint8], brightest: NDArray[np.uint8], mask: BoolArray
) -> tuple[BoolArray, BoolArray] | None:
    """The two sectors, the larger one first, that a piece with a waist is made of; None where it is one."""
    box, step = _box(mask), max(1, min(mask.shape) // 128)
    small = np.ascontiguousarray(brightest[::step, ::step])
    lit = _lit(np.ascontiguousarray(picked[:, ::step, ::step]), small, mask[::step, ::step], LIT_LEVEL) > 0
    found = max((_waist(image), axis) for axis, image in enumerate((lit, lit.T)))
    (depth, at), axis = found
    if depth < WAIST:
        return None
    cut = step * at + step // 2
    parts = []
    for side in (slice(None, cut), slice(cut, None)):
        allowed = np.zeros_like(mask)
        allowed[(side, slice(None)) if axis == 0 else (slice(None), side)] = True
        parts.append(_piece(picked, brightest, allowed & _inside(mask.shape, box)))
    one, other = parts
    if not _is_sector(one) or not _is_sector(other):
        return None
    first, second = (one, other) if one.sum() >= other.sum() else (other, one)
    return (first, second) if _alike(first, second) else None


def _waist(lit: BoolArray) -> tuple[float, int]:
    """How many times as far as in a row the lit area reaches in rows above and below, at most, and that row."""
    rows = np.flatnonzero(lit.any(axis=1))
    if len(rows) < 2:
        return 0.0, 0
    inside = lit[rows[0] : rows[-1] + 1]
    reach = np.where(
        inside.any(axis=1), lit.shape[1] - inside.argmax(axis=1) - inside[:, ::-1].argmax(axis=1), 0
    )
    above, below = np.maximum.accumulate(reach), np.maximum.accumulate(reach[::-1])[::-1]
    depth = np.minimum(above, below) / np.maximum(reach, 1)
    margin = round(WAIST_REACH * len(depth))
    depth[: margin + 1] = depth[len(depth) - margin - 1 :] = 0
    at = int(depth.argmax())
    return float(depth[at]), int(rows[0]) + at


def _second(frame: NDArray[np.uint8], mask: BoolArray) -> Box | None:
    """Box of another sector beside the one that was found, live or frozen, or None."""
    box, step = _box(mask), max(1, min(frame.shape) // 128)
    small = np.ascontiguousarray(frame[::step, ::step])
    elsewhere = np.ones(small.shape, bool)
    elsewhere[box.y0 // step : -(-box.y1 // step), box.x0 // step : -(-box.x1 // step)] = False
    if elsewhere.mean() < MIN_AREA_FRACTION:
        return None
    piece = _largest_piece(_lit(small[None], small, elsewhere, LIT_LEVEL))
    if piece is None:
        return None
    parts = _touching(small[None], small, piece)
    piece = piece if parts is None else parts[0]
    if piece.sum() < MIN_AREA_FRACTION * piece.size:
        return None
    other = _box(piece)
    if not _alike(mask, piece, step):
        return None
    return Box(other.x0 * step, other.y0 * step, other.x1 * step, other.y1 * step)


def _alike(mask: BoolArray, other: BoolArray, step: int = 1) -> bool:
    """Whether a piece is a second sector beside the first; its pixels are ``step`` times as large."""
    first, second = Sector(_box(mask), mask), Sector(_box(other), other)
    area = float(other.sum()) * step * step / float(mask.sum())
    sides = [second.box.height * step / first.box.height, second.box.width * step / first.box.width]
    fills = [float(s.mask.sum()) / (s.box.width * s.box.height) for s in (first, second)]
    if not all(OTHER_FILL[0] <= fill <= OTHER_FILL[1] for fill in fills):
        return False
    end = first.apex_side or second.apex_side
    widths = other.sum(axis=1)[second.box.y0 : second.box.y1][:: -1 if end == "bottom" else 1]
    if widths[-max(1, round(END * len(widths))) :].mean() > MAX_ARC * widths.max():
        return False
    smaller = end in ("top", "bottom") and second.apex_side == end
    least = MIN_SMALLER if smaller else MIN_OTHER
    return all(least <= ratio <= 1 / MIN_OTHER for ratio in (sides if smaller else (area, *sides)))


def _piece(
    picked: NDArray[np.uint8], brightest: NDArray[np.uint8], allowed: BoolArray | None
) -> BoolArray | None:
    """Largest piece where it is allowed: what is found, or the larger sector that a dark image shows at `DIM_LEVEL`."""
    mask = _largest_piece(_lit(picked, brightest, allowed, LIT_LEVEL))
    if mask is not None and np.median(brightest[mask]) >= DARK_MEDIAN:
        return mask
    whole = _largest_piece(_lit(picked, brightest, allowed, DIM_LEVEL))
    if whole is None or (mask is not None and whole.sum() < DIM_GAIN * mask.sum()):
        return mask
    box = whole.any(axis=0).sum() * whole.any(axis=1).sum()
    return whole if whole.sum() <= MAX_BOX_FILL * box else mask


def _lit(
    picked: NDArray[np.uint8], brightest: NDArray[np.uint8], allowed: BoolArray | None, level: int
) -> NDArray[np.uint8]:
    """Pixels above a level that may be tissue, thin things opened away, ``(height, width)`` 0/1."""
    lit = brightest > level
    moving = (brightest - picked.min(axis=0)) > min(MOVING_LEVEL, level)
    # A still or a frozen clip has no motion to go by; then being lit must do, and not being painted.
    moves = len(picked) >= 4 and moving.sum() > 0.1 * lit.sum()
    lit &= moving if moves else ~_painted(brightest)
    if allowed is not None:
        lit &= allowed
    short = min(lit.shape)
    closing = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_odd(short * 0.02), _odd(short * 0.02)))
    # Letters are a few pixels thick: an opening with about 3 % of the image removes them and leaves the sector.
    opening = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_odd(short * 0.03), _odd(short * 0.03)))
    edge = short // 8 + 1
    padded: NDArray[Any] = np.pad(lit.astype(np.uint8), edge)
    padded = np.asarray(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, closing))
    padded = np.asarray(cv2.morphologyEx(padded, cv2.MORPH_OPEN, opening))
    return np.ascontiguousarray(padded[edge:-edge, edge:-edge])


def _painted(image: NDArray[np.uint8]) -> BoolArray:
    """Pixels of the painted ground of a screen, ``(height, width)``."""
    square = np.ones((FLAT_SIDE, FLAT_SIDE), np.uint8)
    high, low = cv2.dilate(image, square), cv2.erode(image, square)
    flat = (high - low <= FLAT_RANGE) & (low > FLAT_LEVEL) & (high < 255 - FLAT_RANGE)
    return np.asarray(cv2.dilate(flat.astype(np.uint8), square), dtype=bool)


def _largest_piece(lit: NDArray[np.uint8]) -> BoolArray | None:
    """Largest connected piece that is no bar, with its holes filled, or None when there is none."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lit, connectivity=8)
    sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    area = np.where(sides.max(axis=1) <= MAX_ASPECT * sides.min(axis=1), stats[:, cv2.CC_STAT_AREA], 0)
    area[0] = 0  # the background
    if not area.any():
        return None
    piece = (labels == int(area.argmax())).astype(np.uint8)
    outer, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # Dark parts of a sector belong to it: a sector is convex except for its rounded ends.
    hull = cv2.convexHull(np.concatenate(outer))
    filled = np.zeros_like(piece)
    cv2.fillConvexPoly(filled, hull, 1)
    return np.asarray(filled, dtype=bool)


def _odd(value: float) -> int:
    """Nearest odd whole number, at least 3."""
    return max(3, int(value) // 2 * 2 + 1)
