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
from lvef.measure.outputs import MEASUREMENT_NAME
from lvef.service.metrics import Metrics
from lvef.service.orders import Order, options_to_dict
from lvef.service.pool import CANCELLED, STOPPED, Make, Pool, QueueFull, Ticket
from lvef.service.refusals import Refusal, not_found, status_of
from lvef.service.settings import ServiceSettings
from lvef.service.spool import Spool, remove
from lvef.service.store import JobRecord, ResultRecord, open_store
from lvef.service.telling import job_to_dict, result_to_dict
from lvef.service.worker import Reply, Task

T = TypeVar("T")

LOG = logging.getLogger("lvef.service")

PURGE_EVERY_S = 60.0
"""Time between two looks for what has been kept long enough."""

GUESS_S = 3.0
"""Time that a job is taken to need before one was seen."""

DOCUMENTS = (".json", ".npz")
"""Ends of the names of the files that a correction needs."""


@dataclass(eq=False, slots=True)
class Job:
    """A job of this service that is not finished."""

    record: JobRecord
    order: Order
    ticket: Ticket
    finished: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """All jobs and results of a service. Its coroutines run in the loop that `start` was called in.

    Args:
        settings: Of the service.
        make: Gives, inside a worker process, what measures.

    Raises:
        DataError: The data folder cannot be used.
    """

    def __init__(self, settings: ServiceSettings, make: Make) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.spool = Spool(settings.folder)
        try:
            self.store = open_store(settings.folder, settings.keep_hours, settings.max_store_mb)
            self._tidy()
        except LvefError:
            self.spool.close()
            raise
        self.pool = Pool(make, settings, self.spool.scratch)
        self.stopping = False
        self._live: dict[str, Job] = {}
        self._reserved = 0
        self._mean_s = GUESS_S
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
        self._keep(self._purge_often())

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
        self.spool.close()
        self.store.close()

    @contextmanager
    def reserved(self) -> Iterator[None]:
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

    def add(self, orders: list[Order]) -> list[Job]:
        """Put orders into the queue, all or none.

        Raises:
            Refusal: There is not enough room for them.
        """
        # The place that was kept for this request is its own.
        self._check_room(len(orders) - 1)
        return [self._add(order) for order in orders]

    def told(self, record: JobRecord) -> dict[str, Any]:
        """What a client is told of a job."""
        job = self._live.get(record.id)
        position = None if job is None else self.pool.position(job.ticket)
        return job_to_dict(record, self.settings.root_path, position, self._mean_s)

    async def record(self, name: str) -> JobRecord:
        """A job by its id, finished or not.

        Raises:
            Refusal: There is none.
        """
        job = self._live.get(name)
        found = job.record if job is not None else await self._stored(self.store.job, name)
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
            self.pool.cancel(job.ticket)
            await job.finished.wait()
        elif await self._stored(self.store.job, name) is None:
            raise not_found("job")
        await self._stored(self.store.forget, [name])

    async def result(self, name: str) -> ResultRecord:
        """A result by its id.

        Raises:
            Refusal: There is none.
        """
        found = await self._stored(self.store.result, name)
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
        names = await self._stored(self.store.names, result.id)
        clips = await self._stored(self.store.clip_parts, result.root)
        corrections = await self._stored(self.store.corrections, result.id)
        return result_to_dict(
            result, self.settings.root_path, self.store.keep_s, corrections, offered(names, clips)
        )

    async def fetched(self, result: ResultRecord) -> None:
        """A client has the answer: where nothing is kept, it goes now."""
        if self.settings.keep_hours <= 0:
            await self._stored(self.store.forget, [result.root])

    async def file(self, result: ResultRecord, name: str, *, draw: bool) -> bytes:
        """A file of a result; a picture is drawn when it is asked for the first time.

        Raises:
            Refusal: There is no such file, or it cannot be drawn now.
        """
        data = await self._stored(self.store.file, result.id, name)
        if data is not None:
            return data
        if not draw:
            raise Refusal(404, "no_such_file", "This result has no such table: there is no volume curve.")
        files = await self._stored(self.store.files, result.id, DOCUMENTS)
        clips = await self._stored(self.store.clips, result.root)
        reply = await self._now(Task("draw", {"name": name, "files": files, "clips": clips}))
        await self._stored(self.store.add_file, result.id, name, reply.files[name])
        return reply.files[name]

    async def correct(self, parent: ResultRecord, edit: Any) -> ResultRecord:  # noqa: ANN401
        """A new result: another one with a reader's correction. The old one stays.

        Raises:
            Refusal: The correction is of the wrong layout, or nothing can be measured from it.
        """
        files = await self._stored(self.store.files, parent.id, DOCUMENTS)
        task = Task("correct", {"files": files, "edit": edit, "options": json.loads(parent.options)})
        reply = await self._now(task)
        new = ResultRecord(new_id(), parent.root, parent.id, time.time(), parent.options)
        await self._stored(self.store.save_result, new, reply.files, {})
        return new

    async def _now(self, task: Task) -> Reply:
        """The reply to something short that a client waits for; it goes before the files that wait."""
        ticket = Ticket(task)
        try:
            self.pool.submit(ticket, first=True)
        except QueueFull:
            raise self._full() from None
        try:
            reply = await asyncio.wrap_future(ticket.reply)
        except asyncio.CancelledError:
            self.pool.cancel(ticket)
            raise
        if reply.code and not reply.files:
            raise Refusal(status_of(reply.code), reply.code, reply.message)
        return reply

    def _check_room(self, more: int) -> None:
        if self.stopping:
            raise Refusal(
                503,
                "service_stopped",
                "The service is being stopped; try again in a minute.",
                {"Retry-After": "60"},
            )
        if self.pool.waiting + self._reserved + more > self.settings.max_queue:
            raise self._full()

    def _full(self) -> Refusal:
        self.metrics.refused.labels("queue").inc()
        seconds = max(1, round(self._mean_s * self.pool.waiting / self.settings.n_workers))
        return Refusal(
            503,
            "queue_full",
            f"{self.settings.max_queue} files may wait, and there is no room for more; come back in {seconds} seconds.",
            {"Retry-After": str(seconds)},
        )

    def _add(self, order: Order) -> Job:
        record = JobRecord(new_id(), self.spool.service, "queued", order.source, time.time())
        values = {
            "shape": order.shape,
            "paths": [str(upload.path) for upload in order.uploads],
            "names": [upload.name for upload in order.uploads],
            "options": options_to_dict(order.options),
        }
        job = Job(record, order, Ticket(Task("measure", values)))
        # By name: a job that holds what holds it would keep its reply, a megabyte, until Python looks for rings.
        job.ticket.on_start = lambda: self._in_loop(self._begun, record.id)
        self._live[record.id] = job
        self.metrics.jobs.labels("queued").inc()
        self._writer.submit(self.store.save_job, replace(record))
        job.ticket.reply.add_done_callback(
            lambda reply: self._in_loop(self._ended, record.id, reply.result())
        )
        # The room was looked at already, and this loop alone adds jobs; drawings that came between may wait with them.
        try:
            self.pool.submit(job.ticket)
        except QueueFull:
            job.ticket.reply.set_result(STOPPED)
        return job

    def _in_loop(self, call: Callable[..., None], *values: Any) -> None:  # noqa: ANN401
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *values)

    def _begun(self, name: str) -> None:
        job = self._live.get(name)
        if job is None or job.record.state != "queued":
            return
        job.record.started = time.time()
        self._turn(job, "running")
        self.metrics.wait_seconds.observe(job.record.started - job.record.created)
        self._writer.submit(self.store.save_job, replace(job.record))

    def _ended(self, name: str, reply: Reply) -> None:
        self._keep(self._finish(self._live[name], reply))

    async def _finish(self, job: Job, reply: Reply) -> None:
        record = job.record
        for upload in job.order.uploads:
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
            options = json.dumps(options_to_dict(job.order.options))
            result = ResultRecord(record.id, record.id, None, record.finished, options)
        record.message = reply.message or (
            json.loads(reply.files[MEASUREMENT_NAME])["reason"] if failed else ""
        )
        self._turn(job, "failed" if failed else "done")
        try:
            if reply is CANCELLED:
                await self._stored(self.store.forget, [record.id])
            elif result is None:
                await self._stored(self.store.save_job, record)
            else:
                await self._stored(self.store.save_result, result, reply.files, reply.clips, record)
        except sqlite3.Error as error:
            LOG.error("a result could not be kept: %s", type(error).__name__)
            record.result, record.code = None, "no_space"
            record.message = (
                "The result could not be kept; the service may have no room left. Try again later."
            )
            self._turn(job, "failed")
        finally:
            del self._live[record.id]
            job.finished.set()

    def _turn(self, job: Job, state: str) -> None:
        if job.record.state != state:
            self.metrics.jobs.labels(job.record.state).dec()
        job.record.state = state
        self.metrics.jobs.labels(state).inc()

    async def _purge_often(self) -> None:
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            await self._stored(self._tidy)

    def _tidy(self) -> None:
        """Remove what dead services left and what has been kept long enough."""
        self.store.stop_jobs_of_the_dead(self.spool.live_services(), STOPPED.message)
        self.store.purge()

    async def _stored(self, call: Callable[..., T], *values: Any) -> T:  # noqa: ANN401
        """What a call of the store gives, made by the thread that writes."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, call, *values)

    def _keep(self, work: Any) -> None:  # noqa: ANN401
        """Run a coroutine beside the others; the loop itself would lose it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def new_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_hex(16)
