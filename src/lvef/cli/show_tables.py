"""Text and tables of an evaluation or exploration in a terminal, and its files in a folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.markup import escape
from rich.table import Table as Grid

from lvef.cli.options import note, print_json
from lvef.cli.show import make_console
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.report import EvaluationReport, Table, write_report


def show_report(report: EvaluationReport, *, as_json: bool) -> None:
    """Print headline, brief tables and notices of a report; or its summary as JSON."""
    if as_json:
        print_json(dict(report.summary))
        return
    tables = [
        replace(table, caption=table.caption or section.title)
        for section in report.sections
        for table in section.brief
    ]
    print_tables(report.headline, tables, [f"Note: {notice}" for notice in report.notices])


def write_files(report: EvaluationReport, out: Path, start: float | None = None) -> None:
    """Write the files of a report, and say so on stderr.

    Args:
        report: What is written.
        out: Folder of the files.
        start: When the command began, by `time.perf_counter`; without it the duration of the evaluation is shown.
    """
    written = write_report(out, report)
    resumed = report.run.get("resumed", 0)
    earlier = f", {resumed} results from an earlier run" if resumed else ""
    seconds = report.run["seconds"] if start is None else time.perf_counter() - start
    page = out / "index.html"
    note(f"Written to {out} in {seconds:.0f} s{earlier}: {len(written)} files; open {page}.")


def print_tables(lines: Sequence[str], tables: Sequence[Table], notes: Sequence[str] = ()) -> None:
    """Print lines of text, then those tables that have rows, then notes and the disclaimer.

    Args:
        lines: One paragraph each.
        tables: Numbers are aligned right and never folded.
        notes: One paragraph each.
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
    for text in notes:
        console.print(escape(text))
    console.print(DISCLAIMER, style="dim")
