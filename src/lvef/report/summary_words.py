"""The words on the summary picture: heading, the column on the right, footer."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lvef.core.fields import Shown, lines_of
from lvef.core.records import Measurement
from lvef.core.serialization import printable
from lvef.core.terms import Status
from lvef.core.wording import DISCLAIMER, clip_text, ef_text, method_text, reason_text, status_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WIDTH_PX, HEIGHT_PX = 1400, 840
"""Size of the picture."""

COLUMN_X_PX = 960
"""Left edge of the column of words."""

MARGIN_PX = 40
"""Empty border on all sides."""

INK, SOFT, LINE = "#1b1f24", "#5d6670", "#d5dae0"
"""Colours of words, of what is said beside them, and of rules."""

ALERT = "#d55e00"
"""Vermilion of the colour-blind-safe palette of Okabe and Ito, 2008."""

_CHARACTERS, _VALUE_CHARACTERS = 56, 31
_TITLE_CHARACTERS = 84


def with_file_names(m: Measurement) -> Measurement:
    """A measurement that names its files without their folders: a picture goes to people whom those do not concern."""
    names = {
        source: re.split(r"[/\\]", source.rstrip("/\\"))[-1]
        for source in sorted({m.source, *m.source.split(" + ")}, key=len)
        if source
    }

    def words(text: str) -> str:
        for source, name in names.items():
            text = text.replace(source, name)
        return text

    notices = tuple(replace(notice, text=words(notice.text)) for notice in m.notices)
    return replace(
        m, source=words(m.source), reason=words(m.reason), volume_note=words(m.volume_note), notices=notices
    )


def draw_heading(figure: Figure, m: Measurement) -> None:
    """File and facts about it, over the pictures."""
    title = _title(printable(m.source), _TITLE_CHARACTERS)
    drawn = _text(figure, MARGIN_PX, HEIGHT_PX - 38, title, size=13, weight="bold")
    # Letters differ in width by a factor of three: what was drawn is measured, and cut if too wide.
    width = drawn.get_window_extent().width
    if width > COLUMN_X_PX - 2 * MARGIN_PX:
        drawn.set_text(_title(title, int(len(title) * (COLUMN_X_PX - 2 * MARGIN_PX) / width) - 3))
    facts = [method_text(m)]
    facts.append(clip_text(m, "  ·  "))
    _text(figure, MARGIN_PX, HEIGHT_PX - 62, "  ·  ".join(f for f in facts if f), size=10, colour=SOFT)


@dataclass
class _Column:
    """The column of words on the right, filled from the top."""

    figure: Figure
    y: float = HEIGHT_PX - 40

    def line(
        self, text: str, size: float = 10.5, colour: str = INK, weight: str = "normal", step: float = 20
    ) -> None:
        _text(self.figure, COLUMN_X_PX, self.y, text, size=size, colour=colour, weight=weight)
        self.y -= step

    def paragraph(
        self, text: str, size: float = 10, colour: str = SOFT, step: float = 17, lines: int = 4
    ) -> None:
        wrapped = textwrap.wrap(text, _CHARACTERS, max_lines=lines, placeholder=" ...")
        for part in wrapped:
            self.line(part, size, colour, step=step)
        self.y -= 5

    def pair(self, name: str, value: str) -> None:
        _text(self.figure, COLUMN_X_PX, self.y, name, size=10, colour=SOFT)
        for part in textwrap.wrap(value, _VALUE_CHARACTERS) or [""]:
            _text(self.figure, COLUMN_X_PX + 152, self.y, part, size=10)
            self.y -= 19

    def rule(self) -> None:
        from matplotlib.lines import Line2D

        x = [COLUMN_X_PX / WIDTH_PX, (WIDTH_PX - 40) / WIDTH_PX]
        self.figure.add_artist(Line2D(x, [(self.y + 6) / HEIGHT_PX] * 2, color=LINE, lw=1))
        self.y -= 14


def draw_column(figure: Figure, m: Measurement) -> None:
    """Answer, what follows from it, warnings, footer."""
    column = _Column(figure)
    column.line("Ejection fraction", 11, SOFT, step=72)
    if m.ef_percent is None:
        column.line("No EF", 40, weight="bold", step=34)
    else:
        column.line(ef_text(m.ef_percent), 54, weight="bold", step=36)
    column.line(status_text(m), 10.5, SOFT if m.status is Status.OK else ALERT, weight="bold", step=24)
    if m.reason:
        column.paragraph(reason_text(m), colour=INK, lines=7)
    column.rule()
    _draw_facts(column, m)
    _draw_warnings(column, m)
    _draw_footer(figure, m)


def _draw_facts(column: _Column, m: Measurement) -> None:
    before = column.y
    for name, text in lines_of(m, Shown.SUMMARY):
        column.pair(name, text)
    if column.y < before:
        column.y -= 4
        column.rule()


def _draw_warnings(column: _Column, m: Measurement) -> None:
    if not m.notices:
        return
    column.line("Warnings", 11, weight="bold", step=22)
    for place, notice in enumerate(m.notices):
        lines = textwrap.wrap(notice.text, _CHARACTERS, max_lines=3, placeholder=" ...")
        left = len(m.notices) - place
        # What does not fit is in measurement.json; the footer stays readable.
        if column.y - 17 * len(lines) < (128 if left == 1 else 145):
            column.line(f"and {left} more: see measurement.json", 9.5, SOFT)
            return
        for number, part in enumerate(lines):
            if number == 0:
                _text(column.figure, COLUMN_X_PX, column.y, "•", size=10, colour=ALERT)
            _text(column.figure, COLUMN_X_PX + 14, column.y, part, size=9.5)
            column.y -= 17
        column.y -= 4


def _draw_footer(figure: Figure, m: Measurement) -> None:
    made = m.provenance
    if made is not None:
        _text(figure, COLUMN_X_PX, 96, f"lvef {made.lvef_version}  ·  {made.weights}", size=9, colour=SOFT)
        _text(
            figure,
            COLUMN_X_PX,
            80,
            f"{made.backend} {made.precision}  ·  weights {made.weights_licence}",
            size=9,
            colour=SOFT,
        )
    _text(figure, COLUMN_X_PX, 56, DISCLAIMER, size=9, weight="bold")


def _text(
    figure: Figure, x: float, y: float, text: str, *, size: float, colour: str = INK, weight: str = "normal"
) -> Text:
    # A dollar sign in a file name must not start a formula.
    return figure.text(
        x / WIDTH_PX, y / HEIGHT_PX, drawable(text), size=size, color=colour, weight=weight, parse_math=False
    )


def drawable(text: str) -> str:
    """The text with a box for every letter that the font does not have (matplotlib would warn of each)."""
    if text.isascii():
        return text
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    return "".join(c if font.get_char_index(ord(c)) else "□" for c in text)


def _title(source: str, characters: int) -> str:
    """The file's name; without its middle, where it is too long."""
    if len(source) <= characters:
        return source
    return f"{source[: characters // 2]} ... {source[5 - characters // 2 :]}"
