"""Warnings as the page shows them: a code, the values for its sentence in the catalogue, and a text for want of one.

The catalogue (``static/texts/en.json``, section ``warnings``) holds one sentence a code. Its numbers come from the
measurement; only frames and lengths that no field holds are read from the warning's own text. Frames count from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from lvef.core.records import CodedWarning, Measurement
from lvef.core.terms import View
from lvef.core.wording import VIEW_TEXT, note_text
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.rhythm import MIN_BEATS_IRREGULAR, variation

Values = dict[str, str | int | float]
"""Placeholders of a sentence, filled in."""

_COMMAND = re.compile(r"--[a-z]|\bpip install\b|\blvef (?:info|measure|weights|data|serve)\b")
"""What belongs to a terminal."""

_ASIDE = re.compile(rf"\s*\((?=[^()]*(?:{_COMMAND.pattern}))[^()]*\)")
_WITH = re.compile(r"\s+with --[a-z][\w-]*(?: [A-Z]\w*)*(?:(?: or| and)? --[a-z][\w-]*(?: [A-Z]\w*)*)*")
_JOINT = re.compile(r"(;\s+|:\s+|,\s+(?=or\b|and\b))")
_FILE_FIRST = re.compile(r"\S*\w\.\w{1,8}\s")
_PLACE = re.compile(r" \(-?[\d.]+,-?[\d.]+\)-\(-?[\d.]+,-?[\d.]+\)")
_FRAMES = re.compile(r"\b([Ff]rames?) (\d+(?:(?:, | to | and | of )\d+)*)")
_VIEWS = re.compile(r"(A4C|A2C)(?: and (A4C|A2C))?: ")
_NUMBER = r"([\d.]+)"


def values_of(measurement: Measurement, notice: CodedWarning) -> Values:
    """The values of the placeholders in the sentence of a warning; what is not known is left out.

    Args:
        measurement: The one that the warning is of; for a warning about a view of a study, that of the view.
        notice: The warning.

    Example:
        >>> from lvef.core.terms import Status
        >>> m = Measurement("a.avi", Status.OK, ef_low_percent=41.2, ef_high_percent=63.0)
        >>> values_of(m, CodedWarning("wide_interval", ""))
        {'low_percent': 41, 'high_percent': 63}
    """
    found = _VALUES.get(notice.code)
    return {} if found is None else found(measurement, notice.text)


def warnings_of(
    measurement: Measurement, views: Mapping[str, Measurement] | None = None
) -> list[dict[str, Any]]:
    """The warnings of a measurement in plain values: ``code``, ``values``, ``text``.

    A warning of a study that is about its views has ``values["view"]`` (``A4C``, or ``A4C, A2C``), to be put in front.

    Args:
        measurement: Any.
        views: Of a study, its views by name.
    """
    return [_warning(measurement, notice, views or {}) for notice in measurement.notices]


def _warning(
    measurement: Measurement, notice: CodedWarning, views: Mapping[str, Measurement]
) -> dict[str, Any]:
    named = [name for name in _views_named(notice.text) if name in views] if measurement.single_plane else []
    own = views[named[0]] if named else measurement
    values = values_of(own, notice)
    if named:
        values["view"] = ", ".join(named)
    return {"code": notice.code, "values": values, "text": plain_text(notice.text)}


def plain_text(text: str) -> str:
    """A message for a page: without options of the command line and pairs of coordinates, and with frames from 1.

    Example:
        >>> plain_text("The clip is too long; cut it, or give --max-frames. Frames 0 to 9 were read.")
        'The clip is too long; cut it. Frames 1 to 10 were read.'
    """
    text = _PLACE.sub("", _WITH.sub("", _ASIDE.sub("", text.replace("`", ""))))
    sentences = (_without_commands(one) for one in re.split(r"(?<=[.!?])\s+", text))
    plain = _FRAMES.sub(_from_one, " ".join(filter(None, sentences)))
    # A sentence may begin with a file's name, which keeps its letters.
    return plain[:1] + note_text(plain)[1:] if _FILE_FIRST.match(plain) else note_text(plain)


def _without_commands(sentence: str) -> str:
    """A sentence without the clauses that are for a terminal; empty where only a word would be left."""
    if not _COMMAND.search(sentence):
        return sentence
    kept = ""
    joint = ""
    for at, part in enumerate(_JOINT.split(sentence)):
        if at % 2:
            joint = part
        elif not _COMMAND.search(part):
            kept += (joint if kept else "") + part
    kept = kept.strip(" ,;:")
    return note_text(kept) if " " in kept else ""


def _from_one(found: re.Match[str]) -> str:
    return f"{found[1]} " + re.sub(r"\d+", lambda number: str(int(number[0]) + 1), found[2])


def _views_named(text: str) -> list[str]:
    found = _VIEWS.match(text)
    return [] if found is None else [name for name in found.groups() if name]


def _whole(value: float | None) -> int | None:
    return None if value is None or not np.isfinite(value) else int(np.floor(value + 0.5))


def _known(values: Iterable[tuple[str, str | float | None]]) -> Values:
    return {name: value for name, value in values if value is not None}


def _interval(m: Measurement, text: str) -> Values:
    return _known([("low_percent", _whole(m.ef_low_percent)), ("high_percent", _whole(m.ef_high_percent))])


def _beats(m: Measurement, text: str) -> Values:
    whole = [beat for beat in m.beats if beat.end_frame is not None]
    counted = m.counted_beats
    efs = [beat.ef_percent for beat in counted]
    spans = [beat.duration_s for beat in whole if beat.duration_s is not None]
    volumes = [(beat.ed_volume, beat.es_volume) for beat in counted]
    of_volumes = None
    if volumes and np.isfinite(volumes).all():
        of_volumes = round(ejection_fraction(*np.mean(volumes, axis=0).tolist()), 1)
    return _known(
        [
            ("beats_found", len(whole)),
            ("beats_counted", len(counted)),
            ("beats_excluded", len(whole) - len(counted)),
            ("needed", MIN_BEATS_IRREGULAR),
            ("low_percent", _whole(min(efs, default=None))),
            ("high_percent", _whole(max(efs, default=None))),
            ("sd_percent", _whole(100 * variation(spans)) if len(spans) > 1 else None),
            ("of_volumes_percent", of_volumes),
        ]
    )


def _shown(m: Measurement, text: str) -> Values:
    numbers = [None if frame is None else frame + 1 for frame in (m.ed_frame, m.es_frame)]
    if None in numbers:
        # A study has no frames of its own, and a view that was corrected has others.
        return {}
    return _known(zip(("ed_frame", "es_frame"), numbers, strict=True))


def _systole(m: Measurement, text: str) -> Values:
    lengths = [
        (end - start)
        for beat in m.counted_beats
        if (start := m.frame_time_s(beat.ed_frame)) is not None
        and (end := m.frame_time_s(beat.es_frame)) is not None
    ]
    return _known(
        [
            ("systole_ms", _whole(1000 * float(np.median(lengths))) if lengths else None),
            ("heart_rate", _whole(m.heart_rate_bpm)),
            ("frame_rate", _whole(m.frame_rate_hz)),
        ]
    )


def _untraced(m: Measurement, text: str) -> Values:
    if not m.tracings:
        return {}
    return {"frames_untraced": sum(t is None for t in m.tracings), "frames": len(m.tracings)}


def _part(name: str, placeholder: str) -> Callable[[Measurement, str], Values]:
    """A share of the image quality, in per cent."""

    def values(m: Measurement, text: str) -> Values:
        share = None if m.quality is None else m.quality.parts.get(name)
        return _known([(placeholder, None if share is None else _whole(100 * share))])

    return values


def _shortening(m: Measurement, text: str) -> Values:
    if m.curve is None or m.ed_frame is None or m.es_frame is None:
        return {}
    return _known(
        [("length_percent", _whole(100 * float(m.curve.length[m.es_frame] / m.curve.length[m.ed_frame])))]
    )


def _second(m: Measurement, text: str) -> Values:
    other = m.second_opinion
    if other is None or other.difference_points is None:
        return {}
    return _known(
        [("other_percent", _whole(other.ef_percent)), ("apart_points", _whole(abs(other.difference_points)))]
    )


def _model(m: Measurement, text: str) -> Values:
    return {} if m.provenance is None else {"model": m.provenance.weights}


def _view(m: Measurement, text: str) -> Values:
    return {} if m.view is View.UNKNOWN else {"view_shown": VIEW_TEXT[m.view]}


def _rate(m: Measurement, text: str) -> Values:
    rate = m.frame_rate_hz
    return {} if rate is None else {"frame_rate": round(rate, 1) if rate < 10 else round(rate)}


def _frames(m: Measurement, text: str) -> Values:
    return _known([("frames", m.n_frames)])


def _scale(m: Measurement, text: str) -> Values:
    size = getattr(m.spacing, "y_mm", None)
    return {} if size is None else {"mm_per_pixel": f"{size:.3g}"}


def _where(m: Measurement, text: str) -> Values:
    """Frames as they stand in the text: no field holds them."""
    found = _FRAMES.search(text)
    return {} if found is None else {"where": _from_one(found)}


def _read(pattern: str, *names: str) -> Callable[[Measurement, str], Values]:
    """Values that stand in the text alone; frames from 1."""

    def values(m: Measurement, text: str) -> Values:
        found = re.search(pattern, text)
        if found is None:
            return {}
        return {
            name: int(value) + 1 if name == "frame" else value
            for name, value in zip(names, found.groups(), strict=True)
        }

    return values


_VALUES: dict[str, Callable[[Measurement, str], Values]] = {
    **dict.fromkeys(
        (
            *("irregular_rhythm", "irregular_few_beats", "beats_excluded", "beats_disagree"),
            *("beats_cross_range", "mean_of_ratios"),
        ),
        _beats,
    ),
    **dict.fromkeys(("no_whole_beat", "frames_by_hand"), _shown),
    "implausible_systole": _systole,
    "untraced_frames": _untraced,
    "weak_walls": _part("wall_contact", "wall_percent"),
    "implausible_shape": _part("odd_shapes", "odd_percent"),
    "implausible_shortening": _shortening,
    "wide_interval": _interval,
    "models_disagree": _second,
    "experimental_network": _model,
    "view_contradicts_image": _view,
    **dict.fromkeys(("assumed_frame_rate", "slow_frame_rate"), _rate),
    "truncated": _frames,
    "manual_scale": _scale,
    **dict.fromkeys(("blank_frames", "damaged_frames", "repeated_loop", "played_backward"), _where),
    "cut": _read(r"frames (\d+) and \d+", "frame"),
    "freeze": _read(_NUMBER + r" s \(frames? (\d+)", "seconds", "frame"),
    "view_changes": _read(r"then .*? frames (\d+) to", "frame"),
    "heart_rates_differ": _read(_NUMBER + "/min in A4C, " + _NUMBER + "/min in A2C", "a4c", "a2c"),
    "frame_rates_differ": _read(
        "A4C has " + _NUMBER + " frames a second and the A2C " + _NUMBER, "a4c", "a2c"
    ),
    "cycles_differ": _read(_NUMBER + " s in A4C, " + _NUMBER + " s in A2C", "a4c", "a2c"),
    "axes_differ": _read(
        "at (ED|ES) .*?" + _NUMBER + " mm in A4C, " + _NUMBER + " mm in A2C", "phase", "a4c", "a2c"
    ),
}
