"""Command-line options made from a frozen dataclass: its fields are the options, its docstrings their help.

So a default, and the sentence that explains it, stand in one place.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

from lvef.cli.options import Integer, Number, complete_models
from lvef.core.config import read_toml
from lvef.core.errors import ConfigError
from lvef.core.terms import GIVEN_VIEWS, View

NAMES_OF_MODELS = ("weights", "second_opinion")
"""Fields that name an installed model, which the shell completes."""

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class TomlType(click.ParamType[Any]):
    """A dataclass from a TOML file; a usage error says what is wrong with the file.

    Args:
        kind: The dataclass.
    """

    name = "FILE.toml"

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Read the file; a default stays as it is."""
        if isinstance(value, self.kind):
            return value
        try:
            return read_toml(self.kind, Path(value))
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def options_from(
    kind: type,
    *,
    only: Collection[str] | None = None,
    aliases: Mapping[str, tuple[str, ...]] | None = None,
    ranges: Mapping[str, click.ParamType[Any]] | None = None,
    bare: Mapping[str, str] | None = None,
    metavars: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Decorate a command with one option a field, in the order of the fields.

    Args:
        kind: A dataclass whose fields are str, int, float, bool, a `StrEnum` or a dataclass (a TOML file), or one of these
            or None; others need a range, and a tuple becomes an option that may be given several times.
        only: Fields that get an option; None for all.
        aliases: Further option names, by field.
        ranges: What a field may be, where its type is too general.
        bare: Value of an option that is given without one, by field; the others need a value.
        metavars: What help shows in place of the type, by field.
    """

    def decorate(command: F) -> F:
        docs = field_docs(kind)
        hints = typing.get_type_hints(kind)
        # click lists options in the reverse order of their decoration.
        for field in reversed(dataclasses.fields(kind)):
            if only is not None and field.name not in only:
                continue
            names = [f"--{field.name.replace('_', '-')}"]
            if aliases is not None and field.name in aliases:
                names += aliases[field.name]
            own = None if ranges is None else ranges.get(field.name)
            several = field.default == ()
            alone: dict[str, Any] = (
                {}
                if bare is None or field.name not in bare
                else {"is_flag": False, "flag_value": bare[field.name]}
            )
            if metavars is not None and field.name in metavars:
                alone |= {"metavar": metavars[field.name]}
            if field.name in NAMES_OF_MODELS:
                alone |= {"shell_complete": complete_models}
            command = click.option(
                *names,
                field.name,
                **(_kind(hints[field.name]) if own is None else {"type": own}),
                **({"multiple": True} if several else {"default": field.default}),
                **alone,
                show_default=bool(field.default)
                and field.default != "unknown"
                and not dataclasses.is_dataclass(field.default),
                help=docs.get(field.name, ""),
            )(command)
        return command

    return decorate


def build(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make the dataclass from a command's values; those of other options are left alone."""
    hints = typing.get_type_hints(kind)
    built = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in values:
            value, inner = values[field.name], _inner(hints[field.name])
            built[field.name] = inner(value) if value is not None and issubclass(inner, StrEnum) else value
    return kind(**built)


def field_docs(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, on one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    docs = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            docs[before.target.id] = " ".join(str(after.value.value).split())
    return docs


class _Numbers(click.ParamType[tuple[float, ...]]):
    """So many numbers with commas between them."""

    def __init__(self, n: int) -> None:
        self.n, self.name = n, ",".join(["number"] * n)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != self.n:
            self.fail(f"{value!r} is not {self.n} numbers with commas between them.", param, ctx)
        return numbers


def _without_none(hint: Any) -> Any:  # noqa: ANN401
    """``X`` of ``X | None``."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(h for h in typing.get_args(hint) if h is not type(None))
    return hint


def _inner(hint: Any) -> type:  # noqa: ANN401
    """The class behind ``X | None`` or ``X[...]``."""
    hint = _without_none(hint)
    hint = typing.get_origin(hint) or hint
    assert isinstance(hint, type)
    return hint


def _kind(hint: Any) -> dict[str, Any]:  # noqa: ANN401
    """Click's arguments for a type: bool becomes a flag without a value."""
    return {"is_flag": True} if _inner(hint) is bool else {"type": _param_type(hint)}


def _param_type(hint: Any) -> click.ParamType[Any]:  # noqa: ANN401
    inner = _inner(hint)
    if dataclasses.is_dataclass(inner):
        return TomlType(inner)
    if issubclass(inner, tuple):
        return _Numbers(len(typing.get_args(_without_none(hint))))
    if issubclass(inner, StrEnum):
        members = GIVEN_VIEWS if inner is View else tuple(inner)
        return click.Choice([member.value for member in members], case_sensitive=False)
    if inner is int:
        return Integer(min=0)
    if inner is float:
        return Number(min=0, min_open=True)
    return click.STRING
