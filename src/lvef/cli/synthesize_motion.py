"""``lvef synthesize motion``: a collection of stills of CAMUS set in motion."""

from __future__ import annotations

from pathlib import Path

import click

from lvef.cli.synthesize_common import EXIT_CODES, Limits, between, common, run

SUBGROUPS = ("training", "validation")
"""Parts of CAMUS that may be set in motion; `lvef.stores.synthetic_sources` has them too."""


@click.command(
    epilog=f"""\b
Examples:
  lvef synthesize motion out/motion --data CAMUS
  lvef synthesize motion out/motion --data CAMUS --clips-per-patient 4 --seed 1
  lvef synthesize motion out/test --data CAMUS --split validation
  lvef synthesize motion out/low --data CAMUS --patients names.txt --ef-percent 15-35

{EXIT_CODES}"""
)
@common
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the collection CAMUS, with database_nifti and database_split in it.",
)
@click.option(
    "--clips-per-patient",
    type=click.IntRange(1, 999),
    default=1,
    show_default=True,
    help="Clips made of each patient's stills. More than an earlier run made are added to it.",
)
@click.option(
    "--split", type=click.Choice(SUBGROUPS), help="Patients of one of CAMUS's lists.  [default: both]"
)
@click.option(
    "--patients",
    type=click.Path(path_type=Path),
    help="File with patient names, one a line, instead of a list.",
)
@click.option("--own-ef", is_flag=True, help="Keep each patient's own EF instead of drawing one.")
@click.pass_context
def motion(
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
    data: Path,
    clips_per_patient: int,
    split: str | None,
    patients: Path | None,
    own_ef: bool,
) -> None:
    """Write a collection of moving stills of CAMUS into the folder OUT.

    The ED and ES still of a patient become a film of several beats, whose masks, volumes and EF are known. Patients of the
    training list become TRAIN and VAL, those of the validation list TEST. The clips come under the licence of CAMUS:
    non-commercial research, under the same terms.
    """
    if split is not None and patients is not None:
        raise click.UsageError("--split and --patients exclude each other: give one.")
    if own_ef and ef_percent is not None:
        raise click.UsageError("--own-ef and --ef-percent exclude each other: give one.")
    from lvef.core.terms import View
    from lvef.stores import synthetic_sources as sources

    there, missing = sources.camus_patients(data, split, patients)
    source = sources.MotionSource(
        data,
        view=View(view),
        ef_percent=between(ef_percent),
        own_ef=own_ef,
        heart_rate_bpm=between(heart_rate_bpm),
        rhythm=rhythm,
        frame_rate_hz=between(frame_rate_hz),
        n_frames=frames,
        size=size,
    )
    click.echo(source.terms.text, err=True)
    if missing:
        click.echo(
            f"lvef: {len(missing)} patients of the list have no stills in {data} and are passed over "
            f"({', '.join(missing[:3])}).",
            err=True,
        )
    if all_split in ("TRAIN", "VAL") and sources.validation_patients(data, there):
        click.echo(
            f"lvef: patients of CAMUS's validation list are written as {all_split}, as asked for: do not judge on them.",
            err=True,
        )
    tasks = sources.motion_tasks(data, there, clips_per_patient, all_split)
    ctx.exit(run(source, tasks, out, seed=seed, workers=workers, as_json=as_json).exit_code)
