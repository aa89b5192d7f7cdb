"""Tables on the printed page."""

from __future__ import annotations

from lvef.report.page import Table, more_beats
from lvef.report.sheet import Sheet, shorten, width_of, wrap
from lvef.report.summary_words import INK, LINE, SOFT

ROW_PT = 11.0
"""Height of a line."""

STRONG_GROUND = "#dcf2ea"
"""Behind the line that is the answer."""

_SIZE, _LEADING, _GAP = 7.0, 9.0, 9.0


def table_height(table: Table, width: float | None = None) -> float:
    """Height of a table in points, its header among them.

    Args:
        table: The table.
        width: Its width; the last column is then wrapped to it.
    """
    extra = 0.0
    if width is not None:
        extra = sum((len(_last(row, table, width)) - 1) * _LEADING for row in table.rows)
    return ROW_PT * (1 + len(table.rows) + bool(table.hidden)) + extra + 2


def draw_table(
    sheet: Sheet, x: float, y: float, width: float, table: Table, *, even: bool = False, bottom: float = 1e9
) -> None:
    """Draw a table.

    Args:
        sheet: The page.
        x: Left edge.
        y: Baseline of the header.
        width: Width.
        table: What stands in it.
        even: All columns are figures under the heads, evenly spaced, the first one words; otherwise the last one is words.
        bottom: Lines below this are left away, and said to be.
    """
    n = len(table.header)
    if even:
        first = 46.0
        ends = [x + first + (width - first) * (i + 1) / (n - 1) for i in range(n - 1)]
        _even_row(sheet, x, y, ends, table.header, SOFT, bold=False)
        sheet.rule(y + 3.5, LINE, x0=x, x1=x + width)
        for index, row in enumerate(table.rows):
            _even_row(sheet, x, y + ROW_PT * (index + 1) + 1, ends, row, INK, bold=index == table.strong)
        return
    ends = _ends(x, table)
    last_x = ends[-1] + _GAP
    _row(sheet, y, ends, last_x, table.header, [table.header[-1]], SOFT, bold=False)
    sheet.rule(y + 3.5, LINE, x0=x, x1=x + width)
    y += ROW_PT + 1
    kept, hidden = _fitting(table, width, bottom - y)
    for index in kept:
        said = _last(table.rows[index], table, width)
        height = ROW_PT + (len(said) - 1) * _LEADING
        strong = index == table.strong
        if strong:
            sheet.box(x, y - 8, width, height - 0.5, STRONG_GROUND)
        _row(sheet, y, ends, last_x, table.rows[index], said, INK, bold=strong)
        y += height
    if hidden:
        sheet.text(x, y, more_beats(hidden), _SIZE, SOFT)


def _fitting(table: Table, width: float, room: float) -> tuple[list[int], int]:
    """Indices of the lines that fit below the first baseline, the strong one always among them; how many do not."""
    kept = list(range(len(table.rows)))

    def height() -> float:
        lines = [len(_last(table.rows[index], table, width)) for index in kept]
        cut = table.hidden or len(kept) < len(table.rows)
        return sum(ROW_PT + (n - 1) * _LEADING for n in lines) - (0.0 if cut else ROW_PT)

    while len(kept) > 1 and height() > room:
        kept.remove(next(index for index in reversed(kept) if index != table.strong))
    return kept, table.hidden + len(table.rows) - len(kept)


def _ends(x: float, table: Table) -> list[float]:
    """Right edge of each column of figures."""
    ends = []
    for column in range(len(table.header) - 1):
        cells = [table.header[column], *(row[column] for row in table.rows)]
        x += max(width_of(cell, _SIZE, bold=True) for cell in cells)
        ends.append(x)
        x += _GAP
    return ends


def _last(row: tuple[str, ...], table: Table, width: float) -> list[str]:
    """The words of the last column, on two lines at most."""
    room = width - (_ends(0.0, table)[-1] + _GAP)
    return wrap(row[-1], max(room, 20.0), _SIZE, most=2) or [""]


def _row(
    sheet: Sheet,
    y: float,
    ends: list[float],
    last_x: float,
    cells: tuple[str, ...],
    said: list[str],
    colour: str,
    *,
    bold: bool,
) -> None:
    for end, cell in zip(ends, cells, strict=False):
        sheet.text(end, y, cell, _SIZE, colour, bold=bold, right=True)
    sheet.lines(last_x, y, said, _SIZE, colour, leading=_LEADING)


def _even_row(
    sheet: Sheet, x: float, y: float, ends: list[float], cells: tuple[str, ...], colour: str, *, bold: bool
) -> None:
    sheet.text(x, y, shorten(cells[0], 60, 8, bold=bold), 8, colour, bold=bold)
    for end, cell in zip(ends, cells[1:], strict=True):
        sheet.text(end, y, cell, 8, colour, bold=bold, right=True)
