"""Many items at once over several threads, their results in order, none stopping the others."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lvef.core.errors import LvefError

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Items under way for each worker: enough to keep it busy, few enough that decoded clips do not pile up in memory."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be prepared, and why, in one sentence."""

    item: str
    reason: str


def in_order(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[T, R]]:
    """Do work on items, several at once; results come in the order of the items.

    Threads, not processes: FFmpeg and OpenCV work outside the interpreter's lock, and a process would have to start and to
    send every decoded clip through a pipe (``benchmarks/loading.py`` times both).

    Args:
        work: What to do with an item; it should not raise.
        items: What to work on.
        workers: Items at once; with 1 all is done in this thread.
    """
    if workers <= 1:
        for item in items:
            yield item, work(item)
        return
    under_way: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="lvef") as pool:
        try:
            for item in items:
                under_way.append((item, pool.submit(work, item)))
                if len(under_way) >= AHEAD * workers:
                    first, future = under_way.popleft()
                    yield first, future.result()
            while under_way:
                first, future = under_way.popleft()
                yield first, future.result()
        finally:
            for _, future in under_way:
                future.cancel()


def reason_of(error: Exception, what: str) -> str:
    """Why an item failed, in one sentence.

    Args:
        error: One of ours speaks for itself; of any other, only kind and place are told: its message may quote the file.
        what: The item or file.
    """
    if isinstance(error, LvefError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{what}: lvef met an error it should not have ({type(error).__name__} in {Path(place.filename).name}, "
        f"line {place.lineno}); please report it."
    )
