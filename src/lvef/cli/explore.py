"""``lvef explore``: what is in a manifest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import polars as pl

    from lvef.evaluation.exploring.examples import Examples
    from lvef.evaluation.exploring.records import Exploration


@click.command(
    epilog="""\b
Examples:
  lvef explore camus.parquet
  lvef explore camus.parquet --out exploration
  lvef explore echonet.csv --out exploration --no-examples
  lvef explore camus.parquet --json | jq .table

Exit code: 0 done, 1 something failed, 2 wrong words."""
)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for page, tables and pictures."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of tables.")
@click.option(
    "--examples/--no-examples",
    default=True,
    help="Open up to 12 items for a sheet of pictures in --out, or leave it.  [default: open]",
)
def explore(manifest: Path, out: Path | None, as_json: bool, examples: bool) -> None:
    """Show what is in a manifest (lvef data import makes one).

    Prints count, mean, standard deviation, quartiles and outliers of EF, EDV and ESV, EF by split, sex, view and
    quality, frame rates, durations and sizes. With --out writes tables, pictures and one page that opens offline.
    """
    # Loaded here, so that help and wrong words answer at once.
    from lvef.datasets.manifest import read_manifest
    from lvef.evaluation.exploring.exploration import explore as describe
    from lvef.evaluation.output_folder import last_name, make_folder

    start = time.perf_counter()
    table = read_manifest(manifest)
    found = describe(table, last_name(manifest))
    if out is None:
        _show(found, as_json=as_json)
        click.echo("Nothing was written; --out FOLDER adds a page, tables and pictures.", err=True)
        return
    from lvef.evaluation.exploring.outputs import write_exploration

    make_folder(out)
    opened = _open(table) if examples else None
    written = write_exploration(out, found, opened, manifest, time.perf_counter() - start)
    # Shown once everything is written: a reader who closes the pipe early still has the files.
    _show(found, as_json=as_json)
    took = time.perf_counter() - start
    click.echo(
        f"Written to {out} in {took:.1f} s: {len(written)} files; open {out / 'index.html'}.", err=True
    )


def _open(table: pl.DataFrame) -> Examples:
    from lvef.cli.progress import progress_bar
    from lvef.evaluation.exploring.examples import MOST_EXAMPLES, open_examples, shown_text

    with progress_bar(min(MOST_EXAMPLES, len(table)), "Opening") as (say, advance):
        opened = open_examples(table, advance)
        if opened.reasons:
            say(f"lvef: {shown_text(opened)} The first: {opened.reasons[0]}")
    return opened


def _show(found: Exploration, *, as_json: bool) -> None:
    if as_json:
        from lvef.evaluation.exploring.summary import to_summary
        from lvef.measure.report import to_json

        click.echo(to_json(to_summary(found)), nl=False)
    else:
        from lvef.cli.show_exploration import print_exploration

        print_exploration(found)
