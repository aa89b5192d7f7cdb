"""Histograms with their quartiles, one below the other, as PNG.

Pure functions, as in `lvef.evaluation.plots.agreement`: numbers in, bytes out, the same bytes for the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.evaluation.exploration.explore import Column
from lvef.evaluation.plots.boxes import draw_box
from lvef.evaluation.plots.style import (
    BLUE,
    SMALL,
    add_axes,
    draw_title,
    label_axes,
    new_figure,
    to_png,
    write_text,
)
from lvef.geometry.categories import REPORT_MILD_RANGE
from lvef.report.style import INK, LINE, SOFT
from lvef.stats.describe import Description

MOST_BINS, FEWEST_BINS = 60, 24
"""Most and fewest bars before their width is rounded up to 1, 2 or 5 times a power of ten."""

FAR = 8.0
"""Interquartile ranges beyond the quartiles at which the axis ends; values beyond are counted at its end."""

SAME = 1e-9
"""Values whose relative difference is smaller count as equal."""

BAR = "#7fb8d8"
"""`lvef.evaluation.plots.style.BLUE`, half as strong, so that the box on it stands out."""

_TOP_PX, _PANEL_PX, _STRIP_PX, _BARS_PX, _LEFT_PX, _RIGHT_PX = 70, 300, 40, 170, 110, 270


def histograms_png(columns: Sequence[Column], *, heading: str) -> bytes:
    """One histogram a quantity, with box plot, count, mean, median and quartiles.

    Args:
        columns: At least one value each.
        heading: The line over the plot.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide and as high as the quantities need.
    """
    height_px = _TOP_PX + _PANEL_PX * len(columns)
    figure = new_figure(height_px)
    draw_title(figure, heading)
    for place, column in enumerate(columns):
        top = _TOP_PX + place * _PANEL_PX
        strip_bottom = height_px - top - _STRIP_PX
        strip = add_axes(figure, _LEFT_PX, top, _RIGHT_PX, strip_bottom)
        bars = add_axes(figure, _LEFT_PX, top + _STRIP_PX, _RIGHT_PX, height_px - top - _STRIP_PX - _BARS_PX)
        _panel(strip, bars, column)
    return to_png(figure)


def bin_edges(values: FloatArray, d: Description) -> FloatArray:
    """Edges of the bars at round numbers, by the rule of Freedman and Diaconis, within `FAR` of the quartiles.

    Source: Freedman & Diaconis, Z Wahrscheinlichkeitstheorie 1981.
    """
    spread = d.q75 - d.q25
    low, high = d.minimum, d.maximum
    if spread > 0:
        low, high = max(low, d.q25 - FAR * spread), min(high, d.q75 + FAR * spread)
    span = high - low
    whole = bool((values == np.round(values)).all())
    size = max(abs(low), abs(high))
    if not span > max(SAME * size, np.finfo(float).tiny):
        # One distinct value: one bar in the middle.
        step = 1.0 if whole or size < np.finfo(float).tiny else size / 20
        return np.asarray(low + step * (np.arange(10) - 4.5))
    width = 2 * spread / len(values) ** (1 / 3) if spread > 0 else span / FEWEST_BINS
    width = _round_width(min(max(width, span / MOST_BINS), span / FEWEST_BINS))
    if whole:
        # Narrower bars would leave gaps between whole numbers.
        width = max(width, 1.0)
    shift = 0.5 if whole and width == 1 else 0.0
    start = math.floor(low / width)
    return np.asarray(width * np.arange(start, math.floor(high / width) + 2) - shift)


def _round_width(width: float) -> float:
    """The least of 1, 2 or 5 times a power of ten that is not below ``width``."""
    power = 10.0 ** math.floor(math.log10(width))
    return min(step * power for step in (1, 2, 5, 10) if step * power >= width * 0.9999999)


def _panel(strip: Any, bars: Any, column: Column) -> None:  # noqa: ANN401
    d, values = column.description, column.values
    edges = bin_edges(values, d)
    counts: NDArray[np.int64]
    counts, _ = np.histogram(values, edges)
    limits = (float(edges[0]), float(edges[-1]))
    margin = 0.02 * (limits[1] - limits[0])
    shown = (limits[0] - margin, limits[1] + margin)
    width = float(edges[1] - edges[0])
    bars.bar(edges[:-1], counts, width, align="edge", color=BAR, edgecolor="white", lw=0.6, zorder=2)
    bars.set(xlim=shown, ylim=(0, 1.08 * max(1, int(counts.max()))))
    bars.grid(axis="y", color=LINE, lw=0.8)
    _ticks(bars, whole=bool((values == np.round(values)).all()))
    label_axes(bars, column.quantity.title, column.quantity.of)
    is_ef = column.quantity.column == "ef_percent"
    cut_offs = [cut_off for cut_off in REPORT_MILD_RANGE if is_ef and shown[0] < cut_off < shown[1]]
    for cut_off in cut_offs:
        bars.axvline(cut_off, color=SOFT, lw=1, ls=(0, (4, 3)), zorder=3)
    bars.axvline(d.median, color=INK, lw=1.6, zorder=3.5)
    _beyond(bars, values, limits)
    strip.set(xlim=shown, ylim=(-0.5, 0.5))
    strip.axis("off")
    draw_box(strip, 0.0, values, d, column.fences, BLUE, height=0.5)
    words = [
        f"n = {d.n:,}",
        "",
        f"median  {number_text(d.median)}",
        f"quartiles  {number_text(d.q25)} to {number_text(d.q75)}",
    ]
    words += [
        f"mean  {number_text(d.mean)}",
        f"SD  {number_text(d.std)}",
        f"range  {number_text(d.minimum)} to {number_text(d.maximum)}",
    ]
    if cut_offs:
        words.append(f"dashed: {' and '.join(f'{cut_off:.0f} %' for cut_off in cut_offs)}")
    write_text(strip, 1.03, 0.9, "\n".join(words), transform=strip.transAxes, va="top", linespacing=1.45)


def number_text(value: float) -> str:
    """A number with one decimal, none for whole numbers and from 1,000 on; a dash for NaN.

    Example:
        >>> number_text(59.209), number_text(112.0), number_text(12345.6), number_text(float("nan"))
        ('59.2', '112', '12,346', '-')
    """
    if not math.isfinite(value):
        return "-"
    if value == round(value) and abs(value) < 1e7:
        return f"{value:,.0f}"
    if abs(value) >= 1e7:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"


def _beyond(axes: Any, values: FloatArray, limits: tuple[float, float]) -> None:  # noqa: ANN401
    """Write the number of values beyond the axis at its ends."""
    below, above = int((values < limits[0]).sum()), int((values > limits[1]).sum())
    for n, x, side, arrow in ((below, 0.01, "left", "<"), (above, 0.99, "right", ">")):
        if n:
            far = values.min() if side == "left" else values.max()
            text = f"{n:,} further, to {number_text(float(far))}"
            text = f"{arrow} {text}" if side == "left" else f"{text} {arrow}"
            write_text(
                axes, x, 0.9, text, transform=axes.transAxes, ha=side, va="top", color=SOFT, size=SMALL
            )


def _ticks(axes: Any, *, whole: bool) -> None:  # noqa: ANN401
    """Whole ticks for counts, and for values that are whole numbers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
