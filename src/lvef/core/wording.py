"""A measurement in plain words: the one place where codes and numbers become text for people."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lvef.core.records import FROM_BEATS, FROM_FILE, Measurement, PixelGeometry, PixelSpacing
from lvef.core.terms import EF_CLIP, EF_KINDS, EF_TWO_STREAM, VOLUME_TRACE, Decision, Status, View, ViewSource

DISCLAIMER = "Research and teaching use only. Not a medical device."
"""Stands on every image and at the end of every table."""

TRUNCATED = "truncated"
"""Code of the warning that frames of the file are missing or damaged."""

OF_READER = "from the reader's ED and ES"
"""Status of a result that a reader corrected."""

STATUS_TEXT = {
    Status.OK: "measured",
    Status.PARTIAL_CYCLE: "incomplete cycle: one ED and one ES",
    Status.REFUSED: "refused: not measured",
    Status.FAILED: "failed: not read",
}
"""Each status for people."""

MODEL_TEXT = {
    VOLUME_TRACE: "predicts the volume tracing of each frame",
    EF_CLIP: "reads the EF from clips; no contour",
    EF_TWO_STREAM: "reads the EF from grey frames and their differences; no contour",
}
"""How models work that do not segment the ventricle."""

VIEW_TEXT = {
    View.A4C: "A4C",
    View.A2C: "A2C",
    View.OTHER_APICAL: "another apical view",
    View.PLAX: "parasternal long axis",
    View.PSAX: "parasternal short axis",
    View.SUBCOSTAL: "subcostal view",
    View.NOT_ECHO: "not a 2-D echocardiogram",
    View.UNKNOWN: "unknown",
}
"""Each view for people."""

_VIEW_SOURCE_TEXT: dict[str, str] = {
    ViewSource.FILE: "from the file",
    ViewSource.USER: "given by the user",
    ViewSource.IMAGE: "recognised from the image",
}

DECISION_TEXT = {
    Decision.ACCEPTED: "accepted",
    Decision.CAUTION: "caution: check the contours before you use the EF",
    Decision.REFUSED: "refused",
}
"""Each decision for people."""

MODELS_DISAGREE = "models_disagree"
"""Code of the warning that the second opinion is far from the EF."""

DIGEST_LETTERS = 12
"""Letters of a model's SHA-256 that are shown."""

_CATEGORY_TEXT = {
    "above_range": "above the normal range",
    "normal": "normal",
    "mildly_abnormal": "mildly abnormal",
    "moderately_abnormal": "moderately abnormal",
    "severely_abnormal": "severely abnormal",
}
HEART_FAILURE_TEXT = {
    "reduced": "reduced (40 or less)",
    "mildly_reduced": "mildly reduced (41-49)",
    "preserved": "preserved (50 or more)",
}
"""Heart-failure ranges of the rounded EF."""

REPORT_CLASS_TEXT = {"normal": "normal (above 50)", "mild": "mild (40-50)", "abnormal": "abnormal (below 40)"}
"""Classes of the source report."""

_INDEXED_TEXT = {
    "edv_index_ml_m2": ("EDV index", "ml/m²"),
    "esv_index_ml_m2": ("ESV index", "ml/m²"),
    "stroke_volume_index_ml_m2": ("Stroke volume index", "ml/m²"),
    "cardiac_index_l_min_m2": ("Cardiac index", "l/min/m²"),
    "body_surface_m2": ("Body surface", "m²"),
}


