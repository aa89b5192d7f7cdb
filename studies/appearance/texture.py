"""Grain of a structure: local deviation and speckle cell, after slow shading is taken away.

All functions look at one grey image and a mask; pixels are square. An image has structure of every size, so a value of
its grain depends on what counts as slow: here what a Gaussian of `TREND_MM` keeps. Compare only figures made alike, at
equal millimetres per pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, uniform_filter

from lvef.core.records import BoolArray, FloatArray

TREND_MM = 3.0
"""Standard deviation of the Gaussian whose mean is taken away: one and a half speckle cells, a third of a wall."""

WINDOW_MM = 5.0
"""Side of the windows of `local_deviation`. With `TREND_MM` the three structures together give 9 to 12 grey levels in good
CAMUS A4C at end-diastole, at 0.77 mm per pixel."""

MIN_PIXELS = 40
"""The values of a mask with fewer pixels are NaN."""

MIN_CORRELATION = 0.02
"""Smaller correlations count as this: the width is read on a logarithm."""

_EPS = 1e-9


def erode(mask: BoolArray, spacing_mm: float, margin_mm: float) -> BoolArray:
    """The part of a mask whose pixels lie at least a margin inside its border, ``(h, w)``.

    Args:
        mask: ``(h, w)``; beyond the image counts as outside.
        spacing_mm: Millimetres per pixel.
        margin_mm: Distance of pixel centres from the border.
    """
    inside = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    # The border runs half a pixel beyond the last centre inside.
    return np.asarray((inside - 0.5) * spacing_mm >= margin_mm) & mask


def trend(values: FloatArray, mask: BoolArray, spacing_mm: float, sigma_mm: float = TREND_MM) -> FloatArray:
    """Slow part of an image inside a mask, ``(h, w)``: a Gaussian mean of the pixels inside.

    Args:
        values: ``(h, w)``.
        mask: ``(h, w)``; what lies outside takes no part.
        spacing_mm: Millimetres per pixel.
        sigma_mm: Standard deviation of the Gaussian.
    """
    sigma = sigma_mm / spacing_mm
    weight = gaussian_filter(mask.astype(float), sigma, mode="constant")
    mean = gaussian_filter(np.where(mask, values, 0.0), sigma, mode="constant")
    return np.asarray(mean / np.maximum(weight, _EPS))


def subtract_trend(image: NDArray[np.uint8], mask: BoolArray, spacing_mm: float) -> FloatArray:
    """Grey levels without their slow part, ``(h, w)``; 0 outside the mask."""
    values = image.astype(float)
    return np.where(mask, values - trend(values, mask, spacing_mm), 0.0)


def local_deviation(image: NDArray[np.uint8], mask: BoolArray, spacing_mm: float) -> float:
    """Median over windows of `WINDOW_MM` of the standard deviation in them, in grey levels, after `subtract_trend`.

    Args:
        image: ``(h, w)``.
        mask: ``(h, w)``; windows of which less than half is inside do not count.
        spacing_mm: Millimetres per pixel.
    """
    if mask.sum() < MIN_PIXELS:
        return float("nan")
    grain = subtract_trend(image, mask, spacing_mm)
    side = max(3, round((WINDOW_MM / spacing_mm - 1) / 2) * 2 + 1)
    share = uniform_filter(mask.astype(float), side, mode="constant")
    mean = uniform_filter(grain, side, mode="constant") / np.maximum(share, _EPS)
    square = uniform_filter(grain * grain, side, mode="constant") / np.maximum(share, _EPS)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0.0))
    counted = deviation[mask & (share >= 0.5)]
    return float(np.median(counted)) if len(counted) else float("nan")


def speckle_cell_mm(image: NDArray[np.uint8], mask: BoolArray, spacing_mm: float) -> tuple[float, float]:
    """Full width at half maximum of the grain's autocorrelation, down the image and across, in millimetres.

    Down and across stand for along the beam and across it: apical ventricles lie within 30 degrees of the middle beam. The
    grain is divided by its own local deviation first, so that a few bright echoes do not decide. Taking the trend away
    narrows a Gaussian cell of 2 mm by 7 %.

    Args:
        image: ``(h, w)``.
        mask: ``(h, w)``.
        spacing_mm: Millimetres per pixel.

    Returns:
        Axial and lateral width; NaN where the mask is too small for the correlation to fall to one half.
    """
    grain = subtract_trend(image, mask, spacing_mm)
    power = trend(grain * grain, mask, spacing_mm, WINDOW_MM)
    grain = grain / np.sqrt(np.maximum(power, 1.0))
    down, across = (correlation_width(grain, mask, axis) * spacing_mm for axis in (0, 1))
    return down, across


def correlation_width(grain: FloatArray, mask: BoolArray, axis: int) -> float:
    """Full width at half maximum of the autocorrelation along an axis, in pixels.

    Between whole shifts the correlation is taken for a Gaussian, so widths down to about a pixel can be read.

    Args:
        grain: ``(h, w)`` of mean 0.
        mask: ``(h, w)``; pairs of which both pixels are inside count.
        axis: 0 down the image, 1 across.
    """
    before = 1.0
    for shift in range(1, grain.shape[axis] // 2):
        far, near = _shifted(shift, axis)
        both = mask[far] & mask[near]
        if both.sum() < MIN_PIXELS:
            break
        a, b = grain[far][both], grain[near][both]
        now = float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + _EPS))
        if now < 0.5:
            high, low = np.log(before), np.log(max(now, MIN_CORRELATION))
            part = (high - np.log(0.5)) / (high - low)
            return float(2 * np.sqrt((shift - 1) ** 2 + part * (2 * shift - 1)))
        before = now
    return float("nan")


def _shifted(shift: int, axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    whole = slice(None)
    far, near = slice(shift, None), slice(None, -shift)
    return ((far, whole), (near, whole)) if axis == 0 else ((whole, far), (whole, near))
