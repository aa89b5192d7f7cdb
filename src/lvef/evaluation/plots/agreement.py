"""Charts of the agreement of EF with a reference, as PNG.

Pure functions: numbers in, bytes out, the same bytes for the same numbers. Intervals are computed elsewhere and only drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.records import FloatArray
from lvef.evaluation.metrics import MetricRow
from lvef.evaluation.plots.style import (
    BLUE,
    ORANGE,
    VERMILION,
    add_axes,
    draw_legend,
    draw_title,
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
"""So many of the worst cases carry their name."""

QUALITY_STYLE = {"Good": (BLUE, "o"), "Medium": (ORANGE, "s"), "Poor": (VERMILION, "^")}
"""Colour and mark of each picture quality; what is unknown is grey."""

_UNKNOWN_STYLE = ("#8a939c", "D")
_BAND, _SAME = "#cfe3f1", "#eef3ee"


def agreement_plots(
    pairs: FloatArray,
    labels: Sequence[str],
    names: Sequence[str],
    metric: Callable[[str], MetricRow | None],
    *,
    ending: str,
    heading: str,
    reference_name: str,
    alt: str,
    styles: Mapping[str, tuple[str, str]] = QUALITY_STYLE,
) -> dict[str, Plot]:
    """Bland-Altman plot and scatter of two EFs: ``bland_altman_ENDING.png``, ``scatter_ENDING.png``; none of one case.

    Args:
        pairs: ``(n, 2)`` predicted and reference EF in percent.
        labels: Label of each case, for example its image quality.
        names: Name of each case.
        metric: Finds a metric by its statistic: ``bias``, ``limit_low``, ``limit_high``, ``mae``, ``r``.
        ending: End of the file names.
        heading: The line over the plots.
        reference_name: What the EF was compared with, for the axis.
        alt: What is shown, for whoever does not see it; follows "Bland-Altman plot " and "Scatter plot ".
        styles: Colour and mark of each label.
    """
    if len(pairs) < 2:
        return {}
    predicted, reference = pairs[:, 0], pairs[:, 1]
    agreement = bland_altman_png(
        predicted,
        reference,
        labels,
        names,
        bias=bounded(metric("bias")),
        low_limit=bounded(metric("limit_low")),
        high_limit=bounded(metric("limit_high")),
        heading=heading,
        reference_name=reference_name,
        styles=styles,
    )
    scatter = scatter_png(
        predicted,
        reference,
        labels,
        names,
        mae=bounded(metric("mae")),
        pearson_r=bounded(metric("r")),
        heading=heading,
        reference_name=reference_name,
        styles=styles,
    )
    return {
        f"bland_altman_{ending}.png": Plot(agreement, f"Bland-Altman plot {alt}"),
        f"scatter_{ending}.png": Plot(scatter, f"Scatter plot {alt}"),
    }


def bland_altman_png(
    method: ArrayLike,
    reference: ArrayLike,
    quality: Sequence[str],
    patients: Sequence[str],
    *,
    bias: Bounded,
    low_limit: Bounded,
    high_limit: Bounded,
    heading: str,
    reference_name: str,
    styles: Mapping[str, tuple[str, str]] = QUALITY_STYLE,
) -> bytes:
    """Difference of two EFs against their mean. Source: Bland & Altman, Lancet 1986.

    Args:
        method: ``(n,)`` EF of the network in percent.
        reference: ``(n,)`` EF of the reference in percent, the same patients.
        quality: Picture quality of each.
        patients: Name of each; the worst `NAMED` are written beside their points.
        bias: Mean of method minus reference in points, with its interval.
        low_limit: Lower limit of agreement with its interval.
        high_limit: Upper limit of agreement with its interval.
        heading: The line over the chart.
        reference_name: What the EF was compared with, for the axis.
        styles: Colour and mark of each picture quality, or of whatever else ``quality`` tells of the cases.

    Returns:
        PNG, `WIDTH_PX` wide. Cases whose EF is not finite are not drawn.
    """
    a, b, quality, patients = _finite(method, reference, quality, patients)
    mean, difference = (a + b) / 2, a - b
    figure = new_figure(800)
    axes = add_axes(figure, 110, 90, 250, 100)
    draw_title(figure, heading)
    lines = (
        ("upper limit (+1.96 SD)", high_limit, (0, (5, 3))),
        ("bias", bias, "-"),
        ("lower limit (-1.96 SD)", low_limit, (0, (5, 3))),
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
    # One point on the axis is at least this far from the next line of words.
    heights = _apart([line.value for _, line, _ in lines], 2.24 * reach * 62 / 610)
    for (name, line, _), height in zip(lines, heights, strict=True):
        words = f"{name}\n{bounded_text(line, '+z.1f')}"
        write_text(
            axes, 1.02, height, words, transform=axes.get_yaxis_transform(), va="center", linespacing=1.35
        )
    _points(axes, mean, difference, quality, styles)
    worst = np.argsort(-np.abs(difference), kind="stable")[:NAMED]
    place_names(axes, mean, difference, [(int(i), short_name(patients[i])) for i in worst])
    label_axes(
        axes,
        f"mean of the network's EF and the reference (%)\nreference: {reference_name}",
        "network - reference (EF points)",
    )
    return to_png(figure)


def scatter_png(
    method: ArrayLike,
    reference: ArrayLike,
    quality: Sequence[str],
    patients: Sequence[str],
    *,
    mae: Bounded,
    pearson_r: Bounded,
    heading: str,
    reference_name: str,
    styles: Mapping[str, tuple[str, str]] = QUALITY_STYLE,
) -> bytes:
    """EF of the network against EF of the reference, with the identity line.

    Args:
        method: ``(n,)`` EF of the network in percent.
        reference: ``(n,)`` EF of the reference in percent, the same patients.
        quality: Picture quality of each.
        patients: Name of each; the worst `NAMED` are written beside their points.
        mae: Mean absolute error in points, with its interval.
        pearson_r: Correlation with its interval.
        heading: The line over the chart.
        reference_name: What the EF was compared with, for the axis.
        styles: Colour and mark of each picture quality, or of whatever else ``quality`` tells of the cases.

    Returns:
        PNG, `WIDTH_PX` wide. Cases whose EF is not finite are not drawn.
    """
    a, b, quality, patients = _finite(method, reference, quality, patients)
    figure = new_figure(1050)
    axes = add_axes(figure, 110, 90, 230, 100)
    draw_title(figure, heading)
    low, high = _room(np.concatenate([a, b]))
    axes.set(xlim=(low, high), ylim=(low, high))
    borders = [low, *(v for v in REPORT_MILD_RANGE if low < v < high), high]
    for start, end in pairwise(borders):
        axes.fill([start, end, end, start], [start, start, end, end], color=_SAME, lw=0, zorder=0.5)
    for border in borders[1:-1]:
        axes.axvline(border, color=LINE, lw=1, zorder=0.6)
        axes.axhline(border, color=LINE, lw=1, zorder=0.6)
    axes.plot([low, high], [low, high], color=INK, lw=1.2, zorder=2)
    _points(axes, b, a, quality, styles)
    worst = np.argsort(-np.abs(a - b), kind="stable")[:NAMED]
    place_names(axes, b, a, [(int(i), short_name(patients[i])) for i in worst])
    facts = f"n = {len(a)}\n\nMAE, points\n{bounded_text(mae, 'z.1f')}\n\nr\n{bounded_text(pearson_r, 'z.2f')}\n\n"
    low_border, high_border = (f"{border:.0f} %" for border in REPORT_MILD_RANGE)
    facts += f"line: equal EF\nshaded: both below\n{low_border}, both between,\nor both above {high_border}"
    write_text(axes, 1.03, 0.8, facts, transform=axes.transAxes, va="top", linespacing=1.35)
    label_axes(axes, f"EF of the reference (%): {reference_name}", "EF of the network (%)")
    return to_png(figure)


def _finite(
    method: ArrayLike, reference: ArrayLike, quality: Sequence[str], patients: Sequence[str]
) -> tuple[FloatArray, FloatArray, list[str], list[str]]:
    a, b = np.asarray(method, dtype=float), np.asarray(reference, dtype=float)
    kept = [int(i) for i in np.flatnonzero(np.isfinite(a) & np.isfinite(b))]
    return a[kept], b[kept], [quality[i] for i in kept], [patients[i] for i in kept]


def _room(values: FloatArray) -> tuple[float, float]:
    """Ends of an EF axis: whole tens, both class borders in sight, within 0 to 100 where the values are."""
    low, high = min([REPORT_MILD_RANGE[0], *values]), max([REPORT_MILD_RANGE[1], *values])
    start, end = 10 * float(np.floor((low - 3) / 10)), 10 * float(np.ceil((high + 3) / 10))
    return (max(start, 0.0) if low > 0 else start), (min(end, 100.0) if high < 100 else end)


def _points(
    axes: Any,  # noqa: ANN401
    x: FloatArray,
    y: FloatArray,
    quality: Sequence[str],
    styles: Mapping[str, tuple[str, str]],
) -> None:
    handles, names = [], []
    for name in [*(q for q in styles if q in quality), *sorted(set(quality) - set(styles))]:
        colour, mark = styles.get(name, _UNKNOWN_STYLE)
        at = [i for i, q in enumerate(quality) if q == name]
        handles.append(
            axes.scatter(x[at], y[at], s=26, marker=mark, color=colour, edgecolor="white", lw=0.6, zorder=4)
        )
        names.append(f"{short_name(name) or 'not told'} ({len(at)})")
    draw_legend(axes, handles, names, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, columnspacing=1.2)


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Three falling heights, the outer two moved off the middle one where they are closer than ``gap``."""
    top, middle, bottom = heights
    return [max(top, middle + gap), middle, min(bottom, middle - gap)]
