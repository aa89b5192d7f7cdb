"""CSV tables of collections, read as text first: what a cell holds is judged by name, never guessed by position."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from lvef.core.errors import DataError
from lvef.datasets.findings import Findings, Severity

LINE = "_line"
"""Column that tells the line of the file on which a row stands, counted from 1 with the header."""

NOTHING = ("", "nan", "na", "n/a", "none", "null", "-")
"""Cells, in lower case, that say nothing."""


def read_text_table(path: Path, wanted: Sequence[str], findings: Findings) -> pl.DataFrame:
    """Read a CSV table as text.

    Args:
        path: The file, UTF-8; commas between the cells, one header row.
        wanted: Names of columns. A name is found whatever its case and the blanks around it; a column that is not there
            comes back empty. Blank lines are no rows.
        findings: Takes note of missing and of further columns, and of lines with too many cells.

    Returns:
        The wanted columns in their order, stripped, with null for cells that say nothing, then `LINE`.

    Raises:
        DataError: The file cannot be read, is no table, or has not even the first wanted column.
    """
    table = _read(path, findings)
    found = {name.strip().strip("\ufeff").lower(): name for name in reversed(table.columns)}
    missing = [name for name in wanted if name.lower() not in found]
    if wanted[0] in missing:
        raise DataError(
            f"{path}: has no column {wanted[0]} but {', '.join(table.columns[:12])[:200]}; expected are "
            f"{', '.join(wanted)}, with commas between them."
        )
    findings.add(
        "missing_columns",
        Severity.WARNING,
        "Tables of the collection lack columns; what they tell stays empty.",
        "Take the table as its owners hand it out.",
        [f"{path.name}: {name}" for name in missing],
    )
    used = {found[name.lower()] for name in wanted if name not in missing}
    findings.add(
        "extra_columns",
        Severity.NOTE,
        "Tables of the collection have further columns, which are not used.",
        "",
        [f"{path.name}: {name or '(without a name)'}" for name in table.columns if name not in used],
    )
    columns = [
        pl.lit(None, pl.String).alias(name)
        if name in missing
        else pl.col(found[name.lower()]).str.strip_chars().alias(name)
        for name in wanted
    ]
    silent = pl.col(*wanted)
    said = pl.when(silent.str.to_lowercase().is_in(NOTHING)).then(None).otherwise(silent).name.keep()
    lines = pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias(LINE)
    blank = pl.all_horizontal(pl.all().is_null())
    return (
        table.with_columns(lines)
        .filter(~table.select(blank).to_series())
        .select(*columns, LINE)
        .with_columns(said)
    )


def _read(path: Path, findings: Findings) -> pl.DataFrame:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); a CSV table was expected.") from None
    try:
        return pl.read_csv(io.BytesIO(data), infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as error:
        said = (str(error).strip().splitlines() or ["no reason given"])[0][:160]
    # Most often a line has a cell too many: the cells that are named can still be used.
    try:
        table = pl.read_csv(
            io.BytesIO(data), infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True
        )
    except pl.exceptions.PolarsError:
        raise DataError(f"{path}: is no CSV table ({said}); copy it again.") from None
    lines = data.decode("utf-8", "replace").splitlines()
    commas = lines[0].count(",") if lines else 0
    findings.add(
        "ragged_lines",
        Severity.WARNING,
        "Lines of a table have more cells than its header; the cells too many are not used.",
        "Look at these lines: a comma inside a cell shifts all that follow.",
        [f"{path.name}, line {i}" for i, line in enumerate(lines, 1) if line.count(",") > commas],
    )
    return table
