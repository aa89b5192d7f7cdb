"""Threads that never keep a program: what takes long is named, what is stuck is left behind.

`concurrent.futures.ThreadPoolExecutor` waits for its threads at the end of the block and again at the end of the program. A
thread that is stuck in native code (a decoder, an engine) then keeps both for ever, and no Ctrl-C ends them.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, TypeVar

from lvef.core.errors import LvefError

T = TypeVar("T")
R = TypeVar("R")

GRACE_S = 0.5
"""How long work that runs is waited for after Ctrl-C."""

WORD_S = 60.0
"""After this time a piece of work is named, and again each time its time has doubled."""

_LOOK_S = 1.0
_LOG = logging.getLogger("lvef")


class TimeLimitExceeded(LvefError):
    """A piece of work did not end within its time, and was left behind."""


class _Work:
    """A piece of work: what to do, and since when it is being done."""

    def __init__(self, do: Callable[[], Any], name: str) -> None:
        self.do, self.name = do, name
        self.future: Future[Any] = Future()
        self.began: float | None = None
        self.next_word_s = WORD_S
        self.left = False


class ThreadPool:
    """Some daemon threads and the queue before them; a context manager.

    At the end of the block all work is waited for. Where the block ends by an exception, work that has not begun is dropped,
    and work that runs is waited for, after Ctrl-C for `GRACE_S` at most.

    Args:
        workers: Pieces of work at once, at least 1.
        limit_s: Seconds after which a piece of work is left behind: its future raises `TimeLimitExceeded`, and another
            thread takes the place of the one that is stuck. 0 for no limit.
        say: Told in a sentence of work that takes long; by default a warning of the log ``lvef``, which goes to stderr.
    """

    def __init__(
        self, workers: int, *, limit_s: float = 0.0, say: Callable[[str], None] | None = None
    ) -> None:
        self._limit_s, self._say = limit_s, say or _LOG.warning
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = Lock()
        self._open: dict[Future[Any], _Work] = {}
        self._workers = workers
        for _ in range(workers):
            self._start_thread()

    def submit(self, do: Callable[[], R], name: str = "") -> Future[R]:
        """Put a piece of work into the queue.

        Args:
            do: The work.
            name: What to call it where it takes long.
        """
        work = _Work(do, name)
        self._open[work.future] = work
        self._queue.put(work)
        return work.future

    def wait(self, futures: Collection[Future[R]], seconds: float | None = None) -> set[Future[R]]:
        """Wait until one of the futures is done, and speak of work that takes long.

        Args:
            futures: Of `submit`.
            seconds: Wait no longer than this.

        Returns:
            Those that are done; none where the time is over.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = _LOOK_S if until is None else min(_LOOK_S, until - time.monotonic())
            done = wait_for(futures, max(left, 0.0), FIRST_COMPLETED).done
            for future in done:
                self._open.pop(future, None)
            if done or not futures:
                return done
            self._look()
            if left <= 0:
                return {future for future in futures if future.done()}

    def leave(self, seconds: float | None) -> None:
        """Drop work that has not begun, and wait for work that runs.

        Args:
            seconds: Wait no longer than this; None for as long as it takes.
        """
        waiting = {future for future in list(self._open) if not future.cancel()}
        until = None if seconds is None else time.monotonic() + seconds
        while waiting and (done := self.wait(waiting, None if until is None else until - time.monotonic())):
            waiting -= done

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
                self.leave(grace_period(error))
        finally:
            self.close()

    def _look(self) -> None:
        now = time.monotonic()
        for work in list(self._open.values()):
            with self._lock:
                began = work.began
                if began is None or work.left or work.future.done():
                    continue
                seconds = now - began
                work.left = 0 < self._limit_s <= seconds
            if work.left:
                work.future.set_exception(TimeLimitExceeded(_too_long(work.name, self._limit_s)))
                self._start_thread()
            elif seconds >= work.next_word_s:
                work.next_word_s *= 2
                self._say(f"{work.name or 'A file'}: has taken {seconds:.0f} s so far; Ctrl-C stops.")

    def _start_thread(self) -> None:
        Thread(target=self._work, daemon=True, name="lvef-worker").start()

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            if not work.future.set_running_or_notify_cancel():
                continue
            with self._lock:
                work.began = time.monotonic()
            result, error = None, None
            try:
                result = work.do()
            except BaseException as met:  # noqa: BLE001  it is the caller's, who gets it from the future
                error = met
            with self._lock:
                if work.left:
                    # Nobody waits for it any more, and another thread has taken this one's place.
                    return
                # Only a future that was given up can be done here.
                with suppress(InvalidStateError):
                    if error is None:
                        work.future.set_result(result)
                    else:
                        work.future.set_exception(error)
            del work, result, error


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Start processes in this block: Ctrl-C, which a terminal sends to them too, does not reach them.

    Without it, one that has no handler of its own yet ends with a traceback.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def grace_period(error: BaseException | None) -> float | None:
    """How long to wait for work that runs when an error ends the block; None for as long as it takes."""
    return GRACE_S if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)) else None


def map_ordered(
    do: Callable[[T], R],
    items: Iterable[T],
    workers: int,
    *,
    ahead: int = 0,
    name: Callable[[T], str] = lambda _: "",
) -> Generator[tuple[T, R], None, None]:
    """Do work on items, several at once; results come in the order of the items.

    Args:
        do: What to do with an item; what it raises is raised here in its turn.
        items: What to work on.
        workers: Items at once.
        ahead: Most items under way or done and not yet taken, so that results do not pile up; 0 for twice the workers.
        name: What to call an item that takes long.
    """
    under_way: deque[tuple[T, Future[R]]] = deque()
    with ThreadPool(max(workers, 1)) as pool:

        def first() -> tuple[T, R]:
            item, future = under_way.popleft()
            pool.wait([future])
            return item, future.result()

        for item in items:
            under_way.append((item, pool.submit(lambda item=item: do(item), name(item))))  # type: ignore[misc]
            if len(under_way) >= (ahead or 2 * workers):
                yield first()
        while under_way:
            yield first()


def _too_long(name: str, limit_s: float) -> str:
    return (
        f"{name or 'A file'}: took longer than {limit_s:g} s and was given up; it may be damaged. Try it alone, or cut it "
        "to a few beats."
    )
