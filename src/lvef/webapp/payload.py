"""A measurement as the page shows it: plain values and texts, from the one list of result fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lvef.core.fields import FIELDS, Group, Shown
from lvef.core.quality_wording import advice_of, part_lines, quality_text
from lvef.core.records import Beat, Measurement, PixelSpacing
from lvef.core.terms import Decision, Status
from lvef.core.wording import (
    category_lines,
    decision_badge,
    ef_text,
    interval_text,
    ml_text,
    models_disagree,
    note_text,
    reason_text,
    second_opinion_lines,
    status_text,
)
from lvef.webapp.warning_values import plain_text, warnings_of

Values = dict[str, Any]

HIDDEN_KEYS = frozenset({"categories"})
"""Fields that the page shows elsewhere: the class is one row, the source report's classes stand in *About*."""


def payload(
    measurement: Measurement,
    known_ef_percent: float | None = None,
    views: Mapping[str, Measurement] | None = None,
) -> Values:
    """Everything that the page says of a measurement.

    Args:
        measurement: Any; with the categories of the visitor's patient.
        known_ef_percent: True EF of a phantom.
        views: Of a study, its views by name.
    """
    m = measurement
    word, asks = decision_badge(m)
    return {
        "ef_percent": m.ef_percent,
        "ef_text": ef_text(m.ef_percent),
        "interval": {
            "low": m.ef_low_percent,
            "high": m.ef_high_percent,
            "level": m.interval_level,
            "text": interval_text(m),
            "note": note_text(m.interval_note),
        },
        "decision": word,
        "decision_text": asks,
        "status": str(m.status),
        "status_text": status_text(m).removeprefix(f"{Decision.REFUSED}: "),
        "view": str(m.view),
        "category": category_of(m),
        "probabilities": m.category_probabilities,
        "edv_ml": m.edv_ml,
        "esv_ml": m.esv_ml,
        "values": [*keyed_lines(m, Group.VOLUMES), *keyed_lines(m, Group.VALUES)],
        "method": [*keyed_lines(m, Group.METHOD), *_seconds(m)],
        "beats": _beats(m),
        "quality": _quality(m),
        "second_opinion": _second_opinion(m),
        "known_ef_percent": known_ef_percent,
        "ed_frame": m.ed_frame,
        "es_frame": m.es_frame,
        "reason": plain_text(reason_text(m)),
        "reason_code": m.reason_code,
        "warnings": warnings_of(m, views),
        "correction": _correction(m),
    }


def summary(measurement: Measurement, views: Mapping[str, Measurement] | None = None) -> Values:
    """What the list of items says of a measurement.

    Args:
        measurement: Any.
        views: Of a study, its views by name.
    """
    m = measurement
    category = category_of(m) or {"key": "", "text": ""}
    quality = m.quality
    return {
        "ef_percent": m.ef_percent,
        "ef_text": ef_text(m.ef_percent),
        "ef_low_percent": m.ef_low_percent,
        "ef_high_percent": m.ef_high_percent,
        "interval_text": interval_text(m),
        "decision": decision_badge(m)[0],
        "quality_score": None if quality is None else quality.score,
        "quality_text": "" if quality is None else quality_text(quality),
        "class_key": category["key"],
        "class_text": category["text"],
        "view": str(m.view),
        "n_warnings": len(m.notices),
        "warnings": warnings_of(m, views),
        "reason": plain_text(reason_text(m)),
        "reason_code": m.reason_code,
        "corrected": m.correction is not None,
    }


def summary_without() -> Values:
    """The same of an item that is not measured yet."""
    return summary(Measurement("", Status.REFUSED)) | {"decision": ""}


def category_of(m: Measurement) -> Values | None:
    """The class in one row: ASE/EACVI where the sex is known, else the heart-failure range; None without an EF."""
    key = "ase_2015" if "ase_2015" in m.categories else "heart_failure"
    if m.ef_percent is None or key not in m.categories:
        return None
    label, text = category_lines({key: m.categories[key]})[0]
    return {"table": key, "key": m.categories[key], "label": label, "text": text}


