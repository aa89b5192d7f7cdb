"""Contact sheets as PNG: many images with two contours, or two volume tracings, drawn over each."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.core.serialization import printable
from lvef.evaluation.plots.style import (
    DPI,
    NORMAL,
    SKY,
    SMALL,
    VERMILION,
    WIDTH_PX,
    cut_text,
    new_figure,
    to_png,
)
from lvef.report.style import INK, SOFT, drawable

COLUMNS = 4
"""Images in one row."""

CAPTION_LINES = 2
"""A caption has no more lines than these; what is left over is cut."""

PREDICTED_CONTOUR: dict[str, Any] = {"colors": SKY, "linewidths": 1.8, "linestyles": "solid"}
"""The predicted contour: the light blue of the palette, the dark one is lost on black."""

EXPERT_CONTOUR: dict[str, Any] = {"colors": VERMILION, "linewidths": 1.3, "linestyles": [(0, (3.2, 2.2))]}
"""The expert's contour, drawn last: between its dashes the predicted one shows where the two agree."""

PREDICTED_LINES, REFERENCE_LINES = "#4aa3ff", "#ff4b3e"
"""Blue and red, as the source report has them, light enough for lines on black."""

LINE_ROOM = 1.5
"""Side of the part of an image that is shown around lines, in heights of the ventricle."""

