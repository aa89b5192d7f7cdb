"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Integer(click.IntRange):
    """A whole number within limits; help and messages call it so."""

    name = "integer"


class Number(click.FloatRange):
    """A number within limits; help and messages call it so."""

    name = "number"


class SectionedCommand(click.Command):
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


def workers_option(text: str) -> Callable[[F], F]:
    """The option ``--jobs``, alias ``--workers``; 0 leaves the choice to the command."""
    return click.option(*JOBS, type=Integer(min=0), default=0, help=text)


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
    """The options ``--verbose`` and ``--quiet``, which `is_verbose` and `is_quiet` tell.

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
