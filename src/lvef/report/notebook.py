"""A result in a notebook: its summary image with one line of text, and a matplotlib figure."""

from __future__ import annotations

import base64
import html
import io
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from lvef.core.errors import DataError
from lvef.core.records import Clip, Measurement
from lvef.core.wording import ef_interval_text, note_text, reason_text, status_text
from lvef.measure.results import Result
from lvef.report.canvas import Points, Stroke
from lvef.report.charts import CurveChart, Span, chart_of
from lvef.report.images import EchoImage, draw_tracing, images_of
from lvef.report.style import LIGHT, PHASE_MARKS, drawable
from lvef.report.summary import summary_png
from lvef.transforms.sector import hide_outside_sector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HTML_WIDTH_PX = 900
"""Width of the summary in a notebook."""

IMAGE_SHAPE = 1.0
"""Width over height of an image of the figure."""

NAME_LETTERS = 80
"""A longer name is shown without its middle."""

CURVE_WIDTH = 45
"""Letters that fit beside each other on the figure's curve, about: no beat has a wider label than itself."""


def html_of(result: Result) -> str:
    """HTML of a result for a notebook: EF, status and warnings, and the summary image of each clip."""
    m = result.measurement
    line = f"EF {ef_interval_text(m)}, {status_text(m)}" if m.ef_percent is not None else reason_text(m)
    parts = [f"<p><strong>{html.escape(m.source)}</strong>: {html.escape(line)}</p>"]
    if m.notices:
        items = "".join(f"<li>{html.escape(note_text(n.text))}</li>" for n in m.notices)
        parts.append(f"<ul>{items}</ul>")
    for name, measurement, clip in _clips(result):
        image = base64.b64encode(summary_png(hide_outside_sector(clip), measurement)).decode("ascii")
        alt = html.escape(f"Summary {name or m.source}: ED, ES and volume-time curve", quote=True)
        parts.append(
            f'<img src="data:image/png;base64,{image}" alt="{alt}" style="width:{HTML_WIDTH_PX}px;max-width:100%">'
        )
    return "".join(parts)


def figure_of(result: Result) -> Figure:
    """ED and ES with contour, long axis and disks, and the volume-time curve beside them; a row for each clip of a study.

    Raises:
        DataError: There is no clip.
    """
    # Not pyplot: it would keep the figure alive, and choose a window system.
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that a notebook shows without pyplot, which would register how."""

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, format="png", dpi=100)
            return png.getvalue()

    clips = _clips(result)
    if not clips:
        raise DataError(
            f"{result.measurement.source}: there is nothing to plot. {reason_text(result.measurement)}"
        )
    figure = ShownFigure(figsize=(10, 3.6 * len(clips)), layout="constrained")
    rows: Any = figure.subplots(len(clips), 3, squeeze=False, gridspec_kw={"width_ratios": [1, 1, 1.6]})
    for (name, measurement, clip), axes in zip(clips, rows, strict=True):
        images = images_of(measurement, clip, name, IMAGE_SHAPE)
        for place, axis in enumerate(axes[:2]):
            axis.axis("off")
            if place < len(images):
                _draw_image(axis, images[place])
        _draw_curve(axes[2], measurement)
    m = result.measurement
    name = " + ".join(PurePath(part).name for part in m.source.split(" + "))
    if len(name) > NAME_LETTERS:
        name = f"{name[: NAME_LETTERS // 2]} ... {name[-NAME_LETTERS // 2 :]}"
    ef = "no EF" if m.ef_percent is None else f"EF {ef_interval_text(m)}"
    figure.suptitle(drawable(f"{name}: {ef}"), parse_math=False)
    return figure


def _clips(result: Result) -> list[tuple[str, Measurement, Clip]]:
    parts = result.singles.items()
    return [(name, m, clip) for name, (m, clip) in parts if clip is not None and len(clip.frames)]


class _AxesLines:
    """Lines on matplotlib's axes; widths are points."""

    def __init__(self, axes: Any) -> None:  # noqa: ANN401
        self._axes = axes

    def line(self, points: Points, stroke: Stroke) -> None:
        """See `lvef.report.canvas.Lines`."""
        xy = np.asarray(points)
        if stroke.is_closed:
            xy = np.concatenate([xy, xy[:1]])
        # Matplotlib measures dashes in widths of the line.
        style = (0, [part / stroke.width for part in stroke.dash]) if stroke.dash else "solid"
        self._axes.plot(
            *xy.T, color=stroke.colour, linewidth=stroke.width, linestyle=style, alpha=stroke.alpha
        )


def _draw_image(axes: Any, image: EchoImage) -> None:  # noqa: ANN401
    height, width = image.pixels.shape
    axes.imshow(image.pixels, cmap="gray", vmin=0, vmax=255)
    axes.set_title(f"{image.title} {image.caption}".strip(), fontsize=9)
    if image.tracing is not None:
        # Matplotlib's whole numbers are the centres of pixels.
        draw_tracing(_AxesLines(axes), image.tracing, (-0.5, -0.5, width, height), image.colour, 1.8)


def _draw_curve(axes: Any, m: Measurement) -> None:  # noqa: ANN401
    chart = chart_of(m)
    if chart is None:
        axes.axis("off")
        axes.text(0.5, 0.5, "No volume-time curve", ha="center", va="center", transform=axes.transAxes)
        return
    for span in chart.spans:
        _draw_span(axes, chart, span)
    for piece in chart.pieces:
        axes.plot(*piece.T, color=LIGHT["ink"], linewidth=1.4)
    for phase in PHASE_MARKS:
        points = [(time, volume) for own, time, volume in chart.marks if own == phase]
        if points:
            marks = {"marker": PHASE_MARKS[phase], "color": LIGHT[phase.lower()], "label": phase}
            axes.plot(*zip(*points, strict=True), linestyle="none", markersize=7, clip_on=False, **marks)
    if chart.marks:
        axes.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
    axes.set(xlim=chart.times_s, ylim=chart.volumes, xlabel="Time (s)", ylabel=chart.unit)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_span(axes: Any, chart: CurveChart, span: Span) -> None:  # noqa: ANN401
    """A beat behind the curve, as `lvef.report.charts.draw_curve` draws it."""
    if span.kind == "counted":
        axes.axvline(span.start_s, color=LIGHT["line"], linewidth=0.9)
    elif span.kind == "shown":
        axes.axvspan(span.start_s, span.end_s, color=LIGHT["chosen"], linewidth=0)
    else:
        hatch = {"hatch": "////", "edgecolor": LIGHT["hatch"], "linewidth": 0}
        axes.axvspan(span.start_s, span.end_s, facecolor=LIGHT["ground"], **hatch)
    first, last = chart.times_s
    if (span.end_s - span.start_s) / (last - first) * CURVE_WIDTH < len(span.label):
        return
    is_shown = span.kind == "shown"
    style: dict[str, Any] = {"color": LIGHT["chosen-text" if is_shown else "soft"]}
    style["weight"] = "bold" if is_shown else "normal"
    if span.kind == "excluded":
        style["bbox"] = {"facecolor": LIGHT["ground"], "linewidth": 0, "pad": 1}
    place = ((span.start_s + span.end_s) / 2, 0.97)
    axes.text(
        *place, span.label, size=9, ha="center", va="top", transform=axes.get_xaxis_transform(), **style
    )
