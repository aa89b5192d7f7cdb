"""CSV files of people and programs: either separator, either encoding, blank lines, rows that are too short or too long."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from lvef.core.errors import DataError

ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Tried in this order: UTF-8 with or without its mark, then what spreadsheets of Western Windows write."""

SEPARATORS = (",", ";", "\t")
"""What may stand between cells; the one that occurs most in the first line counts."""


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


def read_csv_rows(path: Path) -> CsvTable:
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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); a CSV file was expected.") from None
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


def find_only_csv(root: Path) -> Path:
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
        said = f"holds {len(found)} CSV files ({names})" if found else "holds no CSV file"
        raise DataError(f"{root}: {said}; {expected}: give the CSV file itself.")
    return found[0]


def _decoded(data: bytes) -> str:
    for encoding in ENCODINGS[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(ENCODINGS[-1])
