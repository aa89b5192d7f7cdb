"""Box plots as PNG: Dice by view and phase, errors of EF by class; and the box that other plots draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.records import FloatArray
from lvef.evaluation.plots.style import (
    NETWORK_COLOURS,
    NETWORK_MARKS,
    NORMAL,
    add_axes,
    draw_legend,
    label_axes,
    new_figure,
    short_name,
    to_png,
    write_text,
)
from lvef.report.style import INK, LINE, SOFT
from lvef.stats.describe import Description, Fences, describe, fences, outside

_ROW_PX, _GAP_PX, _TOP_PX, _FOOT_PX = 46, 44, 100, 90


def dice_png(groups: Mapping[str, Sequence[ArrayLike]], networks: Sequence[str], *, heading: str) -> bytes:
    """Dice of every still as boxes and points, beside each other by view and phase.

    Args:
        groups: For each view and phase one list of Dice (0-1) a network, in the order of ``networks``. A still in which the
            structure was not found is a 0; NaN is left out.
        networks: Their names.
        heading: The line over the chart.

    Returns:
        PNG, `WIDTH_PX` wide. Boxes: quartiles and median; whiskers: the last still within 1.5 times their distance.
    """
    figure = new_figure(720, heading)
    axes = add_axes(figure, 110, 130, 40, 80)
    width = 0.8 / len(networks)
    lowest = 1.0
    for place, lists in enumerate(groups.values()):
        for number, values in enumerate(lists):
            dice = np.asarray(values, float)
            dice = dice[np.isfinite(dice)]
            if not len(dice):
                continue
            lowest = min(lowest, float(dice.min()))
            at = place + (number - (len(networks) - 1) / 2) * width
            _box(axes, at, dice, width, NETWORK_COLOURS[number % 4], NETWORK_MARKS[number % 4])
            write_text(axes, at, 1.02, f"{dice.mean():.3f}", at="column", ha="center")
    write_text(axes, -0.012, 1.02, "mean", at="axes", ha="right", color=SOFT)
    floor = max(0.0, np.floor(10 * lowest - 0.2) / 10)
    axes.set(xlim=(-0.5, len(groups) - 0.5), ylim=(floor - 0.01, 1.005))
    axes.set_xticks(range(len(groups)), [short_name(g) for g in groups], size=NORMAL, parse_math=False)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=LINE, lw=0.8)
    label_axes(
        axes, y="Dice (1 = same pixels)" if floor == 0 else f"Dice (1 = same pixels; axis from {floor:.1f})"
    )
    _network_legend(axes, networks)
    return to_png(figure)


def _box(axes: Any, at: float, dice: FloatArray, width: float, colour: str, mark: str) -> None:  # noqa: ANN401
    # Points side by side without chance: the golden ratio spreads any number of them evenly.
    aside = ((np.arange(len(dice)) * 0.618034) % 1 - 0.5) * 0.5 * width
    axes.scatter(at + aside, dice, s=9, marker=mark, color=colour, alpha=0.45, lw=0, zorder=2)
    # Drawn here: matplotlib's own boxes load pyplot, and with it whatever window system the machine has.
    low, middle, high = np.percentile(dice, [25, 50, 75])
    reach = 1.5 * (high - low)
    # Of few stills none may lie between a quartile and its reach: no whisker runs back into the box.
    ends = min(low, dice[dice >= low - reach].min()), max(high, dice[dice <= high + reach].max())
    half = 0.31 * width
    box_x, box_y = [at - half, at + half, at + half, at - half, at - half], [low, low, high, high, low]
    axes.plot(box_x, box_y, color=colour, lw=1.5, solid_joinstyle="miter", zorder=3)
    for side, end in zip((low, high), ends, strict=True):
        axes.plot([at, at], [side, end], color=colour, lw=1.2, zorder=3)
        axes.plot([at - half / 2, at + half / 2], [end, end], color=colour, lw=1.2, zorder=3)
    axes.plot([at - half, at + half], [middle] * 2, color=INK, lw=2, solid_capstyle="butt", zorder=3.5)


def _network_legend(axes: Any, networks: Sequence[str]) -> None:  # noqa: ANN401
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=NETWORK_COLOURS[i % 4], marker=NETWORK_MARKS[i % 4], ls="")
        for i in range(len(networks))
    ]
    names = [short_name(name) for name in networks]
    draw_legend(axes, handles, names, loc="lower left", bbox_to_anchor=(0, 1.06), ncols=4)


def residuals_png(
    groups: Mapping[str, Sequence[tuple[str, FloatArray]]], *, heading: str, reference_name: str
) -> bytes:
    """Predicted minus reference EF, a box a class and method.

    Args:
        groups: Words of a class -> name and ``(n,)`` errors in points of each method, in their order.
        heading: The line over the chart.
        reference_name: What they are compared with.

    Returns:
        PNG, `WIDTH_PX` wide and as high as the boxes need.
    """
    inner = sum(_GAP_PX + _ROW_PX * len(rows) for rows in groups.values()) + 14
    figure = new_figure(_TOP_PX + inner + _FOOT_PX, heading)
    axes = add_axes(figure, 330, _TOP_PX, 250, _FOOT_PX)
    axes.set_ylim(inner, 0)
    every = [v for rows in groups.values() for _, errors in rows for v in errors.tolist()] or [0.0]
    reach = max(10.0, 1.06 * max(abs(min(every)), abs(max(every))))
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=SOFT, lw=1.1, zorder=1)
    y = 0.0
    for words, rows in groups.items():
        write_text(axes, -0.48, y + _GAP_PX / 2 + 8, words, at="row", weight="bold", va="center")
        y += _GAP_PX
        for number, (name, errors) in enumerate(rows):
            middle = y + _ROW_PX / 2
            write_text(
                axes,
                -0.02,
                middle,
                f"{short_name(name)}  (n = {len(errors)})",
                at="row",
                ha="right",
                va="center",
            )
            if len(errors):
                d = describe(errors)
                colour = NETWORK_COLOURS[number % len(NETWORK_COLOURS)]
                draw_box(axes, middle, np.asarray(errors, dtype=float), d, fences(errors), colour, height=22)
                summary = f"{d.median:+z.1f}  ({d.q25:+z.1f} to {d.q75:+z.1f})"
                write_text(axes, 1.02, middle, summary, at="row", va="center")
            y += _ROW_PX
    write_text(axes, 1.02, 1 + 12 / inner, "median (quartiles)", at="axes", color=SOFT)
    axes.grid(axis="x", color=LINE, lw=0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    label_axes(axes, f"predicted - manifest (EF points)\n{reference_name}")
    return to_png(figure)


def draw_box(
    axes: Any,  # noqa: ANN401
    y: float,
    values: FloatArray,
    d: Description,
    ends: Fences,
    colour: str,
    *,
    height: float,
) -> None:
    """A box on its side: quartiles, median, whiskers to the last value within the fences, points beyond.

    Args:
        axes: Where.
        y: Middle of the box, in the axes' unit.
        values: ``(n,)``, at least one.
        d: Their description.
        ends: Their fences.
        colour: Of box and points.
        height: Of the box, in the axes' unit.
    """
    half = height / 2
    low, high = outside(values, ends)
    inside = values[~(low | high)]
    # Of few values none may lie between a quartile and its fence: no whisker runs back into the box.
    tips = min(d.q25, float(inside.min())), max(d.q75, float(inside.max()))
    for side, tip in zip((d.q25, d.q75), tips, strict=True):
        axes.plot([side, tip], [y, y], color=colour, lw=1.2, zorder=3)
        axes.plot([tip, tip], [y - half / 2, y + half / 2], color=colour, lw=1.2, zorder=3)
    box_x, box_y = [d.q25, d.q75, d.q75, d.q25, d.q25], [y - half, y - half, y + half, y + half, y - half]
    axes.fill(box_x, box_y, color=colour, alpha=0.18, lw=0, zorder=2.9)
    axes.plot(box_x, box_y, color=colour, lw=1.5, solid_joinstyle="miter", zorder=3)
    axes.plot([d.median] * 2, [y - half, y + half], color=INK, lw=2, solid_capstyle="butt", zorder=3.5)
    beyond = values[low | high]
    # Points above and below each other without chance: the golden ratio spreads any number evenly.
    aside = ((np.arange(len(beyond)) * 0.618034) % 1 - 0.5) * 0.8 * height
    axes.scatter(beyond, y + aside, s=7, color=colour, alpha=0.35, lw=0, zorder=2)
