"""Box plots as PNG: Dice by view and phase, errors of EF by class; and the box that other plots draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

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
from lvef.stats.describe import describe, fences, outside

BOX_ROW_PX = 46
"""Height of a row with a box."""

_GAP_PX, _TOP_PX, _FOOT_PX = 40, 104, 90


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
    from matplotlib.lines import Line2D

    figure = new_figure(720, heading)
    axes = add_axes(figure, 110, 130, 40, 80)
    looks = [(NETWORK_COLOURS[i % 4], NETWORK_MARKS[i % 4]) for i in range(len(networks))]
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
            (colour, mark), x = looks[number], at + _aside(len(dice)) * 0.5 * width
            axes.scatter(x, dice, s=9, marker=mark, color=colour, alpha=0.45, lw=0, zorder=2)
            _quartiles(axes, at, dice, colour, 0.31 * width, upright=True)
            write_text(axes, at, 1.02, f"{dice.mean():.3f}", at="column", ha="center")
    write_text(axes, -0.012, 1.02, "mean", at="axes", ha="right", color=SOFT)
    floor = max(0.0, np.floor(10 * lowest - 0.2) / 10)
    axes.set(xlim=(-0.5, len(groups) - 0.5), ylim=(floor - 0.01, 1.005))
    axes.set_xticks(range(len(groups)), [short_name(g) for g in groups], size=NORMAL, parse_math=False)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=LINE, lw=0.8)
    label_axes(axes, y=f"Dice (1 = same pixels{f'; axis from {floor:.1f}' if floor else ''})")
    handles = [Line2D([], [], color=colour, marker=mark, ls="") for colour, mark in looks]
    names = [short_name(name) for name in networks]
    draw_legend(axes, handles, names, loc="lower left", bbox_to_anchor=(0, 1.06), ncols=4)
    return to_png(figure)


def _aside(n: int) -> FloatArray:
    """Places of points side by side, -0.5 to 0.5, without chance: the golden ratio spreads any number evenly."""
    return np.asarray((np.arange(n) * 0.618034) % 1 - 0.5)


def _quartiles(axes: Any, at: float, values: FloatArray, colour: str, half: float, *, upright: bool) -> None:  # noqa: ANN401
    """Box, whiskers to the last value within the fences, and median; upright, or on its side.

    Drawn here: matplotlib's own boxes load pyplot, and with it whatever window system the machine has.
    """

    def draw(along: Sequence[float], across: Sequence[float], **style: Any) -> None:  # noqa: ANN401
        axes.plot(*((across, along) if upright else (along, across)), **style)

    d, (low, high) = describe(values), outside(values, fences(values))
    inside = values[~(low | high)]
    # Of few values none may lie between a quartile and its fence: no whisker runs back into the box.
    tips = min(d.q25, float(inside.min())), max(d.q75, float(inside.max()))
    for side, tip in zip((d.q25, d.q75), tips, strict=True):
        draw([side, tip], [at, at], color=colour, lw=1.2, zorder=3)
        draw([tip, tip], [at - half / 2, at + half / 2], color=colour, lw=1.2, zorder=3)
    quartiles, sides = (d.q25, d.q75), (at - half, at + half)
    (x0, x1), (y0, y1) = (sides, quartiles) if upright else (quartiles, sides)
    corners = [x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0]
    axes.plot(*corners, color=colour, lw=1.5, solid_joinstyle="miter", zorder=3)
    draw([d.median] * 2, [at - half, at + half], color=INK, lw=2, solid_capstyle="butt", zorder=3.5)


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
    rows = [
        BoxRow(words, name, np.asarray(errors, float), NETWORK_COLOURS[number % len(NETWORK_COLOURS)])
        for words, methods in groups.items()
        for number, (name, errors) in enumerate(methods)
    ]
    height = rows_height([row.group for row in rows], BOX_ROW_PX) + 14
    figure = new_figure(_TOP_PX + height + _FOOT_PX, heading)
    axes = add_axes(figure, 330, _TOP_PX, 250, _FOOT_PX)
    axes.set_ylim(height, 0)
    every = [v for row in rows for v in row.values.tolist()] or [0.0]
    reach = max(10.0, 1.06 * max(abs(min(every)), abs(max(every))))
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=SOFT, lw=1.1, zorder=1)
    draw_box_rows(axes, rows, form="+z.1f")
    label_axes(axes, f"predicted - manifest (EF points)\n{reference_name}")
    return to_png(figure)


class BoxRow(NamedTuple):
    """A box with its label: name of the group that it stands under, label, ``(n,)`` values, colour."""

    group: str
    label: str
    values: FloatArray
    colour: str


def draw_box_rows(axes: Any, rows: Sequence[BoxRow], *, form: str) -> None:  # noqa: ANN401
    """Boxes below each other, with labels on the left, and on the right median and quartiles in the given format."""
    labels = [(row.group, f"{short_name(row.label)}  (n = {len(row.values):,})") for row in rows]
    for y, row in zip(write_rows(axes, labels, BOX_ROW_PX, -0.47), rows, strict=True):
        if len(row.values):
            d = describe(row.values)
            draw_box(axes, y, row.values, row.colour, height=22)
            summary = f"{d.median:{form}}  ({d.q25:{form}} to {d.q75:{form}})"
            write_text(axes, 1.02, y, summary, at="row", va="center")
    write_text(axes, 1.02, 1 + 12 / axes.get_ylim()[0], "median (quartiles)", at="axes", color=SOFT)
    axes.grid(axis="x", color=LINE, lw=0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def rows_height(groups: Sequence[str], row_px: int) -> int:
    """Height of rows with the names of their groups, in pixels."""
    return len(groups) * row_px + len(set(groups)) * _GAP_PX


def write_rows(axes: Any, rows: Sequence[tuple[str, str]], row_px: int, name_x: float) -> Iterator[float]:  # noqa: ANN401
    """Write labels under the names of their groups; yields the middle of each row."""
    y = 0.0
    for name, labels in groupby(rows, key=lambda row: row[0]):
        write_text(axes, name_x, y + _GAP_PX / 2 + 7, name, at="row", weight="bold", va="center", size=NORMAL)
        y += _GAP_PX
        for _, text in labels:
            write_text(axes, -0.02, y + row_px / 2, text, at="row", ha="right", va="center")
            yield y + row_px / 2
            y += row_px


def draw_box(axes: Any, y: float, values: FloatArray, colour: str, *, height: float) -> None:  # noqa: ANN401
    """A box on its side: quartiles, median, whiskers to the last value within the fences, points beyond.

    Args:
        axes: Where.
        y: Middle of the box, in the axes' unit.
        values: ``(n,)``, at least one.
        colour: Of box and points.
        height: Of the box, in the axes' unit.
    """
    d, half = describe(values), height / 2
    quartiles, sides = [d.q25, d.q75, d.q75, d.q25], [y - half, y - half, y + half, y + half]
    axes.fill(quartiles, sides, color=colour, alpha=0.18, lw=0, zorder=2.9)
    _quartiles(axes, y, values, colour, half, upright=False)
    beyond = values[np.logical_or(*outside(values, fences(values)))]
    aside = _aside(len(beyond)) * 0.8 * height
    axes.scatter(beyond, y + aside, s=7, color=colour, alpha=0.35, lw=0, zorder=2)
