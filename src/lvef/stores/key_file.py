"""The key from running numbers back to names: written only when asked for, and never beside the copies."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from lvef.core.errors import DataError
from lvef.io.atomic import check_writable, write_text_atomic
from lvef.stores.convert import Conversion

KEY_COLUMNS = ("item", "patient", "source", "own_item", "own_patient")
"""Number of the copy and of the patient; file, name and pseudonym that they stand for."""


def check_key_file(path: Path) -> None:
    """See that a key can be written, before there is anything to explain.

    Raises:
        DataError: What is there is no key, or it cannot be written.
    """
    _earlier(path)
    check_writable(path)


def write_key_file(path: Path, done: Sequence[Conversion]) -> None:
    """Write the key, with the rows of earlier runs that are not among those given.

    Args:
        path: A CSV file.
        done: What was converted or kept.

    Raises:
        DataError: What is there is no key, or it cannot be written.
    """
    rows = {row["item"]: row for row in _earlier(path)}
    for finished in done:
        if finished.outcome in ("converted", "kept"):
            source = finished.source
            values = (finished.name, finished.patient, str(source.path), source.item, finished.own_patient)
            rows[finished.name] = dict(zip(KEY_COLUMNS, values, strict=True))
    text = io.StringIO()
    writer = csv.DictWriter(text, KEY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(rows))
    write_text_atomic(path, text.getvalue().encode("utf-8", "replace").decode("utf-8"))


def _earlier(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            found = list(reader)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError, csv.Error):
        found, reader = [], None
    if reader is None or tuple(reader.fieldnames or ()) != KEY_COLUMNS:
        raise DataError(f"{path}: is no key of lvef data convert; choose another file with --key-file.")
    return found
