"""``lvef synthesize``: datasets of clips with known truth, in EchoNet-Dynamic's layout."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.cluster import ray_options, ray_pool
from lvef.cli.lazy import VerbGroup
from lvef.cli.options import (
    FOLDER,
    PATH,
    Integer,
    build,
    combine,
    json_option,
    note,
    options_from,
    print_json,
    seed_option,
    verbosity_options,
    workers_option,
)

if TYPE_CHECKING:
    from lvef.stores.synthetic import ClipResult, Source, Synthesized, Task
    from lvef.stores.synthetic_sources import Between, ClipOptions

VIEWS = ("A4C", "A2C")
"""Views that can be made; `lvef.core.terms.View` has them too."""

RHYTHMS = ("sinus", "fibrillation", "ectopic")
"""Rhythms; `lvef.synthesis.volume_curves.RhythmKind` has them too, but loads numpy."""

WALLS = ("incompressible", "expert")
"""Walls of phantoms, the default first; `lvef.synthesis.phantom.draw.Walls` has them too, but loads numpy."""

SPLITS = ("TRAIN", "VAL", "TEST")
"""Splits; `lvef.datasets.echonet_list` has them too, but loads polars."""

SUBGROUPS = ("training", "validation")
"""Lists of CAMUS whose stills may be animated; `lvef.stores.synthetic_sources` has them too."""

SHOWN = 20
"""Refused or failed clips that are reported one by one; ``run.json`` holds all."""


class _RangeType(click.ParamType["Between"]):
    """A number, or two with a hyphen between them, within limits that make sense."""

    name = "LOW-HIGH"

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Between:  # noqa: ANN401
        """Read it; a usage error says what was expected."""
        from lvef.stores.synthetic_sources import Between

        if isinstance(value, Between):
            return value
        number = r"\d+(?:\.\d+)?"
        found = re.fullmatch(rf"\s*({number})\s*(?:-\s*({number})\s*)?", str(value))
        if found is None:
            self.fail(f"{value!r} is no number and no range like {self.low:g}-{self.high:g}.", param, ctx)
        limits = Between(float(found[1]), float(found[2] or found[1]))
        if not self.low <= limits.low <= limits.high <= self.high:
            wanted = f"with the smaller number first, within {self.low:g}-{self.high:g}"
            self.fail(f"{value!r} does not lie, {wanted}.", param, ctx)
        return limits


_seed = seed_option("Seed of all random numbers.")


@dataclass(frozen=True)
class ClipArguments:
    """What each clip is to be; see `lvef.stores.synthetic_sources.ClipOptions`, which loads numpy."""

    view: str = VIEWS[0]
    """View."""
    ef_percent: Between | None = None
    """EF, one or a range, for example 30-45. [default: drawn over the whole range]"""
    heart_rate_bpm: Between | None = None
    """Heart rate, one or a range. [default: drawn]"""
    rhythm: str | None = None
    """Rhythm. [default: drawn; seven in ten sinus]"""
    frame_rate_hz: Between | None = None
    """Frames per second, one or a range. [default: drawn]"""
    n_frames: int | None = None
    """Frames of each clip. [default: as many as two to five beats take]"""
    size: int = 112
    """Side of the square in pixels; EchoNet-Dynamic has 112."""
    all_split: str | None = None
    """Put all clips into one split. [default: TRAIN, VAL and TEST by patient]"""


RANGES: dict[str, click.ParamType[Any]] = {
    "view": click.Choice(VIEWS, case_sensitive=False),
    "ef_percent": _RangeType(8, 78),
    "heart_rate_bpm": _RangeType(30, 200),
    "rhythm": click.Choice(RHYTHMS),
    "frame_rate_hz": _RangeType(10, 200),
    "n_frames": Integer(8, 2000),
    "size": Integer(48, 512),
    "all_split": click.Choice(SPLITS, case_sensitive=False),
}
"""What the options of `ClipArguments` may be."""

common = combine(
    click.argument("out", type=FOLDER),
    _seed,
    options_from(ClipArguments, ranges=RANGES, names={"n_frames": "--frames"}),
    workers_option("Processes; 0 takes one for each processor."),
    ray_options,
    verbosity_options("Say on stderr what is done with each clip."),
    json_option("Print what was done as JSON."),
)
"""Options that `phantom` and `motion` share."""


@click.group(cls=VerbGroup, epilog="Example: lvef synthesize phantom out/phantoms --clips 200 --seed 1")
def synthesize() -> None:
    """Clips whose ejection fraction, volumes, beats and contours are known.

    Each dataset has the layout of EchoNet-Dynamic, with masks, curves and beats beside it; that of views has a table only.
    The same seed gives the same clips; a stopped run resumes with the same command (views needs a new folder).
    """


@synthesize.command(short_help="Synthetic phantoms, with their volume in space; free for anyone.")
@common
@click.option(
    "--clips",
    type=Integer(1, 99_999),
    default=16,
    show_default=True,
    help="Clips, each of a heart of its own. If an earlier run made fewer, the rest is added.",
)
@click.option(
    "--walls",
    type=click.Choice(WALLS),
    default=WALLS[0],
    show_default=True,
    help="Walls of constant volume, or of the thickness and area that experts draw.",
)
def phantom(clips: int, walls: str, **values: Any) -> None:  # noqa: ANN401
    """Write a dataset of synthetic phantoms into the folder OUT.

    Each is a left ventricle in space with its surroundings, cut by the scan plane and imaged by a simulated scanner. It
    shows no patient: anyone may use and pass on the clips. --ef-percent is the EF of the body in space; the list has the EF
    of disks in the plane, as a reader would trace it, and Beats.csv both.

    Examples:
      lvef synthesize phantom out/phantoms
      lvef synthesize phantom out/phantoms --clips 200 --seed 1 --workers 4
      lvef synthesize phantom out/low --ef-percent 15-35 --rhythm fibrillation
      lvef synthesize phantom out/test --all-split TEST --view A2C

    Exit code: 0 done (refused stills are reported), 1 something failed, 2 usage error, 3 only refusals.
    """
    from lvef.stores.synthetic_sources import PhantomSource, phantom_tasks

    tasks = phantom_tasks(clips, values["seed"], values["all_split"])
    # The default has no name in the settings of a dataset: one begun before there was a choice can be continued.
    _run(PhantomSource(_options(values), None if walls == WALLS[0] else walls), tasks, values)


@synthesize.command(short_help="Animated stills of CAMUS; under CAMUS's licence.")
@common
@click.option(
    "--data",
    type=PATH,
    required=True,
    help="Folder of the dataset CAMUS, with database_nifti and database_split in it.",
)
@click.option(
    "--clips-per-patient",
    type=Integer(1, 999),
    default=1,
    show_default=True,
    help="Clips made of each patient's stills. If an earlier run made fewer, the rest is added.",
)
@click.option(
    "--split", type=click.Choice(SUBGROUPS), help="Patients of one of CAMUS's lists.  [default: both]"
)
@click.option("--patients", type=PATH, help="File with patient names, one a line, instead of a list.")
@click.option("--own-ef", is_flag=True, help="Keep each patient's own EF instead of drawing one.")
def motion(
    data: Path,
    clips_per_patient: int,
    split: str | None,
    patients: Path | None,
    own_ef: bool,
    **values: Any,  # noqa: ANN401
) -> None:
    """Write a dataset of animated stills of CAMUS into the folder OUT.

    The ED and ES still of a patient become a cine of several beats, whose masks, volumes and EF are known. Patients of the
    training list become TRAIN and VAL, those of the validation list TEST. The clips come under the licence of CAMUS:
    non-commercial research, under the same terms.

    Examples:
      lvef synthesize motion out/motion --data CAMUS
      lvef synthesize motion out/motion --data CAMUS --clips-per-patient 4
      lvef synthesize motion out/test --data CAMUS --split validation
      lvef synthesize motion out/low --data CAMUS --ef-percent 15-35

    Exit code: 0 done (refused stills are reported), 1 something failed, 2 usage error, 3 only refusals.
    """
    if split is not None and patients is not None:
        raise click.UsageError("--split and --patients exclude each other: give one.")
    if own_ef and values["ef_percent"] is not None:
        raise click.UsageError("--own-ef and --ef-percent exclude each other: give one.")
    from lvef.stores import synthetic_sources as sources

    present, missing = sources.camus_patients(data, split, patients)
    source = sources.AnimatedStillsSource(data, _options(values), own_ef)
    note(source.terms.text)
    if missing:
        click.echo(
            f"lvef: {len(missing)} patients of the list have no stills in {data} and are skipped "
            f"({', '.join(missing[:3])}).",
            err=True,
        )
    all_split = values["all_split"]
    if all_split in ("TRAIN", "VAL") and sources.validation_patients(data, present):
        click.echo(
            f"lvef: patients of CAMUS's validation list are written as {all_split}, as asked for: do not evaluate on them.",
            err=True,
        )
    tasks = sources.animated_stills_tasks(data, present, clips_per_patient, all_split)
    _run(source, tasks, values)


@synthesize.command(
    short_help="Clips of other views, and images that are not echocardiograms; free for anyone."
)
@click.argument("out", type=FOLDER)
@_seed
@click.option("--each", type=Integer(1, 999), default=4, show_default=True, help="Clips of each class.")
@click.option(
    "--size",
    type=Integer(64, 512),
    default=224,
    show_default=True,
    help="Side of the square image in pixels.",
)
def views(out: Path, seed: int, each: int, size: int) -> None:
    """Write clips that test the recognition of views into the new folder OUT, with a table of what each clip shows.

    To be refused: parasternal, subcostal and other apical views of simulated hearts, M-mode and Doppler strips, other
    ultrasound, photographs, pages, radiographs and screens. To be measured: A4C and A2C views of the same hearts.

    Examples:
      lvef synthesize views out/views
      lvef synthesize views out/views --each 20 --seed 3
      lvef measure out/views --out out/measured
    """
    from lvef.cli.progress import show_progress
    from lvef.stores.synthetic_sources import VIEWS_TABLE, write_views

    with show_progress("Making clips") as progress:
        made = write_views(out, seed=seed, each=each, size=size, progress=progress)
    click.echo(f"Written to {out}: {made} clips; {VIEWS_TABLE} lists what each shows.")


def _options(values: Mapping[str, Any]) -> ClipOptions:
    from lvef.stores.synthetic_sources import ClipOptions

    return build(ClipOptions, values)


def _run(source: Source, tasks: Sequence[Task], values: Mapping[str, Any]) -> None:
    """Make the clips with a bar on stderr, print what was done, and end with its exit code."""
    from lvef.cli.progress import show_progress
    from lvef.stores.synthetic import synthesize as run

    out: Path = values["out"]
    count = 0

    def on_finished(result: ClipResult) -> None:
        nonlocal count
        if result.reason:
            count += 1
            if count <= SHOWN:
                progress.message(f"{result.outcome}: {result.reason}")

    cluster = ray_pool(values["ray"], values["worker_memory"], workers=values["workers"])
    with cluster as pool, show_progress("Making clips", lambda clip: str(clip.outcome)) as progress:
        how = {"seed": values["seed"], "workers": values["workers"], "pool": pool}
        done = run(source, tasks, out, progress=progress, on_finished=on_finished, **how)
    if count > SHOWN:
        click.echo(f"lvef: {count - SHOWN} more were left out; see {out / 'run.json'}.", err=True)
    if values["as_json"]:
        print_json(_as_dict(done, source))
    else:
        click.echo(_sentence(done))
    click.get_current_context().exit(done.exit_code)


def _as_dict(result: Synthesized, source: Source) -> dict[str, Any]:
    """What was done, as plain values."""
    return {
        "out": str(result.out),
        "counts": result.counts,
        "splits": dict(result.splits),
        "frames": result.frames,
        "seconds": result.seconds,
        "licence": source.terms.licence,
        "refused": _reasons(result, "refused"),
        "failed": _reasons(result, "failed"),
    }


def _reasons(result: Synthesized, outcome: str) -> list[dict[str, str]]:
    return [{"name": f.task.name, "reason": f.reason} for f in result.finished if f.outcome == outcome]


def _sentence(result: Synthesized) -> str:
    """What was done, for people."""
    words = ", ".join(f"{n} {name}" for name, n in result.counts.items() if n) or "nothing to do"
    splits = ", ".join(f"{n} {name}" for name, n in result.splits.items() if n) or "no clip"
    return f"Written to {result.out}: {words}, in {result.seconds:.1f} s. It holds {splits}."
