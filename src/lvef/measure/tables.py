"""A `Measurement` as tables: ``curve.csv``, ``beats.csv`` and a line of ``results.csv``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from lvef.core.records import Measurement
from lvef.measure.report import frame_time_s, printable, volume_unit

RESULT_COLUMNS = (
    "path",
    "status",
    "ef_percent",
    "edv_ml",
    "esv_ml",
    "stroke_volume_ml",
    "beats",
    "beats_excluded",
    "ef_mean_percent",
    "ef_sd_percent",
    "heart_rate_bpm",
    "ed_frame",
    "es_frame",
    "view",
    "method",
    "heart_failure_range",
    "n_frames",
    "frame_rate_hz",
    "duration_s",
    "warnings",
    "reason_code",
    "reason",
    "volume_note",
    "weights",
    "precision",
    "seconds",
    "folder",
    "lvef_version",
    "heart_rate_source",
    "beats_averaged",
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
    calibrated = volume_unit(measurement) == "ml"
    header = (
        "frame",
        "time_s",
        "volume_ml" if calibrated else "volume_relative",
        "length_mm" if calibrated else "length_px",
        "phase",
    )
    if curve is None:
        return _table(header, ())
    phases: dict[int, str] = {}
    for beat in measurement.beats:
        phases[beat.es_frame] = "ES"
        phases[beat.ed_frame] = "ED"
        if beat.end_frame is not None:
            phases[beat.end_frame] = "ED"
    lines = (
        (
            str(frame),
            _cell(frame_time_s(measurement, frame)),
            _cell(volume),
            _cell(length),
            phases.get(frame, ""),
        )
        for frame, (volume, length) in enumerate(
            zip(curve.volume.tolist(), curve.length.tolist(), strict=True)
        )
    )
    return _table(header, lines)


def beats_csv(measurement: Measurement) -> str:
    """Write all beats, excluded ones with their reason; ``shown`` marks the one whose ED and ES are shown."""
    unit = volume_unit(measurement)
    header = (
        "beat", "ed_frame", "es_frame", "end_frame", "ed_time_s", "es_time_s", "end_time_s",
        f"ed_volume_{unit}", f"es_volume_{unit}", "ef_percent", "duration_s", "counted", "shown", "excluded",
    )  # fmt: skip
    lines = (
        (
            str(number),
            str(beat.ed_frame),
            str(beat.es_frame),
            _cell(beat.end_frame),
            *(_cell(frame_time_s(measurement, f)) for f in (beat.ed_frame, beat.es_frame, beat.end_frame)),
            _cell(beat.ed_volume),
            _cell(beat.es_volume),
            _cell(beat.ef_percent),
            _cell(beat.duration_s),
            "no" if beat.excluded else "yes",
            "yes" if measurement.is_shown(beat) else "no",
            beat.excluded,
        )
        for number, beat in enumerate(measurement.beats, start=1)
    )
    return _table(header, lines)


def result_row(measurement: Measurement, path: str, folder: str = "") -> Row:
    """One line of ``results.csv``.

    Args:
        measurement: The answer for this file.
        path: The file's name as the user gave it.
        folder: Name of the folder with its outputs, inside the output folder.
    """
    m = measurement
    made = m.provenance
    values: dict[str, object] = {
        "path": path,
        "status": str(m.status),
        "ef_percent": m.ef_percent,
        "edv_ml": m.edv_ml,
        "esv_ml": m.esv_ml,
        "stroke_volume_ml": m.stroke_volume_ml,
        "beats": len(m.counted_beats),
        "beats_excluded": sum(1 for beat in m.beats if beat.excluded),
        "ef_mean_percent": m.ef_mean_percent,
        "ef_sd_percent": m.ef_sd_percent,
        "heart_rate_bpm": m.heart_rate_bpm,
        "ed_frame": m.ed_frame,
        "es_frame": m.es_frame,
        "view": str(m.view),
        "method": m.method,
        "heart_failure_range": m.categories.get("heart_failure"),
        "n_frames": m.n_frames,
        "frame_rate_hz": m.frame_rate_hz,
        "duration_s": m.duration_s,
        "warnings": "; ".join(n.code for n in m.notices),
        "reason_code": m.reason_code,
        "reason": m.reason,
        "volume_note": m.volume_note,
        "weights": made.weights if made else None,
        "precision": made.precision if made else None,
        "seconds": made.seconds if made else None,
        "folder": folder,
        "lvef_version": made.lvef_version if made else None,
        "beats_averaged": m.beats_averaged,
        "heart_rate_source": m.heart_rate_source,
    }
    return {column: _cell(values[column]) for column in RESULT_COLUMNS}


def results_csv(rows: Iterable[Row]) -> str:
    """Write the lines of ``results.csv`` with their header."""
    return _table(RESULT_COLUMNS, ([row.get(column, "") for column in RESULT_COLUMNS] for row in rows))


def _cell(value: object) -> str:
    """Text of one cell: seven significant digits are far below what any of the numbers means."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return printable(str(value))


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()
