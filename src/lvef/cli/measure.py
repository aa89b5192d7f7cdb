"""``lvef measure``: from echo files to ejection fractions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.cluster import SECTION, check_cluster_options, ray_options, ray_pool
from lvef.cli.options import (
    FOLDER,
    PATH,
    Number,
    SectionedCommand,
    build,
    combine,
    json_option,
    note,
    options_from,
    out_option,
    print_json,
    resume_option,
    verbosity_options,
    workers_option,
)
from lvef.core.errors import ConfigError, DataError, GeometryError
from lvef.core.terms import View
from lvef.io.formats import CLIP_FORMATS
from lvef.measure.options import AUTO, MAX_SECONDS, MeasureOptions

if TYPE_CHECKING:
    from lvef.core.records import Measurement
    from lvef.core.runner import Finished
    from lvef.measure.batch import BatchResult, Job, JobResult
    from lvef.measure.pipeline import Measurer
    from lvef.measure.results import Result

LINE = "X1,Y1,X2,Y2,MM"
"""Form of a line of known length."""

DEFAULT_OUT = Path("lvef-out")
"""Output folder where none is given."""


SECTIONS = {
    "Input": ("ed", "es", "a4c", "a2c", "study"),
    "Output": ("out", "as_json", "format", "video", "summary", "resume"),
    "Corrections": ("clip", "correction", "reader"),
    "Model": ("weights", "backend", "precision", "threads", "second_opinion", "per_beat", "thresholds"),
    "View and patient": ("view", "sex", "height_cm", "weight_kg"),
    "Frames": ("ed_frame", "es_frame", "frame_rate_hz", "max_frames"),
    "Scale": (
        "mm_per_px",
        "scale_line",
        "a2c_mm_per_px",
        "a2c_scale_line",
        "a2c_keeps_scale",
        "prefer_manual_scale",
    ),
}
"""Headings of the help of commands that measure."""

measure_options = options_from(
    MeasureOptions,
    aliases={"frame_rate_hz": ("--frame-rate",)},
    bare={"second_opinion": AUTO},
    metavars={"scale_line": LINE, "a2c_scale_line": LINE},
)
"""How a file is measured; the options of commands that measure."""


@dataclass(frozen=True)
class Inputs:
    """What is to be measured, one of the four ways."""

    paths: tuple[Path, ...] = ()
    """Clips and folders."""
    ed: Path | None = None
    """End-diastolic still of a pair; goes with --es."""
    es: Path | None = None
    """End-systolic still of a pair; goes with --ed."""
    a4c: Path | None = None
    """Apical four-chamber clip of a biplane study; goes with --a2c."""
    a2c: Path | None = None
    """Apical two-chamber clip of a biplane study; goes with --a4c."""
    study: Path | None = None
    """Folder with all clips of one study: each clip is measured; the best A4C and the best A2C give the biplane EF."""


input_options = combine(
    click.argument("paths", nargs=-1, type=PATH, metavar="PATH..."),
    options_from(Inputs, only=("ed", "es", "a4c", "a2c", "study"), ranges={"study": FOLDER}),
)
"""The argument and the options of `Inputs`."""


def check_inputs(inputs: Inputs, options: MeasureOptions) -> None:
    """Refuse arguments that do not go together.

    Raises:
        UsageError: With what to write instead.
    """
    pair, biplane = (inputs.ed, inputs.es), (inputs.a4c, inputs.a2c)
    for names, given in (("--ed and --es", pair), ("--a4c and --a2c", biplane)):
        if any(given) and not all(given):
            raise click.UsageError(f"{names} go together: give both.")
    ways = [bool(inputs.paths), any(pair), any(biplane), inputs.study is not None]
    if sum(ways) == 0 and Path(options.second_opinion).exists() and options.second_opinion:
        raise click.UsageError(
            f"--second-opinion took {options.second_opinion} as the name of a model: write --second-opinion "
            "after the files, or give a model, as in --second-opinion=auto."
        )
    if sum(ways) == 0:
        raise click.UsageError("Give a file or folder, or --ed with --es, or --a4c with --a2c, or --study.")
    if sum(ways) > 1:
        raise click.UsageError(
            "Give either files, or a pair (--ed, --es), or a biplane study (--a4c, --a2c), or --study."
        )
    if inputs.study is not None and options.view is not View.UNKNOWN:
        raise click.UsageError("--view states the view of one clip, but --study measures many: omit it.")
    if (options.ed_frame is None) != (options.es_frame is None):
        raise click.UsageError("--ed-frame and --es-frame go together: give both.")
    if options.ed_frame is not None and not inputs.paths:
        raise click.UsageError(
            "--ed-frame and --es-frame choose frames of one clip; a pair or a biplane study has none."
        )
    if inputs.a4c is None and (options.a2c_mm_per_px, options.a2c_scale_line) != (None, None):
        raise click.UsageError(
            "--a2c-mm-per-px and --a2c-scale-line belong to a biplane study (--a4c, --a2c); otherwise give --mm-per-px or "
            "--scale-line."
        )
    if (options.height_cm is None) != (options.weight_kg is None):
        raise click.UsageError("--height-cm and --weight-kg go together: give both.")
    from lvef.geometry.ejection import body_surface_area
    from lvef.measure.scale import check_scale_options

    try:
        check_scale_options(options)
        if options.height_cm is not None and options.weight_kg is not None:
            body_surface_area(options.height_cm, options.weight_kg)
    except (ConfigError, GeometryError) as error:
        raise click.UsageError(str(error)) from None


def is_one(inputs: Inputs) -> bool:
    """Whether one result was asked for: the shape of JSON follows from the arguments, not from what was found."""
    return not inputs.paths or (len(inputs.paths) == 1 and not inputs.paths[0].is_dir())


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files, and folders of stills, behind the paths given. A missing one stays: it fails on its own.

    Raises:
        DataError: A folder without an echo file.
    """
    from lvef.io.formats import ARCHIVE_SUFFIXES
    from lvef.io.isolation import find_clips
    from lvef.io.open import find_inputs

    found: dict[Path, None] = {}
    for path in paths:
        inside = find_inputs([path]) if path.exists() else [path]
        if not inside:
            packed = sorted(p.name for p in path.rglob("*") if p.suffix.lower() in ARCHIVE_SUFFIXES)[:3]
            remedy = f"it holds {', '.join(packed)}: unpack that" if packed else "check the path"
            raise DataError(f"{path} is a folder in which no echo file was found: {remedy}.")
        found |= dict.fromkeys(inside)
    return find_clips(found)


