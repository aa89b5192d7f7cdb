"""What a report says: decided here once for PDF, HTML and the summary image."""

from __future__ import annotations

import datetime
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from lvef.core.errors import cut_middle
from lvef.core.fields import Group, Line, Shown, lines_of
from lvef.core.quality_wording import advice_of, part_lines, quality_text
from lvef.core.records import Correction, Measurement
from lvef.core.serialization import printable
from lvef.core.terms import Decision, Status, View
from lvef.core.wording import (
    DISCLAIMER,
    clip_text,
    decision_badge,
    ef_text,
    interval_lines,
    ml_text,
    models_disagree,
    no_volume_text,
    note_text,
    number_text,
    reads_clips,
    second_opinion_lines,
    status_text,
)
from lvef.measure.results import Result
from lvef.report.charts import CurveChart, IntervalBar, chart_of, interval_bar, score_alt
from lvef.report.images import EchoImage, images_of

MOST_WARNINGS = 8
"""Most warnings on a page."""

MOST_BEATS, MOST_BEATS_OF_A_VIEW = 7, 5
"""Most lines of the table of beats on a page of one clip, and on one of two."""

LONGEST_TITLE = 160
"""Letters of a file name that are shown; longer ones lose their middle."""

LONGEST_NOTE = 300
"""Letters of a sentence that are shown."""

SHAPE, SHAPE_OF_A_VIEW = 1.28, 0.7
"""Width over height of an image: two on a page, and four."""

NO_CONTOUR = "This model draws no contour that could be checked."
"""Stands under the images of an EF model."""

NO_CLIP = "The clip was not found when this report was made: it has no images."
"""Stands where the clip of a saved result is not found."""

NO_SECTOR = (
    "No ultrasound sector was found. What lies outside a sector is never shown, so there are no images."
)
"""Stands where all of a clip is hidden."""

_CHANGES = {
    "beat": "another beat",
    "frames": "other frames",
    "ed_contour": "contour at ED",
    "es_contour": "contour at ES",
}
_STEERING = {"\u061c", "\u200e", "\u200f", *map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))}


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of text.

    Attributes:
        header: Its columns; the last one is words, all others are numbers.
        rows: Its lines.
        strong: Index of the line that stands out, or None.
        hidden: How many lines are not shown.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: int | None = None
    hidden: int = 0

    @property
    def more(self) -> str:
        """How many beats are not shown; empty where all are."""
        beats = "beat" if self.hidden == 1 else "beats"
        return f"and {self.hidden} more {beats}, in beats.csv" if self.hidden else ""


@dataclass(frozen=True, slots=True)
class QualityContent:
    """The image quality of one clip.

    Attributes:
        score: 0 (poor) to 1 (good), or None.
        text: The score as word and number; empty without one.
        alt: The bar of the score in words.
        advice: What would help most.
        parts: The readable parts.
    """

    score: float | None
    text: str
    alt: str
    advice: tuple[str, ...]
    parts: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ViewContent:
    """What belongs to one clip: of a biplane study there are two."""

    name: str
    images: tuple[EchoImage, ...]
    chart: CurveChart | None
    beats: TextTable | None
    quality: QualityContent | None


