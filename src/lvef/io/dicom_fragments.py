"""Pixel data of a DICOM file as bytes: read without trusting its length, cut into frames without a table.

pydicom gives up on a file that was cut off; what did arrive is worth having.

Source: DICOM PS3.5, 7.1 (data elements) and A.4 (encapsulated pixel data).
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length of an element that ends with a delimiter: here, compressed frames in items."""

_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM = b"\xfe\xff\x00\xe0"
_LONG_VRS = (b"OB", b"OW", b"UN")
_END_OF_IMAGE = b"\xff\xd9"


class Payload(NamedTuple):
    """Bytes of the Pixel Data element, and whether they are compressed frames in items."""

    data: bytes
    encapsulated: bool


def read_payload(file: BinaryIO, *, implicit_vr: bool, little_endian: bool, max_bytes: int) -> Payload | None:
    """Read the Pixel Data element at which ``file`` stands, or return None when there is none.

    Args:
        file: Open file, just behind the header.
        implicit_vr: Whether the header has no value representations.
        little_endian: Byte order.
        max_bytes: Most bytes taken when the element has a length.
    """
    order = "little" if little_endian else "big"

    def unsigned(data: bytes) -> int:
        return int.from_bytes(data, order)  # type: ignore[arg-type]

    head = file.read(8)
    if len(head) < 8 or (unsigned(head[:2]), unsigned(head[2:4])) != _PIXEL_DATA:
        return None
    if implicit_vr:
        length = unsigned(head[4:8])
    elif head[4:6] in _LONG_VRS:
        length = unsigned(file.read(4))
    else:
        length = unsigned(head[6:8])
    if length == UNDEFINED_LENGTH:
        return Payload(file.read(), True)
    return Payload(file.read(min(length, max_bytes)), False)


def split_frames(data: bytes, n_frames: int) -> list[bytes]:
    """Cut encapsulated pixel data into the compressed frames that are whole.

    Args:
        data: The element's value, beginning with the Basic Offset Table, which may be empty.
        n_frames: Number of frames declared.

    Returns:
        The frames in order, fewer than declared where the data ends early.
    """
    table, fragments, offsets = _fragments(data)
    if n_frames == 1:
        return [b"".join(fragments)] if fragments else []
    starts = set(table) if len(set(table)) == n_frames else set()
    if len(fragments) <= n_frames and not starts:
        return fragments
    frames: list[bytes] = []
    pending: list[bytes] = []
    for index, fragment in enumerate(fragments):
        pending.append(fragment)
        following = offsets[index + 1] if index + 1 < len(offsets) else None
        told = following is None or following in starts
        if told if starts else _END_OF_IMAGE in fragment[-10:]:
            frames.append(b"".join(pending))
            pending = []
    return frames[:n_frames]


def joined(data: bytes) -> bytes:
    """Return all fragments of encapsulated pixel data as one stream, a last incomplete one included."""
    return b"".join(_fragments(data, keep_partial=True)[1])


def _fragments(data: bytes, *, keep_partial: bool = False) -> tuple[list[int], list[bytes], list[int]]:
    """Return the Basic Offset Table, the fragments, each fragment's offset from the first one's tag."""
    fragments: list[bytes] = []
    offsets: list[int] = []
    table: list[int] | None = None
    first = position = 0
    while data[position : position + 4] == _ITEM and position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        value = data[position + 8 : position + 8 + length]
        if table is None:
            table = [int.from_bytes(value[i : i + 4], "little") for i in range(0, len(value) - 3, 4)]
            first = position + 8 + length
        elif len(value) == length or keep_partial:
            fragments.append(value)
            offsets.append(position - first)
        position += 8 + length
    return table or [], fragments, offsets
