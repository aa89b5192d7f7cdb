"""Manifests: the one table that every dataset is read into, in memory and as Parquet, or CSV for people.

One row is one item, a clip or a still. A cell that is not known is null, never 0, -1 or an empty text. A manifest is a
`polars.DataFrame` with exactly the columns of `COLUMNS`, in their order, and is validated whenever it is read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import polars as pl

from lvef.core.errors import DataError, first_line, panics_become, reading
from lvef.core.records import FloatArray
from lvef.core.terms import DatasetView, Phase, Sex, Split
from lvef.io.atomic import write_bytes_atomic

Kind = Literal["text", "whole", "number"]
"""What a column holds: text, whole numbers (int64) or numbers (float64)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a manifest.

    Attributes:
        name: Its name, with the unit at the end where there is one.
        kind: What it holds.
        meaning: One line for people.
        allowed: The words it may hold, or empty for any.
        low: Least value it may hold, or None.
        high: Largest value it may hold, or None.
        required: Whether a null is an error.
    """

    name: str
    kind: Kind
    meaning: str
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = False

    def allows(self, value: float) -> bool:
        """Whether a number may stand in the column."""
        in_range = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return math.isfinite(value) and in_range and (self.kind == "number" or value == int(value))


COLUMNS: tuple[Column, ...] = (
    Column("item", "text", "Name of the clip or still, unique in the manifest", required=True),
    Column("collection", "text", "Short name of the dataset", required=True),
    Column("patient", "text", "Whom it shows; splits never part a patient", required=True),
    Column("kind", "text", "Clip (several frames) or still", ("clip", "still"), required=True),
    Column("view", "text", "View as the dataset labels it", tuple(DatasetView), required=True),
    Column("phase", "text", "Cardiac phase of a still", tuple(Phase)),
    Column("root", "text", "Folder that the paths below start from", required=True),
    Column("path", "text", "File of the image, from root, with forward slashes", required=True),
    Column("mask_path", "text", "File of the segmentation mask, from root"),
    Column("tracing_path", "text", "Table of tracings, from root"),
    Column("n_frames", "whole", "Number of frames", low=1),
    Column("frame_rate_hz", "number", "Median frames a second", low=0.1, high=1000),
    Column("duration_s", "number", "Time from the first to the last frame, plus one frame", low=0),
    Column("frame_times_s", "text", "Times of the frames, joined by ';', only where they are uneven"),
    Column("height_px", "whole", "Height of the image", low=1),
    Column("width_px", "whole", "Width of the image", low=1),
    Column("spacing_x_mm", "number", "Width of one pixel", low=0),
    Column("spacing_y_mm", "number", "Height of one pixel", low=0),
    Column("ef_percent", "number", "Ejection fraction as the dataset states it", low=0, high=100),
    Column("edv_ml", "number", "End-diastolic volume as the dataset states it", low=0),
    Column("esv_ml", "number", "End-systolic volume as the dataset states it", low=0),
    Column("ef_method", "text", "How the dataset came to its EF and volumes"),
    Column("ed_frame", "whole", "End-diastolic frame, counted from 0", low=0),
    Column("es_frame", "whole", "End-systolic frame, counted from 0", low=0),
    Column("n_traced_frames", "whole", "Frames with a tracing or a mask", low=0),
    Column("age_years", "number", "Age", low=0, high=130),
    Column("sex", "text", "Sex", tuple(Sex)),
    Column("heart_rate_bpm", "number", "Heart rate", low=10, high=400),
    Column("diagnosis", "text", "Diagnosis in the words of the dataset"),
    Column("quality", "text", "Image quality in the words of the dataset"),
    Column("labels", "text", "All other labels of the dataset, as a JSON object"),
    Column("split", "text", "Split of the dataset", tuple(Split)),
    Column("split_name", "text", "The split in the words of the dataset"),
    Column("told_by", "text", "Where the labels were read: file, and line where there is one"),
    Column("licence", "text", "Terms of the dataset in a few words", required=True),
)
"""Every column, in order."""

BY_NAME: Mapping[str, Column] = MappingProxyType({c.name: c for c in COLUMNS})
"""Columns by name."""


POLARS_TYPES: dict[str, pl.DataType] = {"text": pl.String(), "whole": pl.Int64(), "number": pl.Float64()}
"""Kind of a column -> its type in memory."""

PATHS = ("path", "mask_path", "tracing_path")
"""Columns of files, from the folder ``root``."""

SUFFIXES = (".parquet", ".csv")
"""Endings of manifest files."""

SHOWN = 3
"""Bad rows that a message names."""


def make_manifest(rows: Iterable[Mapping[str, Any]], where: str = "manifest") -> pl.DataFrame:
    """A validated manifest of rows; columns that a row does not name are null.

    Args:
        rows: Values by column name.
        where: What to call it in messages.

    Raises:
        DataError: A column that the schema does not know, or a value that it does not allow.
    """
    listed = list(rows)
    unknown = sorted({name for row in listed for name in row} - BY_NAME.keys())
    if unknown:
        raise DataError(f"{where}: unknown column {', '.join(unknown)}; known are {', '.join(BY_NAME)}.")
    columns = {c.name: [_plain(row.get(c.name), c) for row in listed] for c in COLUMNS}
    schema = {c.name: POLARS_TYPES[c.kind] for c in COLUMNS}
    try:
        table = pl.DataFrame(columns, schema=schema, strict=True)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{where}: a value has the wrong type ({first_line(error)}).") from None
    return validate_table(table, where)


def timing_columns(times_s: FloatArray, tolerance: float) -> dict[str, Any]:
    """Frame rate and duration of a clip and, where they are uneven, the times of its frames, as columns.

    Args:
        times_s: ``(n,)`` times of the frames, two at least.
        tolerance: Part of the median step by which steps may differ from it before the times are written one by one.
    """
    steps = np.diff(times_s)
    step = float(np.median(steps))
    uneven = float(np.abs(steps - step).max()) > tolerance * step
    return {
        "frame_rate_hz": 1.0 / step,
        "duration_s": float(times_s[-1] - times_s[0]) + step,
        "frame_times_s": ";".join(f"{time:.6g}" for time in times_s) if uneven else None,
    }


def values_for(kind: type, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest's row states of the fields of a dataclass that are named as columns, with whole paths.

    Args:
        kind: The dataclass; fields of which nothing is stated keep its defaults.
        row: Values by column.
    """
    stated = {f.name: row[f.name] for f in fields(kind) if row.get(f.name) is not None}
    return stated | {name: Path(row["root"]) / stated[name] for name in PATHS if name in stated}


