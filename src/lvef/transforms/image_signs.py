"""What an image shows of its own quality: sector, gain, haze, shadows, and how distinct the endocardial border is.

Pure functions of one image in a square of `SIZE_PX` pixels and the tracing in it. Nothing here depends on a model, so that
the same measures hold for expert contours and for synthetic images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FloatArray, FrameArray, PixelGeometry, Tracing, aspect_of
from lvef.geometry.contour import interpolate
from lvef.geometry.control_points import walls_of_tracing
from lvef.transforms.frames import Placement, fit, place
from lvef.transforms.sector import Sector

SIZE_PX = 128
"""Side of the square in which images are measured, about 1.2 mm a pixel at 15 cm depth: the speckle of finer exports is
averaged, and clips of 112 pixels lose nothing."""

WALL_POINTS = 32
"""Points on each wall at which the border is looked at, about 3 mm apart."""

INSIDE, OUTSIDE = (-0.10, -0.02), (0.01, 0.09)
"""Bands on both sides of the border whose grey levels are compared, in lengths of the long axis (about 8 mm: a wall), with a
gap because contours are a pixel off."""

BAND_SAMPLES = 6
"""Places across each band: about one a pixel."""

ALONG = 5
"""Neighbouring points over which the difference across the border is averaged (15 mm): one speckle must not decide."""

APICAL = 1 / 3
"""Part of the long axis that counts as apical. Source: 17 segments, Cerqueira et al., Circulation 105:539-542, 2002."""

LEFT, APEX, RIGHT = REGIONS = ("left_wall", "apical", "right_wall")
"""Regions of the border by where they lie in the image; which wall is septal depends on view and orientation."""

VISIBLE_DIFFERENCE = 15.0
"""Grey levels by which a wall must be brighter than the cavity to count as visible. On 160 A2C stills of CAMUS patients set
aside, the visible share of the border goes with the label of image quality best at 15 to 20 (Spearman .39 to .41; 10: .31;
30: .33), and overlays looked at agree."""

SHADOW_LEVEL, SHADOW_SAMPLES = 0.35, 24
"""Mean grey level beyond a point of the border over that of the sector, below which it lies in a shadow; places looked at.
80 stills of CAMUS have no such point; of those with an artificial shadow 68 % do on more than a tenth of the border."""

CAVITY = (0.2, 0.8)
"""Part of each chord on which the grey level of blood is read: trabeculae lie further out."""

MIN_SIDE, MAX_BEND = 0.15, 0.02
"""A side of a sector is at least so long, and its points at most so far from a straight line in the mean, in heights of the
sector."""

BLACK_LEVEL, WHITE_LEVEL = 4, 250
"""Grey levels up to which a pixel is black (JPEG ripple around black included) and from which it is saturated."""


@dataclass(frozen=True, slots=True)
class SectorShape:
    """Sides of a sector.

    Attributes:
        width_deg: Angle between its sides, or None where they are not straight and slanted.
        probe: Where they meet ``(x, y)``, pixels of the image; without an angle the middle of the top.
    """

    width_deg: float | None
    probe: FloatArray


@dataclass(frozen=True, slots=True)
class BorderSigns:
    """What one frame shows along the border, from the left hinge over the apex to the right hinge.

    Attributes:
        points: ``(k, 2)`` pixels of the square.
        region: ``(k,)`` place in `REGIONS`.
        difference: ``(k,)`` mean grey level outside the border less that inside, -255 to 255.
        shadow: ``(k,)`` whether all beyond the point, as seen from the probe, is dark.
        cut_off: ``(k,)`` whether the wall beside the point lies outside the sector.
    """

    points: FloatArray
    region: NDArray[np.intp]
    difference: FloatArray
    shadow: BoolArray
    cut_off: BoolArray

    @property
    def visible(self) -> BoolArray:
        """``(k,)`` whether the border can be seen there; in a shadow only the shadow's own edge can."""
        return np.asarray((self.difference >= VISIBLE_DIFFERENCE) & ~self.shadow)

    @property
    def contrast(self) -> float:
        """Mean difference over the border, 0 in shadows, on a scale of 0-1."""
        return float(np.where(self.shadow, 0.0, self.difference).mean()) / 255


