"""Mutators that know the structure of a format: elements are dropped, doubled, swapped, nested, cut and given other values.

Everything is drawn from the generator that is passed in: the same seed gives the same file.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutator = Callable[[bytes, Rng], bytes]
Span = tuple[int, int]

ODD_NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
ODD_NUMBERS_LONG = (*ODD_NUMBERS, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
ODD_TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1e309",
        "nan",
        "inf",
        "-inf",
        "1" * 400,
        "0x10",
        "1,5",
        "1_0",
        "½",
        "٣",
        "²",
        "é" * 40,
    ),
    *(
        "\0",
        "\x1b[31m",
        "\r",
        "\n",
        "\u202e",
        "\ud7ff",
        "\ufeff",
        "../../../etc/passwd",
        "/dev/zero",
        "C:\\con",
        "~",
        ".",
    ),
    *(
        "9999999999999999999999",
        "1e-320",
        "null",
        "true",
        "=1+1",
        "'",
        '"',
        ";",
        ",",
        "\t",
        "a" * 5000,
        "%s%n",
        "{}",
        "$(id)",
    ),
)
ODD_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        2**70,
        10**400,
        1e308,
        -0.0,
        1e-320,
        float("nan"),
        float("inf"),
    ),
    *([], {}, [[]], [None], {"": 0}, [1, "a", None], *ODD_TEXTS[:-8]),
)


def pick(rng: Rng, values: Any) -> Any:
    """One of a sequence, as it is."""
    return values[int(rng.integers(len(values)))]


def raw(data: bytes, rng: Rng) -> bytes:
    """Change bytes without knowing what they mean."""
    out = bytearray(data)
    for _ in range(int(rng.geometric(0.4))):
        n = len(out)
        if not n:
            return bytes(rng.integers(0, 256, 8, np.uint8))
        at = int(rng.integers(n) if rng.random() < 0.5 else min(rng.geometric(0.02), n) - 1)
        size = int(min(rng.geometric(0.05), n - at))
        match int(rng.integers(10)):
            case 0:
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                out[at] = int(pick(rng, (0, 1, 0x7F, 0x80, 0xFE, 0xFF)))
            case 2:
                width, order = int(pick(rng, (2, 4, 8))), pick(rng, ("little", "big"))
                value = int(pick(rng, ODD_NUMBERS_LONG)) % 2 ** (8 * width)
                out[at : at + width] = value.to_bytes(width, order)
            case 3:
                del out[at : at + size]
            case 4:
                out[at:at] = out[at : at + size]
            case 5:
                out[at:at] = bytes(rng.integers(0, 256, size, np.uint8))
            case 6:
                del out[at:]
            case 7:
                to = int(rng.integers(n))
                out[to : to + size] = out[at : at + size]
            case 8:
                out[at : at + size] = bytes([int(rng.integers(256))]) * size
            case _:
                value = int.from_bytes(out[at : at + 2], "little") + int(rng.integers(-35, 36))
                out[at : at + 2] = (value % 65536).to_bytes(2, "little")
    return bytes(out)


def spans_mutator(find: Callable[[bytes], list[Span]]) -> Mutator:
    """A mutator of a file that is a row of parts: they are dropped, doubled, moved, cut, emptied or changed inside."""

    def mutate(data: bytes, rng: Rng) -> bytes:
        spans = find(data)
        if not spans:
            return raw(data, rng)
        start, end = pick(rng, spans)
        part = data[start:end]
        match int(rng.integers(7)):
            case 0:
                return data[:start] + data[end:]
            case 1:
                return data[:end] + part * int(pick(rng, (1, 2, 50))) + data[end:]
            case 2:
                other, stop = pick(rng, spans)
                return data[:other] + part + data[stop:]
            case 3:
                return data[: start + int(rng.integers(len(part) + 1))]
            case 4:
                return data[: start + int(rng.integers(len(part) + 1))] + data[end:]
            case _:
                return data[:start] + raw(part, rng) + data[end:]

    return mutate


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


def _parse_riff(data: bytes) -> list[Node]:
    nodes, at = [], 0
    while at + 8 <= len(data):
        tag, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        content = data[at + 8 : at + 8 + size]
        if tag in (b"RIFF", b"LIST"):
            nodes.append(Node(tag, _parse_riff(content[4:]), content[:4]))
        else:
            nodes.append(Node(tag, content))
        at += 8 + size + size % 2
    return nodes


def _write_riff(nodes: list[Node]) -> bytes:
    out = bytearray()
    for node in nodes:
        content = node.content if isinstance(node.content, bytes) else node.extra + _write_riff(node.content)
        size = len(content) if node.lie is None else node.lie % 2**32
        out += node.tag + size.to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
    return bytes(out)


_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof", b"traf")


def _parse_boxes(data: bytes) -> list[Node]:
    nodes, at = [], 0
    while at + 8 <= len(data):
        size, tag = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        size = size if size >= 8 else len(data) - at
        content = data[at + 8 : at + size]
        nodes.append(Node(tag, _parse_boxes(content) if tag in _BOXES else content))
        at += size
    return nodes


def _write_boxes(nodes: list[Node]) -> bytes:
    out = bytearray()
    for node in nodes:
        content = node.content if isinstance(node.content, bytes) else _write_boxes(node.content)
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


def _parse_ebml(data: bytes) -> list[Node]:
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
        nodes.append(Node(tag, _parse_ebml(content) if tag.hex() in _MASTERS else content))
        at += n + size
    return nodes


def _write_ebml(nodes: list[Node]) -> bytes:
    out = bytearray()
    for node in nodes:
        content = node.content if isinstance(node.content, bytes) else _write_ebml(node.content)
        size = len(content) if node.lie is None else node.lie
        out += node.tag + (2**56 | size % 2**56).to_bytes(8, "big") + content
    return bytes(out)


def _png_spans(data: bytes) -> list[Span]:
    spans, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        spans.append((at, min(at + 12 + size, len(data))))
        at += 12 + size
    return spans


def png(data: bytes, rng: Rng) -> bytes:
    """Change chunks, and mend their checksums, or no decoder looks inside."""
    changed = spans_mutator(_png_spans)(data, rng)
    out = bytearray(changed)
    if rng.random() < 0.8:
        for start, end in _png_spans(changed):
            if end - start >= 12:
                out[end - 4 : end] = zlib.crc32(out[start + 4 : end - 4]).to_bytes(4, "big")
    return bytes(out)


def _jpeg_spans(data: bytes) -> list[Span]:
    spans, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        spans.append((at, at + 2 + size))
        at += 2 + size
    return [*spans, (at, len(data))] if at < len(data) else spans


def _gif_spans(data: bytes) -> list[Span]:
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


def _tiff_spans(data: bytes) -> list[Span]:
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


def text(data: bytes, rng: Rng) -> bytes:
    """Change lines, cells, keys and values of a text."""
    lines = data.split(b"\n")
    for _ in range(int(rng.geometric(0.5))):
        at = int(rng.integers(len(lines)))
        line = lines[at]
        odd = str(pick(rng, ODD_TEXTS)).encode("utf-8", "surrogatepass")
        words = re.split(rb"([,;\t=:\"\[\]{} ]+)", line)
        match int(rng.integers(9)):
            case 0:
                del lines[at]
            case 1:
                lines[at:at] = [line] * int(pick(rng, (1, 2, 200)))
            case 2:
                lines[at], other = pick(rng, lines), line
                lines[int(rng.integers(len(lines)))] = other
            case 3:
                lines[at] = odd
            case 4:
                lines[at] = raw(line, rng)
            case _:
                words[int(rng.integers(len(words)))] = odd if rng.random() < 0.7 else pick(rng, words)
                lines[at] = b"".join(words)
        if not lines:
            return b""
    return b"\n".join(lines)


def json_values(data: bytes, rng: Rng) -> bytes:
    """Change keys and values of JSON: other kinds, odd numbers, deep nesting."""
    try:
        values = json.loads(data)
    except ValueError:
        return text(data, rng)
    for _ in range(int(rng.geometric(0.5))):
        values = _json(values, rng)
    if rng.random() < 0.02:
        return b"[" * 100_000
    return json.dumps(values).encode()


def _json(value: Any, rng: Rng) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = pick(rng, list(value))
        match int(rng.integers(8)):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {**value, str(pick(rng, ODD_TEXTS)): value[key]}
            case 2:
                return {**value, key: pick(rng, ODD_VALUES)}
            case _:
                return {**value, key: _json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(len(value)))
        match int(rng.integers(6)):
            case 0:
                return value[:at]
            case 1:
                return [*value, value[at]]
            case _:
                return [*value[:at], _json(value[at], rng), *value[at + 1 :]]
    return pick(rng, ODD_VALUES)


def json_lines(data: bytes, rng: Rng) -> bytes:
    """Change one line of JSON lines, or the lines."""
    lines = data.split(b"\n")
    if rng.random() < 0.4:
        return text(data, rng)
    at = int(rng.integers(len(lines)))
    lines[at] = json_values(lines[at], rng) if lines[at] else b"{}"
    return b"\n".join(lines)


def workbook(data: bytes, rng: Rng) -> bytes:
    """Change the XML of one member of an xlsx file, its name, or how it is packed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = pick(rng, list(members))
    if rng.random() < 0.6:
        name = next(n for n in members if "sheet1" in n)
    match int(rng.integers(6)):
        case 0:
            del members[name]
        case 1:
            members[str(pick(rng, ODD_TEXTS)) or "x"] = members.pop(name)
        case 2:
            far = str(
                pick(rng, ("XFD1048576", "A1048576", "XFD1", "ZZZZ99", "A0", "", "AAAAAAAA1", "A99999999999"))
            )
            members[name] = re.sub(rb'r="[A-Z]+\d+"', b'r="' + far.encode() + b'"', members[name], count=1)
        case 3:
            members[name] = raw(members[name], rng)
        case _:
            parts = re.split(rb"([<>\"= ]+)", members[name])
            parts[int(rng.integers(len(parts)))] = str(pick(rng, ODD_TEXTS)).encode("utf-8", "surrogatepass")
            members[name] = b"".join(parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member.replace("\0", "0") or "x", content)
    return out.getvalue()


