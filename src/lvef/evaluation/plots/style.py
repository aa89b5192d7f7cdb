"""What all charts share: the sheet they are drawn on, its colours, and names placed so that they can be read.

Drawn with matplotlib's objects alone: no pyplot, so no global state, no window system, no figure left behind. Every size and
colour is given where it is used; a user's matplotlibrc decides at most the font.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lvef.core.errors import cut_middle
from lvef.core.records import FloatArray
from lvef.core.serialization import printable
from lvef.io.images import encode_image
from lvef.report.style import INK, SOFT, drawable

WIDTH_PX = 1200
"""Width of every chart. Shown at 900 px on a page, its smallest words are 10 px high."""

DPI = 150
"""Points of text to pixels: 9 points are 19 pixels of the chart."""

SMALL, NORMAL, LARGE = 8.5, 9.5, 11.0
"""Sizes of words in points."""

BLUE, ORANGE, GREEN, PURPLE, VERMILION = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"
"""From the colour-blind-safe palette of Okabe and Ito, 2008."""

SKY = "#56b4e9"
"""The light blue of the same palette, for lines on black."""

NETWORK_COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
"""Networks beside each other, in their order."""

NETWORK_MARKS = ("o", "s", "D", "^")
"""The same without colour."""

NAME_CHARACTERS = 28
"""Longer names are cut in the middle."""


def new_figure(height_px: int, title: str) -> Any:  # noqa: ANN401
    """A white sheet, `WIDTH_PX` wide, with one line over the chart; it is cut at the end where it is too long."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    style = {"size": LARGE, "weight": "bold", "color": INK, "va": "top", "parse_math": False}
    drawn = figure.text(24 / WIDTH_PX, 1 - 22 / height_px, drawable(title), **style)
    cut_text(drawn, title, WIDTH_PX - 48)
    return figure


