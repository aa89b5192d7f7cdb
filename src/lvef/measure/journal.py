"""What an output folder already holds: a line a finished file, so that a stopped run can go on.

``finished.jsonl`` only ever grows, by one whole line at a time; a line cut off by a crash is passed over.
``results.csv`` is made from it. Files are known by a hash of their full path, which tells nobody where they
lay.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError
from lvef.measure.tables import Row

JOURNAL_NAME = "finished.jsonl"
"""Name of the journal in an output folder."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished file.

    Attributes:
        key: `file_key` of the file or files.
        stamp: `file_stamp` at the time it was read.
        made_with: `settings_key` of network and options.
        folder: Its folder in the output folder.
        files: Names of the files written there.
        video: Whether a film was asked for.
        summary: Whether a summary was asked for.
        row: Its line of ``results.csv``.
    """

    key: str
    stamp: str
    made_with: str
    folder: str
    files: tuple[str, ...]
    video: bool
    summary: bool
    row: Row


class Journal:
    """The finished files of an output folder, the latest entry for each.

    Args:
        folder: Output folder; need not exist yet.

    Raises:
        DataError: The journal is there and cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_NAME
        self.entries: dict[str, Entry] = {}
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise DataError(
                f"{self._path} cannot be read ({error.strerror}): choose another folder with --out."
            ) from None
        # Whatever follows the last line break was cut off; the next line must not be glued to it.
        self._torn = bool(lines and lines[-1])
        for line in lines:
            entry = _entry(line)
            if entry is not None:
                self.entries[entry.key] = entry

    def append(self, entry: Entry) -> None:
        """Add a finished file, and see it onto the disk.

        Raises:
            DataError: It cannot be written.
        """
        line = json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"
        try:
            with self._path.open("ab") as file:
                file.write(b"\n" + line if self._torn else line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._torn = True
            raise DataError(
                f"{self._path} could not be written ({error.strerror}): check your rights and the free space."
            ) from None
        self._torn = False
        self.entries[entry.key] = entry


def file_key(paths: Sequence[Path], kind: str = "") -> str:
    """Hash of the full paths of one job's files; ``kind`` tells a pair from a biplane study."""
    text = "\0".join([kind, *(os.path.realpath(path) for path in paths)])
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:24]


def file_stamp(paths: Sequence[Path]) -> str:
    """Size and time of change of the files; empty when one cannot be looked at, which never matches.

    Of a folder of stills those of all files in it count.
    """
    try:
        files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        text = ",".join(f"{(stat := path.stat()).st_size}:{stat.st_mtime_ns}" for path in files)
        return text if len(files) == len(paths) else hashlib.sha256(text.encode()).hexdigest()
    except OSError:
        return ""


def settings_key(settings: Mapping[str, Any]) -> str:
    """Hash of whatever the answer depends on: network, precision, options, version."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _entry(line: bytes) -> Entry | None:
    try:
        values = json.loads(line)
        return Entry(**(values | {"files": tuple(values["files"])}))
    except (ValueError, TypeError, KeyError):
        return None