def number_text(value: float | None, decimals: int = 0, unit: str = "") -> str:
    """A number as people see it, rounded half up like the category tables; ``-`` where it is not known.

    Example:
        >>> number_text(40.5), number_text(5.04, 1, "l/min"), number_text(None)
        ('41', '5.0 l/min', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    rounded = math.copysign(math.floor(abs(value) * 10**decimals + 0.5) / 10**decimals, value)
    return f"{rounded:.{decimals}f} {unit}".rstrip()


def ef_text(ef_percent: float | None) -> str:
    """EF as people see it: ``58 %``, or ``-`` without one.

    Example:
        >>> ef_text(40.5), ef_text(None)
        ('41 %', '-')
    """
    return number_text(ef_percent, unit="%")


def ml_text(volume_ml: float | None) -> str:
    """Millilitres as people see them: ``112 ml``, or ``-`` where the file has no scale."""
    return number_text(volume_ml, unit="ml")


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
    """The heart rate and where it comes from, empty without one: ``70/min (from the file)``."""
    if measurement.heart_rate_bpm is None:
        return ""
    sources = {FROM_BEATS: " (from the beats)", FROM_FILE: " (from the file)"}
    return f"{measurement.heart_rate_bpm:.0f}/min" + sources.get(measurement.heart_rate_source, "")


def clip_text(measurement: Measurement, between: str = ", ") -> str:
    """Frames, frame rate and duration: ``50 frames, 25 frames/s (container), 2.00 s``.

    Args:
        measurement: Any.
        between: Stands between them.
    """
    m = measurement
    parts = []
    if m.n_frames:
        parts.append(f"{m.n_frames} {'frame' if m.n_frames == 1 else 'frames'}")
    if m.frame_rate_hz:
        parts.append(f"{m.frame_rate_hz:.3g} frames/s" + (f" ({m.timing})" if m.timing else ""))
    if m.duration_s:
        parts.append(f"{m.duration_s:.2f} s")
    return between.join(parts)


def category_lines(categories: Mapping[str, str]) -> list[tuple[str, str]]:
    """The category tables as (name of the table, category). The classes of the source report stand in the files alone.

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
        both = f"{men} (men and women)" if men == women else f"men {men}, women {women}"
        lines.append(("ASE/EACVI 2015", both))
    if "heart_failure" in categories:
        lines.append(("Heart-failure range", _lookup(HEART_FAILURE_TEXT, categories["heart_failure"])))
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
    parts = [measurement.method.replace("_", " ")] if measurement.method else []
    if measurement.view is not View.UNKNOWN and str(measurement.view) not in measurement.method:
        parts.append(str(measurement.view))
    return ", ".join(parts)


def reads_clips(measurement: Measurement) -> bool:
    """Whether an EF model measured it, one without volumes and contours."""
    made = measurement.provenance
    return made is not None and made.network_kind in EF_KINDS


def model_text(measurement: Measurement) -> str:
    """The model and how it works; empty for one that segments the ventricle."""
    made = measurement.provenance
    how = "" if made is None else MODEL_TEXT.get(made.network_kind, "")
    return f"{made.weights} {how}" if made is not None and how else ""


def provenance_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """Model and software behind a measurement."""
    made = measurement.provenance
    if made is None:
        return []
    digest = made.weights_sha256[:DIGEST_LETTERS]
    model = (made.weights, f"SHA-256 {digest}" if digest else "", made.weights_licence)
    return [
        ("Model", ", ".join(filter(None, model))),
        ("", note_text(MODEL_TEXT.get(made.network_kind, ""))),
        ("Software", f"lvef {made.lvef_version}, {made.backend}, precision {made.precision}, {made.device}"),
    ]


def counts_text(measurement: Measurement) -> str:
    """How often the model's own output broke a rule; empty where it never did."""
    broken = {name: n for name, n in measurement.counts.items() if n and name != "clips"}
    return ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in broken.items())


def averaged_text(measurement: Measurement) -> str:
    """How many beats EF and volumes are means of: ``3 beats``, of a study ``6 pairs of beats``; empty for one beat."""
    n = measurement.beats_averaged or 0
    return "" if n < 2 else f"{n} pairs of beats" if measurement.single_plane else f"{n} beats"


def mean_label(measurement: Measurement, label: str) -> str:
    """The label of a value, with ``Mean`` in front where it is the mean of several beats."""
    if not averaged_text(measurement):
        return label
    return f"Mean {label if label[1:2].isupper() else label[0].lower() + label[1:]}"


