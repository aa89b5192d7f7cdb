"""Many files: several at once, none stopping the others, nothing lost when the run stops.

Threads, not processes: decoding, inference and film encoding run outside the interpreter's lock, and one loaded
network serves them all. A thread that is stuck is left behind (`lvef.core.workers`). The summary pictures are drawn one
after the other.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import lvef
from lvef.core.errors import LvefError, error_location
from lvef.core.records import Measurement
from lvef.core.terms import Status
from lvef.core.workers import ThreadPool, TimeLimitExceeded, grace_period
from lvef.inference.session import available_threads
from lvef.measure.environment import describe_machine, package_versions
from lvef.measure.folder import OutputFolder
from lvef.measure.journal import file_key, file_stamp
from lvef.measure.options import MAX_SECONDS
from lvef.measure.outputs import Answer, Outputs, write_outputs
from lvef.measure.report import printable
from lvef.measure.tables import Row, result_row

RUN_SCHEMA = "lvef-run/1"
"""Version of the layout of ``run.json``."""

_LOG = logging.getLogger("lvef")

MAX_WORKERS = 4
"""Most files at once by default: each may hold a gigabyte of frames."""


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to measure.

    Attributes:
        paths: The file, or the files of a pair or a biplane study.
        measure: Does it. What a file may hold is in the answer's status; it does not raise for that.
        kind: Empty for a clip, else ``pair`` or ``biplane``.
    """

    paths: tuple[Path, ...]
    measure: Callable[[], Answer]
    kind: str = ""

    @property
    def label(self) -> str:
        """The files as the user gave them."""
        return " + ".join(str(path) for path in self.paths)

    @property
    def name(self) -> str:
        """A file name for what belongs to the job."""
        if len(self.paths) == 1:
            only = self.paths[0]
            return only.name if only.name not in ("", "..") else only.resolve().name
        return "+".join(path.stem for path in self.paths) + self.paths[-1].suffix


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that has ended.

    Attributes:
        index: Its place among the jobs given.
        row: Its line of ``results.csv``.
        folder: Where its files are, or None when nothing is written.
        measurement: The answer; None where the row comes from an earlier run.
    """

    index: int
    row: Row
    folder: Path | None
    measurement: Measurement | None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the jobs.

    Attributes:
        rows: Lines of ``results.csv``, in the order of the jobs.
        resumed: How many were taken from an earlier run.
        seconds: Time of the whole batch.
    """

    rows: list[Row] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """Number of files of each status."""
        return {str(status): sum(row["status"] == status for row in self.rows) for status in Status}

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed, 3 only refusals."""
        counts = self.counts
        if counts[Status.FAILED]:
            return 1
        return 3 if self.rows and counts[Status.REFUSED] == len(self.rows) else 0


def run_batch(
    jobs: Sequence[Job],
    out_dir: Path | None,
    *,
    settings: Mapping[str, Any],
    workers: int = 0,
    resume: bool = True,
    outputs: Outputs = Outputs(),  # noqa: B008  frozen
    on_finished: Callable[[Finished], None] | None = None,
    max_seconds: float = MAX_SECONDS,
    say: Callable[[str], None] | None = None,
) -> BatchResult:
    """Run jobs and write their outputs.

    Args:
        jobs: What to measure; a job given twice, by whatever path or link, is run once, which is said.
        out_dir: Folder for the outputs, made when missing; None writes nothing.
        settings: Whatever the answers depend on (network hash, precision, options); stands in ``run.json``
            and decides whether an earlier answer still holds.
        workers: Files at once; 0 takes the number of threads, at most `MAX_WORKERS`.
        resume: Take over what an earlier run into ``out_dir`` finished with the same file and settings.
            Failed files are tried again.
        outputs: What is written for each file.
        on_finished: Called in this thread after each job.
        max_seconds: Longest time for one file, after which it has failed and the others go on; 0 for no limit.
        say: Told of each file that takes long or was given twice; by default a warning of the log ``lvef``.

    A file that is not there has failed, but leaves nothing in ``out_dir``: most often its name is a slip.

    A stop by the user (KeyboardInterrupt) is obeyed within about a second: files under way that end within it are recorded.

    Raises:
        DataError: The outputs cannot be written, for example on a full disk. What was written stays whole,
            and the next run goes on from there.
    """
    began = time.perf_counter()
    workers = workers or min(available_threads(), MAX_WORKERS)
    unique, doubles = _without_doubles(jobs)
    for job, same in doubles:
        (say or _LOG.warning)(f"{job.label}: is the same as {same.label} and measured once.")
    missing = {key for key, job in unique.items() if not all(path.exists() for path in job.paths)}
    names = [(key, job.name) for key, job in unique.items() if key not in missing]
    folder = None if out_dir is None else OutputFolder(out_dir, names, settings, outputs)
    done: dict[str, Finished] = {}

    def place(key: str) -> Path | None:
        return None if folder is None or key in missing else folder.path / folder.names[key]

    def finish(key: str, finished: Finished) -> None:
        done[key] = finished
        if on_finished is not None:
            on_finished(finished)

    def do(item: _Todo, given_up: Event) -> _Done:
        return _do(item[2], place(item[1]), outputs, given_up)

    def record(item: _Todo, result: Future[_Done]) -> None:
        index, key, job = item
        try:
            measurement, files, stamp = result.result()
        except TimeLimitExceeded as error:
            reason = f"{error} --max-seconds allows more."
            measurement = Measurement(job.label, Status.FAILED, reason, "too_slow")
            answer, missed = Answer(measurement, None), place(key)
            files = () if missed is None else tuple(write_outputs(missed, answer, outputs))
            # Without a stamp the next run tries it again.
            stamp = ""
        where = place(key)
        row = result_row(measurement, job.label, "" if where is None else where.name)
        if folder is not None and where is not None:
            folder.add(key, stamp, files, row)
        finish(key, Finished(index, row, place(key), measurement))

    todo: list[_Todo] = []
    for index, (key, job) in enumerate(unique.items()):
        earlier = folder.earlier(key, file_stamp(job.paths)) if folder is not None and resume else None
        if folder is not None and earlier is not None:
            # The file may be called by another name now: relative then, absolute now.
            earlier = folder.named(earlier, printable(job.label))
            finish(key, Finished(index, earlier.row, place(key), None))
        else:
            todo.append((index, key, job))
    resumed = len(done)
    whole = False
    if folder is not None:
        # From the start: this file marks the folder as our own output, which a search for clips passes over.
        started = BatchResult(seconds=time.perf_counter() - began)
        folder.write_run(_run_record(started, settings, outputs, workers, whole=False))
    try:
        _run(todo, ThreadPool(workers, limit_s=max_seconds, say=say), 2 * workers, do, record)
        whole = True
    finally:
        rows = [done[key].row for key in unique if key in done]
        result = BatchResult(rows, resumed, time.perf_counter() - began)
        if folder is not None:
            folder.write_results()
            folder.write_run(_run_record(result, settings, outputs, workers, whole=whole))
    return result


def _without_doubles(jobs: Sequence[Job]) -> tuple[dict[str, Job], list[tuple[Job, Job]]]:
    """The jobs by key, and those left out, each with the one that does the same: another path or link to the same files."""
    unique: dict[str, Job] = {}
    doubles: list[tuple[Job, Job]] = []
    seen: dict[object, Job] = {}
    for job in jobs:
        key = file_key(job.paths, job.kind)
        inodes = _inodes(job)
        same = seen.get(key) or (seen.get(inodes) if inodes else None)
        if same is not None:
            doubles.append((job, same))
            continue
        unique[key] = seen[key] = job
        if inodes:
            seen[inodes] = job
    return unique, doubles


def _inodes(job: Job) -> tuple[object, ...]:
    """What the file system knows the files by, which tells hard links too; empty where it does not say."""
    try:
        stats = [path.stat() for path in job.paths]
    except OSError:
        return ()
    return (job.kind, *((stat.st_dev, stat.st_ino) for stat in stats)) if all(s.st_ino for s in stats) else ()


def answer_of(job: Job) -> Answer:
    """Do a job. Never raises: a bug met in one file is that file's failure and must not cost the answers of the others."""
    try:
        return job.measure()
    except Exception as error:  # noqa: BLE001  see above
        return Answer(_bug(job, error), None)


