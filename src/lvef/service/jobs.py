"""Jobs from the upload to the result, and the results that are kept."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from lvef.core.errors import LvefError, os_reason
from lvef.core.terms import Status
from lvef.io.uploads import UploadStore, make_private_folder
from lvef.measure.serializers import MEASUREMENT_NAME
from lvef.service.errors import ApiError, http_status, not_found
from lvef.service.forms import OPTIONS, MeasureRequest
from lvef.service.metrics import Metrics
from lvef.service.pool import CANCELLED, STOPPED, Pool, QueuedTask, QueueFull, WorkerFactory
from lvef.service.schemas import job_to_dict, result_to_dict
from lvef.service.settings import ServiceSettings
from lvef.service.store import JobRecord, ResultRecord, open_store
from lvef.service.worker import Progress, Task, TaskResult

T = TypeVar("T")

LOG = logging.getLogger("lvef.service")

UPLOADS_NAME = "spool"
"""Folder of uploads inside the data folder."""

PURGE_INTERVAL_S = 60.0
"""Time between two searches for expired results."""

ASSUMED_JOB_S = 3.0
"""Duration of a job that is assumed before one was measured."""

WRITTEN = (".json", ".csv")
"""Endings of files that are written with a result; all others are drawn when they are asked for."""

DOCUMENTS = (".json", ".npz")
"""Suffixes of the files that a correction needs."""


@dataclass(eq=False, slots=True)
class Job:
    """A job of this service that is not finished."""

    record: JobRecord
    request: MeasureRequest
    queued_task: QueuedTask
    finished: asyncio.Event = field(default_factory=asyncio.Event)


class JobManager:
    """All jobs and results of a service. Its coroutines run in the loop that `start` was called in.

    Args:
        settings: Of the service.
        worker_factory: Makes, inside a worker process, what does the tasks.

    Raises:
        DataError: The data folder cannot be used.
    """

    def __init__(self, settings: ServiceSettings, worker_factory: WorkerFactory) -> None:
        self.settings, self.metrics = settings, Metrics()
        uploads = settings.folder / UPLOADS_NAME
        make_private_folder(settings.folder)
        make_private_folder(uploads)
        self.upload_store = UploadStore(uploads)
        self._to_remove: set[Path] = set()
        try:
            self.store = open_store(settings.folder, settings.keep_hours, settings.max_store_mb)
            self._clean_up()
        except LvefError:
            self.upload_store.close()
            raise
        self.pool = Pool(worker_factory, settings, self.upload_store.worker_folder)
        self.stopping = False
        self._live: dict[str, Job] = {}
        self._reserved = 0
        self._mean_s = ASSUMED_JOB_S
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        # One thread, so that what is written first is written first; the loop never waits for the disk.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="lvef-store")
        for name, description, read in (
            ("lvef_queue_length", "Files that wait.", lambda: self.pool.waiting),
            ("lvef_workers_ready", "Worker processes with their model loaded.", lambda: self.pool.ready),
            ("lvef_worker_restarts", "Worker processes that were replaced.", lambda: self.pool.restarts),
            ("lvef_results_kept", "Results in the store.", self.store.count),
            ("lvef_store_bytes", "Size of the store.", self.store.size),
        ):
            self.metrics.add_gauge(name, description, read)

    def start(self, *, one_by_one: bool = False) -> None:
        """Start the worker processes and the regular deletion of expired results.

        Args:
            one_by_one: See `Pool.start`.
        """
        self._loop = asyncio.get_running_loop()
        self.pool.start(one_by_one=one_by_one)
        self._run_in_background(self._clean_up_regularly())

    def begin_stop(self) -> None:
        """Accept no more jobs; fail those that wait, give those that run the grace period."""
        self.stopping = True
        self.pool.begin_stop(self.settings.grace_seconds)

    async def stop(self) -> None:
        """Stop everything; uploads are removed, results stay in the database."""
        self.begin_stop()
        await asyncio.to_thread(self.pool.stop, self.settings.grace_seconds)
        for job in list(self._live.values()):
            await job.finished.wait()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.shutdown()
        self.upload_store.close()
        self.store.close()

    @contextmanager
    def reserve_place(self) -> Iterator[None]:
        """Reserve a place in the queue while an upload is received.

        Raises:
            ApiError: The queue is full, or the service is stopping.
        """
        self._check_room(1)
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    def add(self, requests: list[MeasureRequest]) -> list[Job]:
        """Queue jobs for all requests, or for none.

        Raises:
            ApiError: There is not enough room for them.
        """
        # One place is reserved for this upload already.
        self._check_room(len(requests) - 1)
        return [self._add(request) for request in requests]

    @property
    def status(self) -> str:
        """Whether files can be measured now: ``ready``, ``starting`` or ``stopping``."""
        return "stopping" if self.stopping else "ready" if self.pool.ready else "starting"

    def describe(self, record: JobRecord) -> dict[str, Any]:
        """A job as clients see it."""
        job = self._live.get(record.id)
        position = None if job is None else self.pool.position(job.queued_task)
        return job_to_dict(record, self.settings.root_path, position, self._mean_s)

    async def record(self, name: str) -> JobRecord:
        """A job by its id, finished or not.

        Raises:
            ApiError: There is none.
        """
        job = self._live.get(name)
        found = job.record if job is not None else await self.run_in_writer(self.store.job, name)
        if found is None:
            raise not_found("job")
        return found

    async def delete(self, name: str, *, missing_ok: bool = False) -> None:
        """Stop a job if it runs, and delete its upload, result and corrections.

        Raises:
            ApiError: There is no such job, and that is not `missing_ok`.
        """
        job = self._live.get(name)
        if job is not None:
            self.pool.cancel(job.queued_task)
            await job.finished.wait()
        elif not missing_ok and await self.run_in_writer(self.store.job, name) is None:
            raise not_found("job")
        await self.run_in_writer(self.store.delete, [name])

    async def result(self, name: str) -> ResultRecord:
        """A result by its id.

        Raises:
            ApiError: There is none.
        """
        found = await self.run_in_writer(self.store.result, name)
        if found is None:
            raise not_found("result")
        return found

    async def result_files(
        self, result: ResultRecord, offered: Callable[[list[str], list[str]], list[str]]
    ) -> dict[str, Any]:
        """The files of a result, its parent and its corrections.

        Args:
            result: The result.
            offered: Returns the names of its files from those kept and from the parts that have a clip.
        """
        names = await self.run_in_writer(self.store.names, result.id)
        clips = await self.run_in_writer(self.store.clip_parts, result.root)
        corrections = await self.run_in_writer(self.store.corrections, result.id)
        return result_to_dict(
            result, self.settings.root_path, self.store.keep_s, corrections, offered(names, clips)
        )

    async def mark_fetched(self, result: ResultRecord) -> None:
        """A client has received the result: where results are not kept, it is deleted now."""
        if self.settings.keep_hours <= 0:
            await self.run_in_writer(self.store.delete, [result.root])

    async def file(self, result: ResultRecord, name: str) -> bytes:
        """A file of a result; images and reports are drawn at the first request.

        Raises:
            ApiError: There is no such file, or it cannot be drawn now.
        """
        data = await self.run_in_writer(self.store.file, result.id, name)
        if data is not None:
            return data
        if name.endswith(WRITTEN):
            raise ApiError(404, "no_such_file", "This result has no such table: there is no volume curve.")
        files = await self.run_in_writer(self.store.files, result.id, DOCUMENTS)
        if not files:
            # It was deleted meanwhile.
            raise not_found("result")
        clips = await self.run_in_writer(self.store.clips, result.root)
        reply = await self.run_first(Task("draw", {"name": name, "files": files, "clips": clips}))
        await self.keep_file(result.id, name, reply.files[name])
        return reply.files[name]

    async def correct(self, parent: ResultRecord, edit: Any) -> ResultRecord:  # noqa: ANN401
        """A new result: `parent` with a reader's correction. The parent stays as it was.

        Raises:
            ApiError: The correction is of the wrong layout, or nothing can be measured from it.
        """
        files = await self.run_in_writer(self.store.files, parent.id, DOCUMENTS)
        task = Task(
            "correct", {"files": files, "edit": edit, "options": OPTIONS.validate_json(parent.options)}
        )
        reply = await self.run_first(task)
        return await self.add_derived(parent, reply.files)

    async def add_derived(self, parent: ResultRecord, files: dict[str, bytes]) -> ResultRecord:
        """Keep a result that was made from another one; it shares that one's clips and goes with it.

        Raises:
            ApiError: That one was deleted meanwhile.
        """
        new = ResultRecord(new_id(), parent.root, parent.id, time.time(), parent.options)
        try:
            await self.run_in_writer(self.store.save_result, new, files, {})
        except LookupError:
            raise not_found("result") from None
        return new

    async def keep_file(self, result: str, name: str, data: bytes) -> None:
        """Keep a file that was made of a result, where there is room for it."""
        with suppress(sqlite3.OperationalError):
            await self.run_in_writer(self.store.add_file, result, name, data)

    def progress(self, name: str) -> Progress | None:
        """How far a job is that runs; None where nothing is known."""
        job = self._live.get(name)
        return None if job is None else job.queued_task.progress

    def position(self, name: str) -> int | None:
        """Place of a job in the queue from 1, or None when it does not wait."""
        job = self._live.get(name)
        return None if job is None else self.pool.position(job.queued_task)

    async def run_first(self, task: Task) -> TaskResult:
        """The result of a short task that a client waits for; it is done before the files in the queue."""
        queued_task = QueuedTask(task)
        try:
            self.pool.submit(queued_task, first=True)
        except QueueFull:
            raise self._full() from None
        try:
            reply = await asyncio.wrap_future(queued_task.reply)
        except asyncio.CancelledError:
            self.pool.cancel(queued_task)
            raise
        if reply.code and not reply.files:
            raise ApiError(http_status(reply.code), reply.code, reply.message)
        return reply

    def _check_room(self, more: int) -> None:
        if self.stopping:
            raise ApiError(
                503,
                "service_stopped",
                "The service is stopping; try again in a minute.",
                {"Retry-After": "60"},
            )
        if self.pool.waiting + self._reserved + more > self.settings.max_queue:
            raise self._full()

    def _full(self) -> ApiError:
        self.metrics.refused.labels("queue").inc()
        seconds = max(1, round(self._mean_s * self.pool.waiting / self.settings.n_workers))
        return ApiError(
            503,
            "queue_full",
            f"The queue of {self.settings.max_queue} files is full; try again in {seconds} seconds.",
            {"Retry-After": str(seconds)},
        )

    def _add(self, request: MeasureRequest) -> Job:
        record = JobRecord(new_id(), self.upload_store.owner, "queued", request.source, time.time())
        values = {
            "input_kind": request.input_kind,
            "paths": [str(upload.path) for upload in request.uploads],
            "names": [upload.name for upload in request.uploads],
            "options": request.options,
            "keep_clips": request.keep_clips,
        }
        job = Job(record, request, QueuedTask(Task("measure", values)))
        # By id: a reference cycle would keep the result, a megabyte, until the garbage collector runs.
        job.queued_task.on_start = lambda: self._in_loop(self._mark_started, record.id)
        # It may raise, for want of memory for its thread: the job would never be finished, and a stop would wait for it.
        self._writer.submit(self.store.save_job, replace(record))
        self._live[record.id] = job
        self.metrics.jobs.labels("queued").inc()
        job.queued_task.reply.add_done_callback(
            lambda reply: self._in_loop(self._mark_finished, record.id, reply.result())
        )
        # There was room, and this loop alone adds jobs; but drawings may have been queued meanwhile.
        try:
            self.pool.submit(job.queued_task)
        except QueueFull:
            job.queued_task.reply.set_result(STOPPED)
        return job

    def _in_loop(self, call: Callable[..., None], *values: Any) -> None:  # noqa: ANN401
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *values)

    def _mark_started(self, name: str) -> None:
        job = self._live.get(name)
        if job is None or job.record.state != "queued":
            return
        job.record.started = time.time()
        self._set_state(job, "running")
        self.metrics.wait_seconds.observe(job.record.started - job.record.created)
        self._writer.submit(self.store.save_job, replace(job.record))

    def _mark_finished(self, name: str, reply: TaskResult) -> None:
        self._run_in_background(self._finish(self._live[name], reply))

    async def _finish(self, job: Job, reply: TaskResult) -> None:
        try:
            await self._keep(job, reply)
        finally:
            del self._live[job.record.id]
            job.finished.set()

    async def _keep(self, job: Job, reply: TaskResult) -> None:
        record = job.record
        if not job.request.keep:
            self._remove({upload.path for upload in job.request.uploads})
        record.finished = time.time()
        failed = not reply.files or reply.status == Status.FAILED
        if record.started is not None and reply.files:
            seconds = record.finished - record.started
            self.metrics.job_seconds.observe(seconds)
            self._mean_s += 0.2 * (seconds - self._mean_s)
        self.metrics.jobs_ended.labels(reply.code if failed else reply.status).inc()
        record.code = reply.code if failed else ""
        result = None
        if reply.files:
            record.result = record.id
            options = OPTIONS.dump_json(job.request.options).decode()
            result = ResultRecord(record.id, record.id, None, record.finished, options)
        record.message = reply.message or (
            json.loads(reply.files[MEASUREMENT_NAME])["reason"] if failed else ""
        )
        self._set_state(job, "failed" if failed else "done")
        try:
            if reply is CANCELLED:
                await self.run_in_writer(self.store.delete, [record.id])
            elif result is None:
                await self.run_in_writer(self.store.save_job, record)
            else:
                await self.run_in_writer(self.store.save_result, result, reply.files, reply.clips, record)
        except sqlite3.Error as error:
            LOG.error("a result could not be kept: %s", type(error).__name__)
            record.result, record.code = None, "no_space"
            record.message = (
                "The result could not be kept; the service may have no room left. Try again later."
            )
            self._set_state(job, "failed")

    def _remove(self, uploads: set[Path]) -> None:
        """Remove uploads; one that cannot be removed now is tried again at each clean-up."""
        for path in uploads:
            try:
                path.unlink(missing_ok=True)
                self._to_remove.discard(path)
            except OSError as error:
                LOG.error("an upload could not be removed: %s", os_reason(error))
                self._to_remove.add(path)

    def _set_state(self, job: Job, state: str) -> None:
        if job.record.state != state:
            self.metrics.jobs.labels(job.record.state).dec()
        job.record.state = state
        self.metrics.jobs.labels(state).inc()

    async def _clean_up_regularly(self) -> None:
        while True:
            await asyncio.sleep(PURGE_INTERVAL_S)
            try:
                await self.run_in_writer(self._clean_up)
            except sqlite3.Error as error:
                LOG.error("nothing could be cleaned up: %s", type(error).__name__)

    def _clean_up(self) -> None:
        """Remove what killed services left, what could not be removed before, and expired results."""
        self._remove(set(self._to_remove))
        alive = self.upload_store.remove_orphans()
        # First, as it works on a full disk too, and makes room.
        self.store.delete_expired()
        self.store.fail_orphaned_jobs(alive, STOPPED.message)

    async def run_in_writer(self, call: Callable[..., T], *values: Any) -> T:  # noqa: ANN401
        """Call the store in its own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, call, *values)

    def _run_in_background(self, work: Any) -> None:  # noqa: ANN401
        """Run a coroutine; the loop alone would not keep a reference to it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def new_id() -> str:
    """An id that cannot be guessed."""
    return secrets.token_hex(16)
