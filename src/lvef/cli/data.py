"""``lvef data``: datasets, from their owners' layout to checked manifests and inputs of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.data_prepare import prepare
from lvef.cli.lazy import VerbGroup
from lvef.cli.options import (
    FILE,
    PATH,
    complete_datasets,
    json_option,
    note,
    out_option,
    print_json,
    resume_option,
    verbosity_options,
    workers_option,
)

if TYPE_CHECKING:
    from lvef.datasets.findings import Finding
    from lvef.datasets.registry import DatasetReader, ImportResult
    from lvef.stores.convert import Conversion

SUFFIXES = (".parquet", ".csv")
"""Endings of manifest files; `lvef.datasets.manifest` has them too, but loads polars."""

FORMATS = ("avi", "png")
"""What a clip becomes; `lvef.stores.deidentify.Format` has them too, but loads the decoders."""

SEVERITY_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
"""Colours of findings in a terminal."""

NO_EF = "none: every command that needs an EF says so"
"""What is printed of a dataset without EF."""


@click.group(cls=VerbGroup, epilog="Example: lvef data import camus /data/CAMUS --out camus.parquet")
def data() -> None:
    """Datasets: where to get them, reading, checking, converting, preparing.

    Nothing is downloaded: every dataset needs its owners' permission. lvef data info NAME says whom to ask.
    """


@data.command(short_help="What a dataset holds, where to ask for it, under which terms.")
@click.argument("name", required=False, shell_complete=complete_datasets)
@json_option()
def info(name: str | None, as_json: bool) -> None:
    """Where to ask for a dataset, its terms, its size, and the folder that arrives.

    Without NAME all datasets are listed. Nothing is downloaded.

    Examples:
      lvef data info
      lvef data info echonet-dynamic
      lvef data info camus --json
    """
    # Loaded here, so that help appears at once.
    from lvef.datasets.registry import READERS

    found = [_find_reader(n) for n in (READERS if name is None else [name])]
    if as_json:
        values = [_reader_as_dict(reader) for reader in found]
        print_json({"collections": values} if name is None else values[0])
    elif name is None:
        _print_readers(found)
    else:
        _print_reader(found[0])


@data.command("import", short_help="Read a dataset into a manifest.")
@click.argument("name", shell_complete=complete_datasets)
@click.argument("root", type=PATH)
@click.option(
    "-o", "--out", type=FILE, required=True, help="Manifest to write: .parquet, or .csv to be read by people."
)
@json_option("Print counts and findings as JSON.")
@verbosity_options("")
def import_(name: str, root: Path, out: Path, as_json: bool) -> None:
    """Read the dataset NAME from ROOT into a manifest.

    ROOT is the folder that the owners hand out, as lvef data info NAME shows it; for your own folder it may be the CSV file.
    Videos are not decoded. Prints what was read, and everything that was left out or is doubtful, with the remedy.

    Examples:
      lvef data import echonet-dynamic EchoNet-Dynamic --out echonet.parquet
      lvef data import camus CAMUS --out camus.csv --json
      lvef data import folder labels.csv --out mine.parquet

    Exit code: 0 manifest written, 1 something failed, 2 usage error.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"--out {out}: a manifest ends in {' or '.join(SUFFIXES)}.")
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import counter, show_progress
    from lvef.core.errors import DataError, os_reason
    from lvef.datasets.manifest import write_manifest
    from lvef.io.atomic import check_writable

    reader = _find_reader(name)
    if not out.absolute().parent.is_dir():
        raise DataError(f"{out}: its folder does not exist; make it first.")
    check_writable(out)
    try:
        with show_progress("Reading") as progress:
            imported = reader.read(root, counter(progress))
    except OSError as error:
        raise DataError(
            f"{error.filename or root}: cannot be read ({os_reason(error)}); check your rights and the disk."
        ) from None
    write_manifest(imported.manifest, out)
    summary = _summary(reader, imported)
    if as_json:
        findings = [_finding_as_dict(finding) for finding in imported.findings]
        print_json({"manifest": str(out), **summary, "findings": findings})
    else:
        _print_summary(summary)
        _print_findings(imported.findings)
    note(f"Written to {out}: {summary['rows']:,} rows of {summary['patients']:,} patients.")


