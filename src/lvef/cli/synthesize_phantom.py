"""``lvef synthesize phantom``: a collection of computed hearts."""

from __future__ import annotations

from pathlib import Path

import click

from lvef.cli.synthesize_common import EXIT_CODES, Limits, between, common, run


@click.command(
    epilog=f"""\b
Examples:
  lvef synthesize phantom out/phantoms
  lvef synthesize phantom out/phantoms --clips 200 --seed 1 --workers 4
  lvef synthesize phantom out/low --ef-percent 15-35 --rhythm fibrillation
  lvef synthesize phantom out/test --all-split TEST --view A2C

{EXIT_CODES}"""
)
@common
@click.option(
    "--clips",
    type=click.IntRange(1, 99_999),
    default=16,
    show_default=True,
    help="Clips, each of a heart of its own. More than an earlier run made are added to it.",
)
@click.pass_context
def phantom(
    ctx: click.Context,
    out: Path,
    seed: int,
    view: str,
    ef_percent: Limits | None,
    heart_rate_bpm: Limits | None,
    rhythm: str | None,
    frame_rate_hz: Limits | None,
    frames: int | None,
    size: int,
    all_split: str | None,
    workers: int,
    as_json: bool,
    clips: int,
) -> None:
    """Write a collection of computed hearts into the folder OUT.

    Each is a left ventricle in space with its surroundings, cut by the scan plane and filmed by a simulated scanner. It
    shows nobody: anyone may use and pass on the clips. --ef-percent is the EF of the body in space; the list tells the EF
    of disks in the plane, as a reader would trace it, and Beats.csv both.
    """
    from lvef.core.terms import View
    from lvef.stores.synthetic_sources import PhantomSource, phantom_tasks

    source = PhantomSource(
        view=View(view),
        ef_percent=between(ef_percent),
        heart_rate_bpm=between(heart_rate_bpm),
        rhythm=rhythm,
        frame_rate_hz=between(frame_rate_hz),
        n_frames=frames,
        size=size,
    )
    tasks = phantom_tasks(clips, seed, all_split)
    ctx.exit(run(source, tasks, out, seed=seed, workers=workers, as_json=as_json).exit_code)
