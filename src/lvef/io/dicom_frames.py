"""Pixel data of a DICOM file as bytes: read without trusting its length, cut into frames by what the data itself holds.

pydicom gives up on a file that was cut off, and relies on Number of Frames; the frames that did arrive are worth having. A
compressed frame states its own size, components, bits and colours, which are more reliable than the DICOM header.

Source: DICOM PS3.5, 7.1 (data elements), A.4 (encapsulated pixel data) and G.5 (RLE header); ISO/IEC 10918-1, annex B (JPEG)
and 10918-5 (JFIF); 14495-1, annex C (JPEG-LS); 15444-1, annex A (JPEG 2000); Adobe Technical Note 5116 (APP14).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length of an element that ends with a delimiter: here, compressed frames in items."""

RGB, YBR = "RGB", "YBR"
"""Colour spaces of three components."""

_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM = b"\xfe\xff\x00\xe0"
_LONG_VRS = (b"OB", b"OW", b"UN")
_JPEG_START = b"\xff\xd8\xff"
_JPEG_2000_STARTS = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
_BETWEEN_IMAGES = re.compile(rb"(?<=\xff\xd9)\x00*(?=\xff\xd8\xff)")
_MOST_RLE_SEGMENTS, _RLE_HEADER_BYTES = 15, 64
_MARKERS_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SIZE, _CODING, _START_OF_DATA = 0x51, 0x52, 0x90


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


class StreamHeader(NamedTuple):
    """Header of one compressed frame.

    Attributes:
        height: Rows, or 0 where not stated.
        width: Columns, or 0.
        components: Values a pixel.
        bits: Bits a value, or 0.
        colours: `RGB` or `YBR` as stated, or empty.
        decoded: What libjpeg takes a JPEG's components for; for JPEG 2000, what is left once its own transform is undone.
    """

    height: int
    width: int
    components: int
    bits: int
    colours: str
    decoded: str


def payload_length(file: BinaryIO, *, implicit_vr: bool, little_endian: bool) -> int | None:
    """Read the head of the Pixel Data element at the current position of a file, which is then that of the value.

    Args:
        file: Open file, just behind the header.
        implicit_vr: Whether the header has no value representations.
        little_endian: Byte order.

    Returns:
        The length that the element states, maybe `UNDEFINED_LENGTH`, or None when there is no such element.
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
    """Read the Pixel Data element at the current position of a file; None when there is none.

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
    # Python sets aside as much as it is asked for, whatever the file holds.
    start = file.tell()
    there = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    data = file.read(min(length, max_bytes, max(there, 0)))
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
    """Group the fragments by frame.

    The first bytes of a fragment show whether a frame begins there. The offset tables are used where no fragment begins as a
    frame does, or where they name frames that are damaged at their beginning.

    Args:
        found: From `scan_fragments`.
        declared: Number of Frames, or 0.
        extended: Value of Extended Offset Table (7FE0,0001), or empty.

    Returns:
        The frames that are whole: all but one whose last fragment is cut.
    """
    fragments = found.whole if found.cut is None else (*found.whole, found.cut)
    if not fragments:
        return []
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
        declared: Number of Frames, or 0; used only where the data does not show the frames.
        extended: Value of Extended Offset Table (7FE0,0001), or empty.

    Returns:
        The frames in order.
    """
    found = scan_fragments(io.BytesIO(data))
    frames = [_bytes(data, group) for group in group_frames(found, declared, extended)]
    if len(frames) == 1 and declared != 1:
        return _images_in_a_row(frames[0])
    return frames


def join_fragments(data: bytes) -> bytes:
    """Return all fragments of encapsulated pixel data as one stream, a last incomplete one included."""
    found = scan_fragments(io.BytesIO(data))
    return _bytes(data, (*found.whole, *([found.cut] if found.cut is not None else [])))


def read_stream_header(frame: bytes) -> StreamHeader | None:
    """Read the header of a JPEG, JPEG-LS, JPEG 2000 or RLE frame; None where it is none of these or is damaged."""
    try:
        if frame.startswith(b"\xff\xd8"):
            return _jpeg(frame)
        if frame.startswith((b"\xff\x4f", _JP2_SIGNATURE)):
            return _jpeg_2000(frame[max(0, frame.find(b"\xff\x4f\xff\x51")) :])
        if frame[4:8] == b"\x40\x00\x00\x00":
            # A segment holds one byte of every pixel.
            segments = int.from_bytes(frame[:4], "little")
            return StreamHeader(0, 0, 3 if segments in (3, 6) else 1, 0, "", "")
    except IndexError:
        return None
    return None


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
    """The JPEG images that a writer put into one fragment, one after the other."""
    return _BETWEEN_IMAGES.split(data)


def _jpeg(data: bytes) -> StreamHeader | None:
    position, jfif, adobe = 2, False, -1
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF or marker in _MARKERS_WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        length = _number(data, position + 2, 2)
        body = data[position + 4 : position + 2 + length]
        if marker == 0xE0 and body.startswith(b"JFIF"):
            jfif = True
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker in _START_OF_FRAME:
            components = body[5]
            ids, sampling = body[6 : 6 + 3 * components : 3], body[7 : 7 + 3 * components : 3]
            stated = decoded = ""
            if components == 3 and marker not in _LOSSLESS:
                stated, decoded = _jpeg_colours(ids, len(set(sampling)) > 1, jfif, adobe)
            return StreamHeader(
                _number(body, 1, 2), _number(body, 3, 2), components, body[0], stated, decoded
            )
        position += 2 + length
    return None


def _jpeg_colours(ids: bytes, subsampled: bool, jfif: bool, adobe: int) -> tuple[str, str]:
    """Colours that a JPEG states, and what libjpeg takes it for (jdapimin.c, default_decompress_parms)."""
    decoded = YBR
    if not jfif and (adobe == 0 or (adobe < 0 and ids == b"RGB")):
        decoded = RGB
    stated = decoded if jfif or adobe >= 0 or subsampled or ids == b"RGB" else ""
    return stated, decoded


def _jpeg_2000(data: bytes) -> StreamHeader | None:
    position, size = 2, None
    transformed = False
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != _START_OF_DATA:
        marker, length = data[position + 1], _number(data, position + 2, 2)
        body = data[position + 4 : position + 2 + length]
        if marker == _SIZE:
            # Reference grid and its offset; the first component's bits follow the number of components.
            width, height = (_number(body, at, 4) - _number(body, at + 8, 4) for at in (2, 6))
            size = height, width, _number(body, 34, 2), (body[36] & 0x7F) + 1
        elif marker == _CODING:
            transformed = body[4] == 1
        position += 2 + length
    if size is None:
        return None
    colours = RGB if transformed and size[2] >= 3 else ""
    return StreamHeader(*size, colours, colours)


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + width], "big")