def sector_shape(sector: Sector, geometry: PixelGeometry | None = None) -> SectorShape:
    """Angle between the straight sides of a sector and where they meet.

    Args:
        sector: From `lvef.transforms.sector.find_sector`.
        geometry: What is known of the pixels; only their shape matters.
    """
    box = sector.box
    inside = sector.mask[box.y0 : box.y1, box.x0 : box.x1][:: -1 if sector.upside_down else 1]
    left, right = inside.argmax(axis=1), box.width - 1 - inside[:, ::-1].argmax(axis=1)
    sides = _side(-left.astype(np.float64)), _side(right.astype(np.float64))
    found = [side for side in sides if side is not None]
    if len(found) < 2:
        probe = (left[0] + right[0]) / 2, 0.0
        return SectorShape(None, _in_image(probe, sector))
    slopes, starts = zip(*found, strict=True)
    width = float(np.degrees(np.arctan(np.array(slopes) / aspect_of(geometry)).sum()))
    row = -sum(starts) / sum(slopes)
    return SectorShape(width, _in_image((starts[1] + slopes[1] * row, row), sector))


def _in_image(point: tuple[float, float], sector: Sector) -> FloatArray:
    """A point of the sector's box, the probe above, in pixels of the image."""
    x, y = point
    box = sector.box
    return np.array([box.x0 + x, box.y1 - 1 - y if sector.upside_down else box.y0 + y], dtype=np.float64)


def squares_of(
    frames: FrameArray, sector: Sector, geometry: PixelGeometry | None
) -> tuple[FrameArray, BoolArray, Placement]:
    """Frames as squares of the sector's box, what of the square lies in the sector, and where the square lies.

    Args:
        frames: ``(n, height, width)`` uint8.
        sector: Of these frames.
        geometry: What is known of the pixels; only their shape matters.
    """
    placement = place(sector.shown, SIZE_PX, geometry)
    mask = fit(sector.mask.astype(np.uint8)[None], placement, SIZE_PX, labels=True)[0]
    return fit(frames, placement, SIZE_PX), mask > 0, placement


def grey_signs(square: FrameArray, inside: BoolArray) -> dict[str, float]:
    """Gain of one image, by name.

    Args:
        square: ``(size, size)`` uint8, the probe above.
        inside: ``(size, size)`` what of it lies in the sector.

    Returns:
        ``mean_grey``: mean grey level, 0-1. ``black_share`` and ``saturated_share`` of the pixels. ``far_to_near``: mean
        grey level of the lower half of the sector over that of the upper half; low where haze brightens the near field or
        depth gain is missing.
    """
    grey = square[inside]
    near, far = (half[cut] for half, cut in zip(np.split(square, 2), np.split(inside, 2), strict=True))
    return {
        "mean_grey": float(grey.mean()) / 255,
        "black_share": float((grey <= BLACK_LEVEL).mean()),
        "saturated_share": float((grey >= WHITE_LEVEL).mean()),
        "far_to_near": float(far.mean()) / max(float(near.mean()), 1.0),
    }


def haze_signs(square: FrameArray, tracing: Tracing) -> dict[str, float]:
    """Grey level of the blood, by name.

    Args:
        square: ``(size, size)`` uint8.
        tracing: In pixels of the square.

    Returns:
        ``haze``: median grey level in the cavity, 0-1. ``apical_haze``: that of its apical third less that of its basal
        third, -1 to 1.
    """
    share = np.linspace(*CAVITY, 7)[:, None]
    at = tracing.chords[:, None, 0] * (1 - share) + tracing.chords[:, None, 1] * share
    grey = interpolate(square, at.reshape(-1, 2)).reshape(at.shape[:2]) / 255
    third = len(grey) // 3
    return {
        "haze": float(np.median(grey)),
        "apical_haze": float(np.median(grey[:third]) - np.median(grey[-third:])),
    }


