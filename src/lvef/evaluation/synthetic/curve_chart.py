"""Measured volume curves over the true ones, a panel a clip, as PNG.

Pure functions, as in `lvef.evaluation.plots.agreement`: the same bytes for the same records.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lvef.core.records import FloatArray
from lvef.evaluation.plots.style import (
    BLUE,
    ORANGE,
    SMALL,
    VERMILION,
    WIDTH_PX,
    add_axes,
    draw_legend,
    draw_title,
    label_axes,
    new_figure,
    short_name,
    to_png,
    write_text,
)
from lvef.evaluation.synthetic.records import INVENTED, MATCHED, MERGED, MISSED, ClipRecord
from lvef.report.summary_words import INK, LINE, SOFT

COLUMNS = 2
"""Panels beside each other."""

_TOP_PX, _PANEL_PX, _LEFT_PX, _RIGHT_PX, _GAP_PX = 150, 370, 100, 30, 90


def curves_png(records: Sequence[ClipRecord], *, heading: str) -> bytes:
    """Curves of some clips.

    Args:
        records: At least one.
        heading: The line over the chart.

    Returns:
        PNG, `WIDTH_PX` wide and as high as the clips need.
    """
    rows = math.ceil(len(records) / COLUMNS)
    height = _TOP_PX + rows * _PANEL_PX
    figure = new_figure(height)
    draw_title(figure, heading)
    wide = (WIDTH_PX - _LEFT_PX - _RIGHT_PX - (COLUMNS - 1) * _GAP_PX) // COLUMNS
    for place, record in enumerate(records):
        row, column = divmod(place, COLUMNS)
        left = _LEFT_PX + column * (wide + _GAP_PX)
        top = _TOP_PX + row * _PANEL_PX
        axes = add_axes(figure, left, top + 10, WIDTH_PX - left - wide, height - top - _PANEL_PX + 115)
        handles = _panel(axes, record)
        below = place + COLUMNS >= len(records)
        label_axes(axes, "time (s)" if below else "", "volume (ml)" if column == 0 else "")
        if place == 0:
            names = ("measured", "true, in the plane", "true, in space", "true ED and ES", "found ED and ES")
            box = {"loc": "upper left", "bbox_to_anchor": (_LEFT_PX / WIDTH_PX, 1 - 54 / height), "ncols": 5}
            draw_legend(axes, handles, names, columnspacing=1.4, bbox_transform=figure.transFigure, **box)
    return to_png(figure)


def _panel(axes: Any, record: ClipRecord) -> list[Any]:  # noqa: ANN401
    c = record.curves
    times, plane, space = np.array(c.times_s), np.array(c.plane_ml), np.array(c.space_ml)
    measured = np.array(c.measured_ml) if c.measured_ml else np.full(len(times), np.nan)
    (in_space,) = axes.plot(times, space, color=SOFT, lw=1.0, ls=(0, (3, 2)), zorder=2)
    (in_plane,) = axes.plot(times, plane, color=INK, lw=1.6, zorder=3)
    (found,) = axes.plot(times, measured, color=BLUE, lw=1.4, zorder=4)
    highest = float(np.nanmax(np.concatenate([measured, plane, space])))
    axes.set(xlim=(float(times[0]), float(times[-1])), ylim=(0, 1.12 * highest))
    axes.grid(axis="y", color=LINE, lw=0.8)
    true_marks = _marks(axes, record, times, plane, true=True)
    found_marks = _marks(axes, record, times, np.where(np.isfinite(measured), measured, plane), true=False)
    for beat in record.beats:
        if beat.became in (MISSED, INVENTED, MERGED):
            span = (
                (beat.true_ed_s, beat.true_end_s)
                if beat.became == MISSED
                else (beat.found_ed_s, beat.found_end_s)
            )
            axes.axvspan(
                *span, color=VERMILION if beat.became == MISSED else ORANGE, alpha=0.13, lw=0, zorder=1
            )
            write_text(
                axes,
                sum(span) / 2,
                0.05 * highest,
                beat.became,
                ha="center",
                color=SOFT,
                size=SMALL - 1,
                zorder=5,
            )
    for height, words, weight in zip((1.13, 1.02), _words(record), ("bold", "normal"), strict=True):
        write_text(axes, 0, height, words, transform=axes.transAxes, va="bottom", weight=weight)
    return [found, in_plane, in_space, true_marks, found_marks]


def _marks(axes: Any, record: ClipRecord, times: FloatArray, volume: FloatArray, *, true: bool) -> Any:  # noqa: ANN401
    """Marks at ED and ES, on the curve they belong to."""
    kept = [b for b in record.beats if math.isfinite(b.true_ed_s if true else b.found_ed_s)]
    at = [t for b in kept for t in ((b.true_ed_s, b.true_es_s) if true else (b.found_ed_s, b.found_es_s))]
    heights: FloatArray = np.interp(at, times, volume)
    if true:
        return axes.scatter(at, heights, s=44, facecolor="none", edgecolor=INK, lw=1.2, zorder=5)
    return axes.scatter(at, heights, s=16, color=VERMILION, zorder=6)


def _words(record: ClipRecord) -> tuple[str, str]:
    """Two lines over a panel: which clip, and what came of it."""
    answer = (
        f"EF {record.ef_percent:.1f}" if record.answered else f"no EF ({record.reason_code or record.status})"
    )
    true = f", true {record.ef_plane_percent:.1f}" if math.isfinite(record.ef_plane_percent) else ""
    found = record.count(MATCHED)
    beats = f"; {found} of {found + record.count(MISSED)} beats"
    told = [short_name(record.clip), record.rhythm, f"{record.frame_rate_hz:.0f}/s"]
    return ", ".join(word for word in told if word), f"{answer}{true}{beats}"
