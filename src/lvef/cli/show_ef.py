"""An evaluation of EFs for the eye: short tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lvef.cli.show import make_console
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.ef.rows import (
    CONFUSION_HEADER,
    GROUP_HEADER,
    GUARD_HEADER,
    PAIRED_HEADER,
    REFUSAL_HEADER,
    Row,
    confusion_rows,
    figure_header,
    figure_rows,
    group_rows,
    guard_rows,
    headline,
    line_rows,
    paired_rows,
    refusal_rows,
)
from lvef.evaluation.ef.summary import FILLED, NAMED_FRAMES, EfSummary

SHORT = (
    "mean absolute error",
    "root mean square error",
    "R²",
    "Pearson's r",
    "macro sensitivity",
    "accuracy",
)
"""Beginnings of the figures that are told of the other choices of clips; the rest is in the files."""


def print_summary(summary: EfSummary) -> None:
    """Print figures, classes, guards, parts of the clips, comparisons and refusals."""
    console = make_console()
    for line in headline(summary):
        console.print(escape(line))
    header = figure_header(summary)
    _print(console, "EF against the manifest's, clips that were answered", header, figure_rows(summary), 1)
    if any(s.unanswered for s in summary.entrants):
        rows = [row for row in figure_rows(summary, FILLED) if row[0].startswith(SHORT)]
        _print(console, "All clips, the trivial EF where there is no answer", header, rows, 1)
    named = [row for row in figure_rows(summary, NAMED_FRAMES) if row[0].startswith(SHORT)]
    _print(console, "From raw lines on the frames that the collection names", header, named, 1)
    line_header = ("Lines", "the report's, test", *(s.label for s in summary.entrants))
    _print(console, "Line ends against the collection's", line_header, line_rows(summary), 2)
    _print(console, "Before any guard", GUARD_HEADER, guard_rows(summary), 1)
    for s in summary.entrants:
        if len(s.cases):
            _print(console, f"Classes: {s.label}", CONFUSION_HEADER, confusion_rows(s), 1)
            _print(console, f"By kind of clip: {s.label}", GROUP_HEADER, group_rows(s), 2)
    _print(console, "Network against network", PAIRED_HEADER, paired_rows(summary), 4)
    _print(console, "Clips without an answer", REFUSAL_HEADER, refusal_rows(summary), 2)
    for notice in summary.evaluation.notices:
        console.print(escape(f"Note: {notice}"))
    console.print(DISCLAIMER, style="dim")


def _print(console: Console, heading: str, header: Sequence[str], rows: Sequence[Row], left: int) -> None:
    if not rows:
        return
    console.print(f"\n{escape(heading)}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(header):
        side: Literal["left", "right"] = "left" if place < left else "right"
        table.add_column(escape(name), justify=side, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
