"""ROC, calibration, loss and risk-coverage curves as PNG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.records import FloatArray
from lvef.evaluation.plots.style import (
    NETWORK_COLOURS,
    NETWORK_MARKS,
    WIDTH_PX,
    add_axes,
    draw_legend,
    label_axes,
    new_figure,
    short_name,
    to_png,
    write_text,
)
from lvef.evaluation.report import Bounded, bounded_text
from lvef.report.style import INK, LINE, SOFT
from lvef.stats.agreement import CalibrationPart

_COLUMNS = 2
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
_TOP_PX, _PANEL_PX, _LEFT_PX, _RIGHT_PX, _GAP_PX = 84, 540, 100, 30, 110


def roc_png(
    panels: Mapping[str, Sequence[tuple[str, tuple[FloatArray, FloatArray], Bounded]]], *, heading: str
) -> bytes:
    """ROC curves, a panel a threshold.

    Args:
        panels: Title of the threshold -> name, curve (false and true positive rates) and area of each method; an empty curve
            says that the area is not defined.
        heading: The line over the chart.

    Returns:
        PNG, `WIDTH_PX` wide.
    """
    rows = max(1, math.ceil(len(panels) / _COLUMNS))
    height = _TOP_PX + rows * _PANEL_PX
    figure = new_figure(height, heading)
    for place, (words, curves) in enumerate(panels.items()):
        axes = _panel(figure, place, height, len(panels))
        axes.plot([0, 1], [0, 1], color=SOFT, lw=0.9, ls=(0, (1, 2)), zorder=1)
        handles, names = [], []
        for number, (name, (false_rate, true_rate), area) in enumerate(curves):
            if not len(false_rate):
                continue
            colour = NETWORK_COLOURS[number % len(NETWORK_COLOURS)]
            (line,) = axes.plot(false_rate, true_rate, color=colour, lw=1.7, zorder=3, ls=_DASHES[number % 4])
            handles.append(line)
            names.append(f"{short_name(name)}: {bounded_text(area, 'z.3f')}")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        write_text(axes, 0, 1.02, words, at="axes", weight="bold", va="bottom")
        if handles:
            draw_legend(axes, handles, names, loc="lower right")
        else:
            write_text(axes, 0.5, 0.3, "not defined: in no clip, or in all", ha="center", color=SOFT)
        label_axes(axes, "1 - specificity", "sensitivity" if place % _COLUMNS == 0 else "")
    return to_png(figure)


def calibration_png(
    networks: Sequence[tuple[str, Sequence[CalibrationPart], Bounded, Bounded]],
    *,
    heading: str,
    reference_name: str,
) -> bytes:
    """Reference EF against predicted EF, by parts of the predictions, with the calibration line.

    Args:
        networks: Name, parts, slope and intercept of each.
        heading: The line over the chart.
        reference_name: How the reference was determined, for the axis.

    Returns:
        PNG, `WIDTH_PX` wide.
    """
    figure = new_figure(940, heading)
    axes = add_axes(figure, 110, 84, 400, 110)
    values = [
        v
        for _, parts, *_ in networks
        for p in parts
        for v in (p.predicted, p.observed - _error(p), p.observed + _error(p))
    ]
    low, high = (min(values), max(values)) if values else (0.0, 100.0)
    low, high = 5 * math.floor((low - 3) / 5), 5 * math.ceil((high + 3) / 5)
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.grid(color=LINE, lw=0.8)
    axes.plot([low, high], [low, high], color=INK, lw=1.2, zorder=2)
    words: list[tuple[str, dict[str, str]]] = [("line: predicted = manifest", {})]
    for number, (name, parts, slope, intercept) in enumerate(networks):
        colour, mark = (t[number % len(t)] for t in (NETWORK_COLOURS, NETWORK_MARKS))
        x = [p.predicted for p in parts]
        y = [p.observed for p in parts]
        error = [_error(p) for p in parts]
        axes.errorbar(x, y, error, color=colour, lw=0, elinewidth=1.0, alpha=0.7, zorder=3)
        axes.plot(x, y, color=colour, lw=0, marker=mark, ms=6, mec="white", mew=0.6, zorder=4)
        if math.isfinite(slope.value) and x:
            ends = np.array([min(x), max(x)])
            axes.plot(
                ends, intercept.value + slope.value * ends, color=colour, lw=1.3, ls=(0, (5, 3)), zorder=2.5
            )
        words += [
            ("", {}),
            (short_name(name), {"color": colour, "weight": "bold"}),
            (f"slope {bounded_text(slope, 'z.2f')}", {}),
            (f"intercept {bounded_text(intercept, 'z.1f')}", {}),
            (f"{sum(p.n for p in parts)} clips in {len(parts)} parts", {}),
        ]
        axes.plot([], [], color=colour, lw=1.3, ls=(0, (5, 3)), marker=mark, ms=6)
    legend = "\npoints: means of parts of equal\nsize, with 95 % interval of the\nmean; dashed: least squares"
    words += [(line, {}) for line in legend.split("\n")]
    for number, (line, options) in enumerate(words):
        write_text(axes, 1.04, 0.98 - 0.042 * number, line, at="axes", va="top", **options)
    label_axes(axes, f"EF predicted (%)\nmanifest: {reference_name}", "EF of the manifest (%)")
    return to_png(figure)


def loss_png(runs: Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]], *, heading: str) -> bytes:
    """Curves of training runs over their epochs, a panel a run.

    Args:
        runs: Name of a run -> title of a curve -> epochs and values. The lowest point of each validation curve is marked.
        heading: The line over the chart.

    Returns:
        PNG, `WIDTH_PX` wide.
    """
    panel = 430
    height = _TOP_PX + panel * max(1, len(runs))
    figure = new_figure(height, heading)
    for place, (run, curves) in enumerate(runs.items()):
        top = _TOP_PX + place * panel
        axes = add_axes(figure, 110, top + 26, 290, height - top - panel + 84)
        handles, names = [], []
        for number, (words, (epochs, values)) in enumerate(curves.items()):
            colour = NETWORK_COLOURS[number % len(NETWORK_COLOURS)]
            (line,) = axes.plot(
                epochs, values, color=colour, lw=1.5, zorder=3, marker="o" if len(epochs) == 1 else ""
            )
            handles.append(line)
            best = int(np.argmin(values))
            if words.startswith("val"):
                axes.plot(
                    [epochs[best]], [values[best]], color=colour, marker="o", ms=6, mec="white", zorder=4
                )
                words = f"{words}\nlowest {values[best]:.4g}, epoch {epochs[best]:.0f}"
            names.append(words)
        positive = all(float(np.min(values)) > 0 for _, values in curves.values())
        spread = [v for _, values in curves.values() for v in values.tolist()]
        if positive and max(spread) > 20 * min(spread):
            axes.set_yscale("log")
        axes.grid(color=LINE, lw=0.8)
        write_text(axes, 0, 1.02, run, at="axes", weight="bold", va="bottom")
        draw_legend(axes, handles, names, loc="upper left", bbox_to_anchor=(1.02, 1.0))
        label_axes(axes, "epoch", "loss")
    return to_png(figure)


def _error(part: CalibrationPart) -> float:
    """Half of the 95 % interval of a part's mean, by the normal distribution."""
    return 0.0 if math.isnan(part.sd) else 1.96 * part.sd / math.sqrt(part.n)