def read_manifest(path: Path) -> pl.DataFrame:
    """Read and validate a manifest file.

    Args:
        path: ``.parquet`` or ``.csv``; columns that are missing and not required are null, the order of columns is free.

    Raises:
        DataError: The file is missing, is no table, or breaks the schema.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{path}: a manifest ends in {' or '.join(SUFFIXES)}; make one with lvef data import."
        )
    with reading(path, "a manifest was expected"):
        data = path.read_bytes()
    with panics_become(DataError(f"{path}: is no {path.suffix[1:]} table or is damaged; import it again.")):
        try:
            if path.suffix.lower() == ".parquet":
                table = pl.read_parquet(io.BytesIO(data))
            else:
                table = pl.read_csv(io.BytesIO(data), infer_schema=False)
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"{path}: is no {path.suffix[1:]} table ({first_line(error)}); import it again."
            ) from None
        return conform_table(table, str(path))


def conform_table(table: pl.DataFrame, where: str) -> pl.DataFrame:
    """A table brought to the schema's columns, order and types, then validated.

    Raises:
        DataError: An unknown column, or a value that cannot be what its column wants.
    """
    missing = [c.name for c in COLUMNS if c.required and c.name not in table.columns]
    if missing:
        raise DataError(
            f"{where}: is a table, but no manifest: it has no column {', '.join(missing)}. "
            "The table of a dataset becomes a manifest with lvef data import; lvef data info lists the datasets."
        )
    unknown = sorted(set(table.columns) - BY_NAME.keys())
    if unknown:
        raise DataError(f"{where}: unknown column {', '.join(unknown)}; known are {', '.join(BY_NAME)}.")
    parts = []
    for column in COLUMNS:
        wanted = POLARS_TYPES[column.kind]
        if column.name not in table.columns:
            parts.append(pl.Series(column.name, [None] * len(table), dtype=wanted))
            continue
        found = table[column.name]
        if found.dtype == pl.String:
            found = found.set(found == "", None)
        cast = found.cast(wanted, strict=False)
        lost = (cast.is_null() & found.is_not_null()).arg_true()
        if len(lost):
            raise DataError(
                f"{where}: {column.name} holds {found[int(lost[0])]!r} in row {int(lost[0]) + 1} "
                f"({len(lost)} such rows), {_wanted(column)} was expected."
            )
        parts.append(cast)
    return validate_table(pl.DataFrame(parts), where)


def write_manifest(table: pl.DataFrame, path: Path) -> None:
    """Write a manifest whole or not at all, as Parquet or CSV by its suffix.

    Raises:
        DataError: The suffix is neither, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: a manifest ends in {' or '.join(SUFFIXES)}.")
    buffer = io.BytesIO()
    if suffix == ".parquet":
        table.write_parquet(buffer)
    else:
        table.write_csv(buffer)
    write_bytes_atomic(path, buffer.getvalue())


