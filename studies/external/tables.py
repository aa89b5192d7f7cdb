"""The tidy table of all metrics, a summary of each model, and the metrics for its card."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.table import Table

from lvef.core.config import to_mapping
from lvef.evaluation.metrics import DIGITS, LEVEL, make_generator
from lvef.inference.card import CARD_NAME, CardMetric, read_card
from lvef.io.atomic import write_text_atomic
from lvef.stats.bootstrap import intervals

ALL = "all"
"""Case and group of metrics over all cases of a suite, or over the whole border."""

NAN = float("nan")

AGREEMENT = "agreement"
"""Beginning of the metrics that say how alike two models are."""

PAIRED = "paired"
"""Beginning of the differences between two models on the same cases."""

WITH_MEDIAN = ("ef_bias", "ef_mae")
"""Metrics whose baseline is that of the constant median."""

REFERENCE = "studies/external"
"""Reference of the metrics of this study on a card."""

MIN_FOR_INTERVAL = 5
"""Cases below which no interval is given: resampling fewer says nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number.

    Attributes:
        model: Label of the model.
        suite: Part of the benchmark.
        case: Clip or still, or `ALL`.
        group: Region, phase or perturbation; `ALL` where there is none.
        metric: What was measured.
        value: The number.
        low: Lower end of the 95 % bootstrap interval over cases; NaN without one.
        high: Its upper end.
        n: Cases, or frames of one case.
        unit: Unit; empty for a ratio.
        baseline: The same of the constant median of the references, or of experts; NaN where there is none.
    """

    model: str
    suite: str
    case: str
    group: str
    metric: str
    value: float
    low: float = NAN
    high: float = NAN
    n: int = 1
    unit: str = ""
    baseline: float = NAN


def over_cases(
    rows: Sequence[Row],
    units: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], float] = lambda v: float(np.mean(v)),
) -> list[Row]:
    """Rows over all cases with their intervals.

    Args:
        rows: One, with all but value, interval, case and number filled in.
        units: ``(n, ...)`` values of the cases; what is not finite is left out.
        statistic: Of the units.

    Returns:
        One row, or none without cases.
    """
    [row] = rows
    values = np.asarray(units, dtype=float)
    values = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)] if len(values) else values
    if not len(values):
        return []
    low, high = NAN, NAN
    if len(values) >= MIN_FOR_INTERVAL:
        rng = make_generator(0, f"{row.suite} {row.group} {row.metric}")
        [(low, high)] = intervals(lambda drawn: [statistic(drawn)], values, rng, level=LEVEL)
    return [replace(row, case=ALL, value=statistic(values), low=float(low), high=float(high), n=len(values))]


def to_csv(rows: Sequence[Row]) -> str:
    """The table as CSV; empty cells where nothing is known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f.name for f in fields(Row)])
    writer.writerows([["" if v is None else v for v in _plain(row).values()] for row in rows])
    return text.getvalue()


def to_json(rows: Sequence[Row]) -> str:
    """The table as a JSON list of objects."""
    return json.dumps([_plain(row) for row in rows], indent=1, ensure_ascii=False) + "\n"


def summary_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Metrics over all cases: heading, and a line for each suite, metric and group with a column for each model."""
    overall = [row for row in rows if row.case == ALL]
    models = list(dict.fromkeys(row.model for row in overall))
    lines: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in overall:
        lines.setdefault((row.suite, row.metric, row.group), {})[row.model] = row
    heading = ["suite", "measure", "group", "unit", "n", *models, "baseline"]
    body = []
    for (suite, metric, group), found in lines.items():
        one = next(iter(found.values()))
        cells = [_cell(found[m]) if m in found else "" for m in models]
        base = "" if math.isnan(one.baseline) else f"{one.baseline:.3g}"
        body.append([suite, metric, "" if group == ALL else group, one.unit, str(one.n), *cells, base])
    return heading, body


def to_markdown(rows: Sequence[Row]) -> str:
    """The summary as a Markdown table."""
    heading, body = summary_table(rows)
    lines = ["| " + " | ".join(line) + " |" for line in (heading, ["---"] * len(heading), *body)]
    return "\n".join(lines) + "\n"


def to_rich(rows: Sequence[Row]) -> Table:
    """The summary for the terminal."""
    heading, body = summary_table(rows)
    table = Table(*heading)
    for line in body:
        table.add_row(*line)
    return table


def external_metrics(rows: Sequence[Row], splits: Mapping[str, str]) -> tuple[CardMetric, ...]:
    """What a card carries of one model's rows: those over all cases. Without an interval its ends are the value itself.

    Comparisons of two models are left out: they are no property of one. Only a constant median is a baseline there, and not
    what experts have.

    Args:
        rows: Of one model.
        splits: What a suite was run on, by its name; the name itself where there is nothing to add.
    """
    found = []
    for row in rows:
        if row.case != ALL or not math.isfinite(row.value) or row.metric.startswith((AGREEMENT, PAIRED)):
            continue
        low, high = (row.value if math.isnan(end) else end for end in (row.low, row.high))
        found.append(
            CardMetric(
                "_".join(part for part in (row.metric, row.group) if part != ALL),
                round(row.value, DIGITS),
                row.unit,
                round(low, DIGITS),
                round(high, DIGITS),
                LEVEL,
                row.n,
                splits.get(row.suite, row.suite),
                REFERENCE,
                round(row.baseline, DIGITS)
                if row.metric in WITH_MEDIAN and math.isfinite(row.baseline)
                else None,
            )
        )
    return tuple(found)


def write_external(folder: Path, rows: Sequence[Row], splits: Mapping[str, str]) -> None:
    """Write the metrics of this study into the block ``external`` of the card in a model's folder.

    Those of other references, such as another hospital's clips, stay in front; so does the rest of the card.

    Raises:
        WeightsError: There is no card.
        DataError: It cannot be written.
    """
    card = read_card(folder)
    kept = tuple(figure for figure in card.external if figure.reference != REFERENCE)
    card = replace(card, external=(*kept, *external_metrics(rows, splits)))
    text = json.dumps(to_mapping(card), indent=2, ensure_ascii=False) + "\n"
    write_text_atomic(folder / CARD_NAME, text)


def _cell(row: Row) -> str:
    value = "" if math.isnan(row.value) else f"{row.value:.3g}"
    return value if math.isnan(row.low) else f"{value} ({row.low:.3g} to {row.high:.3g})"


def _plain(row: Row) -> dict[str, Any]:
    values = asdict(row)
    return {
        k: (float(f"{v:.6g}") if math.isfinite(v) else None) if isinstance(v, float) else v
        for k, v in values.items()
    }
