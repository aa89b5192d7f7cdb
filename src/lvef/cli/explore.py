"""``lvef explore``: what is in a manifest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lvef.cli.lazy import Verb
from lvef.cli.options import json_option, note, out_option, verbosity_options

if TYPE_CHECKING:
    import polars as pl

    from lvef.evaluation.exploration.plots import Examples


@click.command(cls=Verb)
@click.argument("manifest", type=click.Path(path_type=Path))
@out_option("Folder for the page, tables and plots.")
@json_option("Print the summary as JSON instead of tables.")
@verbosity_options("")
@click.option(
    "--examples/--no-examples",
    default=True,
    help="Show up to 12 example images in --out, or none.  [default: examples]",
)
def explore(manifest: Path, out: Path | None, as_json: bool, examples: bool) -> None:
    """Show the contents of a manifest (lvef data import makes one).

    Prints count, mean, standard deviation, quartiles and outliers of EF, EDV and ESV, EF by split, sex, view and
    image quality, frame rates, durations and sizes. With --out writes tables, plots and a page that opens offline.

    Examples:
      lvef explore camus.parquet
      lvef explore camus.parquet --out exploration
      lvef explore echonet.csv --out exploration --no-examples
      lvef explore camus.parquet --json | jq .table

    Exit code: 0 done, 1 something failed, 2 usage error.
    """
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.show_tables import show_report, write_files
    from lvef.datasets.manifest import read_manifest
    from lvef.evaluation.exploration.explore import explore as describe
    from lvef.evaluation.exploration.report import make_report
    from lvef.evaluation.report import last_name
    from lvef.io.atomic import make_folder

    start = time.perf_counter()
    table = read_manifest(manifest)
    found = describe(table, last_name(manifest))
    if out is None:
        show_report(make_report(found, manifest, with_plots=False), as_json=as_json)
        note("Nothing was written; --out FOLDER adds a page, tables and plots.")
        return
    make_folder(out)
    opened = _open(table) if examples else None
    report = make_report(found, manifest, examples=opened, seconds=time.perf_counter() - start)
    # Files first: they are complete even if a reader closes the pipe early.
    write_files(report, out, start=start)
    show_report(report, as_json=as_json)


def _open(table: pl.DataFrame) -> Examples:
    from lvef.cli.progress import show_progress
    from lvef.evaluation.exploration.plots import MOST_EXAMPLES, open_examples, shown_text

    with show_progress("Opening") as progress:
        progress.start(min(MOST_EXAMPLES, len(table)))
        opened = open_examples(table, progress.advance)
        if opened.reasons:
            progress.message(f"{shown_text(opened)} The first: {opened.reasons[0]}")
    return opened
