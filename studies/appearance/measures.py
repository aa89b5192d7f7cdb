"""Measures of one image with labels, and between consecutive frames of a cine.

Values are comparable only at equal millimetres per pixel: bring an image through :func:`to_square` first.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, Box, FrameArray
from lvef.core.terms import Structure
from lvef.transforms.frames import fit, place
from studies.appearance.edges import SIDES, fit_step, profiles
from studies.appearance.texture import (
    MIN_PIXELS,
    erode,
    local_deviation,
    speckle_cell_mm,
    subtract_trend,
    trend,
)

NAN = float("nan")
"""Not measurable."""

MARGIN_MM = {Structure.LV: 2.0, Structure.MYOCARDIUM: 1.5, Structure.LA: 2.0}
"""Structures that are measured, and how far from their border: an edge belongs to `studies.appearance.edges`."""

NAMES = {Structure.LV: "cavity", Structure.MYOCARDIUM: "myocardium", Structure.LA: "atrium"}
"""Structures as the names of measures say them."""

QUANTILES = (5, 25, 50, 75, 95)
"""Per cent of the pixels of a structure."""

BLACK_LEVEL = 4
"""Grey levels up to this are black: JPEG ripple included."""

MIN_STEP = 10.0
"""A step of fewer grey levels has no width."""

LIT_LEVEL = 10
"""Grey levels above this are echo, for the contour of the ultrasound sector."""


SECTOR_MARGIN_MM = 3.0
"""The same for the sector: its own edge is no texture."""

GROUPS = {
    "grey levels": ("mean", *(f"p{q}" for q in QUANTILES), "less cavity", "less near", "black %"),
    "shading": ("shading",),
    "texture": ("deviation", "of structures", "skewness", "axial mm", "lateral mm"),
    "edges": ("step", "step width mm"),
    "motion": ("frame correlation",),
}
"""Groups of measures, and how the names of each end."""

PLACES = {
    **{name: (name,) for name in NAMES.values()},
    "endocardium": SIDES,
    "fan": ("fan",),
}
"""Places in the image, and how the names of measures there begin."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A grey image with labels.

    Attributes:
        grey: ``(h, w)`` uint8.
        labels: ``(h, w)`` uint8 of `lvef.core.terms.Structure`.
        spacing_mm: Millimetres per pixel; pixels are square.
    """

    grey: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    spacing_mm: float


def to_square(image: LabelledImage, size: int = 112) -> LabelledImage:
    """Padded with black to a square and scaled to ``size`` pixels, as cines of 112 x 112 are made."""
    height, width = image.grey.shape
    placement = place(Box(0, 0, width, height), size)
    return LabelledImage(
        fit(image.grey[None], placement, size)[0],
        fit(image.labels[None], placement, size, labels=True)[0],
        image.spacing_mm / ((placement.scale_x + placement.scale_y) / 2),
    )


def resample(image: LabelledImage, spacing_mm: float) -> LabelledImage:
    """The same image at another scale (areas averaged where it shrinks, straight lines between pixels where it grows)."""
    factor = image.spacing_mm / spacing_mm
    height, width = (max(1, round(n * factor)) for n in image.grey.shape)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(image.grey, (width, height), interpolation=method)
    labels = cv2.resize(image.labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return LabelledImage(np.asarray(grey, np.uint8), np.asarray(labels, np.uint8), spacing_mm)


def measure_image(image: LabelledImage) -> dict[str, float]:
    """Every measure of one image by name; NaN where it is not defined.

    Grey levels, local deviations and step heights are in grey levels (0-255), lengths in mm.
    """
    found: dict[str, float] = {}
    regions = structure_regions(image)
    for structure, region in regions.items():
        found |= {f"{NAMES[structure]} {k}": v for k, v in grey_levels(image.grey, region).items()}
    means = {s: found[f"{NAMES[s]} mean"] for s in regions}
    found["myocardium less cavity"] = means[Structure.MYOCARDIUM] - means[Structure.LV]
    found["atrium less cavity"] = means[Structure.LA] - means[Structure.LV]
    for structure, region in regions.items():
        found |= {f"{NAMES[structure]} {k}": v for k, v in texture(image, region).items()}
    deviations = [found[f"{NAMES[s]} local deviation"] for s in regions]
    known = [d for d in deviations if np.isfinite(d)]
    found["local deviation, mean of structures"] = float(np.mean(known)) if known else NAN
    found |= edge_contrast(image)
    sector = sector_region(image)
    found |= {f"fan {k}": v for k, v in (grey_levels(image.grey, sector) | texture(image, sector)).items()}
    found["fan far less near"] = far_less_near(image.grey, sector)
    found |= black_share(image, regions, sector)
    return found


def group_of(measure: str) -> str:
    """Which of `GROUPS` a measure belongs to.

    Raises:
        KeyError: It is no measure.
    """
    for group, endings in GROUPS.items():
        if measure.endswith(endings):
            return group
    raise KeyError(measure)


def structure_regions(image: LabelledImage) -> dict[Structure, BoolArray]:
    """Where each structure is measured, ``(h, w)``: its label without `MARGIN_MM` along the border."""
    return {s: erode(image.labels == s, image.spacing_mm, margin) for s, margin in MARGIN_MM.items()}


def grey_levels(grey: NDArray[np.uint8], region: BoolArray) -> dict[str, float]:
    """Mean and `QUANTILES` of a region."""
    names = ["mean", *(f"p{q}" for q in QUANTILES)]
    values = grey[region]
    if len(values) < MIN_PIXELS:
        return dict.fromkeys(names, NAN)
    return dict(zip(names, [float(values.mean()), *np.percentile(values, QUANTILES).tolist()], strict=True))


def texture(image: LabelledImage, region: BoolArray) -> dict[str, float]:
    """Local deviation, shading (standard deviation of the slow part), skewness of the grain and speckle cell of a region."""
    grey, mm = image.grey, image.spacing_mm
    if region.sum() < MIN_PIXELS:
        return dict.fromkeys(
            ("local deviation", "shading", "skewness", "cell axial mm", "cell lateral mm"), NAN
        )
    grain = subtract_trend(grey, region, mm)[region]
    spread = float(grain.std())
    axial, lateral = speckle_cell_mm(grey, region, mm)
    return {
        "local deviation": local_deviation(grey, region, mm),
        "shading": float(trend(grey.astype(float), region, mm)[region].std()),
        "skewness": float(((grain - grain.mean()) ** 3).mean() / spread**3) if spread > 0 else NAN,
        "cell axial mm": axial,
        "cell lateral mm": lateral,
    }


def edge_contrast(image: LabelledImage) -> dict[str, float]:
    """Step height and 10-90 % width of the endocardium by side; no width where there is hardly a step.

    A width at the upper end of `studies.appearance.edges.WIDTHS_MM` is a ramp, not an edge.
    """
    found: dict[str, float] = {}
    profile = profiles(image.grey, image.labels, image.spacing_mm)
    for side in SIDES:
        edge = fit_step(profile[side])
        found[f"{side} step"] = edge.height
        found[f"{side} step width mm"] = edge.width_mm if edge.height >= MIN_STEP else NAN
    return found


def black_share(
    image: LabelledImage, regions: dict[Structure, BoolArray], sector: BoolArray
) -> dict[str, float]:
    """Per cent of black pixels in the sector and in each structure."""
    dark = image.grey <= BLACK_LEVEL
    within = {"fan": sector} | {NAMES[s]: region for s, region in regions.items()}
    return {
        f"{name} black %": 100 * float(dark[region].mean()) if region.sum() >= MIN_PIXELS else NAN
        for name, region in within.items()
    }


def frame_correlation(frames: FrameArray, labels: FrameArray, spacing_mm: float) -> dict[str, float]:
    """Mean correlation of the grain of consecutive frames, at fixed pixels, inside cavity and myocardium.

    Args:
        frames: ``(n, h, w)``.
        labels: ``(n, h, w)``.
        spacing_mm: Millimetres per pixel.

    Returns:
        ``cavity frame correlation`` and ``myocardium frame correlation``, -1 to 1; NaN for a still.
    """
    found: dict[str, float] = {}
    for structure in (Structure.LV, Structure.MYOCARDIUM):
        values: list[float] = []
        before: tuple[NDArray[np.float64], BoolArray] | None = None
        for grey, label in zip(frames, labels, strict=True):
            region = erode(label == structure, spacing_mm, MARGIN_MM[structure])
            now = subtract_trend(grey, region, spacing_mm), region
            if before is not None:
                both = region & before[1]
                a, b = before[0][both], now[0][both]
                if both.sum() >= MIN_PIXELS and a.std() > 0 and b.std() > 0:
                    values.append(float(np.corrcoef(a, b)[0, 1]))
            before = now
        found[f"{NAMES[structure]} frame correlation"] = float(np.mean(values)) if values else NAN
    return found


def sector_region(image: LabelledImage) -> BoolArray:
    """The ultrasound sector without `SECTOR_MARGIN_MM` along its border, ``(h, w)``: convex hull of the lit pixels."""
    grey = image.grey
    lit = cv2.morphologyEx((grey > LIT_LEVEL).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    points = cv2.findNonZero(np.asarray(lit, np.uint8))
    hull = np.zeros(grey.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return erode(hull.astype(bool), image.spacing_mm, SECTOR_MARGIN_MM)


def far_less_near(grey: NDArray[np.uint8], sector: BoolArray) -> float:
    """Mean grey level of the lowest third of the sector's height less that of the upper third: the gain over depth."""
    rows = np.flatnonzero(sector.any(axis=1))
    if len(rows) < 3:
        return NAN
    third = (rows[-1] + 1 - rows[0]) // 3
    near, far = slice(rows[0], rows[0] + third), slice(rows[-1] + 1 - third, rows[-1] + 1)
    return float(grey[far][sector[far]].mean() - grey[near][sector[near]].mean())
