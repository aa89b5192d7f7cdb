"""``lvef data info``: what a collection holds, where to ask for it, under which terms, and what arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lvef.datasets.registry import DatasetReader

NO_EF = "none: every command that needs an EF says so"
"""What is told of a collection without EF."""


@click.command(
    epilog="""\b
Examples:
  lvef data info
  lvef data info echonet-dynamic
  lvef data info camus --json"""
)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def info(name: str | None, as_json: bool) -> None:
    """Where to ask for a collection, its terms, its size, and the folder that arrives.

    Without NAME all collections are listed. Nothing is downloaded.
    """
    # Loaded here, so that help answers at once.
    from lvef.core.errors import ConfigError
    from lvef.core.serialization import to_json
    from lvef.datasets.registry import READERS, find_reader

    try:
        found = [find_reader(n) for n in (READERS if name is None else [name])]
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        values = [as_values(c) for c in found]
        click.echo(to_json({"collections": values} if name is None else values[0]), nl=False)
    elif name is None:
        _print_list(found)
    else:
        _print_one(found[0])


def as_values(collection: DatasetReader) -> dict[str, Any]:
    """A collection's facts as they stand in JSON."""
    return {
        "name": collection.name,
        "title": collection.title,
        "holds": collection.holds,
        "has_ef": collection.has_ef,
        "where": collection.where,
        "terms": collection.terms,
        "licence": collection.licence,
        "citation": collection.citation,
        "size": collection.size,
        "layout": collection.layout.splitlines(),
        "known_defects": list(collection.known_defects),
    }


def _print_list(found: list[DatasetReader]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from lvef.cli.show import make_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Name", no_wrap=True)
    table.add_column("EF", no_wrap=True)
    table.add_column("Holds", overflow="fold")
    for c in found:
        table.add_row(c.name, "yes" if c.has_ef else "no", escape(c.holds))
    console = make_console()
    console.print(table)
    console.print("Nothing is downloaded: lvef data info NAME tells whom to ask.", style="dim")


def _print_one(collection: DatasetReader) -> None:
    from rich.markup import escape
    from rich.table import Table

    from lvef.cli.show import make_console

    c = collection
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    lines = [
        ("Name", c.name),
        ("Title", c.title),
        ("Holds", c.holds),
        ("EF", "yes" if c.has_ef else NO_EF),
        ("Where to ask", c.where),
        ("Terms", c.terms),
        ("Licence", c.licence),
        ("Cite", c.citation),
        ("Size", c.size),
        *[("Known defect", text) for text in c.known_defects],
    ]
    for label, text in lines:
        table.add_row(label, escape(text))
    console = make_console()
    console.print(table)
    console.print("\nExpected layout:", style="dim")
    console.print(escape(c.layout), soft_wrap=True)
    console.print(f"\nThen: lvef data import {c.name} ROOT --out {c.name}.parquet", style="dim")
