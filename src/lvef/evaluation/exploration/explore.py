"""Contents of a manifest: statistics, outliers, EF by label, counts. No image is opened and nothing is drawn here.

The EF, EDV and ESV of a patient are one *measurement*: four stills and two clips with the same values count once, two
examinations with different values count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from lvef.core.errors import DataError
from lvef.core.records import FloatArray
from lvef.core.terms import DatasetView, Phase, Sex, Split
from lvef.evaluation.metrics import NOT_STATED
from lvef.geometry.categories import HeartFailureRange, ReportClass, heart_failure_range, report_class
from lvef.stats.describe import Description, Fences, describe, fences, outside


@dataclass(frozen=True, slots=True)
class Quantity:
    """A numeric column of a manifest.

    Attributes:
        column: Its name.
        name: Its name for people.
        unit: Its unit; empty for a count.
        of: What has one value: ``measurements``, ``clips``, ``items`` or ``patients``.
    """

    column: str
    name: str
    unit: str
    of: str

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


MEASURED = (
    Quantity("ef_percent", "EF", "%", "measurements"),
    Quantity("edv_ml", "EDV", "ml", "measurements"),
    Quantity("esv_ml", "ESV", "ml", "measurements"),
)
"""In every table, known or not; their outliers are listed (SPEC.md 2)."""

FURTHER = (
    Quantity("frame_rate_hz", "Frame rate", "frames/s", "clips"),
    Quantity("duration_s", "Duration", "s", "clips"),
    Quantity("n_frames", "Frames", "", "clips"),
    Quantity("height_px", "Height", "px", "items"),
    Quantity("width_px", "Width", "px", "items"),
    Quantity("age_years", "Age", "years", "patients"),
    Quantity("heart_rate_bpm", "Heart rate", "/min", "patients"),
)
"""Described where any value is known."""

PATIENT = ("collection", "patient")
"""Columns that identify a patient: two datasets may use the same name."""

MEASUREMENT = (*PATIENT, "ef_method", *(q.column for q in MEASURED))
"""Columns that identify a measurement."""

GROUPED_BY = ("collection", "split", "sex", "view", "quality", "ef_method")
"""Labels by which EF is grouped."""

COUNTED_BY = ("collection", "kind", "view", "phase", "split", "sex", "quality", "diagnosis")
"""Labels that are counted."""

MOST_LABELS = 12
"""A column with more distinct values is free text and is not shown."""

LABEL_WORDS = {
    "collection": "Dataset",
    "kind": "Kind",
    "view": "View",
    "phase": "Phase of stills",
    "split": "Split",
    "sex": "Sex",
    "quality": "Image quality",
    "diagnosis": "Diagnosis",
    "ef_method": "EF method",
}
"""Label columns in words."""

NOTED_LABELS = ("split", "sex", "view", "quality", "diagnosis")
"""Labels whose absence, or single value, is noted."""

_LABEL_ORDER = [
    str(label).lower() for label in (*Split, *Sex, *DatasetView, *Phase, "good", "medium", "poor")
]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Statistics of one quantity.

    Attributes:
        quantity: Which.
        values: ``(n,)`` known values.
        description: Their statistics; ``missing`` counts those of `Quantity.of` without one, of measurements the patients.
        fences: Ends of the whisker rule.
        low: Values below the low fence.
        high: Values above the high fence.
    """

    quantity: Quantity
    values: FloatArray
    description: Description
    fences: Fences
    low: int
    high: int


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """EF of the measurements with one label. A patient with items under several labels is in each group once.

    Attributes:
        by: Column of the label.
        label: The label, or `NOT_STATED`.
        values: ``(n,)`` EF in percent.
        description: Their statistics.
    """

    by: str
    label: str
    values: FloatArray
    description: Description


