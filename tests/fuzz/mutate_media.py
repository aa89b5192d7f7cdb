"""Mutators of AVI, MP4, Matroska, still images, NIfTI and protocol buffers: elements lost, doubled or swapped."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable

from tests.fuzz.mutate_text import ODD_NUMBERS, Mutator, Rng, Span, pick, raw, spans_mutator


class Node:
    """An element of a tree of boxes or chunks: its tag, and its content or its children."""

    def __init__(self, tag: bytes, content: bytes | list[Node], extra: bytes = b"") -> None:
        self.tag, self.content, self.extra = tag, content, extra
        self.lie: int | None = None  # a length that is written in place of the right one


def tree_mutator(parse: Callable[[bytes], list[Node]], write: Callable[[list[Node]], bytes]) -> Mutator:
    """A mutator of a tree whose lengths stay right, but where a lie is wanted."""

    def mutate(data: bytes, rng: Rng) -> bytes:
        nodes = parse(data)
        lists = [nodes]
        for found in lists:
            lists += [node.content for node in found if isinstance(node.content, list)]
        lists = [found for found in lists if found]
        if not lists:
            return raw(data, rng)
        for _ in range(int(rng.geometric(0.6))):
            siblings = pick(rng, lists)
            if not siblings:
                continue
            at = int(rng.integers(len(siblings)))
            node = siblings[at]
            match int(rng.integers(9)):
                case 0:
                    del siblings[at]
                case 1:
                    siblings[at:at] = [node] * int(pick(rng, (1, 2, 30)))
                case 2:
                    siblings[at] = pick(rng, pick(rng, [found for found in lists if found]))
                    if _depth(nodes, set()) is None:
                        siblings[at] = node
                case 3:
                    node.lie = int(pick(rng, ODD_NUMBERS))
                case 4:
                    node.tag = raw(node.tag, rng)[: len(node.tag)].ljust(len(node.tag), b"x")
                case 5:
                    other = pick(rng, lists)
                    if other:
                        node.tag = pick(rng, other).tag
                case _:
                    if isinstance(node.content, bytes):
                        node.content = _fields(node.content, rng)
        return write(nodes)

    return mutate


def _depth(nodes: list[Node], above: set[int]) -> int | None:
    """Depth of a tree, None where it holds itself."""
    deepest = 0
    for node in nodes:
        if id(node) in above:
            return None
        if isinstance(node.content, list):
            depth = _depth(node.content, above | {id(node)})
            if depth is None:
                return None
            deepest = max(deepest, depth + 1)
    return deepest


def _fields(content: bytes, rng: Rng) -> bytes:
    """Content of a box as a row of 2- or 4-byte numbers, one of them changed; else as bytes."""
    if len(content) < 4 or rng.random() < 0.3:
        return raw(content, rng)
    width, order = int(pick(rng, (2, 4))), pick(rng, ("little", "big"))
    at = int(rng.integers(len(content) // width)) * width
    value = int(pick(rng, ODD_NUMBERS)) % 2 ** (8 * width)
    return content[:at] + value.to_bytes(width, order) + content[at + width :]


def parse_riff(data: bytes) -> list[Node]:
    nodes, at = [], 0
    while at + 8 <= len(data):
        tag, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        content = data[at + 8 : at + 8 + size]
        if tag in (b"RIFF", b"LIST"):
            nodes.append(Node(tag, parse_riff(content[4:]), content[:4]))
        else:
            nodes.append(Node(tag, content))
        at += 8 + size + size % 2
    return nodes


def write_riff(nodes: list[Node]) -> bytes:
    out = bytearray()
    for node in nodes:
        content = node.content if isinstance(node.content, bytes) else node.extra + write_riff(node.content)
        size = len(content) if node.lie is None else node.lie % 2**32
        out += node.tag + size.to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
    return bytes(out)


_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof", b"traf")


def parse_boxes(data: bytes) -> list[Node]:
    nodes, at = [], 0
    while at + 8 <= len(data):
        size, tag = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        size = size if size >= 8 else len(data) - at
        content = data[at + 8 : at + size]
        nodes.append(Node(tag, parse_boxes(content) if tag in _BOXES else content))
        at += size
    return nodes


def write_boxes(nodes: list[Node]) -> bytes:
    out = bytearray()
    for node in nodes:
        content = node.content if isinstance(node.content, bytes) else write_boxes(node.content)
        size = len(content) + 8 if node.lie is None else node.lie % 2**32
        out += size.to_bytes(4, "big") + node.tag + content
    return bytes(out)


_MASTERS = (
    "18538067",
    "1549a966",
    "1654ae6b",
    "ae",
    "e0",
    "1f43b675",
    "1c53bb6b",
    "bb",
    "b7",
    "114d9b74",
    "4dbb",
    "a0",
)


def parse_ebml(data: bytes) -> list[Node]:
    nodes, at = [], 0
    while at < len(data):
        width = 9 - max(data[at], 1).bit_length()
        tag = data[at : at + width]
        at += width
        if at >= len(data):
            break
        n = 9 - max(data[at], 1).bit_length()
        size = int.from_bytes(data[at : at + n], "big") & (2 ** (7 * n) - 1)
        size = len(data) - at - n if size == 2 ** (7 * n) - 1 else size
        content = data[at + n : at + n + size]
        nodes.append(Node(tag, parse_ebml(content) if tag.hex() in _MASTERS else content))
        at += n + size
    return nodes


def write_ebml(nodes: list[Node]) -> bytes:
    out = bytearray()
    for node in nodes:
        content = node.content if isinstance(node.content, bytes) else write_ebml(node.content)
        size = len(content) if node.lie is None else node.lie
        out += node.tag + (2**56 | size % 2**56).to_bytes(8, "big") + content
    return bytes(out)


def png_spans(data: bytes) -> list[Span]:
    spans, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        spans.append((at, min(at + 12 + size, len(data))))
        at += 12 + size
    return spans


def png(data: bytes, rng: Rng) -> bytes:
    """Change chunks, and mend their checksums, or no decoder looks inside."""
    changed = spans_mutator(png_spans)(data, rng)
    out = bytearray(changed)
    if rng.random() < 0.8:
        for start, end in png_spans(changed):
            if end - start >= 12:
                out[end - 4 : end] = zlib.crc32(out[start + 4 : end - 4]).to_bytes(4, "big")
    return bytes(out)


def jpeg_spans(data: bytes) -> list[Span]:
    spans, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        spans.append((at, at + 2 + size))
        at += 2 + size
    return [*spans, (at, len(data))] if at < len(data) else spans


def gif_spans(data: bytes) -> list[Span]:
    """Screen, extensions and images, and each sub-block of theirs."""
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10:11] and data[10] & 0x80 else 0)
    spans = [(6, 13), (13, at)]
    while at < len(data) and data[at] in (0x21, 0x2C):
        start = at
        if data[at] == 0x21:
            at += 2
        else:
            packed = data[at + 9] if at + 9 < len(data) else 0
            at += 11 + (3 << ((packed & 7) + 1) if packed & 0x80 else 0)
        while at < len(data) and data[at]:
            spans.append((at, at + 1 + data[at]))
            at += 1 + data[at]
        at += 1
        spans.append((start, at))
    return spans


def tiff_spans(data: bytes) -> list[Span]:
    """Entries of the directories, twelve bytes each."""
    order = "little" if data[:2] == b"II" else "big"
    spans, seen = [], set()
    at = int.from_bytes(data[4:8], order)
    while 8 <= at < len(data) - 2 and at not in seen:
        seen.add(at)
        n = int.from_bytes(data[at : at + 2], order)
        spans += [(at + 2 + 12 * i, at + 14 + 12 * i) for i in range(n)]
        at = int.from_bytes(data[at + 2 + 12 * n : at + 6 + 12 * n], order)
    return [span for span in spans if span[1] <= len(data)]


def fixed_fields(data: bytes, rng: Rng, fields: tuple[tuple[int, str], ...]) -> bytes:
    """Give odd values to fields at fixed places.

    Args:
        data: The file.
        rng: Generator.
        fields: Offset and struct code of each.
    """
    out = bytearray(data)
    for _ in range(int(rng.geometric(0.6))):
        offset, code = pick(rng, fields)
        if offset + struct.calcsize(code) > len(out):
            continue
        if code[-1] in "fd":
            value = pick(rng, (0.0, -1.0, 1e30, float("nan"), float("inf"), 1e-30, 352.0, 353.5, 1e9))
            struct.pack_into(code, out, offset, value)
        else:
            width = struct.calcsize(code)
            number = int(pick(rng, (*ODD_NUMBERS, 4, 8, 16, 32, 48, 64, 512, 768)))
            out[offset : offset + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(out)


_BMP = (*((at, "<I") for at in (2, 10, 14, 18, 22, 30, 34, 46)), (26, "<H"), (28, "<H"))
_NIFTI = (
    *(
        (0, "<i"),
        (39, "B"),
        (68, "<h"),
        (70, "<h"),
        (72, "<h"),
        (74, "<h"),
        (108, "<f"),
        (112, "<f"),
        (116, "<f"),
    ),
    *((40 + 2 * i, "<h") for i in range(8)),
    *((76 + 4 * i, "<f") for i in range(8)),
    *((123, "B"), (252, "<h"), (254, "<h"), (344, "<I"), (348, "<I")),
)


def bmp(data: bytes, rng: Rng) -> bytes:
    """Change header fields."""
    return fixed_fields(data, rng, _BMP)


def nifti(data: bytes, rng: Rng) -> bytes:
    """Change header fields; of a packed file, those inside."""
    if data[:2] != b"\x1f\x8b":
        return fixed_fields(data, rng, _NIFTI)
    inner = gzip.decompress(data)
    inner = fixed_fields(inner, rng, _NIFTI) if rng.random() < 0.8 else raw(inner, rng)
    return gzip.compress(inner, 1)


def protobuf_spans(data: bytes) -> list[Span]:
    """Fields of a protocol buffer, and those of fields that are messages themselves."""
    return _fields_of(data, 0, len(data), 0) or []


def _fields_of(data: bytes, at: int, end: int, depth: int) -> list[Span] | None:
    spans: list[Span] = []
    while at < end:
        start = at
        key, at = _varint(data, at, end)
        kind = key & 7
        if kind == 0:
            _, at = _varint(data, at, end)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            size, at = _varint(data, at, end)
            if depth < 5:
                spans += _fields_of(data, at, at + size, depth + 1) or [] if at + size <= end else []
            at += size
        else:
            return None
        if at > end or key >> 3 == 0:
            return None
        spans.append((start, at))
    return spans


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    return 0, end + 1
