"""Bars of how many items there are of each label, and EDV against ESV, as PNG.

Pure functions, as in `lvef.evaluation.charts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from lvef.core.records import FloatArray
from lvef.evaluation.canvas import (
    BLUE,
    NORMAL,
    VERMILION,
    add_axes,
    label,
    new_figure,
    png,
    short_name,
    title,
    write,
)
from lvef.evaluation.exploring.boxes import BY_WORDS
from lvef.evaluation.exploring.histograms import BAR
from lvef.evaluation.exploring.records import Count
from lvef.geometry.categories import REPORT_MILD_RANGE
from lvef.measure.summary_words import INK, LINE, SOFT

_ROW_PX, _GAP_PX = 34, 40


def counts_png(counts: Sequence[Count], *, heading: str) -> bytes:
    """Items by label: a bar a label, under the name of its column, with items and patients in numbers.

    Args:
        counts: Labels of one column in a row; at least one.
        heading: The line over the chart.

    Returns:
        PNG, `lvef.evaluation.canvas.WIDTH_PX` wide and as high as the labels need.
    """
    parts = [(by, list(rows)) for by, rows in groupby(counts, key=lambda c: c.by)]
    inner = sum(_GAP_PX + _ROW_PX * len(rows) for _, rows in parts) + 10
    figure = new_figure(104 + inner + 30)
    axes = add_axes(figure, 330, 104, 290, 30)
    title(figure, heading)
    axes.set(ylim=(inner, 0), xlim=(0, max(c.items for c in counts)))
    y = 0.0
    across = axes.get_yaxis_transform()
    for by, rows in parts:
        write(
            axes,
            -0.5,
            y + _GAP_PX / 2 + 6,
            BY_WORDS[by],
            transform=across,
            weight="bold",
            va="center",
            size=NORMAL,
        )
        y += _GAP_PX
        for count in rows:
            middle = y + _ROW_PX / 2
            axes.barh(middle, count.items, 20, color=BAR, lw=0)
            write(axes, -0.02, middle, short_name(count.label), transform=across, ha="right", va="center")
            write(axes, 1.18, middle, f"{count.items:,}", transform=across, ha="right", va="center")
            write(axes, 1.4, middle, f"{count.patients:,}", transform=across, ha="right", va="center")
            y += _ROW_PX
    for x, word in ((1.18, "items"), (1.4, "patients")):
        write(axes, x, 1 + 12 / inner, word, transform=axes.transAxes, ha="right", color=SOFT)
    axes.set(xticks=[], yticks=[])
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_color(LINE)
    return png(figure)


def volumes_png(edv_esv: FloatArray, *, heading: str) -> bytes:
    """ESV against EDV, with the lines along which EF is the same.

    Args:
        edv_esv: ``(n, 2)`` EDV and ESV in ml, at least one.
        heading: The line over the chart.

    Returns:
        PNG, `lvef.evaluation.canvas.WIDTH_PX` wide.
    """
    figure = new_figure(900)
    axes = add_axes(figure, 110, 90, 190, 100)
    title(figure, heading)
    edv, esv = edv_esv[:, 0], edv_esv[:, 1]
    right, top = 1.04 * max(float(edv.max()), 1.0), 1.04 * max(float(esv.max()), 1.0)
    swapped = esv > edv
    # The more points, the fainter each: crowds then show as such.
    alpha = float(np.clip(14 / np.sqrt(len(edv)), 0.12, 0.8))
    axes.scatter(edv[~swapped], esv[~swapped], s=9, color=BLUE, alpha=alpha, lw=0, zorder=2)
    axes.scatter(edv[swapped], esv[swapped], s=22, marker="^", color=VERMILION, lw=0, zorder=3)
    axes.set(xlim=(0, right), ylim=(0, top))
    lines = [(border, INK, "-") for border in REPORT_MILD_RANGE]
    lines.append((0.0, VERMILION if swapped.any() else SOFT, "--"))
    for ef, colour, style in lines:
        slope = 1 - ef / 100
        end = min(right, top / slope)
        axes.plot([0, end], [0, slope * end], color=colour, lw=1.3, ls=style, zorder=2.5)
        words = "EDV = ESV" if ef == 0 else f"EF {ef:.0f} %"
        if end < right:
            write(axes, end, top * 1.012, words, ha="center", va="bottom", color=colour)
        else:
            write(axes, right * 1.012, slope * end, words, va="center", color=colour)
    if swapped.any():
        facts = f"{int(swapped.sum()):,} with EDV\nbelow ESV\n(triangles)"
        write(axes, 1.03, 0.3, facts, transform=axes.transAxes, va="top", linespacing=1.35)
    axes.grid(color=LINE, lw=0.8)
    label(axes, "EDV (ml)", "ESV (ml)")
    return png(figure)
