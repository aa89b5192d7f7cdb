"""Plots of the agreement of EF with a reference, Bland-Altman and scatter, and of differences on the same patients.

Differences are performance drops under perturbations, and one model against another. Intervals are only drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from lvef.core.records import FloatArray
from lvef.evaluation.metrics import NOT_STATED, MetricRow, PairedMetric
from lvef.evaluation.plots.style import (
    BLUE,
    NETWORK_COLOURS,
    ORANGE,
    SMALL,
    VERMILION,
    add_axes,
    draw_legend,
    label_axes,
    new_figure,
    place_names,
    short_name,
    to_png,
    write_text,
)
from lvef.evaluation.report import Bounded, Plot, bounded, bounded_text
from lvef.geometry.categories import REPORT_MILD_RANGE
from lvef.report.style import INK, LINE, SOFT

NAMED = 6
"""So many of the cases with the largest errors carry their name."""

QUALITY_STYLE = {"Good": (BLUE, "o"), "Medium": (ORANGE, "s"), "Poor": (VERMILION, "^")}
"""Colour and mark of each image quality; other labels are grey."""

_UNKNOWN_STYLE = ("#8a939c", "D")
_BAND, _SAME = "#cfe3f1", "#eef3ee"


@dataclass(frozen=True, slots=True, eq=False)
class EfPairs:
    """Predicted EFs beside reference EFs, with everything that a plot of their agreement shows.

    Attributes:
        pairs: ``(n, 2)`` predicted and reference EF in percent, all known.
        labels: Label of each case, for example its image quality.
        names: Name of each case; those of the `NAMED` largest errors are written beside their points.
        metric: Finds a metric by its statistic: ``bias``, ``limit_low``, ``limit_high``, ``mae``, ``r``.
        heading: The line over the plot.
        reference_name: What the EF was compared with, for the axis.
        styles: Colour and mark of each label.
    """

    pairs: FloatArray
    labels: Sequence[str]
    names: Sequence[str]
    metric: Callable[[str], MetricRow | None]
    heading: str
    reference_name: str
    styles: Mapping[str, tuple[str, str]] = field(default_factory=lambda: QUALITY_STYLE)


def agreement_plots(ef: EfPairs, *, ending: str, alt: str) -> dict[str, Plot]:
    """Bland-Altman plot and scatter plot, by `agreement_names`; none of one case.

    Args:
        ef: What is drawn.
        ending: End of the file names.
        alt: What is shown, for readers who do not see it; follows "Bland-Altman plot " and "Scatter plot ".
    """
    if len(ef.pairs) < 2:
        return {}
    difference, scatter = agreement_names(ending)
    return {
        difference: Plot(bland_altman_png(ef), f"Bland-Altman plot {alt}"),
        scatter: Plot(scatter_png(ef), f"Scatter plot {alt}"),
    }


def agreement_names(ending: str) -> tuple[str, str]:
    """File names of Bland-Altman plot and scatter plot.

    Args:
        ending: What they end with.
    """
    return f"bland_altman_{ending}.png", f"scatter_{ending}.png"


def bland_altman_png(ef: EfPairs) -> bytes:
    """Difference of two EFs against their mean, as PNG. Source: Bland & Altman, Lancet 1986."""
    mean, difference = ef.pairs.mean(axis=1), ef.pairs[:, 0] - ef.pairs[:, 1]
    figure = new_figure(800, ef.heading)
    axes = add_axes(figure, 110, 90, 250, 100)
    lines = (
        ("upper limit (+1.96 SD)", bounded(ef.metric("limit_high")), (0, (5, 3))),
        ("bias", bounded(ef.metric("bias")), "-"),
        ("lower limit (-1.96 SD)", bounded(ef.metric("limit_low")), (0, (5, 3))),
    )
    reach = max(
        [10.0, *np.abs(difference), *(abs(v) for _, line, _ in lines for v in line if np.isfinite(v))]
    )
    axes.set_ylim(-1.12 * reach, 1.12 * reach)
    axes.set_xlim(*_room(mean))
    axes.axhline(0, color=SOFT, lw=0.9, ls=(0, (1, 2)), zorder=1.5)
    for _, line, style in lines:
        if np.isfinite([line.low, line.high]).all():
            axes.axhspan(line.low, line.high, color=_BAND, alpha=0.75, lw=0, zorder=1)
        axes.axhline(line.value, color=INK, lw=1.5, ls=style, zorder=2)
    # One point on the axis is at least this far from the next line of text.
    heights = _apart([line.value for _, line, _ in lines], 2.24 * reach * 62 / 610)
    for (name, line, _), height in zip(lines, heights, strict=True):
        text = f"{name}\n{bounded_text(line, '+z.1f')}"
        write_text(axes, 1.02, height, text, at="row", va="center", linespacing=1.35)
    _draw_points(axes, mean, difference, ef, difference)
    label_axes(
        axes,
        f"mean of the predicted EF and the reference (%)\nreference: {ef.reference_name}",
        "predicted - reference (EF points)",
    )
    return to_png(figure)


def scatter_png(ef: EfPairs) -> bytes:
    """Predicted EF against reference EF with the identity line, as PNG."""
    predicted, reference = ef.pairs.T
    figure = new_figure(1050, ef.heading)
    axes = add_axes(figure, 110, 90, 230, 100)
    low, high = _room(ef.pairs.ravel())
    axes.set(xlim=(low, high), ylim=(low, high))
    limits = [low, *(v for v in REPORT_MILD_RANGE if low < v < high), high]
    for start, end in pairwise(limits):
        axes.fill([start, end, end, start], [start, start, end, end], color=_SAME, lw=0, zorder=0.5)
    for limit in limits[1:-1]:
        axes.axvline(limit, color=LINE, lw=1, zorder=0.6)
        axes.axhline(limit, color=LINE, lw=1, zorder=0.6)
    axes.plot([low, high], [low, high], color=INK, lw=1.2, zorder=2)
    _draw_points(axes, reference, predicted, ef, predicted - reference)
    mae, r = (bounded_text(bounded(ef.metric(name)), form) for name, form in (("mae", "z.1f"), ("r", "z.2f")))
    low_limit, high_limit = (f"{limit:.0f} %" for limit in REPORT_MILD_RANGE)
    facts = f"n = {len(ef.pairs)}\n\nMAE, points\n{mae}\n\nr\n{r}\n\n"
    facts += f"line: equal EF\nshaded: both below\n{low_limit}, both between,\nor both above {high_limit}"
    write_text(axes, 1.03, 0.8, facts, at="axes", va="top", linespacing=1.35)
    label_axes(axes, f"EF of the reference (%): {ef.reference_name}", "predicted EF (%)")
    return to_png(figure)


def _room(values: FloatArray) -> tuple[float, float]:
    """Ends of an EF axis: whole tens, both class borders in sight, within 0 to 100 where the values are."""
    low, high = min([REPORT_MILD_RANGE[0], *values]), max([REPORT_MILD_RANGE[1], *values])
    start, end = 10 * float(np.floor((low - 3) / 10)), 10 * float(np.ceil((high + 3) / 10))
    return (max(start, 0.0) if low > 0 else start), (min(end, 100.0) if high < 100 else end)


def _draw_points(axes: Any, x: FloatArray, y: FloatArray, ef: EfPairs, error: FloatArray) -> None:  # noqa: ANN401
    """The cases in the styles of their labels, the largest errors with their names."""
    handles, legend = [], []
    for label in [*(q for q in ef.styles if q in ef.labels), *sorted(set(ef.labels) - set(ef.styles))]:
        colour, mark = ef.styles.get(label, _UNKNOWN_STYLE)
        at = [i for i, own in enumerate(ef.labels) if own == label]
        handles.append(
            axes.scatter(x[at], y[at], s=26, marker=mark, color=colour, edgecolor="white", lw=0.6, zorder=4)
        )
        legend.append(f"{short_name(label) or NOT_STATED} ({len(at)})")
    draw_legend(axes, handles, legend, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, columnspacing=1.2)
    worst = np.argsort(-np.abs(error), kind="stable")[:NAMED]
    place_names(axes, x, y, [(int(i), short_name(ef.names[i])) for i in worst])


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Three falling heights, the outer two moved off the middle one where they are closer than ``gap``."""
    top, middle, bottom = heights
    return [max(top, middle + gap), middle, min(bottom, middle - gap)]


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
        for row, drop in zip(rows, figures, strict=True):
            above = not drop.value <= allowed
            axes.barh(
                row,
                drop.value,
                height=0.62,
                color="#f6c9ac" if above else "#a9cfe6",
                edgecolor=VERMILION if above else BLUE,
                hatch="////" if above else None,
                lw=1,
                zorder=2,
            )
            axes.plot([drop.low, drop.high], [row, row], color=INK, lw=1.3, zorder=3)
            text = format(drop.value, form) if np.isfinite(drop.value) else "lost"
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
    total = top + sum(heights) + foot * len(units) + 10
    figure = new_figure(total, heading if units else f"{heading}: nothing to compare")
    first, second = short_name(first), short_name(second)
    for unit, height in zip(units, heights, strict=True):
        rows = [d for d in paired if d.unit == unit]
        axes = add_axes(figure, 290, top, 275, total - top - height)
        top += height + foot
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
