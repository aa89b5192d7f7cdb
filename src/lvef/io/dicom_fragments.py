"""Pixel data of a DICOM file as bytes: read without trusting its length, cut into frames by what the data itself holds.

pydicom gives up on a file that was cut off, and believes Number of Frames; what did arrive is worth having.

Source: DICOM PS3.5, 7.1 (data elements), A.4 (encapsulated pixel data) and G.5 (RLE header).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length of an element that ends with a delimiter: here, compressed frames in items."""

_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM = b"\xfe\xff\x00\xe0"
_LONG_VRS = (b"OB", b"OW", b"UN")
_JPEG_START = b"\xff\xd8\xff"
_JPEG_2000_STARTS = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
_BETWEEN_IMAGES = re.compile(rb"(?<=\xff\xd9)\x00*(?=\xff\xd8\xff)")
_MOST_RLE_SEGMENTS, _RLE_HEADER_BYTES = 15, 64


class Payload(NamedTuple):
    """Bytes of the Pixel Data element, whether they are compressed frames in items, and whether all of them came."""

    data: bytes
    encapsulated: bool
    whole: bool = True


class Fragment(NamedTuple):
    """One item of encapsulated pixel data.

    Attributes:
        offset: Of its item from the first one's, as offset tables count.
        start: Of its value in the stream.
        length: Of its value in bytes.
        head: The first bytes of its value.
    """

    offset: int
    start: int
    length: int
    head: bytes


class Fragments(NamedTuple):
    """Encapsulated pixel data: Basic Offset Table, the fragments that are whole, and what is there of one that is cut."""

    table: tuple[int, ...]
    whole: tuple[Fragment, ...]
    cut: Fragment | None


def payload_length(file: BinaryIO, *, implicit_vr: bool, little_endian: bool) -> int | None:
    """Read the head of the Pixel Data element at which ``file`` stands; it then stands at the value.

    Args:
        file: Open file, just behind the header.
        implicit_vr: Whether the header has no value representations.
        little_endian: Byte order.

    Returns:
        The length that the element tells, maybe `UNDEFINED_LENGTH`, or None when there is no such element.
    """
    order = "little" if little_endian else "big"

    def unsigned(data: bytes) -> int:
        return int.from_bytes(data, order)  # type: ignore[arg-type]

    head = file.read(8)
    if len(head) < 8 or (unsigned(head[:2]), unsigned(head[2:4])) != _PIXEL_DATA:
        return None
    if implicit_vr:
        return unsigned(head[4:8])
    return unsigned(file.read(4)) if head[4:6] in _LONG_VRS else unsigned(head[6:8])


def read_payload(file: BinaryIO, *, implicit_vr: bool, little_endian: bool, max_bytes: int) -> Payload | None:
    """Read the Pixel Data element at which ``file`` stands, or return None when there is none.

    Args:
        file: Open file, just behind the header.
        implicit_vr: Whether the header has no value representations.
        little_endian: Byte order.
        max_bytes: Most bytes taken when the element has a length.
    """
    length = payload_length(file, implicit_vr=implicit_vr, little_endian=little_endian)
    if length is None:
        return None
    if length == UNDEFINED_LENGTH:
        return Payload(file.read(), True)
    data = file.read(min(length, max_bytes))
    return Payload(data, False, len(data) == length)


def scan_fragments(file: BinaryIO) -> Fragments:
    """Find the fragments of encapsulated pixel data without reading their content.

    Args:
        file: Open file at the element's value, which begins with the Basic Offset Table.
    """
    position = file.tell()
    size = file.seek(0, os.SEEK_END)
    whole: list[Fragment] = []
    table: tuple[int, ...] | None = None
    first = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(24)
        if head[:4] != _ITEM:
            break
        start, length = position + 8, int.from_bytes(head[4:8], "little")
        if table is None:
            file.seek(start)
            table = _offsets(file.read(min(length, size - start)), 4)
            first = start + length
        else:
            fragment = Fragment(position - first, start, min(length, size - start), head[8:])
            if fragment.length < length:
                return Fragments(table, tuple(whole), fragment)
            whole.append(fragment)
        position = start + length
    return Fragments(table or (), tuple(whole), None)


def group_frames(found: Fragments, declared: int, extended: bytes = b"") -> list[list[Fragment]]:
    """Put the fragments together that make a frame each.

    A code stream tells by its first bytes where it begins. The offset tables count where fragments begin as none of these
    do, or where they name frames that are damaged at their beginning.

    Args:
        found: From `scan_fragments`.
        declared: Number of Frames, or 0.
        extended: Value of Extended Offset Table (7FE0,0001), or empty.

    Returns:
        The frames that are whole: all but one whose last fragment is cut.
    """
    fragments = found.whole if found.cut is None else (*found.whole, found.cut)
    offsets = {fragment.offset: index for index, fragment in enumerate(fragments)}
    starts = marked = [index for index, fragment in enumerate(fragments) if _begins_frame(fragment.head)]
    for table in (_offsets(extended, 8), found.table):
        # What a cut file lost is in its table all the same.
        named = [offset for offset in table if offset <= max(offsets, default=0)]
        if not all(offset in offsets for offset in named) or sorted(set(named)) != named or named[:1] != [0]:
            continue
        if len(named) > len(starts) and (not marked or len(table) in (declared, len(fragments))):
            starts = [offsets[offset] for offset in named]
    if not starts:
        one = declared == 1 or len(fragments) > declared > 0
        starts = list(range(len(fragments)))[: 1 if one else None]
    ends = [*starts[1:], len(fragments)]
    groups = [list(fragments[start:end]) for start, end in zip(starts, ends, strict=True)]
    return groups if found.cut is None else groups[:-1]


def split_frames(data: bytes, declared: int, extended: bytes = b"") -> list[bytes]:
    """Cut encapsulated pixel data into the compressed frames that are whole.

    Args:
        data: The element's value, beginning with the Basic Offset Table, which may be empty.
        declared: Number of Frames, or 0; it counts only where the data tells nothing.
        extended: Value of Extended Offset Table (7FE0,0001), or empty.

    Returns:
        The frames in order.
    """
    found = scan_fragments(io.BytesIO(data))
    frames = [_bytes(data, group) for group in group_frames(found, declared, extended)]
    if len(frames) == 1 and declared != 1:
        return _images_in_a_row(frames[0])
    return frames


def joined(data: bytes) -> bytes:
    """Return all fragments of encapsulated pixel data as one stream, a last incomplete one included."""
    found = scan_fragments(io.BytesIO(data))
    return _bytes(data, (*found.whole, *([found.cut] if found.cut is not None else [])))


def _bytes(data: bytes, fragments: Sequence[Fragment]) -> bytes:
    return b"".join(data[f.start : f.start + f.length] for f in fragments)


def _offsets(table: bytes, width: int) -> tuple[int, ...]:
    ends = range(width, len(table) + 1, width)
    return tuple(int.from_bytes(table[end - width : end], "little") for end in ends)


def _begins_frame(head: bytes) -> bool:
    """Whether a fragment's first bytes are those of a JPEG, JPEG-LS, JPEG 2000 or RLE frame."""
    if head.startswith(_JPEG_START) or head.startswith(_JPEG_2000_STARTS):
        return True
    segments, first = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:8], "little")
    return 1 <= segments <= _MOST_RLE_SEGMENTS and first == _RLE_HEADER_BYTES


def _images_in_a_row(data: bytes) -> list[bytes]:
    """The JPEG images that a writer put into one fragment, one behind the other."""
    return _BETWEEN_IMAGES.split(data)
