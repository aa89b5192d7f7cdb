"""What runs in the processes of a cluster: one worker a process, which loads its model once and then does work.

Ray imports this module in each worker, so it imports little.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lvef
from lvef.core.workers import THREAD_VARIABLES

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
    """

    def __init__(self, threads: int, memory_bytes: int) -> None:
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
    """Memory that this process holds, as Linux counts it."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _end_above(limit: int) -> None:
    """End this process when it holds too much: one file must not take the memory of its whole node."""
    while resident_bytes() <= limit:
        time.sleep(MEMORY_POLL_S)
    os._exit(1)
