"""Files and CSV tables of a dataset: found, read, and what is odd about them noted.

Columns are found by name, never by position. `read_csv_table` takes the tables of users: any separator, either encoding,
rows of any length. `read_text_table` takes the large tables of published datasets, whose columns are known.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lvef.core.errors import DataError, first_line, panics_become, reading
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.io.probe import FileHeader

UNPACK = "Unpack the archive again and look whether it was whole; then import again."
"""Remedy where files are missing or damaged."""

# fmt: off
_UNREADABLE = FindingKind("unreadable", ERROR, "Headers of {what} cannot be read; their rows and labels are kept.",
    "Copy or unpack the files again; lvef data check names them, too.")
_TRUNCATED = FindingKind("truncated", WARNING, "Files of {what} are shorter than their headers say; they are kept.",
    "Copy the files again.")
# fmt: on


def walk_files(root: Path) -> Iterator[Path]:
    """Files of a folder and its subfolders, sorted within each; hidden ones and macOS's ``__MACOSX`` are skipped."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def name_on_disk(root: Path, name: str) -> str:
    """A name as it is written in a folder; copies differ in case."""
    if not root.is_dir():
        return name
    with os.scandir(root) as entries:
        names = {found.name.lower(): found.name for found in entries if found.name != name}
    return name if (root / name).exists() else names.get(name.lower(), name)


def read_file_header(
    path: Path, name: str, what: str, probe: Callable[[Path], FileHeader], findings: Findings
) -> FileHeader | None:
    """Header of a file, or None where it cannot be read.

    Args:
        path: The file, which is there.
        name: How findings call it.
        what: What such files are, for example ``"clips"``.
        probe: A function of `lvef.io.probe`.
        findings: Takes note of a header that cannot be read, and of a file that is cut off.
    """
    try:
        header = probe(path)
    except DataError:
        findings.add(_UNREADABLE.filled(what=what), name)
        return None
    findings.add(_TRUNCATED.filled(what=what), [name] if header.truncated else [])
    return header


def header_columns(header: FileHeader | None) -> dict[str, float | None]:
    """Frames, rate, duration and size of a file by its header, as columns of a manifest; none without a header."""
    if header is None:
        return {}
    n, rate = header.n_frames, header.frame_rate_hz
    return {
        "n_frames": n,
        "frame_rate_hz": rate,
        "duration_s": n / rate if n and rate else None,
        "height_px": header.height_px,
        "width_px": header.width_px,
    }


