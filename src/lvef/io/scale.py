"""Whether a number in a file can be the size or shape of an echo picture's pixel."""

from __future__ import annotations

import math

from lvef.core.records import CodedWarning, PixelAspect, PixelSpacing

MIN_SPACING_MM = 0.01
"""Finer than ultrasound resolves at cardiac depth by more than an order of magnitude."""

MAX_SPACING_MM = 5.0
"""Coarser than this a ventricle of 90 mm would be 18 pixels long: the unit is wrong."""

MAX_ASPECT = 4.0
"""Pixels longer than this many times their width are no picture's: anamorphic formats reach 2."""

SQUARE = 0.005
"""A pixel whose sides differ by less is square."""


def plausible_aspect(aspect: float) -> bool:
    """Whether the height of a pixel over its width can be that of an echo picture."""
    return 1.0 / MAX_ASPECT <= aspect <= MAX_ASPECT


def checked_aspect(aspect: float, source: str) -> tuple[PixelAspect | None, tuple[CodedWarning, ...]]:
    """Return the shape of a pixel, None for a square one or one that cannot be; the latter with a warning.

    Args:
        aspect: Height over width.
        source: What in the file says so, for example ``"sample aspect ratio"``.
    """
    if not plausible_aspect(aspect):
        text = f"The file's {source} cannot be: {aspect:.3g} (height over width of a pixel). Square ones are assumed."
        return None, (CodedWarning("bad_aspect", text),)
    return (None if abs(aspect - 1.0) < SQUARE else PixelAspect(aspect, source)), ()


def checked_spacing(x_mm: float, y_mm: float, source: str) -> tuple[PixelSpacing | None, str]:
    """Return the spacing, or None and the reason in one sentence.

    Args:
        x_mm: Width of a pixel in mm; the sign is ignored.
        y_mm: Height of a pixel in mm; the sign is ignored.
        source: What in the file says so, for example ``"Pixel Spacing"``.
    """
    x_mm, y_mm = abs(x_mm), abs(y_mm)
    if x_mm and y_mm and not plausible_aspect(y_mm / x_mm):
        return (
            None,
            f"The {source} of {x_mm:.4g} x {y_mm:.4g} mm has pixels too long to be those of an echo picture.",
        )
    if all(math.isfinite(v) and MIN_SPACING_MM <= v <= MAX_SPACING_MM for v in (x_mm, y_mm)):
        return PixelSpacing(x_mm, y_mm, source), ""
    return None, f"The {source} of {x_mm:.4g} x {y_mm:.4g} mm per pixel cannot be that of an echo picture."