def spread_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """The standard deviation and range of the EFs behind a mean; nothing where there is no mean."""
    m = measurement
    if m.ef_percent is None or m.ef_sd_percent is None:
        return []
    name = "Spread over windows" if reads_clips(m) and not m.beats else "Spread over beats"
    efs = [beat.ef_percent for beat in m.counted_beats]
    reach = f", {min(efs):.1f} to {max(efs):.1f} %" if efs else ""
    return [(name, f"SD {m.ef_sd_percent:.1f} points{reach}")]


def shown_beat_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """The beat whose ED and ES are shown, where the EF is a mean of several."""
    m, beat = measurement, measurement.shown_beat
    if beat is None or m.ef_percent is None or m.correction is not None or (m.beats_averaged or 0) < 2:
        return []
    parts = [f"beat {m.beats.index(beat) + 1}", f"EF {beat.ef_percent:.1f} %"]
    if m.edv_ml is not None:
        parts += [f"EDV {ml_text(beat.ed_volume)}", f"ESV {ml_text(beat.es_volume)}"]
    return [("Beat shown", ", ".join(parts))]


def view_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """The view with its probability by the image, where that was determined."""
    m = measurement
    if m.view_probability is None or m.view is View.UNKNOWN:
        return []
    text = VIEW_TEXT[m.view]
    if m.view_source in _VIEW_SOURCE_TEXT:
        text += f", {_VIEW_SOURCE_TEXT[m.view_source]}"
    # A view that the file states is checked against the image.
    by = "probability" if m.view_source in ("", ViewSource.IMAGE) else "probability by the image"
    return [("View", f"{text} ({by} {m.view_probability:.2f})")]


def interval_text(measurement: Measurement) -> str:
    """The prediction interval, empty without one: ``48 to 63 %``."""
    m = measurement
    if m.ef_low_percent is None or m.ef_high_percent is None:
        return ""
    return f"{number_text(m.ef_low_percent)} to {number_text(m.ef_high_percent, unit='%')}"


def ef_interval_text(measurement: Measurement) -> str:
    """EF and prediction interval in one cell: ``58 % (48-66)``; the EF alone without one."""
    m = measurement
    if m.ef_percent is None or m.ef_low_percent is None or m.ef_high_percent is None:
        return ef_text(m.ef_percent)
    return f"{ef_text(m.ef_percent)} ({number_text(m.ef_low_percent)}-{number_text(m.ef_high_percent)})"


def interval_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """The prediction interval, or why there is none; nothing without an EF."""
    m = measurement
    if m.ef_percent is None:
        return []
    text = interval_text(m)
    if not text:
        return [("Prediction interval", note_text(m.interval_note))]
    return [(f"{100 * (m.interval_level or 0):.0f} % prediction interval", text)]


def category_probability_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """The probability of each heart-failure range: ``reduced 5 %, mildly reduced 20 %, preserved 75 %``."""
    parts = [
        f"{key.replace('_', ' ')} {100 * share:.0f} %"
        for key, share in measurement.category_probabilities.items()
    ]
    return [("Range probabilities", ", ".join(parts))] if parts else []


def decision_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """The decision; nothing without an EF, where the status already states the refusal."""
    m = measurement
    if m.ef_percent is None or not m.decision:
        return []
    return [("Decision", DECISION_TEXT[Decision(m.decision)])]


def decision_badge(measurement: Measurement) -> tuple[str, str]:
    """The decision as one word and what it asks of the reader; both empty where none was made.

    Example:
        >>> decision_badge(Measurement("a.avi", Status.OK, ef_percent=58.0, decision="caution"))
        ('caution', 'Check the contours before you use the EF.')
        >>> decision_badge(Measurement("a.avi", Status.REFUSED))
        ('refused', '')
    """
    m = measurement
    if m.ef_percent is None:
        return (str(Decision.REFUSED) if m.status is Status.REFUSED else "", "")
    word, _, rest = DECISION_TEXT[Decision(m.decision)].partition(": ") if m.decision else ("", "", "")
    return word, note_text(rest)


