"""The folder that a run writes into, and what an earlier run left there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lvef.core.errors import DataError
from lvef.measure.report import printable

RUN_NAME = "run.json"
"""What the run stood on, and which files it wrote."""


def make_folder(folder: Path) -> None:
    """Make the output folder before the work begins.

    Raises:
        DataError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another with --out."
        ) from None


def earlier_files(folder: Path, schema: str) -> set[str]:
    """Names that an earlier run of the same kind wrote there, as its own record tells them.

    Args:
        folder: The output folder.
        schema: Layout of the record; one of another kind is left alone.
    """
    try:
        record = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(record, Mapping) or record.get("schema") != schema:
        return set()
    # Names only: a record that was edited must not reach outside the folder.
    return {name for name in record.get("files", []) if isinstance(name, str) and Path(name).name == name}


def last_name(path: Path) -> str:
    """The last part of a path: the folders above may tell who works where."""
    return printable(path.resolve().name)
