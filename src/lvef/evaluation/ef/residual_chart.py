"""Errors of EF by the class of the manifest's EF, as box plots, as PNG.

Pure functions, as in `lvef.evaluation.plots.agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lvef.core.records import FloatArray
from lvef.evaluation.plots.boxes import draw_box
from lvef.evaluation.plots.style import (
    NETWORK_COLOURS,
    add_axes,
    draw_title,
    label_axes,
    new_figure,
    short_name,
    to_png,
    write_text,
)
from lvef.report.summary_words import LINE, SOFT
from lvef.stats.describe import describe, fences

_ROW_PX, _GAP_PX, _TOP_PX, _FOOT_PX = 46, 44, 100, 90


def residuals_png(
    groups: Mapping[str, Sequence[tuple[str, FloatArray]]], *, heading: str, reference_name: str
) -> bytes:
    """Answer minus reference, a box a class and network.

    Args:
        groups: Words of a class -> name and ``(n,)`` errors in points of each network, in the networks' order.
        heading: The line over the chart.
        reference_name: What was compared with.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide and as high as the boxes need.
    """
    inner = sum(_GAP_PX + _ROW_PX * len(rows) for rows in groups.values()) + 14
    figure = new_figure(_TOP_PX + inner + _FOOT_PX)
    axes = add_axes(figure, 330, _TOP_PX, 250, _FOOT_PX)
    draw_title(figure, heading)
    axes.set_ylim(inner, 0)
    every = [v for rows in groups.values() for _, errors in rows for v in errors.tolist()] or [0.0]
    reach = max(10.0, 1.06 * max(abs(min(every)), abs(max(every))))
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=SOFT, lw=1.1, zorder=1)
    across, y = axes.get_yaxis_transform(), 0.0
    for words, rows in groups.items():
        write_text(axes, -0.48, y + _GAP_PX / 2 + 8, words, transform=across, weight="bold", va="center")
        y += _GAP_PX
        for number, (name, errors) in enumerate(rows):
            middle = y + _ROW_PX / 2
            write_text(
                axes,
                -0.02,
                middle,
                f"{short_name(name)}  (n = {len(errors)})",
                transform=across,
                ha="right",
                va="center",
            )
            if len(errors):
                d = describe(errors)
                colour = NETWORK_COLOURS[number % len(NETWORK_COLOURS)]
                draw_box(axes, middle, np.asarray(errors, dtype=float), d, fences(errors), colour, height=22)
                told = f"{d.median:+z.1f}  ({d.q25:+z.1f} to {d.q75:+z.1f})"
                write_text(axes, 1.02, middle, told, transform=across, va="center")
            y += _ROW_PX
    write_text(axes, 1.02, 1 + 12 / inner, "median (quartiles)", transform=axes.transAxes, color=SOFT)
    axes.grid(axis="x", color=LINE, lw=0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    label_axes(axes, f"answer - manifest (EF points)\n{reference_name}")
    return to_png(figure)
