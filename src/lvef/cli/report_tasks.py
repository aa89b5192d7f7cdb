"""What ``lvef report`` makes pages of: files to measure, earlier answers, and a reader's correction of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lvef.cli.jobs import DEFAULT_OUT, Inputs, find_files, make_jobs
from lvef.core.errors import DataError
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.core.records import Measurement
    from lvef.measure.correction import Edit
    from lvef.measure.results import Result

FORMATS = ("pdf", "html", "both")
"""What may be written."""


@dataclass(frozen=True)
class Request(Inputs):
    """What the user asked for.

    Attributes:
        out: Output folder; None is the default one, and an earlier answer's own folder.
        format: One of `FORMATS`.
        clip: Films of an earlier answer that lie elsewhere now.
        correction: A reader's correction, or None.
        reader: Who corrected; empty for the one whom the correction names.
        as_json: Print JSON.
    """

    out: Path | None = None
    format: str = "pdf"
    clip: tuple[Path, ...] = ()
    correction: Path | None = None
    reader: str = ""
    as_json: bool = False


@dataclass(frozen=True)
class Task:
    """One page to make.

    Attributes:
        label: What it is about, for messages.
        answer: Measures it, or reads it back.
        folder: Where the page goes.
        stem: Its name before ``-report``; empty in an answer's own folder.
    """

    label: str
    answer: Callable[[], Result]
    folder: Path
    stem: str = ""

    def page(self, suffix: str) -> Path:
        """The page's file."""
        return self.folder / (f"{self.stem}-report.{suffix}" if self.stem else f"report.{suffix}")

    def corrected(self) -> Task:
        """The same for a corrected answer, which gets a folder of its own beside what the network said."""
        if self.stem:
            return dataclasses.replace(self, folder=self.folder / f"{self.stem}-corrected", stem="")
        folder = self.folder if self.folder.name not in ("", "..") else self.folder.resolve()
        return dataclasses.replace(self, folder=folder.with_name(f"{folder.name}-corrected"))


def is_one_answer(paths: tuple[Path, ...]) -> bool:
    """Whether the only path is an earlier answer."""
    from lvef.measure.saved_results import is_saved_result

    return len(paths) == 1 and is_saved_result(paths[0])


def only_answers(paths: tuple[Path, ...]) -> bool:
    """Whether every path is an earlier answer or a folder of these: then nothing is measured."""
    from lvef.measure.saved_results import is_saved_result

    return bool(paths) and all(is_saved_result(path) or _answers_in(path) for path in paths)


def make_tasks(request: Request, options: MeasureOptions) -> list[Task]:
    """Earlier answers and files to measure, in the order given; a network is loaded only for the latter."""
    from lvef.measure.saved_results import is_saved_result

    earlier: dict[Path, None] = {}
    fresh: list[Path] = []
    for path in request.paths:
        if is_saved_result(path):
            earlier[path] = None
        elif inside := _answers_in(path):
            earlier |= dict.fromkeys(inside)
        else:
            fresh.append(path)
    tasks = [_earlier_task(path, request, options) for path in earlier]
    if request.out is not None:
        tasks = _named(tasks, request.out)
    if fresh or not request.paths:
        tasks += _fresh_tasks(dataclasses.replace(request, paths=tuple(fresh)), options)
    return tasks


def _answers_in(path: Path) -> list[Path]:
    """The answers in an output folder of ``lvef measure``."""
    from lvef.core.runner import RUN_NAME
    from lvef.measure.saved_results import is_saved_result

    if not (path / RUN_NAME).is_file():
        return []
    return sorted(inner for inner in path.iterdir() if inner.is_dir() and is_saved_result(inner))


def _earlier_task(path: Path, request: Request, options: MeasureOptions) -> Task:
    from lvef.measure.saved_results import load_result

    folder = path if path.is_dir() else path.parent
    return Task(str(path), lambda: load_result(path, request.clip, max_frames=options.max_frames), folder)


def _named(tasks: list[Task], out: Path) -> list[Task]:
    """Pages of earlier answers in one folder, each under its answer's name."""
    from lvef.measure.folder import folder_names

    # A folder's name may have a dot in it; the slash keeps it from being taken for a suffix.
    names = folder_names([(f"{i:08}", f"{task.folder.resolve().name}.d") for i, task in enumerate(tasks)], {})
    return [
        dataclasses.replace(task, folder=out, stem=name)
        for task, name in zip(tasks, names.values(), strict=True)
    ]


def _fresh_tasks(request: Request, options: MeasureOptions) -> list[Task]:
    from lvef.measure.batch import Job, answer_of
    from lvef.measure.folder import folder_names
    from lvef.measure.pipeline import Measurer

    files = find_files(request.paths)
    jobs = {job.key: job for job in make_jobs(request, files, Measurer(options))}
    names = folder_names([(key, job.name) for key, job in jobs.items()], {})
    out = request.out or DEFAULT_OUT

    def answer(job: Job) -> Callable[[], Result]:
        return lambda: answer_of(job)

    return [Task(job.label, answer(job), out, names[key]) for key, job in jobs.items()]


def correction_of(request: Request, options: MeasureOptions) -> Callable[[Result], Result]:
    """What makes the reader's answer of the network's.

    Args:
        request: With a correction.
        options: Settings.

    Raises:
        DataError: The correction cannot be read.
    """
    from lvef.measure.correction import (
        corrected,
        corrected_study,
        edit_from_dict,
        read_correction,
        study_from_dict,
    )
    from lvef.measure.results import Result

    path = request.correction
    assert path is not None
    values, source = read_correction(path), str(path)
    kept = is_one_answer(request.paths)

    def mine(edit: Edit, machine: Measurement) -> Edit:
        if kept:
            _check_contours(edit, machine)
        return dataclasses.replace(edit, reader=request.reader or edit.reader)

    def change(answer: Result) -> Result:
        if not answer.parts:
            edit = mine(edit_from_dict(values, source), answer.measurement)
            return Result(corrected(answer.measurement, edit, options), answer.clip)
        machine = {view: part for view, (part, _) in answer.parts.items()}
        edits = {
            view: mine(edit, machine[view]) if view in machine else edit
            for view, edit in study_from_dict(values, source).items()
        }
        measurement, parts = corrected_study(answer.measurement, machine, edits, options)
        return Result(
            measurement, None, {view: (parts[view], film) for view, (_, film) in answer.parts.items()}
        )

    return change


def _check_contours(edit: Edit, machine: Measurement) -> None:
    """An earlier answer keeps the contours of its own ED and ES frame: others must be drawn, or measured again.

    Raises:
        DataError: With the mend.
    """
    for phase, frame, points in (
        ("ED", edit.ed_frame, edit.ed_points),
        ("ES", edit.es_frame, edit.es_points),
    ):
        known = frame in (None, machine.ed_frame, machine.es_frame)
        if not known and points is None:
            raise DataError(
                f"{machine.source}: an earlier answer keeps the contours of its own ED and ES frame, not that of "
                f"{phase} frame {frame}; give the film itself to lvef report, or a correction that draws that contour."
            )
