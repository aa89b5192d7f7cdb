"""End to end: `lvef measure` against what a user would run instead, on the same clip, by turns in the same run.

The clip: a synthetic phantom of 175 frames, 112 x 112, MJPEG AVI, 50 frames a second.
The reference: OpenCV decoding, torchvision `deeplabv3_resnet50` on each frame (batches of 8, one output class) and
`r2plus1d_18` on clips of 32 frames, every second frame, eager PyTorch in f32, all threads. Untrained weights cost the same
as trained ones. Two references are timed: the whole clip covered once (3 clips of 32 frames; the one that ratios use), and
every possible start as EchoNet-Dynamic's public test script does.
The floor: decoding and the network alone, as many frames through the same engine, nothing else.

Each round times everything once; the median of the rounds counts, of ratios that of the ratios within a round. Beside the
wall time stands the processor time of all threads of this process, which other work on the machine hardly changes; it does
not hold that of the process that decodes.

Needs ``pip install "lvef[weights]" torch torchvision``. Run: ``python benchmarks/measure.py [--repeats 5] [--out FILE]``;
without torch: ``--no-reference``. ``ONEDNN_MAX_CPU_ISA=AVX2`` before it, with ``--precision f32``, imitates an older one.
With ``--beside FOLDER`` only the default model and the one in that folder are timed, by turns: their ratio; no torch needed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.terms import Status
from lvef.inference.catalogue import find_model, open_model
from lvef.inference.session import bf16_available
from lvef.io.open import open_clip
from lvef.measure.batch import Job, run_batch
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.predictor import prefetch
from lvef.measure.predictors import CHUNK
from lvef.measure.results import Result
from lvef.report.outputs import write_outputs

N_FRAMES, SIDE, RATE = 175, 112, 50
"""The median clip of EchoNet-Dynamic."""

REFERENCE = "reference, clip covered once"

CLIP_FRAMES, CLIP_PERIOD = 32, 2
"""Input of EchoNet-Dynamic's published EF network."""