def make_jobs(inputs: Inputs, files: Sequence[Path], measurer: Measurer) -> list[Job]:
    """What there is to measure.

    Args:
        inputs: What was given.
        files: The files behind ``inputs.paths``.
        measurer: Measures them.
    """
    from lvef.measure.batch import Job
    from lvef.measure.results import Result

    def clip(path: Path) -> Callable[[], Result]:
        return lambda: Result(*measurer.measure(path))

    if inputs.ed is not None and inputs.es is not None:
        ed, es = inputs.ed, inputs.es
        return [Job((ed, es), lambda: Result(*measurer.measure_pair(ed, es)), "pair")]
    if inputs.a4c is not None and inputs.a2c is not None:
        a4c, a2c = inputs.a4c, inputs.a2c

        def both() -> Result:
            measurement, parts = measurer.measure_biplane(a4c, a2c)
            return Result(measurement, None, parts)

        return [Job((a4c, a2c), both, "biplane")]
    if inputs.study is not None:
        folder = inputs.study
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; give the folder of the clips of one study.")
        inside = find_files([folder])

        def whole() -> Result:
            measurement, parts = measurer.measure_study(folder, inside)
            return Result(measurement, None, parts)

        return [Job(tuple(inside), whole, "study", folder)]
    return [Job((path,), clip(path)) for path in files]


