"""A long run of one ``lvef serve`` under load and attack: do memory and waiting times stay flat, are all answers right?

As ``service.py``, but with a queue that is shorter than the clients need, so that some are refused and come again. Beside
them one hostile client sends, in turn, everything of `ATTACKS`; each has to be answered by its status or cut off. Told are
answers by status, answers that differ from the command line's, attacks by kind with how they were met, and for memory and
waiting time the slope of a straight line through all but the first fifth of the run, with the ratio of the last third to the
second.

The exit code is 1 where an answer was wrong, an attack was met otherwise, an upload was left, or the memory of the last
third exceeds ``--growth`` times that of the second. The waiting time depends on what else the machine does: its trend is
told.

Run: ``python benchmarks/soak.py [--minutes 30] [--clients 32] [--workers 1] [--out FILE]``. Linux only, loopback only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from service import LVEF, Clients, Memory, by_command_line, make_clips, wait_until_ready

MAX_UPLOAD_MB = 8
HEAD = "Host: localhost\r\nConnection: close\r\n"
FORM = "Content-Type: multipart/form-data; boundary=b\r\n"
CUT_OFF = 0
"""A connection that the service closes without an answer."""


def post(body: bytes, headers: str = FORM, path: str = "/v1/measure", length: int | None = None) -> bytes:
    """A request with a body, the length of which may be a lie."""
    size = len(body) if length is None else length
    return f"POST {path} HTTP/1.1\r\n{HEAD}{headers}Content-Length: {size}\r\n\r\n".encode() + body


def a_file(name: str, data: str) -> bytes:
    """A form with one file."""
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    wait = '--b\r\nContent-Disposition: form-data; name="wait"\r\n\r\n60\r\n'
    return f"{head}{data}\r\n{wait}--b--\r\n".encode()


ATTACKS: dict[str, tuple[bytes, set[int]]] = {
    "no request": (b"\x16\x03\x01 hello\r\n\r\n", {400}),
    "headers of 1 MB": (f"GET / HTTP/1.1\r\n{HEAD}X: {'a' * 2**20}\r\n\r\n".encode(), {431, CUT_OFF}),
    "50,000 headers": (
        f"GET / HTTP/1.1\r\n{HEAD}{''.join(f'X-{i}: 1{chr(13)}{chr(10)}' for i in range(50_000))}\r\n".encode(),
        {431, CUT_OFF},
    ),
    "headers that never end": (b"GET /healthz HTTP/1.1\r\nHost: loc", {408}),
    "nothing": (b"", {CUT_OFF}),
    "a body that never comes": (post(b"--b\r\n", length=1000), {408}),
    "a body over the limit": (post(b"x" * ((MAX_UPLOAD_MB + 1) * 2**20)), {413}),
    "a length over the limit": (post(b"", length=2**40), {413}),
    "no form": (post(b"{}", "Content-Type: application/json\r\n"), {415}),
    "a broken form": (post(b"--c\r\n\r\n--c--"), {400}),
    "10,000 parts": (
        post(
            b"".join(
                b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n\r\n' % i for i in range(10_000)
            )
        ),
        {413},
    ),
    "a part's header of 1 MB": (post(b"--b\r\nX: " + b"y" * 2**20 + b"\r\n\r\n--b--"), {400}),
    "deep JSON": (post(b"[" * 500_000, "", "/v1/results/0/correction"), {404, 400}),
    "a path": (f"GET /v1/results/..%2f..%2fetc%2fpasswd HTTP/1.1\r\n{HEAD}\r\n".encode(), {404}),
    "a name that is a path": (post(a_file("../../../etc/passwd.avi", "no clip")), {422, 202}),
    "words as a clip": (post(a_file("clip.dcm", "no clip")), {422, 202}),
    "another host": (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", {421}),
}
"""What is sent, and the statuses that may come back; 202 where a file waits in the queue for longer than its client does."""

IDLE_CONNECTIONS = 100
"""Connections that are opened at once, each time, and then say nothing."""


class Attacker:
    """Sends one attack after the other until the time is over.

    Args:
        url: Of the service.
        every_s: Pause between two.
    """

    def __init__(self, url: str, every_s: float) -> None:
        self._address, self._every_s = urlsplit(url), every_s
        self.met: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run), threading.Thread(target=self._idle)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the attacks that are under way."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _connect(self) -> socket.socket:
        return socket.create_connection((str(self._address.hostname), self._address.port), timeout=120)

    def _run(self) -> None:
        while True:
            for name, (data, allowed) in ATTACKS.items():
                if self._over.wait(self._every_s):
                    return
                status = self._status(data)
                self.met[f"{name}: {status or 'cut off'}"] += 1
                # An upload finds the queue full at times.
                if status not in allowed and not (status == 503 and b" /v1/measure " in data[:40]):
                    self.wrong.append(f"{name}: {status}")

    def _status(self, data: bytes) -> int:
        reply = b""
        try:
            with self._connect() as client:
                try:
                    client.sendall(data)
                finally:
                    while part := client.recv(65536):
                        reply += part
        except OSError:
            # The answer may be there all the same.
            pass
        return int(reply.split()[1]) if reply else CUT_OFF

    def _idle(self) -> None:
        while not self._over.wait(30.0):
            held = [self._connect() for _ in range(IDLE_CONNECTIONS)]
            for client in held:
                while client.recv(65536):
                    pass
                client.close()
            self.met["idle connections: cut off"] += len(held)


class Patient(Clients):
    """Clients that come again after the time they are told, where the queue is full; with the moment of each answer."""

    def __init__(self, url: str, paths: list[Path], expected: list[dict[str, Any]]) -> None:
        super().__init__(url, paths, expected)
        self.moments: list[tuple[float, float]] = []
        self.refused = 0

    def _send(self, connection: http.client.HTTPConnection, which: int) -> tuple[str, bool]:
        while True:
            began = time.perf_counter()
            status, right = super()._send(connection, which)
            if status != "503":
                with self.lock:
                    self.moments.append((began, time.perf_counter() - began))
                return status, right
            with self.lock:
                self.refused += 1
            time.sleep(1.0)


def trend(moments: list[tuple[float, float]], of: Callable[[Any], Any] = np.median) -> dict[str, float]:
    """Slope an hour without the first fifth of the time, and the last third against the second.

    Args:
        moments: Seconds and value.
        of: What a third is known by.
    """
    times, values = np.asarray(moments, dtype=float).T
    times = times - times.min()
    late = times > 0.2 * times.max()
    slope = float(np.polyfit(times[late], values[late], 1)[0]) * 3600.0
    thirds = [
        values[(times >= a * times.max()) & (times <= b * times.max())]
        for a, b in ((1 / 3, 2 / 3), (2 / 3, 1))
    ]
    second, last = (float(of(third)) for third in thirds)
    return {
        "slope_per_hour": round(slope, 3),
        "second_third": round(second, 2),
        "last_third": round(last, 2),
        "ratio": round(last / second, 3),
    }


def main() -> None:
    """Run the service, its clients and the attacker, and tell what came of it."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--queue", type=int, default=30)
    parser.add_argument("--attack-every", type=float, default=2.0)
    parser.add_argument("--growth", type=float, default=1.1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data, log = folder / "data", folder / "log"
        paths = make_clips(folder, heart_rate_bpm=90, frame_rate_hz=25, n_frames=38)
        expected = by_command_line(paths, 1)
        command = [*LVEF, "serve", "--port", "0", "--data", str(data), "--workers", str(given.workers)]
        command += ["--threads", "1", "--max-queue", str(given.queue), "--max-upload-mb", str(MAX_UPLOAD_MB)]
        command += ["--no-log", "--keep-hours", "0.1", "--max-store-mb", "64"]
        environment = {name: value for name, value in os.environ.items() if name != "LVEF_API_KEY"}
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            ) as service,
        ):
            try:
                assert service.stdout is not None
                url = service.stdout.readline().strip()
                wait_until_ready(url)
                memory, alone = Memory(service.pid), Alone(service.pid)
                attacker, clients = Attacker(url, given.attack_every), Patient(url, paths, expected)
                took = clients.run(given.clients, given.minutes * 60.0)
                attacker.stop()
                samples, own = memory.stop(), alone.stop()
                wait_until_ready(url)
                left = [p for p in (data / "spool").glob("*/*") if p.is_file() and p.name != "lock"]
            finally:
                service.terminate()
        said = log.read_text(errors="replace")
    step = took / max(1, len(samples))
    result = {
        "minutes": round(took / 60, 1),
        "clients": given.clients,
        "workers": given.workers,
        "answers": dict(sorted(clients.statuses.items())),
        "wrong_or_none": clients.wrong,
        "refused_and_repeated": clients.refused,
        "answers_per_s": round(len(clients.moments) / took, 2),
        "wait_s": trend(clients.moments),
        "memory_mb": trend([(i * step, mb) for i, mb in enumerate(samples)]),
        "memory_without_workers_mb": trend([(i * step, mb) for i, mb in enumerate(own)]),
        "attacks": dict(sorted(attacker.met.items())),
        "attacks_met_otherwise": attacker.wrong,
        "uploads_left": len(left),
        "tracebacks": said.count("Traceback"),
        "load": os.getloadavg()[1],
    }
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    grew = any(result[name]["ratio"] > given.growth for name in ("memory_mb", "memory_without_workers_mb"))
    sys.exit(int(bool(clients.wrong or attacker.wrong or left or grew or result["tracebacks"])))


class Alone(Memory):
    """Memory of the service process without its workers."""

    def _look(self) -> None:
        while not self._over.wait(0.5):
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
            self.samples_mb.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


if __name__ == "__main__":
    main()
