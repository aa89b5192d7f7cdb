"""The tables of an exploration: as CSV and JSON for programs, and as rows of words for page and screen."""

from __future__ import annotations

import math
from typing import Any

from lvef.evaluation.exploring.boxes import BY_WORDS
from lvef.evaluation.exploring.records import MEASURED, Column, Exploration, Group
from lvef.evaluation.tables import table_csv
from lvef.measure.report import printable

SCHEMA = "lvef-exploration/1"
"""Version of the layout of ``summary.json``."""

SUMMARY_COLUMNS = (
    *("quantity", "unit", "of", "count", "missing"),
    *("mean", "std", "min", "25%", "50%", "75%", "max"),
)
"""Columns of ``summary.csv``: the report's eight, and what they are counted over."""

OUTLIER_COLUMNS = ("item", "quantity", "value", "fence", "side", "patient", "n_items")
"""Columns of ``outliers.csv``."""

MOST_SIZES = 20
"""The most frequent picture sizes stand in ``summary.json``: of hand-cropped pictures each has its own."""

TABLE_HEADER = ("", "n", "mean", "std", "min", "25%", "50%", "75%", "max")
"""Header of `table_rows`."""

CLASS_WORDS = {
    "heart_failure": {
        "reduced": "reduced, at most 40 %",
        "mildly_reduced": "mildly reduced, 41 to 49 %",
        "preserved": "preserved, 50 % or more",
    },
    "report": {
        "normal": "normal, above 50 %",
        "mild": "mild, 40 to 50 %",
        "abnormal": "abnormal, below 40 %",
    },
}
"""Classes of `lvef.geometry.categories` for people."""

CLASS_TABLES = {"heart_failure": "Heart-failure range (EF rounded)", "report": "Report's class"}
"""The tables they belong to."""

Row = tuple[str, ...]
"""Cells of a row."""


def summary_csv(found: Exploration) -> str:
    """The table of count, mean, std, min, quartiles and max, with six decimals."""
    rows = [
        (
            *(
                c.quantity.column,
                c.quantity.unit,
                c.quantity.of,
                str(c.description.n),
                str(c.description.missing),
            ),
            *map(_six, _figures(c)),
        )
        for c in found.columns
    ]
    return table_csv(SUMMARY_COLUMNS, rows)


def outliers_csv(found: Exploration) -> str:
    """Every measurement outside the whiskers, by name."""
    return table_csv(
        OUTLIER_COLUMNS,
        (
            (o.item, o.quantity, _six(o.value), _six(o.fence), o.side, o.patient, str(o.n_items))
            for o in found.outliers
        ),
    )


def to_summary(found: Exploration) -> dict[str, Any]:
    """Everything as plain values for JSON: ``null`` for what is not known, no NaN."""
    return {
        "schema": SCHEMA,
        "manifest": printable(found.name),
        "collections": list(found.collections),
        "items": found.n_items,
        "patients": found.n_patients,
        "measurements": found.n_measurements,
        "has_ef": found.column("ef_percent") is not None,
        "notes": [printable(note) for note in found.notes],
        "table": [_column_values(c) for c in found.columns],
        "ef_by_label": [_group_values(g) for g in found.groups],
        "ef_classes": [{"table": s.table, "class": s.label, "n": s.n} for s in found.shares],
        "counts": [
            {"by": c.by, "label": printable(c.label), "items": c.items, "patients": c.patients}
            for c in found.counts
        ],
        "contents": [
            {"view": c.view, "kind": c.kind, "split": c.split, "items": c.items, "patients": c.patients}
            for c in found.cells
        ],
        "different_sizes": len(found.sizes),
        "sizes": [
            {"width_px": s.width_px, "height_px": s.height_px, "items": s.items}
            for s in found.sizes[:MOST_SIZES]
        ],
    }


