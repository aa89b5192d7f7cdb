"""The runner of every command that works on many items: several at once, none stopping the others, resumable.

What is finished goes into a `lvef.core.journal.Journal`, from which the same command goes on after it was stopped::

    with closing(Journal(out / JOURNAL_NAME)) as journal:
        finished = run(items, work, on_error=..., earlier=..., record=..., workers=4, progress=progress)
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

import lvef
from lvef.core.errors import LvefError, OutputError, error_location, file_error_message, was_interrupted
from lvef.core.memory import is_out_of_memory
from lvef.core.workers import ProcessPool, ThreadPool, TimeLimitExceeded, WorkerLost

T = TypeVar("T")
R = TypeVar("R")

RUN_NAME = "run.json"
"""File of an output folder that says how the latest run into it was made."""

_LOG = logging.getLogger("lvef")


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress callbacks of a run, all called in the thread that runs it.

    Attributes:
        start: Called once with the number of items.
        advance: Called after each item; at once for those of an earlier run.
        message: Called with a sentence about an item that takes long; by default a warning of the log ``lvef`` (stderr).
        detail: Called after each item with its name and what came of it.
        state: Called now and then with a few words about the run as a whole, where it has any.
    """

    start: Callable[[int], None] = lambda _: None
    advance: Callable[[], None] = lambda: None
    message: Callable[[str], None] = _LOG.warning
    detail: Callable[[str, Finished[Any, Any]], None] = lambda name, finished: None
    state: Callable[[str], None] = lambda _: None


class Pool(Protocol):
    """What does the work of a run: threads, processes, or the workers of a cluster."""

    @property
    def most(self) -> int:
        """Most pieces of work that are given to it at once."""

    def submit(self, do: Callable[[], R], name: str = "") -> Future[R]:
        """Take a piece of work."""

    def wait(self, futures: Collection[Future[R]], seconds: float | None = None) -> set[Future[R]]:
        """Wait until one of the futures is done, and return those that are."""

    def __enter__(self) -> Pool:
        """Begin a run."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: wait for all work, or drop it where an error ended the block."""


@dataclass(frozen=True, slots=True)
class Finished(Generic[T, R]):
    """An item that is done.

    Attributes:
        item: The item.
        result: What came of it.
        resumed: Whether an earlier run did it.
    """

    item: T
    result: R
    resumed: bool = False


