"""Where the time of one measurement goes: processor time of the calling thread by stage, and the rest, which is the network.

Each stage is without the stages inside it. The network works in threads of its own: they take the processor time of all
threads less that of the calling one. The process that decodes is left out: clips are decoded in place here.

Run: ``python benchmarks/stages.py FILE ... [--precision bf16] [--repeats 7]``.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lvef.io.open import open_clip
from lvef.measure import pipeline
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer

STAGES = {
    "decoding": [("lvef.measure.pipeline", "open_clip")],
    "cuts, freezes and copies": [("lvef.measure.pipeline", "good_part")],
    "sector": [("lvef.measure.pipeline", "find_sector")],
    "view": [("lvef.measure.pipeline", "view_of")],
    "network input": [
        ("lvef.measure.predictors", name) for name in ("fit", "normalise", "both_ways", "mirror")
    ],
    "tracing": [("lvef.measure.predictors", name) for name in ("traces_in_image", "trace_frames")],
    "network output and batches": [("lvef.measure.predictors", "SegmentationPredictor.trace")],
    "wall contact and certainty": [
        ("lvef.measure.predictors", name) for name in ("wall_contact", "border_certainty")
    ],
    "temporal smoothing": [("lvef.measure.pipeline", "smooth_tracings")],
    "curve and beats": [("lvef.measure.pipeline", name) for name in ("plausible_curve", "analyse_beats")],
    "quality": [("lvef.measure.pipeline", name) for name in ("quality_of_clip", "implausible_shapes")],
    "everything else": [("lvef.measure.pipeline", "Measurer.measure_clip")],
}

taken: dict[str, float] = defaultdict(float)
inside: list[float] = []


def watch(module: str, name: str, stage: str) -> None:
    """Replace a function by one that adds its time to a stage."""
    owner: Any = importlib.import_module(module)
    *classes, last = name.split(".")
    for part in classes:
        owner = getattr(owner, part)
    function: Callable[..., Any] = getattr(owner, last)

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        began = time.thread_time()
        inside.append(0.0)
        try:
            return function(*args, **kwargs)
        finally:
            whole = time.thread_time() - began
            taken[stage] += whole - inside.pop()
            if inside:
                inside[-1] += whole

    setattr(owner, last, watched)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()

    pipeline.open_clip = open_clip
    for stage, functions in STAGES.items():
        for module, name in functions:
            watch(module, name, stage)
    measurer = Measurer(replace(MeasureOptions(), precision=args.precision))
    for path in args.files:
        measurer.measure(path)
        rounds: list[dict[str, float]] = []
        for _ in range(args.repeats):
            taken.clear()
            whole, own = time.process_time(), time.thread_time()
            found, _ = measurer.measure(path)
            own = time.thread_time() - own
            whole = time.process_time() - whole
            rounds.append({**taken, "network": whole - own, "all": whole})
        middle = {
            name: statistics.median(one.get(name, 0.0) for one in rounds) for name in (*STAGES, "network")
        }
        total = statistics.median(one["all"] for one in rounds)
        print(
            f"{path.name}: {len(found.tracings)} frames, {1000 * total:.0f} ms of all threads, {found.status}"
        )
        for name, seconds in sorted(middle.items(), key=lambda row: -row[1]):
            print(f"    {name:28} {1000 * seconds:7.1f} ms  {100 * seconds / total:5.1f} %")


if __name__ == "__main__":
    main()
