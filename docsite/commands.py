"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click


def every_command(
    group: click.Group, words: tuple[str, ...] = ("lvef",), parent: click.Context | None = None
) -> Iterator[tuple[tuple[str, ...], click.Context]]:
    """Each command below a group, with the words that call it and its context."""
    # With its settings: click keeps the help option of the first context, and `-h` would be unknown later.
    context = click.Context(group, info_name=words[-1], parent=parent, **group.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from every_command(command, (*words, name), context)
        else:
            yield (
                (*words, name),
                click.Context(command, info_name=name, parent=context, **command.context_settings),
            )


def command_pages(main: click.Group) -> str:
    """Markdown with a section for each command: usage, help, arguments and options with their defaults, examples."""
    return "\n\n".join(_section(words, context) for words, context in every_command(main))


def _section(words: tuple[str, ...], context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"## {' '.join(words)}", f"```text\n{usage}\n```", _prose(command.help)]
    records = [param.get_help_record(context) for param in command.get_params(context)]
    rows = [record for record in records if record and record[1]]
    if rows:
        lines = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in rows]
        parts.append("\n".join(["| Option | Meaning |", "|---|---|", *lines]))
    examples, rest = _examples(command.epilog or "")
    if examples:
        parts.append(f"```sh\n{examples}\n```")
    parts.append(_prose(rest))
    return "\n\n".join(part for part in parts if part)


def _prose(text: str | None) -> str:
    """Paragraphs of a help text; those that click does not wrap stay as they are, as code."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", (text or "").split("\f")[0].strip()):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].strip() == "\b":
            paragraphs.append("```text\n" + "\n".join(lines[1:]) + "\n```")
        else:
            paragraphs.append(_escape(" ".join(line.strip() for line in lines)))
    return "\n\n".join(p for p in paragraphs if p)


def _examples(epilog: str) -> tuple[str, str]:
    """The commands under "Examples:", and the other paragraphs."""
    lines: list[str] = []
    rest: list[str] = []
    for paragraph in re.split(r"\n\s*\n", epilog.strip()):
        text = paragraph.replace("\b", "").strip("\n")
        if text.lstrip().startswith("Example"):
            lines += [line.strip() for line in text.split("\n")[1:] if line.strip()]
        elif text.strip():
            rest.append(text)
    return "\n".join(lines), "\n\n".join(rest)


def _escape(text: str) -> str:
    """Markdown's own signs as text."""
    return re.sub(r"(?<!`)(--[\w-]+)", r"`\1`", re.sub(r"([<>*_|])", r"\\\1", text))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" in text else text.replace("|", "\\|")
