"""Jobs from the upload to the result: what waits, what runs, what is kept, and that nothing is left lying about."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from lvef.core.errors import LvefError
from lvef.core.terms import Status
from lvef.measure.serializers import MEASUREMENT_NAME
from lvef.service.errors import ApiError, http_status, not_found
from lvef.service.metrics import Metrics
from lvef.service.pool import CANCELLED, STOPPED, Pool, QueuedTask, QueueFull, WorkerFactory
from lvef.service.requests import MeasureRequest, options_to_dict
from lvef.service.settings import ServiceSettings
from lvef.service.store import JobRecord, ResultRecord, open_store
from lvef.service.telling import job_to_dict, result_to_dict
from lvef.service.upload_store import UploadStore, remove
from lvef.service.worker import Task, TaskResult

T = TypeVar("T")

LOG = logging.getLogger("lvef.service")

PURGE_INTERVAL_S = 60.0
"""Time between two looks for what has been kept long enough."""

ASSUMED_JOB_S = 3.0
"""Time that a job is taken to need before one was seen."""

DOCUMENTS = (".json", ".npz")
"""Ends of the names of the files that a correction needs."""


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
        worker_factory: Gives, inside a worker process, what measures.

    Raises:
        DataError: The data folder cannot be used.
    """

    def __init__(self, settings: ServiceSettings, worker_factory: WorkerFactory) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.upload_store = UploadStore(settings.folder)
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
        self.metrics.watch("lvef_queue_length", "Files that wait.", lambda: self.pool.waiting)
        self.metrics.watch(
            "lvef_workers_ready", "Worker processes with their network loaded.", lambda: self.pool.ready
        )
        self.metrics.watch(
            "lvef_worker_restarts", "Worker processes that had to be replaced.", lambda: self.pool.restarts
        )
        self.metrics.watch("lvef_results_kept", "Results in the store.", self.store.count)
        self.metrics.watch("lvef_store_bytes", "Size of the store.", self.store.size)

    def start(self) -> None:
        """Start the worker processes and the regular purge."""
        self._loop = asyncio.get_running_loop()
        self.pool.start()
        self._run_in_background(self._purge_often())

    def begin_stop(self) -> None:
        """Take nothing more; answer what waits, give what runs its time."""
        self.stopping = True
        self.pool.begin_stop(self.settings.grace_seconds)

    async def stop(self) -> None:
        """End everything; uploads are removed, results stay in the database."""
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
        """Keep a place in the queue while an upload comes in, so that uploads together stay within their room.

        Raises:
            Refusal: The queue is full, or the service ends.
        """
        self._check_room(1)
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    def add(self, requests: list[MeasureRequest]) -> list[Job]:
        """Put orders into the queue, all or none.

        Raises:
            Refusal: There is not enough room for them.
        """
        # The place that was kept for this request is its own.
        self._check_room(len(requests) - 1)
        return [self._add(request) for request in requests]

    def describe(self, record: JobRecord) -> dict[str, Any]:
        """What a client is told of a job."""
        job = self._live.get(record.id)
        position = None if job is None else self.pool.position(job.queued_task)
        return job_to_dict(record, self.settings.root_path, position, self._mean_s)

    async def record(self, name: str) -> JobRecord:
        """A job by its id, finished or not.

        Raises:
            Refusal: There is none.
        """
        job = self._live.get(name)
        found = job.record if job is not None else await self._run_in_writer(self.store.job, name)
        if found is None:
            raise not_found("job")
        return found

    async def forget(self, name: str) -> None:
        """Stop a job if need be, and delete all there is of it: upload, result, corrections.

        Raises:
            Refusal: There is no such job.
        """
        job = self._live.get(name)
        if job is not None:
            self.pool.cancel(job.queued_task)
            await job.finished.wait()
        elif await self._run_in_writer(self.store.job, name) is None:
            raise not_found("job")
        await self._run_in_writer(self.store.forget, [name])

    async def result(self, name: str) -> ResultRecord:
        """A result by its id.

        Raises:
            Refusal: There is none.
        """
        found = await self._run_in_writer(self.store.result, name)
        if found is None:
            raise not_found("result")
        return found

    async def result_files(
        self, result: ResultRecord, offered: Callable[[list[str], list[str]], list[str]]
    ) -> dict[str, Any]:
        """What belongs to a result.

        Args:
            result: The result.
            offered: Gives the names of its files from those kept and from the parts that have a clip.
        """
        names = await self._run_in_writer(self.store.names, result.id)
        clips = await self._run_in_writer(self.store.clip_parts, result.root)
        corrections = await self._run_in_writer(self.store.corrections, result.id)
        return result_to_dict(
            result, self.settings.root_path, self.store.keep_s, corrections, offered(names, clips)
        )

    async def mark_fetched(self, result: ResultRecord) -> None:
        """A client has the answer: where nothing is kept, it goes now."""
        if self.settings.keep_hours <= 0:
            await self._run_in_writer(self.store.forget, [result.root])

    async def file(self, result: ResultRecord, name: str, *, draw: bool) -> bytes:
        """A file of a result; a picture is drawn when it is asked for the first time.

        Raises:
            Refusal: There is no such file, or it cannot be drawn now.
        """
        data = await self._run_in_writer(self.store.file, result.id, name)
        if data is not None:
            return data
        if not draw:
            raise ApiError(404, "no_such_file", "This result has no such table: there is no volume curve.")
        files = await self._run_in_writer(self.store.files, result.id, DOCUMENTS)
        clips = await self._run_in_writer(self.store.clips, result.root)
        reply = await self._run_first(Task("draw", {"name": name, "files": files, "clips": clips}))
        await self._run_in_writer(self.store.add_file, result.id, name, reply.files[name])
        return reply.files[name]

    async def correct(self, parent: ResultRecord, edit: Any) -> ResultRecord:  # noqa: ANN401
        """A new result: another one with a reader's correction. The old one stays.

        Raises:
            Refusal: The correction is of the wrong layout, or nothing can be measured from it.
        """
        files = await self._run_in_writer(self.store.files, parent.id, DOCUMENTS)
        task = Task("correct", {"files": files, "edit": edit, "options": json.loads(parent.options)})
        reply = await self._run_first(task)
        new = ResultRecord(new_id(), parent.root, parent.id, time.time(), parent.options)
        await self._run_in_writer(self.store.save_result, new, reply.files, {})
        return new

    async def _run_first(self, task: Task) -> TaskResult:
        """The reply to something short that a client waits for; it goes before the files that wait."""
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
                "The service is being stopped; try again in a minute.",
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
            f"{self.settings.max_queue} files may wait, and there is no room for more; come back in {seconds} seconds.",
            {"Retry-After": str(seconds)},
        )

    def _add(self, request: MeasureRequest) -> Job:
        record = JobRecord(new_id(), self.upload_store.service, "queued", request.source, time.time())
        values = {
            "shape": request.shape,
            "paths": [str(upload.path) for upload in request.uploads],
            "names": [upload.name for upload in request.uploads],
            "options": options_to_dict(request.options),
        }
        job = Job(record, request, QueuedTask(Task("measure", values)))
        # By name: a job that holds what holds it would keep its reply, a megabyte, until Python looks for rings.
        job.queued_task.on_start = lambda: self._in_loop(self._mark_started, record.id)
        self._live[record.id] = job
        self.metrics.jobs.labels("queued").inc()
        self._writer.submit(self.store.save_job, replace(record))
        job.queued_task.reply.add_done_callback(
            lambda reply: self._in_loop(self._mark_finished, record.id, reply.result())
        )
        # The room was looked at already, and this loop alone adds jobs; drawings that came between may wait with them.
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
        record = job.record
        for upload in job.request.uploads:
            remove(upload.path)
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
            options = json.dumps(options_to_dict(job.request.options))
            result = ResultRecord(record.id, record.id, None, record.finished, options)
        record.message = reply.message or (
            json.loads(reply.files[MEASUREMENT_NAME])["reason"] if failed else ""
        )
        self._set_state(job, "failed" if failed else "done")
        try:
            if reply is CANCELLED:
                await self._run_in_writer(self.store.forget, [record.id])
            elif result is None:
                await self._run_in_writer(self.store.save_job, record)
            else:
                await self._run_in_writer(self.store.save_result, result, reply.files, reply.clips, record)
        except sqlite3.Error as error:
            LOG.error("a result could not be kept: %s", type(error).__name__)
            record.result, record.code = None, "no_space"
            record.message = (
                "The result could not be kept; the service may have no room left. Try again later."
            )
            self._set_state(job, "failed")
        finally:
            del self._live[record.id]
            job.finished.set()

    def _set_state(self, job: Job, state: str) -> None:
        if job.record.state != state:
            self.metrics.jobs.labels(job.record.state).dec()
        job.record.state = state
        self.metrics.jobs.labels(state).inc()

    async def _purge_often(self) -> None:
        while True:
            await asyncio.sleep(PURGE_INTERVAL_S)
            await self._run_in_writer(self._clean_up)

    def _clean_up(self) -> None:
        """Remove what dead services left and what has been kept long enough."""
        self.store.fail_orphaned_jobs(self.upload_store.find_live_services(), STOPPED.message)
        self.store.delete_expired()

    async def _run_in_writer(self, call: Callable[..., T], *values: Any) -> T:  # noqa: ANN401
        """What a call of the store gives, made by the thread that writes."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, call, *values)

    def _run_in_background(self, work: Any) -> None:  # noqa: ANN401
        """Run a coroutine beside the others; the loop itself would lose it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def new_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_hex(16)