def _protobuf_spans(data: bytes) -> list[Span]:
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


def _dicom_spans(data: bytes) -> list[Span]:
    """Elements of a DICOM file, as pydicom finds them; their length fields among them."""
    import pydicom

    spans: list[Span] = []
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True, defer_size=None)
        places = sorted(
            int(getattr(element, "value_tell", 0) or getattr(element, "file_tell", 0) or 0)
            for part in (dataset.file_meta, dataset)
            for element in part._dict.values()
        )
    except Exception:  # noqa: BLE001  whatever a damaged file does
        return []
    places = [place for place in places if 132 < place <= len(data)]
    for place, following in zip(places, [*places[1:], len(data)], strict=True):
        start, end = max(place - 8, 132), max(following - 8, place)
        spans += [(start, end), (max(place - 4, 132), place)]
    return spans


_DICOM_KEYWORDS = (
    *(
        "Rows",
        "Columns",
        "NumberOfFrames",
        "SamplesPerPixel",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "FrameTime",
    ),
    *(
        "PixelRepresentation",
        "PlanarConfiguration",
        "PhotometricInterpretation",
        "FrameTimeVector",
        "PixelSpacing",
    ),
    *(
        "CineRate",
        "RecommendedDisplayFrameRate",
        "FrameIncrementPointer",
        "HeartRate",
        "PixelAspectRatio",
        "RWaveTimeVector",
    ),
    *(
        "SequenceOfUltrasoundRegions",
        "WindowCenter",
        "WindowWidth",
        "RescaleSlope",
        "RescaleIntercept",
        "PatientSex",
    ),
    *(
        "ExtendedOffsetTable",
        "RedPaletteColorLookupTableDescriptor",
        "RedPaletteColorLookupTableData",
        "ViewName",
    ),
    *(
        "GreenPaletteColorLookupTableDescriptor",
        "GreenPaletteColorLookupTableData",
        "ModalityLUTSequence",
        "StageName",
    ),
    *(
        "ViewCodeSequence",
        "SeriesDescription",
        "ImageType",
        "InstanceNumber",
        "TriggerTime",
        "AcquisitionDateTime",
        "Modality",
    ),
    *(
        "EffectiveDuration",
        "ActualFrameDuration",
        "StartTrim",
        "StopTrim",
        "PreferredPlaybackSequencing",
        "VOILUTSequence",
    ),
)


