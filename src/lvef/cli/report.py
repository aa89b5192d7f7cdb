"""``lvef report``: a measurement as PDF and HTML report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.measure import (
    DEFAULT_OUT,
    SECTIONS,
    Inputs,
    check_inputs,
    find_files,
    input_options,
    is_one,
    make_jobs,
    measure_options,
)
from lvef.cli.options import (
    PATH,
    SectionedCommand,
    build,
    is_verbose,
    json_option,
    options_from,
    out_option,
    print_json,
    verbosity_options,
)
from lvef.core.errors import DataError, LvefError, QualityRefusal
from lvef.core.terms import Status
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.core.records import Measurement
    from lvef.measure.correction import Edit
    from lvef.measure.results import Result

FORMATS = ("pdf", "html", "both")
"""What can be written."""


@dataclass(frozen=True)
class Request(Inputs):
    """Files and outputs of the command."""

    out: Path | None = None
    """Output folder; None is the default one, and a saved result's own folder."""
    format: str = "pdf"
    """Format of the report."""
    clip: tuple[Path, ...] = ()
    """The clip of a saved result, if it was moved. Twice for a pair (ED, ES) or a biplane study (A4C, A2C)."""
    correction: Path | None = None
    """A reader's correction, as the web page saves it; for one file or result."""
    reader: str = ""
    """Who corrected; goes with --correction."""
    as_json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Task:
    """One report to make.

    Attributes:
        label: Its files, for messages.
        load: Measures the file, or loads the saved result.
        folder: Where the report goes.
        stem: Its name before ``-report``; empty in a saved result's own folder.
    """

    label: str
    load: Callable[[], Result]
    folder: Path
    stem: str = ""

    def file(self, suffix: str) -> Path:
        """The file of the report."""
        return self.folder / (f"{self.stem}-report.{suffix}" if self.stem else f"report.{suffix}")

    def corrected(self) -> Task:
        """The same for a corrected result, which gets a folder of its own beside the model's."""
        if self.stem:
            return dataclasses.replace(self, folder=self.folder / f"{self.stem}-corrected", stem="")
        folder = self.folder if self.folder.name not in ("", "..") else self.folder.resolve()
        return dataclasses.replace(self, folder=folder.with_name(f"{folder.name}-corrected"))


@click.command(cls=SectionedCommand, sections=SECTIONS)
@input_options
@out_option(f"Folder for the reports.  [default: {DEFAULT_OUT}; that of a saved result goes into its folder]")
@options_from(
    Request,
    only=("format", "clip", "correction", "reader"),
    ranges={"format": click.Choice(FORMATS), "clip": PATH},
    metavars={"clip": "FILE", "correction": "FILE", "reader": "NAME"},
)
@json_option("Print JSON: an object for one report, else an array.")
@verbosity_options()
@measure_options
@click.pass_context
def report(ctx: click.Context, /, **values: Any) -> None:  # noqa: ANN401
    """Make the one-page report of a measurement, as PDF or HTML.

    A PATH is an echo file, which is measured first; a folder of these; or a saved result of lvef measure: its folder, its
    measurement.json, or the output folder with many.

    Examples:
      lvef report clip.avi
      lvef report study/ --out reports --format both
      lvef report lvef-out/clip --clip moved/clip.avi
      lvef report clip.avi --correction clip.json --reader "A. Reader"

    Exit code: 0 all done, 1 something failed, 2 usage error, 3 only refusals.
    """
    request = build(Request, values)
    options = build(MeasureOptions, values)
    _check(request, options)
    _check_settings(ctx, request)
    ctx.exit(_make_reports(request, options))


