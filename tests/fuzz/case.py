"""One input: made from target, seed and number, read in a folder of its own, and everything that must not happen noted."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lvef.core.errors import LvefError
from tests.fuzz.mutate import mutated
from tests.fuzz.mutate_text import pick
from tests.fuzz.seeds import Files
from tests.fuzz.targets import TARGETS, Rejected, check_message, seeds_of

ROOT = Path(__file__).resolve().parents[2]

MOST_GROWTH = 3 * 2**29
"""Bytes by which one input may make a process grow: 1.5 GiB."""


_LEADS_OUT = (
    *("subprocess.Popen", "os.system", "os.exec", "socket.connect"),
    *("os.remove", "shutil.rmtree", "os.rename"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an input.

    Attributes:
        site: Where it ended or what was found: tells apart what an input reached.
        fault: What must not happen, or empty.
        kind: Kind of the fault.
    """

    site: str
    fault: str = ""
    kind: str = ""


def make_input(name: str, seed: int, number: int) -> Files:
    """The files of one input: always the same for the same arguments."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
    return mutated(pick(rng, seeds_of(name)), rng)


class Box:
    """A folder that inputs are read in, with files beside it that must stay as they are.

    Args:
        folder: Made by this class; emptied for each input.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "inside"
        self.beside = folder / "beside.txt"
        folder.mkdir(parents=True, exist_ok=True)
        self.beside.write_bytes(b"stays")
        self.writes: list[str] = []

    def note(self, event: str, args: tuple[object, ...]) -> None:
        """Note files that are opened for writing, and anything that leads out of the process."""
        if event == "open" and isinstance(args[0], str | bytes) and isinstance(args[2], int):
            if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.writes += [name for name in [os.fsdecode(args[0])] if name != os.devnull]
        elif event in _LEADS_OUT and args[0] != sys.executable:  # that is the process that decodes
            self.writes.append(f"{event} {args[0]!r}")

    def run(self, name: str, files: Files) -> Outcome:
        """Write the files, read them, and look at what came of it."""
        target = TARGETS[name]
        shutil.rmtree(self.folder, ignore_errors=True)
        for file, data in files.items():
            path = self.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        given = self.folder if target.folder else self.folder / next(iter(files))
        before = self._state(target.writes)
        self.writes.clear()
        memory = _reset_peak()
        with warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            _watching.append(self)
            try:
                outcome = Outcome(repr(target.read(given)))
            except LvefError as error:
                outcome = self._refused(error, given)
            except Rejected as error:
                outcome = Outcome(
                    "rejected", f"{_place(error.__cause__ or error)}: {error}", "result or message"
                )
            except MemoryError as error:
                outcome = Outcome("memory", f"MemoryError at {_place(error)}", "memory")
            except Exception as error:  # noqa: BLE001  that is what is looked for
                outcome = Outcome(
                    "error", f"{type(error).__name__} at {_place(error)}: {str(error)[:200]}", "traceback"
                )
            finally:
                _watching.clear()
        grown = _peak() - memory
        if outcome.fault:
            return outcome
        if met:
            return Outcome(
                outcome.site,
                f"{met[0].category.__name__} {met[0].filename}:{met[0].lineno}: {met[0].message}",
                "warning",
            )
        if grown > MOST_GROWTH:
            return Outcome(outcome.site, f"grew by {grown / 2**20:.0f} MiB", "memory")
        out = [what for what in self.writes if not (target.writes and f"{self.folder}{os.sep}" in what)]
        if out:
            return Outcome(outcome.site, f"wrote or ran {out[0]}", "write")
        if self._state(target.writes) != before:
            return Outcome(outcome.site, "changed files", "write")
        return outcome

    def _refused(self, error: LvefError, given: Path) -> Outcome:
        try:
            check_message(error, given)
        except Rejected as fault:
            return Outcome("refused", f"{_place(error)}: {fault}", "result or message")
        return Outcome(_place(error))

    def _state(self, writes: bool) -> list[tuple[str, int, int]]:
        """Names, sizes and times of the files, also of those in the folder unless the reader writes there."""
        inside = [self.beside, *([] if writes else self.folder.rglob("*")), *self.folder.parent.glob("*")]
        stats = [(str(path), path.lstat()) for path in inside]
        return sorted(
            (name, stat.st_size, stat.st_mtime_ns) for name, stat in stats if name != str(self.folder)
        )


_watching: list[Box] = []


@sys.addaudithook
def _audit(event: str, args: tuple[object, ...]) -> None:
    for box in _watching:
        box.note(event, args)


def _place(error: BaseException) -> str:
    """The innermost line of lvef that an error went through, and the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/lvef/" in frame.filename]
    chosen = [*own[-1:], *(frames[-1:] if own[-1:] != frames[-1:] else [])]
    return " < ".join(f"{frame.filename.rpartition('/lvef/')[2][-60:]}:{frame.lineno}" for frame in chosen)


def _reset_peak() -> int:
    """Begin a new peak of this process's memory, and give what it holds now."""
    if sys.platform != "linux":
        return 0
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    if sys.platform != "linux":
        return 0
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
