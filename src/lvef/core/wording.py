"""What a measurement says, in plain words: the one place where codes become sentences for people."""

from __future__ import annotations

from collections.abc import Mapping

from lvef.core.records import FROM_BEATS, FROM_FILE, Measurement, PixelGeometry, PixelSpacing
from lvef.core.terms import EF_CLIP, EF_KINDS, EF_TWO_STREAM, VOLUME_TRACE, Status, View

DISCLAIMER = "Research and teaching use only. Not a medical device."
"""Stands on every picture and at the end of every table."""

TRUNCATED = "truncated"
"""Code of the warning that frames of the file are missing or damaged."""

OF_READER = "from the reader's ED and ES"
"""Status of an answer that a reader corrected."""

STATUS_TEXT = {
    Status.OK: "measured",
    Status.PARTIAL_CYCLE: "partial cycle: one ED and one ES, no whole beat",
    Status.REFUSED: "refused: not measured",
    Status.FAILED: "failed: not read",
}
"""Each status for people."""

NETWORK_TEXT = {
    VOLUME_TRACE: "the network draws the lines of each frame",
    EF_CLIP: "the network reads the EF from clips; no contour",
    EF_TWO_STREAM: "the network reads the EF from grey frames and their differences; no contour",
}
"""How the networks answer that do not mark the ventricle's pixels."""

_CATEGORY_TEXT = {
    "above_range": "above the normal range",
    "normal": "normal",
    "mildly_abnormal": "mildly abnormal",
    "moderately_abnormal": "moderately abnormal",
    "severely_abnormal": "severely abnormal",
}
_HEART_FAILURE_TEXT = {
    "reduced": "reduced (40 or less)",
    "mildly_reduced": "mildly reduced (41-49)",
    "preserved": "preserved (50 or more)",
}
_REPORT_TEXT = {"normal": "normal (above 50)", "mild": "mild (40-50)", "abnormal": "abnormal (below 40)"}
_INDEXED_TEXT = {
    "edv_index_ml_m2": ("EDV index", "ml/m²"),
    "esv_index_ml_m2": ("ESV index", "ml/m²"),
    "stroke_volume_index_ml_m2": ("Stroke volume index", "ml/m²"),
    "cardiac_index_l_min_m2": ("Cardiac index", "l/min/m²"),
    "cardiac_output_l_min": ("Cardiac output", "l/min"),
    "body_surface_m2": ("Body surface", "m²"),
}


def ef_text(ef_percent: float | None) -> str:
    """EF as shown to people, whole percent rounded half up like the tables: ``58 %``, or ``-`` without one.

    Example:
        >>> ef_text(40.5), ef_text(None)
        ('41 %', '-')
    """
    return "-" if ef_percent is None else f"{_whole(ef_percent)} %"


def ml_text(volume_ml: float | None) -> str:
    """Millilitres as shown to people: ``112 ml``, or ``-`` where the file has no scale."""
    return "-" if volume_ml is None else f"{_whole(volume_ml)} ml"


def pixel_text(spacing: PixelGeometry) -> str:
    """Size or shape of a pixel and where it was read.

    Example:
        >>> pixel_text(PixelSpacing(0.308, 0.308, "Pixel Spacing"))
        '0.308 x 0.308 mm per pixel (Pixel Spacing)'
        >>> from lvef.core.records import PixelAspect
        >>> pixel_text(PixelAspect(0.5, "Pixel Aspect Ratio"))
        'pixels 0.5 times as high as wide (Pixel Aspect Ratio)'
    """
    if isinstance(spacing, PixelSpacing):
        return f"{spacing.x_mm:.3g} x {spacing.y_mm:.3g} mm per pixel ({spacing.source})"
    return f"pixels {spacing.aspect:.3g} times as high as wide ({spacing.source})"


def heart_rate_text(measurement: Measurement) -> str:
    """The heart rate and where it comes from, empty without one: ``70/min (told by the file)``."""
    if measurement.heart_rate_bpm is None:
        return ""
    words = {FROM_BEATS: " (from the beats)", FROM_FILE: " (told by the file)"}
    return f"{measurement.heart_rate_bpm:.0f}/min" + words.get(measurement.heart_rate_source, "")


