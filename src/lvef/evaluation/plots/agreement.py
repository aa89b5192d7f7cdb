"""Plots of the agreement of EF with a reference: Bland-Altman and scatter. Intervals are only drawn here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from lvef.core.records import FloatArray
from lvef.evaluation.metrics import NOT_STATED, MetricRow
from lvef.evaluation.plots.style import (
    BLUE,
    ORANGE,
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
from lvef.evaluation.report import Plot, bounded, bounded_text
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
        pairs: ``(n, 2)`` predicted and reference EF in percent; cases that are not finite are not drawn.
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

    def finite(self) -> EfPairs:
        """The cases whose EFs are both finite."""
        kept = np.flatnonzero(np.isfinite(self.pairs).all(axis=1)).tolist()
        labels, names = [self.labels[i] for i in kept], [self.names[i] for i in kept]
        return replace(self, pairs=self.pairs[kept], labels=labels, names=names)


def agreement_plots(ef: EfPairs, *, ending: str, alt: str) -> dict[str, Plot]:
    """Bland-Altman plot and scatter plot: ``bland_altman_ENDING.png``, ``scatter_ENDING.png``; none of one case.

    Args:
        ef: What is drawn.
        ending: End of the file names.
        alt: What is shown, for readers who do not see it; follows "Bland-Altman plot " and "Scatter plot ".
    """
    if len(ef.pairs) < 2:
        return {}
    return {
        f"bland_altman_{ending}.png": Plot(bland_altman_png(ef), f"Bland-Altman plot {alt}"),
        f"scatter_{ending}.png": Plot(scatter_png(ef), f"Scatter plot {alt}"),
    }


def bland_altman_png(ef: EfPairs) -> bytes:
    """Difference of two EFs against their mean, as PNG. Source: Bland & Altman, Lancet 1986."""
    ef = ef.finite()
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
    ef = ef.finite()
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
