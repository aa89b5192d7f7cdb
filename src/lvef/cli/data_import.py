"""``lvef data import``: a collection's folder into a checked manifest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import polars as pl

    from lvef.datasets.registry import DatasetReader, ImportResult, Progress

SUFFIXES = (".parquet", ".csv")
"""Endings of manifest files; `lvef.datasets.manifest` has them too, but loads polars."""


@click.command(
    name="import",
    epilog="""\b
Examples:
  lvef data import echonet-dynamic EchoNet-Dynamic --out echonet.parquet
  lvef data import camus CAMUS --out camus.csv --json
  lvef data import folder labels.csv --out mine.parquet

Exit code: 0 manifest written, 1 something failed, 2 usage error.""",
)
@click.argument("name")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Manifest to write: .parquet, or .csv to be read by people.",
)
@click.option("--json", "as_json", is_flag=True, help="Print counts and findings as JSON.")
def import_(name: str, root: Path, out: Path, as_json: bool) -> None:
    """Read the collection NAME from ROOT into a manifest.

    ROOT is the folder that the owners hand out, as lvef data info NAME shows it; for your own folder it may be the CSV file.
    Videos are not decoded. Prints what was read, and everything that was left out or is doubtful, with the mend.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"--out {out}: a manifest ends in {' or '.join(SUFFIXES)}.")
    # Loaded here, so that help and usage errors stay fast.
    from lvef.core.errors import ConfigError, DataError
    from lvef.datasets.manifest import write_manifest
    from lvef.datasets.registry import find_reader
    from lvef.io.atomic import check_writable

    try:
        collection = find_reader(name)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    if not out.absolute().parent.is_dir():
        raise DataError(f"{out}: its folder does not exist; make it first.")
    check_writable(out)
    try:
        with _bar() as progress:
            imported = collection.read(root, progress)
    except OSError as error:
        raise DataError(
            f"{error.filename or root}: cannot be read ({(error.strerror or 'no reason given').lower()}); check your rights "
            "and the disk."
        ) from None
    write_manifest(imported.manifest, out)
    summary = summarise(collection, imported)
    if as_json:
        from lvef.cli.show_findings import findings_as_values
        from lvef.core.serialization import to_json

        values = {"manifest": str(out), **summary, "findings": findings_as_values(imported.findings)}
        click.echo(to_json(values), nl=False)
    else:
        _print(summary, imported)
    click.echo(f"Written to {out}: {summary['rows']:,} rows of {summary['patients']:,} patients.", err=True)


def summarise(collection: DatasetReader, imported: ImportResult) -> dict[str, Any]:
    """Counts of a manifest as plain values.

    Returns:
        ``rows``, ``patients``, ``with_ef`` and ``counts``: rows, patients and rows with an EF by view, split and kind.
    """
    import polars as pl

    table = imported.manifest
    with_ef = pl.col("ef_percent").is_not_null().sum().alias("with_ef")
    groups = (
        table.group_by("view", "split", "kind")
        .agg(pl.len().alias("rows"), pl.col("patient").n_unique().alias("patients"), with_ef)
        .sort("view", "kind", "split", nulls_last=True)
    )
    return {
        "collection": collection.name,
        "licence": collection.licence,
        "has_ef": collection.has_ef,
        "rows": len(table),
        "patients": table["patient"].n_unique(),
        "with_ef": int(table["ef_percent"].is_not_null().sum()),
        "ef_methods": _methods(table),
        "counts": groups.to_dicts(),
    }


def _methods(table: pl.DataFrame) -> list[str]:
    return sorted(table["ef_method"].drop_nulls().unique().to_list())


def _print(summary: dict[str, Any], imported: ImportResult) -> None:
    from rich.markup import escape
    from rich.table import Table

    from lvef.cli.show import make_console
    from lvef.cli.show_findings import print_findings

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("View", "Kind", "Split"):
        table.add_column(column, no_wrap=True)
    for column in ("Rows", "Patients", "With EF"):
        table.add_column(column, justify="right", no_wrap=True)
    for group in summary["counts"]:
        numbers = [f"{group[key]:,}" for key in ("rows", "patients", "with_ef")]
        table.add_row(group["view"], group["kind"], group["split"] or "-", *numbers)
    console = make_console()
    console.print(table)
    if summary["with_ef"]:
        said = "; ".join(summary["ef_methods"]) or "method not told"
        console.print(f"EF: {summary['with_ef']:,} of {summary['rows']:,} rows ({escape(said)}).")
    elif summary["has_ef"]:
        console.print(
            "EF: no row has one, although the collection carries EFs; commands that need an EF will refuse."
        )
    else:
        console.print(f"EF: {summary['collection']} carries none; commands that need an EF will refuse.")
    console.print()
    print_findings(console, imported.findings)


@contextmanager
def _bar() -> Iterator[Progress | None]:
    """A bar on stderr where a person looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar("Reading", *columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
