"""What the page about a measurement says: decided here, once, for the PDF and the HTML page alike."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Sequence

from lvef.core.fields import Group, Shown, lines_of
from lvef.core.records import Clip, Correction, Measurement
from lvef.core.serialization import printable
from lvef.core.terms import Status, View
from lvef.core.wording import (
    DISCLAIMER,
    clip_text,
    ef_text,
    ml_text,
    no_volume_text,
    note_text,
    reads_clips,
    status_text,
)
from lvef.measure.results import Result
from lvef.report.curve import MOST_BEATS, MOST_BEATS_OF_A_VIEW, beats_of, curve_of
from lvef.report.page import Corrected, Pairs, ReportPage, Table, ViewPart
from lvef.report.pictures import pictures_of

MOST_WARNINGS = 8
"""Most warnings on a page."""

LONGEST_TITLE = 160
"""Letters of a file name that are shown; longer ones lose their middle."""

LONGEST_NOTE = 300
"""Letters of a sentence that are shown."""

DIGEST_LETTERS = 12
"""Letters of a network's SHA-256 that are shown."""

SHAPE, SHAPE_OF_A_VIEW = 1.28, 0.7
"""Width over height of a picture: two on a page, and four."""

NO_CONTOUR = "This network draws no contour: there is nothing to check by eye."
"""Stands under the pictures of an EF network."""

NO_FILM = "The film was not at hand when this page was made: it has no pictures."
"""Stands where the film of an earlier answer is not found any more."""

NO_FAN = "No ultrasound fan was found; what lies outside a fan is never shown, so there are no pictures."
"""Stands where all of a film is hidden."""

_CHANGES = {
    "beat": "another beat",
    "frames": "other frames",
    "ed_contour": "contour at ED",
    "es_contour": "contour at ES",
}
_BREAKING = {"\u061c", "\u200e", "\u200f", *map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))}


def page_of(answer: Result, made_at: datetime.datetime | None = None) -> ReportPage:
    """Everything that the page about an answer says.

    Args:
        answer: The measurement with its film and, of a biplane study, its views.
        made_at: When the page is made; the clock's time where None.
    """
    m = answer.measurement
    names = _names(answer)
    views, films = _views(answer)
    warnings = tuple(_cut(_sentence(text, names)) for text in dict.fromkeys(_all_notices(answer)))
    left = len(warnings) - MOST_WARNINGS
    return ReportPage(
        title=file_title(answer),
        facts=_facts(answer),
        answer_name="Ejection fraction"
        + (f", corrected{_by(m.correction)}" if m.correction is not None else ""),
        answer=ef_text(m.ef_percent) if m.ef_percent is not None else "No EF",
        status=status_text(m),
        alert=m.correction is None and m.status is not Status.OK,
        reason=_cut(_reason(m, names), 2 * LONGEST_NOTE),
        categories=(),
        values=tuple(lines_of(m, Shown.REPORT, Group.VALUES)),
        volumes=tuple(lines_of(m, Shown.REPORT, Group.VOLUMES)),
        volume_note=_cut(_readable(no_volume_text(m))),
        correction=_corrected(answer),
        views=views,
        picture_note=_picture_note(m, films, any(view.pictures for view in views)),
        warnings=warnings[:MOST_WARNINGS],
        hidden_warnings=max(0, left),
        made=_made(m, made_at),
        disclaimer=DISCLAIMER,
    )


def file_title(answer: Result) -> str:
    """The names of the measured files, without their folders, as they can be printed."""
    sources = _sources(answer)
    return _cut(" + ".join(_readable(_base_name(source)) for source in sources), LONGEST_TITLE, middle=True)


def _sources(answer: Result) -> list[str]:
    """The files that were measured: of a pair or a study both."""
    source = answer.measurement.source
    if answer.parts:
        return [part.source for part, _ in answer.parts.values()]
    both = source.split(" + ")
    # A file may be called "a + b"; a pair has no clock, a study has no frames of its own.
    two = answer.measurement.single_plane or answer.measurement.frame_rate_hz is None
    return both if len(both) == 2 and two else [source]


def _names(answer: Result) -> dict[str, str]:
    """Every path that a sentence may hold, the longest first, with the name that stands for it."""
    sources = {answer.measurement.source: file_title(answer)}
    for source in _sources(answer):
        sources.setdefault(source, _readable(_base_name(source)))
    return dict(sorted(sources.items(), key=lambda item: -len(item[0])))


def _without_folders(text: str, names: dict[str, str]) -> str:
    for source, name in names.items():
        if source:
            text = text.replace(source, name)
    return _readable(text)


def _reason(m: Measurement, names: dict[str, str]) -> str:
    return _sentence(m.reason.removeprefix(f"{m.source}: "), names)


def _sentence(text: str, names: dict[str, str]) -> str:
    """A note as a sentence without folders; a file's name keeps its first letter as it is."""
    # The folders go first: a path whose first letter has become a capital would not be found.
    text = _without_folders(text, names)
    said = note_text(text)
    return text[:1] + said[1:] if any(name and text.startswith(name) for name in names.values()) else said


def _base_name(source: str) -> str:
    return source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _readable(text: str) -> str:
    """Text on one line: signs that steer instead of standing for something become boxes."""
    return "".join(
        "□" if unicodedata.category(c) in ("Cc", "Cs") or c in _BREAKING else c
        for c in " ".join(printable(text).split())
    )


