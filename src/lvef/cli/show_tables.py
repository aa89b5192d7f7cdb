"""Text and tables of an evaluation or exploration in a terminal, and its files in a folder."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from lvef.cli.options import note, print_json
from lvef.cli.show import make_console
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.report import EvaluationReport, Table, write_report


def show_report(report: EvaluationReport, out: Path | None = None, *, as_json: bool) -> None:
    """Print a report, or its summary as JSON; then write its files, where a folder is given."""
    if as_json:
        print_json(dict(report.summary))
    else:
        print_report(report)
    if out is not None:
        write_files(report, out)


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


def print_report(report: EvaluationReport) -> None:
    """Print headline, brief tables that have rows, notices and the disclaimer."""
    console = make_console()
    for line in report.headline:
        console.print(escape(line))
    for section in report.sections:
        for table in section.brief:
            if table.rows:
                _print_table(console, table, table.caption or section.title)
    for notice in report.notices:
        console.print(escape(f"Note: {notice}"))
    console.print(DISCLAIMER, style="dim")


def _print_table(console: Console, table: Table, caption: str) -> None:
    if caption:
        console.print(f"\n{escape(caption)}", style="bold")
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for place, (name, is_number) in enumerate(zip(table.header, table.numeric, strict=True)):
        width = max(len(row[place]) for row in table.rows) if is_number else None
        grid.add_column(
            escape(name), justify="right" if is_number else "left", overflow="fold", min_width=width
        )
    for row in table.rows:
        grid.add_row(*map(escape, row))
    console.print(grid)
