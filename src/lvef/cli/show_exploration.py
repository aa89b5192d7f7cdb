"""An exploration for the eye: short tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lvef.cli.show import make_console
from lvef.evaluation.exploring.records import Exploration
from lvef.evaluation.exploring.summary import (
    TABLE_HEADER,
    Row,
    cell_rows,
    group_rows,
    heading_text,
    outlier_rows,
    table_rows,
)
from lvef.measure.wording import DISCLAIMER

OUTLIER_HEADER = ("", "low fence", "below", "high fence", "above")
"""Header of `outlier_rows`."""

GROUP_HEADER = ("", "", "n", "mean", "SD", "25%", "50%", "75%")
"""Header of `group_rows`."""


def print_exploration(found: Exploration) -> None:
    """Print the table, the number of outliers, EF by label and what there is; names and pictures are in the files."""
    console = make_console()
    console.print(escape(heading_text(found)))
    for note in found.notes:
        console.print(escape(note))
    _print(console, "Standard deviation with n - 1, linear quartiles", TABLE_HEADER, table_rows(found))
    _print(console, "Outliers: outside 1.5 interquartile ranges", OUTLIER_HEADER, outlier_rows(found))
    _print(console, "EF (%) by label", GROUP_HEADER, group_rows(found), words=2)
    _print(console, "Contents", ("view", "kind", "split", "items", "patients"), cell_rows(found), words=3)
    console.print(DISCLAIMER, style="dim")


def _print(
    console: Console, heading: str, header: Sequence[str], rows: Sequence[Row], *, words: int = 1
) -> None:
    if not rows:
        return
    console.print(f"\n{escape(heading)}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, name in enumerate(header):
        table.add_column(escape(name), justify="left" if number < words else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
