"""The user's config file: defaults of options, in a TOML table for each verb.

::

    [measure]
    weights = "camus-seg"
    jobs = 2

    [data.convert]
    format = "png"

The command line comes before environment variables, these before the file, the file before the built-in defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lvef.cli.lazy import option_key
from lvef.core.errors import did_you_mean, os_reason, plain_line
from lvef.core.serialization import parse_toml

CONFIG_VARIABLE = "LVEF_CONFIG"
"""Environment variable that names the file."""


class ConfigFileError(click.ClickException):
    """The config file cannot be used; one sentence and the exit code of a usage error."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(plain_line(message))

    def show(self, file: Any = None) -> None:  # noqa: ANN401
        """Print the sentence."""
        click.echo(f"lvef: {self.format_message()}", file=file, err=True)


def default_path() -> Path:
    """Where the file is looked for if ``LVEF_CONFIG`` names none."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path("~/.config")) / "lvef" / "config.toml"


def config_path() -> Path | None:
    """The file in force, or None where there is none."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    try:
        path = default_path().expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):
        # No home, or one that this user may not read.
        return None


def read_config(main: click.Group, ctx: click.Context) -> dict[str, Any]:
    """The values of the file in force, as click's ``default_map``; empty where there is no file.

    Args:
        main: The command line; only verbs that the file names are loaded.
        ctx: Its context.

    Raises:
        ConfigFileError: The file cannot be read, or has an unknown section, key or value.
    """
    path = config_path()
    if path is None:
        return {}
    try:
        values = parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        named = f", which {CONFIG_VARIABLE} names," if os.environ.get(CONFIG_VARIABLE) else ""
        raise ConfigFileError(f"{path}{named} cannot be read ({os_reason(error)}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{path}: not valid TOML ({error}).") from None
    return _read_group(main, values, ctx, str(path), "")


def _read_group(
    group: click.Group, values: Mapping[str, Any], ctx: click.Context, where: str, before: str
) -> dict[str, Any]:
    found = {}
    for name, inner in values.items():
        title, verbs = f"{before}{name}", group.list_commands(ctx)
        if not isinstance(inner, dict):
            raise ConfigFileError(
                f"{where}: {title} stands outside the section of a command, such as [measure]."
            )
        command = group.get_command(ctx, name) if name in verbs else None
        if command is None:
            hint = did_you_mean(name, verbs) or f"; there are {', '.join(verbs)}."
            raise ConfigFileError(f"{where}: there is no command for the section [{title}]{hint}")
        if isinstance(command, click.Group):
            found[name] = _read_group(command, inner, ctx, where, f"{title}.")
        else:
            found[name] = _read_command(command, inner, f"{where}: [{title}]")
    return found


def _read_command(command: click.Command, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    ctx = click.Context(command, resilient_parsing=True)
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    by_name = {name.lstrip("-"): option for option in options for name in option.opts if name[:2] == "--"}
    found = {}
    for key, value in values.items():
        option = by_name.get(key.replace("_", "-"))
        if option is None or option.name is None:
            known = sorted({option_key(option) for option in options})
            hint = did_you_mean(key, by_name) or f"; there are {', '.join(known)}."
            raise ConfigFileError(f"{where} has no option {key}{hint}")
        if isinstance(value, list) != option.multiple or isinstance(value, dict):
            wanted = "a list was" if option.multiple else "one value was"
            raise ConfigFileError(f"{where} {key}: {value!r} found; {wanted} expected.")
        # As text, so that 2.5 is no integer and true no number.
        plain = [_text(option, one) for one in value] if option.multiple else _text(option, value)
        try:
            option.type_cast_value(ctx, plain)
        except click.BadParameter as error:
            raise ConfigFileError(f"{where} {key}: {error.message}") from None
        found[option.name] = plain
    return found


def _text(option: click.Option, value: Any) -> Any:  # noqa: ANN401
    return value if option.is_bool_flag and isinstance(value, bool) else str(value)
