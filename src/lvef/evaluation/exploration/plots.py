"""Plots of a manifest, as PNG: histograms, box plots, bars of counts, EDV against ESV, example images.

Pure functions, as in `lvef.evaluation.plots.agreement`: the same bytes for the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lvef.core.errors import LvefError
from lvef.core.records import Box, Clip, FloatArray
from lvef.evaluation.exploration.explore import LABEL_WORDS, Column, Group, plural
from lvef.evaluation.plots.boxes import BOX_ROW_PX, BoxRow, draw_box, draw_box_rows, rows_height, write_rows
from lvef.evaluation.plots.images import Tile, contact_sheet_png
from lvef.evaluation.plots.style import (
    BLUE,
    NORMAL,
    VERMILION,
    add_axes,
    label_axes,
    new_figure,
    short_name,
    to_png,
    write_text,
)
from lvef.geometry.categories import REPORT_MILD_RANGE
from lvef.io.isolation import open_clip
from lvef.report.style import INK, LINE, SOFT
from lvef.stats.describe import Description, z_scores
from lvef.transforms.frames import fit, place
from lvef.transforms.sector import hide_outside_sector

MOST_BINS, FEWEST_BINS = 60, 24
"""Most and fewest bars before their width is rounded up to 1, 2 or 5 times a power of ten."""

FAR = 8.0
"""Interquartile ranges beyond the quartiles at which the axis ends; values beyond are counted at its end."""

SAME = 1e-9
"""Values whose relative difference is smaller count as equal."""

BAR = "#7fb8d8"
"""`lvef.evaluation.plots.style.BLUE`, half as strong, so that the box on it stands out."""

_TOP_PX, _PANEL_PX, _STRIP_PX, _BARS_PX, _LEFT_PX, _RIGHT_PX = 70, 300, 40, 170, 110, 270


def histograms_png(columns: Sequence[Column], *, heading: str) -> bytes:
    """One histogram a quantity, with box plot, count, mean, median and quartiles.

    Args:
        columns: At least one value each.
        heading: The line over the plot.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide and as high as the quantities need.
    """
    height_px = _TOP_PX + _PANEL_PX * len(columns)
    figure = new_figure(height_px, heading)
    for number, column in enumerate(columns):
        top = _TOP_PX + number * _PANEL_PX
        strip_bottom = height_px - top - _STRIP_PX
        strip = add_axes(figure, _LEFT_PX, top, _RIGHT_PX, strip_bottom)
        bars = add_axes(figure, _LEFT_PX, top + _STRIP_PX, _RIGHT_PX, height_px - top - _STRIP_PX - _BARS_PX)
        _panel(strip, bars, column)
    return to_png(figure)


def bin_edges(values: FloatArray, d: Description) -> FloatArray:
    """Edges of the bars at round numbers, by the rule of Freedman and Diaconis, within `FAR` of the quartiles.

    Source: Freedman & Diaconis, Z Wahrscheinlichkeitstheorie 1981.
    """
    spread = d.q75 - d.q25
    low, high = d.minimum, d.maximum
    if spread > 0:
        low, high = max(low, d.q25 - FAR * spread), min(high, d.q75 + FAR * spread)
    span = high - low
    whole = bool((values == np.round(values)).all())
    size = max(abs(low), abs(high))
    if not span > max(SAME * size, np.finfo(float).tiny):
        # One distinct value: one bar in the middle.
        step = 1.0 if whole or size < np.finfo(float).tiny else size / 20
        return np.asarray(low + step * (np.arange(10) - 4.5))
    width = 2 * spread / len(values) ** (1 / 3) if spread > 0 else span / FEWEST_BINS
    width = _round_width(min(max(width, span / MOST_BINS), span / FEWEST_BINS))
    if whole:
        # Narrower bars would leave gaps between whole numbers.
        width = max(width, 1.0)
    shift = 0.5 if whole and width == 1 else 0.0
    start = math.floor(low / width)
    return np.asarray(width * np.arange(start, math.floor(high / width) + 2) - shift)


def _round_width(width: float) -> float:
    """The least of 1, 2 or 5 times a power of ten that is not below ``width``."""
    power = 10.0 ** math.floor(math.log10(width))
    return min(step * power for step in (1, 2, 5, 10) if step * power >= width * 0.9999999)


def _panel(strip: Any, bars: Any, column: Column) -> None:  # noqa: ANN401
    d, values = column.description, column.values
    edges = bin_edges(values, d)
    counts: NDArray[np.int64]
    counts, _ = np.histogram(values, edges)
    limits = (float(edges[0]), float(edges[-1]))
    margin = 0.02 * (limits[1] - limits[0])
    shown = (limits[0] - margin, limits[1] + margin)
    width = float(edges[1] - edges[0])
    bars.bar(edges[:-1], counts, width, align="edge", color=BAR, edgecolor="white", lw=0.6, zorder=2)
    bars.set(xlim=shown, ylim=(0, 1.08 * max(1, int(counts.max()))))
    bars.grid(axis="y", color=LINE, lw=0.8)
    _ticks(bars, whole=bool((values == np.round(values)).all()))
    label_axes(bars, column.quantity.title, column.quantity.of)
    is_ef = column.quantity.column == "ef_percent"
    cut_offs = [cut_off for cut_off in REPORT_MILD_RANGE if is_ef and shown[0] < cut_off < shown[1]]
    for cut_off in cut_offs:
        bars.axvline(cut_off, color=SOFT, lw=1, ls=(0, (4, 3)), zorder=3)
    bars.axvline(d.median, color=INK, lw=1.6, zorder=3.5)
    _beyond(bars, values, limits)
    strip.set(xlim=shown, ylim=(-0.5, 0.5))
    strip.axis("off")
    draw_box(strip, 0.0, values, BLUE, height=0.5)
    words = [
        f"n = {d.n:,}",
        "",
        f"median  {number_text(d.median)}",
        f"quartiles  {number_text(d.q25)} to {number_text(d.q75)}",
        f"mean  {number_text(d.mean)}",
        f"SD  {number_text(d.std)}",
        f"range  {number_text(d.minimum)} to {number_text(d.maximum)}",
    ]
    if cut_offs:
        words.append(f"dashed: {' and '.join(f'{cut_off:.0f} %' for cut_off in cut_offs)}")
    write_text(strip, 1.03, 0.9, "\n".join(words), at="axes", va="top", linespacing=1.45)


def number_text(value: float) -> str:
    """A number with one decimal, none for whole numbers and from 1,000 on; a dash for NaN.

    Example:
        >>> number_text(59.209), number_text(112.0), number_text(12345.6), number_text(float("nan"))
        ('59.2', '112', '12,346', '-')
    """
    if not math.isfinite(value):
        return "-"
    if value == round(value) and abs(value) < 1e7:
        return f"{value:,.0f}"
    if abs(value) >= 1e7:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"


def _beyond(axes: Any, values: FloatArray, limits: tuple[float, float]) -> None:  # noqa: ANN401
    """Write the number of values beyond the axis at its ends."""
    below, above = values[values < limits[0]], values[values > limits[1]]
    if len(below):
        text = f"< {len(below):,} further, to {number_text(float(below.min()))}"
        write_text(axes, 0.01, 0.9, text, at="axes", ha="left", va="top", color=SOFT)
    if len(above):
        text = f"{len(above):,} further, to {number_text(float(above.max()))} >"
        write_text(axes, 0.99, 0.9, text, at="axes", ha="right", va="top", color=SOFT)


def _ticks(axes: Any, *, whole: bool) -> None:  # noqa: ANN401
    """Whole ticks for counts, and for values that are whole numbers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))


