"""Text and tables of an evaluation or exploration on stdout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table as Grid

from lvef.cli.show import make_console
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.page import Table


def print_tables(lines: Sequence[str], tables: Sequence[Table]) -> None:
    """Print lines of text, then those tables that have rows, then the disclaimer.

    Args:
        lines: One paragraph each.
        tables: Numbers are aligned right and never folded.
    """
    console = make_console()
    for line in lines:
        console.print(escape(line))
    for table in tables:
        if not table.rows:
            continue
        if table.caption:
            console.print(f"\n{escape(table.caption)}", style="bold")
        grid = Grid(box=None, pad_edge=False, header_style="dim")
        for place, (name, is_number) in enumerate(zip(table.header, table.numeric, strict=True)):
            width = max(len(row[place]) for row in table.rows) if is_number else None
            grid.add_column(
                escape(name), justify="right" if is_number else "left", overflow="fold", min_width=width
            )
        for row in table.rows:
            grid.add_row(*map(escape, row))
        console.print(grid)
    console.print(DISCLAIMER, style="dim")
