"""``lvef report``: the page about a measurement, as PDF and HTML."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.derived import build, options_from
from lvef.cli.jobs import DEFAULT_OUT, check_inputs, input_options, is_one
from lvef.cli.options import PATH
from lvef.cli.report_tasks import (
    FORMATS,
    Request,
    Task,
    correction_of,
    is_one_answer,
    make_tasks,
    only_answers,
)
from lvef.core.errors import LvefError, QualityRefusal
from lvef.core.terms import Status
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.measure.results import Result


@click.command(
    epilog="""\b
Examples:
  lvef report clip.avi
  lvef report study/ --out pages --format both
  lvef report lvef-out/clip --clip moved/clip.avi
  lvef report clip.avi --correction clip.json --reader "A. Reader"

Exit code: 0 all done, 1 something failed, 2 usage error, 3 only refusals."""
)
@input_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for the pages.  [default: {DEFAULT_OUT}; an earlier answer's page goes into its folder]",
)
@click.option(
    "--format", type=click.Choice(FORMATS), default="pdf", show_default=True, help="What is written."
)
@click.option(
    "--clip",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Film of an earlier answer, where it was moved. Twice for a pair (ED, ES) or a biplane study (A4C, A2C).",
)
@click.option(
    "--correction",
    type=PATH,
    metavar="FILE",
    help="A reader's correction, as the page saves it; for one file or answer.",
)
@click.option("--reader", default="", metavar="NAME", help="Who corrected; goes with --correction.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for one page, else an array.")
@options_from(MeasureOptions, aliases={"frame_rate_hz": "--frame-rate"})
@click.pass_context
def report(ctx: click.Context, /, **values: Any) -> None:  # noqa: ANN401
    """Make the one-page report of a measurement: PDF to print and keep, HTML to look at.

    A PATH is an echo file, which is measured first; a folder of these; or an earlier answer of lvef measure: its folder, its
    measurement.json, or the output folder with many.
    """
    own = {field.name for field in dataclasses.fields(Request)}
    request = Request(**{key: value for key, value in values.items() if key in own})
    options = build(MeasureOptions, values)
    _check(request, options)
    _check_settings(ctx, request)
    ctx.exit(run_report(request, options))


def run_report(request: Request, options: MeasureOptions) -> int:
    """Make the pages that were asked for.

    Args:
        request: Files and outputs.
        options: Settings of the measurement, where there is something to measure.

    Returns:
        The exit code.

    Raises:
        DataError: A folder without echo files, a correction that cannot be read, a page that cannot be written.
        GeometryError: A correction that does not fit.
        QualityRefusal: A correction from which no EF follows.
    """
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import show_progress
    from lvef.core.serialization import to_json
    from lvef.core.wording import ef_text

    change = correction_of(request, options) if request.correction is not None else None
    tasks = make_tasks(request, options)
    documents: list[dict[str, Any]] = []
    failures: list[LvefError] = []
    with show_progress("Reports") as progress:
        progress.start(len(tasks))
        for task in tasks:
            try:
                answer = task.answer()
                if change is not None:
                    answer = change(answer)
                is_new = change is not None and answer.measurement.correction is not None
                documents.append(_write(task.corrected() if is_new else task, answer, request.format, is_new))
                for sentence in _remarks(answer, change is not None):
                    progress.message(sentence)
            except LvefError as error:
                # One bad file must not cost the pages of the others.
                if len(tasks) == 1:
                    raise
                failures.append(error)
                progress.message(str(error))
            progress.advance()
    if request.as_json:
        click.echo(to_json(documents[0] if _wants_one(request) else documents), nl=False)
    else:
        for document in documents:
            for file in document["files"]:
                click.echo(f"EF {ef_text(document['ef_percent']):>5}  {file}")
    return _exit_code([document["status"] for document in documents], failures)


def _check(request: Request, options: MeasureOptions) -> None:
    """Refuse words that do not go together.

    Raises:
        UsageError: With what to write instead.
    """
    check_inputs(request, options)
    if request.reader and request.correction is None:
        raise click.UsageError("--reader tells who corrected, and goes with --correction.")
    if request.correction is not None and not _wants_one(request):
        raise click.UsageError("--correction is of one file or answer: give one.")
    if request.clip and not is_one_answer(request.paths):
        raise click.UsageError(
            "--clip tells where the film of an earlier answer is now: give that answer's folder."
        )


def _check_settings(ctx: click.Context, request: Request) -> None:
    """Refuse settings of a measurement where nothing is measured.

    Raises:
        UsageError: With the setting.
    """
    if not only_answers(request.paths):
        return
    free = {"max_frames"} | ({"sex", "height_cm", "weight_kg"} if request.correction is not None else set())
    for field in dataclasses.fields(MeasureOptions):
        given = ctx.get_parameter_source(field.name) is click.core.ParameterSource.COMMANDLINE
        if given and field.name not in free:
            raise click.UsageError(
                f"--{field.name.replace('_', '-')} sets a measurement, and an earlier answer is not measured again: "
                "give the film."
            )


def _wants_one(request: Request) -> bool:
    return is_one(request) or is_one_answer(request.paths)


def _write(task: Task, answer: Result, wanted: str, is_new: bool) -> dict[str, Any]:
    """Write the page, and all of an answer that is new; returns what is told of it."""
    from lvef.core.serialization import printable
    from lvef.io.atomic import make_folder, write_bytes_atomic, write_text_atomic
    from lvef.measure.results import Outputs
    from lvef.report.outputs import report_html, report_pdf, write_outputs

    files: list[Path] = []
    make_folder(task.folder)
    if wanted in ("pdf", "both"):
        files.append(task.page("pdf"))
        write_bytes_atomic(files[-1], report_pdf(answer))
    if wanted in ("html", "both"):
        files.append(task.page("html"))
        write_text_atomic(files[-1], report_html(answer))
    if is_new:
        written = write_outputs(task.folder, answer, Outputs(video=False, summary=False))
        files += [task.folder / name for name in written]
    m = answer.measurement
    return {
        "source": printable(m.source),
        "status": m.status.value,
        "ef_percent": _plain(m.ef_percent),
        "machine_ef_percent": _plain(
            m.ef_percent if m.correction is None else m.correction.machine_ef_percent
        ),
        "corrected": m.correction is not None,
        "reason": printable(m.reason),
        "files": [printable(str(file)) for file in files],
    }


def _plain(value: float | None) -> float | None:
    """A number with as many digits as in ``measurement.json``."""
    return None if value is None else float(f"{value:.9g}")


def _remarks(answer: Result, with_correction: bool) -> list[str]:
    """What the user should know of a page that was made."""
    from lvef.core.serialization import printable

    m = answer.measurement
    remarks = [printable(m.reason)] if m.reason else []
    films = [film for _, film in answer.parts.values()] or [answer.clip]
    if m.status is not Status.FAILED and any(film is None for film in films):
        remarks.append(
            f"the film of {printable(m.source)} was not found: the page has no pictures. Say where it is with --clip."
        )
    if with_correction and m.correction is None:
        remarks.append("the correction changes nothing: the page shows the network's answer.")
    return remarks


def _exit_code(statuses: list[str], failures: list[LvefError]) -> int:
    """0 all done, 1 something failed, 3 only refusals."""
    refused = sum(isinstance(error, QualityRefusal) for error in failures) + statuses.count(Status.REFUSED)
    if Status.FAILED in statuses or any(not isinstance(error, QualityRefusal) for error in failures):
        return 1
    return 3 if refused and refused == len(statuses) + len(failures) else 0