def z_scores_png(columns: Sequence[Column], *, heading: str) -> bytes:
    """Z-scores of several quantities on one axis, with every outlier and how many there are on each side.

    Args:
        columns: At least one value each.
        heading: The line over the plot.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide.
    """
    figure = new_figure(200 + 120 * len(columns), heading)
    axes = add_axes(figure, 110, 110, 300, 90)
    axes.set_ylim(len(columns) - 0.5, -0.5)
    ends = [-3.0, 3.0]
    for row, column in enumerate(columns):
        z, unit = z_scores(column.values), column.quantity.unit
        ends += [float(z.min()), float(z.max())]
        draw_box(axes, row, z, BLUE, height=0.36)
        text = (
            f"{column.low:,} low (below {column.fences.low:.1f} {unit})\n"
            f"{column.high:,} high (above {column.fences.high:.1f} {unit})"
        )
        write_text(axes, 1.03, row, text, at="row", va="center", linespacing=1.4)
    axes.set_xlim(min(ends) - 0.4, max(ends) + 0.4)
    axes.axvline(0, color=SOFT, lw=0.9, ls=(0, (1, 2)), zorder=1)
    axes.grid(axis="x", color=LINE, lw=0.8)
    axes.set_yticks(range(len(columns)), [c.quantity.name for c in columns], size=NORMAL)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    write_text(axes, 1.03, 1.04, "outside the whiskers", at="axes", color=SOFT)
    write_text(axes, 0, 1.04, "box: quartiles and median; whiskers: 1.5 IQR", at="axes", color=SOFT)
    label_axes(axes, "z-score: distance from the mean in standard deviations")
    return to_png(figure)


