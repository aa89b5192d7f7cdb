"""What an evaluation shows: tables, plots and text in sections, from which page, terminal and files are views.

Each evaluation fills an `EvaluationReport`; `lvef.evaluation.output` renders it, `lvef.cli.show_evaluation` prints it and
`lvef.evaluation.output` writes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from lvef.core.serialization import csv_text, printable
from lvef.evaluation.metrics import (
    METRIC_COLUMNS,
    NAN,
    PAIRED_COLUMNS,
    MetricRow,
    MetricTable,
    PairedMetric,
)

Row = tuple[str, ...]
"""Cells of one line of a table."""

NO_NUMBER = {"", "-", "–", "—", "n/a", "nan", "none", "lost"}
"""Cells of a column of numbers that hold none."""

BESIDE_NUMBERS = {"to", "of", "e", "nan", "inf", "ml", "mm", "s", "ms", "h", "min", "points", "px", "mb"}
"""Words in a cell that is still a number."""

MISSING = "-"
"""Cell of a metric that is not defined."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text and numbers.

    Attributes:
        header: One name a column.
        rows: As many cells a row as there are names.
        caption: A line over the table.

    Raises:
        ValueError: If a row is longer or shorter than the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def __post_init__(self) -> None:
        """Check the rows: a missing cell would move numbers under the wrong name."""
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"the table {self.caption or list(self.header)} has {len(self.header)} columns, "
                    f"but a row has {len(row)} cells: {list(row)}"
                )

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, with signs, units and intervals; they are aligned right."""
        return tuple(_is_numeric([row[column] for row in self.rows]) for column in range(len(self.header)))


@dataclass(frozen=True, slots=True)
class Plot:
    """A PNG image and what it shows, in words for readers who do not see it.

    Attributes:
        png: The file's bytes.
        alt: The words.

    Raises:
        ValueError: If the bytes are no PNG.
    """

    png: bytes
    alt: str

    def __post_init__(self) -> None:
        """Check the first bytes: a browser shows an empty box for what it cannot read."""
        if self.png[:8] != b"\x89PNG\r\n\x1a\n" or len(self.png) < 24:
            raise ValueError(f"the plot {self.alt!r} is no PNG: it starts with {self.png[:8]!r}")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its title, its text, then its tables, then its plots.

    Attributes:
        title: Named in the table of contents.
        text: Plain text; an empty line starts a new paragraph.
        tables: In their order.
        plots: In their order.
        brief: Tables that are printed in a terminal.
    """

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    brief: Sequence[Table] = ()


@dataclass(frozen=True)
class EvaluationReport:
    """Everything that an evaluation shows.

    Attributes:
        title: Of the page.
        headline: What was evaluated, in sentences; printed in a terminal.
        introduction: Paragraphs at the top of the page.
        sections: In their order.
        notices: What a reader must know before believing the metrics; printed last in a terminal.
        summary: Content of ``summary.json``.
        metrics: The tidy table: ``metrics.csv``.
        csv: Further CSV files: name -> text.
        plots: File name -> plot; empty where no files are written.
        run: Content of ``run.json`` beside what every run holds: ``schema``, ``seconds``, ``settings``, ...
        keep: Files in the output folder that stay from an earlier run.
    """

    title: str
    headline: Sequence[str]
    introduction: Sequence[str]
    sections: Sequence[Section]
    notices: Sequence[str]
    summary: Mapping[str, Any]
    run: Mapping[str, Any]
    metrics: Sequence[MetricRow] = ()
    csv: Mapping[str, str] = field(default_factory=dict)
    plots: Mapping[str, Plot] = field(default_factory=dict)
    keep: Sequence[str] = ()


class Bounded(NamedTuple):
    """A value and its interval, in the value's own unit; NaN ends where there is no interval."""

    value: float
    low: float
    high: float


UNKNOWN = Bounded(NAN, NAN, NAN)
"""A metric that is not defined."""


def select_plots(plots: Mapping[str, Plot], *names: str) -> list[Plot]:
    """Plots by file name, or by a pattern of names (``dice_*``); those that were not made are left out."""
    return [plot for name in names for key, plot in plots.items() if fnmatchcase(key, name)]


