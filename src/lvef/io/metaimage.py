"""MetaImage (.mha, or .mhd beside its .raw or .zraw): the older CAMUS release comes in it.

Source: the MetaIO format's documentation, https://itk.org/Wiki/ITK/MetaIO/Documentation
"""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import VideoError
from lvef.io.formats import is_file
from lvef.io.limits import DEFAULT_LIMITS, SizeLimits, check_size

ELEMENT_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
"""Element types that are read, as numpy's type codes without byte order."""

MAX_HEADER_BYTES = 65536
"""Longest header that is looked through for the line that ends it."""


class MissingDataFileError(VideoError):
    """A header whose data file is not beside it."""


class MetaImage(NamedTuple):
    """Values ``(frames, height, width)`` as stored, and the spacing (x, y, z or t) as far as it is stated."""

    values: NDArray[Any]
    spacing: tuple[float, ...]


class MetaImageHeader(NamedTuple):
    """What a header states, without its data.

    Attributes:
        n_frames: Number of frames.
        height: Rows of a frame.
        width: Columns of a frame.
        dtype: Of the values as stored.
        spacing: As far as it is stated.
        data_file: The data file, or the file itself where the data follows the header.
        start: Bytes of the header where the data follows it, else 0.
        compressed: Whether the data is compressed.
        skip: Bytes before the data; -1 where it stands at the end of its file.
    """

    n_frames: int
    height: int
    width: int
    dtype: np.dtype[Any]
    spacing: tuple[float, ...]
    data_file: Path
    start: int
    compressed: bool
    skip: int

    @property
    def data_bytes(self) -> int:
        """Bytes of the data when inflated."""
        return self.n_frames * self.height * self.width * self.dtype.itemsize

    @property
    def truncated(self) -> bool:
        """Whether less data is there than declared, as far as that can be seen without reading it."""
        return self.data_file.stat().st_size < self.start + (1 if self.compressed else self.data_bytes)


def read_metaimage_header(path: str | os.PathLike[str]) -> MetaImageHeader:
    """Read what a MetaImage file states, without its data.

    Args:
        path: The ``.mha`` or ``.mhd`` file.

    Raises:
        VideoError: when a key is missing or not supported, or the data file is not named in the same folder.
        MissingDataFileError: when the data file is not there.
    """
    source = os.fspath(path)
    with Path(path).open("rb") as file:
        keys, header_bytes = _header(file.read(MAX_HEADER_BYTES), source)
    width, height, n_frames = _size(keys, source)
    name = keys["ElementDataFile"]
    local = name.upper() == "LOCAL"
    data_file = Path(path) if local else _beside(Path(path), name, source)
    if not is_file(data_file):
        raise MissingDataFileError(
            f"{source} needs its data file {name}, which is missing: put it into the same folder."
        )
    return MetaImageHeader(
        n_frames,
        height,
        width,
        _dtype(keys, source),
        _numbers(keys.get("ElementSpacing") or keys.get("ElementSize") or "", source),
        data_file,
        header_bytes if local else 0,
        keys.get("CompressedData", "False").lower() == "true",
        int(_numbers(keys.get("HeaderSize") or "0", source)[0]),
    )


def read_metaimage(path: str | os.PathLike[str], limits: SizeLimits = DEFAULT_LIMITS) -> MetaImage:
    """Read a MetaImage file with its data.

    Args:
        path: The ``.mha`` or ``.mhd`` file.
        limits: How large the clip may be.

    Raises:
        VideoError: when a key is missing or not supported, or the data is not there, not whole or too large.
    """
    source = os.fspath(path)
    header = read_metaimage_header(path)
    check_size(source, header.n_frames, header.height, header.width, limits)
    expected = header.data_bytes
    with header.data_file.open("rb") as file:
        file.seek(header.start)
        data = file.read()
    if header.compressed:
        try:
            data = zlib.decompressobj().decompress(data, expected)
        except zlib.error:
            raise VideoError(f"{source} has compressed data that is damaged: copy it again.") from None
    else:
        data = data[-expected:] if header.skip < 0 else data[header.skip : header.skip + expected]
    if len(data) < expected:
        raise VideoError(
            f"{source} declares {expected} bytes of data, but only {len(data)} are there: copy the data "
            "file again."
        )
    values = np.frombuffer(data[:expected], header.dtype)
    values = values.reshape(header.n_frames, header.height, header.width)
    return MetaImage(values.astype(header.dtype.newbyteorder("=")), header.spacing)


def _header(head: bytes, source: str) -> tuple[dict[str, str], int]:
    """Return the keys, and how many bytes they take: ``ElementDataFile`` is always the last."""
    keys: dict[str, str] = {}
    position = 0
    while (end := head.find(b"\n", position)) >= 0 or position < len(head):
        end = len(head) if end < 0 else end
        name, _, value = head[position:end].decode("latin-1").partition("=")
        keys[name.strip()] = value.strip()
        position = end + 1
        if name.strip() == "ElementDataFile":
            break
    missing = [name for name in ("DimSize", "ElementType", "ElementDataFile") if not keys.get(name)]
    if missing:
        raise VideoError(f"{source} is a MetaImage header without {missing[0]}: write it again.")
    return keys, position


def _size(keys: dict[str, str], source: str) -> tuple[int, int, int]:
    found = [int(value) for value in _numbers(keys["DimSize"], source)]
    if not 2 <= len(found) <= 4 or min(found) < 1 or (len(found) == 4 and found[2] != 1):
        raise VideoError(
            f"{source} has DimSize {keys['DimSize'][:60]!r}: expected width, height and at most the frames."
        )
    frames = 1 if len(found) == 2 else found[-1]
    return found[0], found[1], frames


def _dtype(keys: dict[str, str], source: str) -> np.dtype[Any]:
    code, channels = ELEMENT_TYPES.get(keys["ElementType"]), keys.get("ElementNumberOfChannels", "1")
    if code is None or channels != "1":
        raise VideoError(
            f"{source} has elements of {keys['ElementType'][:60]} in {channels[:9]} channel(s): expected "
            f"{', '.join(ELEMENT_TYPES)} in 1 channel."
        )
    big = keys.get("ElementByteOrderMSB", keys.get("BinaryDataByteOrderMSB", "False")).lower() == "true"
    return np.dtype(code).newbyteorder(">" if big else "<")


def _beside(header: Path, name: str, source: str) -> Path:
    # A header from elsewhere must not be able to name any file of this machine.
    if Path(name).name != name or name in (".", "..") or "\\" in name:
        raise VideoError(f"{source} names its data file {name[:60]!r}: expected a file in the same folder.")
    return header.parent / name


def _numbers(value: str, source: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in value.split())
        if not all(map(math.isfinite, found)):
            raise ValueError
        return found
    except ValueError:
        raise VideoError(
            f"{source} has {value[:60]!r} where numbers were expected: write the header again."
        ) from None
