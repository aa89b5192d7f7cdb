"""What an evaluation shows: tables, plots and text in sections; page, terminal and files are views of it.

Each evaluation fills an `EvaluationReport`. `write_report` writes page, files and the record ``run.json``;
`lvef.cli.show_tables` prints it. The page comes from ``templates/page.html``; all that comes in is text and is escaped.
"""

from __future__ import annotations

import datetime
import re
import struct
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import lvef
from lvef.core.errors import DataError
from lvef.core.serialization import csv_cell, csv_text, printable, read_json, to_json, to_plain
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.metrics import NAN, MetricRow, MetricTable
from lvef.evaluation.runner import CaseResult
from lvef.io.atomic import make_folder, remove_files, write_bytes_atomic, write_text_atomic
from lvef.io.names import unique_name
from lvef.measure.environment import describe_machine, package_versions
from lvef.measure.options import MeasureOptions
from lvef.report.style import LIGHT, css_variables

if TYPE_CHECKING:
    from jinja2 import Template

Row = tuple[str, ...]
"""Cells of one line of a table."""

NO_NUMBER = {"", "-", "–", "—", "n/a", "nan", "none", "lost"}
"""Cells of a column of numbers that hold none."""

BESIDE_NUMBERS = {"to", "of", "e", "nan", "inf", "ml", "mm", "s", "ms", "h", "min", "points", "px", "mb"}
"""Words in a cell that is still a number."""

MISSING = "-"
"""Cell of a metric that is not defined."""

MAX_NAMED = 5
"""Cases that are named for a reason."""


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

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height

    @property
    def base64(self) -> str:
        """The file's bytes as text, for a page."""
        return b64encode(self.png).decode("ascii")


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


class Bounded(NamedTuple):
    """A value and its interval, in the value's own unit; NaN ends where there is no interval."""

    value: float
    low: float
    high: float


UNKNOWN = Bounded(NAN, NAN, NAN)
"""A metric that is not defined."""


def shown_sections(sections: Iterable[Section]) -> list[Section]:
    """Those that have a table with rows or a plot, without tables that have no rows."""
    kept = (replace(s, tables=[table for table in s.tables if table.rows]) for s in sections)
    return [section for section in kept if section.tables or section.plots]


def summary_of(schema: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Content of ``summary.json``: what every summary begins with, and an evaluation's own values, as JSON values."""
    head = {"schema": schema, "lvef_version": lvef.__version__, "disclaimer": DISCLAIMER}
    plain: dict[str, Any] = to_plain({**head, **values}, digits=0)
    return plain


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


def listed(items: Sequence[str], most: int = MAX_NAMED) -> str:
    """The first items, for people."""
    return ", ".join(items[:most]) + (", ..." if len(items) > most else "")


def reason_rows(results: Iterable[CaseResult]) -> list[Row]:
    """Reasons of the cases without an EF, how many have each, and the first of them; the most frequent reason first."""
    items: dict[str, list[str]] = {}
    for result in results:
        if not result.has_ef:
            items.setdefault(result.reason_code or result.status, []).append(result.item)
    ordered = sorted(items.items(), key=lambda entry: -len(entry[1]))
    return [(reason, str(len(named)), listed(named)) for reason, named in ordered]


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
    facts: Sequence[str] = (),
) -> list[Row]:
    """Rows of a table: labels, facts, then a cell a method; without metrics that no method has.

    Args:
        metrics: The tidy table.
        methods: A column each.
        lines: Labels and metric of each row.
        form: Format of the values, or a function of the first known `MetricRow` that gives it.
        facts: Columns after the labels: ``unit``, ``n`` or ``baseline``.
    """
    found = []
    for labels, metric in lines:
        cells = [metrics.find(method, metric) for method in methods]
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
    used: set[str] = set()
    plain = {label: re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "network" for label in labels}
    return {label: unique_name(name, used) for label, name in plain.items()}


FIGURE_COLUMNS = ("name", "value", "low", "high", "level", "n", "unit", "split", "reference", "trivial")
"""Columns of ``figures.csv``, after those that say of whom a metric is."""


def figures_csv(header: Sequence[str], rows: Iterable[tuple[Sequence[str], MetricRow]]) -> str:
    """Metrics as ``figures.csv``.

    Args:
        header: Names of the columns that say of whom a metric is.
        rows: Cells of these columns, and the metric.
    """
    figures = ((cells, asdict(row.to_card_metric())) for cells, row in rows)
    return table_csv(
        (*header, *FIGURE_COLUMNS),
        ([*cells, *(row[name] for name in FIGURE_COLUMNS)] for cells, row in figures),
    )