def groups_png(groups: Sequence[Group], *, heading: str) -> bytes:
    """EF by label: a box for each label, under the name of its column.

    Args:
        groups: Labels of one column in a row.
        heading: The line over the plot.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide and as high as the labels need.
    """
    rows = [BoxRow(LABEL_WORDS[g.by], g.label, g.values, BLUE) for g in groups]
    height = rows_height([row.group for row in rows], BOX_ROW_PX) + 14
    figure = new_figure(194 + height, heading)
    axes = add_axes(figure, 330, 104, 210, 90)
    axes.set_ylim(height, 0)
    low = min(float(g.values.min()) for g in groups)
    high = max(float(g.values.max()) for g in groups)
    axes.set_xlim(max(0.0, 10 * np.floor(low / 10)), min(100.0, 10 * np.ceil((high + 1e-9) / 10)))
    for cut_off in REPORT_MILD_RANGE:
        axes.axvline(cut_off, color=SOFT, lw=1, ls=(0, (4, 3)), zorder=0.8)
    draw_box_rows(axes, rows, form=".1f")
    label_axes(axes, "EF (%); dashed: 40 % and 50 %")
    return to_png(figure)


def counts_png(counts: pl.DataFrame, *, heading: str) -> bytes:
    """Items by label: a bar for each label, under the name of its column, with the numbers of items and patients.

    Args:
        counts: by, label, items, patients; labels of one column in a row; at least one.
        heading: The line over the plot.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide and as high as the labels need.
    """
    rows = [(LABEL_WORDS[by], short_name(name)) for by, name in counts.select("by", "label").iter_rows()]
    height = rows_height([group for group, _ in rows], 34) + 10
    figure = new_figure(134 + height, heading)
    axes = add_axes(figure, 330, 104, 290, 30)
    axes.set(ylim=(height, 0), xlim=(0, counts["items"].max()))
    numbers = counts.select("items", "patients").iter_rows()
    for y, (items, patients) in zip(write_rows(axes, rows, 34, -0.5), numbers, strict=True):
        axes.barh(y, items, 20, color=BAR, lw=0)
        for x, number in ((1.18, items), (1.4, patients)):
            write_text(axes, x, y, f"{number:,}", at="row", ha="right", va="center")
    for x, word in ((1.18, "items"), (1.4, "patients")):
        write_text(axes, x, 1 + 12 / height, word, at="axes", ha="right", color=SOFT)
    axes.set(xticks=[], yticks=[])
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_color(LINE)
    return to_png(figure)


def volumes_png(edv_esv: FloatArray, *, heading: str) -> bytes:
    """ESV against EDV, with lines of equal EF.

    Args:
        edv_esv: ``(n, 2)`` EDV and ESV in ml, at least one.
        heading: The line over the plot.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide.
    """
    figure = new_figure(900, heading)
    axes = add_axes(figure, 110, 90, 190, 100)
    edv, esv = edv_esv[:, 0], edv_esv[:, 1]
    right, top = 1.04 * max(float(edv.max()), 1.0), 1.04 * max(float(esv.max()), 1.0)
    swapped = esv > edv
    # The more points, the fainter each, so that density shows.
    alpha = float(np.clip(14 / np.sqrt(len(edv)), 0.12, 0.8))
    axes.scatter(edv[~swapped], esv[~swapped], s=9, color=BLUE, alpha=alpha, lw=0, zorder=2)
    axes.scatter(edv[swapped], esv[swapped], s=22, marker="^", color=VERMILION, lw=0, zorder=3)
    axes.set(xlim=(0, right), ylim=(0, top))
    equal = (0.0, VERMILION if swapped.any() else SOFT, "--")
    for ef, colour, style in (*((cut_off, INK, "-") for cut_off in REPORT_MILD_RANGE), equal):
        slope = 1 - ef / 100
        end = min(right, top / slope)
        axes.plot([0, end], [0, slope * end], color=colour, lw=1.3, ls=style, zorder=2.5)
        words = "EDV = ESV" if ef == 0 else f"EF {ef:.0f} %"
        if end < right:
            write_text(axes, end, top * 1.012, words, ha="center", va="bottom", color=colour)
        else:
            write_text(axes, right * 1.012, slope * end, words, va="center", color=colour)
    if swapped.any():
        text = f"{int(swapped.sum()):,} with EDV\nbelow ESV\n(triangles)"
        write_text(axes, 1.03, 0.3, text, at="axes", va="top", linespacing=1.35)
    axes.grid(color=LINE, lw=0.8)
    label_axes(axes, "EDV (ml)", "ESV (ml)")
    return to_png(figure)


