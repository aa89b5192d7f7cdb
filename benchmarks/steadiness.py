"""How steady the numbers are: volume, long axis and apex of a repeated still, of a cine, and of broken masks.

Four tables, all but the last through the code that serves (fan, network, tracing, disks):

- *Repeated still*: each still 60 times with fresh multiplicative speckle of 20 %; standard deviation over the
  repeats, so what the network and the geometry make of noise alone. "Smoothed" is `lvef.geometry.smoothing` with the
  repeats as a cine of 50 frames a second (or 25).
- *Cine*: frame-to-frame jitter of the real cine in the `pydicom` package, the root mean square of the second
  difference over the root of 6: white noise of standard deviation s gives s, a smooth beat hardly anything.
- *Broken masks*: how far the figures of a mask move when it is damaged (`studies.corrupted_masks`), median
  and 90th percentile over masks.
- *EF*: what temporal smoothing does to EF on synthetic curves of known EF: bias (standard deviation) of the beats' mean EF
  and of the EF of the single frames at true end-diastole and end-systole. A Gaussian mean over time stands beside.

Volume and long axis are in % of their mean, the apex' place in % of the long axis. With ``--data`` the stills and masks are
CAMUS *training* patients; without, frames of the cine and the network's own labels on them.

Run: ``python -m benchmarks.steadiness [--data CAMUS] [--weights NAME_OR_FOLDER]`` (about two minutes). Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from lvef.core.errors import GeometryError
from lvef.core.records import Clip, FloatArray, Tracing
from lvef.core.terms import Phase, View
from lvef.datasets.camus import read_split, read_stills
from lvef.geometry.beats import analyse_beats
from lvef.geometry.simpson import axis_length, volume_of_tracing
from lvef.geometry.smoothing import smooth_tracings
from lvef.geometry.tracing import trace_labels, tracing_of_contour, volume_curve_of_tracings
from lvef.io.open import open_clip, sample_cine
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import FrameContext
from lvef.measure.predictors import SegmentationPredictor
from lvef.synthesis.volume_curves import regular
from lvef.transforms.sector import find_sector
from studies.corrupted_masks import CORRUPTIONS
from studies.noisy_curves import noisy_curve

REPEATS = 60
"""Noisy copies of each still."""

SPECKLE = 0.2
"""Standard deviation of the multiplicative grain."""

N_STILLS, N_MASKS = 12, 60
"""Stills that are repeated and masks that are broken, evenly spread over the training patients."""

CINE_FRAMES = (2, 14, 22)
"""Frames of the cine that stand in for stills: late systole, filling, about end-diastole."""


FRAME_RATES_HZ = (25.0, 50.0)
"""Clocks on which the repeats of a still are taken as a cine."""

GAUSSIAN_S = 0.02
"""Standard deviation of the mean over time that stands beside; on a still at 50 frames/s it smooths about as much."""

EFS, RATES, CURVE_RATES_HZ = (15, 30, 45, 60, 75), (40, 60, 75, 100, 140, 180), (20, 30, 50, 100)
"""EF in percent, beats a minute and frames a second of the synthetic curves; two curves each."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is watched: volume, long axis, apex ``(x, y)`` in the units of the image."""

    volume: float
    length: float
    apex: FloatArray


def figures(tracing: Tracing) -> Figures:
    """The watched figures of a tracing."""
    return Figures(volume_of_tracing(tracing), axis_length(tracing), tracing.apex)


def cine() -> Clip:
    """The cine of the `pydicom` package."""
    return open_clip(sample_cine())


