"""Plain values and JSON: what every file that the program writes is made of."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lvef.core.errors import DataError, LvefError, first_line, reading

if TYPE_CHECKING:
    import numpy as np

SIGNIFICANT_DIGITS = 9
"""Digits of a number in JSON."""

# A contour of 100 points would be 400 lines long: points are written together as ``[x, y]``, and lists of
# points on one line. A line break cannot stand inside a JSON string, so this touches nothing but the layout.
_BROKEN_POINT = re.compile(r"\[\n\s+(-?[\d.]+),\n\s+(-?[\d.]+)\n\s+\]")
_BETWEEN_POINTS = re.compile(r"(?<=\d\]),\n\s+(?=\[-?\d)")


def to_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write plain values as indented JSON with a final line break, points ``[x, y]`` on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return _BETWEEN_POINTS.sub(", ", _BROKEN_POINT.sub(r"[\1, \2]", text)) + "\n"


def to_plain(value: Any, *, digits: int = SIGNIFICANT_DIGITS) -> Any:  # noqa: ANN401
    """Convert records, arrays and numpy numbers to what JSON knows; numbers that are not finite become None.

    Args:
        value: Anything of dataclasses, mappings, sequences, arrays, strings and numbers.
        digits: Significant digits that numbers are cut to; 0 keeps all.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name), digits=digits) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {printable(str(key)): to_plain(inner, digits=digits) for key, inner in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return [to_plain(inner, digits=digits) for inner in value]
    if isinstance(value, float):
        return finite(value, digits)
    # Arrays and numbers of numpy, which need not be loaded for the rest.
    return to_plain(value.tolist(), digits=digits) if hasattr(value, "tolist") else value


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401
    """The plain values of a JSON text.

    Raises:
        ValueError: It is not JSON, or nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def read_json(path: Path, remedy: str, schema: str = "", kind: type[LvefError] = DataError) -> Any:  # noqa: ANN401
    """The plain values of a JSON file.

    Args:
        path: The file.
        remedy: End of messages: what was expected, or what to do.
        schema: The layout that it must name; empty where it may be any.
        kind: Class of the errors.

    Raises:
        LvefError: It cannot be read, is not JSON, or names another layout.
    """
    with reading(path, remedy, kind):
        data = path.read_bytes()
    try:
        values = parse_json(data.decode("utf-8"))
    except ValueError as error:
        raise kind(f"{path}: is not valid JSON ({first_line(error)}); {remedy}.") from None
    found = values.get("schema") if isinstance(values, dict) else None
    if schema and found != schema:
        raise kind(f"{path}: has the layout {found}, {schema} was expected; {remedy}.")
    return values


def parse_toml(text: str) -> dict[str, Any]:
    """The plain values of a TOML text.

    Raises:
        tomllib.TOMLDecodeError: It is not TOML, or nested too deep.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("nested too deep") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # of int(), for thousands of digits
        raise tomllib.TOMLDecodeError("a number has too many digits") from None


def finite(value: float | np.floating[Any] | None, digits: int = SIGNIFICANT_DIGITS) -> float | None:
    """A plain float of so many significant digits (0: of all), or None for what is not a finite number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.{digits}g}") if digits else float(value)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""A table as CSV with ``\n`` line ends.

    Raises:
        ValueError: Two columns have the same name, which many readers of CSV refuse or rename.
    """
    if len(set(header)) != len(header):
        raise ValueError(f"two columns have the same name: {', '.join(header)}")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def csv_cell(value: object) -> str:
    """Text of one cell: seven significant digits are far below what any number of a measurement means."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return printable(str(value))


def flatten(values: Any, before: str = "") -> dict[str, Any]:  # noqa: ANN401
    """Nested values by dotted name.

    Example:
        >>> flatten({"loss": {"kind": "mse"}, "epochs": 3})
        {'loss.kind': 'mse', 'epochs': 3}
    """
    if not isinstance(values, Mapping):
        return {before: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flatten(value, f"{before}.{key}" if before else str(key))
    return found


def printable(name: str) -> str:
    """A file name that can be written as UTF-8: bytes that no character stands for become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