@data.command(short_help="Find what is missing, duplicate, unreadable or contradictory.")
@click.argument("manifest", type=PATH)
@click.option(
    "--decode",
    is_flag=True,
    help="Decode every image and mask as well: finds damaged frames, copies under other names, swapped phases.",
)
@json_option("Print the findings as JSON instead of text.")
@verbosity_options("")
@click.pass_context
def check(ctx: click.Context, manifest: Path, decode: bool, as_json: bool) -> None:
    """Check a manifest and the files that it names.

    Examines the labels and the header of every file. Prints each kind of problem with how often it was met, examples and
    the remedy. Nothing is changed.

    Examples:
      lvef data check camus.parquet
      lvef data check echonet.parquet --decode
      lvef data check echonet.parquet --json | jq '.findings[].code'

    Exit code: 0 no errors (there may be warnings and notes), 1 errors, 2 usage error.
    """
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import counter, show_progress
    from lvef.datasets.check import check_manifest
    from lvef.datasets.check_files import decode_row
    from lvef.datasets.findings import Severity
    from lvef.datasets.manifest import read_manifest

    table = read_manifest(manifest)
    with show_progress("Checking") as progress:
        findings = check_manifest(
            table, decode=decode_row if decode else None, progress=counter(progress), has_ef=_carries_ef
        )
    counts = {str(s): sum(f.severity is s for f in findings) for s in (*Severity,)[::-1]}
    if as_json:
        values = {"manifest": str(manifest), "rows": len(table), "decoded": decode, "counts": counts}
        print_json(values | {"findings": [_finding_as_dict(f) for f in findings]})
    else:
        _print_findings(findings)
    kinds = ", ".join(f"{n} kind{'' if n == 1 else 's'} of {name}" for name, n in counts.items())
    how = "images decoded" if decode else "headers only"
    note(f"{manifest}: {len(table):,} items checked ({how}): {kinds}.")
    ctx.exit(1 if counts[Severity.ERROR] else 0)


