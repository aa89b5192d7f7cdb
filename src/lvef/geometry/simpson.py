"""Volume formulas: disks in one plane, disks in two planes, area-length; and lengths and areas of a tracing.

Source of all three formulas: Lang et al., "Recommendations for Cardiac Chamber Quantification by
Echocardiography in Adults" (ASE/EACVI), J Am Soc Echocardiogr 2015;28:1-39, section 2 and table 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray, PixelGeometry, PixelSpacing, Tracing, aspect_of

MM3_PER_ML = 1000.0
"""Cubic millimetres in a millilitre."""


def disks_single_plane(diameters: ArrayLike, length: float) -> float:
    """Volume by the method of disks in one plane, V = pi/4 sum(d_i^2) L/n.

    Args:
        diameters: The n disk diameters, ``(n,)``.
        length: Long-axis length of this phase, in the unit of the diameters.

    Returns:
        Volume in the cube of that unit.

    Raises:
        GeometryError: When there is no disk, or a value is negative or not finite.

    Example:
        >>> round(disks_single_plane([2.0] * 20, 10.0), 3)  # a cylinder: pi r^2 L
        31.416
    """
    d = _checked(diameters, length)
    return float(np.pi / 4 * np.sum(d * d) * length / len(d))


def disks_biplane(a: ArrayLike, b: ArrayLike, length_a: float, length_b: float) -> float:
    """Volume by the method of disks in two planes, V = pi/4 sum(a_i b_i) L/n with L the longer axis.

    Args:
        a: Diameters in the first plane, ``(n,)``.
        b: Diameters in the second plane, ``(n,)``.
        length_a: Long-axis length in the first plane.
        length_b: Long-axis length in the second plane.

    Returns:
        Volume in the cube of the unit of the inputs.

    Raises:
        GeometryError: When the planes have unequal numbers of disks, or a value is negative or not finite.

    Example:
        >>> round(disks_biplane([2.0] * 20, [4.0] * 20, 10.0, 9.0), 3)
        62.832
    """
    first, second = _checked(a, length_a), _checked(b, length_b)
    if len(first) != len(second):
        raise GeometryError(
            f"The two planes have {len(first)} and {len(second)} disks; they must have as many."
        )
    return float(np.pi / 4 * np.sum(first * second) * max(length_a, length_b) / len(first))


def area_length(area: float, length: float) -> float:
    """Volume by the area-length method, V = 8 A^2 / (3 pi L).

    Args:
        area: Area of the cavity.
        length: Long-axis length of this phase.

    Returns:
        Volume in the cube of the length's unit.

    Raises:
        GeometryError: When the length is not above 0, the area is negative, or one is not finite.

    Example:
        >>> ellipsoid = 4 / 3 * np.pi * 2.0 * 2.0 * 5.0
        >>> round(area_length(np.pi * 2.0 * 5.0, 10.0) / ellipsoid, 6)
        1.0
    """
    if not (np.isfinite(area) and np.isfinite(length)) or length <= 0 or area < 0:
        raise GeometryError(
            f"Area {area} and length {length} give no volume; both must be finite and positive."
        )
    return float(8.0 * area * area / (3.0 * np.pi * length))


def axis_length(tracing: Tracing, spacing: PixelGeometry | None = None) -> float:
    """Length of the long axis: millimetres with a scale, pixel widths without."""
    return float(np.linalg.norm((tracing.base - tracing.apex) * _scale(spacing)))


def chord_lengths(tracing: Tracing, spacing: PixelGeometry | None = None) -> FloatArray:
    """The disk diameters, ``(20,)``: millimetres with a scale, pixel widths without."""
    ends = (tracing.chords[:, 1] - tracing.chords[:, 0]) * _scale(spacing)
    return np.asarray(np.hypot(ends[:, 0], ends[:, 1]), dtype=np.float64)


def area_of_tracing(tracing: Tracing, spacing: PixelGeometry | None = None) -> float:
    """Area inside the contour: square millimetres with a scale, square pixel widths without."""
    return polygon_area(tracing.contour * _scale(spacing))


def polygon_area(points: FloatArray) -> float:
    """Area of a closed polygon ``(k, 2)`` by the shoelace formula; its direction does not matter.

    Example:
        >>> polygon_area(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 3.0], [0.0, 3.0]]))
        6.0
    """
    x, y = points[:, 0], points[:, 1]
    cross = np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]) + x[-1] * y[0] - x[0] * y[-1]
    return float(abs(cross) / 2)


def volume_of_tracing(tracing: Tracing, spacing: PixelGeometry | None = None) -> float:
    """Volume by the method of disks: millilitres with a scale, cubic pixel widths without.

    Raises:
        GeometryError: When the tracing has no length.
    """
    cubic = disks_single_plane(chord_lengths(tracing, spacing), axis_length(tracing, spacing))
    return cubic / MM3_PER_ML if isinstance(spacing, PixelSpacing) else cubic


def _scale(spacing: PixelGeometry | None) -> FloatArray:
    """Length of a pixel in x and y: millimetres, or pixel widths where there are none."""
    if isinstance(spacing, PixelSpacing):
        return np.array([spacing.x_mm, spacing.y_mm])
    return np.array([1.0, aspect_of(spacing)])


def _checked(diameters: ArrayLike, length: float) -> FloatArray:
    d = np.asarray(diameters, dtype=np.float64).ravel()
    if len(d) == 0:
        raise GeometryError("There are no disks; the method of disks needs at least one.")
    if not (np.isfinite(length) and length > 0 and np.isfinite(d).all() and (d >= 0).all()):
        raise GeometryError(
            f"Disks need finite diameters from 0 up and a finite length above 0; the length is {length}, "
            f"the diameters run from {np.min(d)} to {np.max(d)}."
        )
    return d