def models_disagree(measurement: Measurement) -> bool:
    """Whether a warning says that the second opinion is far from the EF."""
    return any(notice.code == MODELS_DISAGREE for notice in measurement.notices)


def second_opinion_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """The EF of another model."""
    other = measurement.second_opinion
    if other is None:
        return []
    if other.ef_percent is None:
        return [("Second opinion", f"{other.weights} gave no EF: {note_text(other.reason)}")]
    apart = "" if other.difference_points is None else f" ({other.difference_points:+.1f} points)"
    disagreement = ": the models disagree" if models_disagree(measurement) else ""
    return [("Second opinion", f"{ef_text(other.ef_percent)} by {other.weights}{apart}{disagreement}")]


def no_volume_text(measurement: Measurement) -> str:
    """Why there are no volumes in ml; empty where there are, or no EF either."""
    if measurement.edv_ml is not None or measurement.ef_percent is None:
        return ""
    return note_text(measurement.volume_note) or "No volumes in ml."


def status_text(measurement: Measurement) -> str:
    """The status in one line: what the EF rests on, and whether the file is cut off."""
    cut = cut_off_text(measurement)
    return f"{_status_text(measurement)}; {cut}" if cut else _status_text(measurement)


def cut_off_text(measurement: Measurement) -> str:
    """That frames of the file are missing, in a few words; empty where none are."""
    text = next((n.text for n in measurement.notices if n.code == TRUNCATED), None)
    return "" if text is None else f"cut off: {text.partition(' could be decoded')[0]}"


def _status_text(m: Measurement) -> str:
    if m.correction is not None:
        return OF_READER
    if averaged_text(m):
        return f"mean of {averaged_text(m)}"
    if m.status is Status.OK and m.beats:
        return "one beat"
    if m.ef_percent is not None and reads_clips(m):
        whole = m.status is Status.OK
        return "clip read as a whole" if whole else "short clip read as a whole: perhaps an incomplete cycle"
    if m.status is Status.PARTIAL_CYCLE and m.duration_s is None and m.curve is not None:
        return "one ED and one ES still"
    return STATUS_TEXT[m.status]


def beats_text(measurement: Measurement) -> str:
    """How many beats the EF rests on, in one line."""
    m = measurement
    if reads_clips(m) and not m.beats:
        return "not looked for"
    if m.single_plane:
        one = "one of each view" if m.status is Status.OK else "incomplete cycle in one view or both"
        return averaged_text(m) or one
    whole = [beat for beat in m.beats if beat.end_frame is not None]
    counted = sum(1 for beat in whole if not beat.excluded)
    if m.status is Status.PARTIAL_CYCLE or not whole:
        return "no complete beat"
    text = f"{counted} {'beat' if counted == 1 else 'beats'}"
    return f"{text}, {len(whole) - counted} excluded" if len(whole) > counted else text


def beats_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """How many beats the EF rests on; nothing without an EF and where a reader corrected it."""
    if measurement.ef_percent is None or measurement.correction is not None:
        return []
    return [("Beats", beats_text(measurement))]


def note_text(note: str) -> str:
    """A note as a sentence: capital letter and full stop.

    Example:
        >>> note_text("the file has no scale")
        'The file has no scale.'
    """
    note = note.strip()
    return note[:1].upper() + note[1:] + ("" if not note or note.endswith((".", "!", "?")) else ".")


def reason_text(measurement: Measurement) -> str:
    """Why there is no EF, without the file's name in front."""
    reason = measurement.reason.removeprefix(f"{measurement.source}: ")
    text = note_text(reason)
    # A sentence may begin with the file's name, which keeps its letters.
    return reason[:1] + text[1:] if reason.startswith(measurement.source) else text


def _lookup(texts: Mapping[str, str], code: str) -> str:
    return texts.get(code, code.replace("_", " "))