def heading_text(found: Exploration) -> str:
    """What the manifest holds, in a line."""
    many = ((found.n_items, "item"), (found.n_patients, "patient"), (found.n_measurements, "measurement"))
    items, patients, measurements = (f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in many)
    told = f", {measurements} of EF or volumes" if found.n_measurements else ""
    return f"{', '.join(found.collections)}: {items} of {patients}{told}"


def table_rows(found: Exploration) -> list[Row]:
    """The table in words, quantities that are known only, with two decimals, what counts in whole numbers with one."""
    rows = []
    for c in found.columns:
        if c.description.n:
            digits = 1 if c.quantity.unit in ("px", "") else 2
            cells = (_rounded(value, digits) for value in _figures(c))
            rows.append((c.quantity.title, f"{c.description.n:,}", *cells))
    return rows


def outlier_rows(found: Exploration) -> list[Row]:
    """Quantity, then fence and number of outliers on the low side, the same on the high one."""
    return [
        (
            c.quantity.words,
            f"{_rounded(c.fences.low, 2)} {c.quantity.unit}",
            f"{c.low:,}",
            f"{_rounded(c.fences.high, 2)} {c.quantity.unit}",
            f"{c.high:,}",
        )
        for c in found.columns[: len(MEASURED)]
        if c.description.n
    ]


def class_rows(found: Exploration) -> list[Row]:
    """Table, class, measurements, percentage."""
    n = sum(share.n for share in found.shares if share.table == "report")
    return [
        (CLASS_TABLES[s.table], CLASS_WORDS[s.table][s.label], f"{s.n:,}", f"{100 * s.n / n:.1f} %")
        for s in found.shares
    ]


def group_rows(found: Exploration) -> list[Row]:
    """Label column, label, n, mean, standard deviation, quartiles of EF."""
    rows = []
    for g in found.groups:
        d = g.description
        cells = (_rounded(value, 1) for value in (d.mean, d.std, d.q25, d.median, d.q75))
        rows.append((BY_WORDS[g.by], g.label, f"{d.n:,}", *cells))
    return rows


def cell_rows(found: Exploration) -> list[Row]:
    """View, kind, split, items, patients."""
    return [(c.view, c.kind, c.split, f"{c.items:,}", f"{c.patients:,}") for c in found.cells]


def size_rows(found: Exploration, most: int) -> list[Row]:
    """Width, height, items of the most frequent sizes, then how many there are beside."""
    rows: list[Row] = [(f"{s.width_px} x {s.height_px}", f"{s.items:,}") for s in found.sizes[:most]]
    rest = found.sizes[most:]
    if rest:
        rows.append((f"{len(rest):,} further sizes", f"{sum(s.items for s in rest):,}"))
    return rows


def _column_values(c: Column) -> dict[str, Any]:
    names = ("mean", "std", "min", "q25", "median", "q75", "max")
    plain: dict[str, Any] = {"quantity": c.quantity.column, "unit": c.quantity.unit, "of": c.quantity.of}
    plain |= {"count": c.description.n, "missing": c.description.missing}
    plain |= {name: _number(value) for name, value in zip(names, _figures(c), strict=True)}
    if c.quantity in MEASURED:
        plain |= {"fence_low": _number(c.fences.low), "fence_high": _number(c.fences.high)}
        plain |= {"outliers_low": c.low, "outliers_high": c.high}
    return plain


def _group_values(g: Group) -> dict[str, Any]:
    d = g.description
    figures = {"mean": d.mean, "std": d.std, "q25": d.q25, "median": d.median, "q75": d.q75}
    told: dict[str, Any] = {"by": g.by, "label": printable(g.label), "n": d.n}
    return told | {name: _number(value) for name, value in figures.items()}


def _figures(c: Column) -> tuple[float, ...]:
    d = c.description
    return (d.mean, d.std, d.minimum, d.q25, d.median, d.q75, d.maximum)


def _number(value: float) -> float | None:
    return round(value, 9) if math.isfinite(value) else None


def _six(value: float) -> str:
    return f"{value:.6f}" if math.isfinite(value) else ""


def _rounded(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if math.isfinite(value) else "-"
