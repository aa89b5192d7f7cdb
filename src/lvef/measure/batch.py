"""Many files: several at once, none stopping the others, nothing lost when the run stops.

Threads, not processes: decoding, inference and video encoding run outside the interpreter's lock, and one loaded model
serves them all. The summary images are drawn one after the other.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import lvef
from lvef.core.errors import ConfigError, LvefError
from lvef.core.journal import file_key, file_stamp, settings_key
from lvef.core.memory import is_out_of_memory
from lvef.core.records import Measurement
from lvef.core.runner import Finished, Progress, exit_code_of, finishing, reason_of, run, run_record
from lvef.core.serialization import printable
from lvef.core.terms import Status
from lvef.core.wording import DIGEST_LETTERS
from lvef.core.workers import TimeLimitExceeded, is_abandoned
from lvef.inference.session import available_threads
from lvef.measure.environment import describe_machine, package_versions
from lvef.measure.folder import OutputFolder
from lvef.measure.options import MAX_SECONDS, MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.results import Outputs, Result
from lvef.measure.serializers import Row, result_row

RUN_SCHEMA = "lvef-run/1"
"""Version of the layout of ``run.json``."""

WriteOutputs = Callable[[Path, Result, Outputs], Sequence[str]]
"""Writes the files of one result into a folder and returns their names."""

MAX_WORKERS = 4
"""Most files at once by default: each may hold a gigabyte of frames."""

_LOG = logging.getLogger("lvef")


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to measure.

    Attributes:
        paths: The file, or the files of a pair or a biplane study.
        measure: Does it. What a file may hold is in the result's status; it does not raise for that.
        kind: Empty for a clip, else ``pair``, ``biplane`` or ``study``.
        folder: Of a study, the folder that the user gave.
    """

    paths: tuple[Path, ...]
    measure: Callable[[], Result]
    kind: str = ""
    folder: Path | None = None

    @property
    def key(self) -> str:
        """`lvef.core.journal.file_key` of its files."""
        return file_key(self.paths, self.kind)

    @property
    def label(self) -> str:
        """The files as the user gave them."""
        return " + ".join(str(path) for path in ([self.folder] if self.folder else self.paths))

    @property
    def name(self) -> str:
        """A file name for what belongs to the job."""
        if self.folder is not None or len(self.paths) == 1:
            only = self.folder or self.paths[0]
            return only.name if only.name not in ("", "..") else only.resolve().name
        return "+".join(path.stem for path in self.paths) + self.paths[-1].suffix


