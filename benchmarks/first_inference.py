"""How many fresh processes hang when several threads use an engine at once for the first time.

    python benchmarks/first_inference.py --starts 60
    python benchmarks/first_inference.py --starts 20 --way measure

Each start is a process of its own. The ways:

``shared``   one session made in the main thread, then all threads run it at once
``own``      every thread makes a session and runs it, all at once
``measure``  ``lvef measure`` on a folder of as many clips as workers
``bare``     OpenVINO without lvef: all threads ask for their first type at once. These hang, and show that this machine can.

Prints one line a way with the counts; exit code 1 where a start of lvef hung or failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Barrier, Thread

WAYS = ("shared", "own", "measure", "bare")
LIMIT_S = 90.0
"""A start that takes longer hangs: on two busy cores it takes a few seconds."""


def start_once(way: str, threads: int, backend: str) -> None:
    """What a fresh process does, apart from ``measure``."""
    together = Barrier(threads)
    # Threads take turns as often as they can: the moment in which they hang is short.
    sys.setswitchinterval(1e-6)
    if way == "bare":
        sys.modules.setdefault("openvino_telemetry", None)
        import openvino

        def work() -> None:
            together.wait()
            openvino.Type.f32.to_dtype()

    else:
        import numpy as np

        from lvef.inference.catalogue import find_model
        from lvef.inference.session import open_session

        entry = find_model("camus-seg")
        side = entry.card.input.size
        image = np.zeros((1, 1, side, side), np.float32)
        shared = open_session(entry.model_path, backend=backend, precision="f32") if way == "shared" else None

        def work() -> None:
            together.wait()
            session = shared or open_session(entry.model_path, backend=backend, precision="f32")
            together.wait()
            session.start(image)()

    running = [Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def ends(command: list[str], limit_s: float) -> str:
    """How a command ends: ``done``, ``hung`` or ``failed``."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return "done" if process.wait(limit_s) == 0 else "failed"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "hung"


def command_of(way: str, threads: int, backend: str, clips: Path) -> list[str]:
    """The command line of one start."""
    if way == "measure":
        words = ["--out", str(clips / "out"), "--no-resume", "--no-video", "--workers", str(threads)]
        return [
            sys.executable,
            "-m",
            "lvef.cli.main",
            "measure",
            str(clips / "in"),
            "--backend",
            backend,
            *words,
        ]
    return [sys.executable, __file__, "--once", way, "--threads", str(threads), "--backend", backend]


def main() -> int:
    """Start as often as asked for, and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--way", choices=WAYS, action="append", help="default: shared and own")
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--backend", default="openvino")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, help="seconds after which a start counts as hung"
    )
    parser.add_argument("--once", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        start_once(given.once, given.threads, given.backend)
        return 0
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder)
        for way in given.way or ["shared", "own"]:
            if way == "measure":
                from lvef.io.open import sample_cine

                (clips / "in").mkdir()
                for number in range(given.threads):
                    (clips / "in" / f"{number}.dcm").write_bytes(sample_cine().read_bytes())
            began = time.perf_counter()
            command = command_of(way, given.threads, given.backend, clips)
            found = [ends(command, given.limit) for _ in range(given.starts)]
            counts = ", ".join(f"{found.count(name)} {name}" for name in ("done", "hung", "failed"))
            seconds = time.perf_counter() - began
            print(
                f"{given.backend} {way}: {given.starts} starts, {given.threads} threads: {counts} ({seconds:.0f} s)"
            )
            bad += 0 if way == "bare" else given.starts - found.count("done")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
