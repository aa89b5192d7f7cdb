"""End to end: `lvef measure` against what a user would run instead, on the same clip, in the same run.

The clip: 175 frames, 112 x 112, MJPEG AVI, 50 frames a second, made here (a beating ellipse in a speckled fan).
The reference: OpenCV decoding, torchvision `deeplabv3_resnet50` on each frame (batches of 8, one output class) and
`r2plus1d_18` on clips of 32 frames, every second frame, eager PyTorch in f32, all threads. Untrained weights cost the same
as trained ones. Two references are timed: the whole clip covered once (3 clips of 32 frames; the one that ratios use), and
every possible start as EchoNet-Dynamic's public test script does.

Needs ``pip install "lvef[weights]" torch torchvision``. Run: ``python benchmarks/measure.py [--repeats 5] [--out FILE]``.
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
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

N_FRAMES, SIDE, RATE = 175, 112, 50
"""The median clip of EchoNet-Dynamic."""

CLIP_FRAMES, CLIP_PERIOD = 32, 2
"""Input of EchoNet-Dynamic's published EF network."""


def make_clip(path: Path) -> None:
    """Write the clip."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    fan = (np.abs(np.arctan2(x - SIDE / 2, y + 8)) < 0.65) & (np.hypot(x - SIDE / 2, y + 8) < SIDE)
    grain = cv2.GaussianBlur(rng.gamma(2, 0.5, (SIDE, SIDE)).astype(np.float32), (0, 0), 1.0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (SIDE, SIDE))
    for i in range(N_FRAMES):
        squeeze = 1 - 0.14 * (1 - np.cos(2 * np.pi * 1.2 * i / RATE))
        r = np.hypot((x - 58) / (19 * squeeze), (y - 46) / (36 * (0.6 + 0.4 * squeeze)))
        level = np.where(r < 1, 22, np.where(r < 1.45, 120, 75))
        level = np.where((r >= 1) & (y > 82) & (np.hypot((x - 58) / 16, (y - 96) / 12) < 1), 25, level)
        grey = np.clip(level * grain * fan + rng.normal(0, 3, fan.shape) * fan, 0, 255).astype(np.uint8)
        writer.write(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    writer.release()


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median wall time of ``work`` after one run to warm up."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


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


def fresh_process(path: Path, precision: str, repeats: int) -> tuple[float, float] | None:
    """Median seconds and peak memory in MB of `lvef measure --json` as a new process; None where it refuses.

    Call it before anything large is loaded here: a child's peak counts what its parent held when it was made.
    """
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
    times, peak = [], 0.0
    for _ in range(repeats):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        times.append(time.perf_counter() - began)
        if status != 0:
            return None
        # Linux counts in KiB, macOS in bytes.
        peak = max(peak, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2))
    return statistics.median(times), peak


def measure_warm(clip: Path, precision: str, out: Path, repeats: int, rows: dict[str, float]) -> None:
    """Time the answer alone, and with every output, in a process that has the network loaded."""
    from lvef.core.terms import Status
    from lvef.measure.batch import Job, run_batch
    from lvef.measure.options import MeasureOptions
    from lvef.measure.pipeline import Measurer
    from lvef.measure.results import Result
    from lvef.report.outputs import write_outputs

    measurer = Measurer(replace(MeasureOptions(), precision=precision))
    measurement, _ = measurer.measure(clip)
    if measurement.status not in (Status.OK, Status.PARTIAL_CYCLE):
        raise SystemExit(f"the clip was not measured: {measurement.reason}")
    rows[f"lvef {precision}, answer alone, warm"] = seconds(lambda: measurer.measure(clip), repeats)
    job = Job((clip,), lambda: Result(*measurer.measure(clip)))
    rows[f"lvef {precision}, every output, warm"] = seconds(
        lambda: run_batch([job], out, write=write_outputs, settings={}, resume=False), repeats
    )


def beside(clip: Path, other: Path, repeats: int) -> dict[str, float]:
    """Time of the default model over that of another one, warm, measured by turns, for each precision."""
    from lvef.core.errors import ConfigError
    from lvef.measure.options import MeasureOptions
    from lvef.measure.pipeline import Measurer

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
    parser.add_argument(
        "--every-start", action="store_true", help="time the 113-clip reference too (minutes)"
    )
    parser.add_argument(
        "--beside", type=Path, help="folder of another model: time both by turns, nothing else"
    )
    args = parser.parse_args()

    if args.beside is not None:
        with tempfile.TemporaryDirectory() as folder:
            make_clip(Path(folder) / "clip.avi")
            for precision, ratio in beside(Path(folder) / "clip.avi", args.beside, args.repeats).items():
                print(f"{precision}: {ratio:.2f} times the time of {args.beside}")
        return
    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.avi"
        make_clip(clip)
        help_command = [sys.executable, "-m", "lvef.cli.main", "--help"]
        rows["lvef --help"] = seconds(
            lambda: subprocess.run(help_command, check=True, capture_output=True), 5
        )
        precisions = []
        for precision in ("bf16", "f32"):
            fresh = fresh_process(clip, precision, args.repeats)
            if fresh is not None:
                precisions.append(precision)
                rows[f"lvef {precision}, answer alone, fresh process"] = fresh[0]
                rows[f"lvef {precision}, peak memory of that process, MB"] = fresh[1]
        for precision in precisions:
            measure_warm(clip, precision, Path(folder) / f"out-{precision}", args.repeats, rows)
        rows["reference, clip covered once"] = slow = seconds(
            reference(clip, every_start=False), max(1, args.repeats // 2)
        )
        if args.every_start:
            rows["reference, every start"] = seconds(reference(clip, every_start=True), 1)
    processor = _processor()
    print(f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, value in rows.items():
        if name.endswith("MB"):
            print(f"{name:48} {value:9.0f}")
        else:
            print(f"{name:48} {value:9.3f} s   {slow / value:7.1f} x")
    if args.out:
        args.out.write_text(json.dumps({"processor": processor, "rows": rows}, indent=2) + "\n")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
