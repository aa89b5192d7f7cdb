"""Worker processes, each with its model loaded, and the queue of their tasks.

A thread supervises each process: it sends a task, waits for the result, the time limit or the end of the process, and starts
another process when one is gone. Only the task that a process was busy with is lost with it.

`concurrent.futures.ProcessPoolExecutor` cannot end one worker, and breaks when one crashes. `pebble.ProcessPool` can end one
but has no queue positions, no limit of the queue and no task that goes first, and does not report which workers have their
model loaded, or why they cannot load it: the queue and the supervision below would remain.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from lvef.core.errors import LvefError
from lvef.core.workers import Program, interrupts_blocked
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Progress, Task, TaskHandler, TaskResult, serve_tasks

LOG = logging.getLogger("lvef.service")

START_LIMIT_S = 120.0
"""Longest time in which a process loads its model."""

MAX_RETRY_PAUSE_S = 30.0
"""Longest pause between two attempts to start a process."""

POLL_S = 0.5
"""Interval of checks whether a process is alive."""

WARM_UP = Task("warm_up", {})
"""What an idle process does first."""

_HAS_PROGRAMS = sys.platform != "win32" and not getattr(sys, "frozen", False)

WorkerFactory = Callable[[ServiceSettings], TaskHandler]
"""Makes, inside a worker process, what does the tasks; it is sent by name, so a function or class of a module
that can be imported."""

STOPPED = TaskResult(
    code="service_stopped", message="The service was stopped before this file was measured; send it again."
)
"""Result of tasks that are not done because the service stops."""

CANCELLED = TaskResult(code="cancelled", message="The job was deleted.")
"""Result of tasks that were cancelled."""


ENDED_EARLY = "A worker process ended while it started, most often for want of memory."
NOT_STARTED = "The system gives no worker process, most often for want of memory."
"""Why a worker cannot start."""


class QueueFull(Exception):
    """The queue has no room for another task."""


@dataclass(eq=False, slots=True)
class QueuedTask:
    """A task in the pool.

    Attributes:
        task: The task.
        reply: Its result, later; it never raises.
        started: When a process took it (`time.monotonic`).
        cancelled: Whether it was cancelled.
        on_start: Called in another thread when a process takes it.
        worker: The process that does it.
        progress: How far it is, where its process says so.
    """

    task: Task
    reply: Future[TaskResult] = field(default_factory=Future)
    started: float | None = None
    cancelled: bool = False
    on_start: Callable[[], None] | None = None
    worker: WorkerProcess | None = None
    progress: Progress | None = None


class WorkerProcess:
    """A worker process and the pipe to it.

    Raises:
        OSError: The system gives none.
    """

    def __init__(self, worker_factory: WorkerFactory, settings: ServiceSettings, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: Program | SpawnProcess
        try:
            with interrupts_blocked():
                if _HAS_PROGRAMS:
                    self.process = Program("lvef.service.worker", "serve_program", theirs.fileno())
                else:
                    given = (theirs, worker_factory, settings, str(folder))
                    self.process = context.Process(target=serve_tasks, args=given, daemon=True)
                    self.process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()
        if _HAS_PROGRAMS:
            # Where it has ended already, that is seen when it is waited for.
            with suppress(OSError):
                self.connection.send((worker_factory, settings, str(folder)))

    def receive(self, seconds: float) -> TaskResult | Progress | None:
        """The next message within that time; None where there is none or the process is gone."""
        connection: Connection = self.connection
        # It can be read from, too, when the other side is gone.
        wait([connection], seconds)
        try:
            # What it sent before its end counts.
            return connection.recv() if connection.poll() else None
        except (EOFError, OSError):
            return None

    def kill(self) -> None:
        """Kill it."""
        self.connection.close()
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


class Pool:
    """The processes and their queue. Its methods may be called from any thread.

    Args:
        worker_factory: Makes what does the tasks.
        settings: Of the service.
        worker_folder: Makes an empty folder for the temporary files of a worker, by its number.
    """

    def __init__(
        self, worker_factory: WorkerFactory, settings: ServiceSettings, worker_folder: Callable[[int], Path]
    ) -> None:
        self._make, self._settings, self._worker_folder = worker_factory, settings, worker_folder
        self._waiting: deque[QueuedTask] = deque()
        self._changed = threading.Condition()
        self._stop_at: float | None = None
        self._workers: dict[int, WorkerProcess] = {}
        self._threads: list[threading.Thread] = []
        self._one_by_one = False
        self.restarts = 0
        """Processes that were started because one was gone."""
        self.trouble = ""
        """Why the last process could not start, if so."""

    def start(self, *, one_by_one: bool = False) -> None:
        """Start all processes; they load their models in the background.

        Args:
            one_by_one: Start each when the one before it is ready: the first is ready sooner, the last one later.
        """
        self._one_by_one = one_by_one
        for number in range(self._settings.n_workers):
            thread = threading.Thread(
                target=self._supervise, args=(number,), name=f"lvef-worker-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def submit(self, queued_task: QueuedTask, *, first: bool = False) -> None:
        """Put a task into the queue, or at its front.

        Raises:
            QueueFull: Too many wait already.
        """
        with self._changed:
            if self._stop_at is not None:
                queued_task.reply.set_result(STOPPED)
                return
            if len(self._waiting) >= self._settings.max_queue:
                raise QueueFull
            (self._waiting.appendleft if first else self._waiting.append)(queued_task)
            self._changed.notify()

    def cancel(self, queued_task: QueuedTask) -> None:
        """Drop a task that waits; kill the process of one that runs."""
        with self._changed:
            queued_task.cancelled = True
            if queued_task in self._waiting:
                self._waiting.remove(queued_task)
                queued_task.reply.set_result(CANCELLED)
            elif queued_task.worker is not None:
                queued_task.worker.process.kill()

    def position(self, queued_task: QueuedTask) -> int | None:
        """Place in the queue from 1, or None when it does not wait."""
        with self._changed:
            try:
                return self._waiting.index(queued_task) + 1
            except ValueError:
                return None

    @property
    def waiting(self) -> int:
        """Tasks that wait."""
        return len(self._waiting)

    @property
    def ready(self) -> int:
        """Processes that are alive and have their model loaded."""
        with self._changed:
            return sum(worker.process.is_alive() for worker in self._workers.values())

    def begin_stop(self, grace_s: float) -> None:
        """End tasks that wait with `STOPPED`, and give those that run so many seconds."""
        with self._changed:
            if self._stop_at is None:
                self._stop_at = time.monotonic() + grace_s
            dropped = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for queued_task in dropped:
            queued_task.reply.set_result(STOPPED)

    def stop(self, grace_s: float) -> None:
        """`begin_stop`, then wait until all processes are gone."""
        self.begin_stop(grace_s)
        for thread in self._threads:
            thread.join()

    def _supervise(self, number: int) -> None:
        worker: WorkerProcess | None = None
        failures, is_cold = 0, False
        if self._one_by_one:
            self._wait_for_turn(number)
        while True:
            if worker is None:
                worker = self._start_process(number)
                failures = 0 if worker is not None else failures + 1
                # Not twice: the warm-up may be what ended the process before this one.
                is_cold = self.restarts == 0
            if worker is None:
                if self._wait_before_retry(min(MAX_RETRY_PAUSE_S, 2.0 ** min(failures, 10) / 2)):
                    return
                continue
            queued_task = self._next_task(worker, is_cold)
            is_cold = False
            if queued_task is None:
                self._discard(number, worker)
                worker = None
                if self._stop_at is not None:
                    return
                continue
            reply, lives = self._run_task(worker, queued_task)
            if not lives:
                self._discard(number, worker)
                worker = None
            queued_task.reply.set_result(reply)

    def _start_process(self, number: int) -> WorkerProcess | None:
        """A new process with its model loaded; None where that fails, or the service stops."""
        if self._is_stopping():
            return None
        try:
            worker = WorkerProcess(self._make, self._settings, self._worker_folder(number))
        except (LvefError, OSError, MemoryError, RuntimeError) as error:
            self._note_trouble(str(error) if isinstance(error, LvefError) else NOT_STARTED)
            return None
        until = time.monotonic() + START_LIMIT_S
        reply: TaskResult | Progress | None = None
        while (
            reply is None
            and worker.process.is_alive()
            and time.monotonic() < until
            and not self._is_stopping()
        ):
            reply = worker.receive(POLL_S)
        if self._is_stopping():
            worker.kill()
            return None
        if not isinstance(reply, TaskResult) or reply.code:
            self._note_trouble(reply.message if isinstance(reply, TaskResult) else ENDED_EARLY)
            worker.kill()
            return None
        self.trouble = ""
        with self._changed:
            self._workers[number] = worker
            self._changed.notify_all()
        return worker

    def _note_trouble(self, trouble: str) -> None:
        self.trouble = trouble
        LOG.warning("a worker cannot start: %s", trouble)

    def _next_task(self, worker: WorkerProcess, is_cold: bool) -> QueuedTask | None:
        """The next task, of a cold process without one its warm-up; None where the service stops, or the process ended."""
        with self._changed:
            if is_cold and not self._waiting and self._stop_at is None:
                return QueuedTask(WARM_UP)
            while worker.process.is_alive() and not self._waiting and self._stop_at is None:
                self._changed.wait(POLL_S)
            if not self._waiting or not worker.process.is_alive():
                return None
            queued_task = self._waiting.popleft()
            queued_task.worker = worker
            return queued_task

    def _run_task(self, worker: WorkerProcess, queued_task: QueuedTask) -> tuple[TaskResult, bool]:
        """The result of a task, and whether its process is still alive."""
        limit = float(self._settings.max_seconds)
        queued_task.started = time.monotonic()
        if queued_task.on_start is not None:
            queued_task.on_start()
        reply: TaskResult | None = None
        try:
            worker.connection.send(queued_task.task)
            while reply is None:
                left = queued_task.started + limit - time.monotonic()
                if self._stop_at is not None:
                    left = min(left, self._stop_at - time.monotonic())
                if left <= 0:
                    break
                message = worker.receive(min(left, POLL_S))
                if isinstance(message, Progress):
                    queued_task.progress = message
                    continue
                reply = message
                if reply is None and not worker.process.is_alive():
                    break
        except OSError:
            reply = None
        with self._changed:
            queued_task.worker = None
        if queued_task.cancelled:
            return CANCELLED, reply is not None and worker.process.is_alive()
        if reply is not None:
            return reply, True
        return self._explain_loss(worker, queued_task, limit), False

    def _explain_loss(self, worker: WorkerProcess, queued_task: QueuedTask, limit: float) -> TaskResult:
        """Why a task has no result."""
        if not worker.process.is_alive():
            return TaskResult(
                code="worker_died",
                message="The process that measured this file crashed; the file may be damaged, or too large for the memory. "
                "The service continues.",
            )
        assert queued_task.started is not None
        if time.monotonic() - queued_task.started >= limit:
            return TaskResult(
                code="too_slow",
                message=f"The file took longer than {limit:g} seconds, the limit; cut it to a few beats.",
            )
        return STOPPED

    def _is_stopping(self) -> bool:
        return self._stop_at is not None

    def _discard(self, number: int, worker: WorkerProcess) -> None:
        with self._changed:
            self._workers.pop(number, None)
            if self._stop_at is None:
                self.restarts += 1
        worker.kill()

    def _wait_for_turn(self, number: int) -> None:
        """Wait until the processes before this one are ready, or cannot start, or the service stops."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._workers) >= number or bool(self.trouble) or self._stop_at is not None,
                timeout=START_LIMIT_S,
            )

    def _wait_before_retry(self, seconds: float) -> bool:
        """Wait a while; whether the service stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop_at is not None, timeout=seconds)
            return self._stop_at is not None