@dataclass(frozen=True, slots=True, eq=False)
class Exploration:
    """Contents of a manifest.

    Attributes:
        name: File name of the manifest.
        collections: Short names of its datasets.
        n_items: Rows.
        n_patients: Patients.
        n_measurements: Distinct measurements.
        columns: `MEASURED`, then those of `FURTHER` that have values.
        edv_esv: ``(n, 2)`` EDV and ESV in ml of the measurements with both.
        outliers: item, quantity, value, fence, side, patient, n_items: of `MEASURED`, by quantity, then side, then the most
            extreme first.
        groups: EF by label, for labels with at least two values.
        classes: table, class, n: classes of EF (`lvef.geometry.categories`).
        counts: by, label, items, patients.
        contents: view, kind, split, items, patients.
        sizes: width_px, height_px, items: image sizes, the most frequent first.
        notes: Notes to the reader, the most important first.
    """

    name: str
    collections: tuple[str, ...]
    n_items: int
    n_patients: int
    n_measurements: int
    columns: tuple[Column, ...]
    edv_esv: FloatArray
    outliers: pl.DataFrame
    groups: tuple[Group, ...]
    classes: pl.DataFrame
    counts: pl.DataFrame
    contents: pl.DataFrame
    sizes: pl.DataFrame
    notes: tuple[str, ...]

    def column(self, name: str) -> Column | None:
        """The column of that name, if any of its values is known."""
        return next((c for c in self.columns if c.quantity.column == name and c.description.n), None)


def explore(manifest: pl.DataFrame, name: str) -> Exploration:
    """Describe a manifest.

    Args:
        manifest: Validated, see `lvef.datasets.manifest`.
        name: Its file name, for headings and messages.

    Raises:
        DataError: It has no rows, or a value too large to be true.
    """
    if not len(manifest):
        raise DataError(
            f"{name} has no rows, so there is nothing to explore: import the dataset again (lvef data import) and read "
            "what was left out."
        )
    with_values = manifest.filter(pl.any_horizontal(pl.col(q.column).is_not_null() for q in MEASURED))
    measured = with_values.group_by(MEASUREMENT, maintain_order=True).agg(
        pl.first("item"), pl.len().alias("n_items")
    )
    columns = _columns(manifest, measured)
    return Exploration(
        name=name,
        collections=tuple(manifest["collection"].unique(maintain_order=True)),
        n_items=len(manifest),
        n_patients=_n_patients(manifest),
        n_measurements=len(measured),
        columns=columns,
        edv_esv=measured.select("edv_ml", "esv_ml").drop_nulls().to_numpy(),
        outliers=_outliers(measured, columns),
        groups=tuple(group for by in GROUPED_BY for group in _groups(with_values, by)),
        classes=_classes(columns[0].values),
        counts=_counts(manifest),
        contents=_contents(manifest),
        sizes=manifest.select("width_px", "height_px")
        .drop_nulls()
        .group_by("width_px", "height_px")
        .agg(pl.len().alias("items"))
        .sort("items", "width_px", "height_px", descending=[True, False, False]),
        notes=_notes(manifest, measured, columns),
    )


def _n_patients(rows: pl.DataFrame) -> int:
    return rows.select(PATIENT).n_unique()


def _columns(manifest: pl.DataFrame, measured: pl.DataFrame) -> tuple[Column, ...]:
    columns = []
    for quantity in (*MEASURED, *FURTHER):
        rows = measured if quantity in MEASURED else manifest
        if quantity.of == "clips":
            rows = manifest.filter(pl.col("kind") == "clip")
        elif quantity.of == "patients":
            rows = manifest.select(*PATIENT, quantity.column).unique(maintain_order=True)
        known = rows.filter(pl.col(quantity.column).is_not_null())
        missing = len(rows) - len(known)
        if quantity.of in ("measurements", "patients"):
            missing = _n_patients(manifest) - _n_patients(known)
        if len(known) or quantity in MEASURED:
            columns.append(_column(quantity, known[quantity.column], missing))
    return tuple(columns)


