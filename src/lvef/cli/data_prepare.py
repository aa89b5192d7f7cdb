"""``lvef data prepare``: inputs of networks from a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import polars as pl

    from lvef.stores.filling import Prepared, Watcher

F = TypeVar("F", bound=Callable[..., Any])

SHOWN_FAILURES = 10
"""Failures that are told one by one; the rest stands in ``left_out.csv``."""

CROPS = ("whole", "fan")
"""Values of ``--crop``, as in `lvef.stores.recipes.Crop`."""

NOTES = {
    "without_ef": "{n} have no EF: they are of no use for training on EF",
    "shorter_than_asked": "{n} are shorter than asked for and were played back and forth",
    "truncated": "{n} are damaged or cut off; the frames before that were taken",
    "assumed_frame_rate": "{n} tell no frame rate: that of the manifest, else 50 Hz, was taken",
    "other_number_of_lines": "{n} traced frames have another number of lines than 21: their chords were cut anew",
    "uneven_chords": "{n} traced frames have chords that are not evenly spaced along the axis; kept as traced",
    "es_larger_than_ed": "{n} pairs of stills have a larger volume in ES than in ED; kept as labelled",
    "traced_but_not_in_manifest": "{n} traced clips are not in the manifest",
    "repeated_rows": "{n} rows of the table of tracings say the same as one before; counted once",
    "unusable_rows": "{n} rows of the table of tracings have no name, no frame or no number; their frames were passed over",
}
"""What the codes of notes mean, for people."""

SKIPPED = {"still": "{n} stills passed over", "not_traced": "{n} without tracing or mask passed over"}
"""What the reasons of skipping mean."""

EXIT_CODES = "Exit code: 0 done, 1 something failed (the rest is prepared), 2 wrong words."


@click.group(epilog="Example: lvef data prepare clips echonet.parquet --out store")
def prepare() -> None:
    """Inputs for networks, from a manifest.

    A run that was stopped goes on when the same command is given again.
    """


_verify = click.option(
    "--verify",
    is_flag=True,
    help="Hash all that earlier runs wrote, and prepare again what is no longer as it was.",
)


def _common(command: F) -> F:
    """Options that all preparations share."""
    options = (
        click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False)),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            required=True,
            help="Folder for the outputs; made, or taken up where an earlier run stopped.",
        ),
        click.option(
            "--size",
            type=click.IntRange(16, 1024),
            default=112,
            show_default=True,
            help="Side of the square in pixels; pictures are padded with black, never stretched.",
        ),
        click.option(
            "--crop",
            type=click.Choice(CROPS),
            default=CROPS[0],
            show_default=True,
            help="Part of the picture that is taken: all of it, or the ultrasound fan alone, with black around it.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            help="Clips decoded at once.  [default: one a processor, at most 8]",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@prepare.command(
    epilog=f"""\b
Examples:
  lvef data prepare clips echonet.parquet --out store
  lvef data prepare clips own.csv --out store --crop fan --workers 4
  lvef data prepare clips echonet.parquet --out store --verify

{EXIT_CODES}"""
)
@_common
@_verify
def clips(
    manifest: Path,
    out: Path,
    size: int,
    crop: str,
    workers: int | None,
    as_json: bool,
    verify: bool,
) -> None:
    """Decode every clip once, into a store from which random windows are read without decoding."""
    table = _read(manifest)
    from lvef.stores.filling import fill_store
    from lvef.stores.recipes import ClipRecipe, Crop

    recipe = ClipRecipe(size, Crop(crop))
    _run(
        lambda watcher: fill_store(
            table, out, recipe, where=str(manifest), workers=_workers(workers), verify=verify, watcher=watcher
        ),
        as_json=as_json,
    )


@prepare.command(
    "two-stream",
    epilog=f"""\b
Examples:
  lvef data prepare two-stream echonet.parquet --out two-stream
  lvef data prepare two-stream echonet.parquet --out two-stream --frames 29 --duration 2

