"""What a compressed frame says of itself: size, components, bits, colours. It knows better than the DICOM header.

Source: ISO/IEC 10918-1, annex B (JPEG), and 10918-5 (JFIF); 14495-1, annex C (JPEG-LS); 15444-1, annex A (JPEG 2000); Adobe
Technical Note 5116 (APP14); DICOM PS3.5, annex G (RLE).
"""

from __future__ import annotations

from typing import NamedTuple

RGB, YBR = "RGB", "YBR"
"""Colour spaces of three components."""

_MARKERS_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SIZE, _CODING, _START_OF_DATA = 0x51, 0x52, 0x90


class StreamHeader(NamedTuple):
    """Header of one compressed frame.

    Attributes:
        height: Rows, or 0 where it does not tell.
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