def dicom(data: bytes, rng: Rng) -> bytes:
    """Change elements through pydicom: another value, another transfer syntax, none; in part, bytes of an element."""
    import warnings

    import pydicom
    from pydicom import config

    if rng.random() < 0.5:
        return spans_mutator(_dicom_spans)(data, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = config.settings.writing_validation_mode
        config.settings.writing_validation_mode = config.IGNORE
        try:
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            for _ in range(int(rng.geometric(0.5))):
                _change_element(dataset, rng)
            out = io.BytesIO()
            pydicom.dcmwrite(out, dataset)
            return out.getvalue()
        except Exception:  # noqa: BLE001  a value that cannot be written
            return raw(data, rng)
        finally:
            config.settings.writing_validation_mode = before


def _change_element(dataset: Any, rng: Rng) -> None:
    from pydicom import uid
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    keyword = str(pick(rng, _DICOM_KEYWORDS))
    if rng.random() < 0.1:
        names = [name for name in dir(uid) if isinstance(getattr(uid, name), uid.UID)]
        dataset.file_meta.TransferSyntaxUID = getattr(uid, str(pick(rng, names)))
    elif keyword in dataset and rng.random() < 0.25:
        del dataset[keyword]
    else:
        tag = tag_for_keyword(keyword)
        assert tag is not None
        kind = dictionary_VR(tag)[:2]
        value: Any = str(pick(rng, ODD_TEXTS))[:60]
        if kind == "US":
            value = int(pick(rng, [n for n in ODD_NUMBERS if n < 65536] + [8, 12, 16, 32, 48, 64]))
        elif kind == "FD":
            value = float(pick(rng, (0.0, -1.0, 1e300, float("nan"), float("inf"), 1e-300)))
        elif kind in ("OB", "OW", "OV"):
            value = bytes(rng.integers(0, 256, int(pick(rng, (0, 2, 8, 512))), np.uint8))
        elif kind == "AT":
            value = int(pick(rng, (0x00181063, 0x00181065, 0, 0xFFFFFFFF, 0x7FE00010)))
        elif kind == "SQ":
            items = [pick(rng, dataset[keyword].value)] * int(rng.integers(4)) if dataset.get(keyword) else []
            for item in items[:1]:
                element = pick(rng, list(item))
                number = int(pick(rng, ODD_NUMBERS)) % 65536
                item[element.tag].value = number if element.VR in ("US", "SL", "UL") else element.value
            value = items
        elif rng.random() < 0.4:
            value = [value, str(pick(rng, ODD_TEXTS))[:16]]
        # As bytes where the value is none that pydicom would write.
        dataset.add_new(tag, kind, value)


STRUCTURED: dict[str, Mutator] = {
    ".avi": tree_mutator(_parse_riff, _write_riff),
    ".webp": tree_mutator(_parse_riff, _write_riff),
    ".mp4": tree_mutator(_parse_boxes, _write_boxes),
    ".mov": tree_mutator(_parse_boxes, _write_boxes),
    ".mkv": tree_mutator(_parse_ebml, _write_ebml),
    ".gif": spans_mutator(_gif_spans),
    ".png": png,
    ".jpg": spans_mutator(_jpeg_spans),
    ".tif": spans_mutator(_tiff_spans),
    ".bmp": bmp,
    ".nii": nifti,
    ".gz": nifti,
    ".dcm": dicom,
    ".xlsx": workbook,
    ".json": json_values,
    ".jsonl": json_lines,
    ".onnx": spans_mutator(_protobuf_spans),
    **dict.fromkeys((".csv", ".toml", ".cfg", ".mhd", ".mha", ".txt", ".m3u8", ".html"), text),
}
"""Suffix -> the mutator that knows its format; any other file is changed byte by byte."""


def mutated(files: dict[str, bytes], rng: Rng) -> dict[str, bytes]:
    """The files of a seed, one of them changed: by its format as a rule, byte by byte else, now and then by both."""
    name = str(pick(rng, list(files)))
    if rng.random() < 0.5:
        name = next(iter(files))
    data = files[name]
    structured = STRUCTURED.get("." + name.rpartition(".")[2].lower(), raw)
    choice = rng.random()
    if choice < 0.75:
        data = structured(data, rng)
    if choice > 0.65:
        data = raw(data, rng)
    return {**files, name: data}
