"""Whether a number in a file can be the size of an echo picture's pixel."""

from __future__ import annotations

import math

from lvef.core.records import PixelSpacing

MIN_SPACING_MM = 0.01
"""Finer than ultrasound resolves at cardiac depth by more than an order of magnitude."""

MAX_SPACING_MM = 5.0
"""Coarser than this a ventricle of 90 mm would be 18 pixels long: the unit is wrong."""


def checked_spacing(x_mm: float, y_mm: float, source: str) -> tuple[PixelSpacing | None, str]:
    """Return the spacing, or None and the reason in one sentence.

    Args:
        x_mm: Width of a pixel in mm; the sign is ignored.
        y_mm: Height of a pixel in mm; the sign is ignored.
        source: What in the file says so, for example ``"Pixel Spacing"``.
    """
    x_mm, y_mm = abs(x_mm), abs(y_mm)
    if all(math.isfinite(v) and MIN_SPACING_MM <= v <= MAX_SPACING_MM for v in (x_mm, y_mm)):
        return PixelSpacing(x_mm, y_mm, source), ""
    return None, f"The {source} of {x_mm:.4g} x {y_mm:.4g} mm per pixel cannot be that of an echo picture."
