"""Child processes of a trial: started in a session of their own, so that what they leave behind is found."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ray_nodes import Nodes
from tests.house import ROOT

COMMAND = "from lvef.cli.main import main; main()"
HOOK = Path(__file__).parent / "hook"
MARK = "LVEF_TRIAL"
"""Environment variable by which the processes of a command are found: Ray starts sessions of its own."""

_marks: dict[int, bytes] = {}
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24
"""Of linux/capability.h and linux/prctl.h."""


@dataclass
class Child:
    """A command that runs, with the cluster that it works on, if it did not start that itself."""

    process: subprocess.Popen
    out: Path
    err: Path
    nodes: Nodes | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        """Worker processes: its own, or those that it has in a cluster that runs."""
        return workers(self.pid) if self.nodes is None else self.nodes.workers()

    def said(self) -> str:
        return self.err.read_text(encoding="utf-8", errors="replace")


def start(
    args: Sequence[str],
    folder: Path,
    name: str,
    *,
    fault: str = "",
    obey: bool = False,
    script: Path | None = None,
    nodes: Nodes | None = None,
) -> Child:
    """Start ``lvef ARGS``, or a script with these arguments.

    Args:
        args: Arguments.
        folder: For its output, in files.
        name: Of these files.
        fault: Variable of the hook.
        obey: Obey the modes of files, which root otherwise does not.
        script: The script.
        nodes: The cluster that it works on.
    """
    keep = ("PATH", "LANG", "TMPDIR", "OMP_NUM_THREADS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    env = {key: os.environ[key] for key in keep if key in os.environ}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    home.chmod(0o777)
    paths = [str(HOOK)] * bool(fault) + [str(ROOT / "src"), str(ROOT), *sys.path]
    env |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {
        "XDG_CONFIG_HOME": str(home),
        "MPLCONFIGDIR": str(home),
        "FAULT": fault,
        MARK: str(folder / name),
        "RAY_TMPDIR": str(ray_folder(folder)),
        "FAULT_SEEN": str(folder / "seen"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, *(["-c", COMMAND] if script is None else [str(script)]), *args],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=env,
            preexec_fn=_as_user if obey and os.getuid() == 0 else _as_from_terminal,
            cwd=folder,
            start_new_session=True,
        )
    _marks[process.pid] = f"{MARK}={folder / name}".encode()
    return Child(process, out, err, nodes)


def ray_folder(folder: Path) -> Path:
    """Where Ray puts its sockets, whose paths must be short; to be removed with the trial."""
    return Path(tempfile.gettempdir()) / f"r{zlib.crc32(os.fspath(folder).encode()):08x}"


def _as_from_terminal() -> None:
    """Obey Ctrl-C and a closed terminal, also where these trials were started to outlive it (nohup)."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _as_user() -> None:
    """Obey the modes of files, too, which root otherwise does not."""
    _as_from_terminal()
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def session(leader: int) -> dict[int, str]:
    """Processes of a command that live, by id, with their command lines: its session, and those that left it."""
    mark = _marks.get(leader)
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] in "ZX":
                continue
            if int(fields[3]) == leader or mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, IndexError, ValueError):
            continue
    return found


def end_all(leader: int) -> None:
    """Kill the processes of a command."""
    for pid in session(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def left_after(leader: int, seconds: float = 10.0) -> dict[int, str]:
    """Processes of a session that are still there when so many seconds are over."""
    until = time.monotonic() + seconds
    while (found := session(leader)) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def workers(leader: int) -> list[int]:
    """Worker processes, without the command itself, its watchdog, and what counts Python's shared objects."""
    others = ("watchdog", "resource_tracker")
    return [
        pid
        for pid, line in session(leader).items()
        if pid != leader and not any(word in line for word in others)
    ]


def watchdogs(leader: int) -> list[int]:
    """The process that watches the command."""
    return [pid for pid, line in session(leader).items() if pid != leader and "watchdog" in line]
