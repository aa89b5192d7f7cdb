"""The summary image ``summary.png``: what was measured, on one image that a reader can check."""

from __future__ import annotations

import textwrap

from lvef.core.fields import Shown
from lvef.core.records import Clip, Measurement
from lvef.core.terms import Decision
from lvef.core.wording import clip_text, method_text
from lvef.measure.results import Result
from lvef.report.canvas import PixelCanvas, Stroke, rectangle
from lvef.report.charts import INTERVAL_HEIGHT, draw_curve, draw_interval, draw_score
from lvef.report.content import ReportContent, content_of, more_warnings, readable, readable_lines
from lvef.report.images import EchoImage, draw_tracing, images_of
from lvef.report.style import DRAWING_LOCK

WIDTH_PX, HEIGHT_PX = 1400, 840
"""Size of the image."""

COLUMN_X_PX, MARGIN_PX = 960, 40
"""Left edge of the column of text; empty margin on all sides."""

_LETTERS, _VALUE_LETTERS = 56, 31
_LABELS_PX, _FOOT_PX = 152, 764
_BODY, _SMALL = 14.0, 13.0


def summary_png(clip: Clip, measurement: Measurement) -> bytes:
    """Draw the summary image of a measurement as PNG.

    Args:
        clip: The clip as it was read, not empty.
        measurement: Its measurement, in any status.
    """
    content = content_of(Result(measurement, clip))
    chart = content.views[0].chart
    bottom = 540 if chart is not None else 770
    room, gap = COLUMN_X_PX - 2 * MARGIN_PX, 16
    places = 1 if measurement.ed_frame is None or measurement.es_frame is None else 2
    width, height = (room - gap * (places - 1)) / places, bottom - 84
    images = images_of(measurement, clip, "", width / height, height)[:places]
    with DRAWING_LOCK:
        canvas = PixelCanvas(WIDTH_PX, HEIGHT_PX)
        title = _fitting(canvas, content.title, room, 18.0, bold=True)
        canvas.text(MARGIN_PX, 38, title, 18.0, "ink", bold=True)
        facts = " · ".join(filter(None, (method_text(measurement), clip_text(measurement, " · "))))
        canvas.text(MARGIN_PX, 62, _fitting(canvas, readable(facts), room, _BODY), _BODY, "soft")
        for place in range(places):
            box = (MARGIN_PX + place * (width + gap), 84.0, width, float(height))
            canvas.area(rectangle(*box), "#000000")
            if place < len(images):
                _draw_image(canvas, images[place], box)
        if chart is not None:
            draw_curve(canvas, chart, (MARGIN_PX, 560, room, 245), _SMALL)
        _draw_column(canvas, content, measurement)
        return canvas.png()


def _draw_image(canvas: PixelCanvas, image: EchoImage, box: tuple[float, float, float, float]) -> None:
    x, y, width, _ = box
    canvas.image(image.pixels, *box)
    if image.tracing is not None:
        draw_tracing(canvas, image.tracing, box, image.colour, 2.2)
    if image.title:
        canvas.shade(x + 4, y + 8, canvas.text_width(image.title, 24, bold=True) + 10, 34)
        canvas.text(x + 9, y + 34, image.title, 24, image.colour, bold=True)
    if image.caption:
        wide = canvas.text_width(image.caption, _SMALL)
        canvas.shade(x + width - wide - 12, y + 8, wide + 8, 24)
        canvas.text(x + width - 8, y + 25, image.caption, _SMALL, "#ffffff", align=1.0)


def _draw_column(canvas: PixelCanvas, content: ReportContent, m: Measurement) -> None:
    """Result, values, warnings and what made it, from the top down."""
    x = float(COLUMN_X_PX)
    canvas.text(x, 40, _fitting(canvas, content.label, WIDTH_PX - MARGIN_PX - x, 15), 15, "soft")
    size = 75.0 if content.ef[:1].isdigit() else 55.0
    canvas.text(x, 112, content.ef, size, "ink", bold=True)
    y, ef_width = 112 if content.bar else 148.0, canvas.text_width(content.ef, size, bold=True)
    y = _draw_interval(canvas, content, y, ef_width)
    for line in textwrap.wrap(content.status, 44, max_lines=2):
        canvas.text(x, y, line, 14.5, "alert" if content.is_alert else "soft", bold=True)
        y += 20
    reason = textwrap.wrap(content.reason, _LETTERS, max_lines=7, placeholder=" ...")
    y = _draw_lines(canvas, reason, x, y + 4, _BODY)
    y = _draw_rule(canvas, y)
    values = readable_lines(m, Shown.SUMMARY)
    for label, text in values:
        canvas.text(x, y, label, _BODY, "soft")
        y = _draw_lines(canvas, textwrap.wrap(text, _VALUE_LETTERS), x + _LABELS_PX, y, _BODY, step=19)
    y = _draw_quality(canvas, content, y)
    if values:
        y = _draw_rule(canvas, y + 4)
    _draw_warnings(canvas, content, y)
    if m.provenance is not None:
        made = m.provenance
        canvas.text(x, _FOOT_PX + 4, f"lvef {made.lvef_version}  ·  {readable(made.weights)}", 12.5, "soft")
        how = f"{made.backend} {made.precision}  ·  weights {made.weights_licence}"
        canvas.text(x, _FOOT_PX + 20, readable(how), 12.5, "soft")
    canvas.text(x, _FOOT_PX + 44, content.disclaimer, 12.5, "ink", bold=True)