_Done = tuple[Measurement, tuple[str, ...], str]
_Todo = tuple[int, str, Job]


def _run(
    todo: Sequence[_Todo],
    pool: ThreadPool,
    most: int,
    do: Callable[[_Todo, Event], _Done],
    record: Callable[[_Todo, Future[_Done]], None],
) -> None:
    """Do all jobs, several at once, and record each in this thread as it ends.

    When this is left early, the jobs that have begun are recorded too: after Ctrl-C those that end within
    `lvef.core.workers.GRACE_S`, else (a full disk) all.
    """
    waiting = iter(todo)
    running: dict[Future[_Done], tuple[_Todo, Event]] = {}

    def take(future: Future[_Done]) -> None:
        item, given_up = running.pop(future)
        given_up.set()
        record(item, future)

    with pool:
        try:
            while True:
                # A short queue: an answer holds all its contours and must not wait among thousands.
                while len(running) < most and (item := next(waiting, None)) is not None:
                    given_up = Event()
                    future = pool.submit(partial(do, item, given_up), item[2].label)
                    running[future] = item, given_up
                if not running:
                    return
                for future in pool.wait(running):
                    take(future)
        except BaseException as error:
            pool.leave(grace_period(error))
            for future in [future for future in running if future.done() and not future.cancelled()]:
                # Whatever made this stop is being told already.
                with suppress(LvefError):
                    take(future)
            for _, given_up in running.values():
                given_up.set()
            raise


def _do(job: Job, folder: Path | None, outputs: Outputs, given_up: Event) -> _Done:
    stamp = file_stamp(job.paths)
    answer = answer_of(job)
    # Of a file that was given up, another answer is written already.
    files = () if folder is None or given_up.is_set() else tuple(write_outputs(folder, answer, outputs))
    return answer.measurement, files, stamp


def _bug(job: Job, error: Exception) -> Measurement:
    reason = f"{job.label}: lvef met an error it should not have ({error_location(error)}); please report it."
    return Measurement(job.label, Status.FAILED, reason, "bug")


def _run_record(
    result: BatchResult, settings: Mapping[str, Any], outputs: Outputs, workers: int, *, whole: bool
) -> dict[str, Any]:
    return {
        "schema": RUN_SCHEMA,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "complete": whole,
        "seconds": round(result.seconds, 3),
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
