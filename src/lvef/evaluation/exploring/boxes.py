"""Box plots that lie on their side, as PNG: z-scores of EF, EDV and ESV, and EF by label.

Pure functions, as in `lvef.evaluation.charts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from lvef.core.records import FloatArray
from lvef.evaluation.canvas import (
    BLUE,
    NORMAL,
    add_axes,
    label,
    new_figure,
    png,
    short_name,
    title,
    write,
)
from lvef.evaluation.exploring.records import Column, Group
from lvef.geometry.categories import REPORT_MILD_RANGE
from lvef.measure.summary_words import INK, LINE, SOFT
from lvef.stats.describe import Description, Fences, describe, fences, outside, z_scores

BY_WORDS = {
    "collection": "Collection",
    "kind": "Kind",
    "view": "View",
    "phase": "Phase of stills",
    "split": "Split",
    "sex": "Sex",
    "quality": "Picture quality",
    "diagnosis": "Diagnosis",
    "ef_method": "Method of EF",
}
"""Label columns for people."""

_ROW_PX, _GAP_PX = 46, 40


def z_scores_png(columns: Sequence[Column], *, heading: str) -> bytes:
    """Z-scores of several quantities on one axis, with every outlier and how many there are on each side.

    Args:
        columns: At least one value each.
        heading: The line over the chart.

    Returns:
        PNG, `lvef.evaluation.canvas.WIDTH_PX` wide.
    """
    row_px = 120
    figure = new_figure(110 + row_px * len(columns) + 90)
    axes = add_axes(figure, 110, 110, 300, 90)
    title(figure, heading)
    axes.set_ylim(len(columns) - 0.5, -0.5)
    ends = [-3.0, 3.0]
    for place, column in enumerate(columns):
        z = z_scores(column.values)
        ends += [float(z.min()), float(z.max())]
        draw_box(axes, place, z, describe(z), fences(z), BLUE, height=0.36)
        write(
            axes,
            1.03,
            place,
            _sides(column),
            transform=axes.get_yaxis_transform(),
            va="center",
            linespacing=1.4,
        )
    axes.set_xlim(min(ends) - 0.4, max(ends) + 0.4)
    axes.axvline(0, color=SOFT, lw=0.9, ls=(0, (1, 2)), zorder=1)
    axes.grid(axis="x", color=LINE, lw=0.8)
    axes.set_yticks(range(len(columns)), [c.quantity.words for c in columns], size=NORMAL)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    write(axes, 1.03, 1.04, "outside the whiskers", transform=axes.transAxes, color=SOFT)
    write(axes, 0, 1.04, "box: quartiles and median; whiskers: 1.5 IQR", transform=axes.transAxes, color=SOFT)
    label(axes, "z-score: distance from the mean in standard deviations")
    return png(figure)


def groups_png(groups: Sequence[Group], *, heading: str) -> bytes:
    """EF by label: a box a label, under the name of its column.

    Args:
        groups: Labels of one column in a row.
        heading: The line over the chart.

    Returns:
        PNG, `lvef.evaluation.canvas.WIDTH_PX` wide and as high as the labels need.
    """
    parts = [(by, list(rows)) for by, rows in groupby(groups, key=lambda g: g.by)]
    inner = sum(_GAP_PX + _ROW_PX * len(rows) for _, rows in parts) + 14
    figure = new_figure(104 + inner + 90)
    axes = add_axes(figure, 330, 104, 210, 90)
    title(figure, heading)
    axes.set_ylim(inner, 0)
    low = min(float(g.values.min()) for g in groups)
    high = max(float(g.values.max()) for g in groups)
    axes.set_xlim(max(0.0, 10 * np.floor(low / 10)), min(100.0, 10 * np.ceil((high + 1e-9) / 10)))
    for border in REPORT_MILD_RANGE:
        axes.axvline(border, color=SOFT, lw=1, ls=(0, (4, 3)), zorder=0.8)
    y = 0.0
    across = axes.get_yaxis_transform()
    for by, rows in parts:
        write(
            axes,
            -0.45,
            y + _GAP_PX / 2 + 8,
            BY_WORDS[by],
            transform=across,
            weight="bold",
            va="center",
            size=NORMAL,
        )
        y += _GAP_PX
        for group in rows:
            middle = y + _ROW_PX / 2
            d = group.description
            draw_box(axes, middle, group.values, d, fences(group.values), BLUE, height=22)
            name = f"{short_name(group.label)}  (n = {d.n:,})"
            write(axes, -0.02, middle, name, transform=across, ha="right", va="center")
            told = f"{d.median:.1f}  ({d.q25:.1f} to {d.q75:.1f})"
            write(axes, 1.02, middle, told, transform=across, va="center")
            y += _ROW_PX
    write(axes, 1.02, 1 + 12 / inner, "median (quartiles)", transform=axes.transAxes, color=SOFT)
    axes.grid(axis="x", color=LINE, lw=0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    label(axes, "EF (%); dashed: 40 % and 50 %")
    return png(figure)


def draw_box(
    axes: Any,  # noqa: ANN401
    y: float,
    values: FloatArray,
    d: Description,
    ends: Fences,
    colour: str,
    *,
    height: float,
) -> None:
    """A box on its side: quartiles, median, whiskers to the last value within the fences, points beyond.

    Args:
        axes: Where.
        y: Middle of the box, in the axes' unit.
        values: ``(n,)``, at least one.
        d: Their description.
        ends: Their fences.
        colour: Of box and points.
        height: Of the box, in the axes' unit.
    """
    half = height / 2
    low, high = outside(values, ends)
    inside = values[~(low | high)]
    # Of few values none may lie between a quartile and its fence: no whisker runs back into the box.
    tips = min(d.q25, float(inside.min())), max(d.q75, float(inside.max()))
    for side, tip in zip((d.q25, d.q75), tips, strict=True):
        axes.plot([side, tip], [y, y], color=colour, lw=1.2, zorder=3)
        axes.plot([tip, tip], [y - half / 2, y + half / 2], color=colour, lw=1.2, zorder=3)
    box_x, box_y = [d.q25, d.q75, d.q75, d.q25, d.q25], [y - half, y - half, y + half, y + half, y - half]
    axes.fill(box_x, box_y, color=colour, alpha=0.18, lw=0, zorder=2.9)
    axes.plot(box_x, box_y, color=colour, lw=1.5, solid_joinstyle="miter", zorder=3)
    axes.plot([d.median] * 2, [y - half, y + half], color=INK, lw=2, solid_capstyle="butt", zorder=3.5)
    beyond = values[low | high]
    # Points above and below each other without chance: the golden ratio spreads any number evenly.
    aside = ((np.arange(len(beyond)) * 0.618034) % 1 - 0.5) * 0.8 * height
    axes.scatter(beyond, y + aside, s=7, color=colour, alpha=0.35, lw=0, zorder=2)


def _sides(column: Column) -> str:
    unit = column.quantity.unit
    lines = []
    for n, word, fence in (
        (column.low, "low", f"below {column.fences.low:.1f} {unit}"),
        (column.high, "high", f"above {column.fences.high:.1f} {unit}"),
    ):
        lines.append(f"{n:,} {word} ({fence})")
    return "\n".join(lines)
