"""Volume formulas: disks in one plane, disks in two planes (biplane EF), area-length; and lengths and areas of a tracing.

Source of all three formulas: Lang et al., "Recommendations for Cardiac Chamber Quantification by
Echocardiography in Adults" (ASE/EACVI), J Am Soc Echocardiogr 2015;28:1-39, section 2 and table 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.errors import GeometryError
from lvef.core.records import CodedWarning, FloatArray, PixelGeometry, PixelSpacing, Tracing, aspect_of
from lvef.geometry.ejection import ejection_fraction

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

    Examples:
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

    Examples:
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

    Examples:
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
    """Length of the long axis: millimetres with a scale, pixel widths without.

    Args:
        tracing: Points in pixels.
        spacing: Size or shape of a pixel; None for square pixels of unknown size.
    """
    return float(np.linalg.norm((tracing.base - tracing.apex) * _scale(spacing)))


def chord_lengths(tracing: Tracing, spacing: PixelGeometry | None = None) -> FloatArray:
    """The disk diameters, ``(20,)``: millimetres with a scale, pixel widths without.

    Args:
        tracing: Points in pixels.
        spacing: Size or shape of a pixel; None for square pixels of unknown size.
    """
    ends = (tracing.chords[:, 1] - tracing.chords[:, 0]) * _scale(spacing)
    return np.asarray(np.hypot(ends[:, 0], ends[:, 1]), dtype=np.float64)


def area_of_tracing(tracing: Tracing, spacing: PixelGeometry | None = None) -> float:
    """Area inside the contour: square millimetres with a scale, square pixel widths without.

    Args:
        tracing: Points in pixels.
        spacing: Size or shape of a pixel; None for square pixels of unknown size.
    """
    return polygon_area(tracing.contour * _scale(spacing))


def polygon_area(points: FloatArray) -> float:
    """Area of a closed polygon ``(k, 2)`` by the shoelace formula; its direction does not matter.

    Examples:
        >>> polygon_area(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 3.0], [0.0, 3.0]]))
        6.0
    """
    return abs(signed_area(points))


def signed_area(points: FloatArray) -> float:
    """As `polygon_area`, negative where the polygon runs the other way round."""
    x, y = points[:, 0], points[:, 1]
    return float((np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]) + x[-1] * y[0] - x[0] * y[-1]) / 2)


def volume_of_tracing(tracing: Tracing, spacing: PixelGeometry | None = None) -> float:
    """Volume by the method of disks: millilitres with a scale, cubic pixel widths without.

    Args:
        tracing: Points in pixels.
        spacing: Size or shape of a pixel; None for square pixels of unknown size.

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


DISAGREEMENT_LIMIT = 0.10
"""Axes or cycles that differ by more than this share of the longer one raise a notice. Source: FACTS.md; the
ASE asks for axes within 10 % as a sign that neither view is foreshortened (Lang et al. 2015)."""


@dataclass(frozen=True, slots=True)
class BiplaneResult:
    """Biplane EF.

    Attributes:
        ef_percent: Biplane EF.
        edv_ml: Biplane end-diastolic millilitres, or None unless both views have a scale.
        esv_ml: As ``edv_ml``.
        axis: ``"longer"`` (both calibrated) or ``"a4c"`` (the A4C axis for both views).
        notices: Axes or cycles that differ by more than 10 %, and what could not be checked.
    """

    ef_percent: float
    edv_ml: float | None
    esv_ml: float | None
    axis: str
    notices: tuple[CodedWarning, ...] = ()


def biplane_ef(
    a4c_ed: Tracing,
    a4c_es: Tracing,
    a2c_ed: Tracing,
    a2c_es: Tracing,
    *,
    a4c_spacing: PixelGeometry | None = None,
    a2c_spacing: PixelGeometry | None = None,
    a4c_cycle_s: float | None = None,
    a2c_cycle_s: float | None = None,
) -> BiplaneResult:
    """Biplane method of disks of a pair of representative beats.

    With both views calibrated, the usual rule: V_p = pi/4 sum(a_i b_i) L_p / 20 in each phase p, L_p the longer of that
    phase's two axes.

    With a view without scale, let k be the unknown millimetres per pixel of the A2C (square pixels, one scale for the
    whole clip), a_i the A4C and b_i the A2C diameters in pixels, L_p the *A4C* axis of phase p. Then V_p = pi/4 sum(a_i
    (k b_i)) L_p / 20 = k W_p and EF = 100 (W_ED - W_ES) / W_ED: k cancels, and so does the scale of the A4C. Assuming
    equal ED axes would give the same EF. Assuming equal axes in *each* phase would not: it gives the two phases
    different k, and an A2C foreshortened in one phase only would change the EF through its diameters, which
    foreshortening hardly affects. The rule "the longer axis" and millilitres need k and are not available.

    Args:
        a4c_ed: A4C tracing at end-diastole.
        a4c_es: A4C tracing at end-systole.
        a2c_ed: A2C tracing at end-diastole.
        a2c_es: A2C tracing at end-systole.
        a4c_spacing: Scale of the A4C, or None.
        a2c_spacing: Scale of the A2C, or None.
        a4c_cycle_s: Cycle length of the A4C beat in seconds, or None when unknown.
        a2c_cycle_s: Cycle length of the A2C beat in seconds, or None when unknown.

    Returns:
        EF, volumes where both views are calibrated, notices.

    Raises:
        GeometryError: When a tracing has no volume.

    Source:
        Lang et al., ASE/EACVI 2015, J Am Soc Echocardiogr 28:1-39; the case without scale is derived here.
    """
    calibrated = isinstance(a4c_spacing, PixelSpacing) and isinstance(a2c_spacing, PixelSpacing)
    volumes, notices = [], []
    for phase, four, two in (("ED", a4c_ed, a2c_ed), ("ES", a4c_es, a2c_es)):
        length_four, length_two = axis_length(four, a4c_spacing), axis_length(two, a2c_spacing)
        volumes.append(
            disks_biplane(
                chord_lengths(four, a4c_spacing),
                chord_lengths(two, a2c_spacing),
                length_four,
                length_two if calibrated else length_four,
            )
        )
        if calibrated and _differ(length_four, length_two):
            text = (
                f"The long axes at {phase} differ by more than {DISAGREEMENT_LIMIT:.0%} "
                f"({length_four:.0f} mm in A4C, {length_two:.0f} mm in A2C): one view is probably "
                "foreshortened."
            )
            notices.append(CodedWarning("axes_differ", text))
    if not calibrated:
        text = (
            "A view has no scale: the A4C long axis is used for both, the two axes cannot be compared, "
            "and there are no biplane millilitres."
        )
        notices.append(CodedWarning("axes_not_compared", text))
    if a4c_cycle_s is not None and a2c_cycle_s is not None and _differ(a4c_cycle_s, a2c_cycle_s):
        text = (
            f"The two beats differ in length by more than {DISAGREEMENT_LIMIT:.0%} "
            f"({a4c_cycle_s:.2f} s in A4C, {a2c_cycle_s:.2f} s in A2C): they were recorded at different "
            "heart rates."
        )
        notices.append(CodedWarning("cycles_differ", text))
    edv, esv = volumes
    return BiplaneResult(
        ef_percent=ejection_fraction(edv, esv),
        edv_ml=edv / MM3_PER_ML if calibrated else None,
        esv_ml=esv / MM3_PER_ML if calibrated else None,
        axis="longer" if calibrated else "a4c",
        notices=tuple(notices),
    )


def _differ(first: float, second: float) -> bool:
    return bool(abs(first - second) > DISAGREEMENT_LIMIT * np.maximum(first, second))
