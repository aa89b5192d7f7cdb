"""``lvef measure``: from echo files to ejection fractions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import lvef
from lvef.cli.derived import build, options_from
from lvef.core.errors import DataError, GeometryError
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.core.records import Measurement
    from lvef.measure.batch import BatchResult, Finished, Job
    from lvef.measure.pipeline import Measurer

DEFAULT_OUT = Path("lvef-out")
"""Output folder where none is given."""

FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class Request:
    """What the user asked for: the files, and where the answers go.

    Attributes:
        paths: Clips and folders.
        ed: ED still of a pair, or None.
        es: ES still of a pair, or None.
        a4c: A4C clip of a biplane study, or None.
        a2c: A2C clip of a biplane study, or None.
        out: Output folder; None writes nothing.
        as_json: Print JSON instead of a table.
        video: Write films.
        summary: Write summaries.
        resume: Take over earlier answers.
        workers: Files at once; 0 leaves the choice to lvef.
    """

    paths: tuple[Path, ...] = ()
    ed: Path | None = None
    es: Path | None = None
    a4c: Path | None = None
    a2c: Path | None = None
    out: Path | None = DEFAULT_OUT
    as_json: bool = False
    video: bool = True
    summary: bool = True
    resume: bool = True
    workers: int = 0


@click.command(
    epilog="""\b
Examples:
  lvef measure clip.avi
  lvef measure study/ --out results --workers 2
  lvef measure --ed ed.png --es es.png
  lvef measure --a4c four.dcm --a2c two.dcm --sex F
  lvef measure clip.dcm --json | jq .ef_percent

