"""Nodes of a Ray cluster on one machine, each with ports and processes of its own, to be killed one by one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from lvef.distributed.cluster import protect

NODE_VARIABLE = "LVEF_TEST_NODE"
"""Environment variable by which the processes of a node are found."""

START_S = 180.0
"""Longest time for a node to start, on a machine that does other things."""

TRIES = 2
"""How often a node is started."""

_PORTS = {
    "dashboard-agent-listen-port": "dashboard_agent_listen_port",
    "dashboard-agent-grpc-port": "metrics_agent_port",
    "runtime-env-agent-port": "runtime_env_agent_port",
    "metrics-export-port": "metrics_export_port",
}
# Options of ``ray start``, and the files in which a node's helpers say the same.

_PATIENT_START = """
import sys, time
from pathlib import Path
import ray._private.node as node
ports = dict(word.split("=") for word in sys.argv.pop().split(","))
class Slow:
    def __getattr__(self, name): return getattr(time, name)
    def monotonic(self): return time.monotonic() / 6
node.time = Slow()
start = node.Node.start_raylet
def start_raylet(self, *words, **named):
    for name, port in ports.items():
        Path(self._session_dir, f"{name}_{self._node_id}").write_text(port)
    return start(self, *words, **named)
node.Node.start_raylet = start_raylet
from ray.scripts.scripts import main
sys.argv[0] = "ray"
main()
"""
# ``ray start`` waits 15 s for helpers of a node and 30 s for the node: too short for a machine that does other things. Here
# the clock runs slower, and the ports of the helpers, which are given, are told in their place.


class Nodes:
    """A head and further nodes; a context manager that ends them all.

    Args:
        processors: Of the head.
    """

    def __init__(self, processors: int = 1) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lvef-ray-"))
        self._names: list[str] = []
        # This process and those it starts are the only ones that the nodes let in.
        protect(is_local=True)
        self.address = f"127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self._start(
            "--head",
            "--no-monitor",
            f"--port={port}",
            f"--temp-dir={self._folder}",
            "--include-dashboard=false",
            processors=processors,
        )

    def add(self, processors: int = 1) -> str:
        """Start a further node, and return its name for `kill`."""
        return self._start(f"--address={self.address}", processors=processors)

    def kill(self, name: str) -> int:
        """Kill every process of a node with SIGKILL, its raylet first; return how many there were."""
        found = sorted(_processes(name), key=lambda process: "raylet/raylet" not in _command(process))
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(found)

    def workers(self) -> list[int]:
        """Processes of all nodes that are workers of `lvef.distributed.pool`."""
        found = (process for name in self._names for process in _processes(name))
        return sorted(process for process in found if _command(process).startswith("ray::Worker"))

    def __enter__(self) -> Nodes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(self._names):
            self.kill(name)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, *words: str, processors: int) -> str:
        name = f"{self._folder.name}-{len(self._names)}"
        self._names.append(name)
        command = [sys.executable, "-c", _PATIENT_START, "start", *words]
        command += [
            f"--num-cpus={processors}",
            "--node-ip-address=127.0.0.1",
            "--disable-usage-stats",
            "--include-log-monitor=false",
            f"--object-store-memory={100 * 2**20}",
        ]
        ports = {name: free_port() for name in _PORTS}
        command += [f"--{name}={port}" for name, port in ports.items()]
        command.append(",".join(f"{file}={ports[name]}" for name, file in _PORTS.items()))
        environment = os.environ | {NODE_VARIABLE: name, "RAY_USAGE_STATS_ENABLED": "0"}
        for _ in range(TRIES):
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=START_S, env=environment
            )
            if done.returncode == 0:
                return name
            self.kill(name)
        raise RuntimeError(f"a node did not start: {done.stderr[-2000:]}")


def free_port() -> int:
    """A port of 127.0.0.1 that is free."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _processes(name: str) -> list[int]:
    wanted = f"{NODE_VARIABLE}={name}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _command(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    return ""
