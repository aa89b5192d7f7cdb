"""What a visitor chooses under *Settings*, validated, and the options of a measurement that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lvef.core.errors import GeometryError, LvefError
from lvef.core.terms import GIVEN_VIEWS, Sex, View
from lvef.geometry.ejection import body_surface_area
from lvef.measure.options import AUTO, MeasureOptions
from lvef.measure.scale import check_scale_options
from lvef.service.errors import bad_request
from lvef.webapp.sessions import CLIP, STILLS, STUDY

DEFAULTS: dict[str, Any] = {
    "sex": None,
    "height_cm": None,
    "weight_kg": None,
    "weights": "",
    "view": str(View.UNKNOWN),
    "frame_rate_hz": None,
    "second_opinion": False,
}
"""What holds until a visitor chooses something else; empty weights are the page's own model."""

RANGES = {
    "height_cm": ("The height", "cm", 40.0, 250.0),
    "weight_kg": ("The weight", "kg", 2.0, 400.0),
    "frame_rate_hz": ("The frame rate", "frames per second", 1.0, 1000.0),
}
"""What a number may be: its name, unit, and both ends."""

MAX_LINE_MM = 500.0
"""Longest line of known length."""


def parse_choices(given: Any, before: Mapping[str, Any], models: Mapping[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """What a visitor chose, with what they chose before.

    Args:
        given: Body of a request: some or all of `DEFAULTS`.
        before: What holds where it says nothing.
        models: Installed models: name and what to load.

    Raises:
        ApiError: A value that cannot be, in one sentence.
    """
    if not isinstance(given, dict):
        raise bad_request("Options were expected.")
    unknown = sorted(str(key) for key in given.keys() - DEFAULTS.keys())
    if unknown:
        raise bad_request(f"The option {unknown[0][:40]!r} is not known.")
    values = {**DEFAULTS, **before, **given}
    if values["sex"] not in (None, *Sex):
        raise bad_request("The sex is female, male or not given.")
    if values["view"] not in (*GIVEN_VIEWS, None):
        raise bad_request("The view is A4C, A2C or as stated in the file.")
    values["view"] = values["view"] or str(View.UNKNOWN)
    for name, (label, unit, low, high) in RANGES.items():
        values[name] = _number(values[name], label, unit, low, high)
    if (values["height_cm"] is None) != (values["weight_kg"] is None):
        raise bad_request("Height and weight go together: give both.")
    if values["height_cm"] is not None:
        try:
            body_surface_area(values["height_cm"], values["weight_kg"])
        except GeometryError as error:
            raise bad_request(str(error)) from None
    values["weights"] = values["weights"] or ""
    if values["weights"] not in ("", *models):
        raise bad_request("This model is not installed; choose another one.")
    if not isinstance(values["second_opinion"], bool):
        raise bad_request("The second opinion is on or off.")
    return values


def measure_options(
    choices: Mapping[str, Any],
    kind: str,
    base: MeasureOptions,
    models: Mapping[str, str],
    scales: Mapping[str, Any] | None = None,
) -> MeasureOptions:
    """The options of a measurement.

    Args:
        choices: As `parse_choices` returns them.
        kind: Of the item: stills have no frame rate, and the views of a study are known.
        base: Of this page.
        models: Installed models: name and what to load.
        scales: As `parse_scales` returns them.
    """
    lines = {part: (*one["line"], one["length_mm"]) for part, one in (scales or {}).items()}
    return replace(
        patient_options(choices, base),
        weights=models.get(choices["weights"], base.weights),
        view=View.UNKNOWN if kind == STUDY else View(choices["view"]),
        frame_rate_hz=None if kind == STILLS else choices["frame_rate_hz"],
        second_opinion=AUTO if choices["second_opinion"] else "",
        scale_line=lines.get("A4C" if kind == STUDY else ""),
        a2c_scale_line=lines.get("A2C"),
        # A line belongs to the image that it was drawn on.
        a2c_keeps_scale=kind == STUDY and bool(lines),
        prefer_manual_scale=bool(lines),
    )


def patient_options(choices: Mapping[str, Any], base: MeasureOptions) -> MeasureOptions:
    """The options of a page with a visitor's sex, height and weight."""
    values = {**DEFAULTS, **choices}
    return replace(
        base,
        sex=None if values["sex"] is None else Sex(values["sex"]),
        height_cm=values["height_cm"],
        weight_kg=values["weight_kg"],
    )


def parse_scales(given: Any, before: Mapping[str, Any] | None, kind: str) -> dict[str, Any] | None:  # noqa: ANN401
    """Lines of known length by part, with those that were given before.

    Args:
        given: ``{"line": [x1, y1, x2, y2], "length_mm": ...}``, of a study with its ``part``, or a list of these; None for
            no scale at all.
        before: What this returned before.
        kind: Of the item.

    Raises:
        ApiError: One is no such line.
    """
    if given is None:
        return None
    scales = dict(before or {})
    for one in given if isinstance(given, list) else [given]:
        part, scale = _parse_scale(one, kind)
        scales[part] = scale
    return scales or None


def _parse_scale(given: Any, kind: str) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
    if not isinstance(given, dict) or not isinstance(given.get("line"), list) or len(given["line"]) != 4:
        raise bad_request("A line of known length has two ends and a length in millimetres.")
    line = [_number(value, "An end of the line", "pixels", -1e5, 1e5) for value in given["line"]]
    length_mm = _number(given.get("length_mm"), "The length of the line", "mm", 1.0, MAX_LINE_MM)
    if None in line or length_mm is None:
        raise bad_request("A line of known length has two ends and a length in millimetres.")
    part = given.get("part") or ""
    if part not in (("A4C", "A2C") if kind == STUDY else ("",)):
        raise bad_request("There is no such view in this study.")
    try:
        check_scale_options(MeasureOptions(scale_line=(*line, length_mm)))  # type: ignore[arg-type]
    except LvefError as error:
        raise bad_request(str(error)) from None
    return part, {"line": line, "length_mm": length_mm}


def parse_kind(kind: Any) -> str:  # noqa: ANN401
    """The kind of an item from a request.

    Raises:
        ApiError: There is no such kind.
    """
    if kind not in (CLIP, STILLS, STUDY):
        raise bad_request("Add a clip, a pair of stills or a study.")
    return str(kind)


def _number(value: Any, label: str, unit: str, low: float, high: float) -> float | None:  # noqa: ANN401
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low <= value <= high:
        raise bad_request(f"{label} must be {low:g} to {high:g} {unit}.")
    return float(value)