@dataclass(frozen=True)
class Request(Inputs):
    """What the user asked for: the files, and where the results go.

    Attributes:
        out: Output folder; None writes nothing.
        as_json: Print JSON instead of a table.
        video: Write overlay videos.
        summary: Write summaries.
        resume: Keep results of an earlier run.
        workers: Files at once; 0 leaves the choice to lvef.
        max_seconds: Longest time for one file; 0 for no limit.
        ray: Address of a Ray cluster; None measures in this process.
        worker_memory: Most memory of a worker there, in 10^9 bytes; 0 for no limit.
        job: Id of a job there; empty makes one of the settings.
    """

    out: Path | None = DEFAULT_OUT
    as_json: bool = False
    video: bool = True
    summary: bool = True
    resume: bool = True
    workers: int = 0
    max_seconds: float = MAX_SECONDS
    ray: str | None = None
    worker_memory: float = 0.0
    job: str = ""


@click.command(
    cls=SectionedCommand,
    sections=SECTIONS | {"Cluster": SECTION},
    help=f"""Measure the ejection fraction of echo files, or of all in a folder.

    Reads {CLIP_FORMATS}; folders of numbered stills; and pairs of stills. Prints a table and writes for each file
    measurement.json, curve.csv, beats.csv, overlay.mp4 and summary.png, and one results.csv for all.

    With --ray, a cluster measures an archive: PATH may then be a list of clips (.csv, .parquet) or a URL (s3://, gs://),
    --out too, and the results are Parquet files.
    """,
    epilog="""\b
Examples:
  lvef measure clip.avi
  lvef measure study/ -o results -j 2
  lvef measure --ed ed.png --es es.png
  lvef measure --a4c four.dcm --a2c two.dcm --sex F
  lvef measure --study exam/
  lvef measure clip.dcm --json | jq .ef_percent
  lvef measure s3://bucket/clips -o s3://bucket/ef --ray head:6379

Exit code: 0 all done, 1 something failed, 2 usage error, 3 only refusals.""",
)
@input_options
@out_option(f"Folder for the outputs.  [default: {DEFAULT_OUT}; nothing is written with --json]")
@json_option("Print JSON: an object for one file, else an array.")
@click.option("--video/--no-video", default=True, help="Write overlay.mp4, or leave it.  [default: write]")
@click.option(
    "--summary/--no-summary", default=True, help="Write summary.png, or leave it.  [default: write]"
)
@resume_option("Keep results of an earlier run into the same folder.")
@workers_option("Files at once; 0 leaves the choice to lvef.")
@click.option(
    "--max-seconds",
    type=Number(min=0),
    default=MAX_SECONDS,
    show_default=True,
    help="Give up a file that takes longer; the others go on. 0: never.",
)
@ray_options
@click.option(
    "--job",
    default="",
    metavar="NAME",
    help="With --ray: id of the job to begin or resume.  [default: by the settings]",
)
@verbosity_options()
@measure_options
@click.pass_context
def measure(ctx: click.Context, /, **values: Any) -> None:  # noqa: ANN401
    """Measure echo files; the help stands above."""
    request = build(Request, values)
    if request.out is None and not request.as_json:
        request = dataclasses.replace(request, out=DEFAULT_OUT)
    options = build(MeasureOptions, values)
    check_inputs(request, options)
    if request.ray is None:
        _check_local(ctx, request)
        ctx.exit(run_request(request, options))
    if not request.paths:
        raise click.UsageError("--ray measures files, folders, lists and URLs: give PATH.")
    ctx.exit(run_on_cluster(request, options))


def _check_local(ctx: click.Context, request: Request) -> None:
    """Refuse what only a cluster takes.

    Raises:
        UsageError: A URL, a list of clips, or an option of the cluster without --ray.
    """
    check_cluster_options(ctx)
    for given in (*request.paths, *([request.out] if request.out else [])):
        if ":/" in str(given) and not given.exists():
            from lvef.distributed.storage import url_of

            if url := url_of(given):
                raise click.UsageError(f"{url} is a URL: --ray reads and writes object storage; give it too.")
    for given in request.paths:
        if given.suffix.lower() in (".csv", ".parquet") and not given.is_dir():
            raise click.UsageError(f"{given} is a list of clips: --ray measures lists; give it too.")


