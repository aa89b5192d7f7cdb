"""Peak memory of one epoch over a fabricated collection of EchoNet-Dynamic's size, with a tiny network.

The store: 7,465 training and 1,288 validation clips of 112 x 112 pixels whose numbers of frames have that collection's
median (about 171) and ends (28 and 1002), 20 GB of frames. Its files are sparse, so they are made in a second and take no
room on the disk, yet every page that is read comes into memory like any other. The run is `lvef.training.fit.fit`
itself: loader, variation, steps, validation, checkpoints.

What counts is the largest sum of resident memory of this process and of those that load, looked at ten times a second. With
``--rss-limit-gb`` the exit code is 1 where it was above.

Run: ``python benchmarks/memory.py [--clips 7465] [--workers 0] [--rss-limit-gb 8] [--out FILE]``. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl

from lvef.stores.clip_store import SHARD_BYTES
from lvef.stores.recipes import ClipRecipe
from lvef.transforms.store import INDEX_NAME, INFO_NAME, SCHEMA, shard_name

SIDE, RATE_HZ = 112, 50.0
"""Size and most frequent frame rate of EchoNet-Dynamic."""

VALIDATION_PART = 1288 / 7465
"""Its validation clips for each training clip."""

EVERY_S = 0.1
"""Time between two looks at the memory."""


def fabricate(folder: Path, n_train: int) -> int:
    """Write a store of sparse files; give its bytes."""
    folder.mkdir()
    n = n_train + round(n_train * VALIDATION_PART)
    rng = np.random.default_rng(0)
    frames = np.clip(np.exp(rng.normal(np.log(171), 0.35, n)), 28, 1002).astype(int)
    shard, offset, rows = 0, 0, []
    for i, count in enumerate(frames.tolist()):
        rows.append((f"c{i}", shard, offset, count))
        offset += count * SIDE * SIDE
        if offset >= SHARD_BYTES or i == n - 1:
            with (folder / shard_name(shard)).open("wb") as file:
                file.truncate(offset)
            shard, offset = shard + 1, 0
    index = pl.DataFrame(rows, schema=["item", "shard", "offset", "n_frames"], orient="row").with_columns(
        height=pl.lit(SIDE),
        width=pl.lit(SIDE),
        frame_rate_hz=pl.lit(RATE_HZ),
        frame_times_s=pl.lit(None, dtype=pl.String),
        sha256=pl.lit(""),
        patient=pl.col("item"),
        collection=pl.lit("fabricated"),
        licence=pl.lit("none"),
        split=pl.Series(["train"] * n_train + ["val"] * (n - n_train)),
        ef_percent=pl.Series(rng.normal(55.7, 12.4, n).clip(7, 97)),
    )
    index.write_parquet(folder / INDEX_NAME)
    info = {"schema": SCHEMA, "settings": ClipRecipe().settings(), "complete": True}
    (folder / INFO_NAME).write_text(json.dumps(info))
    return int(frames.sum()) * SIDE * SIDE


class Watch(threading.Thread):
    """Looks at the memory of this process and its children."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_kb: dict[str, int] = {"VmRSS": 0, "RssAnon": 0, "RssFile": 0}
        self.ended = threading.Event()

    def run(self) -> None:
        """Until it is ended."""
        while not self.ended.wait(EVERY_S):
            sums = dict.fromkeys(self.peak_kb, 0)
            for process in self._family():
                for name, value in self._status(process).items():
                    sums[name] += value
            for name, value in sums.items():
                self.peak_kb[name] = max(self.peak_kb[name], value)

    def _family(self) -> list[str]:
        found = [str(os.getpid())]
        for process in found:
            try:
                found += Path(f"/proc/{process}/task/{process}/children").read_text().split()
            except OSError:
                continue
        return found

    def _status(self, process: str) -> dict[str, int]:
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
        except OSError:
            return {}
        pairs = (line.split(":") for line in lines if ":" in line)
        return {name: int(rest.split()[0]) for name, rest in pairs if name in self.peak_kb}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=7465, help="training clips")
    parser.add_argument("--workers", type=int, default=0, help="processes that load")
    parser.add_argument("--rss-limit-gb", type=float, default=8.0)
    parser.add_argument("--out", type=Path, help="write the figures there as JSON")
    args = parser.parse_args()

    watch = Watch()
    watch.start()

    from lvef.core.config import from_mapping
    from lvef.training.fit import fit
    from lvef.training.machine import Machine
    from lvef.training.recipe import Recipe
    from lvef.training.run_folder import RunOptions
    from lvef.training.training_data import open_training_data

    recipe = from_mapping(
        Recipe,
        {
            "name": "tiny",
            "family": "small-video",
            "epochs": 1,
            "network": {
                "stem": 2,
                "widths": [2, 2, 2, 2],
                "blocks": [1, 1, 1, 1],
                "time_strides": [1, 1, 1, 1],
            },
            "clip": {"frames": 32, "duration_s": 1.24, "clips": 1},
            "augmentation": {"shift": 0.05, "log_gamma": 0.2},
        },
        "benchmark",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = fabricate(folder / "store", args.clips)
        began = time.perf_counter()
        data = open_training_data(recipe, [folder / "store"])
        opened = time.perf_counter() - began
        order = RunOptions(folder / "run", Machine("cpu", workers=args.workers), network=False)
        parts = data.parts()
        fit(recipe, data, parts, order)
        seconds = time.perf_counter() - began
    watch.ended.set()
    watch.join()
    peak = {name: value / 1e6 for name, value in watch.peak_kb.items()}
    figures = {
        "training clips": len(parts.train),
        "validation clips": len(parts.validation),
        "frames of the store, GB": size / 1e9,
        "opening the store, s": opened,
        "epoch with validation, s": seconds,
        "peak resident memory, GB": peak["VmRSS"],
        "of it own, GB (peak)": peak["RssAnon"],
        "of it pages of the store, GB (peak)": peak["RssFile"],
    }
    for row, value in figures.items():
        print(f"{row:40} {value:10.2f}")
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")
    return int(peak["VmRSS"] > args.rss_limit_gb)


if __name__ == "__main__":
    raise SystemExit(main())
