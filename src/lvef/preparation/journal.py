"""A journal of what is done, a line a thing, from which a run that was killed goes on.

It only ever grows, by one whole line at a time; a line that was cut off is passed over. One run holds it at a time.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError

if sys.platform != "win32":
    import fcntl

Entry = dict[str, Any]

REMOVED = "removed"
"""Mark of a line that takes an earlier one back."""


class Journal:
    """The entries of a journal by item, the latest of each.

    Args:
        path: The file; made when it is missing, its folder must exist.

    Raises:
        DataError: It cannot be opened, or another run holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        try:
            self._file = path.open("a+b")
            self._lock()
            self._file.seek(0)
            lines = self._file.read().split(b"\n")
        except OSError as error:
            raise DataError(
                f"{path} cannot be opened ({error.strerror}): check your rights and the free space."
            ) from None
        # Whatever follows the last line break was cut off; the next line must not be glued to it.
        self._torn = bool(lines[-1])
        for line in lines:
            entry = _entry(line)
            if entry is not None and not entry.get(REMOVED):
                self.entries[entry["item"]] = entry
            elif entry is not None:
                self.entries.pop(entry["item"], None)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add an entry, which has an ``item``. It outlives this process at once, and the machine after `sync`.

        Raises:
            DataError: It cannot be written.
        """
        self._write(entry)
        self.entries[entry["item"]] = dict(entry)

    def remove(self, item: str) -> None:
        """Take an entry back, for good: its line stays, and another line says that it no longer holds.

        Raises:
            DataError: It cannot be written.
        """
        self._write({"item": item, REMOVED: True})
        del self.entries[item]

    def sync(self) -> None:
        """See it onto the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(dict(entry), ensure_ascii=False).encode() + b"\n"
        try:
            self._file.write(b"\n" + line if self._torn else line)
            self._file.flush()
        except OSError as error:
            self._torn = True
            raise DataError(
                f"{self.path} could not be written ({error.strerror}): check the free space, then give the command again."
            ) from None
        self._torn = False

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise DataError(
                f"{self.path.parent}: another run is writing there; wait for its end or choose another folder."
            ) from None


def _entry(line: bytes) -> Entry | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values if isinstance(values, dict) and isinstance(values.get("item"), str) else None