@dataclass(frozen=True, slots=True)
class CorrectionContent:
    """What a reader changed: both results side by side, what was done, by whom and when."""

    table: TextTable
    sentence: str
    note: str


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything that a report says, in the order in which it is said.

    Attributes:
        title: File names without folders.
        facts: The clip in one line, of a study both clips.
        label: What the large number is.
        ef: The EF, or that there is none.
        interval: The prediction interval or why there is none, with its label; empty without an EF.
        bar: The EF and the interval as a drawing; None without an EF.
        decision: The decision in one word and what it asks of the reader; empty where none was made.
        second_opinion: The EF of another model with its label, or nothing.
        is_apart: Whether the two models disagree.
        status: The status in one line.
        is_alert: Whether the status should stand out.
        reason: Why there is no EF; empty where there is one.
        values: Categories, beats, heart rate, EF of each view, values per body surface.
        volumes: EDV, ESV and what follows from them; empty without a scale.
        volume_note: Why there are no volumes in ml; empty where there are.
        correction: The reader's and the model's result, or None.
        views: One clip, or two of a biplane study.
        image_note: What is to be known of the images; empty where there is nothing.
        warnings: Sentences.
        hidden_warnings: How many more there are.
        method: Method, model, software, time.
        disclaimer: What this is not.
    """

    title: str
    facts: str
    label: str
    ef: str
    interval: tuple[Line, ...]
    bar: IntervalBar | None
    decision: tuple[str, str]
    second_opinion: tuple[Line, ...]
    is_apart: bool
    status: str
    is_alert: bool
    reason: str
    values: tuple[Line, ...]
    volumes: tuple[Line, ...]
    volume_note: str
    correction: CorrectionContent | None
    views: tuple[ViewContent, ...]
    image_note: str
    warnings: tuple[str, ...]
    hidden_warnings: int
    method: tuple[Line, ...]
    disclaimer: str = DISCLAIMER


def more_warnings(hidden: int) -> str:
    """How many warnings are not shown; empty where all are."""
    return f"and {hidden} more, in measurement.json" if hidden else ""


def content_of(result: Result, made_at: datetime.datetime | None = None) -> ReportContent:
    """Everything that a report says.

    Args:
        result: The measurement with its clip and, of a biplane study, its views.
        made_at: When the report is made; now where None.
    """
    m = result.measurement
    names = _names(result)
    views = _views(result)
    warnings = tuple(dict.fromkeys(_cut(_sentence(notice.text, names)) for notice in m.notices))
    return ReportContent(
        title=file_title(result),
        facts=_facts(result),
        label="Ejection fraction" + ("" if m.correction is None else f", corrected{_by(m.correction)}"),
        ef="No EF" if m.ef_percent is None else ef_text(m.ef_percent),
        interval=_lines(interval_lines(m)),
        bar=interval_bar(m),
        decision=decision_badge(m),
        second_opinion=_lines(second_opinion_lines(m)),
        is_apart=models_disagree(m),
        # The decision says "refused" already.
        status=status_text(m).removeprefix(f"{Decision.REFUSED}: "),
        is_alert=m.correction is None and m.status is not Status.OK,
        reason=_cut(_sentence(m.reason.removeprefix(f"{m.source}: "), names), 2 * LONGEST_NOTE),
        values=readable_lines(m, Shown.REPORT, Group.VALUES),
        volumes=readable_lines(m, Shown.REPORT, Group.VOLUMES),
        volume_note=_cut(readable(no_volume_text(m))),
        correction=_correction(result),
        views=views,
        image_note=_image_note(result, views),
        warnings=warnings[:MOST_WARNINGS],
        hidden_warnings=max(0, len(warnings) - MOST_WARNINGS),
        method=(
            *readable_lines(m, Shown.REPORT, Group.METHOD),
            ("Report", f"made {_time_text((made_at or datetime.datetime.now(datetime.UTC)).isoformat())}"),
        ),
    )


def file_title(result: Result) -> str:
    """The names of the measured files, without their folders, as they can be printed."""
    names = " + ".join(readable(_base_name(source)) for source in _sources(result))
    return cut_middle(names, LONGEST_TITLE, LONGEST_TITLE // 2 - 3)


def readable_lines(m: Measurement, shown: Shown, *groups: Group) -> tuple[Line, ...]:
    """`lvef.core.fields.lines_of` as it can be printed."""
    return _lines(lines_of(m, shown, *groups))


def _lines(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple((label, _cut(readable(text))) for label, text in lines)


def readable(text: str) -> str:
    """Text on one line: characters that steer and show nothing become boxes."""
    line = " ".join(printable(text).split())
    return "".join("□" if unicodedata.category(c) in ("Cc", "Cs") or c in _STEERING else c for c in line)


def beats_table(m: Measurement, most: int | None = None, *, is_narrow: bool = False) -> TextTable | None:
    """The beats as a table; the one that is shown is always in it.

    Args:
        m: The measurement.
        most: Most lines; all where None.
        is_narrow: Without times and volumes, for two tables side by side.
    """
    if not m.beats:
        return None
    has_volumes = not is_narrow and any(math.isfinite(beat.ed_volume) for beat in m.beats)
    has_times = not is_narrow and any(m.frame_time_s(beat.ed_frame) is not None for beat in m.beats)
    unit = " ml" if m.volume_unit == "ml" else ""
    volumes = (f"EDV{unit}", f"ESV{unit}") if unit and has_volumes else ()
    listed = list(range(len(m.beats) if most is None else min(most, len(m.beats))))
    shown = next((i for i, beat in enumerate(m.beats) if m.is_shown(beat)), None)
    if shown is not None and shown not in listed:
        listed[-1] = shown
    rows = []
    for index in listed:
        beat = m.beats[index]
        cells = [str(index + 1), str(beat.ed_frame), str(beat.es_frame)]
        if has_times:
            cells.append(number_text(m.frame_time_s(beat.ed_frame), 2))
        if volumes:
            cells += [number_text(beat.ed_volume), number_text(beat.es_volume)]
        ef = "-" if m.ef_percent is None else number_text(beat.ef_percent)
        cells += [ef, number_text(beat.duration_s, 2)]
        if beat.excluded:
            use = f"excluded: {readable(beat.excluded)}"
        elif m.is_shown(beat):
            use = "yes, the EF above" if m.beats_averaged == 1 else "yes, shown"
        else:
            use = "yes" if beat.end_frame is not None else "incomplete cycle"
        rows.append((*cells, use))
    times = ("Start s",) if has_times else ()
    header = ("Beat", "ED", "ES", *times, *volumes, "EF %", "Length s", "Counted")
    strong = None if shown is None else listed.index(shown)
    return TextTable(header, tuple(rows), strong, len(m.beats) - len(listed))


def _sources(result: Result) -> list[str]:
    """The files that were measured: of a pair or a study both."""
    source = result.measurement.source
    if result.views:
        return [part.source for part, _ in result.views.values()]
    both = source.split(" + ")
    # A file may be called "a + b"; a pair has no clock, a study has no frames of its own.
    two = result.measurement.single_plane or result.measurement.frame_rate_hz is None
    return both if len(both) == 2 and two else [source]


def _names(result: Result) -> dict[str, str]:
    """Every path that a sentence may hold, the longest first, with the name that stands for it."""
    sources = {result.measurement.source: file_title(result)}
    for source in _sources(result):
        sources.setdefault(source, readable(_base_name(source)))
    return dict(sorted(sources.items(), key=lambda item: -len(item[0])))


def _sentence(text: str, names: dict[str, str]) -> str:
    """A note as a sentence without folders; a file's name keeps its first letter as it is."""
    # The folders go first: a path whose first letter has become a capital would not be found.
    for source, name in names.items():
        if source:
            text = text.replace(source, name)
    text = readable(text)
    sentence = note_text(text)
    is_name = any(name and text.startswith(name) for name in names.values())
    return text[:1] + sentence[1:] if is_name else sentence