def speckled(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A copy under multiplicative grain, cells of about 2.4 pixels."""
    grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape), (0, 0), 1.0)
    return np.clip(np.round(image * (1 + SPECKLE * grain / grain.std())), 0, 255).astype(np.uint8)


def spread(rows: Sequence[Figures]) -> list[float]:
    """Standard deviation of volume, long axis and apex, in percent."""
    length = np.array([r.length for r in rows])
    volume = np.array([r.volume for r in rows])
    apex = np.sqrt(np.var([r.apex for r in rows], axis=0).sum())
    return [
        100 * float(v)
        for v in (volume.std() / volume.mean(), length.std() / length.mean(), apex / length.mean())
    ]


def jitter(rows: Sequence[Figures]) -> list[float]:
    """Frame-to-frame jitter of volume, long axis and apex, in percent."""

    def rms(values: FloatArray) -> float:
        second = np.diff(values.reshape(len(values), -1), 2, axis=0)
        return float(np.sqrt((second**2).sum(axis=1).mean() / 6))

    length, volume, apex = (
        np.array([getattr(r, name) for r in rows]) for name in ("length", "volume", "apex")
    )
    return [
        100 * v for v in (rms(volume) / volume.mean(), rms(length) / length.mean(), rms(apex) / length.mean())
    ]


def moved(whole: Figures, broken: Figures) -> list[float]:
    """How far volume, long axis and apex moved, in percent of the unbroken ones."""
    return [
        100 * abs(broken.volume / whole.volume - 1),
        100 * abs(broken.length / whole.length - 1),
        100 * float(np.hypot(*(broken.apex - whole.apex))) / whole.length,
    ]


def repeated(predictor: SegmentationPredictor, clip: Clip, rng: np.random.Generator) -> list[Tracing | None]:
    """Tracings of noisy copies of a still."""
    frames = np.stack([speckled(clip.frames[0], rng) for _ in range(REPEATS)])
    return list(predictor.trace(frames, find_sector(clip).box, clip.spacing).tracings)


def watched(tracings: Sequence[Tracing | None]) -> list[Figures]:
    """Figures of those that were traced."""
    return [figures(t) for t in tracings if t is not None]


def row(name: str, cells: Sequence[float]) -> None:
    """Print a line of a table."""
    print(f"| {name} | " + " | ".join(f"{c:.2f}" for c in cells) + " |", flush=True)


def table_of_stills(predictor: SegmentationPredictor, stills: Sequence[Clip], seed: int) -> None:
    """Print the first table: median (largest) over stills."""
    print(
        f"\n| {len(stills)} stills, {REPEATS} times | volume SD, % | long axis SD, % | apex SD, % |\n|---|---|---|---|"
    )
    rng = np.random.default_rng(seed)
    found = [repeated(predictor, clip, rng) for clip in stills]

    def line(name: str, runs: Sequence[Sequence[Tracing | None]]) -> None:
        spreads = np.array([spread(watched(run)) for run in runs])
        cells = zip(np.median(spreads, axis=0), spreads.max(axis=0), strict=True)
        print(f"| {name} | " + " | ".join(f"{m:.2f} ({h:.2f})" for m, h in cells) + " |", flush=True)

    line("each frame alone", found)
    for rate in FRAME_RATES_HZ:
        line(
            f"smoothed, {rate:g} frames/s", [smooth_tracings(run, np.arange(REPEATS) / rate) for run in found]
        )
    lost = sum(t is None for run in found for t in run)
    if lost:
        print(f"\n{lost} copies were not traced.")


def table_of_cine(predictor: SegmentationPredictor, clip: Clip) -> None:
    """Print the second table."""
    print("\n| cine | volume jitter, % | long axis jitter, % | apex jitter, % |\n|---|---|---|---|")
    traced = predictor.trace(
        clip.frames, find_sector(clip).box, clip.spacing, FrameContext(clip.times_s)
    ).tracings
    row("each frame alone", jitter(watched(traced)))
    row("smoothed", jitter(watched(smooth_tracings(traced, clip.times_s))))


def table_of_masks(masks: Sequence[NDArray[np.uint8]], seed: int) -> None:
    """Print the third table: median (90th percentile)."""
    print(
        f"\n| damage, {len(masks)} masks | volume, % | long axis, % | apex, % | not traced |\n|---|---|---|---|---|"
    )
    whole = [trace_labels(mask) for mask in masks]
    for name, damage in CORRUPTIONS.items():
        rng = np.random.default_rng(seed)
        found, lost = [], 0
        for mask, tracing in zip(masks, whole, strict=True):
            try:
                found.append(moved(figures(tracing), figures(trace_labels(damage(mask, tracing, rng)))))
            except GeometryError:
                lost += 1
        middle, high = np.percentile(np.array(found), [50, 90], axis=0)
        cells = " | ".join(f"{a:.1f} ({b:.1f})" for a, b in zip(middle, high, strict=True))
        print(f"| {name} | {cells} | {lost} |", flush=True)


def model(volume: float) -> Tracing:
    """Half an ellipsoid of that volume, three times as long as its radius, flat base below."""
    radius = float(np.cbrt(volume / (2 * np.pi)))
    angle = np.linspace(0, np.pi, 61)
    contour = np.stack([-radius * np.cos(angle), -3 * radius * np.sin(angle)], axis=1)
    return tracing_of_contour(contour, np.array([0.0, -3 * radius]), contour[[0, -1]])


def table_of_ef(seed: int) -> None:
    """Print the fourth table: EF points, bias (standard deviation)."""
    print("\n| noise | method | EF of beats | EF of single frames | no beat, % |\n|---|---|---|---|---|")
    for sd in (0.0, 0.03, 0.06):
        rng = np.random.default_rng(seed)
        beats: dict[str, list[float]] = {}
        frames: dict[str, list[float]] = {}
        for ef, rate, hz, _ in product(EFS, RATES, CURVE_RATES_HZ, range(2)):
            start = float(rng.uniform(0, 60 / rate))
            rhythm = regular(6, rate, ef)
            # In cubic pixels of some size; the truth at the same instants tells which frames to look at.
            truth = noisy_curve(rhythm, hz, start_s=start).volume
            curve = noisy_curve(rhythm, hz, start_s=start, noise_sd=120 * sd, rng=rng)
            traced = [model(1e3 * max(v, 1.0)) for v in curve.volume]
            steady = volume_curve_of_tracings(smooth_tracings(traced, curve.times_s), curve.times_s, None)
            mean = replace(
                curve,
                volume=np.exp(gaussian_filter1d(np.log(np.maximum(curve.volume, 1.0)), GAUSSIAN_S * hz)),
            )
            ed, es = int(np.argmax(truth)), int(np.argmin(truth))
            offset = ef - 100 * (1 - truth[es] / truth[ed])
            for name, one in (("each frame alone", curve), ("smoothed", steady), ("Gaussian 0.02 s", mean)):
                found = analyse_beats(one).ef_mean_percent
                beats.setdefault(name, []).append(np.nan if found is None else found - ef)
                single = 100 * (1 - one.volume[es] / one.volume[ed])
                frames.setdefault(name, []).append(float(single + offset - ef))
        for name in beats:
            b, f = np.array(beats[name]), np.array(frames[name])
            print(
                f"| {sd:.0%} | {name} | {np.nanmean(b):+.2f} ({np.nanstd(b):.2f}) | "
                f"{f.mean():+.2f} ({f.std():.2f}) | {100 * np.isnan(b).mean():.1f} |",
                flush=True,
            )


def camus(root: Path) -> tuple[list[Clip], list[NDArray[np.uint8]]]:
    """Stills to repeat and masks to break, of training patients only; views and phases take turns."""
    patients = read_split(root, "training")
    stills, masks = [], []
    kinds = [(view, phase) for view in View if view is not View.UNKNOWN for phase in Phase]
    for i, at in enumerate(np.linspace(0, len(patients) - 1, N_MASKS).round().astype(int)):
        for still in read_stills(root, [patients[at]]):
            if (still.view, still.phase) != kinds[i % len(kinds)]:
                continue
            masks.append(still.mask)
            if i % (N_MASKS // N_STILLS) == 0:
                stills.append(still.clip)
    return stills, masks


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds CAMUS' database_nifti")
    parser.add_argument("--weights", default=MeasureOptions.weights, help="name of a network, or its folder")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    predictor = SegmentationPredictor(MeasureOptions(weights=args.weights, precision="f32"))
    clip = cine()
    if args.data:
        stills, masks = camus(args.data)
    else:
        stills = [
            Clip(clip.frames[[i]], np.zeros(1), "still", f"frame {i}", clip.spacing) for i in CINE_FRAMES
        ]
        box = find_sector(clip).box
        masks = [
            p.argmax(axis=0).astype(np.uint8)
            for p, _ in predictor.probabilities(clip.frames, box, clip.spacing, FrameContext(clip.times_s))
        ]
    table_of_stills(predictor, stills, args.seed)
    table_of_cine(predictor, clip)
    table_of_masks(masks, args.seed)
    table_of_ef(args.seed)


if __name__ == "__main__":
    main()
