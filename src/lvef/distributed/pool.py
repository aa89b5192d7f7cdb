"""A pool of workers in a Ray cluster, with the interface of `lvef.core.runner.Pool`.

Each worker is an actor: a process of its own that loads its model once and gets one piece of work at a time. So it is known
which piece a process was doing when it died, work that hangs is ended with its process, and never more is under way than the
workers hold. All decisions are made in the thread that runs the pool; Ray's threads only report what ended.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

import lvef
from lvef.core.errors import ConfigError, DataError
from lvef.core.workers import THREAD_VARIABLES, TimeLimitExceeded, WorkerLost, grace_period, too_long
from lvef.distributed.cluster import LOCAL, connected
from lvef.distributed.storage import remove_left_clips

MEMORY_POLL_S = 0.25
"""How often a worker looks at its memory."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself once it is ready.

    Attributes:
        node: Ray's name of its node.
        version: Version of lvef there.
    """

    node: str
    version: str


class Worker:
    """Does one piece of work at a time.

    Args:
        threads: Threads of numerical libraries.
        memory_bytes: The process ends itself when it holds more; 0 for no limit. Only where Linux says what it holds.
        folder: The folder that the command runs in. Where this node has it too, relative paths mean the same here.
    """

    def __init__(self, threads: int, memory_bytes: int, folder: str) -> None:
        with suppress(OSError):
            os.chdir(folder)
        # A worker that was killed could not remove its clip.
        remove_left_clips()
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        if memory_bytes and sys.platform.startswith("linux"):
            watch = threading.Thread(target=_end_above, args=[memory_bytes], daemon=True)
            watch.start()

    def get_ready(self, prepare: Callable[[], object] | None) -> WorkerFacts:
        """Load what the work needs.

        Args:
            prepare: Loads it, for example a model; None where there is nothing to load.

        Raises:
            LvefError: It cannot be loaded here.
        """
        import ray

        if prepare is not None:
            prepare()
        return WorkerFacts(ray.get_runtime_context().get_node_id(), lvef.__version__)

    def do(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Do a piece of work."""
        return work()


def resident_bytes() -> int:
    """Memory that this process and its children hold, as Linux counts it: clips are decoded in a process of their own."""
    pages = 0
    for process in ("self", *_children()):
        with suppress(OSError):
            pages += int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _children() -> list[int]:
    """Processes that the threads of this one began."""
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def _end_above(limit: int) -> None:
    """End this process when it holds too much: one file must not take the memory of its whole node."""
    while resident_bytes() <= limit:
        time.sleep(MEMORY_POLL_S)
    for child in _children():
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
    os._exit(1)


R = TypeVar("R")

MEMORY_GB = 4.0
"""Most memory of a worker by default, in 10^9 bytes: a clip at the limit of `lvef.io.limits` with its copies."""

ATTEMPTS = 3
"""How often a piece of work is tried that ends its process."""

NODE_ATTEMPTS = 10
"""How often it is tried when whole nodes end under it, which the work did not cause."""

MOST_FAILED_STARTS = 5
"""So many workers that end while they start, one after the other, end the run."""

START_S = 300.0
"""Longest time without any worker, after which a run ends."""

