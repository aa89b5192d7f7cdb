"""The journal of a run: one line per finished item, from which a run that was stopped goes on.

A journal only grows, by one whole line at a time; a line that was cut off is skipped. Files are known by a hash of their
full path, which does not reveal where they lie.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError, LvefError, OutputError, explained, os_reason, reading
from lvef.core.locks import is_locked_elsewhere
from lvef.core.serialization import parse_json

JOURNAL_NAME = "finished.jsonl"
"""Name of the journal in an output folder."""

REMOVED = "removed"
"""Key of a line that withdraws an earlier one."""

Entry = dict[str, Any]
"""What the journal holds of an item, as JSON values."""


class Journal:
    """The entries of a journal by item, the latest of each.

    Args:
        path: The file; its folder must exist.
        key: Which value of an entry identifies the item.
        exclusive: One run holds the journal at a time. A shared journal is made with the first entry.

    Raises:
        OutputError: It cannot be opened, or another run holds it.
    """

    def __init__(self, path: Path, *, key: str = "item", exclusive: bool = True) -> None:
        self.path, self._key = path, key
        self.entries: dict[str, Entry] = {}
        self._file: FileIO | None = None
        content = b""
        remedy = ": check your rights and the free space, or choose another folder."
        with explained(OutputError, f"{path} cannot be opened", remedy):
            if exclusive:
                # Unbuffered: what a full disk did not take must not be written once more later.
                self._file = path.open("a+b", buffering=0)
                self._lock(self._file)
                self._file.seek(0)
                content = self._file.read()
            elif path.exists():
                content = path.read_bytes()
        *lines, rest = content.split(b"\n")
        # Whatever follows the last line break was cut off; the next line must not be appended to it.
        self._is_torn = bool(rest)
        for line in [*lines, rest]:
            self._read(line)

    def matching(self, item: str, stamp: str, made_with: str) -> Entry | None:
        """The entry of an item, if it was made of the same files with the same settings.

        Args:
            item: The item.
            stamp: `file_stamp` of its files now; an empty one never matches.
            made_with: `settings_key` of the settings now.
        """
        entry = self.entries.get(item)
        if entry is None or not stamp or (entry.get("stamp"), entry.get("made_with")) != (stamp, made_with):
            return None
        return entry

    def append(self, entry: Mapping[str, Any], *, sync: bool = False) -> None:
        """Add an entry. It outlives this process at once, and a power failure after `sync`.

        Args:
            entry: As JSON values, with the item under the journal's ``key``.
            sync: Write it through to the disk.

        Raises:
            OutputError: It cannot be written.
        """
        self._write(entry, sync)
        self.entries[entry[self._key]] = dict(entry)

    def remove(self, item: str) -> None:
        """Withdraw an entry: its line stays, and another line says that it no longer holds.

        Raises:
            OutputError: It cannot be written.
        """
        self._write({self._key: item, REMOVED: True}, sync=False)
        del self.entries[item]

    def sync(self) -> None:
        """Write all entries through to the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _read(self, line: bytes) -> None:
        try:
            entry = parse_json(line)
        except ValueError:
            return
        if not isinstance(entry, dict) or not isinstance(item := entry.get(self._key), str):
            return
        if entry.get(REMOVED):
            self.entries.pop(item, None)
        else:
            self.entries[item] = entry

    def _write(self, entry: Mapping[str, Any], sync: bool) -> None:
        line = json.dumps(dict(entry), ensure_ascii=False).encode() + b"\n"
        try:
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
            rest = memoryview(b"\n" + line if self._is_torn else line)
            while rest:
                rest = rest[self._file.write(rest) :]
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._is_torn = True
            raise OutputError(
                f"{self.path} could not be written ({os_reason(error)}): check your rights and the free space, then give "
                "the command again."
            ) from None
        self._is_torn = False

    def _lock(self, file: FileIO) -> None:
        if is_locked_elsewhere(file):
            file.close()
            raise OutputError(
                f"{self.path.parent}: another run is writing there; wait for its end or choose another folder."
            )


def file_key(paths: Sequence[Path], kind: str = "") -> str:
    """Hash of the full paths of an item's files.

    Args:
        paths: The files.
        kind: Distinguishes items of the same files, for example a pair of stills from a biplane study.
    """
    text = "\0".join([kind, *(os.path.realpath(path) for path in paths)])
    return short_hash(os.fsencode(text))


def file_stamp(paths: Sequence[Path | None]) -> str:
    """Size and modification time of files; empty when one of them cannot be examined, which never matches.

    Args:
        paths: Files, and folders of stills, of which all files count; None is skipped.
    """
    given = [path for path in paths if path is not None]
    try:
        files = [file for path in given for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        text = ",".join(f"{(stat := path.stat()).st_size}:{stat.st_mtime_ns}" for path in files)
    except OSError:
        return ""
    return text if len(files) == len(given) else hashlib.sha256(text.encode()).hexdigest()


def file_sha256(
    path: Path, remedy: str = "check the path and your rights", kind: type[LvefError] = DataError
) -> str:
    """SHA-256 of a file's content.

    Raises:
        LvefError: (of ``kind``, ending in ``remedy``) It cannot be read.
    """
    with reading(path, remedy, kind), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settings_key(settings: Mapping[str, Any]) -> str:
    """Hash of everything that a result depends on: model, precision, options, version."""
    return short_hash(json.dumps(settings, sort_keys=True, default=str).encode())


def short_hash(data: bytes) -> str:
    """The first 24 hexadecimal digits of the SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()[:24]
