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
from lvef.report.charts import chart_of
from lvef.report.images import EchoImage, images_of
from lvef.report.style import PHASE_COLOURS
from lvef.report.summary import summary_png
from lvef.transforms.sector import hide_outside_sector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HTML_WIDTH_PX = 900
"""Width of the summary in a notebook."""

IMAGE_SHAPE = 1.0
"""Width over height of an image of the figure."""


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
    """ED and ES with contour and long axis, and the volume-time curve below; a row for each clip of a study.

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
    figure.suptitle(f"{name}: EF {ef_interval_text(m)}" if m.ef_percent is not None else f"{name}: no EF")
    return figure


def _clips(result: Result) -> list[tuple[str, Measurement, Clip]]:
    parts = [("", result.measurement, result.clip)] if not result.views else []
    parts += [(name, m, clip) for name, (m, clip) in result.views.items()]
    return [(name, m, clip) for name, m, clip in parts if clip is not None and len(clip.frames)]


def _draw_image(axis: Any, image: EchoImage) -> None:  # noqa: ANN401
    height, width = image.pixels.shape
    axis.imshow(image.pixels, cmap="gray", vmin=0, vmax=255)
    axis.set_title(f"{image.title} {image.caption}".strip(), fontsize=9)
    if image.tracing is None:
        return
    size = np.array([width, height])
    colour = PHASE_COLOURS.get(image.phase, "white")
    contour = np.concatenate([image.tracing.contour, image.tracing.contour[:1]]) * size
    axis.plot(*contour.T, color=colour, linewidth=1.8)
    axis.plot(*(image.tracing.axis * size).T, color=colour, linewidth=1, linestyle="--")


def _draw_curve(axis: Any, m: Measurement) -> None:  # noqa: ANN401
    chart = chart_of(m)
    if chart is None:
        axis.axis("off")
        axis.text(0.5, 0.5, "No volume-time curve", ha="center", va="center", transform=axis.transAxes)
        return
    for piece in chart.pieces:
        axis.plot(*piece.T, color="black", linewidth=1.4)
    for phase, time, volume in chart.marks:
        marker = "o" if phase == "ED" else "s"
        axis.plot([time], [volume], marker, color=PHASE_COLOURS[phase], markersize=6, label=phase)
    handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    if handles:
        axis.legend(handles.values(), handles.keys(), frameon=False, fontsize=9)
    axis.set_xlabel("Time (s)")
    axis.set_ylabel(chart.unit)
    axis.spines[["top", "right"]].set_visible(False)