def _panel(figure: Any, place: int, height: int, panels: int) -> Any:  # noqa: ANN401
    columns = min(_COLUMNS, max(1, panels))
    wide = (WIDTH_PX - _LEFT_PX - _RIGHT_PX - (columns - 1) * _GAP_PX) // columns
    row, column = divmod(place, _COLUMNS)
    left, top = _LEFT_PX + column * (wide + _GAP_PX), _TOP_PX + row * _PANEL_PX
    return add_axes(figure, left, top + 14, WIDTH_PX - left - wide, height - top - _PANEL_PX + 84)


MIN_CASES = 10
"""Fewest cases whose mean error is drawn: the first of a curve would only show chance."""


def risk_coverage(widths: ArrayLike, errors: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean absolute error of the cases with the narrowest intervals, for every number of them.

    Args:
        widths: ``(n,)`` widths of the intervals.
        errors: ``(n,)`` absolute errors.

    Returns:
        Share answered, mean absolute error of those answered, and the width up to which they are, ``(n,)`` each.
    """
    order = np.argsort(np.asarray(widths), kind="stable")
    count = np.arange(1, len(order) + 1)
    mean = np.cumsum(np.asarray(errors, dtype=np.float64)[order]) / count
    return count / len(order), mean, np.asarray(widths, dtype=np.float64)[order]


def risk_coverage_png(
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]], *, limits: Sequence[tuple[str, float]], heading: str
) -> bytes:
    """A curve a group of cases, with the places of the limits on it.

    Args:
        groups: Name -> widths and absolute errors of its cases.
        limits: Names and widths in EF points, marked where the next case would be wider.
        heading: The line over the chart.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide.
    """
    figure = new_figure(820, heading)
    axes = add_axes(figure, 110, 84, 330, 110)
    axes.grid(color=LINE, lw=0.8)
    handles, names, tops = [], [], [1.0]
    for number, (name, (widths, errors)) in enumerate(groups.items()):
        share, mean, width = risk_coverage(widths, errors)
        colour = NETWORK_COLOURS[number % len(NETWORK_COLOURS)]
        shown = slice(min(MIN_CASES, len(share)) - 1, None)
        (line,) = axes.plot(100 * share[shown], mean[shown], color=colour, lw=1.7, zorder=3)
        handles.append(line)
        names.append(f"{name} (n = {len(share)})")
        tops.append(float(mean[shown].max()))
        for mark, (_, limit) in zip(NETWORK_MARKS, limits, strict=False):
            last = int(np.searchsorted(width, limit, side="right")) - 1
            if last >= 0:
                at = (100 * share[last], mean[last])
                axes.plot(
                    *at, color=colour, marker=mark, ms=8, mec="white", mew=0.8, lw=0, zorder=5, clip_on=False
                )
    for mark, (words, limit) in zip(NETWORK_MARKS, limits, strict=False):
        (point,) = axes.plot([], [], color=SOFT, marker=mark, ms=8, lw=0)
        handles.append(point)
        names.append(f"{words} {limit:g} points")
    axes.set(xlim=(0, 100), ylim=(0, 1.15 * max(tops)))
    draw_legend(axes, handles, names, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    label_axes(axes, "cases with an EF (%), narrowest interval first", "mean absolute error (EF points)")
    write_text(axes, 1.04, 0.02, "marks: cases up to\nthis width", at="axes", color=INK, va="bottom")
    return to_png(figure)
