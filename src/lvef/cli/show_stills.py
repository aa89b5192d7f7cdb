"""An evaluation for the eye: short tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lvef.cli.show import make_console
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.stills.evaluation import Evaluation
from lvef.evaluation.stills.summary import (
    Row,
    comparisons_of,
    cost_rows,
    ef_rows,
    overlap_rows,
    paired_header,
    paired_rows,
    reference_text,
)

_WORDS = {"Figure", "Unit"}


def print_evaluation(evaluation: Evaluation) -> None:
    """Print overlap, agreement of EF, costs of changes and differences; distances and qualities are in the files."""
    console = make_console()
    labels = [judged.label for judged in evaluation.networks]
    console.print(escape(f"{evaluation.split}; in brackets the 95 % interval over patients"))
    dice = [(" ".join(row[:3]), *row[4:]) for row in overlap_rows(evaluation, "dice")]
    _print(console, "Dice against the expert masks", ("", *labels), dice)
    for comparison in comparisons_of(evaluation):
        rows = ef_rows(evaluation, comparison.key)
        if rows:
            _print(console, f"EF, {reference_text(comparison)}", ("", "trivial", "n", *labels), rows)
    for label, costs in evaluation.costs.items():
        if costs:
            header, rows = cost_rows(evaluation, label)
            heading = f"What changes of the picture cost {label}: LV Dice, points of EF error; ! is more than is allowed"
            _print(console, heading, header, rows)
    if evaluation.paired:
        heading = "Network against network, same patients"
        _print(console, heading, paired_header(evaluation), paired_rows(evaluation))
    for notice in evaluation.notices:
        console.print(escape(f"Note: {notice}"))
    console.print(DISCLAIMER, style="dim")


def _print(console: Console, heading: str, header: Sequence[str], rows: Sequence[Row]) -> None:
    console.print(f"\n{escape(heading)}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, name in enumerate(header):
        table.add_column(
            escape(name), justify="left" if number == 0 or name in _WORDS else "right", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