def _base_name(source: str) -> str:
    return source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _cut(text: str, most: int = LONGEST_NOTE) -> str:
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def _facts(result: Result) -> str:
    m = result.measurement
    if result.views:
        clips = ((view, clip_text(part)) for view, (part, _) in result.views.items())
        return readable(" · ".join(f"{view}: {clip}" for view, clip in clips if clip))
    view = "" if m.view is View.UNKNOWN else str(m.view)
    return readable(" · ".join(filter(None, (view, clip_text(m, " · ")))))


def _views(result: Result) -> tuple[ViewContent, ...]:
    shape, most = (SHAPE_OF_A_VIEW, MOST_BEATS_OF_A_VIEW) if result.views else (SHAPE, MOST_BEATS)
    views = []
    for name, (m, clip) in result.singles.items():
        beats = beats_table(m, most, is_narrow=bool(result.views))
        views.append(ViewContent(name, images_of(m, clip, name, shape), chart_of(m), beats, _quality(m)))
    return tuple(views)


def _quality(m: Measurement) -> QualityContent | None:
    quality = m.quality
    if quality is None:
        return None
    advice, parts = tuple(_cut(readable(text)) for text in advice_of(quality)), _lines(part_lines(quality))
    return QualityContent(quality.score, quality_text(quality), score_alt(quality), advice, parts)