@dataclass(slots=True)
class JobResult:
    """What came of a job.

    Attributes:
        row: Its line of ``results.csv``.
        folder: Where its files are, or None when nothing is written.
        measurement: The measurement, until the job is finished; None where the row comes from an earlier run.
        files: Names of the files written.
        stamp: `lvef.core.journal.file_stamp` of what was measured; empty where the next run tries it again.
    """

    row: Row
    folder: Path | None
    measurement: Measurement | None
    files: tuple[str, ...] = ()
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the jobs.

    Attributes:
        rows: Lines of ``results.csv``, in the order of the jobs.
        resumed: How many were taken from an earlier run.
        seconds: Time of the whole batch.
        out: Folder that was written; None where nothing was.
    """

    rows: list[Row] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0
    out: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Number of files of each status."""
        return {str(status): sum(row["status"] == status for row in self.rows) for status in Status}

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed, 3 only refusals."""
        return exit_code_of(row["status"] for row in self.rows)


def run_batch(
    jobs: Sequence[Job],
    out_dir: Path | None,
    *,
    write: WriteOutputs,
    settings: Mapping[str, Any],
    workers: int = 0,
    resume: bool = True,
    outputs: Outputs = Outputs(),  # noqa: B008  frozen
    on_finished: Callable[[Finished[Job, JobResult]], None] | None = None,
    max_seconds: float = MAX_SECONDS,
    progress: Progress = Progress(),  # noqa: B008  frozen
) -> BatchResult:
    """Run jobs and write their outputs.

    Args:
        jobs: What to measure; a job given twice, by whatever path or link, is run once, with a message.
        out_dir: Folder for the outputs, made when missing; None writes nothing.
        write: Writes the files of a result, usually `lvef.report.outputs.write_outputs`.
        settings: Everything the results depend on (model hash, precision, options); stands in ``run.json``
            and decides whether an earlier result still holds.
        workers: Files at once; 0 takes the number of threads, at most `MAX_WORKERS`.
        resume: Keep what an earlier run into ``out_dir`` finished with the same file and settings.
            Failed files are tried again.
        outputs: What is written for each file.
        on_finished: Called in this thread after each job.
        max_seconds: Longest time for one file, after which it has failed and the others go on; 0 for no limit.
        progress: Progress callbacks; the messages are about files that take long or were given twice.

    A file that does not exist has failed, but leaves nothing in ``out_dir``: most often its name is mistyped. Where no file
    exists, ``out_dir`` is not made.

    Raises:
        OutputError: The outputs cannot be written, for example on a full disk. What was written stays whole,
            and the next run goes on from there.
    """
    began = time.perf_counter()
    workers = workers or min(available_threads(), MAX_WORKERS)
    unique = _without_duplicates(jobs, progress.message)
    written = [(key, job.name) for key, job in unique.items() if all(path.exists() for path in job.paths)]
    rows: dict[str, Row] = {}
    resumed = 0

    def finish(finished: Finished[Job, JobResult]) -> None:
        nonlocal resumed
        rows[finished.item.key] = finished.result.row
        resumed += finished.resumed
        if on_finished is not None:
            on_finished(finished)
        # The contours of thousands of files must not pile up.
        finished.result.measurement = None

    def result() -> BatchResult:
        in_order = [rows[key] for key in unique if key in rows]
        seconds = time.perf_counter() - began
        return BatchResult(in_order, resumed, seconds, None if folder is None else folder.path)

    def write_run(complete: bool) -> None:
        if folder is not None:
            folder.write_run(_run_record(result(), settings, outputs, workers, complete=complete))

    def finish_folder(complete: bool) -> None:
        if folder is not None:
            folder.write_results()
        write_run(complete)

    folder = None if out_dir is None or not written else OutputFolder(out_dir, written, settings, outputs)
    batch = _Batch(folder, write, outputs, resume)
    with nullcontext() if folder is None else closing(folder):
        # From the start: run.json marks the folder as an output folder, which a search for clips skips.
        write_run(False)
        with finishing(finish_folder):
            run(
                list(unique.values()),
                batch.measure,
                on_error=batch.fail,
                earlier=batch.earlier,
                record=batch.record,
                on_finished=finish,
                progress=progress,
                name=lambda job: job.label,
                workers=workers,
                ordered=False,
                limit_s=max_seconds,
            )
    return result()


@dataclass(frozen=True, slots=True)
class _Batch:
    """The steps of the runner for a job."""

    folder: OutputFolder | None
    write: WriteOutputs
    outputs: Outputs
    resume: bool

    def measure(self, job: Job) -> JobResult:
        """Measure and write; called in a worker."""
        stamp = file_stamp(job.paths)
        return self._write(job, job.measure(), stamp)

    def fail(self, job: Job, error: Exception) -> JobResult:
        """The result of a job that raised an error: a bug, or too slow."""
        if isinstance(error, LvefError) and not isinstance(error, TimeLimitExceeded):
            raise error
        return self._write(job, Result(failure_of_file(job.label, error), None), "")

    def earlier(self, job: Job) -> JobResult | None:
        """The result of an earlier run, if it still holds."""
        if self.folder is None or not self.resume:
            return None
        entry = self.folder.earlier(job.key, file_stamp(job.paths))
        if entry is None:
            return None
        # The file may be called by another name now: relative then, absolute now.
        entry = self.folder.renamed(entry, printable(job.label))
        return JobResult(entry["row"], self._place(job), None)

    def record(self, job: Job, result: JobResult) -> None:
        """Add a new result to the journal."""
        if self.folder is not None and result.folder is not None:
            self.folder.add(job.key, result.stamp, result.files, result.row)

    def _place(self, job: Job) -> Path | None:
        name = None if self.folder is None else self.folder.names.get(job.key)
        return None if self.folder is None or name is None else self.folder.path / name

    def _write(self, job: Job, result: Result, stamp: str) -> JobResult:
        place = self._place(job)
        # Of a file that was abandoned, another result is written already.
        files = () if place is None or is_abandoned() else tuple(self.write(place, result, self.outputs))
        row = result_row(result.measurement, job.label, "" if place is None else place.name)
        return JobResult(row, place, result.measurement, files, stamp)


def result_of_job(job: Job) -> Result:
    """Do a job. A bug in lvef becomes a failed measurement and costs the results of no other job."""
    try:
        return job.measure()
    except Exception as error:  # noqa: BLE001  see above
        return Result(failure_of_file(job.label, error), None)


def failure_of_file(label: str, error: Exception) -> Measurement:
    """The measurement of a file that took too long or met an error in lvef, called as the user gave it."""
    if isinstance(error, TimeLimitExceeded):
        return Measurement(label, Status.FAILED, f"{error} --max-seconds allows more.", "too_slow")
    code = "too_large" if is_out_of_memory(error) else "bug"
    return Measurement(label, Status.FAILED, reason_of(error, label), code)


def _without_duplicates(jobs: Sequence[Job], on_message: Callable[[str], None]) -> dict[str, Job]:
    """The jobs by key, without those that do the same as one before: another path or link to the same files."""
    unique: dict[str, Job] = {}
    seen: dict[object, Job] = {}
    for job in jobs:
        inodes = _inodes(job)
        same = seen.get(job.key) or (seen.get(inodes) if inodes else None)
        if same is not None:
            on_message(f"{job.label}: is the same as {same.label} and measured once.")
            continue
        unique[job.key] = seen[job.key] = job
        if inodes:
            seen[inodes] = job
    return unique


def _inodes(job: Job) -> tuple[object, ...]:
    """How the file system identifies the files, hard links included; empty where it does not."""
    try:
        stats = [path.stat() for path in job.paths]
    except OSError:
        return ()
    return (job.kind, *((stat.st_dev, stat.st_ino) for stat in stats)) if all(s.st_ino for s in stats) else ()


def _run_record(
    result: BatchResult, settings: Mapping[str, Any], outputs: Outputs, workers: int, *, complete: bool
) -> dict[str, Any]:
    return {
        **run_record(RUN_SCHEMA, result.seconds, complete=complete),
        "counts": result.counts,
        "resumed": result.resumed,
        "workers": workers,
        "outputs": asdict(outputs),
        "settings": {
            key: printable(value) if isinstance(value, str) else value for key, value in settings.items()
        },
        "machine": describe_machine(),
        "packages": package_versions(),
    }


@cache
def load_measurer(options: MeasureOptions, models: tuple[tuple[str, str], ...] = ()) -> Measurer:
    """The measurer of this process, loaded once for the same options.

    Args:
        options: Settings, by `pinned_options` where another machine chose them.
        models: What `model_hashes` gives on that machine; empty for no comparison.

    Raises:
        ConfigError: This machine has other models.
    """
    measurer = Measurer(options)
    found = dict(model_hashes(measurer))
    for name, expected in models:
        if found.get(name) != expected:
            raise ConfigError(
                f"{platform.node()} has another model {options.weights}, or other lvef-weights-camus: {name} is "
                f"{found.get(name, 'missing')[:DIGEST_LETTERS]} there, {expected[:DIGEST_LETTERS]} was expected. Install "
                "the same on every machine."
            )
    return measurer


def model_hashes(measurer: Measurer) -> tuple[tuple[str, str], ...]:
    """Names and hashes of the models and calibrations that a result depends on, of those that the measurer has."""
    others = {"beats_sha256": measurer.beat_finder, "second_sha256": measurer.second}
    hashes = {"weights_sha256": measurer.predictor.entry.card.model_sha256}
    hashes |= {name: other.predictor.entry.card.model_sha256 for name, other in others.items() if other}
    if measurer.view_model is not None:
        hashes["view_sha256"] = measurer.view_model.sha256
    if measurer.predictor.shape_sha256:
        hashes["shape_sha256"] = measurer.predictor.shape_sha256
    for name, fitted in (("interval_key", measurer.calibration), ("quality_key", measurer.quality_scale)):
        if fitted is not None:
            hashes[name] = settings_key(asdict(fitted))
    return tuple(hashes.items())


def measure_settings(measurer: Measurer) -> dict[str, Any]:
    """Everything that the results of a measurer depend on, as plain values."""
    card, engine = measurer.predictor.entry.card, measurer.predictor.engine
    return {
        **asdict(measurer.options),
        **dict(model_hashes(measurer)),
        "lvef_version": lvef.__version__,
        "weights": f"{card.name} {card.version}",
        "weights_licence": card.licence,
        "backend": engine.backend,
        "precision": engine.precision,
        "device": engine.device,
    }


def pinned_options(measurer: Measurer) -> MeasureOptions:
    """The options of a measurer with what it chose for ``auto``: another machine must not choose otherwise."""
    engine = measurer.predictor.engine
    return replace(measurer.options, backend=engine.backend, precision=engine.precision)
