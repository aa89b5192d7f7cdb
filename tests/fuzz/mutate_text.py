"""Mutators of bytes, rows of parts, texts, JSON and workbooks.

Everything is drawn from the generator that is passed in: the same seed gives the same file.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
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
