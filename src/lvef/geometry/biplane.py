"""Biplane volumes and EF from one A4C and one A2C beat.

Both views calibrated
    The usual rule: V_p = pi/4 sum(a_i b_i) L_p / 20 in each phase p, L_p the longer of that phase's two axes.

A view without scale
    Let k be the unknown millimetres per pixel of the A2C (square pixels, one scale for the whole clip), a_i
    the A4C and b_i the A2C diameters in pixels, L_p the *A4C* axis of phase p. Then

        V_p = pi/4 sum(a_i (k b_i)) L_p / 20 = k W_p,    EF = 100 (V_ED - V_ES) / V_ED = 100 (W_ED - W_ES) /
        W_ED:

    k cancels, and so does the scale of the A4C. Taking k from "both ED axes are one length" would give the
    same EF. What must *not* be done is to make the A2C axis as long as the A4C axis in *each* phase: that
    gives the two phases different k, and an A2C foreshortened in one phase only would change the EF through
    its diameters, which foreshortening hardly touches. The rule "the longer axis" needs k and therefore
    cannot be used here. Millilitres need k as well: they are None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvef.core.records import CodedWarning, PixelGeometry, PixelSpacing, Tracing
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import MM3_PER_ML, axis_length, chord_lengths, disks_biplane, volume_of_tracing

DISAGREEMENT_LIMIT = 0.10
"""Axes or cycles that differ by more than this share of the longer one raise a notice. Source: FACTS.md; the
ASE asks for axes within 10 % as the sign that neither view is foreshortened (Lang et al. 2015)."""


@dataclass(frozen=True, slots=True)
class BiplaneResult:
    """Biplane EF with both single-plane EFs beside it.

    Attributes:
        ef_percent: Biplane EF.
        edv_ml: Biplane end-diastolic millilitres, or None unless both views have a scale.
        esv_ml: As ``edv_ml``.
        ef_a4c_percent: Single-plane EF of the A4C pair.
        ef_a2c_percent: Single-plane EF of the A2C pair.
        axis: ``"longer"`` (both calibrated) or ``"a4c"`` (the A4C axis for both views).
        notices: Axes or cycles that differ by more than 10 %, and what could not be checked.
    """

    ef_percent: float
    edv_ml: float | None
    esv_ml: float | None
    ef_a4c_percent: float
    ef_a2c_percent: float
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
        EF, volumes where both views are calibrated, single-plane EFs, notices.

    Raises:
        GeometryError: When a tracing has no volume.

    Source:
        Lang et al., ASE/EACVI 2015, J Am Soc Echocardiogr 28:1-39; the case without scale is derived above.
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
            notices.append(
                CodedWarning(
                    "axes_differ",
                    f"The long axes at {phase} differ by more than {DISAGREEMENT_LIMIT:.0%} "
                    f"({length_four:.0f} mm in A4C, {length_two:.0f} mm in A2C): one view is probably "
                    "foreshortened.",
                )
            )
    if not calibrated:
        notices.append(
            CodedWarning(
                "axes_not_compared",
                "A view has no scale: the A4C long axis stands for both, the two axes cannot be compared, "
                "and there are no biplane millilitres.",
            )
        )
    if a4c_cycle_s is not None and a2c_cycle_s is not None and _differ(a4c_cycle_s, a2c_cycle_s):
        notices.append(
            CodedWarning(
                "cycles_differ",
                f"The two beats differ in length by more than {DISAGREEMENT_LIMIT:.0%} "
                f"({a4c_cycle_s:.2f} s in A4C, {a2c_cycle_s:.2f} s in A2C): they were not made at the same "
                "heart rate.",
            )
        )
    edv, esv = volumes
    return BiplaneResult(
        ef_percent=ejection_fraction(edv, esv),
        edv_ml=edv / MM3_PER_ML if calibrated else None,
        esv_ml=esv / MM3_PER_ML if calibrated else None,
        ef_a4c_percent=_single(a4c_ed, a4c_es, a4c_spacing),
        ef_a2c_percent=_single(a2c_ed, a2c_es, a2c_spacing),
        axis="longer" if calibrated else "a4c",
        notices=tuple(notices),
    )


def _single(ed: Tracing, es: Tracing, spacing: PixelGeometry | None) -> float:
    return ejection_fraction(volume_of_tracing(ed, spacing), volume_of_tracing(es, spacing))


def _differ(first: float, second: float) -> bool:
    return bool(abs(first - second) > DISAGREEMENT_LIMIT * np.maximum(first, second))
