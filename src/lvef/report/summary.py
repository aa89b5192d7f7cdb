"""The summary image ``summary.png``: what was measured, on one image that a reader can check."""

from __future__ import annotations

from lvef.core.fields import Shown
from lvef.core.records import Clip, Measurement
from lvef.core.wording import clip_text, method_text
from lvef.measure.results import Result
from lvef.report.canvas import PixelCanvas, Stroke, rectangle
from lvef.report.charts import draw_curve
from lvef.report.content import ReportContent, content_of, readable, readable_lines
from lvef.report.images import images_of
from lvef.report.layout import (
    BODY,
    SMALL,
    draw_ef,
    draw_image,
    draw_lines,
    draw_qualities,
    draw_values,
    draw_warnings,
    fitting,
    wrap,
)
from lvef.report.style import DRAWING_LOCK

POINT_PX = 1.75
"""Pixels a point."""

WIDTH_PT, HEIGHT_PT = 800, 480
"""Size of the image."""

COLUMN_X_PT, MARGIN_PT = 548.0, 23.0
"""Left edge of the column of text; empty margin on all sides."""

_COLUMN_WIDTH = WIDTH_PT - MARGIN_PT - COLUMN_X_PT
_TOP, _CURVE_TOP, _CURVE_HEIGHT, _GAP = 48.0, 320.0, 140.0, 9.0
_FOOT = 436.0


def summary_png(clip: Clip, measurement: Measurement) -> bytes:
    """Draw the summary image of a measurement as PNG.

    Args:
        clip: The clip as it was read, not empty.
        measurement: Its measurement, in any status.
    """
    m, content = measurement, content_of(Result(measurement, clip))
    chart = content.views[0].chart
    bottom = _CURVE_TOP - 12 if chart is not None else 440.0
    room = COLUMN_X_PT - 2 * MARGIN_PT
    places = 1 if m.ed_frame is None or m.es_frame is None else 2
    width, height = (room - _GAP * (places - 1)) / places, bottom - _TOP
    images = images_of(m, clip, "", width / height, round(height * POINT_PX))[:places]
    with DRAWING_LOCK:
        canvas = PixelCanvas(WIDTH_PT, HEIGHT_PT, unit=POINT_PX)
        title = fitting(canvas, content.title, room, 10.5, bold=True)
        canvas.text(MARGIN_PT, 22, title, 10.5, "ink", bold=True)
        facts = readable(" · ".join(filter(None, (method_text(m), clip_text(m, " · ")))))
        canvas.text(MARGIN_PT, 36, fitting(canvas, facts, room, BODY), BODY, "soft")
        for place in range(places):
            box = (MARGIN_PT + place * (width + _GAP), _TOP, width, height)
            canvas.area(rectangle(*box), "#000000")
            if place < len(images):
                draw_image(canvas, images[place], *box)
        if chart is not None:
            draw_curve(canvas, chart, (MARGIN_PT, _CURVE_TOP, room, _CURVE_HEIGHT), SMALL)
        _draw_column(canvas, content, m)
        return canvas.png()


def _draw_column(canvas: PixelCanvas, content: ReportContent, m: Measurement) -> None:
    """Result, values, warnings and what made it, from the top down."""
    x, width = COLUMN_X_PT, _COLUMN_WIDTH
    y = draw_ef(canvas, content, x, 22, width)
    reason = wrap(canvas, content.reason, width, BODY, most=7)
    y = _draw_rule(canvas, draw_lines(canvas, x, y + 2, reason, BODY, "ink", leading=10))
    values = readable_lines(m, Shown.SUMMARY)
    y = draw_qualities(canvas, content, x, draw_values(canvas, values, x, y, width, most=4), width)
    if values:
        y = _draw_rule(canvas, y + 2)
    draw_warnings(canvas, content, x, y - 4, width, _FOOT - 16)
    made = m.provenance
    if made is not None:
        lines = [f"lvef {made.lvef_version}  ·  {made.weights}"]
        lines.append(f"{made.backend} {made.precision}  ·  weights {made.weights_licence}")
        draw_lines(canvas, x, _FOOT + 2, map(readable, lines), SMALL, "soft", leading=9)
    canvas.text(x, _FOOT + 25, content.disclaimer, SMALL, "ink", bold=True)


def _draw_rule(canvas: PixelCanvas, y: float) -> float:
    canvas.line([(COLUMN_X_PT, y - 4), (WIDTH_PT - MARGIN_PT, y - 4)], Stroke("line", 0.6))
    return y + 8
