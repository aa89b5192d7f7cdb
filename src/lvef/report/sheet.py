"""A sheet of paper to write on, in points from its upper left corner: measured words, wrapped lines, rules.

Drawn with matplotlib's objects alone: no pyplot, so no global state and no figure left behind. Its own font comes with
matplotlib, so a page looks the same on every machine.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from lvef.report.summary_words import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_PT, HEIGHT_PT = 595.276, 841.89
"""An A4 page."""

MARGIN_PT = 36.0
"""Empty border on all sides."""

FONT = "DejaVu Sans"
"""The font that comes with matplotlib."""

_POINTS_PER_INCH = 72
_MEASURED_AT = 100


class Sheet:
    """One page and what was written on it.

    Attributes:
        figure: The page as matplotlib knows it.
    """

    def __init__(self) -> None:
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(
            figsize=(WIDTH_PT / _POINTS_PER_INCH, HEIGHT_PT / _POINTS_PER_INCH),
            dpi=_POINTS_PER_INCH,
            facecolor="white",
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        bold: bool = False,
        right: bool = False,
    ) -> None:
        """Write one line whose baseline is at ``y``; with ``right`` it ends at ``x``."""
        self.figure.text(
            x / WIDTH_PT,
            1 - y / HEIGHT_PT,
            drawable(text),
            size=size,
            color=colour,
            weight="bold" if bold else "normal",
            ha="right" if right else "left",
            va="baseline",
            # A dollar sign in a file name must not start a formula.
            parse_math=False,
        )

    def lines(
        self,
        x: float,
        y: float,
        lines: list[str],
        size: float,
        colour: str,
        *,
        leading: float,
        bold: bool = False,
    ) -> float:
        """Write lines below each other, the first baseline at ``y``; returns the baseline after the last."""
        for line in lines:
            self.text(x, y, line, size, colour, bold=bold)
            y += leading
        return y

    def rule(self, y: float, colour: str, *, x0: float = MARGIN_PT, x1: float = WIDTH_PT - MARGIN_PT) -> None:
        """Draw a thin horizontal line."""
        from matplotlib.lines import Line2D

        self.figure.add_artist(
            Line2D([x0 / WIDTH_PT, x1 / WIDTH_PT], [1 - y / HEIGHT_PT] * 2, color=colour, lw=0.6)
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle whose upper left corner is at ``x, y``, behind what is written."""
        from matplotlib.patches import Rectangle

        self.figure.add_artist(
            Rectangle(
                (x / WIDTH_PT, 1 - (y + height) / HEIGHT_PT),
                width / WIDTH_PT,
                height / HEIGHT_PT,
                facecolor=colour,
                edgecolor="none",
                transform=self.figure.transFigure,
                zorder=-1,
            )
        )

    def axes(self, x: float, y: float, width: float, height: float) -> Any:  # noqa: ANN401
        """Axes whose upper left corner is at ``x, y``."""
        return self.figure.add_axes(
            (x / WIDTH_PT, 1 - (y + height) / HEIGHT_PT, width / WIDTH_PT, height / HEIGHT_PT)
        )


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line in points."""
    return sum(_advance(letter, bold) for letter in drawable(text)) * size / _MEASURED_AT


def wrap(text: str, width: float, size: float, *, bold: bool = False, most: int = 1000) -> list[str]:
    """Break a text into lines that fit.

    Args:
        text: Words; one that is longer than a line is broken where it must be.
        width: Room in points.
        size: Of the letters, in points.
        bold: Whether they are bold.
        most: Most lines; the last one ends with ``...`` where something was left away.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        for piece in _pieces(word, width, size, bold):
            longer = f"{line} {piece}" if line and piece is not None else piece
            if line and width_of(longer, size, bold=bold) > width:
                lines.append(line)
                line = piece
            else:
                line = longer
    if line:
        lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], shorten(f"{lines[most - 1]} ...", width, size, bold=bold, tail=" ...")]
    return lines


def shorten(text: str, width: float, size: float, *, bold: bool = False, tail: str = " ...") -> str:
    """One line that fits: without its end where it is too long."""
    if width_of(text, size, bold=bold) <= width:
        return text
    room = width - width_of(tail, size, bold=bold)
    kept = text.removesuffix(tail)
    while kept and width_of(kept, size, bold=bold) > room:
        kept = kept[:-1]
    return kept.rstrip() + tail


def shorten_middle(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """One line that fits: without its middle where it is too long, for the end of a file's name tells much."""
    if width_of(text, size, bold=bold) <= width:
        return text
    half = len(text) // 2
    left, right = text[:half], text[half:]
    while left and width_of(f"{left} ... {right}", size, bold=bold) > width:
        left, right = left[:-1], right[1:]
    return f"{left} ... {right}"


def _pieces(word: str, width: float, size: float, bold: bool) -> list[str]:
    """A word, in pieces no wider than a line."""
    if width_of(word, size, bold=bold) <= width:
        return [word]
    pieces, piece = [], ""
    for letter in word:
        if piece and width_of(piece + letter, size, bold=bold) > width:
            pieces.append(piece)
            piece = ""
        piece += letter
    return [*pieces, piece]


@cache
def _font(bold: bool) -> Any:  # noqa: ANN401
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties(family=FONT, weight="bold" if bold else "normal")))


@cache
def _advance(letter: str, bold: bool) -> float:
    """How far a letter moves the pen, for letters of `_MEASURED_AT` points."""
    from matplotlib.ft2font import LoadFlags

    font = _font(bold)
    font.set_size(_MEASURED_AT, _POINTS_PER_INCH)
    return float(font.load_char(ord(letter), flags=LoadFlags.NO_HINTING).linearHoriAdvance) / 65536
