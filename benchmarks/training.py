"""Training clips a second: our loader and step against EchoNet-Dynamic's way, the parts one by one, in the same run.

The clips: as in ``loading.py``, 175 frames, 112 x 112, MJPEG AVI. The network: r2plus1d_18, 32 frames. EchoNet's way, as its
public code does it: OpenCV decodes the whole file in worker processes for every window, BGR becomes RGB float32, the image
is padded by 12 and cut at a random place, normalised in three channels, and the step runs in fp32, eager. Ours: windows in
seconds from the prepared store as grey bytes, variation on the device, and the precision that ``lvef train`` takes
there (bf16-mixed on GPUs that have it, else f32).

Also reported: loading alone, steps alone on data that is ready, and the part of the device's peak arithmetic that the steps
reach. The peak is measured, as the best of several matrix products of the same precision, not read from a leaflet; the
network's arithmetic is counted by ``torch.utils.flop_counter``, forwards and backwards.

Each way is timed several times, turn and turn about, and the median counts.

Needs ``make train-env``. Run:
``python benchmarks/training.py [--family r2plus1d-18] [--batch 4] [--steps 3] [--workers 2] [--out FILE]``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from loading import decoded_window, make_clips  # beside this file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from lvef.core.config import from_mapping
from lvef.models.families import build
from lvef.stores.prepare import prepare
from lvef.stores.recipes import ClipRecipe
from lvef.training.clip_augmentation import batch_generators
from lvef.training.loading import EpochSampler, loader
from lvef.training.machine import Machine
from lvef.training.recipe import PRECISIONS, Recipe
from lvef.training.regression import task_for
from lvef.training.training_data import open_training_data

WINDOW, STEP, PAD = 32, 2, 12
"""Input and padding of EchoNet-Dynamic's published network."""

MATRIX = 2048
"""Side of the matrices whose product measures the peak."""

ECHONET_MEAN, ECHONET_STD = (32.49, 32.63, 32.93), (49.87, 49.88, 50.13)
"""Its normalisation. Source: FACTS."""


class Decoded(Dataset[tuple[Tensor, Tensor]]):
    """Windows as EchoNet-Dynamic's loader makes them."""

    def __init__(self, paths: list[Path], length: int) -> None:
        self.paths, self.length = paths, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(i)
        clip = decoded_window(self.paths[i % len(self.paths)], rng)
        mean, std = (np.array(v, np.float32)[:, None, None, None] for v in (ECHONET_MEAN, ECHONET_STD))
        clip = (clip - mean) / std
        side = clip.shape[-1]
        padded = np.zeros((*clip.shape[:2], side + 2 * PAD, side + 2 * PAD), np.float32)
        padded[..., PAD:-PAD, PAD:-PAD] = clip
        y, x = rng.integers(0, 2 * PAD, 2)
        return torch.from_numpy(padded[..., y : y + side, x : x + side].copy()), torch.tensor(55.0)


def repeat(work: Callable[[], object], times: int) -> int:
    """Do something several times; give how often."""
    for _ in range(times):
        work()
    return times