def _column(quantity: Quantity, known: pl.Series, missing: int) -> Column:
    values = known.cast(pl.Float64).to_numpy()
    try:
        description, ends = describe(values), fences(values)
    except DataError as error:
        raise DataError(f"The manifest's {quantity.column}: {error}") from None
    low, high = outside(values, ends)
    return Column(
        quantity, values, replace(description, missing=missing), ends, int(low.sum()), int(high.sum())
    )


def _outliers(measured: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    parts = []
    for column in columns[: len(MEASURED)]:
        name, ends = column.quantity.column, column.fences
        for side, fence, beyond in (
            ("low", ends.low, pl.col(name) < ends.low),
            ("high", ends.high, pl.col(name) > ends.high),
        ):
            rows = measured.filter(beyond).sort(name, descending=side == "high", maintain_order=True)
            parts.append(
                rows.select(
                    "item",
                    pl.lit(name).alias("quantity"),
                    pl.col(name).cast(pl.Float64).alias("value"),
                    pl.lit(fence).alias("fence"),
                    pl.lit(side).alias("side"),
                    "patient",
                    "n_items",
                )
            )
    return pl.concat(parts)


def _groups(with_values: pl.DataFrame, by: str) -> list[Group]:
    keys = [key for key in MEASUREMENT if key != by]
    known = with_values.filter(pl.col("ef_percent").is_not_null())
    distinct = known.select(*keys, by).unique(maintain_order=True)
    # A measurement with a label on one item is not unknown for its items without one.
    labelled = pl.col(by).is_not_null().any().over(keys)
    distinct = distinct.filter(pl.col(by).is_not_null() | ~labelled)
    labels = [label for label in distinct[by].unique(maintain_order=True) if label is not None]
    if not 2 <= len(labels) <= MOST_LABELS:
        return []
    groups = []
    for label in [*sorted(labels, key=_label_order), None]:
        values = distinct.filter(pl.col(by).eq_missing(pl.lit(label, dtype=pl.String)))[
            "ef_percent"
        ].to_numpy()
        if len(values):
            groups.append(Group(by, NOT_STATED if label is None else label, values, describe(values)))
    return groups


def _count(rows: pl.DataFrame, *labels: str) -> list[tuple[str | int | None, ...]]:
    """Label of each of ``labels``, items and patients."""
    counts = rows.group_by(labels, maintain_order=True).agg(
        pl.len().alias("items"), pl.struct(PATIENT).n_unique().alias("patients")
    )
    return counts.rows()


def _counts(manifest: pl.DataFrame) -> pl.DataFrame:
    found = []
    for by in COUNTED_BY:
        # Only a still has a phase: that of a clip is not unknown.
        rows = _count(manifest.filter(pl.col("kind") == "still") if by == "phase" else manifest, by)
        if 1 <= sum(label is not None for label, *_ in rows) <= MOST_LABELS:
            ordered = sorted(rows, key=lambda row: (row[0] is None, _label_order(str(row[0]))))
            found += [(by, NOT_STATED if label is None else label, *counts) for label, *counts in ordered]
    return pl.DataFrame(found, ["by", "label", "items", "patients"], orient="row")


def _contents(manifest: pl.DataFrame) -> pl.DataFrame:
    rows = [
        (view, kind, split or NOT_STATED, *counts)
        for view, kind, split, *counts in _count(manifest, "view", "kind", "split")
    ]
    rows.sort(key=lambda row: (_label_order(str(row[0]))[0], str(row[1]), _label_order(str(row[2]))[0]))
    return pl.DataFrame(rows, ["view", "kind", "split", "items", "patients"], orient="row")


def _classes(ef: FloatArray) -> pl.DataFrame:
    rows = []
    for table, classes, classify in (
        ("heart_failure", HeartFailureRange, heart_failure_range),
        ("report", ReportClass, report_class),
    ):
        found = [str(classify(float(value))) for value in ef]
        rows += [(table, str(label), found.count(str(label))) for label in classes if len(ef)]
    return pl.DataFrame(rows, {"table": pl.String, "class": pl.String, "n": pl.Int64}, orient="row")


def _label_order(label: str) -> tuple[int, str]:
    """Known labels in their usual order, then others by the alphabet."""
    known = label.lower() in _LABEL_ORDER
    return (_LABEL_ORDER.index(label.lower()) if known else len(_LABEL_ORDER)), label


def _notes(manifest: pl.DataFrame, measured: pl.DataFrame, columns: Sequence[Column]) -> tuple[str, ...]:
    notes = _measurement_notes(manifest, measured, columns[0].description.n)
    if len(manifest) == 1:
        notes.append("The manifest has one item: it has no spread.")
    for column in columns[: len(MEASURED)]:
        d, q = column.description, column.quantity
        if d.n > 1 and d.minimum == d.maximum:
            notes.append(f"Every {q.name} is {d.mean:g} {q.unit}: its standard deviation and z-scores are 0.")
    n_swapped = int((measured["edv_ml"] < measured["esv_ml"]).sum())
    if n_swapped:
        notes.append(f"In {plural(n_swapped, 'measurement')} EDV is smaller than ESV: run lvef data check.")
    has_clips = bool((manifest["kind"] == "clip").any())
    labels = {
        # A view called unknown is no label.
        LABEL_WORDS[name].lower(): sorted(set(manifest[name].drop_nulls().unique()) - {DatasetView.UNKNOWN})
        for name in NOTED_LABELS
    }
    missing = [
        q.name if q in MEASURED else q.name.lower()
        for q in (*MEASURED[1:], *FURTHER)
        if manifest[q.column].null_count() == len(manifest) and (has_clips or q.of != "clips")
    ]
    missing += [words for words, values in labels.items() if not values]
    single = [f"{words} ({values[0]})" for words, values in labels.items() if len(values) == 1]
    free_text = [words for words, values in labels.items() if len(values) > MOST_LABELS]
    if missing:
        notes.append(f"Not known: {', '.join(missing)}.")
    if single and len(manifest) > 1:
        notes.append(f"One value only, so nothing is compared by it: {', '.join(single)}.")
    if free_text:
        notes.append(
            f"More than {MOST_LABELS} different values, so neither counted nor compared: {', '.join(free_text)}."
        )
    return tuple(notes)


def _measurement_notes(manifest: pl.DataFrame, measured: pl.DataFrame, n_ef: int) -> list[str]:
    notes = []
    if not n_ef:
        names = ", ".join(manifest["collection"].unique(maintain_order=True))
        rest = " but volumes" if len(measured) else ""
        notes.append(f"This manifest ({names}) has no EF{rest}; the other columns are explored.")
    n_items = int(measured["n_items"].sum())
    if n_items > len(measured):
        notes.append(
            f"Equal values on several items of a patient count once: {plural(len(measured), 'measurement')} of "
            f"{plural(_n_patients(measured), 'patient')}, on {plural(n_items, 'item')}."
        )
    several = int((measured.group_by(PATIENT).len()["len"] > 1).sum())
    if several:
        notes.append(
            f"{plural(several, 'patient')} with more than one measurement: each counts, so these patients weigh more."
        )
    with_ef = measured.filter(pl.col("ef_percent").is_not_null())
    without = _n_patients(manifest) - _n_patients(with_ef)
    if n_ef and without:
        notes.append(f"{without:,} of {plural(_n_patients(manifest), 'patient')} without an EF.")
    methods = with_ef["ef_method"].unique(maintain_order=True).to_list()
    if len(methods) > 1:
        words = "; ".join(NOT_STATED if method is None else method for method in methods[:4])
        notes.append(
            f"EF comes from {len(methods)} methods ({words}{'; ...' if len(methods) > 4 else ''}): a mean over all of "
            "them mixes definitions."
        )
    return notes


def plural(n: int, word: str) -> str:
    """A number and its noun.

    Example:
        >>> plural(1, "item"), plural(1200, "item")
        ('1 item', '1,200 items')
    """
    return f"{n:,} {word}{'' if n == 1 else 's'}"
