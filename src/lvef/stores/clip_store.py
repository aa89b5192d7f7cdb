"""Writes the stores that `lvef.transforms.store` reads, one clip after the other; what is written is never lost.

The frames go into the flat file first, then a line into the journal, at the end the index. A run that is killed leaves
frames without a line behind the last one; the next run cuts them off and goes on.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from lvef.core.errors import DataError, OutputError, os_reason
from lvef.core.journal import JOURNAL_NAME, Entry, Journal
from lvef.core.records import FrameArray
from lvef.io.atomic import write_bytes_atomic
from lvef.stores.folder import begin_folder, write_info
from lvef.transforms.store import INDEX_NAME, INFO_NAME, SCHEMA, ClipStore, hash_of, shard_name
from lvef.transforms.two_stream import TwoStreams, two_streams

CLIPS, TWO_STREAM = "clips", "two-stream"
"""Kinds of stores: all frames of clips, and the frames of two-stream samples."""

SHARD_BYTES = 2**30
"""A new file of frames is begun after this many bytes: few files, each of a size that any disk and copier takes."""

SYNC_EVERY_S = 2.0
"""What was written is synced to the disk this often: a power failure costs no more than this, a kill nothing."""

RECHECKED = 64
"""Latest clips whose hash is checked before going on: what a power failure can have left half on the disk."""


class StoreWriter:
    """A store, opened for writing; a new one, or that of a run that was stopped.

    Args:
        folder: The store; made when it is missing.
        settings: Everything the frames depend on; an earlier run must have had the same.
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
        self._drop_missing()
        write_info(folder / INFO_NAME, {"schema": SCHEMA, "settings": self._settings, "complete": False})

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What is written, by item."""
        return self._journal.entries

    def holds(self, item: str, stamp: str) -> bool:
        """Whether an item is written, from a file of this stamp; a missing file (no stamp) does not make it invalid."""
        entry = self.entries.get(item)
        return entry is not None and (not stamp or entry["stamp"] == stamp)

    def add(self, item: str, stamp: str, frames: FrameArray, columns: Mapping[str, Any]) -> None:
        """Write a clip.

        Args:
            item: Its name.
            stamp: Size and time of the file it came from.
            frames: ``(n, h, w)`` uint8.
            columns: Its further columns of the index, as JSON values.

        Raises:
            OutputError: It cannot be written, for example on a full disk.
        """
        n, height, width = frames.shape
        try:
            file = self._open()
            file.write(np.ascontiguousarray(frames).data)
            file.flush()
        except OSError as error:
            raise OutputError(
                f"{self.folder / shard_name(self._shard)} could not be written ({os_reason(error)}): make room, then give "
                "the command again; it goes on where it stopped."
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
        """Write everything through to the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())
        self._journal.sync()
        self._synced_at = time.monotonic()

    def damaged(self, items: Iterable[str] | None = None) -> list[str]:
        """Items whose frames are not as they were written; they count as not written from now on.

        Args:
            items: Those to check; None for all.
        """
        bad = []
        for item in list(self.entries if items is None else items):
            if self._read_hash(self.entries[item]) != self.entries[item]["sha256"]:
                self._journal.remove(item)
                bad.append(item)
        return bad

    def finish(self, index: pl.DataFrame, info: Mapping[str, Any]) -> None:
        """Write the index and mark the store as complete.

        Args:
            index: With `lvef.transforms.store.PLACE_COLUMNS` and any others.
            info: Further facts for ``store.json``.

        Raises:
            OutputError: It cannot be written.
        """
        self.sync()
        write_index(self.folder, index)
        complete = {"schema": SCHEMA, "settings": self._settings, **info, "complete": True}
        write_info(self.folder / INFO_NAME, complete)

    def close(self) -> None:
        """Close the files."""
        # On a full disk this fails a second time.
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
            # Frames without a line in the journal, or holes of a disk that was full.
            self._file.truncate(self._end)
            self._file.seek(self._end)
        return self._file

    def _drop_missing(self) -> None:
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


def _end_of(entry: Entry) -> int:
    return int(entry["offset"] + entry["n_frames"] * entry["height"] * entry["width"])


def write_index(folder: Path, index: pl.DataFrame) -> None:
    """Write the index of a folder.

    Raises:
        OutputError: It cannot be written.
    """
    buffer = io.BytesIO()
    index.write_parquet(buffer)
    write_bytes_atomic(folder / INDEX_NAME, buffer.getvalue())


class TwoStreamStore(ClipStore):
    """A store that ``lvef data prepare two-stream`` made, for a training loop.

    It holds the frames as bytes, an eighth of both streams as float32; the streams are computed as they are read, exactly.

    Args:
        folder: The store.

    Raises:
        DataError: It is no finished store of two-stream samples.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder)
        kind = self.info["settings"].get("kind")
        if kind != TWO_STREAM:
            raise DataError(
                f"{self.folder}: is a store of {kind}; prepare one with lvef data prepare two-stream."
            )

    def streams(self, item: str | int) -> TwoStreams:
        """Both streams of a sample, each ``(28, 112, 112)`` float32 with the defaults.

        Args:
            item: Its name, or its number in `items`.
        """
        return two_streams(self.frames(item))