def border_signs(square: FrameArray, inside: BoolArray, tracing: Tracing, probe: FloatArray) -> BorderSigns:
    """Grey levels along the endocardial border of one frame.

    Args:
        square: ``(size, size)`` uint8.
        inside: ``(size, size)`` what of it lies in the sector.
        tracing: In pixels of the square.
        probe: Where the sides of the sector meet, in pixels of the square.
    """
    left, right = walls_of_tracing(tracing, WALL_POINTS)
    points = np.concatenate([left, right[1:]])
    axis = tracing.base - tracing.apex
    length = float(np.hypot(*axis))
    along = (points - tracing.apex) @ axis / length**2
    walls = np.where(np.arange(len(points)) < WALL_POINTS, REGIONS.index(LEFT), REGIONS.index(RIGHT))
    normals = _outward_normals(points)
    within, beyond = (_band(square, points, normals * length, band) for band in (INSIDE, OUTSIDE))
    wall_in_sector, _ = _looked_up(square, inside, points + normals * length * float(np.mean(OUTSIDE)))
    return BorderSigns(
        points,
        np.where(along < APICAL, REGIONS.index(APEX), walls),
        _averaged(beyond - within),
        _shadowed(square, inside, points, probe),
        ~wall_in_sector,
    )


def _side(out: FloatArray) -> tuple[float, float] | None:
    """Slope and start of a straight, slanted side, or None.

    Args:
        out: ``(rows,)`` how far out the sector reaches in each row, pixels.
    """
    widest = int(out.argmax())
    # Its ends are rounded: by the probe above, by the depth below.
    rows = np.arange(round(0.2 * widest), round(0.9 * widest))
    if len(rows) < max(8, MIN_SIDE * len(out)):
        return None
    slope, start = np.polyfit(rows, out[rows], 1)
    bend = np.abs(out[rows] - start - slope * rows).mean()
    return (float(slope), float(start)) if slope > 0 and bend <= MAX_BEND * len(out) else None


def _shadowed(square: FrameArray, inside: BoolArray, points: FloatArray, probe: FloatArray) -> BoolArray:
    """Whether the ray from the probe is dark from each point ``(k, 2)`` to the lower end of the sector, ``(k,)``."""
    columns = np.flatnonzero(inside.any(axis=0))
    lowest = SIZE_PX - 1 - inside[::-1, columns].argmax(axis=0)
    end = float(np.hypot(columns - probe[0], lowest - probe[1]).max())
    away = points - probe
    reach = np.maximum(np.hypot(*away.T), 1e-6)[:, None]
    radii = reach + np.linspace(0, 1, SHADOW_SAMPLES) * (end - reach)
    seen, grey = _looked_up(square, inside, probe + (away / reach)[:, None] * radii[..., None])
    n = seen.sum(axis=1)
    mean = np.where(seen, grey, 0).sum(axis=1) / np.maximum(n, 1)
    return np.asarray((mean < SHADOW_LEVEL * float(square[inside].mean())) & (n >= SHADOW_SAMPLES // 8))


def _looked_up(square: FrameArray, inside: BoolArray, points: FloatArray) -> tuple[BoolArray, FrameArray]:
    """Whether the nearest pixel of each point ``(..., 2)`` lies in the sector, and its grey level, ``(...)`` each."""
    at = np.rint(points).astype(np.intp)
    x, y = np.moveaxis(np.clip(at, 0, SIZE_PX - 1), -1, 0)
    in_square = ((at >= 0) & (at < SIZE_PX)).all(axis=-1)
    return np.asarray(in_square & inside[y, x]), square[y, x]


def _band(
    square: FrameArray, points: FloatArray, normals: FloatArray, band: tuple[float, float]
) -> FloatArray:
    """Mean grey level across a band beside each point, ``(k,)``; ``band`` is in lengths of the normals."""
    at = points[:, None] + normals[:, None] * np.linspace(*band, BAND_SAMPLES)[:, None]
    return np.asarray(interpolate(square, at.reshape(-1, 2)).reshape(at.shape[:2]).mean(axis=1))


def _averaged(values: FloatArray) -> FloatArray:
    padded = np.pad(values, ALONG // 2, mode="edge")
    return np.convolve(padded, np.full(ALONG, 1 / ALONG), mode="valid")


def _outward_normals(points: FloatArray) -> FloatArray:
    """Unit normals ``(k, 2)`` of a line that runs around the cavity, taken over five points."""
    padded = np.pad(points, ((2, 2), (0, 0)), mode="edge")
    tangent = padded[4:] - padded[:-4]
    normals = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    normals /= np.maximum(np.hypot(*normals.T), 1e-9)[:, None]
    outward = float(((points - points.mean(axis=0)) * normals).sum())
    return normals if outward > 0 else -normals