_POLL_S = 0.5
_LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a cluster is used.

    Attributes:
        address: See `lvef.distributed.cluster.connected`.
        workers: Workers; 0 takes as many as the cluster has processors for, also when it grows.
        threads: Processors, and threads, of each worker.
        memory_gb: Memory of each, in 10^9 bytes, above which it is ended; 0 for no limit.
        limit_s: Longest time for a piece of work, after which its worker is ended; 0 for no limit.
        attempts: How often work is tried that ends its process.
    """

    address: str = LOCAL
    workers: int = 0
    threads: int = 1
    memory_gb: float = MEMORY_GB
    limit_s: float = 0.0
    attempts: int = ATTEMPTS


@dataclass(slots=True)
class _Call:
    """A piece of work."""

    do: Callable[[], Any]
    name: str
    future: Future[Any] = field(default_factory=Future)
    lost: int = 0
    lost_nodes: int = 0


@dataclass(slots=True, eq=False)
class _Member:
    """A worker: its actor, and what it is doing since when."""

    actor: Any
    is_ready: bool = False
    call: _Call | None = None
    began: float = 0.0


class RayPool:
    """Workers in a cluster; a context manager for one run, and again for the next.

    Args:
        ray: The module, connected.
        options: How the cluster is used.
        prepare: Loads in each worker what the work needs, before it gets any.

    Attributes:
        lost: Workers that ended while they worked.
    """

    def __init__(
        self,
        ray: Any,  # noqa: ANN401
        options: PoolOptions = PoolOptions(),
        *,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        self._ray, self._options, self._prepare = ray, options, prepare
        self._events: SimpleQueue[tuple[_Member, Future[Any]]] = SimpleQueue()
        self._waiting: deque[_Call] = deque()
        self._members: set[_Member] = set()
        self._idle: deque[_Member] = deque()
        self._failed_starts = 0
        self._seen_ready = time.monotonic()
        self._looked = self._timed = float("-inf")
        self.lost = 0
        self._look()

    @property
    def most(self) -> int:
        """Pieces of work to give at once: one that is being done and one that waits, for each worker."""
        return 2 * max(len(self._members), 1)

    @property
    def ready(self) -> int:
        """Workers that are ready."""
        return sum(member.is_ready for member in self._members)

    def submit(self, do: Callable[[], R], name: str = "") -> Future[R]:
        """Put a piece of work into the queue.

        Args:
            do: The work; it is sent, so it is a function of a module or a `functools.partial` of one.
            name: What to call it where it fails.
        """
        call = _Call(do, name)
        self._waiting.append(call)
        self._assign()
        return call.future

    def wait(self, futures: Collection[Future[R]], seconds: float | None = None) -> set[Future[R]]:
        """Wait until one of the futures is done; workers that were lost are replaced meanwhile.

        Args:
            futures: Of `submit`.
            seconds: Longest time to wait.

        Returns:
            Those that are done; none when the time is over.

        Raises:
            DataError: No worker can be started.
            LvefError: A worker cannot load what the work needs.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            self._take_events()
            done = {future for future in futures if future.done()}
            left = _POLL_S if until is None else min(_POLL_S, until - time.monotonic())
            if done or not futures or left <= 0:
                return done
            self._check_times()
            self._look()
            try:
                event = self._events.get(timeout=left)
            except Empty:
                continue
            self._take(*event)

    def __enter__(self) -> RayPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = {member.call.future for member in self._members if member.call is not None}
        if kind is None:
            running |= {call.future for call in self._waiting}
            while running:
                running -= self.wait(running)
            return
        self._waiting.clear()
        if isinstance(error, DataError):
            return
        grace = grace_period(error)
        until = None if grace is None else time.monotonic() + grace
        while running and (done := self.wait(running, None if until is None else until - time.monotonic())):
            running -= done

    def close(self) -> None:
        """End all workers."""
        for member in list(self._members):
            self._end(member)

    def _look(self) -> None:
        """Start workers where the cluster has room: at the start, for those that were lost, and when it grows."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        wanted = self._options.workers
        if not wanted:
            processors = float(self._ray.cluster_resources().get("CPU", 0.0))
            wanted = max(int(processors // self._options.threads), 1)
        for _ in range(wanted - len(self._members)):
            self._start()
        if self.ready:
            self._seen_ready = now
        elif now - self._seen_ready > START_S:
            raise DataError(
                f"No worker could be started within {START_S:.0f} s: the cluster has no free processor (see ray status); "
                "the same command resumes from there."
            )

    def _start(self) -> None:
        actor_class = self._ray.remote(
            num_cpus=self._options.threads, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )(Worker)
        actor = actor_class.remote(self._options.threads, int(self._options.memory_gb * 1e9), str(Path.cwd()))
        member = _Member(actor)
        self._members.add(member)
        self._report(member, actor.get_ready.remote(self._prepare))

    def _report(self, member: _Member, reference: Any) -> None:  # noqa: ANN401
        """Put what comes of a call into the queue of events."""
        reference.future().add_done_callback(lambda future: self._events.put((member, future)))

    def _assign(self) -> None:
        while self._waiting and self._idle:
            member = self._idle.popleft()
            if member in self._members:
                member.call, member.began = self._waiting.popleft(), time.monotonic()
                self._report(member, member.actor.do.remote(member.call.do))

    def _take_events(self) -> None:
        while True:
            try:
                event = self._events.get_nowait()
            except Empty:
                return
            self._take(*event)

    def _take(self, member: _Member, reply: Future[Any]) -> None:
        if member not in self._members:
            # It was ended for its time; this is only the echo.
            return
        errors = self._ray.exceptions
        try:
            value = reply.result()
        except errors.RayTaskError as error:
            if member.call is None:
                raise error.cause from None
            self._free(member).set_exception(error.cause)
        except errors.RayError as error:
            self._replace(member, error)
        else:
            if member.call is None:
                self._welcome(member, value)
            else:
                self._free(member).set_result(value)
        self._assign()

    def _free(self, member: _Member) -> Future[Any]:
        """The future of what a worker has done; it may do the next."""
        assert member.call is not None
        future, member.call = member.call.future, None
        self._idle.append(member)
        return future

    def _welcome(self, member: _Member, facts: WorkerFacts) -> None:
        if facts.version != lvef.__version__:
            raise ConfigError(
                f"A node of the cluster has lvef {facts.version}, and this machine {lvef.__version__}: install the same "
                "version on all."
            )
        member.is_ready = True
        self._idle.append(member)
        self._failed_starts = 0

    def _replace(self, member: _Member, error: Exception) -> None:
        """Another worker for one that ended; its work is tried again."""
        call, was_ready = member.call, member.is_ready
        self._members.discard(member)
        self._looked = float("-inf")
        if not was_ready:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                raise DataError(
                    "Workers end while they start, most often for want of memory: give fewer with --jobs, and check that "
                    "lvef with its extra [ray] is installed on every node."
                )
        if call is None:
            return
        self.lost += 1
        # Ray's own words; there is no other sign of it.
        if "node" in str(error).lower() and "has died" in str(error) and "worker process" not in str(error):
            call.lost_nodes += 1
        else:
            call.lost += 1
        if call.lost >= self._options.attempts or call.lost_nodes >= NODE_ATTEMPTS:
            call.future.set_exception(WorkerLost(_lost_words(call, self._options)))
            return
        self._waiting.appendleft(call)

    def _check_times(self) -> None:
        limit, now = self._options.limit_s, time.monotonic()
        if now - self._timed < _POLL_S:
            return
        self._timed = now
        for member in list(self._members):
            call = member.call
            if call is not None and 0 < limit <= now - member.began:
                self._end(member)
                self._looked = float("-inf")
                call.future.set_exception(TimeLimitExceeded(too_long(call.name, limit)))

    def _end(self, member: _Member) -> None:
        self._members.discard(member)
        self._ray.kill(member.actor)


@contextmanager
def ray_pool(options: PoolOptions, *, prepare: Callable[[], object] | None = None) -> Iterator[RayPool]:
    """Connect to a cluster and keep a pool there for the length of the block.

    Args:
        options: How the cluster is used.
        prepare: See `RayPool`.

    Raises:
        LvefError: See `lvef.distributed.cluster.connected`.
    """
    processors = options.workers * options.threads
    try:
        with connected(options.address, processors=processors) as ray:
            pool = RayPool(ray, options, prepare=prepare)
            try:
                yield pool
            finally:
                pool.close()
    finally:
        # Workers of this machine were ended with their clips; on another machine the next worker removes those.
        remove_left_clips()


def _lost_words(call: _Call, options: PoolOptions) -> str:
    times = call.lost + call.lost_nodes
    memory = f" (its limit is {options.memory_gb:g} GB)" if options.memory_gb else ""
    return (
        f"{call.name or 'A file'}: ended the process that read it, {times} times; it may be damaged, or need more memory "
        f"than a worker may have{memory}. It was left out; try it alone."
    )
