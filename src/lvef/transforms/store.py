"""A store of decoded grey clips: flat files that are mapped into memory, and a Parquet index.

::

    STORE/
      store.json            what it is, made with which settings, from which manifest; what could not be read
      index.parquet         a row a clip: where it lies, its hash, its labels
      finished.jsonl        the journal that a stopped preparation goes on from
      frames-00000.u8       grey images one after the other, uint8; a new file from 1 GiB

Reading needs no decoding, and nothing but numpy once the store is open: it may be handed to worker processes (each maps the
files anew, and the memory is shared), and to PyTorch's loaders, although PyTorch is not imported here.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import DataError, panics_become, reading
from lvef.core.records import FloatArray, FrameArray
from lvef.core.serialization import read_json
from lvef.transforms.sampling import Sampling, mirrored, random_start_s, window

SCHEMA = "lvef-store/1"
"""Version of the layout."""

INFO_NAME, INDEX_NAME = "store.json", "index.parquet"
"""Files of a store beside its frames."""

PLACE_COLUMNS = (
    "item",
    "shard",
    "offset",
    "n_frames",
    "height",
    "width",
    "frame_rate_hz",
    "frame_times_s",
    "sha256",
)
"""Columns that every index has; ``offset`` in bytes, ``frame_times_s`` only where the frames are unevenly spaced."""

HASH_PIECE = 1 << 24
"""Bytes hashed at a time."""


def shard_name(number: int) -> str:
    """Name of a file of frames.

    Example:
        >>> shard_name(3)
        'frames-00003.u8'
    """
    return f"frames-{number:05d}.u8"


class ClipStore:
    """A store, opened for reading.

    Args:
        folder: The store.

    Raises:
        DataError: It is not a store, is incomplete, or its frames are missing or truncated.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        import polars as pl

        self.folder = Path(folder)
        self.info = read_info(self.folder)
        path = self.folder / INDEX_NAME
        damaged = DataError(f"{path}: the store's index is missing or damaged; {_remedy(self.folder)}.")
        try:
            with panics_become(damaged):
                index = pl.read_parquet(io.BytesIO(path.read_bytes()))
        except (OSError, pl.exceptions.PolarsError):
            raise damaged from None
        missing = [name for name in PLACE_COLUMNS if name not in index.columns]
        if missing:
            raise DataError(f"{path}: has no column {', '.join(missing)}; {_remedy(self.folder)}.")
        # Plain lists and arrays from here on: a forked process must not meet polars' threads.
        self._columns: dict[str, list[Any]] = {name: index[name].to_list() for name in index.columns}
        self.items: tuple[str, ...] = tuple(self._columns["item"])
        self._number = {item: i for i, item in enumerate(self.items)}
        self.n_frames = np.array(self._columns["n_frames"], dtype=np.int64)
        self._maps: dict[int, FrameArray] = {}
        self._check_lengths()

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.items)

    def __getstate__(self) -> dict[str, Any]:
        """Without the maps: another process makes its own."""
        return self.__dict__ | {"_maps": {}}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the index's columns."""
        return tuple(self._columns)

    def column(self, name: str) -> list[Any]:
        """A column of the index, in the order of `items`, for example ``ef_percent``; unknown values are None.

        Raises:
            DataError: There is no such column.
        """
        if name not in self._columns:
            raise DataError(
                f"{self.folder}: the index has no column {name}; it has {', '.join(self._columns)}."
            )
        return list(self._columns[name])

    def frames(self, item: str | int) -> FrameArray:
        """All frames of a clip, ``(n, h, w)`` uint8, as a read-only view of the file.

        Args:
            item: Its name, or its number in `items`.
        """
        i = self._index(item)
        shape = (int(self.n_frames[i]), self._columns["height"][i], self._columns["width"][i])
        offset = self._columns["offset"][i]
        return self._map(self._columns["shard"][i])[offset : offset + int(np.prod(shape))].reshape(shape)

    def times_s(self, item: str | int) -> FloatArray:
        """Time of each frame of a clip, ``(n,)`` seconds from 0."""
        i = self._index(item)
        text = self._columns["frame_times_s"][i]
        if text is not None:
            return np.array([float(value) for value in text.split(";")])
        rate = self._columns["frame_rate_hz"][i]
        return np.arange(self.n_frames[i]) / rate if rate else np.zeros(int(self.n_frames[i]))

    def window(self, item: str | int, start: int, n: int, step: int = 1) -> FrameArray:
        """``n`` frames from ``start`` on, every ``step``-th.

        Args:
            item: Name or number of the clip.
            start: First frame, from 0.
            n: Number of frames, at least 1.
            step: Distance in frames, at least 1.

        Returns:
            ``(n, h, w)`` uint8, read-only where it is a view. Where the clip ends before, it is played back and forth.

        Raises:
            DataError: The start lies outside of the clip, or a number is below 1.
        """
        frames = self.frames(item)
        if not 0 <= start < len(frames) or n < 1 or step < 1:
            raise DataError(
                f"{self.folder}: {item} has frames 0 to {len(frames) - 1}; a window of {n} frames, every {step}, from "
                f"{start} does not fit."
            )
        if start + (n - 1) * step < len(frames):
            return frames[start : start + (n - 1) * step + 1 : step]
        return np.asarray(frames[mirrored(start + step * np.arange(n), len(frames))])

    def sampled(
        self, item: str | int, sampling: Sampling, rng: np.random.Generator | None = None
    ) -> FrameArray:
        """Frames over a time in seconds of the clip's own clock, ``(n, h, w)`` uint8.

        Args:
            item: Name or number of the clip.
            sampling: How many frames, over what time.
            rng: Where given, the window starts at a random moment; else with the clip.

        Raises:
            DataError: The clip is a still.
        """
        times = self.times_s(item)
        start = random_start_s(times, sampling.duration_s, rng) if rng is not None else 0.0
        return np.asarray(self.frames(item)[window(times, sampling, start).indices])

    def random_windows(
        self,
        rng: np.random.Generator,
        n: int,
        *,
        frames: int = 32,
        step: int = 2,
        among: Sequence[int] | None = None,
    ) -> FrameArray:
        """Windows from random places of random clips.

        Args:
            rng: Random generator.
            n: Number of windows.
            frames: Frames of each.
            step: Every which frame.
            among: Numbers of the clips to draw from, for example those of a split; None for all.

        Returns:
            ``(n, frames, h, w)`` uint8.

        Raises:
            DataError: There is no clip to draw from, or the clips are not all of one size.
        """
        clips = np.arange(len(self)) if among is None else np.asarray(among, dtype=np.int64)
        if len(clips) == 0:
            raise DataError(f"{self.folder}: there is no clip to draw windows from.")
        drawn = rng.choice(clips, n)
        room = np.maximum(self.n_frames[drawn] - (frames - 1) * step, 1)
        starts = rng.integers(0, room)
        sizes = {(self._columns["height"][i], self._columns["width"][i]) for i in drawn}
        if len(sizes) > 1:
            raise DataError(
                f"{self.folder}: clips of several sizes do not go into one array; draw them by size."
            )
        out = np.empty((n, frames, *sizes.pop()) if sizes else (0, frames, 0, 0), np.uint8)
        for target, i, start in zip(out, drawn, starts, strict=True):
            target[...] = self.window(int(i), int(start), frames, step)
        return out

    def verify(self) -> Iterator[tuple[str, bool]]:
        """Hash every clip; give its name, and whether it is as it was written."""
        for i, item in enumerate(self.items):
            yield item, hash_of(self.frames(i)) == self._columns["sha256"][i]

    def release(self) -> None:
        """Drop the memory maps, so that pages read so far no longer count as memory of this process."""
        self._maps.clear()

    def _index(self, item: str | int) -> int:
        if isinstance(item, str):
            if item not in self._number:
                raise DataError(
                    f"{self.folder}: there is no clip {item!r} among the {len(self)} of the store."
                )
            return self._number[item]
        return range(len(self.items))[item]

    def _map(self, shard: int) -> FrameArray:
        if shard not in self._maps:
            path = self.folder / shard_name(shard)
            remedy = f"check the disk, or {_remedy(self.folder)}"
            try:
                with reading(path, remedy):
                    self._maps[shard] = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
            except ValueError:
                raise DataError(f"{path}: cannot be read (it is empty); {remedy}.") from None
        return self._maps[shard]

    def _check_lengths(self) -> None:
        """Raise for files that are missing or truncated, before the first window is read."""
        ends: dict[int, int] = {}
        shapes = zip(*(self._columns[name] for name in PLACE_COLUMNS[1:6]), strict=True)
        for shard, offset, n, height, width in shapes:
            ends[shard] = max(ends.get(shard, 0), offset + n * height * width)
        for shard, end in ends.items():
            path = self.folder / shard_name(shard)
            found = path.stat().st_size if path.is_file() else 0
            if found < end:
                raise DataError(f"{path}: has {found} bytes, {end} were expected; {_remedy(self.folder)}.")


def read_info(folder: Path) -> dict[str, Any]:
    """Contents of ``store.json``.

    Raises:
        DataError: The folder is not a store of this version, or is incomplete.
    """
    path = folder / INFO_NAME
    remedy = "a store was expected: make one with lvef data prepare clips"
    info: dict[str, Any] = read_json(path, remedy, SCHEMA)
    if not info.get("complete"):
        raise DataError(f"{folder}: the preparation is incomplete; {_remedy(folder)}.")
    return info


def hash_of(frames: FrameArray) -> str:
    """SHA-256 of the images' bytes."""
    digest = hashlib.sha256()
    flat = np.ascontiguousarray(frames).reshape(-1)
    for start in range(0, len(flat), HASH_PIECE):
        digest.update(flat[start : start + HASH_PIECE].data)
    return digest.hexdigest()


def _remedy(folder: Path) -> str:
    return f"run the lvef data prepare command that made {folder.name} again; it resumes where it stopped"
