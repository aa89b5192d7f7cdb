"""From a manifest to what is in it: tables, outliers, groups, counts. No picture is opened and nothing is drawn here.

What a patient's items say of EF, EDV and ESV is one *measurement*: four stills and two clips that carry the same answer
count once, two examinations with different answers count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView, Phase, Sex, Split
from lvef.evaluation.exploring.notes import make_notes
from lvef.evaluation.exploring.records import (
    FURTHER,
    MEASURED,
    OF_CLIPS,
    Cell,
    Column,
    Count,
    Exploration,
    Group,
    Outlier,
    Quantity,
    Share,
    Size,
)
from lvef.geometry.categories import HeartFailureRange, ReportClass, heart_failure_range, report_class
from lvef.stats.describe import Description, describe, fences, outside

PATIENT = ("collection", "patient")
"""What tells patients apart: two collections may use the same name."""

MEASUREMENT = (*PATIENT, "ef_method", *(q.column for q in MEASURED))
"""What tells measurements apart."""

GROUPED_BY = ("collection", "split", "sex", "view", "quality", "ef_method")
"""Labels by which EF is parted."""

COUNTED_BY = ("collection", "kind", "view", "phase", "split", "sex", "quality", "diagnosis")
"""Labels that are counted."""

MOST_LABELS = 12
"""A column with more different words than these is free text, not a label; it is not shown."""

NOT_TOLD = "not told"
"""Label of those without one, where others have one."""

_ORDER = [
    *(str(split) for split in Split),
    *(str(sex) for sex in Sex),
    *(str(view) for view in DatasetView),
    *(str(phase) for phase in Phase),
    *("good", "medium", "poor"),
]


def explore(manifest: pl.DataFrame, name: str) -> Exploration:
    """Describe a manifest.

    Args:
        manifest: Validated, see `lvef.datasets.manifest`.
        name: Its file name, for headings and messages.

    Raises:
        DataError: It has no rows, or a number too large to be one.
    """
    if not len(manifest):
        raise DataError(
            f"{name} has no rows, so there is nothing to explore: import the collection again "
            "(lvef data import) and look at what was left out."
        )
    carried = manifest.filter(pl.any_horizontal(pl.col(q.column).is_not_null() for q in MEASURED))
    measured = carried.group_by(MEASUREMENT, maintain_order=True).agg(
        pl.first("item"), pl.len().alias("n_items")
    )
    columns = _columns(manifest, measured)
    edv_esv = measured.select("edv_ml", "esv_ml").drop_nulls().to_numpy()
    return Exploration(
        name=name,
        collections=tuple(manifest["collection"].unique(maintain_order=True)),
        n_items=len(manifest),
        n_patients=manifest.select(PATIENT).n_unique(),
        n_measurements=len(measured),
        columns=columns,
        edv_esv=edv_esv,
        outliers=_outliers(measured, columns),
        groups=tuple(group for by in GROUPED_BY for group in _groups(carried, by)),
        shares=_shares(columns[0]),
        counts=tuple(count for by in COUNTED_BY for count in _counts(manifest, by)),
        cells=_cells(manifest),
        sizes=_sizes(manifest),
        notes=make_notes(manifest, carried, measured, columns, MOST_LABELS),
    )


def _columns(manifest: pl.DataFrame, measured: pl.DataFrame) -> tuple[Column, ...]:
    n_patients = manifest.select(PATIENT).n_unique()
    found = []
    for quantity in MEASURED:
        known = measured.filter(pl.col(quantity.column).is_not_null())
        without = n_patients - known.select(PATIENT).n_unique()
        found.append(_column(quantity, known[quantity.column], without))
    clips = manifest.filter(pl.col("kind") == "clip")
    for quantity in FURTHER:
        if quantity.of == "patients":
            distinct = manifest.select(*PATIENT, quantity.column).unique(maintain_order=True)
            known = distinct.filter(pl.col(quantity.column).is_not_null())
            without = n_patients - known.select(PATIENT).n_unique()
            column = _column(quantity, known[quantity.column], without)
        else:
            values = (clips if quantity in OF_CLIPS else manifest)[quantity.column]
            column = _column(quantity, values.drop_nulls(), values.null_count())
        if column.description.n:
            found.append(column)
    return tuple(found)


def _column(quantity: Quantity, known: pl.Series, missing: int) -> Column:
    values = known.cast(pl.Float64).to_numpy()
    try:
        plain, ends = describe(values), fences(values)
    except DataError as error:
        raise DataError(f"The manifest's {quantity.column}: {error}") from None
    low, high = outside(values, ends)
    d = Description(
        *(plain.n, missing, plain.mean, plain.std, plain.minimum, plain.q25),
        *(plain.median, plain.q75, plain.maximum),
    )
    return Column(quantity, values, d, ends, int(low.sum()), int(high.sum()))


def _outliers(measured: pl.DataFrame, columns: Sequence[Column]) -> tuple[Outlier, ...]:
    found = []
    for column in columns[: len(MEASURED)]:
        name, ends = column.quantity.column, column.fences
        sides: tuple[tuple[str, float, Any, bool], ...] = (
            ("low", ends.low, pl.col(name) < ends.low, False),
            ("high", ends.high, pl.col(name) > ends.high, True),
        )
        for side, fence, beyond, descending in sides:
            if not column.description.n:
                continue
            rows = measured.filter(beyond).sort(name, descending=descending, maintain_order=True)
            found += [
                Outlier(row["item"], name, row[name], fence, side, row["patient"], row["n_items"])
                for row in rows.iter_rows(named=True)
            ]
    return tuple(found)


def _groups(carried: pl.DataFrame, by: str) -> list[Group]:
    keys = [key for key in MEASUREMENT if key != by]
    known = carried.filter(pl.col("ef_percent").is_not_null())
    distinct = known.select(*keys, by).unique(maintain_order=True)
    # Whoever has a label on one item is not "not told" for the items that have none.
    told_once = pl.col(by).is_not_null().any().over(keys)
    distinct = distinct.filter(pl.col(by).is_not_null() | ~told_once)
    labels = [label for label in distinct[by].unique(maintain_order=True) if label is not None]
    if not 2 <= len(labels) <= MOST_LABELS:
        return []
    found = []
    for label in [*_sorted_labels(labels), None]:
        mine = distinct.filter(pl.col(by).eq_missing(pl.lit(label, dtype=pl.String)))
        if len(mine):
            values = mine["ef_percent"].to_numpy()
            found.append(Group(by, NOT_TOLD if label is None else label, values, describe(values)))
    return found


def _counts(manifest: pl.DataFrame, by: str) -> list[Count]:
    # Only a still has a phase: clips are not "not told".
    asked = manifest.filter(pl.col("kind") == "still") if by == "phase" else manifest
    table = asked.group_by(by, maintain_order=True).agg(
        pl.len().alias("items"), pl.struct(PATIENT).n_unique().alias("patients")
    )
    rows = {row[by]: (row["items"], row["patients"]) for row in table.iter_rows(named=True)}
    labels = [label for label in rows if label is not None]
    if not 1 <= len(labels) <= MOST_LABELS:
        return []
    ordered: list[str | None] = [*_sorted_labels(labels)]
    if None in rows:
        ordered.append(None)
    return [Count(by, NOT_TOLD if label is None else label, *rows[label]) for label in ordered]


def _cells(manifest: pl.DataFrame) -> tuple[Cell, ...]:
    labels = ("view", "kind", "split")
    table = manifest.group_by(labels).agg(
        pl.len().alias("items"), pl.struct(PATIENT).n_unique().alias("patients")
    )
    cells = [
        Cell(row["view"], row["kind"], row["split"] or NOT_TOLD, row["items"], row["patients"])
        for row in table.iter_rows(named=True)
    ]
    return tuple(sorted(cells, key=lambda c: (_rank(c.view), c.kind, _rank(c.split))))


def _sizes(manifest: pl.DataFrame) -> tuple[Size, ...]:
    table = manifest.select("width_px", "height_px").drop_nulls()
    table = table.group_by("width_px", "height_px").agg(pl.len().alias("items"))
    ordered = table.sort("items", "width_px", "height_px", descending=[True, False, False])
    return tuple(Size(*row) for row in ordered.iter_rows())


def _shares(ef: Column) -> tuple[Share, ...]:
    if not len(ef.values):
        return ()
    found = []
    for table, known, classify in (
        ("heart_failure", HeartFailureRange, heart_failure_range),
        ("report", ReportClass, report_class),
    ):
        classes = np.array([str(classify(float(value))) for value in ef.values])
        found += [Share(table, str(label), int((classes == str(label)).sum())) for label in known]
    return tuple(found)


def _sorted_labels(labels: Sequence[str]) -> list[str]:
    """In the order people expect; unknown words by the alphabet, after the known ones."""
    return sorted(labels, key=lambda label: (_rank(label), label))


def _rank(label: str) -> int:
    known = {word.lower(): place for place, word in enumerate(_ORDER)}
    return known.get(label.lower(), len(_ORDER))