def keyed_lines(m: Measurement, group: Group) -> list[Values]:
    """Labels and texts of a group of fields, each with a key that does not change with the language."""
    lines = []
    for field in FIELDS:
        if not field.shown & Shown.PAGE or field.group is not group or field.key in HIDDEN_KEYS:
            continue
        for number, (label, text) in enumerate(field.lines_of(m)):
            key = field.key if number == 0 else f"{field.key}.{number + 1}"
            # A value is no sentence: it keeps its letters, unless something in it is not for a page.
            plain = plain_text(text)
            lines.append({"key": key, "label": label, "text": text if plain == note_text(text) else plain})
    return lines


def needs_scale(m: Measurement) -> bool:
    """Whether the file gave no usable scale: there is none, or the one that there is was given by hand."""
    return bool(any(m.tracings)) and (not isinstance(m.spacing, PixelSpacing) or m.spacing.is_manual)


def difference_text(ef_percent: float | None, machine_ef_percent: float | None) -> str:
    """How far an EF is from the model's: ``+3.1 points``; empty without one of them."""
    if ef_percent is None or machine_ef_percent is None:
        return ""
    return f"{ef_percent - machine_ef_percent:+.1f} points"


def preview_values(m: Measurement, machine_ef_percent: float | None) -> Values:
    """What the page shows while a point is dragged."""
    return {
        "ef_percent": m.ef_percent,
        "ef_text": ef_text(m.ef_percent),
        "edv_text": ml_text(m.edv_ml) if m.edv_ml is not None else "",
        "esv_text": ml_text(m.esv_ml) if m.esv_ml is not None else "",
        "difference_text": difference_text(m.ef_percent, machine_ef_percent),
    }


def _seconds(m: Measurement) -> list[Values]:
    if m.provenance is None:
        return []
    return [{"key": "seconds", "label": "Time", "text": f"{m.provenance.seconds:.2f} s"}]


def _beats(m: Measurement) -> list[Values]:
    return [_beat(m, number, beat) for number, beat in enumerate(m.beats, start=1)]


def _beat(m: Measurement, number: int, beat: Beat) -> Values:
    has_ef = m.ef_percent is not None and math.isfinite(beat.ef_percent)
    is_ml = m.volume_unit == "ml"
    return {
        "number": number,
        "ed_frame": beat.ed_frame,
        "es_frame": beat.es_frame,
        "end_frame": beat.end_frame,
        "ed_time_s": m.frame_time_s(beat.ed_frame),
        "es_time_s": m.frame_time_s(beat.es_frame),
        "duration_s": beat.duration_s,
        "ef_percent": beat.ef_percent if has_ef else None,
        "ef_text": ef_text(beat.ef_percent) if has_ef else "-",
        "edv_text": ml_text(beat.ed_volume) if is_ml else "",
        "esv_text": ml_text(beat.es_volume) if is_ml else "",
        "excluded": beat.excluded,
        "counted": beat.counts,
        "shown": m.is_shown(beat),
    }


def _quality(m: Measurement) -> Values | None:
    if m.quality is None:
        return None
    return {
        "score": m.quality.score,
        "text": quality_text(m.quality),
        "advice": list(advice_of(m.quality)),
        "parts": [list(line) for line in part_lines(m.quality)],
    }


def _second_opinion(m: Measurement) -> Values | None:
    other = m.second_opinion
    if other is None:
        return None
    return {
        "model": other.weights,
        "ef_percent": other.ef_percent,
        "ef_text": ef_text(other.ef_percent),
        "difference_points": other.difference_points,
        "disagree": models_disagree(m),
        "text": second_opinion_lines(m)[0][1],
    }


def _correction(m: Measurement) -> Values | None:
    c = m.correction
    if c is None:
        return None
    return {
        "reader": c.reader,
        "note": c.note,
        "changed": list(c.changed),
        "machine_ef_percent": c.machine_ef_percent,
        "machine_ef_text": ef_text(c.machine_ef_percent),
        "difference_text": difference_text(m.ef_percent, c.machine_ef_percent),
        "at": c.corrected_at,
    }
