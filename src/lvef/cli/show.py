"""Results for the eye: a short table on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lvef.core.records import Measurement
from lvef.core.serialization import printable
from lvef.core.wording import (
    DISCLAIMER,
    beats_text,
    category_lines,
    ef_text,
    heart_rate_text,
    indexed_lines,
    network_text,
    note_text,
    reason_text,
    shown_beat_line,
    spread_line,
    status_text,
    volumes_text,
)
from lvef.measure.serializers import Row

MOST_ROWS = 60
"""Longer tables are cut: the rest is in ``results.csv``."""

_PIPED_WIDTH = 120


def print_measurement(measurement: Measurement) -> None:
    """Print one answer in full, as two columns of words."""
    m = measurement
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    lines = [("File", printable(m.source)), ("EF", ef_text(m.ef_percent)), ("Status", status_text(m))]
    if m.reason:
        lines.append(("Reason", reason_text(m)))
    if m.ef_percent is not None:
        lines += [("Volumes", volumes_text(m)), ("Beats", beats_text(m))]
        lines += [line for line in (spread_line(m), shown_beat_line(m)) if line is not None]
    lines += [(f"{view} alone", ef_text(ef)) for view, ef in m.single_plane.items()]
    lines += category_lines(m.categories) + indexed_lines(m.indexed)
    if m.heart_rate_bpm is not None:
        lines.append(("Heart rate", heart_rate_text(m)))
    if network_text(m) and m.provenance is not None:
        lines.append(("Network", f"{m.provenance.weights}: {network_text(m)}"))
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
    for name in ("EF %", "EDV ml", "ESV ml", "Beats"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Warnings or reason", overflow="fold", ratio=1)
    for row in rows[:MOST_ROWS]:
        table.add_row(
            escape(row["path"]),
            *(_rounded(row[column]) for column in ("ef_percent", "edv_ml", "esv_ml")),
            row["beats"],
            row["status"],
            escape("; ".join(filter(None, (row["reason_code"], row["warnings"])))),
        )
    console = make_console()
    console.print(table)
    if len(rows) > MOST_ROWS:
        where = f": see {printable(str(out_dir / 'results.csv'))}" if out_dir is not None else ""
        console.print(f"and {len(rows) - MOST_ROWS} more{escape(where)}")
    console.print(DISCLAIMER, style="dim")


def _rounded(cell: str) -> str:
    return f"{float(cell):.1f}" if cell else "-"


def make_console() -> Console:
    """A console on stdout, wide enough where nobody looks on."""
    # A pipe has no width: without this, rich would fold everything to 80 characters.
    return Console(
        file=sys.stdout, width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False, soft_wrap=False
    )
