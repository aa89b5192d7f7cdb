"""Blocks of a drawn report: wrapped text, the EF with what belongs to it, values, image quality, images, warnings.

Each is drawn once for the PDF page and the summary image; both only say where it stands. Sizes are points.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lvef.core.errors import cut_middle
from lvef.core.fields import Line
from lvef.core.terms import Decision
from lvef.report.canvas import Canvas, Page, Stroke, rectangle
from lvef.report.charts import INTERVAL_HEIGHT, Box, draw_interval, draw_score
from lvef.report.content import ReportContent, more_warnings
from lvef.report.images import EchoImage, draw_tracing

BODY, SMALL, LEADING = 8.0, 7.0, 10.5
"""Sizes of letters, and the distance of the lines of the larger ones."""

LABELS = 88.0
"""Width of the labels of values."""

_WARNING_LEADING, _WARNING_GAP, _WARNINGS_HEAD = 9.5, 3.0, 19.0


def wrap(
    canvas: Canvas, text: str, width: float, size: float, *, bold: bool = False, most: int = 1000
) -> list[str]:
    """Break a text into lines that fit; the last of ``most`` lines ends with ``...`` where more would follow."""

    def wide(line: str) -> float:
        return canvas.text_width(line, size, bold=bold)

    lines, line = [], ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if wide(joined) <= width:
            line = joined
            continue
        lines += [line] if line else []
        line = word
        # A word that no line can hold is broken.
        while wide(line) > width:
            kept = max(1, bisect(range(1, len(line) + 1), width, key=lambda n: wide(line[:n])))
            lines.append(line[:kept])
            line = line[kept:]
    lines += [line] if line else []
    if len(lines) > most:
        last = lines[most - 1]
        while last and wide(f"{last} ...") > width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()} ..."]
    return lines


def fitting(canvas: Canvas, text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text, without its middle where it is too long: the end of a file's name matters as much as its beginning."""
    shown = text
    while len(shown) > 12 and canvas.text_width(shown, size, bold=bold) > width:
        shown = cut_middle(text, len(shown) - 1, (len(shown) - 6) // 2)
    return shown


def draw_lines(
    canvas: Canvas,
    x: float,
    y: float,
    lines: Iterable[str],
    size: float,
    colour: str,
    *,
    leading: float,
    bold: bool = False,
) -> float:
    """Write lines below each other from the baseline ``y`` on; returns the baseline after the last."""
    for line in lines:
        canvas.text(x, y, line, size, colour, bold=bold)
        y += leading
    return y


def draw_ef(canvas: Canvas, content: ReportContent, x: float, y: float, width: float) -> float:
    """The EF in large numbers, its interval in words and as a bar, decision, second opinion and status."""
    heading = wrap(canvas, content.label, width, BODY, most=2)
    y = draw_lines(canvas, x, y, heading, BODY, "soft", leading=LEADING)
    canvas.text(x - 2, y + 32, content.ef, 42 if content.ef[:1].isdigit() else 30, "ink", bold=True)
    y = _draw_interval(canvas, content, x, y + 49, width)
    y = _draw_decision(canvas, content.decision, x, y, width)
    for label, text in content.second_opinion:
        colour = "alert" if content.is_apart else "ink"
        lines = wrap(canvas, f"{label}: {text}", width, SMALL, most=3)
        y = draw_lines(canvas, x, y, lines, SMALL, colour, leading=9.0) + 3
    status = wrap(canvas, content.status, width, BODY, bold=True, most=3)
    colour = "alert" if content.is_alert else "soft"
    return draw_lines(canvas, x, y, status, BODY, colour, leading=LEADING, bold=True)


def _draw_interval(canvas: Canvas, content: ReportContent, x: float, y: float, width: float) -> float:
    if content.bar is None:
        return y
    for label, text in content.interval:
        if content.bar.interval_percent is None:
            note = wrap(canvas, f"No prediction interval. {text}", width, SMALL, most=3)
            y = draw_lines(canvas, x, y, note, SMALL, "soft", leading=9.5)
        else:
            canvas.text(x, y, text, 10, "ink", bold=True)
            canvas.text(x + canvas.text_width(text, 10, bold=True) + 5, y, f"({label})", SMALL, "soft")
            y += LEADING
    draw_interval(canvas, content.bar, x, y - 5, width - 6, SMALL)
    return y + INTERVAL_HEIGHT * SMALL + 5


def _draw_decision(canvas: Canvas, decision: tuple[str, str], x: float, y: float, width: float) -> float:
    """The decision in a frame, and beside it what it asks of the reader."""
    word, rest = decision
    if word:
        colour, dash = ("ed", ()) if word == Decision.ACCEPTED else ("alert", (2.0, 1.5))
        wide = canvas.text_width(word, BODY, bold=True)
        corners = rectangle(x, y - 8, wide + 10, 11)
        for side in pairwise([*corners, corners[0]]):
            canvas.line(side, Stroke(colour, 0.9, dash=dash))
        canvas.text(x + 5, y, word, BODY, colour, bold=True)
        lines = wrap(canvas, rest, width - wide - 16, SMALL, most=3) or [""]
        y = draw_lines(canvas, x + wide + 15, y, lines, SMALL, "ink", leading=8.5) + 4
    return y


def draw_values(
    canvas: Canvas, values: Sequence[Line], x: float, y: float, width: float, most: int = 2
) -> float:
    """Labels and, beside them, texts of so many lines at most."""
    for label, text in values:
        canvas.text(x, y, label, BODY, "soft")
        lines = wrap(canvas, text, width - LABELS, BODY, most=most)
        y = draw_lines(canvas, x + LABELS, y, lines, BODY, "ink", leading=LEADING) + 1
    return y


def draw_qualities(canvas: Canvas, content: ReportContent, x: float, y: float, width: float) -> float:
    """The image quality of each view: score, its bar, and what would help most."""
    for view in content.views:
        quality = view.quality
        if quality is None:
            continue
        label = f"{view.name} image" if view.name else "Image quality"
        text = f"{label}: {quality.text}" if quality.text else label
        lines = wrap(canvas, text, width, BODY, most=2)
        y = draw_lines(canvas, x, y, lines, BODY, "soft", leading=LEADING)
        if quality.score is not None:
            draw_score(canvas, quality.score, x, y - 6, min(130.0, width), 6.5)
            y += 11
        for sentence in quality.advice:
            lines = wrap(canvas, sentence, width, SMALL, most=3)
            y = draw_lines(canvas, x, y, lines, SMALL, "ink", leading=9.0) + 1
        y += 4
    return y


def draw_image(canvas: Page, image: EchoImage, x: float, y: float, width: float, height: float) -> None:
    """An image on black, as large as fits, with its tracing, title and caption."""
    canvas.area(rectangle(x, y, width, height), "#000000")
    tall, wide = image.pixels.shape
    scale = min(width / wide, height / tall)
    box: Box = (x + (width - wide * scale) / 2, y + (height - tall * scale) / 2, wide * scale, tall * scale)
    canvas.image(image.pixels, *box)
    if image.tracing is not None:
        draw_tracing(canvas, image.tracing, box, image.colour, 1.3)
    if image.title:
        canvas.shade(x + 4, y + 4, canvas.text_width(image.title, 11, bold=True) + 4, 14)
        canvas.text(x + 6, y + 15, image.title, 11, image.colour, bold=True)
    if image.caption:
        wide_text = canvas.text_width(image.caption, SMALL)
        canvas.shade(x + width - 8 - wide_text, y + height - 15, wide_text + 4, 11)
        canvas.text(x + width - 6, y + height - 7, image.caption, SMALL, "#ffffff", align=1.0)


def _warning_lines(canvas: Canvas, content: ReportContent, width: float) -> list[list[str]]:
    return [wrap(canvas, text, width - 9, SMALL, most=2) for text in content.warnings]


def warnings_height(canvas: Canvas, content: ReportContent, width: float) -> float:
    """Height of all warnings with their heading; 0 without any."""
    lines = _warning_lines(canvas, content, width)
    rows = sum(map(len, lines)) + bool(content.hidden_warnings)
    return _WARNINGS_HEAD + _WARNING_LEADING * rows + _WARNING_GAP * len(lines) if lines else 0.0


def draw_warnings(
    canvas: Canvas, content: ReportContent, x: float, y: float, width: float, foot: float
) -> None:
    """The warnings; those that would reach below ``foot`` are counted instead."""
    if not content.warnings:
        return
    canvas.text(x, y + 6, "Warnings", BODY, "ink", bold=True)
    y, hidden = y + _WARNINGS_HEAD, content.hidden_warnings
    for place, lines in enumerate(_warning_lines(canvas, content, width)):
        rest = len(content.warnings) - place
        closing = _WARNING_LEADING if rest > 1 or hidden else 0.0
        if y + (len(lines) - 1) * _WARNING_LEADING + closing > foot:
            hidden += rest
            break
        canvas.text(x, y, "\u2022", SMALL, "alert")
        y = draw_lines(canvas, x + 9, y, lines, SMALL, "ink", leading=_WARNING_LEADING) + _WARNING_GAP
    canvas.text(x + 9, y, more_warnings(hidden), SMALL, "soft")
