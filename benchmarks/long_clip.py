"""Peak memory of `lvef measure` on clips of 1024 x 768 and growing length: what comes on top of the decoded frames.

The frames are those of a synthetic phantom, enlarged. The command runs as a new process; ten times a second the memory of it
and of its own processes is summed, shared pages once (Pss of ``/proc/PID/smaps_rollup``).

Run: ``python benchmarks/long_clip.py [--frames 250 1000] [--outputs]``. Linux only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from lvef.io.open import open_clip

WIDTH, HEIGHT, RATE = 1024, 768, 50
"""A scanner's screen."""

EVERY_S = 0.1
"""Time between two looks at the memory."""


def make_clip(path: Path, frames: np.ndarray, n: int) -> None:
    """Write n frames, the given ones over and over."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (WIDTH, HEIGHT))
    left = (WIDTH - HEIGHT) // 2
    for i in range(n):
        screen = np.zeros((HEIGHT, WIDTH), np.uint8)
        screen[:, left : left + HEIGHT] = cv2.resize(frames[i % len(frames)], (HEIGHT, HEIGHT))
        writer.write(cv2.cvtColor(screen, cv2.COLOR_GRAY2BGR))
    writer.release()


def peak_mb(command: list[str]) -> float:
    """Peak of the memory that a command and the processes that it starts hold together, MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak_kb = 0
    while process.poll() is None:
        family = [str(process.pid)]
        for one in family:
            family += _read(f"/proc/{one}/task/{one}/children").split()
        lines = [line for one in family for line in _read(f"/proc/{one}/smaps_rollup").splitlines()]
        peak_kb = max(peak_kb, sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")))
        time.sleep(EVERY_S)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return peak_kb / 1000


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 1000])
    parser.add_argument("--outputs", action="store_true", help="with overlay video and summary")
    args = parser.parse_args()

    lvef = [sys.executable, "-m", "lvef.cli.main"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ["synthesize", "phantom", str(folder / "made"), "--clips", "1", "--seed", "7", "--quiet"]
        subprocess.run([*lvef, *words], check=True, stdout=subprocess.DEVNULL)
        frames = open_clip(next((folder / "made" / "Videos").glob("*.avi"))).frames
        for n in args.frames:
            clip = folder / f"{n}.avi"
            make_clip(clip, frames, n)
            out = ["--out", str(folder / f"out{n}")] if args.outputs else ["--json"]
            peak, decoded = peak_mb([*lvef, "measure", str(clip), *out]), n * WIDTH * HEIGHT / 1e6
            print(
                f"{n:5} frames: {peak:6.0f} MB, {peak - decoded:6.0f} MB on top of the decoded frames",
                flush=True,
            )


if __name__ == "__main__":
    main()
