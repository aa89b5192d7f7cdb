"""The HTML report: one file that needs nothing beside it, with no script and nothing from outside."""

from __future__ import annotations

import base64
from functools import cache

import cv2
import jinja2

from lvef.core.records import FrameArray
from lvef.report.canvas import SvgCanvas
from lvef.report.charts import (
    INTERVAL_HEIGHT,
    SCORE_HEIGHT,
    IntervalBar,
    draw_curve,
    draw_interval,
    draw_score,
)
from lvef.report.content import QualityContent, ReportContent, ViewContent, more_warnings
from lvef.report.images import IMAGE_HEIGHT_PX, EchoImage, draw_tracing
from lvef.report.style import DARK, LIGHT, PHASE_COLOURS

JPEG_QUALITY = 88
"""Quality of the images; they are shown, not measured."""

CURVE_HEIGHT, LETTER = 210, 11.5
"""Height of the curve and of its letters; the width is 720, or 350 where there are two."""

BAR_WIDTH = 250.0
"""Width of the bars of EF and image quality."""

CROWDED_LINES = 14
"""With more lines of beats and warnings than this, printed images are smaller."""


def render_html(content: ReportContent) -> str:
    """Write the page.

    Args:
        content: What it says.

    Returns:
        A whole document; the same content gives the same text.
    """
    lines = sum(len(view.beats.rows) for view in content.views if view.beats) + 2 * len(content.warnings)
    lines += 6 if content.correction else 0
    lines += 4 * sum(view.quality is not None for view in content.views)
    return _template().render(
        content=content, is_crowded=lines > CROWDED_LINES, light=LIGHT, dark=DARK, more_warnings=more_warnings
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lvef.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    functions = (_curve_svg, _jpeg, _tracing_svg, _interval_svg, _score_svg)
    environment.globals |= {function.__name__[1:]: function for function in functions}
    environment.globals["phase_colours"] = PHASE_COLOURS
    return environment.get_template("report.html")


def _curve_svg(view: ViewContent, width: int) -> str:
    canvas = SvgCanvas()
    assert view.chart is not None
    draw_curve(canvas, view.chart, (0, 0, width, CURVE_HEIGHT), LETTER, view.name)
    label = f"{view.name}: {view.chart.alt}" if view.name else view.chart.alt
    return canvas.document(width, CURVE_HEIGHT, label)


def _interval_svg(bar: IntervalBar) -> str:
    canvas = SvgCanvas()
    draw_interval(canvas, bar, 0, 0, BAR_WIDTH, LETTER)
    return canvas.document(BAR_WIDTH, INTERVAL_HEIGHT * LETTER, bar.alt)


def _score_svg(quality: QualityContent) -> str:
    canvas = SvgCanvas()
    assert quality.score is not None
    draw_score(canvas, quality.score, 0, 0, BAR_WIDTH, LETTER)
    return canvas.document(BAR_WIDTH, SCORE_HEIGHT * LETTER, quality.alt)


def _tracing_svg(image: EchoImage) -> str:
    canvas = SvgCanvas()
    height, width = image.pixels.shape
    colour = PHASE_COLOURS.get(image.phase, "#ffffff")
    if image.tracing is not None:
        draw_tracing(canvas, image.tracing, (0, 0, width, height), colour, 2.6 * height / IMAGE_HEIGHT_PX)
    return canvas.document(width, height)


def _jpeg(pixels: FrameArray) -> str:
    done, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done
    return base64.b64encode(packed.tobytes()).decode("ascii")