def validate_table(table: pl.DataFrame, where: str) -> pl.DataFrame:
    """The same table, once every value is one that the schema allows.

    Raises:
        DataError: With the column, the first bad rows and what was expected.
    """
    items = table["item"]
    for column in COLUMNS:
        values = table[column.name]
        bad = _bad(values, column)
        rows = bad.arg_true().to_list()
        if rows:
            shown = ", ".join(f"{items[i]} ({values[i]!r})" for i in rows[:SHOWN])
            raise DataError(
                f"{where}: {column.name} must be {_wanted(column)}; {len(rows)} rows are not, first {shown}."
            )
    twice = items.filter(items.is_duplicated()).unique(maintain_order=True)
    if len(twice):
        raise DataError(
            f"{where}: item names must be unique; {len(twice)} are not, first {', '.join(twice[:SHOWN])}."
        )
    return table


def _bad(values: pl.Series, column: Column) -> pl.Series:
    """Which rows hold what the column does not allow."""
    null = values.is_null()
    bad = null if column.required else null & False
    if column.allowed:
        bad = bad | (~values.is_in(list(column.allowed)) & ~null)
    if column.kind == "number":
        bad = bad | (~values.is_finite()).fill_null(False)
    if column.low is not None:
        bad = bad | (values < column.low).fill_null(False)
    if column.high is not None:
        bad = bad | (values > column.high).fill_null(False)
    return bad


def _wanted(column: Column) -> str:
    if column.allowed:
        return "one of " + ", ".join(column.allowed)
    words = {"text": "text", "whole": "a whole number", "number": "a finite number"}[column.kind]
    if column.low is not None and column.high is not None:
        return f"{words} from {column.low:g} to {column.high:g}"
    return f"{words} of at least {column.low:g}" if column.low is not None else words


def _plain(value: Any, column: Column) -> Any:  # noqa: ANN401
    """Enum members as their words, paths with forward slashes, integers where a number is wanted as floats."""
    if value is None:
        return None
    if isinstance(value, Path):
        return value.as_posix()
    if column.kind == "text" and isinstance(value, str):
        return str(value)
    if column.kind == "number":
        return float(value)
    return int(value) if column.kind == "whole" else value