def _make_reports(request: Request, options: MeasureOptions) -> int:
    """Make the reports; returns the exit code."""
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import show_progress
    from lvef.core.wording import ef_interval_text

    correct = _correction_of(request, options) if request.correction is not None else None
    tasks = _make_tasks(request, options)
    documents: list[dict[str, Any]] = []
    lines: list[str] = []
    failures: list[LvefError] = []
    with show_progress("Reports") as progress:
        progress.start(len(tasks))
        for task in tasks:
            try:
                result = task.load()
                if correct is not None:
                    result = correct(result)
                is_new = correct is not None and result.measurement.correction is not None
                document = _write(task.corrected() if is_new else task, result, request.format, is_new)
                documents.append(document)
                ef = f"EF {ef_interval_text(result.measurement):>5}"
                lines += [f"{ef}  {file}" for file in document["files"]]
                if is_verbose():
                    progress.message(f"{task.label}: {ef.strip()}, written to {', '.join(document['files'])}")
                for sentence in _messages(result, correct is not None):
                    progress.message(sentence)
            except LvefError as error:
                # One bad file does not stop the others.
                if len(tasks) == 1:
                    raise
                failures.append(error)
                progress.message(str(error))
            progress.advance()
    if request.as_json:
        print_json(documents[0] if _wants_one(request) else documents)
    else:
        for line in lines:
            click.echo(line)
    return _exit_code([document["status"] for document in documents], failures)


def _is_one_saved(paths: tuple[Path, ...]) -> bool:
    """Whether the only path is a saved result."""
    from lvef.measure.saved_results import is_saved_result

    return len(paths) == 1 and is_saved_result(paths[0])


def _make_tasks(request: Request, options: MeasureOptions) -> list[Task]:
    """Saved results and files to measure, in the order given; a model is loaded only for the latter."""
    found = {path: _saved_results(path) for path in request.paths}
    new = [path for path, saved in found.items() if not saved]
    each = dict.fromkeys(one for saved in found.values() for one in saved)
    tasks = [_saved_task(path, request, options) for path in each]
    if request.out is not None:
        tasks = _named(tasks, request.out)
    if new or not request.paths:
        tasks += _new_tasks(dataclasses.replace(request, paths=tuple(new)), options)
    return tasks


def _saved_results(path: Path) -> list[Path]:
    """A path itself where it is a saved result, and the results in an output folder of ``lvef measure``; else none."""
    from lvef.core.runner import RUN_NAME
    from lvef.measure.saved_results import is_saved_result

    if is_saved_result(path):
        return [path]
    if not (path / RUN_NAME).is_file():
        return []
    return sorted(inner for inner in path.iterdir() if inner.is_dir() and is_saved_result(inner))


def _saved_task(path: Path, request: Request, options: MeasureOptions) -> Task:
    from lvef.measure.saved_results import load_result

    folder = path if path.is_dir() else path.parent
    return Task(str(path), lambda: load_result(path, request.clip, max_frames=options.max_frames), folder)


def _named(tasks: list[Task], out: Path) -> list[Task]:
    """Reports of saved results in one folder, each under its result's name."""
    from lvef.measure.folder import folder_names

    # A folder's name may have a dot in it; the slash keeps it from being taken for a suffix.
    names = folder_names([(f"{i:08}", f"{task.folder.resolve().name}.d") for i, task in enumerate(tasks)], {})
    named = zip(tasks, names.values(), strict=True)
    return [dataclasses.replace(task, folder=out, stem=name) for task, name in named]


def _new_tasks(request: Request, options: MeasureOptions) -> list[Task]:
    from lvef.measure.batch import result_of_job
    from lvef.measure.folder import folder_names
    from lvef.measure.pipeline import Measurer

    files = find_files(request.paths)
    jobs = {job.key: job for job in make_jobs(request, files, Measurer(options))}
    names = folder_names([(key, job.name) for key, job in jobs.items()], {})
    out = request.out or DEFAULT_OUT

    return [Task(job.label, partial(result_of_job, job), out, names[key]) for key, job in jobs.items()]


def _correction_of(request: Request, options: MeasureOptions) -> Callable[[Result], Result]:
    """The function that corrects a result."""
    from lvef.measure import correction

    path = request.correction
    assert path is not None
    values, source = correction.read_correction(path), str(path)
    is_saved = _is_one_saved(request.paths)

    def prepare(edit: Edit, machine: Measurement) -> Edit:
        if is_saved:
            _check_contours(edit, machine)
        return dataclasses.replace(edit, reader=request.reader or edit.reader)

    def correct(result: Result) -> Result:
        machine = result.singles
        edits = correction.edits_from_dict(values, source, is_study=bool(result.views))
        edits |= {view: prepare(edit, machine[view][0]) for view, edit in edits.items() if view in machine}
        return correction.corrected_result(result, edits, options)

    return correct


