"""Watches a command from a process of its own, which does not hang when the command hangs.

Python handles Ctrl-C only in its main thread, and nothing at all while native code holds the interpreter's lock. So a second
process reads a pipe. The command writes a heartbeat each second, from a thread, and each signal, from Python's C handler,
which needs no lock. The second process kills a batch that does not end after Ctrl-C, prints a message when a command hangs,
and kills it in the end.

Where Ray works for the command (``--ray``), processes of Ray that it started may outlive it, for minutes if it is killed
while they start. So the second process notes them each second, and ends those that are left when the command ends: also
those that it has not noted yet, by a variable that they inherit from the command. That is for Linux only.

This file is a module of ``lvef.cli`` and the program of the second process, which imports the standard library alone.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

HEARTBEAT_S = 1.0
"""Interval of heartbeats."""

BATCH_EXIT_S = 1.6
"""Time that a batch has to end after Ctrl-C."""

SERVER_EXIT_S = 5.0
"""Time without a heartbeat after Ctrl-C, after which page or service is killed. Else it stops by itself."""

FROZEN_WARNING_S = 60.0
"""Time without a heartbeat after which a message is printed."""

FROZEN_EXIT_S = 300.0
"""Time without a heartbeat after which the command is killed."""

FAMILY_EXIT_S = 3.0
"""Longest time in which processes of Ray that are left are looked for and killed."""

MARK = "LVEF_COMMAND"
"""Environment variable that the processes which a command with ``--ray`` starts inherit; no others have its value."""

_HEARTBEAT = b"."
_FAREWELL = b"q"
"""Ends the second process: the command has ended by itself."""
_RESUME_HINT = "Finished files stay in the output folder; the same command resumes from there."


@contextmanager
def watched(*, server: bool = False) -> Iterator[None]:
    """Watch this process during the block. To be called in the main thread.

    Args:
        server: It is page or service, which stops by itself after Ctrl-C.
    """
    if sys.platform == "win32":
        # There a pipe cannot be polled in this way.
        yield
        return
    # Not at the top: the second process runs this file without lvef.
    from lvef.core.workers import interrupts_blocked

    mark = os.urandom(16).hex() if any(word.split("=")[0] == "--ray" for word in sys.argv) else ""
    if mark:
        os.environ[MARK] = mark
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    words = [
        sys.executable,
        "-I",
        "-S",
        str(Path(__file__)),
        str(os.getpid()),
        "server" if server else "batch",
        mark,
    ]
    try:
        with interrupts_blocked():
            # Its messages go to our own stderr.
            watcher = subprocess.Popen(words, stdin=reading, stdout=subprocess.DEVNULL)
    except OSError:
        # No resources for a second process: the command itself may still run.
        watcher = None
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    ended = False

    def heartbeat() -> None:
        while not ended:
            # It fails where the other process is stopped or gone, and its buffer full.
            with suppress(BlockingIOError):
                os.write(writing, _HEARTBEAT)
            time.sleep(HEARTBEAT_S)

    Thread(target=heartbeat, daemon=True, name="lvef-heartbeat").start()
    try:
        yield
    finally:
        ended = True
        signal.set_wakeup_fd(before)
        if watcher is not None:
            if mark:
                with suppress(BlockingIOError, subprocess.TimeoutExpired):
                    os.write(writing, _FAREWELL)
                    watcher.wait(FAMILY_EXIT_S + 2)
            watcher.kill()
            watcher.wait()
        # The pipe stays open: the thread might write to another file of the same number. Its other end stays open here
        # too, so that a signal can be written even where the other process is gone.


def main(process: int, server: bool, mark: str = "") -> None:
    """Watch a process until it is gone.

    Args:
        process: Its id.
        server: See `watched`.
        mark: Value of `MARK` in its environment: processes of Ray that it leaves are ended. Empty where it starts none.
    """
    family: dict[int, bytes] = {}
    try:
        _watch(process, server, family if mark else None)
    finally:
        if mark:
            _end_family(process, family, mark)


def _watch(process: int, server: bool, family: dict[int, bytes] | None) -> None:
    interrupted = False

    def interrupt(*_: object) -> None:
        # A terminal sends Ctrl-C to this process too.
        nonlocal interrupted
        interrupted = True

    signal.signal(signal.SIGINT, interrupt)
    # SIGTERM and SIGHUP stay blocked: they are for the command, with which this process ends.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    interrupted_once = False
    silent_s = since_asked_s = 0.0
    said = False
    while _is_parent(process):
        began = time.monotonic()
        ready, _, _ = select.select([0], [], [], 0.1 if interrupted_once else HEARTBEAT_S)
        if family is not None:
            family |= ray_processes(process, family)
        # A machine that sleeps, or Ctrl-Z, stops both processes: that time does not count.
        passed_s = min(time.monotonic() - began, 2 * HEARTBEAT_S)
        silent_s = 0.0 if _is_stopped(process) else silent_s + passed_s
        since_asked_s += passed_s if interrupted_once else 0.0
        if ready:
            came = os.read(0, 4096)
            if not came or _FAREWELL in came:
                return
            interrupted = interrupted or bytes([signal.SIGINT]) in came
            if _HEARTBEAT in came:
                silent_s, said = 0.0, False
                if server:
                    interrupted, since_asked_s = False, 0.0
        interrupted_once = interrupted
        if interrupted_once and since_asked_s > (SERVER_EXIT_S if server else BATCH_EXIT_S):
            _end(process, f"stopped. It was stuck and was ended from outside. {_RESUME_HINT}")
            return
        if silent_s > FROZEN_EXIT_S:
            _end(process, f"has not moved for {FROZEN_EXIT_S:.0f} s and was ended. {_RESUME_HINT}")
            return
        if silent_s > FROZEN_WARNING_S and not said:
            said = True
            _print_line(
                f"has not moved for {FROZEN_WARNING_S:.0f} s: it is stuck in native code. Ctrl-C ends it."
            )


def _end(process: int, words: str) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
    _print_line(words)


def ray_processes(process: int, known: dict[int, bytes], mark: str = "") -> dict[int, bytes]:
    """Processes of Ray among the descendants of a process; Linux only.

    Args:
        process: Its id; it may be gone.
        known: Those found before, whose descendants count too: once their parent is gone nothing else leads to them.
        mark: Value of `MARK`; processes that have it count too.

    Returns:
        When each began, in clock ticks as Linux writes them, by its id: an id may be used again.
    """
    parents: dict[int, int] = {}
    began: dict[int, bytes] = {}
    for entry in os.scandir("/proc") if sys.platform.startswith("linux") else ():
        if entry.name.isdigit():
            with suppress(OSError):
                # The name, in brackets, may hold blanks.
                words = Path(f"/proc/{entry.name}/stat").read_bytes().rpartition(b")")[2].split()
                parents[int(entry.name)], began[int(entry.name)] = int(words[1]), words[19]
    inside = {process} | {pid for pid, start in known.items() if began.get(pid) == start}
    found = dict.fromkeys(inside, True)
    for pid in parents:
        chain = []
        while pid in parents and pid not in found:
            chain.append(pid)
            pid = parents[pid]
        found |= dict.fromkeys(chain, found.get(pid, False))
    return {
        pid: began[pid]
        for pid, belongs in found.items()
        if pid in began
        and pid != process
        and (belongs or (mark and _has_mark(pid, mark)))
        and _is_of_ray(pid)
    }


def _is_of_ray(process: int) -> bool:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return words.startswith(b"ray::") or b"-packages/ray/" in words


def _has_mark(process: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _end_family(process: int, family: dict[int, bytes], mark: str) -> None:
    until = time.monotonic() + FAMILY_EXIT_S
    # A process that has just been started has the command line of its parent for a moment: so none, twice in a row.
    none_before = False
    while time.monotonic() < until:
        left = ray_processes(process, family, mark)
        if not left and none_before:
            return
        none_before = not left
        family |= left
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _print_line(words: str) -> None:
    try:
        sys.stderr.write(f"\nlvef: {words}\n")
        sys.stderr.flush()
    except OSError:
        return


def _is_parent(process: int) -> bool:
    return os.getppid() == process


def _is_stopped(process: int) -> bool:
    """Whether the process was stopped on purpose (a debugger, SIGSTOP); Linux only."""
    try:
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[:1] in ([b"T"], [b"t"])
    except OSError:
        return False


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "server", sys.argv[3])
