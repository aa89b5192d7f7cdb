"""Plots of synthetic clips, as PNG: measured and true volume-time curves, histograms of timing errors.

Pure functions, as in `lvef.evaluation.plots.agreement`: the same bytes for the same results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.records import FloatArray
from lvef.evaluation.plots.style import (
    BLUE,
    ORANGE,
    SMALL,
    VERMILION,
    WIDTH_PX,
    add_axes,
    draw_legend,
    label_axes,
    new_figure,
    short_name,
    to_png,
    write_text,
)
from lvef.evaluation.synthetic.results import INVENTED, MATCHED, MERGED, MISSED, SyntheticResult
from lvef.report.style import INK, LINE, SOFT

COLUMNS = 2
"""Panels in a row."""

BIN_MS = 10.0
"""Width of a bar of the timing errors."""

REACH_MS = 200.0
"""End of the axis of the timing errors; larger ones are counted beside it. End-systoles that match lie within 150 ms."""

_TOP_PX, _PANEL_PX, _LEFT_PX, _RIGHT_PX, _GAP_PX = 150, 370, 100, 30, 90
_TIMING_PX = 330


def volume_curves_png(results: Sequence[SyntheticResult], *, heading: str) -> bytes:
    """Measured and true volume-time curves, a panel a clip.

    Args:
        results: At least one.
        heading: The line over the plot.

    Returns:
        PNG, `WIDTH_PX` wide and as high as the clips need.
    """
    height = _TOP_PX + math.ceil(len(results) / COLUMNS) * _PANEL_PX
    figure = new_figure(height, heading)
    width = (WIDTH_PX - _LEFT_PX - _RIGHT_PX - (COLUMNS - 1) * _GAP_PX) // COLUMNS
    for place, result in enumerate(results):
        row, column = divmod(place, COLUMNS)
        left, top = _LEFT_PX + column * (width + _GAP_PX), _TOP_PX + row * _PANEL_PX
        axes = add_axes(figure, left, top + 10, WIDTH_PX - left - width, height - top - _PANEL_PX + 115)
        handles = _draw_curves(axes, result)
        is_last = place + COLUMNS >= len(results)
        label_axes(axes, "time (s)" if is_last else "", "volume (ml)" if column == 0 else "")
        if place == 0:
            names = ("measured", "true, in the plane", "true, in space", "true ED and ES", "found ED and ES")
            box = {"loc": "upper left", "bbox_to_anchor": (_LEFT_PX / WIDTH_PX, 1 - 54 / height), "ncols": 5}
            draw_legend(axes, handles, names, columnspacing=1.4, bbox_transform=figure.transFigure, **box)
    return to_png(figure)


def _draw_curves(axes: Any, result: SyntheticResult) -> list[Any]:  # noqa: ANN401
    c = result.curves
    times, plane, space = np.array(c.times_s), np.array(c.plane_ml), np.array(c.space_ml)
    measured = np.array(c.measured_ml) if c.measured_ml else np.full(len(times), np.nan)
    (in_space,) = axes.plot(times, space, color=SOFT, lw=1.0, ls=(0, (3, 2)), zorder=2)
    (in_plane,) = axes.plot(times, plane, color=INK, lw=1.6, zorder=3)
    (found,) = axes.plot(times, measured, color=BLUE, lw=1.4, zorder=4)
    highest = float(np.nanmax(np.concatenate([measured, plane, space])))
    axes.set(xlim=(float(times[0]), float(times[-1])), ylim=(0, 1.12 * highest))
    axes.grid(axis="y", color=LINE, lw=0.8)
    true_at = [t for b in result.beats if math.isfinite(b.true_ed_s) for t in (b.true_ed_s, b.true_es_s)]
    found_at = [t for b in result.beats if math.isfinite(b.found_ed_s) for t in (b.found_ed_s, b.found_es_s)]
    volume: FloatArray = np.where(np.isfinite(measured), measured, plane)
    rings, points = np.interp(true_at, times, plane), np.interp(found_at, times, volume)
    true_marks = axes.scatter(true_at, rings, s=44, facecolor="none", edgecolor=INK, lw=1.2, zorder=5)
    found_marks = axes.scatter(found_at, points, s=16, color=VERMILION, zorder=6)
    for beat in result.beats:
        if beat.became in (MISSED, INVENTED, MERGED):
            is_missed = beat.became == MISSED
            ends = (beat.true_ed_s, beat.true_end_s) if is_missed else (beat.found_ed_s, beat.found_end_s)
            axes.axvspan(*ends, color=VERMILION if is_missed else ORANGE, alpha=0.13, lw=0, zorder=1)
            middle, low = sum(ends) / 2, 0.05 * highest
            write_text(axes, middle, low, beat.became, ha="center", color=SOFT, size=SMALL - 1, zorder=5)
    for height, text, weight in zip((1.13, 1.02), _captions(result), ("bold", "normal"), strict=True):
        write_text(axes, 0, height, text, at="axes", va="bottom", weight=weight)
    return [found, in_plane, in_space, true_marks, found_marks]


def _captions(result: SyntheticResult) -> tuple[str, str]:
    """Two lines over a panel: the clip, and its result."""
    measured = (
        f"EF {result.ef_percent:.1f}" if result.has_ef else f"no EF ({result.reason_code or result.status})"
    )
    true = f", true {result.ef_plane_percent:.1f}" if math.isfinite(result.ef_plane_percent) else ""
    found = result.count(MATCHED)
    clip = [short_name(result.item), result.rhythm, f"{result.frame_rate_hz:.0f}/s"]
    beats = f"{found} of {found + result.count(MISSED)} beats"
    return ", ".join(filter(None, clip)), f"{measured}{true}; {beats}"


def timing_png(errors: Mapping[str, ArrayLike], *, heading: str) -> bytes:
    """Histograms of timing errors, one below the other.

    Args:
        errors: Name -> ``(n,)`` found minus true instants in ms.
        heading: The line over the plot.

    Returns:
        PNG, `WIDTH_PX` wide.
    """
    height = 80 + _TIMING_PX * len(errors)
    figure = new_figure(height, heading)
    edges = np.arange(-REACH_MS - BIN_MS / 2, REACH_MS + BIN_MS, BIN_MS)
    for place, (name, values) in enumerate(errors.items()):
        x = np.asarray(values, dtype=float)
        top = 80 + place * _TIMING_PX
        axes = add_axes(figure, 110, top, 280, height - top - _TIMING_PX + 90)
        counts, _, _ = axes.hist(x, edges, color=BLUE, alpha=0.6, edgecolor="white", lw=0.5, zorder=2)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.1 * max(1, int(counts.max()))))
        axes.grid(axis="y", color=LINE, lw=0.8)
        axes.axvline(0, color=INK, lw=1.2, zorder=3)
        label_axes(axes, f"{name}: found minus true (ms)", "beats")
        lines = [f"n = {len(x)}"]
        if len(x):
            axes.axvline(float(np.median(x)), color=SOFT, lw=1.2, ls=(0, (4, 3)), zorder=3)
            size = np.abs(x)
            lines += [f"median  {np.median(x):+.0f} ms", f"mean  {x.mean():+.0f} ms"]
            lines += [f"mean absolute  {size.mean():.0f} ms", "95th percentile of"]
            lines.append(f"absolute  {np.percentile(size, 95):.0f} ms")
            if counts.sum() < len(x):
                lines.append(f"{len(x) - int(counts.sum())} beyond {REACH_MS:.0f} ms")
        text = "\n".join([*lines, "", "line: equal time", "dashed: median"])
        write_text(axes, 1.04, 0.95, text, at="axes", va="top", linespacing=1.4)
    return to_png(figure)