def _check_contours(edit: Edit, machine: Measurement) -> None:
    """Refuse frames whose contours a saved result does not have: they must be drawn, or measured again."""
    ed, es = ("ED", edit.ed_frame, edit.ed_points), ("ES", edit.es_frame, edit.es_points)
    for phase, frame, points in (ed, es):
        known = frame in (None, machine.ed_frame, machine.es_frame)
        if not known and points is None:
            raise DataError(
                f"{machine.source}: a saved result has only the contours of its own ED and ES frame, not that of "
                f"{phase} frame {frame}; give the clip itself to lvef report, or a correction with that contour."
            )


def _check(request: Request, options: MeasureOptions) -> None:
    """Refuse arguments that do not go together."""
    check_inputs(request, options)
    if request.reader and request.correction is None:
        raise click.UsageError("--reader names who corrected, and goes with --correction.")
    if request.correction is not None and not _wants_one(request):
        raise click.UsageError("--correction is for one file or result: give one.")
    if request.clip and not _is_one_saved(request.paths):
        raise click.UsageError("--clip names the clip of a saved result: give that result's folder.")


def _check_settings(ctx: click.Context, request: Request) -> None:
    """Refuse settings of a measurement where nothing is measured."""
    # Nothing is measured where every path is a saved result or a folder of these.
    if not request.paths or not all(map(_saved_results, request.paths)):
        return
    free = {"max_frames"} | ({"sex", "height_cm", "weight_kg"} if request.correction is not None else set())
    for field in dataclasses.fields(MeasureOptions):
        given = ctx.get_parameter_source(field.name) is click.core.ParameterSource.COMMANDLINE
        if given and field.name not in free:
            raise click.UsageError(
                f"--{field.name.replace('_', '-')} is for measuring; a saved result is not measured again: give the clip."
            )


def _wants_one(request: Request) -> bool:
    return is_one(request) or _is_one_saved(request.paths)


def _write(task: Task, result: Result, wanted: str, is_new: bool) -> dict[str, Any]:
    """Write the report, and all files of a new result; returns its JSON."""
    from lvef.core.serialization import finite, printable
    from lvef.io.atomic import make_folder, write_bytes_atomic, write_text_atomic
    from lvef.measure.results import Outputs
    from lvef.report.outputs import report_html, report_pdf, write_outputs

    files: list[Path] = []
    make_folder(task.folder)
    if wanted in ("pdf", "both"):
        files.append(task.file("pdf"))
        write_bytes_atomic(files[-1], report_pdf(result))
    if wanted in ("html", "both"):
        files.append(task.file("html"))
        write_text_atomic(files[-1], report_html(result))
    if is_new:
        written = write_outputs(task.folder, result, Outputs(video=False, summary=False))
        files += [task.folder / name for name in written]
    m = result.measurement
    return {
        "source": printable(m.source),
        "status": m.status.value,
        "ef_percent": finite(m.ef_percent),
        "ef_low_percent": finite(m.ef_low_percent),
        "ef_high_percent": finite(m.ef_high_percent),
        "decision": m.decision,
        "machine_ef_percent": finite(
            m.ef_percent if m.correction is None else m.correction.machine_ef_percent
        ),
        "corrected": m.correction is not None,
        "reason": printable(m.reason),
        "files": [printable(str(file)) for file in files],
    }


def _messages(result: Result, with_correction: bool) -> list[str]:
    """What the user should know of a report."""
    from lvef.core.serialization import printable

    m = result.measurement
    messages = [printable(m.reason)] if m.reason else []
    if m.status is not Status.FAILED and any(clip is None for _, clip in result.singles.values()):
        messages.append(
            f"the clip of {printable(m.source)} was not found: the report has no images. Give its path with --clip."
        )
    if with_correction and m.correction is None:
        messages.append("the correction changes nothing: the report shows the model's result.")
    return messages


def _exit_code(statuses: list[str], failures: list[LvefError]) -> int:
    """0 all done, 1 something failed, 3 only refusals."""
    refused = sum(isinstance(error, QualityRefusal) for error in failures) + statuses.count(Status.REFUSED)
    if Status.FAILED in statuses or any(not isinstance(error, QualityRefusal) for error in failures):
        return 1
    return 3 if refused and refused == len(statuses) + len(failures) else 0
