"""A contact sheet: many stills on one picture, each with the contour of an expert and the contour of a network.

A pure function, as in `lvef.evaluation.plots.agreement`: arrays in, PNG out, the same bytes for the same arrays.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.serialization import printable
from lvef.evaluation.plots.style import (
    DPI,
    NORMAL,
    SKY,
    SMALL,
    VERMILION,
    WIDTH_PX,
    cut_text,
    draw_title,
    new_figure,
    to_png,
)
from lvef.report.summary_words import INK, SOFT, drawable

COLUMNS = 4
"""Pictures in one row."""

CAPTION_LINES = 2
"""A caption has no more lines than these; what is left over is cut."""

NETWORK_LINE: dict[str, Any] = {"colors": SKY, "linewidths": 1.8, "linestyles": "solid"}
"""The network's contour: the light blue of the palette, the dark one is lost on black."""

EXPERT_LINE: dict[str, Any] = {"colors": VERMILION, "linewidths": 1.3, "linestyles": [(0, (3.2, 2.2))]}
"""The expert's contour, drawn last: between its dashes the network's shows where the two agree."""

_EDGE_PX, _GAP_PX, _TOP_PX, _FOOT_PX = 24, 14, 104, 18
_LINE_PX, _LETTER_PX = 24, 10
_SIDE_PX = (WIDTH_PX - 2 * _EDGE_PX - (COLUMNS - 1) * _GAP_PX) / COLUMNS
_ROW_PX = _SIDE_PX + 12 + _LINE_PX * CAPTION_LINES + 14


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One still with two outlines of the same structure.

    Attributes:
        picture: ``(h, w)`` uint8.
        expert: ``(h, w)`` bool, the expert's mask; it may be empty.
        network: ``(h, w)`` bool, the network's mask; it may be empty.
        caption: Written beneath; a line break is kept.

    Raises:
        ValueError: If a mask has another size than the picture.
    """

    picture: NDArray[np.uint8]
    expert: NDArray[np.bool_]
    network: NDArray[np.bool_]
    caption: str

    def __post_init__(self) -> None:
        """Check the sizes: a contour on the wrong picture would look like a bad network."""
        for name, mask in (("expert", self.expert), ("network", self.network)):
            if self.picture.ndim != 2 or mask.shape != self.picture.shape:
                raise ValueError(
                    f"{self.caption}: the picture is {self.picture.shape}, the mask of the {name} {mask.shape}. "
                    "Give one grey picture and masks of its size."
                )


def contact_sheet_png(tiles: Sequence[Tile], *, heading: str, note: str | None = None) -> bytes:
    """Pictures in rows of `COLUMNS`, each fitted into a black square, with both contours and a caption.

    Args:
        tiles: In the order they are to be read. They may differ in size and in shape.
        heading: The line over the sheet.
        note: Words in place of the legend, for a sheet without contours.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide and as high as the rows need.
    """
    rows = max(1, -(-len(tiles) // COLUMNS))
    height_px = round(_TOP_PX + rows * _ROW_PX + _FOOT_PX) if tiles else 170
    figure = new_figure(height_px)
    draw_title(figure, heading)
    if note is None:
        _draw_legend(figure, height_px)
    else:
        cut_text(_words(figure, _EDGE_PX, height_px - 63, note, SOFT, NORMAL), note, WIDTH_PX - 2 * _EDGE_PX)
    if not tiles:
        _words(figure, _EDGE_PX, height_px - _TOP_PX - 8, "No pictures.", SOFT, NORMAL)
    for place, tile in enumerate(tiles):
        left = _EDGE_PX + place % COLUMNS * (_SIDE_PX + _GAP_PX)
        top = height_px - _TOP_PX - place // COLUMNS * _ROW_PX
        _draw_tile(figure, left, top - _SIDE_PX, height_px, tile)
        lines = _caption_lines(tile.caption)
        for number, line in enumerate(lines):
            drawn = _words(figure, left, top - _SIDE_PX - 10 - number * _LINE_PX, line, INK, SMALL)
            cut_text(drawn, line, _SIDE_PX)
    return to_png(figure)


def _draw_tile(figure: Any, left: float, bottom: float, height_px: int, tile: Tile) -> None:  # noqa: ANN401
    axes = figure.add_axes(
        (left / WIDTH_PX, bottom / height_px, _SIDE_PX / WIDTH_PX, _SIDE_PX / height_px),
        facecolor="black",
        xticks=[],
        yticks=[],
    )
    axes.spines[:].set_visible(False)
    height, width = tile.picture.shape
    if tile.picture.size:
        axes.imshow(tile.picture, cmap="gray", vmin=0, vmax=255, interpolation="antialiased", aspect="auto")
    for mask, line in ((tile.network, NETWORK_LINE), (tile.expert, EXPERT_LINE)):
        if mask.any():
            # A border of background closes the contour of a mask that touches the picture's edge.
            x, y = np.arange(-1, width + 1), np.arange(-1, height + 1)
            axes.contour(x, y, np.pad(mask.astype(float), 1), levels=[0.5], **line)
    half = max(height, width, 1) / 2
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    axes.set(xlim=(middle_x - half, middle_x + half), ylim=(middle_y + half, middle_y - half))


def _draw_legend(figure: Any, height_px: int) -> None:  # noqa: ANN401
    from matplotlib.lines import Line2D

    y = height_px - 74
    for x, name, line in ((_EDGE_PX, "network", NETWORK_LINE), (_EDGE_PX + 190, "expert", EXPERT_LINE)):
        style = line["linestyles"] if isinstance(line["linestyles"], str) else line["linestyles"][0]
        mark = Line2D(
            [x / WIDTH_PX, (x + 52) / WIDTH_PX],
            [y / height_px] * 2,
            color=line["colors"],
            lw=line["linewidths"] + 0.5,
            ls=style,
            transform=figure.transFigure,
        )
        figure.add_artist(mark)
        _words(figure, x + 64, y + 11, name, INK, NORMAL)


def _words(figure: Any, x: float, y: float, text: str, colour: str, size: float) -> Any:  # noqa: ANN401
    height_px = figure.get_figheight() * DPI
    return figure.text(
        x / WIDTH_PX, y / height_px, drawable(text), size=size, color=colour, va="top", parse_math=False
    )


def _caption_lines(caption: str) -> list[str]:
    found: list[str] = []
    for line in caption.splitlines():
        found += textwrap.wrap(" ".join(printable(line).split()), int(_SIDE_PX / _LETTER_PX))
    if len(found) > CAPTION_LINES:
        found = [
            *found[: CAPTION_LINES - 1],
            f"{found[CAPTION_LINES - 1][: int(_SIDE_PX / _LETTER_PX) - 3]}...",
        ]
    return found