def rate(work: Callable[[], int], device: torch.device) -> float:
    """How many a second ``work`` does; it returns how many it did."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    done = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return done / (time.perf_counter() - began)


def peak_flops(device: torch.device, kind: torch.dtype) -> float:
    """Arithmetic of a matrix product a second, the best of several."""
    a = torch.randn(MATRIX, MATRIX, device=device).to(kind)
    best = 0.0
    for _ in range(6):
        best = max(best, 2 * MATRIX**3 * rate(lambda: repeat(lambda: a @ a, 3), device))
    return best


class Ways:
    """Both ways, ready to run."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() and not args.cpu else "cpu")
        self.batch, self.steps, self.workers = args.batch, args.steps, args.workers
        precision = Machine("cpu" if args.cpu else "auto").precision(args.precision, "r2plus1d-18")
        self.fast = precision == "bf16-mixed"
        rows = make_clips(folder, args.clips)
        manifest = rows.with_columns(ef_percent=pl.Series(np.linspace(20, 75, len(rows))))
        prepare(manifest, folder / "store", ClipRecipe())
        self.paths = [folder / f"{item}.avi" for item in manifest["item"]]
        settings = {
            "name": "benchmark",
            "family": args.family,
            "clip": {"frames": WINDOW, "duration_s": 0.04 * (WINDOW - 1), "std": 1 / 255},
            "augmentation": {"shift": 0.05, "log_gamma": 0.2, "gain": 0.1, "noise": 0.03},
            "data": {"validation_fraction": 0.1},
        }
        self.recipe = from_mapping(Recipe, settings, "benchmark")
        self.data = open_training_data(self.recipe, [folder / "store"])

    def their_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Decoded windows, for as long as they are asked for."""
        spawn = "spawn" if self.workers else None
        source = Decoded(self.paths, 10_000)
        return iter(DataLoader(source, self.batch, num_workers=self.workers, multiprocessing_context=spawn))

    def our_batches(self) -> Iterator[dict[str, Tensor]]:
        """Windows of the store, epoch after epoch."""
        part = self.data.part(self.data.partition().train, train=True)
        sampler = EpochSampler([10_000 / len(part)] * len(part), 1)
        return iter(loader(part, sampler, self.batch, self.workers))

    def their_step(self) -> Callable[[tuple[Tensor, Tensor]], None]:
        """fp32, eager, on three channels."""
        net = build(self.recipe.family, {}).to(self.device).train()
        inner: nn.Module = getattr(net, "net", net)
        adam = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9)
        three = hasattr(net, "net")

        def step(batch: tuple[Tensor, Tensor]) -> None:
            clip, ef = (t.to(self.device, non_blocking=True) for t in batch)
            out = inner(clip if three else clip[:, :1]).view(-1)
            loss = (out - ef).square().mean()
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()

        return step

    def our_step(self) -> Callable[[dict[str, Tensor]], None]:
        """The task of ``lvef train``."""
        task = task_for(self.recipe, build(self.recipe.family, {})).to(self.device).train()
        adam = torch.optim.AdamW(task.parameters(), 1e-4, fused=self.device.type == "cuda")
        numbers = itertools.count()

        def step(batch: dict[str, Tensor]) -> None:
            moved = {
                k: v.to(self.device, non_blocking=True) for k, v in batch.items() if isinstance(v, Tensor)
            }
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.fast):
                loss = task.training_loss(moved, batch_generators((1, next(numbers)), self.device))
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()

        return step

    def flops_a_clip(self) -> float:
        """Arithmetic of one clip, forwards and backwards."""
        net = build(self.recipe.family, {}).train()
        clip = torch.zeros(1, 1, WINDOW, 112, 112).expand(2, -1, -1, -1, -1)
        with FlopCounterMode(display=False) as counter:
            net(clip).sum().backward()
        return counter.get_total_flops() / 2


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", default="r2plus1d-18")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3, help="steps of each measurement")
    parser.add_argument(
        "--rounds", type=int, default=3, help="each way is timed this often, turn and turn about"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that load, both ways")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="ours")
    parser.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    parser.add_argument("--out", type=Path, help="write the rows there as JSON")
    args = parser.parse_args()
    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        ways = Ways(Path(name), args)
        sides: list[tuple[str, Callable[[], Iterator[Any]], Callable[[], Callable[[Any], None]], torch.dtype]]
        sides = [
            ("EchoNet's way", ways.their_batches, ways.their_step, torch.float32),
            ("ours", ways.our_batches, ways.our_step, torch.bfloat16 if ways.fast else torch.float32),
        ]
        flops = ways.flops_a_clip()
        running = []
        for title, batches, make_step, kind in sides:
            step, source = make_step(), batches()
            ready = next(source)
            step(ready)
            running.append((title, step, source, ready, kind))
        found: dict[str, list[float]] = {}
        for _ in range(args.rounds):
            for title, step, source, ready, kind in running:
                works: dict[str, tuple[Callable[[], object], int]] = {
                    "loading and stepping": (lambda step=step, source=source: step(next(source)), args.steps),
                    "stepping alone": (lambda step=step, ready=ready: step(ready), args.steps),
                    "loading alone": (lambda source=source: next(source), 4 * args.steps),
                }
                for name, (work, times) in works.items():
                    done = rate(lambda work=work, times=times: repeat(work, times), ways.device)
                    found.setdefault(f"{title}: {name}, clips/s", []).append(args.batch * done)
                peak = peak_flops(ways.device, kind)
                found.setdefault(f"{title}: peak, TFLOP/s", []).append(peak / 1e12)
                part = 100 * found[f"{title}: stepping alone, clips/s"][-1] * flops / peak
                found.setdefault(f"{title}: part of the peak that steps reach, %", []).append(part)
        rows |= {name: statistics.median(values) for name, values in found.items()}
        for name in ("loading and stepping", "stepping alone", "loading alone"):
            theirs, ours = (np.array(found[f"{title}: {name}, clips/s"]) for title, *_ in running)
            rows[f"ours over EchoNet's way, {name}, times"] = float(np.median(ours / theirs))
        rows["arithmetic of a clip, GFLOP"] = flops / 1e9
        device = torch.cuda.get_device_name(0) if ways.device.type == "cuda" else platform.machine()
    print(
        f"{args.family}, batch {args.batch}, {args.workers} loading processes, {device}, {os.cpu_count()} cores"
    )
    for row, value in rows.items():
        print(f"{row:56} {value:10.2f}")
    if args.out:
        args.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
