"""Plots of differences on the same patients: performance drops under perturbations, and one model against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lvef.evaluation.metrics import PairedMetric
from lvef.evaluation.plots.style import (
    BLUE,
    DPI,
    NETWORK_COLOURS,
    SMALL,
    VERMILION,
    add_axes,
    label_axes,
    new_figure,
    short_name,
    to_png,
    write_text,
)
from lvef.evaluation.report import Bounded, bounded_text
from lvef.report.style import INK, LINE, SOFT

MAX_DICE_DROP, MAX_EF_DROP = 0.03, 3.0
"""Largest drops of LV Dice, and of EF in points, that a perturbation may cause."""

AXIS_END = 8.0
"""The axis ends at this many times what is allowed: one ventricle lost on a single still can cost hundreds of points of EF,
and the bars of all others would vanish beside it. The number beside a bar is never cut."""


@dataclass(frozen=True, slots=True)
class PooledDrop:
    """The performance drop under one perturbation, over both views and phases.

    Attributes:
        change: Name of the perturbation.
        dice: Loss of mean LV Dice; positive is worse.
        ef_points: Gain of the mean absolute error of EF in points; positive is worse.
    """

    change: str
    dice: Bounded
    ef_points: Bounded


def robustness_png(drops: Sequence[PooledDrop], *, heading: str) -> bytes:
    """The performance drop under each perturbation, with the allowed drop as a line; drops above it are hatched.

    Args:
        drops: One a perturbation; they are drawn in this order from the top.
        heading: The line over the chart.

    Returns:
        PNG, `WIDTH_PX` wide and as high as the list is long.
    """
    figure = new_figure(190 + 44 * max(len(drops), 2), heading)
    panels = (
        ("LV Dice lost", [c.dice for c in drops], MAX_DICE_DROP, "z.3f", (290, 570)),
        ("EF error gained (points)", [c.ef_points for c in drops], MAX_EF_DROP, "z.1f", (770, 90)),
    )
    for number, (name, figures, allowed, form, (left, right)) in enumerate(panels):
        axes = add_axes(figure, left, 100, right, 80)
        rows = range(len(drops))
        ends = [v for f in figures for v in f if np.isfinite(v)]
        low, high = min([0.0, *ends]), max([1.4 * allowed, *ends])
        axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
        for row, bounded in zip(rows, figures, strict=True):
            above = not bounded.value <= allowed
            axes.barh(
                row,
                bounded.value,
                height=0.62,
                color="#f6c9ac" if above else "#a9cfe6",
                edgecolor=VERMILION if above else BLUE,
                hatch="////" if above else None,
                lw=1,
                zorder=2,
            )
            axes.plot([bounded.low, bounded.high], [row, row], color=INK, lw=1.3, zorder=3)
            text = format(bounded.value, form) if np.isfinite(bounded.value) else "lost"
            options = {"color": "#a34700", "weight": "bold"} if above else {"color": SOFT}
            write_text(axes, 1.03, row, text, at="row", va="center", **options)
        axes.axvline(0, color=INK, lw=1, zorder=2.5)
        axes.axvline(allowed, color=VERMILION, lw=1.3, ls=(0, (4, 2)), zorder=2.5)
        words = f"allowed {allowed:g}"
        write_text(axes, allowed, 1.01, words, at="column", ha="center", color="#a34700")
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -AXIS_END * allowed), min(high, AXIS_END * allowed))
        axes.set_ylim(len(drops) - 0.4, -0.6)
        names = [short_name(c.change) for c in drops] if number == 0 else [""] * len(drops)
        axes.set_yticks(rows, names, size=SMALL, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=LINE, lw=0.8)
        label_axes(axes, name)
    return to_png(figure)


def paired_png(
    paired: Sequence[PairedMetric],
    first: str,
    second: str,
    *,
    heading: str = "Second minus first, same patients",
) -> bytes:
    """Mean difference of two networks with its interval, one panel a unit.

    Args:
        paired: One a metric.
        first: Name of the network that is subtracted.
        second: Name of the other.
        heading: The line over the chart.

    Returns:
        PNG, `WIDTH_PX` wide. A filled mark has an interval that leaves zero out.
    """
    units = list(dict.fromkeys(d.unit for d in paired))
    heights = [46 * sum(d.unit == u for d in paired) + 10 for u in units]
    top, foot = 90, 130
    figure = new_figure(
        top + sum(heights) + foot * len(units) + 10, heading if units else f"{heading}: nothing to compare"
    )
    below = sum(heights) + foot * len(units) + 10
    first, second = short_name(first), short_name(second)
    for unit, height in zip(units, heights, strict=True):
        rows = [d for d in paired if d.unit == unit]
        below -= height + foot
        total = int(figure.get_figheight() * DPI + 0.5)
        axes = add_axes(figure, 290, total - below - foot - height, 275, below + foot)
        reach = 1.15 * max(
            [
                0.01 if unit == "Dice" else 0.5,
                *(abs(v) for d in rows for v in (d.difference, d.low, d.high) if np.isfinite(v)),
            ]
        )
        axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.4, -0.6))
        axes.axvline(0, color=INK, lw=1)
        form = "+z.3f" if unit == "Dice" else "+z.2f"
        for row, d in enumerate(rows):
            _difference(axes, row, d, form)
        axes.set_yticks(range(len(rows)), [short_name(d.figure) for d in rows], size=SMALL, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=LINE, lw=0.8)
        sides = (first, second) if rows[0].more_is_better else (second, first)
        label_axes(axes, f"{second} - {first} ({unit})")
        # Under the axis, the left words from the sheet's edge on: two long names need more than its width.
        beneath = -80 / height
        write_text(axes, -0.2, beneath, f"← {sides[0]} better", at="axes", color=SOFT)
        write_text(axes, 1.0, beneath, f"{sides[1]} better →", at="axes", ha="right", color=SOFT)
    return to_png(figure)


def _difference(axes: Any, row: int, d: PairedMetric, form: str) -> None:  # noqa: ANN401
    value, low, high = d.difference, d.low, d.high
    clear = low > 0 or high < 0
    better = (value > 0) == d.more_is_better
    colour = (NETWORK_COLOURS[1] if better else NETWORK_COLOURS[0]) if clear else SOFT
    axes.plot([low, high], [row, row], color=colour, lw=2, solid_capstyle="butt", zorder=3)
    axes.plot(
        [value], [row], marker="o", ms=7, mfc=colour if clear else "white", mec=colour, mew=1.5, zorder=4
    )
    words = bounded_text(Bounded(value, low, high), form)
    write_text(axes, 1.02, row, words, at="row", va="center", color=INK if clear else SOFT)
