"""Ejection fraction and what follows from it: stroke volume, cardiac output, body surface, indexed values."""

from __future__ import annotations

import math

from lvef.core.errors import GeometryError

DUBOIS_FACTOR = 0.007184
"""Factor of the DuBois formula, m2 from kg and cm. Source: DuBois and DuBois, Arch Intern Med 1916;17:863."""

DUBOIS_WEIGHT_POWER = 0.425
"""Power of the weight in kg. Source: as `DUBOIS_FACTOR`."""

DUBOIS_HEIGHT_POWER = 0.725
"""Power of the height in cm. Source: as `DUBOIS_FACTOR`."""

HEIGHT_RANGE_CM = (30.0, 250.0)
"""Heights that are taken as a person's; outside, the unit is probably wrong (metres, inches, millimetres)."""

WEIGHT_RANGE_KG = (1.0, 400.0)
"""Weights that are taken as a person's; outside, the unit is probably wrong (grams)."""


def ejection_fraction(edv: float, esv: float) -> float:
    """Ejection fraction, EF = 100 (EDV - ESV) / EDV.

    The scale cancels: any unit will do. A negative EF (ESV above EDV) is returned as it is, because it is a
    finding about the tracing that must not be hidden.

    Args:
        edv: End-diastolic volume, above 0.
        esv: End-systolic volume, from 0 up, in the same unit.

    Returns:
        EF in percent.

    Raises:
        GeometryError: When EDV is not above 0, ESV is below 0, or one is not finite.

    Source:
        Lang et al., ASE/EACVI 2015, J Am Soc Echocardiogr 28:1-39.

    Examples:
        >>> ejection_fraction(120.0, 48.0)
        60.0
    """
    if not (math.isfinite(edv) and math.isfinite(esv)) or edv <= 0 or esv < 0:
        raise GeometryError(
            f"EDV {edv} and ESV {esv} give no ejection fraction; EDV must be above 0, ESV at least 0."
        )
    return min(100.0 * (edv - esv) / edv, 100.0)  # 100 and a rounding error where nothing is left


def stroke_volume(edv_ml: float, esv_ml: float) -> float:
    """Stroke volume, EDV - ESV, in the unit of the volumes.

    Args:
        edv_ml: End-diastolic volume.
        esv_ml: End-systolic volume.

    Examples:
        >>> stroke_volume(120.0, 48.0)
        72.0
    """
    return edv_ml - esv_ml


def cardiac_output(stroke_volume_ml: float, heart_rate_bpm: float) -> float:
    """Cardiac output in litres per minute.

    Args:
        stroke_volume_ml: Stroke volume.
        heart_rate_bpm: Beats per minute, above 0.

    Raises:
        GeometryError: When the heart rate is not above 0.

    Examples:
        >>> cardiac_output(70.0, 60.0)
        4.2
    """
    if not math.isfinite(heart_rate_bpm) or heart_rate_bpm <= 0:
        raise GeometryError(f"A heart rate of {heart_rate_bpm} per minute gives no cardiac output.")
    return stroke_volume_ml * heart_rate_bpm / 1000.0


def body_surface_area(height_cm: float, weight_kg: float) -> float:
    """Body surface area in m2 by DuBois: 0.007184 W^0.425 H^0.725.

    DuBois and not Mosteller, because the reference ranges of indexed volumes that readers compare with were
    gathered with it; the two differ by 1-2 % in adults.

    Args:
        height_cm: Height in centimetres.
        weight_kg: Weight in kilograms.

    Raises:
        GeometryError: When one lies outside `HEIGHT_RANGE_CM` or `WEIGHT_RANGE_KG`.

    Source:
        DuBois and DuBois, Arch Intern Med 1916;17:863.

    Examples:
        >>> round(body_surface_area(170.0, 70.0), 2)
        1.81
    """
    for name, value, (low, high) in (
        ("Height", height_cm, HEIGHT_RANGE_CM),
        ("Weight", weight_kg, WEIGHT_RANGE_KG),
    ):
        if not low <= value <= high:
            unit = "cm" if name == "Height" else "kg"
            raise GeometryError(f"{name} {value} is outside {low:g}-{high:g} {unit}: give it in {unit}.")
    return float(DUBOIS_FACTOR * weight_kg**DUBOIS_WEIGHT_POWER * height_cm**DUBOIS_HEIGHT_POWER)


def indexed_values(
    body_surface_m2: float,
    *,
    edv_ml: float | None = None,
    esv_ml: float | None = None,
    cardiac_output_l_min: float | None = None,
) -> dict[str, float]:
    """Volumes and output per square metre of body surface; only what can be had from the values given.

    Args:
        body_surface_m2: Body surface area in m2.
        edv_ml: End-diastolic volume.
        esv_ml: End-systolic volume.
        cardiac_output_l_min: Cardiac output.

    Returns:
        Any of ``edv_index_ml_m2``, ``esv_index_ml_m2``, ``stroke_volume_index_ml_m2``, ``cardiac_index_l_min_m2``.

    Raises:
        GeometryError: When the body surface is not above 0.

    Examples:
        >>> indexed_values(2.0, edv_ml=120.0)
        {'edv_index_ml_m2': 60.0}
    """
    if not math.isfinite(body_surface_m2) or body_surface_m2 <= 0:
        raise GeometryError(f"A body surface of {body_surface_m2} m2 cannot index anything.")
    values: dict[str, float] = {}
    if edv_ml is not None:
        values["edv_index_ml_m2"] = edv_ml / body_surface_m2
    if esv_ml is not None:
        values["esv_index_ml_m2"] = esv_ml / body_surface_m2
    if edv_ml is not None and esv_ml is not None:
        values["stroke_volume_index_ml_m2"] = stroke_volume(edv_ml, esv_ml) / body_surface_m2
    if cardiac_output_l_min is not None:
        values["cardiac_index_l_min_m2"] = cardiac_output_l_min / body_surface_m2
    return values
