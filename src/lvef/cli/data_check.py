"""``lvef data check``: what is missing, doubled, unreadable or contradictory in a manifest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    epilog="""\b
Examples:
  lvef data check camus.parquet
  lvef data check echonet.parquet --decode
  lvef data check echonet.parquet --json | jq '.findings[].code'

Exit code: 0 no errors (there may be warnings and notes), 1 errors, 2 usage error."""
)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--decode",
    is_flag=True,
    help="Decode every picture and mask as well: finds damaged frames, copies under other names, swapped phases.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON instead of text.")
@click.pass_context
def check(ctx: click.Context, manifest: Path, decode: bool, as_json: bool) -> None:
    """Check a manifest and the files that it names.

    Looks at the labels and at the header of every file. Tells each kind of problem with how often it was met, examples and
    the mend. Nothing is changed.
    """
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import progress_bar
    from lvef.datasets.check import check_manifest
    from lvef.datasets.check_files import decode_row
    from lvef.datasets.findings import Severity
    from lvef.datasets.manifest import read_manifest

    table = read_manifest(manifest)
    with progress_bar(len(table) * (2 if decode else 1), "Checking") as (_, advance):
        shown = 0

        def progress(done: int, _: int) -> None:
            nonlocal shown
            for _step in range(done - shown):
                advance()
            shown = done

        findings = check_manifest(
            table, decode=decode_row if decode else None, progress=progress, has_ef=_carries_ef
        )
    counts = {str(s): sum(f.severity is s for f in findings) for s in (*Severity,)[::-1]}
    if as_json:
        from lvef.cli.show_findings import findings_as_values
        from lvef.core.serialization import to_json

        values = {
            "manifest": str(manifest),
            "rows": len(table),
            "decoded": decode,
            "counts": counts,
            "findings": findings_as_values(findings),
        }
        click.echo(to_json(values), nl=False)
    else:
        from lvef.cli.show import make_console
        from lvef.cli.show_findings import print_findings

        print_findings(make_console(), findings)
    kinds = ", ".join(f"{n} kind{'' if n == 1 else 's'} of {name}" for name, n in counts.items())
    how = "pictures decoded" if decode else "headers only"
    click.echo(f"{manifest}: {len(table):,} items checked ({how}): {kinds}.", err=True)
    ctx.exit(1 if counts[Severity.ERROR] else 0)


def _carries_ef(collection: str) -> bool | None:
    """What the catalogue says, None for a collection that is not in it."""
    from lvef.core.errors import ConfigError
    from lvef.datasets.registry import find_reader

    try:
        return find_reader(collection).has_ef
    except ConfigError:
        return None
