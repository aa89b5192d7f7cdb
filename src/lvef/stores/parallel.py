"""Many items at once over several processes, their results in order; what became of an item that could not be prepared."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from lvef.core.errors import DataError, LvefError, error_location
from lvef.core.workers import interrupts_blocked, map_ordered

T = TypeVar("T")
R = TypeVar("R")

AHEAD_OF_PROCESSES = 4
"""Items under way for each process: only small results wait, and one that takes long should not let the others starve."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What the libraries under numpy read, once, when they are loaded."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be prepared, and why, in one sentence."""

    item: str
    reason: str


def in_order_by_processes(
    work: Callable[[T], R], items: Sequence[T], workers: int
) -> Generator[tuple[T, R], None, None]:
    """Do work on items in several processes; results come in the order of the items.

    For work that holds the interpreter's lock. The processes are fresh ones (no fork: they share no lock and no open file
    with this one), use one thread each, and end with this process however it ends.

    Args:
        work: What to do with an item: a function of a module, which should not raise. Items and results are sent, so they
            should be small.
        items: What to work on.
        workers: Processes; with 1 all is done in this one.

    Raises:
        DataError: A process was ended from outside.
    """
    if workers <= 1:
        yield from map_ordered(work, items, 1)
        return
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_process
    )
    try:
        with interrupts_blocked():
            # The first piece of work starts all processes.
            pool.submit(int)
        yield from _through(pool, work, items, AHEAD_OF_PROCESSES * workers)
    except BrokenProcessPool:
        raise DataError(
            "A worker process was ended from outside, most often for want of memory: give fewer with --workers; the same "
            'command goes on from there. (A script of your own needs if __name__ == "__main__" before it starts workers.)'
        ) from None
    except BaseException:
        # Ctrl-C, or the caller has enough: nobody waits for what they are at. (GeneratorExit comes here as well.)
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def available_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def reason_of(error: Exception, what: str) -> str:
    """Why an item failed, in one sentence.

    Args:
        error: One of ours speaks for itself; of any other, only kind and place are told: its message may quote the file.
        what: The item or file.
    """
    if isinstance(error, LvefError):
        return str(error)
    return f"{what}: lvef met an error it should not have ({error_location(error)}); please report it."


def _through(pool: Executor, work: Callable[[T], R], items: Sequence[T], ahead: int) -> Iterator[tuple[T, R]]:
    """Send items through a pool, with at most ``ahead`` of them under way."""
    under_way: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            under_way.append((item, pool.submit(work, item)))
            if len(under_way) >= ahead:
                first, future = under_way.popleft()
                yield first, future.result()
        while under_way:
            first, future = under_way.popleft()
            yield first, future.result()
    finally:
        for _, future in under_way:
            future.cancel()


def _begin_process() -> None:
    """Make a fresh process a worker. This module loads no library with threads, so the variables come in time."""
    # Ctrl-C reaches every process of a terminal; the first one decides and says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone (killed, it could not say so)."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