Exit code: 0 all done, 1 something failed, 2 wrong words, 3 only refusals."""
)
@click.argument("paths", nargs=-1, type=FILE, metavar="PATH...")
@click.option("--ed", type=FILE, help="End-diastolic still of a pair; goes with --es.")
@click.option("--es", type=FILE, help="End-systolic still of a pair; goes with --ed.")
@click.option("--a4c", type=FILE, help="Apical four-chamber clip of a biplane study; goes with --a2c.")
@click.option("--a2c", type=FILE, help="Apical two-chamber clip of a biplane study; goes with --a4c.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for the outputs.  [default: {DEFAULT_OUT}; nothing is written with --json]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for one file, else an array.")
@click.option("--video/--no-video", default=True, help="Write overlay.mp4, or leave it.  [default: write]")
@click.option(
    "--summary/--no-summary", default=True, help="Write summary.png, or leave it.  [default: write]"
)
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep answers of an earlier run into the same folder.",
)
@click.option(
    "--workers", type=click.IntRange(min=0), default=0, help="Files at once; 0 leaves the choice to lvef."
)
@options_from(MeasureOptions, aliases={"frame_rate_hz": "--frame-rate"})
@click.pass_context
def measure(ctx: click.Context, /, **values: Any) -> None:  # noqa: ANN401
    """Measure the ejection fraction of echo files, or of all in a folder.

    Reads DICOM, AVI, MP4, MOV, MKV, WebM, GIF, and stills. Prints a table and writes for each file
    measurement.json, curve.csv, beats.csv, overlay.mp4 and summary.png, and one results.csv for all.
    """
    own = {field.name for field in dataclasses.fields(Request)}
    request = Request(**{key: value for key, value in values.items() if key in own})
    if request.out is None and not request.as_json:
        request = dataclasses.replace(request, out=DEFAULT_OUT)
    options = build(MeasureOptions, values)
    _check(request, options)
    ctx.exit(run_request(request, options))


def run_request(request: Request, options: MeasureOptions) -> int:
    """Measure what was asked for, show and write it.

    Args:
        request: Files and outputs.
        options: Settings of the measurement.

    Returns:
        The exit code.
    """
    # Loaded here, so that help and wrong words answer at once.
    from lvef.cli.progress import progress_bar
    from lvef.measure.batch import run_batch
    from lvef.measure.outputs import MEASUREMENT_NAME, Outputs
    from lvef.measure.pipeline import Measurer
    from lvef.measure.report import measurement_to_dict, read_measurement, to_json

    files = _find(request.paths)
    measurer = Measurer(options)
    jobs = _jobs(request, files, measurer)
    documents: dict[int, dict[str, Any]] = {}
    single: list[Measurement] = []

    def on_finished(finished: Finished) -> None:
        if request.as_json or len(jobs) == 1:
            answer = finished.measurement
            if answer is None:
                assert finished.folder is not None
                answer = read_measurement(finished.folder / MEASUREMENT_NAME)
            if request.as_json:
                documents[finished.index] = measurement_to_dict(answer)
            else:
                single.append(answer)
        if finished.row["reason"]:
            say(f"lvef: {finished.row['reason']}")
        advance()

    with progress_bar(len(jobs)) as (say, advance):
        result = run_batch(
            jobs,
            request.out,
            settings=_settings(options, measurer),
            workers=request.workers,
            resume=request.resume,
            outputs=Outputs(request.video, request.summary),
            on_finished=on_finished,
        )
    if request.as_json:
        found = [documents[index] for index in sorted(documents)]
        click.echo(to_json(found[0] if _is_one(request) else found), nl=False)
    elif len(jobs) > 1:
        from lvef.cli.show import print_table

        print_table(result.rows, request.out)
    elif single[0].ef_percent is not None:
        from lvef.cli.show import print_measurement

        print_measurement(single[0])
    if request.out is not None:
        click.echo(_closing_words(result, request.out), err=True)
    return result.exit_code


def _check(request: Request, options: MeasureOptions) -> None:
    """Refuse words that do not go together.

    Raises:
        UsageError: With what to write instead.
    """
    pair, biplane = (request.ed, request.es), (request.a4c, request.a2c)
    for names, given in (("--ed and --es", pair), ("--a4c and --a2c", biplane)):
        if any(given) and not all(given):
            raise click.UsageError(f"{names} go together: give both.")
    ways = [bool(request.paths), any(pair), any(biplane)]
    if sum(ways) == 0:
        raise click.UsageError("Give a file or folder, or --ed with --es, or --a4c with --a2c.")
    if sum(ways) > 1:
        raise click.UsageError(
            "Give either files, or a pair (--ed, --es), or a biplane study (--a4c, --a2c)."
        )
    if (options.ed_frame is None) != (options.es_frame is None):
        raise click.UsageError("--ed-frame and --es-frame go together: give both.")
    if options.ed_frame is not None and not request.paths:
        raise click.UsageError(
            "--ed-frame and --es-frame choose frames of one clip; a pair or a biplane study has none."
        )
    if (options.height_cm is None) != (options.weight_kg is None):
        raise click.UsageError("--height-cm and --weight-kg go together: give both.")
    if options.height_cm is not None and options.weight_kg is not None:
        from lvef.geometry.ejection import body_surface_area

        try:
            body_surface_area(options.height_cm, options.weight_kg)
        except GeometryError as error:
            raise click.UsageError(str(error)) from None


def _is_one(request: Request) -> bool:
    # The shape of the JSON follows from what was typed, not from what was found.
    return not request.paths or (len(request.paths) == 1 and not request.paths[0].is_dir())


def _find(paths: Sequence[Path]) -> list[Path]:
    """The files behind the paths given. A missing one stays: it fails on its own, beside the others."""
    from lvef.io.open import find_inputs

    found: dict[Path, None] = {}
    for path in paths:
        inside = find_inputs([path]) if path.exists() else [path]
        if not inside:
            raise DataError(f"{path} is a folder in which no echo file was found: check the path.")
        found |= dict.fromkeys(inside)
    return list(found)


def _jobs(request: Request, files: Sequence[Path], measurer: Measurer) -> list[Job]:
    from lvef.measure.batch import Job
    from lvef.measure.outputs import Answer

    def clip(path: Path) -> Callable[[], Answer]:
        return lambda: Answer(*measurer.measure(path))

    if request.ed is not None and request.es is not None:
        ed, es = request.ed, request.es
        return [Job((ed, es), lambda: Answer(*measurer.measure_pair(ed, es)), "pair")]
    if request.a4c is not None and request.a2c is not None:
        a4c, a2c = request.a4c, request.a2c

        def both() -> Answer:
            measurement, parts = measurer.measure_biplane(a4c, a2c)
            return Answer(measurement, None, parts)

        return [Job((a4c, a2c), both, "biplane")]
    return [Job((path,), clip(path)) for path in files]


def _settings(options: MeasureOptions, measurer: Measurer) -> dict[str, Any]:
    """All that the answers depend on, as plain values."""
    card, engine = measurer.predictor.entry.card, measurer.predictor.engine
    finder = getattr(measurer, "beat_finder", None)
    beats = {} if finder is None else {"beats_sha256": finder.predictor.entry.card.model_sha256}
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


def _closing_words(result: BatchResult, out: Path) -> str:
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in result.counts.items() if n)
    kept = f", {result.resumed} of them from an earlier run" if result.resumed else ""
    return f"Written to {out} in {result.seconds:.1f} s: {counts}{kept}."
