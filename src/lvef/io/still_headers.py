"""Sizes and scales of NIfTI, MetaImage and PNG files from their headers: nothing is decoded."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from lvef.core.errors import VideoError
from lvef.io.formats import HEAD_BYTES

_GZIP_START = b"\x1f\x8b"
_NIFTI_SLACK_BYTES = 2**20
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = struct.Struct(">8x4x4sII")
_PNG_END_BYTES = 12


class StillHeader(NamedTuple):
    """What the header of a still or sequence tells.

    Attributes:
        n_frames: Number of frames, 1 for an image.
        height: Rows of a frame.
        width: Columns of a frame.
        spacing_mm: Millimetres per pixel (x, y) as told, or None.
        whole: False where data is certainly missing: cut off, or the data file is not there.
        data_file: Name of the file beside that holds the data, or empty.
    """

    n_frames: int
    height: int
    width: int
    spacing_mm: tuple[float, float] | None
    whole: bool
    data_file: str = ""


def read_still_header(path: str | os.PathLike[str]) -> StillHeader:
    """Read the header of a NIfTI, MetaImage or PNG file, chosen by its name.

    Raises:
        VideoError: The file cannot be opened, is of another kind or its header is damaged.
    """
    source, name = os.fspath(path), Path(path).name.lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            return _nifti_header(Path(path), source)
        if name.endswith((".mhd", ".mha")):
            from lvef.io.metaimage import read_metaimage_header

            found = read_metaimage_header(path)
            spacing = (found.spacing[0], found.spacing[1]) if len(found.spacing) > 1 else None
            return StillHeader(
                found.n_frames, found.height, found.width, spacing, found.whole, found.data_file
            )
        return _png_header(Path(path), source)
    except OSError as cause:
        reason = (cause.strerror or type(cause).__name__).lower()
        raise VideoError(f"{source} cannot be read ({reason}): check the path and the disk.") from None


def _nifti_header(path: Path, source: str) -> StillHeader:
    from lvef.io.nifti import read_nifti_header

    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        there = file.seek(0, os.SEEK_END)
        if head[:2] == _GZIP_START:
            # gzip ends with the length of what it holds; other bytes stand there when it is cut off.
            file.seek(max(0, there - 4))
            there = int.from_bytes(file.read(4), "little")
    found = read_nifti_header(head, source)
    whole = found.file_bytes <= there <= found.file_bytes + _NIFTI_SLACK_BYTES
    return StillHeader(found.n_frames, found.height, found.width, found.spacing_mm, whole)


def _png_header(path: Path, source: str) -> StillHeader:
    with path.open("rb") as file:
        head = file.read(_PNG_HEADER.size)
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - _PNG_END_BYTES))
        end = file.read()
    if not head.startswith(_PNG_START) or len(head) < _PNG_HEADER.size:
        raise VideoError(f"{source} is no PNG image: copy it again.")
    chunk, width, height = _PNG_HEADER.unpack(head)
    if chunk != b"IHDR" or min(width, height) < 1:
        raise VideoError(f"{source} is a PNG whose header is damaged: copy it again.")
    return StillHeader(1, height, width, None, end[4:8] == b"IEND")
