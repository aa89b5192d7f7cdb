"""What the page about a measurement is made of: plain records that the PDF and the HTML page both draw."""

from __future__ import annotations

from dataclasses import dataclass

from lvef.core.records import FloatArray, FrameArray

Pairs = tuple[tuple[str, str], ...]
"""Names and what stands beside them."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A tracing on a picture; all points are parts of its width and height from the upper left corner.

    Attributes:
        contour: Closed contour without a repeated end point, ``(k, 2)``.
        axis: Apex and middle of the mitral plane, ``(2, 2)``.
        chords: The disks, ``(20, 2, 2)``.
    """

    contour: FloatArray
    axis: FloatArray
    chords: FloatArray


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame of the film.

    Attributes:
        word: ``ED``, ``ES`` or empty.
        title: View and phase, for the tag on the picture.
        caption: Frame and time.
        alt: What is to be seen, for those who cannot see it.
        pixels: ``(height, width)`` uint8 of square pixels, blacked outside the fan.
        outline: What was traced, or None.
    """

    word: str
    title: str
    caption: str
    alt: str
    pixels: FrameArray
    outline: Outline | None


@dataclass(frozen=True, slots=True)
class Span:
    """A beat on the curve.

    Attributes:
        start_s: Its beginning.
        end_s: Its end.
        kind: ``answer``, ``counted`` or ``left out``.
        label: Its EF, or that it was left out.
    """

    start_s: float
    end_s: float
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The volume curve.

    Attributes:
        pieces: ``(k, 2)`` of time and volume; a gap in the curve begins a new piece.
        spans: The beats.
        marks: ``(phase, time, volume)`` of the EDs and ESs.
        unit: Name of the vertical axis.
        times_s: First and last time.
        volumes: Lower and upper end of the vertical axis.
        time_ticks: Where the horizontal axis is labelled.
        volume_ticks: Where the vertical axis is labelled.
        alt: The curve in words.
    """

    pieces: tuple[FloatArray, ...]
    spans: tuple[Span, ...]
    marks: tuple[tuple[str, float, float], ...]
    unit: str
    times_s: tuple[float, float]
    volumes: tuple[float, float]
    time_ticks: tuple[float, ...]
    volume_ticks: tuple[float, ...]
    alt: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of words.

    Attributes:
        header: Its columns; the last one is words, all others are numbers.
        rows: Its lines.
        strong: Index of the line that is the answer, or None.
        hidden: How many lines were left away.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: int | None = None
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class ViewPart:
    """What belongs to one film: of a biplane study there are two."""

    name: str
    pictures: tuple[Picture, ...]
    curve: Curve | None
    beats: Table | None


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a reader changed: both answers side by side, and what was done, by whom and when."""

    table: Table
    sentence: str
    note: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Everything that the page says, in the order in which it is said.

    Attributes:
        title: File names without folders.
        facts: The film in one line, of a study both films.
        answer_name: What the large figure is.
        answer: The EF, or that there is none.
        status: The status in one line.
        alert: Whether the status should be noticed.
        reason: Why there is no answer; empty where there is one.
        categories: Category by table.
        values: Beats, heart rate, EF of each view, values per body surface.
        volumes: EDV, ESV and stroke volume in ml; empty without a scale.
        volume_note: Why there are no volumes in ml; empty where there are.
        correction: The reader's and the machine's answer, or None.
        views: One film, or two of a biplane study.
        picture_note: What is to be known of the pictures; empty where they speak for themselves.
        warnings: Sentences.
        hidden_warnings: How many more there are.
        made: Method, network, software, time.
        disclaimer: What this is not.
    """

    title: str
    facts: str
    answer_name: str
    answer: str
    status: str
    alert: bool
    reason: str
    categories: Pairs
    values: Pairs
    volumes: Pairs
    volume_note: str
    correction: Corrected | None
    views: tuple[ViewPart, ...]
    picture_note: str
    warnings: tuple[str, ...]
    hidden_warnings: int
    made: Pairs
    disclaimer: str


def more_beats(hidden: int) -> str:
    """What stands under a table from which beats were left away."""
    return f"and {hidden} more {'beat' if hidden == 1 else 'beats'}, in beats.csv"


def more_warnings(hidden: int) -> str:
    """What stands under warnings that are not all."""
    return f"and {hidden} more, in measurement.json"
