"""``lvef measure``: from echo files to ejection fractions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import lvef
from lvef.cli.derived import build, options_from
from lvef.cli.jobs import (
    DEFAULT_OUT,
    METAVARS,
    SECTIONS,
    Inputs,
    check_inputs,
    find_files,
    input_options,
    is_one,
    make_jobs,
)
from lvef.cli.options import (
    FOLDER,
    Number,
    SectionedCommand,
    json_option,
    note,
    verbosity_options,
    workers_option,
)
from lvef.core.serialization import to_json
from lvef.io.formats import CLIP_FORMATS
from lvef.measure.options import AUTO, MAX_SECONDS, MeasureOptions

if TYPE_CHECKING:
    from lvef.core.records import Measurement
    from lvef.core.runner import Finished
    from lvef.measure.batch import BatchResult, Job, JobResult
    from lvef.measure.pipeline import Measurer


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
    """

    out: Path | None = DEFAULT_OUT
    as_json: bool = False
    video: bool = True
    summary: bool = True
    resume: bool = True
    workers: int = 0
    max_seconds: float = MAX_SECONDS


@click.command(
    cls=SectionedCommand,
    sections=SECTIONS,
    help=f"""Measure the ejection fraction of echo files, or of all in a folder.

    Reads {CLIP_FORMATS}; folders of numbered stills; and pairs of stills. Prints a table and writes for each file
    measurement.json, curve.csv, beats.csv, overlay.mp4 and summary.png, and one results.csv for all.
    """,
    epilog="""\b
Examples:
  lvef measure clip.avi
  lvef measure study/ -o results -j 2
  lvef measure --ed ed.png --es es.png
  lvef measure --a4c four.dcm --a2c two.dcm --sex F
  lvef measure --study exam/
  lvef measure clip.dcm --json | jq .ef_percent

Exit code: 0 all done, 1 something failed, 2 usage error, 3 only refusals.""",
)
@input_options
@click.option(
    "-o",
    "--out",
    type=FOLDER,
    help=f"Folder for the outputs.  [default: {DEFAULT_OUT}; nothing is written with --json]",
)
@json_option("Print JSON: an object for one file, else an array.")
@click.option("--video/--no-video", default=True, help="Write overlay.mp4, or leave it.  [default: write]")
@click.option(
    "--summary/--no-summary", default=True, help="Write summary.png, or leave it.  [default: write]"
)
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep results of an earlier run into the same folder.",
)
@workers_option("Files at once; 0 leaves the choice to lvef.")
@click.option(
    "--max-seconds",
    type=Number(min=0),
    default=MAX_SECONDS,
    show_default=True,
    help="Give up a file that takes longer; the others go on. 0: never.",
)
@verbosity_options()
@options_from(
    MeasureOptions,
    aliases={"frame_rate_hz": ("--frame-rate",)},
    bare={"second_opinion": AUTO},
    metavars=METAVARS,
)
@click.pass_context
def measure(ctx: click.Context, /, **values: Any) -> None:  # noqa: ANN401
    """Measure echo files; the help stands above."""
    own = {field.name for field in dataclasses.fields(Request)}
    request = Request(**{key: value for key, value in values.items() if key in own})
    if request.out is None and not request.as_json:
        request = dataclasses.replace(request, out=DEFAULT_OUT)
    options = build(MeasureOptions, values)
    check_inputs(request, options)
    ctx.exit(run_request(request, options))


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
    from lvef.measure.batch import run_batch
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
            settings=_settings(options, measurer),
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
        click.echo(to_json(documents[0] if is_one(request) else documents), nl=False)
    elif len(jobs) > 1:
        from lvef.cli.show import print_table

        print_table(result.rows, result.out)
    elif (measurement := next(iter(found.values()))).ef_percent is not None:
        from lvef.cli.show import print_measurement

        print_measurement(measurement)
    if result.out is not None:
        note(_closing_words(result, result.out))
    return result.exit_code


def _settings(options: MeasureOptions, measurer: Measurer) -> dict[str, Any]:
    """Everything that the results depend on, as plain values."""
    card, engine = measurer.predictor.entry.card, measurer.predictor.engine
    finder = getattr(measurer, "beat_finder", None)
    beats = {} if finder is None else {"beats_sha256": finder.predictor.entry.card.model_sha256}
    second = getattr(measurer, "second", None)
    if second is not None:
        beats["second_sha256"] = second.predictor.entry.card.model_sha256
    return (
        dataclasses.asdict(options)
        | beats
        | {
            "lvef_version": lvef.__version__,
            "weights": f"{card.name} {card.version}",
            "weights_sha256": card.model_sha256,
            "weights_licence": card.licence,
            "backend": engine.backend,
            "precision": engine.precision,
            "device": engine.device,
        }
    )


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
