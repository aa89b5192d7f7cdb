"""Output folders from which a stopped run goes on: made, recognised by their settings, described in a JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lvef.core.errors import ConfigError, DataError
from lvef.core.serialization import read_json
from lvef.io.atomic import make_folder, write_text_atomic


def begin_folder(folder: Path, info_name: str, schema: str, settings: Mapping[str, Any]) -> bool:
    """Make an output folder, or check that an earlier run with the same settings made it.

    Args:
        folder: The folder.
        info_name: Its file with schema and settings.
        schema: What that must be.
        settings: What those must be.

    Returns:
        Whether an earlier run came to its end.

    Raises:
        DataError: It cannot be made, or holds something else.
        ConfigError: It was begun with other settings.
    """
    path = folder / info_name
    is_empty = make_folder(folder)
    if not path.exists():
        if not is_empty:
            raise foreign_files(folder)
        write_info(path, {"schema": schema, "settings": dict(settings), "complete": False})
        return False
    earlier = read_json(path, "give an empty or a new folder", schema)
    before, now = earlier.get("settings") or {}, json.loads(json.dumps(dict(settings)))
    changes = [
        f"{key} {_value(before.get(key))}, now it is {_value(now.get(key))}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if changes:
        raise ConfigError(f"{folder}: was begun with {'; '.join(changes)}: give the same or another folder.")
    return earlier.get("complete") is True


def are_there(folder: Path, files: Iterable[tuple[str, int]]) -> bool:
    """Whether files of a folder, each given with its bytes, are as they were written."""
    try:
        return all((folder / name).stat().st_size == size for name, size in files)
    except OSError:
        return False


def foreign_files(folder: Path) -> DataError:
    """The error of a folder that holds other files."""
    return DataError(f"{folder}: holds other files; give an empty or a new folder, so that nothing is mixed.")


def write_info(path: Path, info: Mapping[str, Any]) -> None:
    """Write a JSON object for people and programs.

    Raises:
        OutputError: It cannot be written.
    """
    write_text_atomic(path, json.dumps(dict(info), indent=2, ensure_ascii=False) + "\n")


def _value(value: object) -> str:
    return "none" if value is None else str(value)