def bounded(row: MetricRow | None) -> Bounded:
    """Value and interval of a row; `UNKNOWN` without one."""
    return UNKNOWN if row is None else Bounded(row.value, row.low, row.high)


def bounded_text(bounded: Bounded, form: str) -> str:
    """A value and its interval in words, without brackets where there is no interval.

    Example:
        >>> bounded_text(Bounded(-0.6, -1.9, 0.7), "+.1f")
        '-0.6 (-1.9 to +0.7)'
    """
    value, low, high = (format(v, form) for v in bounded)
    return value if not np.isfinite([bounded.low, bounded.high]).all() else f"{value} ({low} to {high})"


def metric_text(row: MetricRow | None, form: str) -> str:
    """A metric and its interval, or `MISSING`."""
    return MISSING if row is None else bounded_text(bounded(row), form)


def p_text(p: float | None) -> str:
    """A p value for people.

    Example:
        >>> p_text(0.0314), p_text(0.00001), p_text(None)
        ('0.031', '<0.001', '')
    """
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def pivot(
    metrics: MetricTable,
    methods: Sequence[str],
    lines: Iterable[tuple[Row, str]],
    form: Any,  # noqa: ANN401
    *,
    group: str = "",
    facts: Sequence[str] = (),
) -> list[Row]:
    """Rows of a table: labels, facts, then a cell a method; without metrics that no method has.

    Args:
        metrics: The tidy table.
        methods: A column each.
        lines: Labels and metric of each row.
        form: Format of the values, or a function of the first known `MetricRow` that gives it.
        group: Which part of the cases.
        facts: Columns after the labels: ``unit``, ``n`` or ``baseline``.
    """
    found = []
    for labels, metric in lines:
        cells = [metrics.find(method, metric, group) for method in methods]
        known = [cell for cell in cells if cell is not None]
        if not known:
            continue
        digits = form(known[0]) if callable(form) else form
        values = {
            "unit": known[0].unit,
            "n": " / ".join(dict.fromkeys(str(cell.n) for cell in known)),
            "baseline": "" if known[0].baseline is None else format(known[0].baseline, digits),
        }
        found.append(
            (*labels, *(values[fact] for fact in facts), *(metric_text(cell, digits) for cell in cells))
        )
    return found


def file_names(labels: Sequence[str]) -> dict[str, str]:
    """Label -> the part of a file name that stands for it, each one only once.

    Example:
        >>> file_names(["camus-seg", "Fold 1/camus-seg", "fold-1 camus seg"])
        {'camus-seg': 'camus-seg', 'Fold 1/camus-seg': 'fold-1-camus-seg', 'fold-1 camus seg': 'fold-1-camus-seg-2'}
    """
    found: dict[str, str] = {}
    for label in labels:
        plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "network"
        name, number = plain, 1
        while name in found.values():
            number += 1
            name = f"{plain}-{number}"
        found[label] = name
    return found


def metrics_csv(rows: Iterable[MetricRow]) -> str:
    """The tidy table as CSV."""
    return table_csv(METRIC_COLUMNS, ([getattr(row, name) for name in METRIC_COLUMNS] for row in rows))


def paired_csv(paired: Iterable[PairedMetric]) -> str:
    """Every method against every other as CSV."""
    return table_csv(PAIRED_COLUMNS, ([getattr(p, name) for name in PAIRED_COLUMNS] for p in paired))


def table_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; what is not known is an empty cell."""
    return csv_text(header, ([_cell(value) for value in row] for row in rows))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return printable(str(value))


def _is_numeric(cells: Sequence[str]) -> bool:
    stripped = [cell.strip().lower() for cell in cells]
    stated = [cell for cell in stripped if cell not in NO_NUMBER and not cell.startswith("not defined")]
    return bool(stated) and all(
        re.match(r"[^\w(]{0,2}\d", cell) and set(re.findall(r"[^\W\d_]+", cell)) <= BESIDE_NUMBERS
        for cell in stated
    )
