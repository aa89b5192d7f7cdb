"""Risk-coverage curves as PNG: what error is bought by answering how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.records import FloatArray
from lvef.evaluation.plots.style import (
    NETWORK_COLOURS,
    NETWORK_MARKS,
    add_axes,
    draw_legend,
    draw_title,
    label_axes,
    new_figure,
    to_png,
    write_text,
)
from lvef.report.style import INK, LINE, SOFT

MIN_ANSWERED = 10
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
    figure = new_figure(820)
    axes = add_axes(figure, 110, 84, 330, 110)
    draw_title(figure, heading)
    axes.grid(color=LINE, lw=0.8)
    handles, names, tops = [], [], [1.0]
    for number, (name, (widths, errors)) in enumerate(groups.items()):
        share, mean, width = risk_coverage(widths, errors)
        colour = NETWORK_COLOURS[number % len(NETWORK_COLOURS)]
        shown = slice(min(MIN_ANSWERED, len(share)) - 1, None)
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
    label_axes(axes, "answered, narrowest interval first (%)", "mean absolute error (EF points)")
    write_text(
        axes,
        1.04,
        0.02,
        "marks: answered up to\nthis width",
        transform=axes.transAxes,
        color=INK,
        va="bottom",
    )
    return to_png(figure)
