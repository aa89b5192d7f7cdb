"""Writes the store that `lvef.transforms.store` reads, one clip after the other; what is written is never lost.

The order is: the pictures into the flat file, then a line into the journal, at the end the index. A run that is killed
leaves pictures without a line behind the last one; the next run cuts them off and goes on.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from lvef.core.errors import ConfigError, DataError
from lvef.core.journal import Entry, Journal
from lvef.core.records import FrameArray
from lvef.io.atomic import write_bytes_atomic, write_text_atomic
from lvef.transforms.store import INDEX_NAME, INFO_NAME, JOURNAL_NAME, SCHEMA, hash_of, shard_name

SHARD_BYTES = 2**30
"""A new file of frames is begun after this many bytes: few files, each of a size that any disk and copier takes."""

SYNC_EVERY_S = 2.0
"""What was written is seen onto the disk this often: a power cut costs no more than this, a kill nothing."""

RECHECKED = 64
"""Latest clips whose hash is looked at before going on: what a power cut can have left half on the disk."""


class StoreWriter:
    """A store, opened for writing; made, or taken up where an earlier run stopped.

    Args:
        folder: The store; made when it is missing.
        settings: Whatever the pictures depend on; an earlier run must have had the same.
        shard_bytes: Bytes after which a new file of frames is begun.

    Raises:
        DataError: The folder holds something else, cannot be written, or another run writes there.
        ConfigError: It was begun with other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder, self._settings, self._shard_bytes = folder, dict(settings), shard_bytes
        begin_folder(folder, INFO_NAME, SCHEMA, self._settings)
        self._journal = Journal(folder / JOURNAL_NAME)
        self._file: BinaryIO | None = None
        self._shard, self._end, self._synced_at = 0, 0, time.monotonic()
        self._forget_what_is_not_there()
        write_info(folder / INFO_NAME, {"schema": SCHEMA, "settings": self._settings, "complete": False})

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What is written, by item."""
        return self._journal.entries

    def holds(self, item: str, stamp: str) -> bool:
        """Whether an item is written, from a file of this stamp; a file that is gone (no stamp) does not make it invalid."""
        entry = self.entries.get(item)
        return entry is not None and (not stamp or entry["stamp"] == stamp)

    def add(self, item: str, stamp: str, frames: FrameArray, columns: Mapping[str, Any]) -> None:
        """Write a clip.

        Args:
            item: Its name.
            stamp: Size and time of the file it came from.
            frames: ``(n, h, w)`` uint8.
            columns: What the index tells of it further, as JSON values.

        Raises:
            DataError: It cannot be written, for example on a full disk.
        """
        n, height, width = frames.shape
        try:
            file = self._open()
            file.write(np.ascontiguousarray(frames).data)
            file.flush()
        except OSError as error:
            raise DataError(
                f"{self.folder / shard_name(self._shard)} could not be written ({error.strerror}): make room, then give the "
                "command again; it goes on where it stopped."
            ) from None
        self._journal.append(
            {
                "item": item,
                "stamp": stamp,
                "shard": self._shard,
                "offset": self._end,
                "n_frames": n,
                "height": height,
                "width": width,
                "sha256": hash_of(frames),
                "columns": dict(columns),
            }
        )
        self._end += frames.size
        if time.monotonic() - self._synced_at > SYNC_EVERY_S:
            self.sync()

    def sync(self) -> None:
        """See everything onto the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())
        self._journal.sync()
        self._synced_at = time.monotonic()

    def damaged(self, items: Iterable[str] | None = None) -> list[str]:
        """Items whose pictures are not as they were written; they count as not written from now on.

        Args:
            items: Those to look at; None for all.
        """
        bad = []
        for item in list(self.entries if items is None else items):
            if self._read_hash(self.entries[item]) != self.entries[item]["sha256"]:
                self._journal.remove(item)
                bad.append(item)
        return bad

    def finish(self, index: pl.DataFrame, info: Mapping[str, Any]) -> None:
        """Write the index and say that the store is whole.

        Args:
            index: With `lvef.transforms.store.PLACE_COLUMNS` and any others.
            info: Further facts for ``store.json``.

        Raises:
            DataError: It cannot be written.
        """
        self.sync()
        buffer = io.BytesIO()
        index.write_parquet(buffer)
        write_bytes_atomic(self.folder / INDEX_NAME, buffer.getvalue())
        whole = {"schema": SCHEMA, "settings": self._settings, **info, "complete": True}
        write_info(self.folder / INFO_NAME, whole)

    def close(self) -> None:
        """Let go of the files."""
        # A full disk says so a second time here.
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
        self._journal.close()

    def _open(self) -> BinaryIO:
        """The file to append to; a new one when this is full."""
        if self._end >= self._shard_bytes:
            self.sync()
            if self._file is not None:
                self._file.close()
            self._file, self._shard, self._end = None, self._shard + 1, 0
        if self._file is None:
            path = self.folder / shard_name(self._shard)
            self._file = path.open("r+b" if path.exists() else "w+b")
            # Pictures of which the journal knows nothing, or holes of a disk that was full.
            self._file.truncate(self._end)
            self._file.seek(self._end)
        return self._file

    def _forget_what_is_not_there(self) -> None:
        entries = self._journal.entries
        sizes: dict[int, int] = {}
        for item, entry in list(entries.items()):
            shard = entry["shard"]
            if shard not in sizes:
                path = self.folder / shard_name(shard)
                sizes[shard] = path.stat().st_size if path.is_file() else 0
            if _end_of(entry) > sizes[shard]:
                self._journal.remove(item)
        if entries:
            self._shard = max(entry["shard"] for entry in entries.values())
            self._end = max(_end_of(e) for e in entries.values() if e["shard"] == self._shard)
        self.damaged(list(entries)[-RECHECKED:])

    def _read_hash(self, entry: Entry) -> str:
        size = entry["n_frames"] * entry["height"] * entry["width"]
        path = self.folder / shard_name(entry["shard"])
        try:
            return hash_of(np.fromfile(path, np.uint8, size, offset=entry["offset"]))
        except OSError:
            return ""


