"""Pools of threads and processes that never keep a program from ending: slow work is named, stuck work is abandoned.

`concurrent.futures.ThreadPoolExecutor` waits for its threads at the end of the block and again at the end of the program. A
thread that is stuck in native code (a decoder, an engine) then blocks both for ever, and no Ctrl-C ends them.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker, spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from queue import SimpleQueue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, TypeVar

from lvef.core.errors import DataError, LvefError

R = TypeVar("R")

GRACE_S = 0.5
"""How long work that runs is waited for after Ctrl-C."""

SLOW_S = 60.0
"""After this time a piece of work is reported as slow, and again each time its time has doubled."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
"""What numpy's libraries and OpenCV read, once, when they are loaded."""

_POLL_S = 1.0
_CALL = "import sys; sys.path[:] = {path!r}; from {module} import {function}; {function}({number})"
_LOG = logging.getLogger("lvef")
_QUIET = """try: {}
except (EOFError, MemoryError): raise SystemExit(1)
except ImportError as error:
    if "failed to map segment" not in str(error): raise
    raise SystemExit(1)"""
_plain_command_line = spawn.get_command_line
_current = threading.local()
_abandoned: set[_Work] = set()


WORKER_ENDED = (
    "A worker process was ended from outside, most often for want of memory: give fewer with --workers; the same command "
    "resumes from there."
)
"""Message where a process of a pool or of a loader is gone."""

AHEAD_OF_PROCESSES = 4
"""Items under way for each process: only small results wait, and one that takes long should not keep the others idle."""


class TimeLimitExceeded(LvefError):
    """A piece of work did not end within its time, and was abandoned."""


class WorkerLost(LvefError):
    """A piece of work ended the process that did it, each time it was tried."""


class _Work:
    """A piece of work: what to do, and since when it is being done."""

    def __init__(self, do: Callable[[], Any], name: str) -> None:
        self.do, self.name = do, name
        self.future: Future[Any] = Future()
        self.began: float | None = None
        self.next_report_s = SLOW_S
        self.is_abandoned = False


