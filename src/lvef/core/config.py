"""Frozen dataclass configs from and to plain mappings (TOML, JSON). An unknown key raises."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from lvef.core.errors import ConfigError, LvefError, reading
from lvef.core.serialization import parse_toml, read_json

T = TypeVar("T")

_LARGEST = 2**63


def from_mapping(kind: type[T], values: dict[str, Any], where: str) -> T:
    """Build a dataclass from a mapping; nested dataclasses from nested mappings, lists become tuples.

    Args:
        kind: A dataclass type.
        values: Keys are field names.
        where: Name of the file, for the message.

    Raises:
        ConfigError: An unknown key, a missing one, or a value of the wrong type.
    """
    # A JSON file may hold anything.
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: {values!r:.40} found; names with values were expected.")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(
            f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(fields))}."
        )
    built = {name: _value(hints[name], value, f"{where}: {name}") for name, value in values.items()}
    try:
        return kind(**built)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except TypeError:
        missing = [
            n
            for n, f in fields.items()
            if n not in built
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        raise ConfigError(f"{where}: missing key {', '.join(missing)}.") from None


def to_mapping(config: Any) -> dict[str, Any]:  # noqa: ANN401
    """A dataclass as nested plain mappings; tuples become lists."""
    return {
        f.name: _plain(getattr(config, f.name))
        for f in dataclasses.fields(config)
        if getattr(config, f.name) is not None
    }


def read_json_config(kind: type[T], path: Path, schema: str, remedy: str, error: type[LvefError]) -> T:
    """A dataclass from a JSON file.

    Args:
        kind: A dataclass type with a field ``schema``.
        path: The file.
        schema: The layout that it must name.
        remedy: End of messages.
        error: Class of the errors.

    Raises:
        LvefError: It cannot be read, or does not fit ``kind``.
    """
    values = read_json(path, remedy, schema, error)
    try:
        return from_mapping(kind, values, str(path))
    except ConfigError as wrong:
        reason = str(wrong).removeprefix(f"{path}: ").rstrip(".")
        raise error(f"{path}: cannot be used ({reason}); {remedy}.") from None


def read_toml(kind: type[T], path: Path) -> T:
    """A dataclass from a TOML file.

    Raises:
        ConfigError: The file is missing, is not TOML, or does not fit ``kind``.
    """
    return from_mapping(kind, read_toml_values(path, "a TOML file"), str(path))


def read_toml_values(path: Path, expected: str) -> dict[str, Any]:
    """The plain values of a TOML file.

    Args:
        path: The file.
        expected: What it should be, for the message where it cannot be read.

    Raises:
        ConfigError: It is missing or is not TOML.
    """
    try:
        with reading(path, f"{expected} was expected", ConfigError):
            return parse_toml(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML ({error}).") from None


def fits(hint: Any, value: Any) -> bool:  # noqa: ANN401
    """Whether a value, and all that it holds, has the type that a dataclass declares.

    Args:
        hint: The type, as `typing.get_type_hints` gives it.
        value: What a JSON file held in its place.

    >>> fits(float | None, 1), fits(tuple[int, ...], (1, "a"))
    (True, False)
    """
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return any(fits(one, value) for one in inner)
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, float) or (type(value) is int and abs(value) < _LARGEST)
    if hint is int:
        return type(value) is int and abs(value) < _LARGEST
    if kind is tuple:
        return isinstance(value, tuple) and all(fits(inner[0], one) for one in value)
    if kind is dict:
        return isinstance(value, dict) and all(fits(inner[1], one) for one in value.values())
    if not isinstance(value, kind or hint):
        return False
    if not dataclasses.is_dataclass(value):
        return True
    hints = typing.get_type_hints(type(value))
    return all(
        fits(one, getattr(value, name)) for name, one in hints.items() if name in value.__dataclass_fields__
    )


def _plain(value: Any) -> Any:  # noqa: ANN401
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def _value(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [h for h in typing.get_args(hint) if h is not type(None)]
        return None if value is None else _value(options[0], value, where)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: {value!r} found, a table was expected.")
        return from_mapping(hint, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: {value!r} found, a list was expected.")
        inner = typing.get_args(hint)[0]
        return tuple(_value(inner, v, where) for v in value)
    if origin is dict or hint is Any:
        return value
    if hint is float and type(value) is int and abs(value) < _LARGEST:
        return float(value)
    if isinstance(hint, type) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ConfigError(f"{where}: {value!r} found, {hint.__name__} was expected.")
    return value