def _cut(text: str, most: int = LONGEST_NOTE, *, middle: bool = False) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most // 2 - 2]} ... {text[3 - most // 2 :]}" if middle else f"{text[: most - 4]} ..."


def _facts(answer: Result) -> str:
    if not answer.parts:
        return _film_text(answer.measurement, "  ·  ")
    films = ((view, _film_text(part, ", ")) for view, (part, _) in answer.parts.items())
    return "  ·  ".join(f"{view}: {film}" for view, film in films if film)


def _film_text(m: Measurement, between: str) -> str:
    # A view of a study stands in front of its clip already.
    view = str(m.view) if m.view is not View.UNKNOWN and between != ", " else ""
    return _readable(between.join(filter(None, (view, clip_text(m, between)))))


def _corrected(answer: Result) -> Corrected | None:
    m = answer.measurement
    c = m.correction
    if c is None:
        return None
    mean = (c.machine_beats_averaged or 0) > 1
    columns = [
        ("", "Reader, one beat", "Machine, mean") if mean else ("", "Reader", "Machine"),
        ("EF", ef_text(m.ef_percent), ef_text(c.machine_ef_percent)),
    ]
    if m.edv_ml is not None or c.machine_edv_ml is not None:
        columns.append(("EDV", ml_text(m.edv_ml), ml_text(c.machine_edv_ml)))
        columns.append(("ESV", ml_text(m.esv_ml), ml_text(c.machine_esv_ml)))
    if m.ed_frame is not None or c.machine_ed_frame is not None:
        columns.append(("ED frame", _frame(m.ed_frame), _frame(c.machine_ed_frame)))
        columns.append(("ES frame", _frame(m.es_frame), _frame(c.machine_es_frame)))
    for view, (part, _) in answer.parts.items():
        columns += _corrected_view(view, part, m.single_plane.get(view))
    changed = ", ".join(_change_text(what) for what in c.changed)
    sentence = f"Changed{_by(c)} on {_clock_text(c.corrected_at)}: {_readable(changed)}."
    if any(part.curve is not None for part in (m, *(part for part, _ in answer.parts.values()))):
        sentence += " The curve is the machine's."
    header, own, machine = zip(*columns, strict=True)
    return Corrected(
        table=Table(header, (own, machine), strong=0),
        sentence=sentence,
        note=_cut(f"Note: {_readable(c.note)}") if c.note.strip() else "",
    )


def _corrected_view(view: str, part: Measurement, ef_percent: float | None) -> list[tuple[str, str, str]]:
    """Columns of a view of a study: its EF, and its frames where others were chosen."""
    c = part.correction
    if c is None:
        return []
    columns = [(f"{view} EF", ef_text(ef_percent), ef_text(c.machine_ef_percent))]
    own, machine = (part.ed_frame, part.es_frame), (c.machine_ed_frame, c.machine_es_frame)
    if own != machine:
        columns.append((f"{view} ED, ES", ", ".join(map(_frame, own)), ", ".join(map(_frame, machine))))
    return columns


def _by(correction: Correction) -> str:
    reader = _cut(_readable(correction.reader), 40)
    return f" by {reader}" if reader else " by a reader"


def _frame(frame: int | None) -> str:
    return "-" if frame is None else str(frame)


def _change_text(code: str) -> str:
    view, _, what = code.rpartition(" ")
    said = _CHANGES.get(what, what.replace("_", " "))
    return f"{said} ({view})" if view else said


def _views(answer: Result) -> tuple[tuple[ViewPart, ...], list[Clip | None]]:
    """What belongs to each film, and the films."""
    m = answer.measurement
    if not answer.parts:
        view = ViewPart("", pictures_of(m, answer.clip, "", SHAPE), curve_of(m), beats_of(m, MOST_BEATS))
        return (view,), [answer.clip]
    return tuple(
        ViewPart(
            name,
            pictures_of(part, clip, name, SHAPE_OF_A_VIEW),
            curve_of(part),
            beats_of(part, MOST_BEATS_OF_A_VIEW, narrow=True),
        )
        for name, (part, clip) in answer.parts.items()
    ), [clip for _, clip in answer.parts.values()]


def _picture_note(m: Measurement, films: Sequence[Clip | None], any_shown: bool) -> str:
    notes = []
    if m.ef_percent is not None and reads_clips(m):
        notes.append(NO_CONTOUR)
    if not any_shown and any(film is not None for film in films):
        notes.append(NO_FAN)
    elif any(film is None for film in films) and m.status is not Status.FAILED:
        notes.append(NO_FILM)
    return " ".join(notes)


def _all_notices(answer: Result) -> list[str]:
    """Warnings of the answer; a study's are those of its views too, with the view in front."""
    return [n.text for n in answer.measurement.notices]


def _made(m: Measurement, made_at: datetime.datetime | None) -> Pairs:
    pairs = [(label, _readable(text)) for label, text in lines_of(m, Shown.REPORT, Group.METHOD)]
    when = made_at if made_at is not None else datetime.datetime.now(datetime.UTC)
    pairs.append(("This page", f"made {_clock_text(when.isoformat())}"))
    return tuple(pairs)


def _clock_text(text: str) -> str:
    """A time as ``2026-01-31 14:05 UTC``; what is no time is shown as it stands."""
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        return _readable(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return f"{when.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"