def records_csv(kind: type, records: Iterable[Any]) -> str:
    """Records of a dataclass as CSV: a row each, a column a field."""
    names = [field.name for field in fields(kind)]
    return table_csv(names, ([getattr(record, name) for name in names] for record in records))


def table_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; what is not known is an empty cell."""
    return csv_text(header, ([_cell(value) for value in row] for row in rows))


def _cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else csv_cell(value)


def _is_numeric(cells: Sequence[str]) -> bool:
    stripped = [cell.strip().lower() for cell in cells]
    stated = [cell for cell in stripped if cell not in NO_NUMBER and not cell.startswith("not defined")]
    return bool(stated) and all(
        re.match(r"[^\w(]{0,2}\d", cell) and set(re.findall(r"[^\W\d_]+", cell)) <= BESIDE_NUMBERS
        for cell in stated
    )


RUN_NAME = "run.json"
"""What the run stood on, and which files it wrote."""

SUMMARY_NAME, PAGE_NAME, METRICS_NAME = "summary.json", "index.html", "metrics.csv"
"""The summary, the page, and the tidy table of metrics."""


def last_name(path: Path) -> str:
    """The last part of a path: the folders above may show who works where."""
    return printable(path.resolve().name)


def write_report(folder: Path, report: EvaluationReport) -> list[str]:
    """Write a report's files. Files of an earlier run of the same kind that this one does not have are removed.

    Args:
        folder: Made when it is missing.
        report: What to write.

    Returns:
        Names of the files written, ``run.json`` last.

    Raises:
        DataError: The folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    texts = {
        SUMMARY_NAME: to_json(dict(report.summary)),
        PAGE_NAME: render_page(report.title, "\n\n".join(report.introduction), report.sections),
        **report.csv,
    }
    if report.metrics:
        texts[METRICS_NAME] = records_csv(MetricRow, report.metrics)
    earlier = earlier_files(folder, report.run["schema"])
    for name, plot in report.plots.items():
        write_bytes_atomic(folder / name, plot.png)
    for name, text in texts.items():
        write_text_atomic(folder / name, text)
    written = sorted([*texts, *report.plots])
    remove_files(folder, earlier - set(written))
    record = {
        **report.run,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(report.run["seconds"], 3),
        "files": written,
        "machine": describe_machine(),
        "packages": package_versions(),
    }
    # Last, because it says that all the rest is there.
    write_text_atomic(folder / RUN_NAME, to_json(record))
    return [*written, RUN_NAME]


def settings_of(plan: Any, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """The settings of a run, of paths the last part only: the folders above may reveal who works where.

    Args:
        plan: Dataclass of what was asked for; of its `MeasureOptions` runtime, precision and threads are taken.
        changed: Values that differ from the plan's.
    """
    found: dict[str, Any] = {}
    for name, value in ((f.name, getattr(plan, f.name)) for f in fields(plan)):
        if isinstance(value, MeasureOptions):
            found |= {"backend": value.backend, "precision": value.precision, "threads": value.threads}
        elif isinstance(value, tuple):
            found[name] = [last_name(Path(path)) for path in value]
        else:
            found[name] = last_name(value) if isinstance(value, Path) else value
    return found | changed


def earlier_files(folder: Path, schema: str) -> set[str]:
    """Names that an earlier run of the same kind wrote there, according to its own record.

    Args:
        folder: The output folder.
        schema: Layout of the record; one of another kind is left alone.
    """
    try:
        record = read_json(folder / RUN_NAME, "", schema)
    except DataError:
        return set()
    # Names only: a record that was edited must not reach outside the folder.
    return {name for name in record.get("files", []) if isinstance(name, str) and Path(name).name == name}


def render_page(title: str, introduction: str, sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: Title of the page.
        introduction: Plain text under it; an empty line starts a new paragraph.
        sections: In their order; with two or more there is a table of contents.

    Returns:
        HTML, to be written as UTF-8.
    """
    return _template().render(title=title, introduction=introduction, sections=sections)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lvef.evaluation"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"clean": _clean, "paragraphs": _paragraphs}
    environment.globals |= {"css_variables": css_variables, "light": LIGHT}
    return environment.get_template("page.html")


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _clean(text: str) -> str:
    """Without characters that no file can hold."""
    return "\n".join(printable(line) for line in text.splitlines())