def begin_folder(folder: Path, info_name: str, schema: str, settings: Mapping[str, Any]) -> None:
    """Make an output folder, or see that an earlier run with the same settings made it.

    Args:
        folder: The folder.
        info_name: Its file with schema and settings.
        schema: What that must be.
        settings: What those must be.

    Raises:
        DataError: It cannot be made, or holds something else.
        ConfigError: It was begun with other settings.
    """
    path = folder / info_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(folder.iterdir()):
                raise DataError(
                    f"{folder}: holds files but no {info_name}; choose an empty or a new folder with --out."
                )
            write_info(path, {"schema": schema, "settings": dict(settings), "complete": False})
            return
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{folder}: cannot be used ({error.strerror}); choose another --out.") from None
    except ValueError:
        earlier = None
    if not isinstance(earlier, dict) or earlier.get("schema") != schema:
        raise DataError(f"{path}: is not of the version {schema}; choose another --out.")
    before = earlier.get("settings")
    if before != json.loads(json.dumps(dict(settings))):
        raise ConfigError(
            f"{folder}: was begun with {_words(before)}, now it is {_words(settings)}; give the same or another --out."
        )


def write_info(path: Path, info: Mapping[str, Any]) -> None:
    """Write a JSON object for people and programs.

    Raises:
        DataError: It cannot be written.
    """
    write_text_atomic(path, json.dumps(dict(info), indent=2, ensure_ascii=False) + "\n")


def _end_of(entry: Entry) -> int:
    return int(entry["offset"] + entry["n_frames"] * entry["height"] * entry["width"])


def _words(settings: object) -> str:
    if not isinstance(settings, Mapping):
        return "other settings"
    return ", ".join(f"{key} {value}" for key, value in settings.items())
