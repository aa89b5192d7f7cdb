"""``lvef data prepare``: inputs of models from a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.cluster import ray_options, ray_pool
from lvef.cli.lazy import VerbGroup
from lvef.cli.options import (
    FILE,
    Integer,
    Number,
    combine,
    json_option,
    note,
    out_option,
    print_json,
    verbosity_options,
    workers_option,
)

if TYPE_CHECKING:
    from lvef.stores.prepare import Failure, Prepared

SHOWN_FAILURES = 10
"""Failures that are reported one by one; the rest stands in ``left_out.csv``."""

MOST_WORKERS = 8
"""Most clips decoded at once by default."""

CROPS = ("whole", "fan")
"""Values of ``--crop``, as in `lvef.stores.recipes.Crop`."""

NOTES = {
    "without_ef": "{n} have no EF: they are of no use for training on EF",
    "shorter_than_asked": "{n} are shorter than asked for and were played back and forth",
    "truncated": "{n} are damaged or cut off; the frames before that were taken",
    "assumed_frame_rate": "{n} state no frame rate: that of the manifest, else 50 Hz, was taken",
    "other_number_of_lines": "{n} traced frames have another number of lines than 21: their chords were cut anew",
    "uneven_chords": "{n} traced frames have chords that are not evenly spaced along the axis; kept as traced",
    "es_larger_than_ed": "{n} pairs of stills have a larger volume in ES than in ED; kept as labelled",
    "traced_but_not_in_manifest": "{n} traced clips are not in the manifest",
    "repeated_rows": "{n} rows of the table of tracings repeat an earlier one; counted once",
    "unusable_rows": "{n} rows of the table of tracings have no name, no frame or no number; their frames were skipped",
}
"""What the codes of notes mean, for people."""

SKIPPED = {"still": "{n} stills skipped", "not_traced": "{n} without tracing or mask skipped"}
"""What the reasons of skipping mean."""


@click.group(
    cls=VerbGroup,
    short_help="Inputs for models: two-stream, volume-traces, clips.",
    epilog="Example: lvef data prepare clips echonet.parquet --out store",
)
def prepare() -> None:
    """Inputs for models, from a manifest.

    A run that was stopped goes on when the same command is given again.
    """


_verify = click.option(
    "--verify",
    is_flag=True,
    help="Check the hashes of all that earlier runs wrote, and prepare again what has changed.",
)

_common = combine(
    click.argument("manifest", type=FILE),
    out_option("Folder for the outputs: a new one, or that of a run that was stopped.", required=True),
    click.option(
        "--size",
        type=Integer(16, 1024),
        default=112,
        show_default=True,
        help="Side of the square in pixels; frames are padded with black, never stretched.",
    ),
    click.option(
        "--crop",
        type=click.Choice(CROPS),
        default=CROPS[0],
        show_default=True,
        help="Part of the image that is taken: all of it, or the ultrasound sector alone, with black around it.",
    ),
    workers_option("Items at once; 0 takes one for each processor, at most 8."),
    verbosity_options(),
    json_option("Print what was done as JSON."),
)


@prepare.command()
@_common
@ray_options
@_verify
def clips(verify: bool, **common: Any) -> None:  # noqa: ANN401
    """Decode every clip once, into a store from which random windows are read without decoding.

    Examples:
      lvef data prepare clips echonet.parquet --out store
      lvef data prepare clips own.csv --out store --crop fan --workers 4
      lvef data prepare clips echonet.parquet --out store --verify

    Exit code: 0 done, 1 something failed (the rest is prepared), 2 usage error.
    """
    from lvef.stores.recipes import ClipRecipe

    _run(ClipRecipe, {}, common, verify=verify)


@prepare.command("two-stream")
@_common
@click.option(
    "--frames",
    type=Integer(min=2),
    default=29,
    show_default=True,
    help="Frames that are read; each stream has one fewer.",
)
@click.option(
    "--duration",
    type=Number(min=0, min_open=True),
    default=1.12,
    show_default=True,
    help="Seconds from the first of them to the last, on the clip's own clock.",
)
@ray_options
@_verify
def two_stream(frames: int, duration: float, verify: bool, **common: Any) -> None:  # noqa: ANN401
    """The frames of the two-stream model: grey frames, and differences of consecutive frames.

    The store holds the frames; lvef.stores.clip_store.TwoStreamStore gives both streams of each.

    Examples:
      lvef data prepare two-stream echonet.parquet --out two-stream
      lvef data prepare two-stream echonet.parquet -o out --frames 29 --duration 2

    Exit code: 0 done, 1 something failed (the rest is prepared), 2 usage error.
    """
    from lvef.stores.recipes import TwoStreamRecipe

    _run(TwoStreamRecipe, {"frames": frames, "duration": duration}, common, verify=verify)


@prepare.command("volume-traces")
@_common
@ray_options
def volume_traces(**common: Any) -> None:  # noqa: ANN401
    """ED and ES frames as PNG with their 21 lines as CSV, from tables of tracings or from masks.

    The volumes decide which traced frame of a clip is ED, the chords which end of the axis is the apex.

    Examples:
      lvef data prepare volume-traces echonet.parquet --out traces
      lvef data prepare volume-traces camus.parquet --out traces --size 224
      lvef data prepare volume-traces echonet.parquet --out traces --ray

    Exit code: 0 done, 1 something failed (the rest is prepared), 2 usage error.
    """
    from lvef.stores.traced_frames import TraceRecipe

    _run(TraceRecipe, {}, common)


def _run(
    recipe: Callable[..., Any],
    settings: Mapping[str, Any],
    common: Mapping[str, Any],
    *,
    verify: bool = False,
) -> None:
    """Prepare a manifest with a bar on stderr, print what was done, and end with its exit code."""
    from lvef.cli.progress import show_progress
    from lvef.core.workers import available_processors
    from lvef.datasets.manifest import read_manifest
    from lvef.stores.prepare import prepare as run
    from lvef.stores.recipes import Crop

    count = 0

    def on_failed(failure: Failure) -> None:
        nonlocal count
        count += 1
        if count <= SHOWN_FAILURES:
            progress.message(f"{failure.item}: left out. {failure.reason}")

    manifest: Path = common["manifest"]
    cluster = ray_pool(common.get("ray"), common.get("worker_memory", 0.0), workers=common["workers"])
    with cluster as pool, show_progress("Preparing") as progress:
        result = run(
            read_manifest(manifest),
            common["out"],
            recipe(size=common["size"], crop=Crop(common["crop"]), **settings),
            where=str(manifest),
            workers=common["workers"] or min(MOST_WORKERS, available_processors()),
            progress=progress,
            on_failed=on_failed,
            verify=verify,
            pool=pool,
        )
    if count > SHOWN_FAILURES:
        note(f"{count - SHOWN_FAILURES} more were left out; see {result.out / 'left_out.csv'}.")
    if common["as_json"]:
        print_json(result.as_dict())
    else:
        click.echo(_sentence(result))
    for code, n in result.notes.items():
        note(f"Note: {NOTES.get(code, '{n} with the warning ' + code).format(n=n)}.")
    click.get_current_context().exit(result.exit_code)


def _sentence(result: Prepared) -> str:
    thing = "traced frames" if result.kind == "volume-traces" else "frames"
    parts = [f"{result.written} prepared"]
    if result.resumed:
        parts.append(f"{result.resumed} were there")
    if result.damaged:
        n, names = len(result.damaged), ", ".join(result.damaged[:3])
        parts.append(f"{n} of them were damaged and made again ({names})")
    parts.append(f"{len(result.failed)} left out")
    parts += [SKIPPED.get(code, "{n} " + code).format(n=n) for code, n in result.skipped.items()]
    return f"{result.out}: {', '.join(parts)}; {result.frames} {thing} in {result.seconds:.1f} s."
