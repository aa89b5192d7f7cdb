"""The folder that a run writes into, and what an earlier run left there."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError
from lvef.core.serialization import printable, to_json
from lvef.evaluation.page import Picture
from lvef.io.atomic import remove_files, write_bytes_atomic, write_text_atomic

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


def write_all(
    folder: Path,
    schema: str,
    texts: Mapping[str, str],
    pictures: Mapping[str, Picture],
    record: Callable[[list[str]], Mapping[str, Any]],
    keep: Collection[str] = (),
) -> list[str]:
    """Write a run's files. Files of an earlier run that this one does not have are removed.

    Args:
        folder: The output folder.
        schema: Layout of the run's record.
        texts: Texts by file name.
        pictures: Pictures by file name.
        record: Makes the run's record from the names that were written.
        keep: Names of an earlier run that stay.

    Returns:
        Names of the files written, the record last.

    Raises:
        DataError: A file cannot be written.
    """
    earlier = earlier_files(folder, schema)
    for name, picture in pictures.items():
        write_bytes_atomic(folder / name, picture.png)
    for name, text in texts.items():
        write_text_atomic(folder / name, text)
    written = sorted([*texts, *pictures])
    remove_files(folder, earlier - set(written) - set(keep))
    # Last, because it says that all the rest is there.
    write_text_atomic(folder / RUN_NAME, to_json(dict(record(written))))
    return [*written, RUN_NAME]
