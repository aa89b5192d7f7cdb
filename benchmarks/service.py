"""Many clients at once at one ``lvef serve``: are all answers right, how fast are they, does the memory stay flat?

Starts the service on a free port with a fresh data folder, measures a few phantoms with the command line, and then lets
the clients send these again and again, each waiting for its answer. Every answer is compared with the command line's (all
but the folder of the file and the seconds). Told are answers by status, answers that differ, requests a second, the median
and the 95th percentile of the waiting time, the resident memory of the service with its workers, and uploads left.

The exit code is 1 where an answer was wrong or none, an upload was left, or the memory of the last third of the run was
more than ``--growth`` times that of the second.

Run: ``python benchmarks/service.py [--clients 32] [--seconds 60] [--workers 0] [--out FILE]``. Linux only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from lvef.stores.synthetic_files import write_video
from lvef.synthesis.phantom.draw import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render_phantom

EVERY_S = 0.5
"""Time between two looks at the memory."""

EFS_PERCENT = (35.0, 50.0, 62.0)
"""Phantoms that are sent."""

LVEF = (sys.executable, "-c", "from lvef.cli.main import main; main()")


def make_clips(
    folder: Path, heart_rate_bpm: float = 72, frame_rate_hz: float = 50, n_frames: int = 150
) -> list[Path]:
    """Clips of phantoms, three seconds each unless asked otherwise."""
    paths = []
    for number, ef in enumerate(EFS_PERCENT):
        rng = np.random.default_rng(number)
        options = PhantomOptions(
            ef_percent=ef, heart_rate_bpm=heart_rate_bpm, frame_rate_hz=frame_rate_hz, n_frames=n_frames
        )
        path = folder / f"phantom{number}.avi"
        write_video(path, render_phantom(draw_phantom(rng, options, name=path.stem), rng))
        paths.append(path)
    return paths


def by_command_line(paths: list[Path], threads: int) -> list[dict[str, Any]]:
    """What ``lvef measure --json`` says of each."""
    command = [*LVEF, "measure", "--json", "--threads", str(threads), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [without_seconds(document) for document in json.loads(done.stdout)]


def without_seconds(document: dict[str, Any]) -> dict[str, Any]:
    """A measurement without what may differ: its time, and its path, of which the service shows the name."""
    document["provenance"].pop("seconds")
    document["source"] = Path(document["source"]).name
    return document


class Clients:
    """Clients that send one clip after the other until the time is over."""

    def __init__(self, url: str, paths: list[Path], expected: list[dict[str, Any]]) -> None:
        self.address = urlsplit(url)
        self.bodies = [(path.name, path.read_bytes()) for path in paths]
        self.expected = expected
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.wrong = 0
        self.lock = threading.Lock()

    def run(self, clients: int, seconds: float) -> float:
        """Let them send; give the time it took until the last answer."""
        began = time.perf_counter()
        threads = [
            threading.Thread(target=self._client, args=(number, began + seconds)) for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    def _client(self, number: int, until: float) -> None:
        connection = http.client.HTTPConnection(str(self.address.hostname), self.address.port, timeout=600)
        while time.perf_counter() < until:
            which = number % len(self.bodies)
            number += 1
            began = time.perf_counter()
            try:
                status, right = self._send(connection, which)
            except (OSError, http.client.HTTPException) as error:
                status, right = type(error).__name__, False
                connection.close()
            with self.lock:
                self.statuses[status] += 1
                self.seconds.append(time.perf_counter() - began)
                self.wrong += not right
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, which: int) -> tuple[str, bool]:
        name, data = self.bodies[which]
        mark = secrets.token_hex(16)
        head = f'--{mark}\r\nContent-Disposition: form-data; name="wait"\r\n\r\n600\r\n'
        head += f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + data + f"\r\n--{mark}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        connection.request("POST", "/v1/measure", body, kind)
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            return str(response.status), False
        return "200", without_seconds(json.loads(text)["jobs"][0]["result"]) == self.expected[which]


class Memory:
    """Resident memory of a process and all below it, looked at again and again."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.samples_mb: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> list[float]:
        """All samples."""
        self._over.set()
        self._thread.join()
        return self.samples_mb

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            self.samples_mb.append(resident_mb(self.pid))


def resident_mb(pid: int) -> float:
    """Resident memory of a process and all below it, in MB of 2**20 bytes."""
    parents: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                pages[int(folder.name)] = int((folder / "statm").read_text().split()[1])
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    todo, total = [pid], 0
    while todo:
        one = todo.pop()
        total += pages.get(one, 0)
        todo += parents.get(one, [])
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def wait_until_ready(url: str) -> None:
    """Wait until the service has its networks loaded."""
    address = urlsplit(url)
    while True:
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        connection.request("GET", "/healthz")
        job = json.loads(connection.getresponse().read())
        connection.close()
        if job["status"] == "ready":
            return
        time.sleep(0.1)


def main() -> None:
    """Run the comparison and tell it."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument(
        "--threads", type=int, default=1, help="engine threads of each worker and of the command line"
    )
    parser.add_argument("--growth", type=float, default=1.1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = make_clips(folder)
        expected = by_command_line(paths, arguments.threads)
        data = folder / "data"
        command = [
            *LVEF,
            "serve",
            "--port",
            "0",
            "--data",
            str(data),
            "--max-queue",
            str(4 * arguments.clients),
        ]
        command += ["--workers", str(arguments.workers), "--threads", str(arguments.threads), "--no-log"]
        environment = {name: value for name, value in os.environ.items() if name != "LVEF_API_KEY"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service:
            try:
                assert service.stdout is not None
                url = service.stdout.readline().strip()
                wait_until_ready(url)
                clients = Clients(url, paths, expected)
                memory = Memory(service.pid)
                took = clients.run(arguments.clients, arguments.seconds)
                samples = memory.stop()
                left = [p for p in (data / "spool").glob("*/*") if p.is_file() and p.name != "lock"]
                store_mb = sum(p.stat().st_size for p in data.glob("results.sqlite*")) / 2**20
            finally:
                service.terminate()
    third = len(samples) // 3
    second, last = max(samples[third : 2 * third], default=0.0), max(samples[2 * third :], default=0.0)
    result = {
        "clients": arguments.clients,
        "seconds": round(took, 1),
        "answers": dict(sorted(clients.statuses.items())),
        "wrong_or_none": clients.wrong,
        "requests_per_s": round(len(clients.seconds) / took, 2),
        "wait_p50_s": round(float(np.percentile(clients.seconds, 50)), 2),
        "wait_p95_s": round(float(np.percentile(clients.seconds, 95)), 2),
        "rss_mb": {
            "start": round(samples[0]) if samples else None,
            "second_third": round(second),
            "last_third": round(last),
            "most": round(max(samples, default=0.0)),
        },
        "uploads_left": len(left),
        "store_mb": round(store_mb, 1),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    sys.exit(int(bool(clients.wrong or left or last > arguments.growth * second)))


if __name__ == "__main__":
    main()