@data.command(short_help="De-identified AVI or PNG copies with a manifest.")
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@out_option(
    "Folder for the copies and manifest.csv: a new or empty one, or that of an earlier run.", required=True
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="avi",
    show_default=True,
    help="What a clip becomes: a Motion JPEG AVI, or a PNG for each frame. A still is always a PNG.",
)
@click.option("--rename", is_flag=True, help="Running numbers in place of the names of files and patients.")
@click.option(
    "--key-file",
    type=FILE,
    help="Write which number stands for which file and patient; goes with --rename. Keep it apart from the copies.",
)
@resume_option("Keep copies of an earlier run into the same folder whose source has not changed.")
@workers_option("Files at once; 0 leaves the choice to lvef.")
@json_option("Print what became of each file as JSON.")
@verbosity_options()
@click.pass_context
def convert(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    out: Path,
    form: str,
    rename: bool,
    key_file: Path | None,
    resume: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Copy echo files without what they say of a person.

    INPUT is a file (DICOM, video, still), a folder, or a manifest. All outside the ultrasound sector becomes black, header
    and metadata are not copied, colour becomes grey. A file without a sector is refused. Text inside the sector stays: look
    at the copies before you pass them on.

    Examples:
      lvef data convert study/ --out deidentified
      lvef data convert a.dcm b.avi --out frames --format png
      lvef data convert camus.parquet --out copies
      lvef data convert study/ --out deidentified --rename --key-file safe/key.csv

    Exit code: 0 all done, 1 something failed, 2 usage error, 3 only refusals.
    """
    if key_file is not None and not rename:
        raise click.UsageError("--key-file goes with --rename: without it there are no numbers to explain.")
    if key_file is not None and out.resolve() in key_file.resolve().parents:
        raise click.UsageError("--key-file lies in --out: keep the key apart from the copies.")
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import show_progress
    from lvef.core.runner import exit_code_of
    from lvef.stores.convert import Settings, check_key_file, counts_of, sources_of, write_key_file
    from lvef.stores.convert import convert as run
    from lvef.stores.deidentify import Format

    if key_file is not None:
        check_key_file(key_file)
    sources = sources_of(inputs)

    def on_finished(finished: Conversion) -> None:
        if finished.reason:
            progress.message(finished.reason)
        for notice in finished.notices:
            progress.message(f"{finished.source.path}: {notice}")

    settings = Settings(Format(form), rename, resume, workers)
    with show_progress("Converting", lambda conversion: str(conversion.outcome)) as progress:
        done = run(sources, out, settings, progress=progress, on_finished=on_finished)
    if key_file is not None:
        write_key_file(key_file, done)
    counts = counts_of(done)
    if as_json:
        print_json({"out": str(out), "counts": counts, "files": [_conversion_as_dict(d) for d in done]})
    else:
        words = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
        click.echo(f"Written to {out}: {words}. Look at the images before you pass them on.")
    ctx.exit(exit_code_of(conversion.outcome for conversion in done))


data.add_command(prepare)


def _find_reader(name: str) -> DatasetReader:
    from lvef.core.errors import ConfigError
    from lvef.datasets.registry import find_reader

    try:
        return find_reader(name)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _carries_ef(name: str) -> bool | None:
    """What the registry says of a dataset, None for one that is not in it."""
    try:
        return _find_reader(name).has_ef
    except click.UsageError:
        return None


def _reader_as_dict(reader: DatasetReader) -> dict[str, Any]:
    names = ("name", "title", "holds", "has_ef", "where", "terms", "licence", "citation", "size")
    return {name: getattr(reader, name) for name in names} | {
        "layout": reader.layout.splitlines(),
        "known_defects": list(reader.known_defects),
    }


def _print_readers(readers: Sequence[DatasetReader]) -> None:
    from rich.markup import escape

    from lvef.cli.show import make_console, make_table

    table = make_table("Name", "EF")
    table.add_column("Holds", overflow="fold")
    for reader in readers:
        table.add_row(reader.name, "yes" if reader.has_ef else "no", escape(reader.holds))
    console = make_console()
    console.print(table)
    console.print("Nothing is downloaded: lvef data info NAME says whom to ask.", style="dim")


def _print_reader(reader: DatasetReader) -> None:
    from rich.markup import escape

    from lvef.cli.show import make_console, print_lines

    print_lines(
        [
            ("Name", reader.name),
            ("Title", reader.title),
            ("Holds", reader.holds),
            ("EF", "yes" if reader.has_ef else NO_EF),
            ("Where to ask", reader.where),
            ("Terms", reader.terms),
            ("Licence", reader.licence),
            ("Cite", reader.citation),
            ("Size", reader.size),
            *(("Known defect", text) for text in reader.known_defects),
        ]
    )
    console = make_console()
    console.print("\nExpected layout:", style="dim")
    console.print(escape(reader.layout), soft_wrap=True)
    console.print(f"\nThen: lvef data import {reader.name} ROOT --out {reader.name}.parquet", style="dim")


def _summary(reader: DatasetReader, imported: ImportResult) -> dict[str, Any]:
    """Counts of a manifest as plain values: rows, patients and rows with an EF by view, split and kind."""
    import polars as pl

    table = imported.manifest
    with_ef = pl.col("ef_percent").is_not_null().sum().alias("with_ef")
    groups = (
        table.group_by("view", "split", "kind")
        .agg(pl.len().alias("rows"), pl.col("patient").n_unique().alias("patients"), with_ef)
        .sort("view", "kind", "split", nulls_last=True)
    )
    return {
        "collection": reader.name,
        "licence": reader.licence,
        "has_ef": reader.has_ef,
        "rows": len(table),
        "patients": table["patient"].n_unique(),
        "with_ef": int(table["ef_percent"].is_not_null().sum()),
        "ef_methods": sorted(table["ef_method"].drop_nulls().unique().to_list()),
        "counts": groups.to_dicts(),
    }


def _print_summary(summary: dict[str, Any]) -> None:
    from rich.markup import escape

    from lvef.cli.show import make_console, make_table

    table = make_table("View", "Kind", "Split", numbers=("Rows", "Patients", "With EF"))
    for group in summary["counts"]:
        numbers = [f"{group[key]:,}" for key in ("rows", "patients", "with_ef")]
        table.add_row(group["view"], group["kind"], group["split"] or "-", *numbers)
    console = make_console()
    console.print(table)
    if summary["with_ef"]:
        methods = "; ".join(summary["ef_methods"]) or "method not stated"
        text = f"EF: {summary['with_ef']:,} of {summary['rows']:,} rows ({escape(methods)})."
    elif summary["has_ef"]:
        text = "EF: no row has one, although the dataset carries EFs; commands that need an EF will refuse."
    else:
        text = f"EF: {summary['collection']} carries none; commands that need an EF will refuse."
    console.print(f"{text}\n")


def _finding_as_dict(finding: Finding) -> dict[str, Any]:
    return {
        name: getattr(finding, name) for name in ("code", "severity", "count", "text", "remedy", "examples")
    }


def _print_findings(findings: Sequence[Finding]) -> None:
    """Print each finding: how bad, how often, what, where first, and the remedy."""
    from rich.markup import escape

    from lvef.cli.show import make_console
    from lvef.core.serialization import printable

    console = make_console()
    if not findings:
        console.print("Nothing was found wrong.")
    for f in findings:
        style = SEVERITY_STYLES[f.severity.value]
        console.print(f"[{style}]{f.severity}[/] [bold]{f.count:,} x[/] {f.code}: {escape(f.text)}")
        others = f.count - len(f.examples)
        if f.examples:
            shown = escape(", ".join(printable(name) for name in f.examples))
            console.print(f"    {shown}{f' and {others:,} more' if others > 0 else ''}")
        if f.remedy:
            console.print(f"    Remedy: {escape(f.remedy)}")


def _conversion_as_dict(finished: Conversion) -> dict[str, Any]:
    return {
        "source": str(finished.source.path),
        "outcome": finished.outcome,
        "reason": finished.reason,
        "item": finished.name,
        "patient": finished.patient,
        "notices": list(finished.notices),
    }
