"""Results as a short table on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lvef.core.fields import Shown, lines_of
from lvef.core.records import Measurement
from lvef.core.serialization import printable
from lvef.core.wording import DISCLAIMER, ef_interval_text, note_text, number_text, reason_text, status_text
from lvef.measure.serializers import Row

MOST_ROWS = 60
"""Longer tables are cut: the rest is in ``results.csv``."""

_PIPED_WIDTH = 120


def print_measurement(measurement: Measurement) -> None:
    """Print one result in full, as two columns."""
    m = measurement
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    lines = [("File", printable(m.source)), ("EF", ef_interval_text(m)), ("Status", status_text(m))]
    if m.reason:
        lines.append(("Reason", reason_text(m)))
    lines += lines_of(m, Shown.TERMINAL)
    lines += [("Warning", note_text(notice.text)) for notice in m.notices]
    for name, text in lines:
        table.add_row(name, escape(text))
    console = make_console()
    console.print(table)
    console.print(DISCLAIMER, style="dim")


def print_table(rows: Sequence[Row], out_dir: Path | None) -> None:
    """Print one line a file."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("File", overflow="fold", ratio=1)
    for name in ("EF %", "Interval %", "EDV ml", "ESV ml", "Beats"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Decision", no_wrap=True)
    table.add_column("Warnings or reason", overflow="fold", ratio=1)
    for row in rows[:MOST_ROWS]:
        table.add_row(
            escape(row["path"]),
            _number(row, "ef_percent"),
            f"{_number(row, 'ef_low_percent')} to {_number(row, 'ef_high_percent')}"
            if row.get("ef_low_percent")
            else "-",
            _number(row, "edv_ml"),
            _number(row, "esv_ml"),
            row["beats"],
            row["status"],
            row.get("decision") or "-",
            escape("; ".join(filter(None, (row["reason_code"], row["warnings"])))),
        )
    console = make_console()
    console.print(table)
    if len(rows) > MOST_ROWS:
        where = f": see {printable(str(out_dir / 'results.csv'))}" if out_dir is not None else ""
        console.print(f"and {len(rows) - MOST_ROWS} more{escape(where)}")
    console.print(DISCLAIMER, style="dim")


def _number(row: Row, column: str) -> str:
    return number_text(float(row.get(column) or "nan"), 1)


def make_console() -> Console:
    """A console on stdout, 120 columns wide where stdout is no terminal."""
    # A pipe has no width: without this, rich would fold everything to 80 characters.
    return Console(
        file=sys.stdout, width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False, soft_wrap=False
    )