def _draw_interval(canvas: PixelCanvas, content: ReportContent, y: float, ef_width: float) -> float:
    """Decision beside the EF, the prediction interval in words and as a bar below it."""
    if content.bar is None:
        return y
    x, width = float(COLUMN_X_PX), float(WIDTH_PX - MARGIN_PX - COLUMN_X_PX)
    word, rest = content.decision
    if word:
        left, colour = x + ef_width + 24, "ed" if word == Decision.ACCEPTED else "alert"
        wide = canvas.text_width(word, 15, bold=True)
        canvas.line(rectangle(left, y - 52, wide + 20, 25), Stroke(colour, 1.6, is_closed=True))
        canvas.text(left + 10, y - 34, word, 15, colour, bold=True)
        _draw_lines(canvas, textwrap.wrap(rest, 24, max_lines=2), left, y - 10, _SMALL, step=16)
    y += 30
    for label, text in content.interval:
        if content.bar.interval_percent is None:
            lines = textwrap.wrap(f"No prediction interval. {text}", _LETTERS, max_lines=2)
            y = _draw_lines(canvas, lines, x, y, _SMALL, "soft")
        else:
            canvas.text(x, y, text, 19, "ink", bold=True)
            canvas.text(x + canvas.text_width(text, 19, bold=True) + 10, y, f"({label})", _BODY, "soft")
            y += 17
    draw_interval(canvas, content.bar, x, y - 4, width, _SMALL)
    return y + INTERVAL_HEIGHT * _SMALL + 16


def _draw_quality(canvas: PixelCanvas, content: ReportContent, y: float) -> float:
    """Score, its bar, and what would help most."""
    quality = content.views[0].quality
    if quality is None:
        return y
    x = float(COLUMN_X_PX)
    canvas.text(x, y, "Image quality", _BODY, "soft")
    canvas.text(x + _LABELS_PX, y, quality.text, _BODY, "ink")
    if quality.score is not None:
        draw_score(canvas, quality.score, WIDTH_PX - MARGIN_PX - 110, y - 12, 110, _SMALL)
    y += 19
    for text in quality.advice:
        lines = textwrap.wrap(text, _LETTERS, max_lines=2, placeholder=" ...")
        y = _draw_lines(canvas, lines, x, y, _SMALL)
    return y


def _draw_warnings(canvas: PixelCanvas, content: ReportContent, y: float) -> None:
    if not content.warnings:
        return
    if y > _FOOT_PX - 50:
        # Values took the place: one line says that there are warnings.
        every = len(content.warnings) + content.hidden_warnings
        text = f"{every} warnings, in measurement.json"
        canvas.text(COLUMN_X_PX, min(y, _FOOT_PX - 14), text, _SMALL, "alert")
        return
    canvas.text(COLUMN_X_PX, y, "Warnings", 15, "ink", bold=True)
    y += 22
    for place, text in enumerate(content.warnings):
        lines = textwrap.wrap(text, _LETTERS, max_lines=3, placeholder=" ...")
        left = len(content.warnings) - place + content.hidden_warnings
        # The foot stays readable.
        if y + 17 * len(lines) > _FOOT_PX - (28 if left == 1 else 45):
            canvas.text(COLUMN_X_PX, y, more_warnings(left), _SMALL, "soft")
            return
        canvas.text(COLUMN_X_PX, y, "\u2022", _BODY, "alert")
        y = _draw_lines(canvas, lines, COLUMN_X_PX + 14, y, _SMALL) + 4


def _draw_lines(
    canvas: PixelCanvas,
    lines: list[str],
    x: float,
    y: float,
    size: float,
    colour: str = "ink",
    step: int = 17,
) -> float:
    """Lines of text one below the other; returns where the next one stands."""
    for line in lines:
        canvas.text(x, y, line, size, colour)
        y += step
    return y


def _draw_rule(canvas: PixelCanvas, y: float) -> float:
    canvas.line([(COLUMN_X_PX, y - 6), (WIDTH_PX - MARGIN_PX, y - 6)], Stroke("line", 1))
    return y + 14


def _fitting(canvas: PixelCanvas, text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text; without its middle where it is too long."""
    if canvas.text_width(text, size, bold=bold) <= width:
        return text
    half = len(text) // 2
    left, right = text[:half], text[half:]
    while left and canvas.text_width(f"{left} ... {right}", size, bold=bold) > width:
        left, right = left[:-1], right[1:]
    return f"{left} ... {right}"