MOST_EXAMPLES = 12
"""Most items that are opened: three rows of the sheet."""

SIDE_PX = 278
"""Side of an image on the sheet, see `lvef.evaluation.plots.images`."""

MOST_PIXELS = 2**28
"""Pixels of one clip, one byte each: more memory is not spent for one frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The chosen items, opened.

    Attributes:
        tiles: The readable ones.
        unreadable: Items that could not be opened.
        reasons: Why, a sentence each; it may name paths and is for the terminal only.
    """

    tiles: tuple[Tile, ...]
    unreadable: tuple[str, ...]
    reasons: tuple[str, ...]


def open_examples(manifest: pl.DataFrame, advance: Callable[[], None] = lambda: None) -> Examples:
    """Open up to `MOST_EXAMPLES` items, the first frame of each.

    They are spread over views, kinds, phases and datasets and, within these, evenly over the manifest; a manifest always
    shows the same ones. Outside the ultrasound sector the image is black, as in all images that are written.

    Args:
        manifest: Validated.
        advance: Called after each item.
    """
    tiles, unreadable, reasons = [], [], []
    for row in choose(manifest).iter_rows(named=True):
        try:
            clip = open_clip(Path(row["root"]) / row["path"], max_pixels=MOST_PIXELS)
        except LvefError as error:
            unreadable.append(row["item"])
            reasons.append(str(error))
        else:
            tiles.append(_tile(clip, row))
        advance()
    return Examples(tuple(tiles), tuple(unreadable), tuple(reasons))


def choose(manifest: pl.DataFrame, most: int = MOST_EXAMPLES) -> pl.DataFrame:
    """Rows to open: one of each dataset, view, kind and phase in turn, within these evenly spread.

    Args:
        manifest: Validated.
        most: How many.
    """
    numbered = manifest.with_row_index("row")
    parts = numbered.partition_by("collection", "view", "kind", "phase", maintain_order=True)
    taken = [0] * len(parts)
    while sum(taken) < min(most, len(manifest)):
        for number, part in enumerate(parts):
            if taken[number] < len(part) and sum(taken) < most:
                taken[number] += 1
    # One row of each of n equal intervals; the golden ratio shifts the place within them, or all views would show the same
    # patients.
    rows = [
        int(part["row"][int((i + (0.5 + number * 0.618034) % 1) * len(part) / n)])
        for number, (part, n) in enumerate(zip(parts, taken, strict=True))
        for i in range(n)
    ]
    return manifest[rows]


def examples_png(examples: Examples, name: str) -> bytes:
    """The sheet.

    Args:
        examples: What was opened.
        name: The manifest's file name.
    """
    return contact_sheet_png(
        examples.tiles, heading=f"{len(examples.tiles)} items of {name}", note=shown_text(examples)
    )


def shown_text(examples: Examples) -> str:
    """How many are shown and how many could not be read."""
    n, lost = len(examples.tiles), len(examples.unreadable)
    if lost and not n:
        return f"None of {lost} chosen items could be read: is the dataset still where it was imported from?"
    text = f"First frame of {plural(n, 'item')}; outside the ultrasound sector the image is black."
    return text + (f" {lost} of {n + lost} chosen items could not be read." if lost else "")


def _tile(clip: Clip, row: dict[str, Any]) -> Tile:
    shown = hide_outside_sector(clip).frames[:1]
    height, width = shown.shape[1:]
    square = fit(shown, place(Box(0, 0, width, height), SIDE_PX, clip.spacing), SIDE_PX)[0]
    facts = [row["view"], row["phase"] or row["kind"]]
    if len(clip.frames) > 1:
        facts.append(f"{len(clip.frames)} frames")
    if row["ef_percent"] is not None:
        facts.append(f"EF {row['ef_percent']:.0f} %")
    if not shown.any():
        facts = ["no ultrasound sector found: not shown"]
    no_mask = np.zeros_like(square, dtype=bool)
    return Tile(square, no_mask, no_mask, f"{_cut(row['item'])}\n{', '.join(facts)}")


def _cut(item: str, characters: int = 26) -> str:
    """An item's name on one line, cut at its beginning: names differ at their ends."""
    return item if len(item) <= characters else f"...{item[3 - characters :]}"
