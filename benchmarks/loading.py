"""Random windows for training: from the store of `lvef data prepare clips` against decoding each AVI, in the same run.

The clips: 60 of 175 frames, 112 x 112, MJPEG AVI, 50 frames a second, made here (speckle that moves in a fan). A window: 32
frames, every second one, from a random place of a random clip. The reference does what EchoNet-Dynamic's public loader does
for each window: OpenCV decodes the whole file, BGR becomes RGB float32, the frames of the window are picked. The store gives
grey uint8; it is also timed with the conversion to float32 in three channels.

Preparation is timed in clips a second: with one worker, with two, and two processes instead of threads for comparison.

Run: ``python benchmarks/loading.py [--clips 60] [--windows 2000] [--out FILE]``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from lvef.datasets.manifest import make_manifest
from lvef.stores.prepare import prepare, sources_of
from lvef.stores.recipes import ClipRecipe
from lvef.transforms.store import ClipStore

N_FRAMES, SIDE, RATE = 175, 112, 50
"""The median clip of EchoNet-Dynamic."""

WINDOW, STEP = 32, 2
"""Input of EchoNet-Dynamic's published network."""

ROUNDS = 5
"""Each way is timed this often, turn and turn about, and the median counts."""


def make_clips(folder: Path, count: int) -> pl.DataFrame:
    """Write clips and their manifest."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    fan = (np.abs(np.arctan2(x - SIDE / 2, y + 8)) < 0.65) & (np.hypot(x - SIDE / 2, y + 8) < SIDE)
    rows = []
    for number in range(count):
        rng = np.random.default_rng(number)
        grain = cv2.GaussianBlur(rng.gamma(2, 0.5, (SIDE, SIDE)).astype(np.float32), (0, 0), 1.0)
        path = folder / f"clip{number:03d}.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (SIDE, SIDE))
        for i in range(N_FRAMES):
            squeeze = 1 - 0.14 * (1 - np.cos(2 * np.pi * 1.2 * i / RATE))
            r = np.hypot((x - 58) / (19 * squeeze), (y - 46) / 36)
            level = np.where(r < 1, 22, np.where(r < 1.45, 120, 75))
            grey = np.clip(level * grain * fan + rng.normal(0, 3, fan.shape) * fan, 0, 255).astype(np.uint8)
            writer.write(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
        writer.release()
        rows.append(
            {
                "item": path.stem,
                "collection": "benchmark",
                "patient": path.stem,
                "kind": "clip",
                "view": "A4C",
                "root": folder,
                "path": path.name,
                "licence": "none",
            }
        )
    return make_manifest(rows)


def decoded_window(path: Path, rng: np.random.Generator) -> np.ndarray:
    """A window as a loader without a store gets it: the whole file, then the frames."""
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    video = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for i in range(count):
        _, frame = capture.read()
        video[i] = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    capture.release()
    floats = video.transpose(3, 0, 1, 2).astype(np.float32)
    start = int(rng.integers(0, count - (WINDOW - 1) * STEP))
    return floats[:, start : start + (WINDOW - 1) * STEP + 1 : STEP]


def rate_of(work: Callable[[], int]) -> float:
    """How many a second ``work`` does; it returns how many it did."""
    began = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - began)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--windows", type=int, default=2000, help="windows from the store in each round")
    parser.add_argument("--out", type=Path, help="write the rows there as JSON")
    args = parser.parse_args()
    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = make_clips(folder, args.clips)
        recipe = ClipRecipe()
        sources = sources_of(manifest, "benchmark")
        rows["preparation, 1 worker, clips/s"] = rate_of(
            lambda: prepare(manifest, folder / "one", recipe).written
        )
        rows["preparation, 2 workers, clips/s"] = rate_of(
            lambda: prepare(manifest, folder / "two", recipe, workers=2).written
        )
        rows["decoding alone, 1 worker, clips/s"] = rate_of(
            lambda: len([recipe.make(source) for source in sources])
        )
        spawned = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
        for kind, pool in (("threads", ThreadPoolExecutor(2)), ("processes", spawned)):
            with pool:
                list(pool.map(recipe.make, sources[:4]))  # so that their start is not counted
                rate = rate_of(lambda pool=pool: len(list(pool.map(recipe.make, sources))))
            rows[f"decoding alone, 2 {kind}, clips/s"] = rate
        store = ClipStore(folder / "one")
        paths = [folder / f"{item}.avi" for item in store.items]
        rng = np.random.default_rng(0)

        def from_avi() -> int:
            return len([decoded_window(paths[int(rng.integers(len(paths)))], rng) for _ in range(20)])

        def grey() -> int:
            return sum(
                len(store.random_windows(rng, 20, frames=WINDOW, step=STEP))
                for _ in range(args.windows // 20)
            )

        def colour() -> int:
            for _ in range(args.windows // 20):
                drawn = store.random_windows(rng, 20, frames=WINDOW, step=STEP)
                np.broadcast_to(drawn[:, None].astype(np.float32), (20, 3, *drawn.shape[1:]))
            return args.windows

        ways = {"AVI decoded with OpenCV": from_avi, "store, grey uint8": grey, "store, float32": colour}
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, work in ways.items():
                rates[way].append(rate_of(work))
        rows |= {f"{way}, windows/s": statistics.median(found) for way, found in rates.items()}
        ratios = np.array(rates["store, grey uint8"]) / np.array(rates["AVI decoded with OpenCV"])
        rows["store over AVI, median of rounds, times"] = float(np.median(ratios))
        rows["store over AVI, worst round, times"] = float(ratios.min())
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for row, value in rows.items():
        print(f"{row:52} {value:10.1f}")
    if args.out:
        args.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
