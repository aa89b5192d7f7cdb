"""Command groups: suggestions for mistyped verbs, names of environment variables, modules loaded only to run a verb."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lvef.core.errors import did_you_mean

EXAMPLES = "\nExamples:\n"
"""Where the part of a docstring begins that help shows below the options."""


class Verb(click.Command):
    """A command with its whole help in its docstring: what stands from "Examples:" on is shown below the options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        text, _, examples = inspect.cleandoc(kwargs.get("help") or "").partition(EXAMPLES)
        if examples:
            # The mark keeps the lines of the examples as they are.
            kwargs |= {"help": text.rstrip(), "epilog": f"\b{EXAMPLES}{examples}"}
        super().__init__(*args, **kwargs)


class VerbGroup(Verb, click.Group):
    """A group that suggests the verb that was probably meant, and names the environment variables of its options."""

    command_class = Verb
    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a usage error says which one was probably meant."""
        word = args[0]
        if not word.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, word) is None:
            raise click.UsageError(f"There is no command {word!r}{self._hint(ctx, word)}", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and name is not None and ctx.auto_envvar_prefix:
            _name_variables(command, f"{ctx.auto_envvar_prefix}_{name}")
        return name, command, rest

    def _hint(self, ctx: click.Context, word: str) -> str:
        hint = did_you_mean(word, self.list_commands(ctx))
        if not hint and ctx.parent is None and Path(word).exists():
            return f"; to measure that file: lvef measure {word}"
        return hint or f"; there are {', '.join(self.list_commands(ctx))}."


class LazyGroup(VerbGroup):
    """A group that imports a verb's module only to run it.

    Args:
        verbs: Verb -> its module, the command in it, and its line in the help.
        sections: Heading -> its verbs, in the order of the help.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401
        verbs: Mapping[str, tuple[str, str, str]],
        sections: Mapping[str, tuple[str, ...]],
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        self.verbs, self.sections = verbs, sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one verb."""
        if cmd_name not in self.verbs:
            return None
        module, name, _ = self.verbs[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without loading them."""
        width = max(map(len, self.verbs))
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self.verbs[name][2]) for name in names])


def option_key(option: click.Option) -> str:
    """An option's name in environment variables and in the config file: its first long name without the dashes.

    Example:
        >>> option_key(click.Option(["-o", "--out"])), option_key(click.Option(["--json", "as_json"]))
        ('out', 'json')
    """
    return next(name for name in option.opts if name.startswith("--")).lstrip("-")


def _name_variables(command: click.Command, prefix: str) -> None:
    """Name the environment variable of each option whose parameter is called otherwise, ``--json`` for example."""
    for param in command.params:
        if isinstance(param, click.Option) and option_key(param).replace("-", "_") != param.name:
            names = [name.lstrip("-") for name in param.opts if name.startswith("--")]
            param.envvar = [f"{prefix}_{name}".upper().replace("-", "_") for name in names]