def run_request(request: Request, options: MeasureOptions) -> int:
    """Measure what was asked for, show and write it.

    Args:
        request: Files and outputs.
        options: Settings of the measurement.

    Returns:
        The exit code.
    """
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import show_progress
    from lvef.measure.batch import measure_settings, run_batch
    from lvef.measure.pipeline import Measurer
    from lvef.measure.results import Outputs
    from lvef.measure.serializers import MEASUREMENT_NAME, measurement_to_dict, read_measurement
    from lvef.report.outputs import write_outputs

    files = find_files(request.paths)
    measurer = Measurer(options)
    jobs = make_jobs(request, files, measurer)
    found: dict[str, Measurement] = {}

    def on_finished(finished: Finished[Job, JobResult]) -> None:
        result = finished.result
        if request.as_json or len(jobs) == 1:
            measurement = result.measurement
            if measurement is None:
                assert result.folder is not None
                measurement = read_measurement(result.folder / MEASUREMENT_NAME)
            found[finished.item.key] = measurement
        if result.row["reason"]:
            progress.message(str(result.row["reason"]))

    with show_progress(describe=_describe) as progress:
        result = run_batch(
            jobs,
            request.out,
            write=write_outputs,
            settings=measure_settings(measurer),
            workers=request.workers,
            resume=request.resume,
            outputs=Outputs(request.video, request.summary),
            on_finished=on_finished,
            max_seconds=request.max_seconds,
            progress=progress,
        )
    if request.as_json:
        keys = dict.fromkeys(job.key for job in jobs)
        documents = [measurement_to_dict(found[key]) for key in keys if key in found]
        print_json(documents[0] if is_one(request) else documents)
    elif len(jobs) > 1:
        from lvef.cli.show import print_table

        print_table(result.rows, result.out)
    elif (measurement := next(iter(found.values()))).ef_percent is not None:
        from lvef.cli.show import print_measurement

        print_measurement(measurement)
    if result.out is not None:
        note(_closing_words(result, result.out))
    return result.exit_code


def run_on_cluster(request: Request, options: MeasureOptions) -> int:
    """Measure an archive on a cluster, and print what came of it.

    Args:
        request: Files and outputs.
        options: Settings of the measurement.

    Returns:
        The exit code.
    """
    from functools import partial

    from lvef.cli.progress import show_progress
    from lvef.distributed.archive import find_archive, measure_archive
    from lvef.measure.batch import load_measurer, measure_settings, model_hashes, pinned_options
    from lvef.measure.pipeline import Measurer

    # As many threads as the cluster reserves processors for a worker: without a number each would take all of its node.
    measurer = Measurer(dataclasses.replace(options, threads=max(options.threads, 1)))
    load = partial(load_measurer, pinned_options(measurer), model_hashes(measurer))
    clips = find_archive(request.paths)
    pool = ray_pool(
        request.ray,
        request.worker_memory,
        workers=request.workers,
        threads=measurer.options.threads,
        limit_s=request.max_seconds,
        prepare=load,
    )
    with show_progress() as progress, pool as workers:
        result = measure_archive(
            clips,
            request.out or DEFAULT_OUT,
            load,
            settings=measure_settings(measurer),
            pool=workers,
            job=request.job,
            resume=request.resume,
            progress=progress,
        )
    if request.as_json:
        print_json(result.as_dict())
    else:
        counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in result.counts.items())
        kept = f", {result.resumed} of them by an earlier run" if result.resumed else ""
        click.echo(
            f"Job {result.job}: {len(clips)} clips, {counts}{kept}, in {result.seconds:.1f} s; see {result.place}."
        )
    return result.exit_code


def _describe(result: JobResult) -> str:
    """What came of a file, for ``--verbose``."""
    row = result.row
    found = f"EF {float(row['ef_percent']):.0f} %" if row["ef_percent"] else row["status"]
    seconds = f" in {float(row['seconds']):.1f} s" if row["seconds"] else ""
    return f"{found}{seconds}" + (f", written to {result.folder}" if result.folder is not None else "")


def _closing_words(result: BatchResult, out: Path) -> str:
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in result.counts.items() if n)
    kept = f", {result.resumed} of them from an earlier run" if result.resumed else ""
    return f"Written to {out} in {result.seconds:.1f} s: {counts}{kept}."
