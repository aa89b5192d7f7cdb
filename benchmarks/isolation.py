"""What it costs to decode clips in a process of their own: ``python benchmarks/isolation.py``.

Both ways alternate in one run, on synthetic clips; shown are ratios of medians. The clip is also measured, so that the
difference can be seen beside what it is part of.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import lvef
from lvef.io import isolation
from lvef.io import open as opening
from lvef.io.avi import encode_motion_jpeg

ROUNDS = 9
SIZES = ((30, 112, 112), (100, 600, 800))
"""Frames, height and width of the clips."""


def seconds(do: Callable[[], object]) -> float:
    """Time of a call."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def main() -> None:
    """Print a line a clip."""
    measurer = lvef.load_measurer()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.avi"
        for n, height, width in SIZES:
            speckle = rng.integers(0, 120, (height, width)).astype(np.uint8)
            frames = np.stack([np.roll(speckle, i, axis=1) for i in range(n)])
            path.write_bytes(encode_motion_jpeg(frames, 50.0))
            isolation.open_clip(path)
            pairs = [
                (seconds(lambda: opening.open_clip(path)), seconds(lambda: isolation.open_clip(path)))
                for _ in range(ROUNDS)
            ]
            here, apart = (statistics.median(times) for times in zip(*pairs, strict=True))
            print(f"{n} frames of {width} x {height}: decoding apart / in place {apart / here:.2f}")
    sample = opening.long_sample_cine() or opening.sample_cine()
    measurer.measure(sample)
    whole = statistics.median(seconds(lambda: measurer.measure(sample)) for _ in range(5))
    pairs = [
        (seconds(lambda: opening.open_clip(sample)), seconds(lambda: isolation.open_clip(sample)))
        for _ in range(ROUNDS)
    ]
    here, apart = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(
        f"{sample.name}: decoding apart / in place {apart / here:.2f}, difference / measuring {(apart - here) / whole:+.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
