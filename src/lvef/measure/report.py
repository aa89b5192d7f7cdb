"""A `Measurement` as JSON and back: the schema ``lvef-measurement/2``.

The layout is described for people in ``docs/reference/measurement-schema.md`` and for programs in
``measurement.schema.json`` beside this module. No NaN is ever written: what is not known is ``null``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import DataError
from lvef.core.records import (
    Beat,
    CodedWarning,
    Correction,
    FloatArray,
    Measurement,
    Provenance,
    Tracing,
    geometry_of,
)
from lvef.core.terms import Status, View

SCHEMA = "lvef-measurement/2"
"""Name and version of the layout; the number grows when a key goes or changes its meaning."""

SCHEMA_FILE = Path(__file__).with_name("measurement.schema.json")
"""The layout as a JSON Schema (draft 2020-12)."""

_SIGNIFICANT_DIGITS = 9
# A contour of 100 points would be 400 lines long: points are drawn together to ``[x, y]``, and lists of
# points to one line. A line break cannot stand inside a JSON string, so this touches nothing but the layout.
_BROKEN_POINT = re.compile(r"\[\n\s+(-?[\d.]+),\n\s+(-?[\d.]+)\n\s+\]")
_BETWEEN_POINTS = re.compile(r"(?<=\d\]),\n\s+(?=\[-?\d)")


def measurement_to_dict(measurement: Measurement) -> dict[str, Any]:
    """Describe a measurement with plain values, in the layout ``lvef-measurement/2``.

    Args:
        measurement: Any measurement; refused and failed ones too.

    Returns:
        Strings, numbers, lists and mappings only; every key of the schema is there.
    """
    m = measurement
    values = {
        "schema": SCHEMA,
        "source": m.source,
        "status": m.status,
        "reason": m.reason,
        "reason_code": m.reason_code,
        "method": m.method,
        "view": m.view,
        "ef_percent": m.ef_percent,
        "edv_ml": m.edv_ml,
        "esv_ml": m.esv_ml,
        "stroke_volume_ml": m.stroke_volume_ml,
        "volume_note": m.volume_note,
        "indexed": m.indexed,
        "categories": m.categories,
        "ed_frame": m.ed_frame,
        "es_frame": m.es_frame,
        "ed_time_s": frame_time_s(m, m.ed_frame),
        "es_time_s": frame_time_s(m, m.es_frame),
        "volume_unit": volume_unit(m),
        "beats": [_beat_to_dict(m, beat) for beat in m.beats],
        "ef_mean_percent": m.ef_mean_percent,
        "ef_sd_percent": m.ef_sd_percent,
        "beats_averaged": m.beats_averaged,
        "heart_rate_bpm": m.heart_rate_bpm,
        "heart_rate_source": m.heart_rate_source,
        "n_frames": m.n_frames,
        "frame_rate_hz": m.frame_rate_hz,
        "duration_s": m.duration_s,
        "timing": m.timing,
        "spacing": m.spacing,
        "notices": m.notices,
        "single_plane": m.single_plane,
        "counts": m.counts,
        "correction": m.correction,
        "tracings": _tracings_to_dict(m),
        "provenance": m.provenance,
    }
    return {key: _plain(value) for key, value in values.items()}


def to_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write plain values as indented JSON with a final line break, points ``[x, y]`` on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return _BETWEEN_POINTS.sub(", ", _BROKEN_POINT.sub(r"[\1, \2]", text)) + "\n"


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
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); a measurement.json was expected."
        ) from None
    except ValueError:
        raise DataError(
            f"{path} is not valid JSON; a measurement.json was expected: measure the file again."
        ) from None
    found = values.get("schema") if isinstance(values, dict) else None
    if found != SCHEMA:
        raise DataError(f"{path} has the layout {found}; {SCHEMA} was expected: measure the file again.")
    try:
        return _measurement_from_dict(values)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} does not hold what {SCHEMA} promises ({error}): measure the file again."
        ) from None


def frame_time_s(measurement: Measurement, frame: int | None) -> float | None:
    """Time of a frame in seconds from the clip's first; None without such a frame or a clock (stills)."""
    curve = measurement.curve
    if (
        frame is None
        or curve is None
        or measurement.duration_s is None
        or not 0 <= frame < len(curve.times_s)
    ):
        return None
    return _number(curve.times_s[frame])


def volume_unit(measurement: Measurement) -> str:
    """Unit of the curve's and the beats' volumes: ``ml`` where the file has a scale, else ``relative``."""
    if measurement.curve is not None:
        return "ml" if measurement.curve.calibrated else "relative"
    return "ml" if measurement.edv_ml is not None else "relative"


def printable(name: str) -> str:
    """A file name that can be written as UTF-8: bytes that no character stands for become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _beat_to_dict(measurement: Measurement, beat: Beat) -> dict[str, Any]:
    return {
        "ed_frame": beat.ed_frame,
        "es_frame": beat.es_frame,
        "end_frame": beat.end_frame,
        "ed_time_s": frame_time_s(measurement, beat.ed_frame),
        "es_time_s": frame_time_s(measurement, beat.es_frame),
        "end_time_s": frame_time_s(measurement, beat.end_frame),
        "ed_volume": beat.ed_volume,
        "es_volume": beat.es_volume,
        "ef_percent": beat.ef_percent,
        "duration_s": beat.duration_s,
        "counted": not beat.excluded,
        "shown": measurement.is_shown(beat),
        "excluded": beat.excluded,
    }


def _tracings_to_dict(measurement: Measurement) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for phase, frame in (("ed", measurement.ed_frame), ("es", measurement.es_frame)):
        tracing = (
            measurement.tracings[frame] if frame is not None and frame < len(measurement.tracings) else None
        )
        if tracing is not None:
            found[phase] = {
                f.name: np.round(getattr(tracing, f.name), 2).tolist() for f in dataclasses.fields(tracing)
            }
    return found


def _measurement_from_dict(values: dict[str, Any]) -> Measurement:
    own = {f.name for f in dataclasses.fields(Measurement)}
    kept = {key: value for key, value in values.items() if key in own}
    beats = tuple(_beat_from_dict(beat) for beat in values["beats"])
    last = max((f for f in (values["ed_frame"], values["es_frame"]) if f is not None), default=-1)
    tracings: list[Tracing | None] = [None] * (last + 1)
    for phase, fields in values["tracings"].items():
        tracings[values[f"{phase}_frame"]] = Tracing(**{k: _points(v) for k, v in fields.items()})
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


def _points(value: list[Any]) -> FloatArray:
    return np.asarray(value, dtype=np.float64)


def _number(value: float | np.floating[Any] | None) -> float | None:
    """A plain float of nine significant digits, or None for what is not a number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.{_SIGNIFICANT_DIGITS}g}")


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Any value of a record as JSON knows it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return _number(value)
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value