def category_lines(categories: Mapping[str, str]) -> list[tuple[str, str]]:
    """The category tables as (name of the table, what it says).

    Args:
        categories: As `lvef.geometry.categories.categories` gives them; unknown keys are left out.

    Example:
        >>> category_lines({"ase_2015": "normal", "heart_failure": "preserved"})
        [('ASE/EACVI 2015', 'normal'), ('Heart-failure range', 'preserved (50 or more)')]
    """
    lines: list[tuple[str, str]] = []
    men, women = categories.get("ase_2015_men"), categories.get("ase_2015_women")
    if "ase_2015" in categories:
        lines.append(("ASE/EACVI 2015", _lookup(_CATEGORY_TEXT, categories["ase_2015"])))
    elif men is not None and women is not None:
        men, women = _lookup(_CATEGORY_TEXT, men), _lookup(_CATEGORY_TEXT, women)
        lines.append(
            ("ASE/EACVI 2015", f"{men} (men and women)" if men == women else f"men {men}, women {women}")
        )
    if "heart_failure" in categories:
        lines.append(("Heart-failure range", _lookup(_HEART_FAILURE_TEXT, categories["heart_failure"])))
    if "report" in categories:
        lines.append(("Report's classes", _lookup(_REPORT_TEXT, categories["report"])))
    return lines


def indexed_lines(indexed: Mapping[str, float]) -> list[tuple[str, str]]:
    """Values per body surface as (name, value with unit)."""
    lines = []
    for key, value in indexed.items():
        name, unit = _INDEXED_TEXT.get(key, (key.replace("_", " "), ""))
        lines.append((name, f"{value:.3g} {unit}".strip()))
    return lines


def method_text(measurement: Measurement) -> str:
    """How it was measured, in one line: method and view."""
    words = [measurement.method.replace("_", " ")] if measurement.method else []
    if measurement.view is not View.UNKNOWN and str(measurement.view) not in measurement.method:
        words.append(str(measurement.view))
    return ", ".join(words)


def network_text(measurement: Measurement) -> str:
    """What kind of network answered, or empty for one that marks the ventricle's pixels."""
    made = measurement.provenance
    return "" if made is None else NETWORK_TEXT.get(made.network_kind, "")


def reads_clips(measurement: Measurement) -> bool:
    """Whether an EF network answered, one without volumes and contours."""
    made = measurement.provenance
    return made is not None and made.network_kind in EF_KINDS


def averaged_text(measurement: Measurement) -> str:
    """How many beats EF and volumes are means of: ``3 beats``, of a study ``6 pairs of beats``; empty for one beat.

    Args:
        measurement: Any.
    """
    n = measurement.beats_averaged or 0
    return "" if n < 2 else f"{n} pairs of beats" if measurement.single_plane else f"{n} beats"


def spread_line(measurement: Measurement) -> tuple[str, str] | None:
    """How far the EFs behind a mean lie apart, as name and value; None where it is no mean.

    Args:
        measurement: Any.
    """
    m = measurement
    if m.ef_percent is None or m.ef_sd_percent is None:
        return None
    name = "Spread over clips" if reads_clips(m) and not m.beats else "Spread over beats"
    efs = [beat.ef_percent for beat in m.counted_beats]
    reach = f", {min(efs):.1f} to {max(efs):.1f} %" if efs else ""
    return name, f"SD {m.ef_sd_percent:.1f} points{reach}"


def shown_beat_line(measurement: Measurement) -> tuple[str, str] | None:
    """The beat whose ED and ES are shown, as name and value, where the answer is a mean of several; else None."""
    m, beat = measurement, measurement.shown_beat
    if beat is None or m.correction is not None or (m.beats_averaged or 0) < 2:
        return None
    words = [f"beat {m.beats.index(beat) + 1}", f"EF {beat.ef_percent:.1f} %"]
    if m.edv_ml is not None:
        words += [f"EDV {ml_text(beat.ed_volume)}", f"ESV {ml_text(beat.es_volume)}"]
    return "Beat shown", ", ".join(words)


