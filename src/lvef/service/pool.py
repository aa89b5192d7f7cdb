"""A few worker processes, each with its network loaded, and the queue before them.

One thread looks after each process: it gives it a task, waits for the answer, the end of the time allowed or the end of the
process, and starts another when one is gone. Only the task that a process was busy with is lost with it.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from lvef.core.workers import interrupts_blocked
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Reply, Task, Work, serve_tasks

LOG = logging.getLogger("lvef.service")

START_S = 120.0
"""Longest time in which a process loads its network."""

LONGEST_PAUSE_S = 30.0
"""Longest pause between two attempts to start a process."""

LOOK_S = 0.5
"""Time between two looks whether a process still lives."""

Make = Callable[[ServiceSettings], Work]
"""Gives, inside a worker process, what does the tasks; found by its name there, so a function or class of a module."""

STOPPED = Reply(
    code="service_stopped", message="The service was stopped before this file was measured; send it again."
)
"""Reply to tasks that are not done because the service ends."""

CANCELLED = Reply(code="cancelled", message="The job was deleted.")
"""Reply to tasks that nobody wants any more."""


class QueueFull(Exception):
    """There are as many tasks waiting as may."""


@dataclass(eq=False, slots=True)
class Ticket:
    """A task in the pool.

    Attributes:
        task: What is to be done.
        reply: Its answer, in the end; it never raises.
        started: Clock when a process took it (`time.monotonic`).
        on_start: Called when a process takes it, in another thread.
    """

    task: Task
    reply: Future[Reply] = field(default_factory=Future)
    started: float | None = None
    cancelled: bool = False
    on_start: Callable[[], None] | None = None
    worker: Worker | None = None


class Worker:
    """A worker process and the pipe to it."""

    def __init__(self, make: Make, settings: ServiceSettings, scratch: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=serve_tasks, args=(theirs, make, settings, str(scratch)), daemon=True
        )
        with interrupts_blocked():
            self.process.start()
        theirs.close()

    def answer(self, seconds: float) -> Reply | None:
        """What it says within that time; None where it says nothing or is gone."""
        connection: Connection = self.connection
        wait([connection, self.process.sentinel], seconds)
        try:
            # What it said before its end counts.
            return connection.recv() if connection.poll() else None
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """End it at once."""
        self.connection.close()
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.process.close()


class Pool:
    """The processes and their queue. Its methods may be called from any thread.

    Args:
        make: Gives what does the tasks.
        settings: Of the service.
        scratch: Gives the empty folder for the temporary files of the worker of a number.
    """

    def __init__(self, make: Make, settings: ServiceSettings, scratch: Callable[[int], Path]) -> None:
        self._make, self._settings, self._scratch = make, settings, scratch
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._stop_at: float | None = None
        self._workers: dict[int, Worker] = {}
        self._threads: list[threading.Thread] = []
        self.restarts = 0
        """Processes that were started because one was gone."""
        self.trouble = ""
        """Why the last process could not start, if so."""

    def start(self) -> None:
        """Start all processes; their networks are loaded meanwhile."""
        for number in range(self._settings.n_workers):
            thread = threading.Thread(
                target=self._look_after, args=(number,), name=f"lvef-worker-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def submit(self, ticket: Ticket, *, first: bool = False) -> None:
        """Put a task into the queue, or at its front.

        Raises:
            QueueFull: Too many wait already.
        """
        with self._changed:
            if self._stop_at is not None:
                ticket.reply.set_result(STOPPED)
                return
            if len(self._waiting) >= self._settings.max_queue:
                raise QueueFull
            (self._waiting.appendleft if first else self._waiting.append)(ticket)
            self._changed.notify()

    def cancel(self, ticket: Ticket) -> None:
        """Drop a task that waits; end the process of one that runs."""
        with self._changed:
            ticket.cancelled = True
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                ticket.reply.set_result(CANCELLED)
            elif ticket.worker is not None:
                ticket.worker.process.kill()

    def position(self, ticket: Ticket) -> int | None:
        """Place in the queue from 1, or None when it does not wait."""
        with self._changed:
            try:
                return self._waiting.index(ticket) + 1
            except ValueError:
                return None

    @property
    def waiting(self) -> int:
        """Tasks that wait."""
        return len(self._waiting)

    @property
    def ready(self) -> int:
        """Processes that live and have their network loaded."""
        with self._changed:
            return sum(worker.process.is_alive() for worker in self._workers.values())

    def begin_stop(self, grace_s: float) -> None:
        """Answer what waits with `STOPPED`, and give what runs so many seconds."""
        with self._changed:
            if self._stop_at is None:
                self._stop_at = time.monotonic() + grace_s
            dropped = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for ticket in dropped:
            ticket.reply.set_result(STOPPED)

    def stop(self, grace_s: float) -> None:
        """`begin_stop`, then wait until all processes are gone."""
        self.begin_stop(grace_s)
        for thread in self._threads:
            thread.join()

    def _look_after(self, number: int) -> None:
        worker: Worker | None = None
        failures = 0
        while True:
            if worker is None:
                worker = self._started(number)
                failures = 0 if worker is not None else failures + 1
            if worker is None:
                if self._pause(min(LONGEST_PAUSE_S, 2.0 ** min(failures, 10) / 2)):
                    return
                continue
            ticket = self._next(worker)
            if ticket is None:
                self._gone(number, worker)
                worker = None
                if self._stop_at is not None:
                    return
                continue
            reply, lives = self._run(worker, ticket)
            if not lives:
                self._gone(number, worker)
                worker = None
            ticket.reply.set_result(reply)

    def _started(self, number: int) -> Worker | None:
        """A new process with its network loaded; None where that fails, or the service ends."""
        if self._stops():
            return None
        worker = Worker(self._make, self._settings, self._scratch(number))
        until = time.monotonic() + START_S
        reply = None
        while reply is None and worker.process.is_alive() and time.monotonic() < until and not self._stops():
            reply = worker.answer(LOOK_S)
        if self._stops():
            worker.end()
            return None
        if reply is None or reply.code:
            self.trouble = "A worker process ended while it started." if reply is None else reply.message
            LOG.warning("a worker cannot start: %s", self.trouble)
            worker.end()
            return None
        self.trouble = ""
        with self._changed:
            self._workers[number] = worker
        return worker

    def _next(self, worker: Worker) -> Ticket | None:
        """The next task; None where the service ends, or the process went while it had nothing to do."""
        with self._changed:
            while worker.process.is_alive() and not self._waiting and self._stop_at is None:
                self._changed.wait(LOOK_S)
            if not self._waiting or not worker.process.is_alive():
                return None
            ticket = self._waiting.popleft()
            ticket.worker = worker
            return ticket

    def _run(self, worker: Worker, ticket: Ticket) -> tuple[Reply, bool]:
        """The reply to a task, and whether its process lives on."""
        limit = float(self._settings.max_seconds)
        ticket.started = time.monotonic()
        if ticket.on_start is not None:
            ticket.on_start()
        reply: Reply | None = None
        try:
            worker.connection.send(ticket.task)
            while reply is None:
                left = ticket.started + limit - time.monotonic()
                if self._stop_at is not None:
                    left = min(left, self._stop_at - time.monotonic())
                if left <= 0:
                    break
                reply = worker.answer(min(left, LOOK_S))
                if reply is None and not worker.process.is_alive():
                    break
        except OSError:
            reply = None
        with self._changed:
            ticket.worker = None
        if ticket.cancelled:
            return CANCELLED, reply is not None and worker.process.is_alive()
        if reply is not None:
            return reply, True
        return self._lost(worker, ticket, limit), False

    def _lost(self, worker: Worker, ticket: Ticket, limit: float) -> Reply:
        """Why a task has no reply."""
        if not worker.process.is_alive():
            return Reply(
                code="worker_died",
                message="The process that measured this file ended before its time; the file may be damaged, or larger than "
                "the memory. The service goes on.",
            )
        assert ticket.started is not None
        if time.monotonic() - ticket.started >= limit:
            return Reply(
                code="too_slow",
                message=f"The file took longer than {limit:g} seconds, the most that is allowed; cut it to a few beats.",
            )
        return STOPPED

    def _stops(self) -> bool:
        return self._stop_at is not None

    def _gone(self, number: int, worker: Worker) -> None:
        with self._changed:
            self._workers.pop(number, None)
            if self._stop_at is None:
                self.restarts += 1
        worker.end()

    def _pause(self, seconds: float) -> bool:
        """Wait a while; whether the service ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop_at is not None, timeout=seconds)
            return self._stop_at is not None