_EDGE_PX, _GAP_PX, _TOP_PX, _FOOT_PX = 24, 14, 104, 18
_LINE_PX, _LETTER_PX = 24, 10
_SIDE_PX = (WIDTH_PX - 2 * _EDGE_PX - (COLUMNS - 1) * _GAP_PX) / COLUMNS
_ROW_PX = _SIDE_PX + 12 + _LINE_PX * CAPTION_LINES + 14


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One image with two masks of the same structure.

    Attributes:
        image: ``(h, w)`` uint8.
        expert: ``(h, w)`` bool, the expert's mask; it may be empty.
        predicted: ``(h, w)`` bool, the predicted mask; it may be empty.
        caption: Written beneath; a line break is kept.

    Raises:
        ValueError: If a mask has another size than the image.
    """

    image: NDArray[np.uint8]
    expert: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    caption: str

    def __post_init__(self) -> None:
        """Check the sizes: a contour on the wrong image would look like a bad model."""
        for name, mask in (("expert", self.expert), ("predicted", self.predicted)):
            if self.image.ndim != 2 or mask.shape != self.image.shape:
                raise ValueError(
                    f"{self.caption}: the image is {self.image.shape}, the {name} mask {mask.shape}. "
                    "Give one grey image and masks of its size."
                )


@dataclass(frozen=True, slots=True, eq=False)
class LineOverlay:
    """One frame with predicted and reference lines.

    Attributes:
        image: ``(h, w)`` uint8.
        predicted: ``(21, 2, 2)`` pixels.
        reference: ``(21, 2, 2)`` pixels.
        caption: Lines beneath.
    """

    image: NDArray[np.uint8]
    predicted: FloatArray
    reference: FloatArray
    caption: tuple[str, ...]


def contact_sheet_png(tiles: Sequence[Tile], *, heading: str, note: str | None = None) -> bytes:
    """Images in rows of `COLUMNS`, each fitted into a black square, with both contours and a caption.

    Args:
        tiles: In the order they are to be read. They may differ in size and in shape.
        heading: The line over the sheet.
        note: Text in place of the legend, for a sheet without contours.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide and as high as the rows need.
    """
    legend = [("model", PREDICTED_CONTOUR), ("expert", EXPERT_CONTOUR)] if note is None else []
    drawn = [(lambda axes, tile=tile: _draw_contours(axes, tile), tile.caption) for tile in tiles]
    return _sheet_png(drawn, heading, legend, note)


def line_overlay_png(overlays: Sequence[LineOverlay], *, heading: str) -> bytes:
    """Frames in rows of `COLUMNS` with their lines, cut out around the ventricle.

    Args:
        overlays: In the order they are to be read.
        heading: The line over the sheet.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide.
    """
    legend = [
        ("predicted", {"colors": PREDICTED_LINES, "linewidths": 1.5, "linestyles": "solid"}),
        ("dataset", {"colors": REFERENCE_LINES, "linewidths": 1.5, "linestyles": "solid"}),
    ]
    drawn = [
        (lambda axes, o=overlay: _draw_lines(axes, o), "\n".join(overlay.caption)) for overlay in overlays
    ]
    return _sheet_png(drawn, heading, legend, None)


def _sheet_png(
    tiles: Sequence[tuple[Callable[[Any], None], str]],
    heading: str,
    legend: Sequence[tuple[str, dict[str, Any]]],
    note: str | None,
) -> bytes:
    rows = max(1, -(-len(tiles) // COLUMNS))
    height_px = round(_TOP_PX + rows * _ROW_PX + _FOOT_PX) if tiles else 170
    figure = new_figure(height_px, heading)
    _draw_legend(figure, height_px, legend)
    if note is not None:
        text = _write(figure, _EDGE_PX, height_px - 63, note, SOFT, NORMAL)
        cut_text(text, note, WIDTH_PX - 2 * _EDGE_PX)
    if not tiles:
        _write(figure, _EDGE_PX, height_px - _TOP_PX - 8, "No images.", SOFT, NORMAL)
    for place, (draw, caption) in enumerate(tiles):
        left = _EDGE_PX + place % COLUMNS * (_SIDE_PX + _GAP_PX)
        bottom = height_px - _TOP_PX - place // COLUMNS * _ROW_PX - _SIDE_PX
        axes = figure.add_axes(
            (left / WIDTH_PX, bottom / height_px, _SIDE_PX / WIDTH_PX, _SIDE_PX / height_px),
            facecolor="black",
            xticks=[],
            yticks=[],
        )
        axes.spines[:].set_visible(False)
        draw(axes)
        for number, line in enumerate(_caption_lines(caption)):
            text = _write(figure, left, bottom - 10 - number * _LINE_PX, line, INK, SMALL)
            cut_text(text, line, _SIDE_PX)
    return to_png(figure)


def _show_image(axes: Any, image: NDArray[np.uint8], middle: FloatArray, half: float) -> None:  # noqa: ANN401
    if image.size:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="antialiased", aspect="auto")
    x, y = middle
    axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half))


def _draw_contours(axes: Any, tile: Tile) -> None:  # noqa: ANN401
    height, width = tile.image.shape
    _show_image(axes, tile.image, np.array([width - 1, height - 1]) / 2, max(height, width, 1) / 2)
    for mask, line in ((tile.predicted, PREDICTED_CONTOUR), (tile.expert, EXPERT_CONTOUR)):
        if mask.any():
            # A border of background closes the contour of a mask that touches the image's edge.
            x, y = np.arange(-1, width + 1), np.arange(-1, height + 1)
            axes.contour(x, y, np.pad(mask.astype(float), 1), levels=[0.5], **line)


def _draw_lines(axes: Any, overlay: LineOverlay) -> None:  # noqa: ANN401
    # The ventricle fills an eighth of most images; cut out, the lines can be told apart.
    ends = np.concatenate([overlay.reference, overlay.predicted]).reshape(-1, 2)
    half = min(max(*overlay.image.shape, 1) / 2, LINE_ROOM * np.ptp(ends, axis=0).max() / 2)
    for lines, colour in ((overlay.reference, REFERENCE_LINES), (overlay.predicted, PREDICTED_LINES)):
        for number, line in enumerate(lines):
            axes.plot(line[:, 0], line[:, 1], color=colour, lw=1.6 if number == 0 else 0.9, alpha=0.9)
    _show_image(axes, overlay.image, (ends.min(axis=0) + ends.max(axis=0)) / 2, half)


def _draw_legend(figure: Any, height_px: int, legend: Sequence[tuple[str, dict[str, Any]]]) -> None:  # noqa: ANN401
    from matplotlib.lines import Line2D

    y = height_px - 74
    for place, (name, line) in enumerate(legend):
        x = _EDGE_PX + 190 * place
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
        _write(figure, x + 64, y + 11, name, INK, NORMAL)


def _write(figure: Any, x: float, y: float, text: str, colour: str, size: float) -> Any:  # noqa: ANN401
    height_px = figure.get_figheight() * DPI
    return figure.text(
        x / WIDTH_PX, y / height_px, drawable(text), size=size, color=colour, va="top", parse_math=False
    )


def _caption_lines(caption: str) -> list[str]:
    width = int(_SIDE_PX / _LETTER_PX)
    found: list[str] = []
    for line in caption.splitlines():
        found += textwrap.wrap(" ".join(printable(line).split()), width)
    if len(found) > CAPTION_LINES:
        found = [*found[: CAPTION_LINES - 1], f"{found[CAPTION_LINES - 1][: width - 3]}..."]
    return found