class ThreadPool:
    """Some daemon threads and the queue before them; a context manager.

    At the end of the block all work is waited for. Where the block ends by an exception, work that has not begun is
    cancelled, and work that runs is waited for, after Ctrl-C for `GRACE_S` at most.

    Args:
        workers: Pieces of work at once, at least 1.
        limit_s: Seconds after which a piece of work is abandoned: its future raises `TimeLimitExceeded`, and another thread
            takes the place of the one that is stuck. 0 for no limit.
        on_message: Called with a sentence about slow work; by default a warning of the log ``lvef``, which goes to stderr.
    """

    def __init__(
        self, workers: int, *, limit_s: float = 0.0, on_message: Callable[[str], None] | None = None
    ) -> None:
        self._limit_s, self._on_message = limit_s, on_message or _LOG.warning
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = Lock()
        self._open: dict[Future[Any], _Work] = {}
        self._workers = workers
        for _ in range(workers):
            self._start_thread()

    @property
    def most(self) -> int:
        """Pieces of work to give at once: a short queue, because results may be large and must not pile up."""
        return 2 * self._workers

    def submit(self, do: Callable[[], R], name: str = "") -> Future[R]:
        """Put a piece of work into the queue.

        Args:
            do: The work.
            name: What to call it where it is slow.
        """
        work = _Work(do, name)
        self._open[work.future] = work
        self._queue.put(work)
        return work.future

    def wait(self, futures: Collection[Future[R]], seconds: float | None = None) -> set[Future[R]]:
        """Wait until one of the futures is done, and report slow work.

        Args:
            futures: Of `submit`.
            seconds: Longest time to wait.

        Returns:
            Those that are done; none when the time is over.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = _POLL_S if until is None else min(_POLL_S, until - time.monotonic())
            done = wait_for(futures, max(left, 0.0), FIRST_COMPLETED).done
            for future in done:
                self._open.pop(future, None)
            if done or not futures:
                return done
            self._check_times()
            if left <= 0:
                return {future for future in futures if future.done()}

    def cancel(self, seconds: float | None) -> None:
        """Cancel work that has not begun, and wait for work that runs.

        Args:
            seconds: Longest time to wait, after which the work is abandoned; None for as long as it takes.
        """
        waiting = {future for future in list(self._open) if not future.cancel()}
        until = None if seconds is None else time.monotonic() + seconds
        while waiting and (done := self.wait(waiting, None if until is None else until - time.monotonic())):
            waiting -= done
        for future in waiting:
            if (work := self._open.get(future)) is not None:
                work.is_abandoned = True
                _abandoned.add(work)

    def close(self) -> None:
        """Let the threads end once the queue is empty."""
        for _ in range(self._workers):
            self._queue.put(None)

    def __enter__(self) -> ThreadPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                while self._open:
                    self.wait(list(self._open))
            else:
                self.cancel(grace_period(error))
        finally:
            self.close()

    def _check_times(self) -> None:
        now = time.monotonic()
        for work in list(self._open.values()):
            with self._lock:
                began = work.began
                if began is None or work.is_abandoned or work.future.done():
                    continue
                seconds = now - began
                work.is_abandoned = 0 < self._limit_s <= seconds
            if work.is_abandoned:
                _abandoned.add(work)
                work.future.set_exception(TimeLimitExceeded(too_long(work.name, self._limit_s)))
                self._start_thread()
            elif seconds >= work.next_report_s:
                work.next_report_s *= 2
                self._on_message(f"{work.name or 'A file'}: has taken {seconds:.0f} s so far; Ctrl-C stops.")

    def _start_thread(self) -> None:
        Thread(target=self._work, daemon=True, name="lvef-worker").start()

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            if not work.future.set_running_or_notify_cancel():
                continue
            with self._lock:
                work.began = time.monotonic()
            _current.work = work
            result, error = None, None
            try:
                result = work.do()
            except BaseException as met:  # noqa: BLE001  the caller gets it from the future
                error = met
            _current.work = None
            with self._lock:
                if work.is_abandoned:
                    # It was abandoned, and another thread has taken this one's place.
                    _abandoned.discard(work)
                    return
                # Only a future that was given up can be done here.
                with suppress(InvalidStateError):
                    if error is None:
                        work.future.set_result(result)
                    else:
                        work.future.set_exception(error)
            del work, result, error


class _Worker(SpawnProcess):
    def terminate(self) -> None:
        """Kill it: workers ignore SIGTERM.

        The pool ends its other workers so when one has died, and waits for them. One of them may wait for ever for a lock
        that the dead one held.
        """
        self.kill()


class _WorkerContext(SpawnContext):
    Process = _Worker


class ProcessPool:
    """Fresh processes for work that holds the interpreter's lock, with the interface of `ThreadPool`.

    No fork: they share no lock and no open file with this process. Each uses one thread, and ends with this process however
    it ends. Where the block ends by an exception, they are killed.

    Args:
        workers: Processes.

    Raises:
        DataError: In the block, a process was ended from outside.
    """

    def __init__(self, workers: int) -> None:
        self.most = AHEAD_OF_PROCESSES * workers
        # Before the queues, which would start it unprotected.
        start_resource_tracker()
        self._pool = ProcessPoolExecutor(workers, mp_context=_WorkerContext(), initializer=_start_process)
        # The first process starts while the work is found.
        self.submit(int)

    def submit(self, do: Callable[[], R], name: str = "") -> Future[R]:
        """Put a piece of work, which can be sent, into the queue."""
        # It starts a process where none is idle.
        with quiet_starts():
            return self._pool.submit(do)

    def wait(self, futures: Collection[Future[R]], seconds: float | None = None) -> set[Future[R]]:
        """Wait until one of the futures is done, no longer than ``seconds``."""
        return wait_for(futures, seconds, FIRST_COMPLETED).done

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise DataError(
                f'{WORKER_ENDED} (A script of your own needs if __name__ == "__main__" before it starts workers.)'
            ) from None


@contextmanager
def quiet_starts() -> Iterator[None]:
    """Start processes of `multiprocessing` in this block: until their own code runs, they print nothing.

    Stop signals do not reach them, as in `interrupts_blocked`; one whose parent is killed before it has said what to do, or
    that finds no memory for its modules, just ends.
    """
    start_resource_tracker()
    with interrupts_blocked():
        spawn.get_command_line = _quiet_command_line
        try:
            yield
        finally:
            spawn.get_command_line = _plain_command_line


def _quiet_command_line(**named: Any) -> list[str]:  # noqa: ANN401
    words = _plain_command_line(**named)
    if "-c" in words:
        # What comes after the start never raises: `Process` reports it itself.
        words[words.index("-c") + 1] = _QUIET.format(words[words.index("-c") + 1])
    return words


def is_abandoned() -> bool:
    """Whether the work of this thread was abandoned: its result must not be written."""
    work: _Work | None = getattr(_current, "work", None)
    return work is not None and work.is_abandoned


def has_abandoned_work() -> bool:
    """Whether an abandoned thread still runs: native libraries abort a program that ends around it."""
    return bool(_abandoned)


def available_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Start processes in this block: Ctrl-C and stop signals, which are sent to all processes of a group, do not reach them.

    Without it, one that has no handler of its own yet ends with a traceback.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Program(subprocess.Popen[bytes]):
    """A Python process of its own that calls a function, with the modules of this one. Not on Windows.

    It prints nothing, not even while Python starts, which a `multiprocessing.Process` does; LVEF_DEBUG shows what it would.

    Args:
        module: Where the function is.
        function: Its name.
        number: File descriptor that it is called with, and inherits.

    Raises:
        OSError: The system gives no process.
    """

    def __init__(self, module: str, function: str, number: int) -> None:
        code = _CALL.format(path=sys.path, module=module, function=function, number=number)
        stderr = None if os.environ.get("LVEF_DEBUG") else subprocess.DEVNULL
        nothing = subprocess.DEVNULL
        with interrupts_blocked():
            super().__init__(
                [sys.executable, "-c", code], stdin=nothing, stdout=nothing, stderr=stderr, pass_fds=[number]
            )

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.poll() is None

    def join(self) -> None:
        """Wait until it has ended."""
        self.wait()


def start_resource_tracker() -> None:
    """Start Python's process that counts shared objects, before the first worker.

    It ignores Ctrl-C and SIGTERM, but not SIGHUP, which a closed terminal sends to all; and while it starts, it lets through
    what `interrupts_blocked` keeps away from other processes.
    """
    if sys.platform == "win32":
        return
    # Where a command is ended at once, it would count on stderr what it removes.
    sys.warnoptions.append("ignore::UserWarning")
    try:
        with interrupts_blocked():
            resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()


def grace_period(error: BaseException | None) -> float | None:
    """How long to wait for work that runs when an error ends the block; None for as long as it takes."""
    return GRACE_S if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)) else None


def too_long(name: str, limit_s: float) -> str:
    """Why a piece of work was given up, in a sentence."""
    return (
        f"{name or 'A file'}: took longer than {limit_s:g} s and was given up; it may be damaged. Try it alone, or cut it "
        "to a few beats."
    )


def _start_process() -> None:
    """Make a fresh process a worker. This module loads no library with threads, so the variables come in time."""
    # A terminal or batch system signals every process; the first one decides and reports it.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process when the one that started it is gone (killed, it could not say so)."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