def _image_note(result: Result, views: tuple[ViewContent, ...]) -> str:
    m, notes = result.measurement, []
    clips = [clip for _, clip in result.singles.values()]
    if m.ef_percent is not None and reads_clips(m):
        notes.append(NO_CONTOUR)
    if not any(view.images for view in views) and any(clip is not None for clip in clips):
        notes.append(NO_SECTOR)
    elif any(clip is None for clip in clips) and m.status is not Status.FAILED:
        notes.append(NO_CLIP)
    return " ".join(notes)


def _correction(result: Result) -> CorrectionContent | None:
    m = result.measurement
    c = m.correction
    if c is None:
        return None
    is_mean = (c.machine_beats_averaged or 0) > 1
    columns = [
        ("", "Reader, one beat" if is_mean else "Reader", "Model, mean" if is_mean else "Model"),
        ("EF", ef_text(m.ef_percent), ef_text(c.machine_ef_percent)),
    ]
    if m.edv_ml is not None or c.machine_edv_ml is not None:
        columns.append(("EDV", ml_text(m.edv_ml), ml_text(c.machine_edv_ml)))
        columns.append(("ESV", ml_text(m.esv_ml), ml_text(c.machine_esv_ml)))
    if m.ed_frame is not None or c.machine_ed_frame is not None:
        columns.append(("ED frame", number_text(m.ed_frame), number_text(c.machine_ed_frame)))
        columns.append(("ES frame", number_text(m.es_frame), number_text(c.machine_es_frame)))
    for view, (part, _) in result.views.items():
        columns += _corrected_view(view, part, m.single_plane.get(view))
    changed = ", ".join(_change_text(code) for code in c.changed)
    sentence = f"Changed{_by(c)} on {_time_text(c.corrected_at)}: {readable(changed)}."
    if any(part.curve is not None for part in (m, *(part for part, _ in result.views.values()))):
        sentence += " The curve is the model's."
    header, own, model = zip(*columns, strict=True)
    note = _cut(f"Note: {readable(c.note)}") if c.note.strip() else ""
    return CorrectionContent(TextTable(header, (own, model), strong=0), sentence, note)


def _corrected_view(view: str, part: Measurement, ef_percent: float | None) -> list[tuple[str, str, str]]:
    """Columns of a view of a study: its EF, and its frames where others were chosen."""
    c = part.correction
    if c is None:
        return []
    columns = [(f"{view} EF", ef_text(ef_percent), ef_text(c.machine_ef_percent))]
    own, model = (part.ed_frame, part.es_frame), (c.machine_ed_frame, c.machine_es_frame)
    if own != model:
        columns.append((f"{view} ED, ES", _frames_text(own), _frames_text(model)))
    return columns


def _frames_text(frames: tuple[int | None, int | None]) -> str:
    return ", ".join(map(number_text, frames))


def _by(correction: Correction) -> str:
    reader = _cut(readable(correction.reader), 40)
    return f" by {reader}" if reader else " by a reader"


def _change_text(code: str) -> str:
    view, _, what = code.rpartition(" ")
    text = _CHANGES.get(what, what.replace("_", " "))
    return f"{text} ({view})" if view else text


def _time_text(text: str) -> str:
    """A time as ``2026-01-31 14:05 UTC``; what is no time is shown as it stands."""
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        return readable(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return f"{when.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"
