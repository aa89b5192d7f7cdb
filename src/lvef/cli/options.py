"""Options and arguments that several commands share, and options made from a frozen dataclass.

Of a dataclass, the fields are the options and their docstrings the help, so that a default, and the sentence that
explains it, stand in one place.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import click

from lvef.cli.lazy import Verb

F = TypeVar("F", bound=Callable[..., Any])


class Integer(click.IntRange):
    """A whole number within limits; help and messages call it so."""

    name = "integer"


class Number(click.FloatRange):
    """A number within limits; help and messages call it so."""

    name = "number"


class SectionedCommand(Verb):
    """A command whose help lists its options under headings.

    Args:
        sections: Heading -> names of parameters; the others come last, under "Options".
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, heading by heading."""
        heading_of = {name: heading for heading, names in self.sections.items() for name in names}
        found: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*self.sections, "Options")}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if isinstance(param, click.Option) and record is not None:
                found[heading_of.get(param.name or "", "Options")].append(record)
        for heading, records in found.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

JOBS = ("-j", "--jobs", "--workers", "workers")
"""Names of the option that says how many items are worked on at once."""

VERBOSE, QUIET = "lvef.verbose", "lvef.quiet"
"""Keys under which `click.Context.meta` has them."""


def combine(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """One decorator of several, in the order in which help lists them."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def json_option(text: str = "Print JSON instead of a table.") -> Callable[[F], F]:
    """The option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def out_option(text: str, *, required: bool = False) -> Callable[[F], F]:
    """The option ``--out`` for a folder."""
    return click.option("-o", "--out", type=FOLDER, required=required, help=text)


def resume_option(text: str) -> Callable[[F], F]:
    """The option ``--resume``, on by default."""
    return click.option("--resume/--no-resume", default=True, show_default=True, help=text)


def workers_option(text: str) -> Callable[[F], F]:
    """The option ``--jobs``, alias ``--workers``; 0 leaves the choice to the command."""
    return click.option(*JOBS, type=Integer(min=0), default=0, help=text)


def seed_option(text: str) -> Callable[[F], F]:
    """The option ``--seed``, 0 by default."""
    return click.option("--seed", type=Integer(min=0), default=0, show_default=True, help=text)


def complete_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of the installed models, for the Tab key."""
    from lvef.core.errors import LvefError
    from lvef.inference.catalogue import measuring_models

    try:
        return [entry.name for entry in measuring_models() if entry.name.startswith(incomplete)]
    except LvefError:
        return []


def complete_datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of the datasets that can be imported, for the Tab key."""
    from lvef.datasets.registry import READERS

    return [name for name in READERS if name.startswith(incomplete)]


def verbosity_options(verbose: str = "Say on stderr what is done with each file.") -> Callable[[F], F]:
    """The options ``--verbose`` and ``--quiet``, which `is_verbose` and `is_quiet` read.

    Args:
        verbose: Help of ``--verbose``; empty for a command without it.
    """
    quiet = _flag("-q", "--quiet", QUIET, "Print results and errors only.")
    return combine(_flag("-v", "--verbose", VERBOSE, verbose), quiet) if verbose else quiet


def is_verbose() -> bool:
    """Whether the user wants to read what is done."""
    return _is_given(VERBOSE)


def is_quiet() -> bool:
    """Whether the user wants results and errors only."""
    return _is_given(QUIET)


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print plain values as JSON on stdout."""
    from lvef.core.serialization import to_json

    click.echo(to_json(value), nl=False)


def note(text: str) -> None:
    """Print a sentence on stderr, unless only results and errors are wanted."""
    if not is_quiet():
        click.echo(text, err=True)


def _flag(short: str, name: str, key: str, text: str) -> Callable[[F], F]:
    def keep(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.meta[key] = value
        if ctx.meta.get(VERBOSE) and ctx.meta.get(QUIET):
            raise click.UsageError("--verbose and --quiet contradict each other: give one.", ctx)

    return click.option(short, name, is_flag=True, expose_value=False, callback=keep, help=text)


def _is_given(key: str) -> bool:
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(key))


NAMES_OF_MODELS = ("weights", "second_opinion")
"""Fields that name an installed model, which the shell completes."""

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
        # Here and below: commands without such options start faster.
        from lvef.core.config import read_toml
        from lvef.core.errors import ConfigError

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
    aliases: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ranges: Mapping[str, click.ParamType[Any]] = MappingProxyType({}),
    bare: Mapping[str, str] = MappingProxyType({}),
    metavars: Mapping[str, str] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[F], F]:
    """Decorate a command with one option a field that has a default, in the order of the fields.

    Args:
        kind: A dataclass whose fields are str, int, float, bool, a `StrEnum` or a dataclass (a TOML file), or one of these
            `Path` or None; others need a range, and a tuple becomes an option that may be given several times.
        only: Fields that get an option; None for all.
        aliases: Further option names, by field.
        ranges: What a field may be, where its type is too general.
        bare: Value of an option that is given without one, by field; the others need a value.
        metavars: What help shows in place of the type, by field.
        names: Names of options that have another name than their field.
    """

    def decorate(command: F) -> F:
        # Where each field has a range, its type may be one that only type checkers know.
        with_range = {field.name for field in dataclasses.fields(kind)} <= ranges.keys()
        docs, hints = field_docs(kind), {} if with_range else typing.get_type_hints(kind)
        # click lists options in the reverse order of their decoration.
        for field in reversed(dataclasses.fields(kind)):
            name, default = field.name, field.default
            if default is dataclasses.MISSING or (only is not None and name not in only):
                continue
            settings: dict[str, Any] = {"type": ranges[name]} if name in ranges else _kind(hints[name])
            settings |= {"multiple": True} if default == () else {"default": default}
            if name in bare:
                settings |= {"is_flag": False, "flag_value": bare[name]}
            if name in metavars:
                settings["metavar"] = metavars[name]
            if name in NAMES_OF_MODELS:
                settings["shell_complete"] = complete_models
            shown = bool(default) and default != "unknown" and not dataclasses.is_dataclass(default)
            named = names.get(name, f"--{name.replace('_', '-')}")
            # What stands in brackets at the end is set apart, as click does with defaults.
            text = re.sub(r" (\[[^]]+\])$", r"  \1", docs.get(name, ""))
            settings |= {"help": text, "show_default": shown}
            command = click.option(named, *aliases.get(name, ()), name, **settings)(command)
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
    """The docstring under each field of a dataclass, and of those that it extends, on one line."""
    # Of the whole module: to find the lines of a class takes ten times as long.
    module = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    [tree] = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    docs: dict[str, str] = {}
    for base in filter(dataclasses.is_dataclass, kind.__bases__):
        docs |= field_docs(base)
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
    from lvef.core.terms import GIVEN_VIEWS, View

    inner = _inner(hint)
    if dataclasses.is_dataclass(inner):
        return TomlType(inner)
    if issubclass(inner, Path):
        return PATH
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
