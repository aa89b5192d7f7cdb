"""What is done to a command, and when; all of it is drawn from a seed."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.processes import Child, watchdogs, workers

KINDS = (
    "kill",
    "kill-worker",
    "kill-watchdog",
    "terminate",
    "terminate-all",
    "interrupt",
    "hang-up",
    "disk-full",
    "read-only",
    "clock",
    "stall",
    "share-lost",
    "memory",
)
"""Faults, each as often as the others."""

EXIT_CODES = {
    "kill": {0, -signal.SIGKILL},
    "kill-worker": {0, 1},
    "kill-watchdog": {0},
    "terminate": {0, 143},
    "terminate-all": {0, 143},
    "interrupt": {0, 130},
    "hang-up": {0, 129},
    "disk-full": {0, 1},
    "read-only": {0, 1},
    "clock": {0},
    "stall": {0},
    "share-lost": {0, 1},
    "memory": {0, 1, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT},
}
"""Exit codes of a command that met the fault; 0 where it had ended, or did not need what was taken away."""

SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM}
"""Signals to the command alone."""

GROUP_SIGNALS = {"terminate-all": signal.SIGTERM, "interrupt": signal.SIGINT, "hang-up": signal.SIGHUP}
"""Signals that a batch system or a terminal sends to all processes."""


@dataclass(frozen=True)
class Fault:
    """A fault: its kind, when (part of the time of an undisturbed run, or after so many entries in the folder), how much."""

    kind: str
    share: float
    entries: int
    amount: float

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def draw(rng: random.Random, kinds: tuple[str, ...] = KINDS) -> Fault:
    """A fault at a random moment: by the clock in half of the trials, by what is written in the others."""
    by_time = rng.random() < 0.5
    return Fault(
        rng.choice(kinds),
        rng.random() if by_time else 0.15 * rng.random(),
        0 if by_time else rng.randrange(1, 40),
        rng.random(),
    )


@dataclass
class Place:
    """The folder in which a command writes, and how it is taken away."""

    folder: Path
    size: int
    mounted: bool = False

    def free(self) -> None:
        """Give back room and rights."""
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=512m", str(self.folder)], check=True)
        for path in [self.folder, *self.folder.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)

    def lock(self) -> None:
        """Nothing may be written any more."""
        for path in [self.folder, *self.folder.rglob("*")]:
            with suppress(OSError):
                path.chmod(0o555 if path.is_dir() else 0o444)


@contextmanager
def place(parent: Path, fault: Fault, size: int) -> Iterator[Place]:
    """A folder for the outputs: on a small disk of its own for a disk that fills up, where root may mount one.

    Args:
        parent: Where to make it.
        fault: What will happen.
        size: Bytes that an undisturbed run writes.
    """
    folder = parent / "place"
    folder.mkdir()
    mounted = False
    if fault.kind == "disk-full" and os.getuid() == 0:
        limit = max(16, int(fault.amount * size / 1024))
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={limit}k", "lvef-faults", str(folder)], capture_output=True
        )
        mounted = done.returncode == 0
    folder.chmod(0o777)
    try:
        yield Place(folder, size, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        else:
            with suppress(OSError):
                Place(folder, size).free()
        shutil.rmtree(folder, ignore_errors=True)


def words_for(fault: Fault, seconds: float, inputs: Path) -> str:
    """The variable of the hook; empty where the fault comes from outside."""
    number = 1 + int(fault.amount * 12)
    if fault.kind == "clock":
        return f"clock {fault.share * seconds:.3f} {(fault.amount - 0.5) * 2 * 400 * 86400:.0f}"
    if fault.kind == "stall":
        return f"stall {number} 4 {inputs}"
    if fault.kind == "share-lost":
        return f"lost {number} {errno.ESTALE if fault.entries % 2 else errno.EIO} {inputs}"
    return ""


def inject(fault: Fault, child: Child, where: Place, seconds: float) -> bool:
    """Wait for the moment, then do it; whether the command still ran."""
    until = time.monotonic() + fault.share * seconds
    give_up = time.monotonic() + 2 * seconds + 5
    running = child.process.poll() is None
    while running and (
        time.monotonic() < until or (fault.entries and _entries(where.folder) < fault.entries)
    ):
        if time.monotonic() > give_up:
            break
        time.sleep(0.02)
        running = child.process.poll() is None
    if not running:
        return False
    kind = fault.kind
    if kind in GROUP_SIGNALS:
        os.killpg(child.pid, GROUP_SIGNALS[kind])
    elif kind in SIGNALS:
        child.process.send_signal(SIGNALS[kind])
    elif kind in ("kill-worker", "kill-watchdog"):
        found = child.workers() if kind == "kill-worker" else watchdogs(child.pid)
        if not found:
            return False
        with suppress(ProcessLookupError):
            os.kill(found[int(fault.amount * len(found))], signal.SIGKILL)
    elif kind == "read-only":
        where.lock()
    elif kind == "disk-full" and not where.mounted:
        _limit(child.pid, resource.RLIMIT_FSIZE, int(fault.amount * where.size / 4))
    elif kind == "memory":
        for pid in [child.pid, *child.workers()]:
            _limit(pid, resource.RLIMIT_AS, _virtual(pid) + int(fault.amount**2 * 2**28))
    return True


def lift(leader: int) -> None:
    """Give a command back the memory that it may take."""
    for pid in [leader, *workers(leader)]:
        _limit(pid, resource.RLIMIT_AS, resource.RLIM_INFINITY)


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*"))


def _virtual(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    return 0


def _limit(pid: int, what: int, size: int) -> None:
    with suppress(OSError):
        _, hard = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (hard if size == resource.RLIM_INFINITY else size, hard))
