"""A judgement on synthetic clips for the eye: short tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lvef.cli.show import make_console
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.synthetic.figures import REFERENCES
from lvef.evaluation.synthetic.summary import (
    BEAT_HEADER,
    GROUP_HEADER,
    OUTLINE_HEADER,
    REFUSAL_HEADER,
    TIMING_HEADER,
    Row,
    Summary,
    beat_rows,
    beat_text,
    ef_header,
    ef_rows,
    group_rows,
    other_beats,
    outline_rows,
    refusal_rows,
    timing_rows,
)

LEFT_COLUMNS = 2
"""So many columns of a table of groups hold words."""


LEFT_OUT = ("no answer", "SD")
"""Columns that a screen has no room for: clips without an answer are listed, the limits tell the SD."""


def print_summary(summary: Summary) -> None:
    """Print agreement of EF, beats, timing and outlines; groups against the body in space are in the files."""
    console = make_console()
    j = summary.judgement
    answered = sum(record.answered for record in j.records)
    console.print(
        escape(
            f"{j.collection}: {len(j.records) + len(j.problems)} clips, {answered} with an answer; in brackets the 95 % "
            "interval over patients"
        )
    )
    other = other_beats(j.records)
    if other:
        console.print(f"{other} answers are about a beat that is no true whole beat.")
    if ef_rows(summary):
        _print(console, "EF, measured minus true", ef_header(), ef_rows(summary), 1)
    heading = f"EF by kind of clip, against {REFERENCES['plane']}"
    shown = [place for place, name in enumerate(GROUP_HEADER) if name not in LEFT_OUT]
    rows = [tuple(row[place] for place in shown) for row in group_rows(summary, "plane", in_short=True)]
    _print(console, heading, [GROUP_HEADER[place] for place in shown], rows, LEFT_COLUMNS)
    _print(
        console, f"Beats. {beat_text(summary)}", BEAT_HEADER, beat_rows(summary, in_short=True), LEFT_COLUMNS
    )
    if timing_rows(summary):
        _print(console, "Timing", TIMING_HEADER, timing_rows(summary), 1)
    _print(console, "Outlines", OUTLINE_HEADER, outline_rows(summary)[:1], LEFT_COLUMNS)
    if refusal_rows(summary):
        _print(console, "Clips without an answer", REFUSAL_HEADER, refusal_rows(summary), 1)
    if j.problems:
        console.print(f"\n{len(j.problems)} clips could not be judged.")
    console.print(DISCLAIMER, style="dim")


def _print(console: Console, heading: str, header: Sequence[str], rows: Sequence[Row], left: int) -> None:
    console.print(f"\n{escape(heading)}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(header):
        # Figures are not folded; of the names over them the words are.
        widest = max((len(row[place]) for row in rows), default=0) if place >= left else None
        side: Literal["left", "right"] = "left" if place < left else "right"
        table.add_column(escape(name), justify=side, overflow="fold", min_width=widest)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