def add_axes(figure: Any, left: int, top: int, right: int, bottom: int) -> Any:  # noqa: ANN401
    """Axes in the house's style.

    Args:
        figure: From `new_figure`.
        left: Room left of the axes in pixels of the chart; so are ``top``, ``right`` and ``bottom``.
        top: Room above.
        right: Room on the right.
        bottom: Room below.
    """
    height_px = figure.get_figheight() * DPI
    axes = figure.add_axes(
        (
            left / WIDTH_PX,
            bottom / height_px,
            (WIDTH_PX - left - right) / WIDTH_PX,
            (height_px - top - bottom) / height_px,
        )
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    axes.tick_params(labelsize=SMALL, colors=INK, color=SOFT, length=4)
    axes.set_axisbelow(True)
    return axes


def write_text(
    axes: Any,  # noqa: ANN401
    x: float,
    y: float,
    text: str,
    *,
    at: str = "values",
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Words that are never taken for a formula: a name may hold dollar signs.

    Args:
        axes: Where.
        x: Place, as ``at`` says; so is ``y``.
        y: See ``x``.
        text: The words.
        at: ``values`` of both axes; ``axes``: parts of width and height; ``row``: part of the width, value of the y-axis;
            ``column``: value of the x-axis, part of the height.
        options: Of matplotlib's text.
    """
    if at != "values":
        places = {
            "axes": axes.transAxes,
            "row": axes.get_yaxis_transform(),
            "column": axes.get_xaxis_transform(),
        }
        options["transform"] = places[at]
    options = {"size": SMALL, "color": INK} | options
    return axes.text(x, y, drawable(text), parse_math=False, **options)


def label_axes(axes: Any, x: str = "", y: str = "") -> None:  # noqa: ANN401
    """Name the axes, with their units."""
    axes.set_xlabel(drawable(x), size=NORMAL, color=INK, parse_math=False)
    axes.set_ylabel(drawable(y), size=NORMAL, color=INK, parse_math=False)


def cut_text(drawn: Any, text: str, width_px: float) -> None:  # noqa: ANN401
    """Cut drawn words that are wider than their room: letters differ in width by a factor of three."""
    width = drawn.get_window_extent().width
    if width > width_px:
        drawn.set_text(drawable(f"{text[: int(len(text) * width_px / width) - 3].rstrip()}..."))


def draw_legend(axes: Any, handles: Sequence[Any], names: Sequence[str], **options: Any) -> None:  # noqa: ANN401
    """A legend without a frame; names stand in it as they are, dollar signs and first underlines included."""
    options = {"frameon": False, "fontsize": SMALL, "handletextpad": 0.3, "borderaxespad": 0.2} | options
    box = axes.legend(handles, ["x"] * len(names), **options)
    for text, name in zip(box.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(drawable(name))
        text.set_color(INK)


def short_name(name: str) -> str:
    """A name on one line that the font can draw, cut in the middle where it is long.

    Example:
        >>> short_name("patient0001")
        'patient0001'
        >>> len(short_name("x" * 99))
        28
    """
    name = drawable(" ".join(printable(name).split()))
    return cut_middle(name, NAME_CHARACTERS, (NAME_CHARACTERS - 3) // 2, "...")


def place_names(axes: Any, x: ArrayLike, y: ArrayLike, named: Sequence[tuple[int, str]]) -> None:  # noqa: ANN401
    """Write names beside some of the points, off each other, off the axes' edge and off other points where that can be.

    Args:
        axes: With the limits they will keep.
        x: ``(n,)`` of all points, in the axes' units.
        y: The same.
        named: Which points, by place, and their names; the most important first.
    """
    from matplotlib.patheffects import withStroke

    canvas = axes.figure.canvas
    points = axes.transData.transform(np.stack([np.asarray(x, float), np.asarray(y, float)], axis=1))
    edge = axes.get_window_extent(canvas.get_renderer())
    taken: list[FloatArray] = []
    for place, name in named:
        text = write_text(axes, 0, 0, name, transform=None, size=SMALL - 0.5, zorder=6)
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white", alpha=0.8)])
        size = text.get_window_extent(canvas.get_renderer())
        wide, tall = size.width, size.height
        spots = _spots(points[place], wide, tall)
        box = min(spots, key=lambda spot: _crowding(spot, points, taken, edge))
        text.set_position((box[0], box[1] - size.y0))
        taken.append(box)
        _leader(axes, points[place], box)


def to_png(figure: Any) -> bytes:  # noqa: ANN401
    """The finished chart as PNG."""
    figure.canvas.draw()
    return encode_png(np.asarray(figure.canvas.buffer_rgba())[..., :3])


def encode_png(rgb: NDArray[np.uint8]) -> bytes:
    """``(height, width, 3)`` uint8 as PNG, packed small: these images live inside pages.

    Level 9 would make them a tenth smaller and take six times as long.
    """
    bgr = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
    return encode_image(np.asarray(bgr, np.uint8), ".png", level=6)


def _spots(point: FloatArray, wide: float, tall: float) -> list[FloatArray]:
    """Boxes x0, y0, x1, y1 in pixels around a point, the preferred first."""
    x, y = point
    found = []
    for away in (12.0, 30.0, 55.0):
        for dx, dy in ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1)):
            x0 = x + dx * away - (wide if dx < 0 else wide / 2 if dx == 0 else 0)
            y0 = y + dy * away - tall / 2
            found.append(np.array([x0, y0, x0 + wide, y0 + tall]))
    return found


def _crowding(box: FloatArray, points: FloatArray, taken: Sequence[FloatArray], edge: Any) -> float:  # noqa: ANN401
    """How much a name there would hide; 0 in the open."""
    x0, y0, x1, y1 = np.add(box, (-4.0, -3.0, 4.0, 3.0))
    names = sum(not (x1 < o[0] or o[2] < x0 or y1 < o[1] or o[3] < y0) for o in taken)
    outside = bool(x0 < edge.x0 or x1 > edge.x1 or y0 < edge.y0 or y1 > edge.y1)
    hidden = (
        (points[:, 0] > x0 - 5) & (points[:, 0] < x1 + 5) & (points[:, 1] > y0 - 5) & (points[:, 1] < y1 + 5)
    )
    return 100.0 * names + 100.0 * outside + float(hidden.sum())


def _leader(axes: Any, point: FloatArray, box: FloatArray) -> None:  # noqa: ANN401
    """A thin line from a point to a name that stands away from it."""
    from matplotlib.lines import Line2D

    end = np.clip(point, box[:2], box[2:])
    if np.hypot(*(end - point)) > 16:
        line = Line2D([point[0], end[0]], [point[1], end[1]], color=SOFT, lw=0.8, zorder=2, transform=None)
        axes.add_artist(line)
