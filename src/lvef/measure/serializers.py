"""A `Measurement` as JSON and back, and as tables: the schema ``lvef-measurement/2`` and three kinds of CSV.

The layout is described for people in ``docs/reference/measurement-schema.md`` and for programs by
`measurement_schema`. No NaN is ever written: what is not known is ``null``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from lvef.core.config import fits
from lvef.core.errors import DataError
from lvef.core.fields import FIELDS
from lvef.core.records import (
    Beat,
    CodedWarning,
    Correction,
    FloatArray,
    ImageQuality,
    Measurement,
    Provenance,
    SecondOpinion,
    Tracing,
    geometry_of,
)
from lvef.core.serialization import csv_cell, csv_text, read_json, to_json, to_plain
from lvef.core.terms import Status, View

SCHEMA = "lvef-measurement/2"
"""Name and version of the layout; the number grows when a key goes or changes its meaning."""

MEASUREMENT_NAME = "measurement.json"
"""The whole measurement, in the schema ``lvef-measurement/2``."""

CURVE_NAME = "curve.csv"
"""Volume and length on every frame."""

BEATS_NAME = "beats.csv"
"""All beats, excluded ones with their reason."""

_RECORDS_FILE = Path(__file__).with_name("measurement.schema.json")


def measurement_to_dict(measurement: Measurement) -> dict[str, Any]:
    """Describe a measurement with plain values, in the layout ``lvef-measurement/2``.

    Args:
        measurement: Any measurement; refused and failed ones too.

    Returns:
        Strings, numbers, lists and mappings only; every key of the schema is there.
    """
    return {
        field.key: to_plain(_VALUES.get(field.key, field.value_of)(measurement))
        for field in FIELDS
        if field.schema is not None
    }


def measurement_schema() -> dict[str, Any]:
    """The layout as a JSON Schema (draft 2020-12): values of `lvef.core.fields`, records of the file beside this module."""
    schema: dict[str, Any] = json.loads(_RECORDS_FILE.read_text(encoding="utf-8"))
    fields = [field for field in FIELDS if field.schema is not None]
    properties = {
        field.key: {"description": field.description, **(field.schema or schema["properties"][field.key])}
        for field in fields
    }
    return schema | {"properties": properties, "required": [f.key for f in fields if f.required]}


def measurement_json(measurement: Measurement) -> str:
    """Write a measurement as the text of ``measurement.json``."""
    return to_json(measurement_to_dict(measurement))


def read_measurement(path: Path) -> Measurement:
    """Read a ``measurement.json`` back.

    The curve is in ``curve.csv`` and does not come back; of the tracings only those of ED and ES do.

    Args:
        path: The file.

    Raises:
        DataError: The file cannot be read or is not of this layout.
    """
    remedy = "a measurement.json was expected: measure the file again"
    return measurement_from_values(read_json(path, remedy), str(path))


def measurement_from_values(values: Any, source: str) -> Measurement:  # noqa: ANN401
    """A measurement from the plain values of a ``measurement.json``; ``source`` names it in messages.

    Raises:
        DataError: The values are not of this layout.
    """
    found = values.get("schema") if isinstance(values, dict) else None
    if found != SCHEMA:
        raise DataError(f"{source} has the layout {found}; {SCHEMA} was expected: measure the file again.")
    try:
        measurement = _measurement_from_dict(values)
        wrong = [n for n, h in get_type_hints(Measurement).items() if not fits(h, getattr(measurement, n))]
        if wrong:
            raise ValueError(f"{wrong[0]} is of another kind")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise DataError(
            f"{source} does not hold what {SCHEMA} promises ({error}): measure the file again."
        ) from None
    return measurement


def _beat_to_dict(measurement: Measurement, beat: Beat) -> dict[str, Any]:
    return {
        "ed_frame": beat.ed_frame,
        "es_frame": beat.es_frame,
        "end_frame": beat.end_frame,
        "ed_time_s": measurement.frame_time_s(beat.ed_frame),
        "es_time_s": measurement.frame_time_s(beat.es_frame),
        "end_time_s": measurement.frame_time_s(beat.end_frame),
        "ed_volume": beat.ed_volume,
        "es_volume": beat.es_volume,
        "ef_percent": beat.ef_percent,
        "duration_s": beat.duration_s,
        "counted": not beat.excluded,
        "shown": measurement.is_shown(beat),
        "excluded": beat.excluded,
    }


def _tracings_to_dict(measurement: Measurement) -> dict[str, Any]:
    tracings = {
        "ed": measurement.tracing(measurement.ed_frame),
        "es": measurement.tracing(measurement.es_frame),
    }
    return {
        phase: {f.name: np.round(getattr(tracing, f.name), 2).tolist() for f in dataclasses.fields(tracing)}
        for phase, tracing in tracings.items()
        if tracing is not None
    }


_VALUES: dict[str, Callable[[Measurement], Any]] = {
    "schema": lambda m: SCHEMA,
    "beats": lambda m: [_beat_to_dict(m, beat) for beat in m.beats],
    "tracings": _tracings_to_dict,
    "quality": lambda m: m.quality,
    "second_opinion": lambda m: m.second_opinion,
}


MOST_FRAMES = 10**6
"""A frame number beyond this is none of a clip: hours of a cine."""

_TRACING_SHAPES = {"apex": (2,), "base": (2,), "mitral": (2, 2), "chords": (20, 2, 2)}


def _measurement_from_dict(values: dict[str, Any]) -> Measurement:
    own = {f.name for f in dataclasses.fields(Measurement)}
    kept = {key: value for key, value in values.items() if key in own}
    beats = tuple(_beat_from_dict(beat) for beat in values["beats"])
    shown = [frame for frame in (values["ed_frame"], values["es_frame"]) if frame is not None]
    last = max(shown, default=-1)
    if not -1 <= last < MOST_FRAMES or min(shown, default=0) < 0:
        raise ValueError(f"frame {last}")
    tracings: list[Tracing | None] = [None] * (last + 1)
    for phase, fields in values["tracings"].items():
        tracing = Tracing(**{k: _points(v) for k, v in fields.items()})
        if tracing.contour.shape[1:] != (2,) or not all(
            getattr(tracing, name).shape == shape for name, shape in _TRACING_SHAPES.items()
        ):
            raise ValueError(f"the tracing of {phase}")
        tracings[values[f"{phase}_frame"]] = tracing
    return Measurement(
        **kept
        | {
            "status": Status(values["status"]),
            "view": View(values["view"]),
            "beats": beats,
            "notices": tuple(CodedWarning(n["code"], n["text"]) for n in values["notices"]),
            "spacing": geometry_of(values["spacing"]),
            "provenance": Provenance(**values["provenance"]) if values["provenance"] else None,
            "correction": _correction(values.get("correction")),
            "quality": _quality(values.get("quality")),
            "second_opinion": SecondOpinion(**other) if (other := values.get("second_opinion")) else None,
            "tracings": tuple(tracings) if any(tracings) else (),
        }
    )


def _beat_from_dict(values: dict[str, Any]) -> Beat:
    own = {f.name: values[f.name] for f in dataclasses.fields(Beat)}
    # A number that could not be written as JSON was null.
    for name in ("ed_volume", "es_volume", "ef_percent"):
        own[name] = math.nan if own[name] is None else own[name]
    return Beat(**own)


def _correction(values: dict[str, Any] | None) -> Correction | None:
    return None if values is None else Correction(**values | {"changed": tuple(values["changed"])})


def _quality(values: dict[str, Any] | None) -> ImageQuality | None:
    return None if values is None else ImageQuality(**values | {"advice": tuple(values["advice"])})


def _points(value: list[Any]) -> FloatArray:
    return np.asarray(value, dtype=np.float64)


RESULT_COLUMNS = tuple(
    field.key for field in sorted(FIELDS, key=lambda field: field.column or 0) if field.column is not None
)
"""Columns of ``results.csv``. Their order is a promise: new ones are added at the end."""

Row = dict[str, str]
"""One line of ``results.csv``: text under each of `RESULT_COLUMNS`, empty for what is not known."""


def curve_csv(measurement: Measurement) -> str:
    """Write the volume curve: one line a frame, empty cells where no ventricle was traced.

    Columns: ``frame``, ``time_s``, ``volume_ml`` (or ``volume_relative``), ``length_mm`` (or ``length_px``),
    and ``phase``, which names the end-diastoles and end-systoles of all beats.
    """
    curve = measurement.curve
    measured = (
        ("volume_ml", "length_mm") if measurement.volume_unit == "ml" else ("volume_relative", "length_px")
    )
    header = ("frame", "time_s", *measured, "phase")
    if curve is None:
        return csv_text(header, ())
    phases: dict[int, str] = {}
    for beat in measurement.beats:
        phases[beat.es_frame] = "ES"
        phases[beat.ed_frame] = "ED"
        if beat.end_frame is not None:
            phases[beat.end_frame] = "ED"
    values = enumerate(zip(curve.volume.tolist(), curve.length.tolist(), strict=True))
    lines = (
        (frame, *map(csv_cell, (measurement.frame_time_s(frame), *both)), phases.get(frame, ""))
        for frame, both in values
    )
    return csv_text(header, lines)


def beats_csv(measurement: Measurement) -> str:
    """Write all beats, excluded ones with their reason; ``shown`` marks the one whose ED and ES are shown."""
    unit = measurement.volume_unit
    header = (
        "beat", "ed_frame", "es_frame", "end_frame", "ed_time_s", "es_time_s", "end_time_s",
        f"ed_volume_{unit}", f"es_volume_{unit}", "ef_percent", "duration_s", "counted", "shown", "excluded",
    )  # fmt: skip
    lines = (
        (number, *map(csv_cell, _beat_to_dict(measurement, beat).values()))
        for number, beat in enumerate(measurement.beats, start=1)
    )
    return csv_text(header, lines)


def result_row(measurement: Measurement, path: str, folder: str = "") -> Row:
    """One line of ``results.csv``.

    Args:
        measurement: The measurement of this file.
        path: The file's name as the user gave it.
        folder: Name of the folder with its outputs, inside the output folder.
    """
    given = {"path": path, "folder": folder}
    return {
        field.key: csv_cell(given[field.key] if field.key in given else field.value_of(measurement))
        for field in sorted(FIELDS, key=lambda field: field.column or 0)
        if field.column is not None
    }


def results_csv(rows: Iterable[Row]) -> str:
    """Write the lines of ``results.csv`` with their header."""
    return csv_text(RESULT_COLUMNS, ([row.get(column, "") for column in RESULT_COLUMNS] for row in rows))