def make_clip(folder: Path) -> Path:
    """Write the clip into a folder."""
    words = [
        "--clips",
        "1",
        "--seed",
        "7",
        "--rhythm",
        "sinus",
        "--frames",
        str(N_FRAMES),
        "--size",
        str(SIDE),
    ]
    words += ["--frame-rate-hz", str(RATE), "--quiet"]
    command = [sys.executable, "-m", "lvef.cli.main", "synthesize", "phantom", str(folder / "made"), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (clip,) = (folder / "made" / "Videos").glob("*.avi")
    return clip


@dataclass
class Timed:
    """Seconds of each round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def by_turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, Timed]:
    """Time all works in each of so many rounds, after one round to warm up."""
    found = {name: Timed() for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            found[name].wall.append(time.perf_counter() - wall)
            found[name].cpu.append(time.process_time() - cpu)
    return {name: Timed(one.wall[1:], one.cpu[1:]) for name, one in found.items()}


def floor(path: Path, precision: str) -> Callable[[], object]:
    """Decoding and the network alone."""
    entry = find_model(MeasureOptions.weights)
    session = open_model(entry, backend="auto", precision=precision, threads=0)
    spec = entry.card.input
    shape = (CHUNK, len(spec.offsets_s), spec.size, spec.size)
    batch = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def run() -> None:
        count = len(open_clip(path).frames)
        sizes = [min(CHUNK, count - first) for first in range(0, count, CHUNK)]
        for _ in prefetch(lambda size: session.start(batch[:size]), sizes, session.describe().lanes + 1):
            pass

    return run


def reference(path: Path, *, every_start: bool) -> Callable[[], object]:
    """What a user would run instead; every_start clips are timed on a sample and scaled by the caller."""
    import torch
    from torchvision.models.segmentation import deeplabv3_resnet50
    from torchvision.models.video import r2plus1d_18

    segment = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=1, aux_loss=False).eval()
    regress = r2plus1d_18(weights=None)
    regress.fc = torch.nn.Linear(512, 1)
    regress.eval()
    span = CLIP_FRAMES * CLIP_PERIOD

    def run() -> None:
        capture = cv2.VideoCapture(str(path))
        frames = []
        while True:
            ok, frame = capture.read()
            if not ok:
                break
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        video = torch.from_numpy(np.stack(frames)).float().permute(0, 3, 1, 2) / 127.5 - 1
        starts = list(range(N_FRAMES - span + CLIP_PERIOD)) if every_start else [0, 64, N_FRAMES - span + 1]
        with torch.inference_mode():
            for batch in video.split(8):
                segment(batch)["out"]
            for start in starts:
                regress(video[start : start + span - 1 : CLIP_PERIOD].permute(1, 0, 2, 3)[None])

    return run


def fresh_process(path: Path, precision: str) -> float:
    """Run `lvef measure --json` as a new process and give its peak memory in MB."""
    command = [
        sys.executable,
        "-m",
        "lvef.cli.main",
        "measure",
        str(path),
        "--json",
        "--precision",
        precision,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"lvef measure ended with {os.waitstatus_to_exitcode(status)}")
    # Linux counts in KiB, macOS in bytes.
    return usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def warm(clip: Path, precision: str, out: Path) -> dict[str, Callable[[], object]]:
    """The answer alone, and with every output, in a process that has the network loaded."""
    measurer = Measurer(replace(MeasureOptions(), precision=precision))
    measurement, _ = measurer.measure(clip)
    if measurement.status not in (Status.OK, Status.PARTIAL_CYCLE):
        raise SystemExit(f"the clip was not measured: {measurement.reason}")
    job = Job((clip,), lambda: Result(*measurer.measure(clip)))
    return {
        f"lvef {precision}, answer alone, warm": lambda: measurer.measure(clip),
        f"lvef {precision}, every output, warm": lambda: run_batch(
            [job], out, write=write_outputs, settings={}, resume=False
        ),
    }


def beside(clip: Path, other: Path, repeats: int) -> dict[str, float]:
    """Time of the default model over that of another one, warm, measured by turns, for each precision."""
    ratios = {}
    for precision in ("bf16", "f32"):
        options = (
            replace(MeasureOptions(), precision=precision, weights=w)
            for w in (MeasureOptions.weights, str(other))
        )
        try:
            measurers = [Measurer(each) for each in options]
        except ConfigError:
            continue  # no bf16 units here
        times: list[list[float]] = [[], []]
        for _ in range(repeats + 1):
            for measurer, taken in zip(measurers, times, strict=True):
                began = time.perf_counter()
                measurer.measure(clip)
                taken.append(time.perf_counter() - began)
        ours, theirs = (statistics.median(taken[1:]) for taken in times)
        ratios[precision] = ours / theirs
    return ratios


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the rows there as JSON")
    parser.add_argument("--precision", choices=("f32", "bf16"), help="only this one")
    parser.add_argument("--no-reference", action="store_true", help="without the PyTorch reference")
    parser.add_argument(
        "--every-start", action="store_true", help="time the 113-clip reference too (minutes)"
    )
    parser.add_argument(
        "--beside", type=Path, help="folder of another model: time both by turns, nothing else"
    )
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder)
        if args.beside is not None:
            for precision, ratio in beside(clip, args.beside, args.repeats).items():
                print(f"{precision}: {ratio:.2f} times the time of {args.beside}")
            return
        precisions = ("bf16", "f32") if bf16_available() else ("f32",)
        precisions = (args.precision,) if args.precision else precisions
        help_command = [sys.executable, "-m", "lvef.cli.main", "--help"]
        works: dict[str, Callable[[], object]] = {
            "lvef --help": lambda: subprocess.run(help_command, check=True, capture_output=True)
        }
        peaks: dict[str, float] = {}
        for precision in precisions:

            def fresh(precision: str = precision) -> None:
                peaks[precision] = max(peaks.get(precision, 0.0), fresh_process(clip, precision))

            # Before anything large is loaded here: a child's peak counts what its parent held when it was made.
            fresh()
            works[f"lvef {precision}, answer alone, fresh process"] = fresh
        for precision in precisions:
            works |= warm(clip, precision, folder / f"out-{precision}")
            works[f"decoding and network alone, {precision}"] = floor(clip, precision)
        if not args.no_reference:
            works[REFERENCE] = reference(clip, every_start=False)
        times = by_turns(works, args.repeats)
        if args.every_start:
            times |= by_turns({"reference, every start": reference(clip, every_start=True)}, 1)
    rows = {name: statistics.median(one.wall) for name, one in times.items()}
    processor = _processor()
    print(f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, one in times.items():
        cpu = statistics.median(one.cpu)
        print(f"{name:48} {rows[name]:9.3f} s   processor {cpu:9.3f} s", end="")
        if REFERENCE in times and len(one.wall) == args.repeats:
            print(f"   {_ratio(times[REFERENCE].wall, one.wall):7.1f} x", end="")
        print()
    for precision, peak in peaks.items():
        print(f"{'peak memory of a fresh process, ' + precision:48} {peak:9.0f} MB")
    for precision in precisions:
        alone, least = (
            times[f"lvef {precision}, answer alone, warm"],
            times[f"decoding and network alone, {precision}"],
        )
        wall, cpu = _ratio(alone.wall, least.wall), _ratio(alone.cpu, least.cpu)
        print(f"{precision}: {wall:.2f} times decoding and network alone, processor {cpu:.2f} times")
    if args.out:
        args.out.write_text(json.dumps({"processor": processor, "rows": rows}, indent=2) + "\n")


def _ratio(over: list[float], under: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