def drop_duplicate_rows(
    table: pl.DataFrame,
    key: str,
    content: Sequence[str],
    kinds: tuple[FindingKind, FindingKind],
    findings: Findings,
) -> pl.DataFrame:
    """Keep equal rows once, and rows that contradict each other not at all: which is right is not known.

    Args:
        table: Rows.
        key: Column with the name of what a row is about.
        content: Columns that equal rows share.
        kinds: How rows that contradict each other, and equal ones, are noted.
        findings: Takes note of both.
    """
    same = pl.struct(*content).n_unique().over(key) == 1
    repeated = same & (pl.len().over(key) > 1)
    for kind, which in zip(kinds, (~same, repeated), strict=True):
        findings.add(kind, table.filter(which)[key].unique(maintain_order=True).to_list())
    return table.filter(same).unique(key, keep="first", maintain_order=True)


ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Tried in this order: UTF-8 with or without its mark, then what spreadsheets of Western Windows write."""

SEPARATORS = (",", ";", "\t")
"""What may stand between cells; the one that occurs most in the first line is used."""

EMPTY_CELLS = ("", "nan", "na", "n/a", "none", "null", "-", "#n/a")
"""Cells, in lower case, that hold nothing."""

LINE = "_line"
"""Column with the line of the file on which a row stands, counted from 1 with the header."""

# fmt: off
_MISSING_COLUMNS = FindingKind("missing_columns", WARNING, "Tables of the dataset lack columns; their values stay empty.",
    "Take the table as its owners hand it out.")
_EXTRA_COLUMNS = FindingKind("extra_columns", NOTE, "Tables of the dataset have further columns, which are not used.")
_RAGGED_LINES = FindingKind("ragged_lines", WARNING,
    "Lines of a table have more cells than its header; the cells too many are not used.",
    "Look at these lines: a comma inside a cell shifts all that follow.")
# fmt: on


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row.

    Attributes:
        line: Its line in the file, counted from 1.
        cells: Stripped cells by column name; a missing one is empty.
        complete: Whether it has as many cells as the header.
    """

    line: int
    cells: dict[str, str]
    complete: bool


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A file's column names and rows.

    Attributes:
        columns: Names in the order of the file, stripped; an unnamed one is ``column N``.
        rows: Rows that are not blank.
        separator: What stands between its cells.
    """

    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]
    separator: str


def find_csv(root: Path) -> Path:
    """The CSV file that a user means.

    Args:
        root: The file itself, or a folder that holds exactly one.

    Raises:
        DataError: There is none, or more than one.
    """
    expected = "expected is a CSV file of paths, or a folder with exactly one"
    if root.is_file():
        return root
    if not root.is_dir():
        raise DataError(f"{root}: no such file or folder; {expected}.")
    found = sorted(p for p in root.iterdir() if p.suffix.lower() == ".csv" and not p.name.startswith("."))
    if len(found) != 1:
        names = ", ".join(p.name for p in found[:3])
        holds = f"holds {len(found)} CSV files ({names})" if found else "holds no CSV file"
        raise DataError(f"{root}: {holds}; {expected}: give the CSV file itself.")
    return found[0]


def read_csv_table(path: Path) -> CsvTable:
    """Read a CSV file whole.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, is empty, or is no text.
    """
    lines, separator = read_csv_cells(path)
    (_, header), body = lines[0], lines[1:]
    names = tuple(cell or f"column {i}" for i, cell in enumerate(header, 1))
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataError(
            f"{path}: more than one column is called {doubled[0]!r}; rename or remove the ones not meant."
        )
    rows = []
    for line, cells in body:
        filled = dict(zip(names, [*cells, *[""] * len(names)], strict=False))
        rows.append(CsvRow(line, filled, len(cells) == len(names)))
    return CsvTable(names, tuple(rows), separator)


def read_csv_cells(path: Path) -> tuple[list[tuple[int, list[str]]], str]:
    """Read a CSV file as bare cells, without taking its first line for a header.

    Args:
        path: The file.

    Returns:
        Line number and stripped cells of each line that is not blank (at least one), and the separator.

    Raises:
        DataError: It cannot be read, is empty, or is no text.
    """
    data = _read_bytes(path)
    if b"\0" in data:
        raise DataError(f"{path}: is not text; a CSV file in UTF-8 was expected: save it as CSV again.")
    text = _decoded(data)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                lines.append((reader.line_num, stripped))
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num} is no CSV ({error}); save the table as CSV again."
        ) from None
    if not lines:
        raise DataError(f"{path}: is empty; a header and rows were expected.")
    return lines, separator


def read_text_table(path: Path, wanted: Sequence[str], findings: Findings) -> pl.DataFrame:
    """Read a CSV table as text.

    Args:
        path: The file, UTF-8; commas between the cells, one header row.
        wanted: Names of columns. A name is found whatever its case and the blanks around it; a column that is not there
            comes back empty. Blank lines are no rows.
        findings: Takes note of missing and of further columns, and of lines with too many cells.

    Returns:
        The wanted columns in their order, stripped, with null for `EMPTY_CELLS`, then `LINE`.

    Raises:
        DataError: The file cannot be read, is no table, or has not even the first wanted column.
    """
    table = _read_with_polars(path, findings)
    found = {name.strip().strip("\ufeff").lower(): name for name in reversed(table.columns)}
    missing = [name for name in wanted if name.lower() not in found]
    if wanted[0] in missing:
        raise DataError(
            f"{path}: has no column {wanted[0]} but {', '.join(table.columns[:12])[:200]}; expected are "
            f"{', '.join(wanted)}, with commas between them."
        )
    findings.add(_MISSING_COLUMNS, [f"{path.name}: {name}" for name in missing])
    used = {found[name.lower()] for name in wanted if name not in missing}
    extra = [name for name in table.columns if name not in used]
    findings.add(_EXTRA_COLUMNS, [f"{path.name}: {name or '(without a name)'}" for name in extra])
    columns = [
        pl.lit(None, pl.String).alias(name)
        if name in missing
        else pl.col(found[name.lower()]).str.strip_chars().alias(name)
        for name in wanted
    ]
    cells = pl.col(*wanted)
    filled = pl.when(cells.str.to_lowercase().is_in(EMPTY_CELLS)).then(None).otherwise(cells).name.keep()
    lines = pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias(LINE)
    blank = table.select(pl.all_horizontal(pl.all().is_null())).to_series()
    return table.with_columns(lines).filter(~blank).select(*columns, LINE).with_columns(filled)


def _read_with_polars(path: Path, findings: Findings) -> pl.DataFrame:
    data = _read_bytes(path)
    with panics_become(DataError(f"{path}: is no CSV table; copy it again.")):
        return _parse_csv(path, data, findings)


def _parse_csv(path: Path, data: bytes, findings: Findings) -> pl.DataFrame:
    try:
        return pl.read_csv(io.BytesIO(data), infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as error:
        reason = first_line(error)
    # Most often a line has a cell too many: the cells that are named can still be used.
    try:
        table = pl.read_csv(
            io.BytesIO(data), infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True
        )
    except pl.exceptions.PolarsError:
        raise DataError(f"{path}: is no CSV table ({reason}); copy it again.") from None
    lines = data.decode("utf-8", "replace").splitlines()
    commas = lines[0].count(",") if lines else 0
    ragged = [i for i, line in enumerate(lines, 1) if line.count(",") > commas]
    findings.add(_RAGGED_LINES, [f"{path.name}, line {i}" for i in ragged])
    return table


def _read_bytes(path: Path) -> bytes:
    with reading(path, "a CSV table was expected"):
        return path.read_bytes()


def _decoded(data: bytes) -> str:
    for encoding in ENCODINGS[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(ENCODINGS[-1])
