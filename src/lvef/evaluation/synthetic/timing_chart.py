"""Errors of timing as histograms, ED above ES, as PNG.

Pure functions, as in `lvef.evaluation.plots.agreement`: the same bytes for the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from lvef.evaluation.plots.style import BLUE, add_axes, draw_title, label_axes, new_figure, to_png, write_text
from lvef.report.summary_words import INK, LINE, SOFT

BIN_MS = 10.0
"""Width of a bar."""

REACH_MS = 200.0
"""The axis ends here; what lies farther is counted at its edge. Beats that are matched lie within 150 ms at ES."""

_TOP_PX, _PANEL_PX, _LEFT_PX, _RIGHT_PX = 80, 330, 110, 280


def timing_png(errors: Mapping[str, ArrayLike], *, heading: str) -> bytes:
    """One histogram a kind of error.

    Args:
        errors: Words -> ``(n,)`` found minus true instants in ms.
        heading: The line over the chart.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide.
    """
    height = _TOP_PX + _PANEL_PX * len(errors)
    figure = new_figure(height)
    draw_title(figure, heading)
    edges = np.arange(-REACH_MS - BIN_MS / 2, REACH_MS + BIN_MS, BIN_MS)
    for place, (words, values) in enumerate(errors.items()):
        x = np.asarray(values, dtype=float)
        top = _TOP_PX + place * _PANEL_PX
        axes = add_axes(figure, _LEFT_PX, top, _RIGHT_PX, height - top - _PANEL_PX + 90)
        inside = x[np.abs(x) <= edges[-1]]
        counts, _ = np.histogram(inside, edges)
        axes.bar(
            edges[:-1],
            counts,
            BIN_MS,
            align="edge",
            color=BLUE,
            alpha=0.6,
            edgecolor="white",
            lw=0.5,
            zorder=2,
        )
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.1 * max(1, int(counts.max()))))
        axes.grid(axis="y", color=LINE, lw=0.8)
        axes.axvline(0, color=INK, lw=1.2, zorder=3)
        label_axes(axes, f"{words}: found minus true (ms)", "beats")
        lines = [f"n = {len(x)}"]
        if len(x):
            axes.axvline(float(np.median(x)), color=SOFT, lw=1.2, ls=(0, (4, 3)), zorder=3)
            size = np.abs(x)
            lines += [
                f"median  {np.median(x):+.0f} ms",
                f"mean  {x.mean():+.0f} ms",
                f"mean size  {size.mean():.0f} ms",
            ]
            lines.append(f"95 % of sizes below\n{np.percentile(size, 95):.0f} ms")
            if len(inside) < len(x):
                lines.append(f"{len(x) - len(inside)} farther than {REACH_MS:.0f} ms")
        words = "\n".join([*lines, "", "line: equal time", "dashed: median"])
        write_text(axes, 1.04, 0.95, words, transform=axes.transAxes, va="top", linespacing=1.4)
    return to_png(figure)