{EXIT_CODES}""",
)
@_common
@click.option(
    "--frames",
    type=click.IntRange(min=2),
    default=29,
    show_default=True,
    help="Frames that are read; each stream has one fewer.",
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    default=1.12,
    show_default=True,
    help="Seconds from the first of them to the last, on the clip's own clock.",
)
@_verify
def two_stream(
    manifest: Path,
    out: Path,
    size: int,
    crop: str,
    workers: int | None,
    as_json: bool,
    frames: int,
    duration: float,
    verify: bool,
) -> None:
    """The frames of the two-stream network: grey frames, and differences of consecutive frames.

    What is kept is the frames; lvef.stores.samples.TwoStreamStore gives both streams of each.
    """
    table = _read(manifest)
    from lvef.stores.filling import fill_store
    from lvef.stores.recipes import Crop, TwoStreamRecipe

    recipe = TwoStreamRecipe(size, Crop(crop), frames, duration)
    _run(
        lambda watcher: fill_store(
            table, out, recipe, where=str(manifest), workers=_workers(workers), verify=verify, watcher=watcher
        ),
        as_json=as_json,
    )


@prepare.command(
    "volume-traces",
    epilog=f"""\b
Examples:
  lvef data prepare volume-traces echonet.parquet --out traces
  lvef data prepare volume-traces camus.parquet --out traces --size 224

{EXIT_CODES}""",
)
@_common
def volume_traces(
    manifest: Path, out: Path, size: int, crop: str, workers: int | None, as_json: bool
) -> None:
    """ED and ES frames as PNG with their 21 lines as CSV, from tables of tracings or from masks.

    Which traced frame of a clip is ED is decided by volume, which end of the axis is the apex by the chords.
    """
    table = _read(manifest)
    from lvef.stores.recipes import Crop
    from lvef.stores.traces import TraceRecipe
    from lvef.stores.tracing import fill_traces

    recipe = TraceRecipe(size, Crop(crop))
    _run(
        lambda watcher: fill_traces(
            table, out, recipe, where=str(manifest), workers=_workers(workers), watcher=watcher
        ),
        as_json=as_json,
    )


def _read(manifest: Path) -> pl.DataFrame:
    from lvef.datasets.manifest import read_manifest

    return read_manifest(manifest)


def _workers(given: int | None) -> int:
    if given is not None:
        return given
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, allowed)


def _run(work: Callable[[Watcher], Prepared], *, as_json: bool) -> None:
    """Do the work with a bar on stderr, tell what was done, and end with its exit code."""
    from lvef.stores.filling import Watcher
    from lvef.stores.parallel import Failure

    count = 0

    def failed(failure: Failure) -> None:
        nonlocal count
        count += 1
        if count <= SHOWN_FAILURES:
            click.echo(f"{failure.item}: left out. {failure.reason}", err=True)

    with _Bar() as bar:
        result = work(Watcher(total=bar.total, advance=bar.advance, failed=failed))
    if count > SHOWN_FAILURES:
        click.echo(
            f"{count - SHOWN_FAILURES} more were left out; see {result.out / 'left_out.csv'}.", err=True
        )
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=2, ensure_ascii=False))
    else:
        click.echo(_sentence(result))
    for code, n in result.notes.items():
        click.echo(f"Note: {NOTES.get(code, '{n} with the notice ' + code).format(n=n)}.", err=True)
    click.get_current_context().exit(result.exit_code)


class _Bar:
    """A bar that learns its length when the work begins."""

    def __enter__(self) -> _Bar:
        self._context: Any = None
        self._advance: Callable[[], None] = lambda: None
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401
        if self._context is not None:
            self._context.__exit__(*error)

    def total(self, n: int) -> None:
        from lvef.cli.progress import progress_bar

        self._context = progress_bar(n, "Preparing")
        _, self._advance = self._context.__enter__()

    def advance(self) -> None:
        self._advance()


def _sentence(result: Prepared) -> str:
    thing = "traced frames" if result.kind == "volume-traces" else "frames"
    parts = [f"{result.written} prepared"]
    if result.resumed:
        parts.append(f"{result.resumed} were there")
    if result.damaged:
        parts.append(
            f"{len(result.damaged)} of them were damaged and made again ({', '.join(result.damaged[:3])})"
        )
    parts.append(f"{len(result.failed)} left out")
    parts += [SKIPPED.get(code, "{n} " + code).format(n=n) for code, n in result.skipped.items()]
    return f"{result.out}: {', '.join(parts)}; {result.frames} {thing} in {result.seconds:.1f} s."