def run(
    items: Sequence[T],
    work: Callable[[T], R],
    *,
    on_error: Callable[[T, Exception], R],
    earlier: Callable[[T], R | None] | None = None,
    record: Callable[[T, R], None] | None = None,
    on_finished: Callable[[Finished[T, R]], None] | None = None,
    progress: Progress = Progress(),
    name: Callable[[T], str] = str,
    workers: int = 1,
    processes: bool = False,
    ordered: bool = True,
    limit_s: float = 0.0,
    pool: Pool | None = None,
) -> list[Finished[T, R]]:
    """Work on items, several at once.

    An error of one item never ends the run: it becomes that item's result. Only `OutputError` ends it, because no other item
    can be written either. A stop by the user (KeyboardInterrupt) is obeyed within about a second.

    Args:
        items: What to work on.
        work: What to do with an item, called in a worker. It may write the item's own files, unless
            `lvef.core.workers.is_abandoned` says that it was abandoned.
        on_error: Makes the result of an item whose work raised an error; called where the error was met, and in this thread
            for `lvef.core.workers.TimeLimitExceeded` and `lvef.core.workers.WorkerLost`. What it raises ends the run.
        earlier: Called in this thread for each item before anything begins: the result of an earlier run, or None where
            there is none that still holds.
        record: Called in this thread with each new result, for example to add it to a journal; what it raises ends the run.
        on_finished: Called in this thread after each item; those of an earlier run come first.
        progress: Progress callbacks.
        name: What to call an item that takes long.
        workers: Items at once.
        processes: Use processes, for work that holds the interpreter's lock; with one worker all is done in this process.
            ``work`` and ``on_error`` are then functions of a module (or a `functools.partial` of one), and items and results
            small enough to be sent.
        ordered: Record results in the order of the items. Otherwise each is recorded as it ends, and when the run is
            stopped, the items that end within `lvef.core.workers.GRACE_S` are recorded too.
        limit_s: Longest time for an item in a thread, after which it is abandoned; 0 for no limit.
        pool: Does the work in place of ``workers`` threads or processes, with a time limit of its own. ``work`` and
            ``on_error`` are sent to it, and so are items and results.

    Returns:
        Every item with its result, in the order of the items.

    Raises:
        OutputError: The outputs cannot be written.
    """
    finished: dict[int, Finished[T, R]] = {}

    def finish(index: int, done: Finished[T, R]) -> None:
        finished[index] = done
        if on_finished is not None:
            on_finished(done)
        progress.detail(name(done.item), done)
        progress.advance()

    progress.start(len(items))
    todo = []
    for index, item in enumerate(items):
        found = None if earlier is None else earlier(item)
        if found is None:
            todo.append((index, item))
        else:
            finish(index, Finished(item, found, resumed=True))
    workers = max(min(workers, len(todo)), 1)
    waiting = iter(todo)
    running: dict[Future[R], tuple[int, T]] = {}
    attempt = partial(_attempt, work, on_error)
    if pool is None and processes and workers > 1:
        pool = ProcessPool(workers)
    elif pool is None:
        pool = ThreadPool(workers, limit_s=limit_s, on_message=progress.message)

    def take(future: Future[R]) -> None:
        index, item = running.pop(future)
        try:
            result = future.result()
        except (TimeLimitExceeded, WorkerLost) as error:
            result = on_error(item, error)
        if record is not None:
            record(item, result)
        finish(index, Finished(item, result))

    try:
        with pool:
            while True:
                while len(running) < pool.most and (following := next(waiting, None)) is not None:
                    future = pool.submit(partial(attempt, following[1]), name(following[1]))
                    running[future] = following
                if not running:
                    break
                for future in pool.wait([next(iter(running))] if ordered else running):
                    take(future)
    except BaseException:
        for future in [] if ordered else [f for f in running if f.done() and not f.cancelled()]:
            # The error that ends the run is reported; a second one is not.
            with suppress(LvefError):
                take(future)
        raise
    return [finished[index] for index in sorted(finished)]


def run_record(schema: str, seconds: float, *, complete: bool) -> dict[str, Any]:
    """The facts with which every ``run.json`` begins.

    Args:
        schema: Its layout and version, for example ``lvef-run/1``.
        seconds: Time of the run so far.
        complete: Whether it came to its end.
    """
    return {
        "schema": schema,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "complete": complete,
        "seconds": round(seconds, 3),
    }


@contextmanager
def finishing(write: Callable[[bool], None]) -> Iterator[None]:
    """Write tables and ``run.json`` at the end of the block, also when the run in it is stopped.

    Args:
        write: Does it, given whether the run came to its end.
    """
    try:
        yield
    except BaseException:
        # What ended the run is reported; a second error is not.
        with suppress(LvefError):
            write(False)
        raise
    write(True)


def exit_code_of(outcomes: Iterable[str]) -> int:
    """0 all done, 1 something failed, 3 only refusals.

    Args:
        outcomes: Of each item; ``failed`` and ``refused`` count.
    """
    found = set(outcomes)
    return 1 if "failed" in found else 3 if found == {"refused"} else 0


def reason_of(error: Exception, what: str) -> str:
    """Why an item failed, in one sentence.

    Args:
        error: The message of an `LvefError` is taken as it stands. Of any other, only kind and location are given: its
            message may quote what a file says of a person.
        what: The item or file.
    """
    if isinstance(error, LvefError):
        return str(error)
    if is_out_of_memory(error):
        return f"{what}: there was not enough memory for it; give fewer --jobs, or free some, then give the command again."
    if reason := file_error_message(error):
        return f"{what}: {reason}"
    return f"{what}: lvef met an error it should not have ({error_location(error)}); please report it."


def _attempt(work: Callable[[T], R], on_error: Callable[[T, Exception], R], item: T) -> R:
    try:
        return work(item)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001  an error of one item must not cost the others
        if was_interrupted(error):
            raise KeyboardInterrupt from None
        return on_error(item, error)
