"""The files of one measurement: which there are, and writing them into a folder."""

from __future__ import annotations

import base64
import datetime
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import jinja2

from lvef.core.records import Clip, FrameArray, Measurement
from lvef.io.atomic import make_folder, remove_files, write_bytes_atomic, write_text_atomic
from lvef.io.images import encode_image
from lvef.measure.results import Outputs, Result
from lvef.measure.serializers import (
    BEATS_NAME,
    CURVE_NAME,
    MEASUREMENT_NAME,
    beats_csv,
    curve_csv,
    measurement_json,
)
from lvef.report.canvas import SvgCanvas
from lvef.report.charts import (
    INTERVAL_HEIGHT,
    SCORE_HEIGHT,
    IntervalBar,
    draw_curve,
    draw_interval,
    draw_score,
)
from lvef.report.content import QualityContent, ReportContent, ViewContent, content_of, more_warnings
from lvef.report.images import IMAGE_HEIGHT_PX, EchoImage, draw_tracing
from lvef.report.style import DARK, LIGHT, css_variables
from lvef.transforms.sector import hide_outside_sector

JPEG_QUALITY = 88
"""Quality of the images; they are shown, not measured."""

CURVE_HEIGHT, LETTER = 210, 11.5
"""Height of the curve and of its letters; the width is 720, or 350 where there are two."""

BAR_WIDTH = 250.0
"""Width of the bars of EF and image quality."""

CROWDED_LINES = 14
"""With more lines of beats and warnings than this, printed images are smaller."""


def _render_html(content: ReportContent) -> str:
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
    environment.globals["css_variables"] = css_variables
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
    if image.tracing is not None:
        draw_tracing(
            canvas, image.tracing, (0, 0, width, height), image.colour, 2.6 * height / IMAGE_HEIGHT_PX
        )
    return canvas.document(width, height)


def _jpeg(pixels: FrameArray) -> str:
    return base64.b64encode(encode_image(pixels, ".jpg", quality=JPEG_QUALITY)).decode("ascii")


OVERLAY_NAME = "overlay.mp4"
"""The clip with contours and curve."""

SUMMARY_NAME = "summary.png"
"""The measurement on one image."""

REPORT_PDF_NAME, REPORT_HTML_NAME = "report.pdf", "report.html"
"""The reports of a result."""


def report_pdf(result: Result, *, made_at: datetime.datetime | None = None) -> bytes:
    """The report as one A4 page: vector lines, text that can be searched and copied, embedded fonts.

    Args:
        result: A measurement in any status, its clip (None where it was not found) and, of a biplane study, its views.
        made_at: Time that stands on the page; now where None.

    Returns:
        The file. The same result and time give the same bytes.
    """
    from lvef.report.pdf import render_pdf

    made_at = made_at or datetime.datetime.now(datetime.UTC)
    return render_pdf(content_of(result, made_at), made_at)


def report_html(result: Result, *, made_at: datetime.datetime | None = None) -> str:
    """The report as one HTML page that needs nothing beside it: no script, nothing from outside.

    Args:
        result: As for `report_pdf`.
        made_at: Time that stands on the page; now where None.
    """
    return _render_html(content_of(result, made_at))


def render_file(name: str, result: Result) -> bytes | None:
    """Draw one file of a result.

    Args:
        name: ``overlay.mp4``, ``summary.png``, ``report.pdf`` or ``report.html``, of a study's view with the view before it.
        result: The result, with clips that show the sector alone.

    Returns:
        Its bytes, or None where there is nothing to draw.
    """
    view, _, file = name.rpartition("/")
    if file == REPORT_PDF_NAME:
        return report_pdf(result)
    if file == REPORT_HTML_NAME:
        return report_html(result).encode()
    measurement, clip = result.parts.get(view, (result.measurement, None))
    if clip is None:
        return None
    if file == SUMMARY_NAME:
        from lvef.report.summary import summary_png

        return summary_png(clip, measurement)
    return overlay_mp4(clip, measurement)


def overlay_mp4(clip: Clip, measurement: Measurement) -> bytes | None:
    """The overlay video as bytes, or None where there is nothing to show; see `lvef.report.overlay.write_overlay`."""
    from lvef.report.overlay import write_overlay

    with tempfile.TemporaryDirectory(prefix="lvef-") as folder:
        path = Path(folder) / OVERLAY_NAME
        return path.read_bytes() if write_overlay(path, clip, measurement) else None


def write_outputs(folder: Path, result: Result, outputs: Outputs) -> list[str]:
    """Write everything about one result; its views into subfolders of their names.

    A file of an earlier run that this result does not have (the video of a clip that is now refused) is
    removed, so that a folder never shows two measurements.

    Args:
        folder: Made when it is missing.
        result: What was measured.
        outputs: What to write beside JSON and tables.

    Returns:
        Names of the files written, relative to ``folder``.

    Raises:
        DataError: The folder cannot be made or a file cannot be written; what was there before stays whole.
    """
    make_folder(folder)
    measurement, clip = result.measurement, result.clip
    written: list[str] = []
    if clip is not None and (outputs.video or outputs.summary):
        written += _write_images(folder, measurement, clip, outputs)
    if measurement.curve is not None:
        write_text_atomic(folder / CURVE_NAME, curve_csv(measurement))
        write_text_atomic(folder / BEATS_NAME, beats_csv(measurement))
        written += [CURVE_NAME, BEATS_NAME]
    remove_files(folder, {CURVE_NAME, BEATS_NAME, OVERLAY_NAME, SUMMARY_NAME} - set(written))
    for name, (part, part_clip) in result.views.items():
        inner = write_outputs(folder / name, Result(part, part_clip), outputs)
        written += [f"{name}/{file}" for file in inner]
    # Last, because it says that all the rest is there.
    write_text_atomic(folder / MEASUREMENT_NAME, measurement_json(measurement))
    return [MEASUREMENT_NAME, *written]


def _write_images(folder: Path, measurement: Measurement, clip: Clip, outputs: Outputs) -> list[str]:
    written: list[str] = []
    clip = hide_outside_sector(clip)
    # The encoder works in C while the summary is drawn.
    with ThreadPoolExecutor(1) as beside:
        video = None
        if outputs.video:
            from lvef.report.overlay import write_overlay

            video = beside.submit(write_overlay, folder / OVERLAY_NAME, clip, measurement)
        if outputs.summary:
            from lvef.report.summary import summary_png

            write_bytes_atomic(folder / SUMMARY_NAME, summary_png(clip, measurement))
            written.append(SUMMARY_NAME)
        if video is not None and video.result():
            written.append(OVERLAY_NAME)
    return written