def volume_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """EDV, ESV and stroke volume as name and value, named as means where they are; empty without millilitres."""
    m = measurement
    if m.edv_ml is None or m.esv_ml is None:
        return []
    mean = "Mean " if averaged_text(m) else ""
    lines = [(f"{mean}EDV", ml_text(m.edv_ml)), (f"{mean}ESV", ml_text(m.esv_ml))]
    if m.stroke_volume_ml is not None:
        name = f"{mean}stroke volume"
        lines.append((name[0].upper() + name[1:], ml_text(m.stroke_volume_ml)))
    return lines


def status_text(measurement: Measurement) -> str:
    """The status in one line: of a measured clip how many beats stand behind the answer; whether its file is cut off."""
    cut = cut_off_text(measurement)
    return f"{_status_text(measurement)}; {cut}" if cut else _status_text(measurement)


def cut_off_text(measurement: Measurement) -> str:
    """That frames of the file are missing, in a few words; empty where none are."""
    told = next((n.text for n in measurement.notices if n.code == TRUNCATED), None)
    return "" if told is None else f"cut off: {told.partition(' could be decoded')[0]}"


def _status_text(measurement: Measurement) -> str:
    if measurement.correction is not None:
        return OF_READER
    if averaged_text(measurement):
        return f"mean of {averaged_text(measurement)}"
    if measurement.status is Status.OK and measurement.beats:
        return "one whole beat"
    if measurement.ef_percent is not None and reads_clips(measurement):
        whole = measurement.status is Status.OK
        return "film read as a whole" if whole else "short film read as a whole: perhaps no whole beat"
    if (
        measurement.status is Status.PARTIAL_CYCLE
        and measurement.duration_s is None
        and measurement.curve is not None
    ):
        return "one ED and one ES still"
    return STATUS_TEXT[measurement.status]


def beats_text(measurement: Measurement) -> str:
    """How many beats stand behind the answer, in one line."""
    if reads_clips(measurement) and not measurement.beats:
        return "not looked for"
    if measurement.single_plane:
        whole_views = (
            "one of each view" if measurement.status is Status.OK else "no whole beat in one view or both"
        )
        return averaged_text(measurement) or whole_views
    whole = [b for b in measurement.beats if b.end_frame is not None]
    counted = sum(1 for b in whole if not b.excluded)
    if measurement.status is Status.PARTIAL_CYCLE or not whole:
        return "no whole beat"
    text = f"{counted} {'beat' if counted == 1 else 'beats'}"
    if len(whole) > counted:
        text += f", {len(whole) - counted} left out"
    return text


def volumes_text(measurement: Measurement) -> str:
    """EDV, ESV and stroke volume in one line, or the sentence why there are none."""
    lines = volume_lines(measurement)
    if not lines:
        return note_text(measurement.volume_note) or "No volumes in ml."
    text = ", ".join(f"{name} {value}" for name, value in lines)
    return text[0].upper() + text[1:]


def note_text(note: str) -> str:
    """A note as a sentence: capital letter and full stop.

    Example:
        >>> note_text("the file has no scale")
        'The file has no scale.'
    """
    note = note.strip()
    return note[:1].upper() + note[1:] + ("" if not note or note.endswith((".", "!", "?")) else ".")


def reason_text(measurement: Measurement) -> str:
    """Why there is no answer, without the file's name in front."""
    reason = measurement.reason.removeprefix(f"{measurement.source}: ")
    text = note_text(reason)
    # A sentence may begin with the file's name, which keeps its letters.
    return reason[:1] + text[1:] if reason.startswith(measurement.source) else text


def _lookup(words: Mapping[str, str], code: str) -> str:
    return words.get(code, code.replace("_", " "))


def _whole(value: float) -> int:
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)
