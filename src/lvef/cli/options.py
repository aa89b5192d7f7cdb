"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


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
    """The option ``--workers``; 0 leaves the choice to the command."""
    return click.option("--workers", type=click.IntRange(min=0), default=0, help=text)
