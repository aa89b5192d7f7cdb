"""How far three ways of reading EF off a noisy volume curve are from the truth.

Synthetic curves of known EF (`lvef.synthesis.volume_curves`), four beats each, starting anywhere in a beat. Methods:

- ``raw``: largest minus smallest value of each beat, what most public code does;
- ``ours``: `lvef.geometry.beats.analyse_beats`, mean over the counted beats;
- ``heavy``: largest minus smallest value after a Savitzky-Golay filter of 0.4 s (a parabola).

Run: ``python -m benchmarks.curve_bias`` (about a minute). Prints Markdown, writes ``out/curve_bias.png``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lvef.core.records import FloatArray, VolumeCurve
from lvef.geometry.beats import analyse_beats
from lvef.geometry.smoothing import smooth
from lvef.synthesis.volume_curves import Rhythm, regular
from studies.noisy_curves import noisy_curve

OUT = Path(__file__).resolve().parents[1] / "out" / "curve_bias.png"
EFS = (15, 30, 45, 60, 75)
RATES = (40, 60, 75, 100, 140, 180)
FRAME_RATES = (20, 30, 50, 100)
NOISES = ((0.0, 0.0), (0.02, 0.0), (0.03, 0.0), (0.05, 0.0), (0.03, 0.05), (0.05, 0.05))
BEATS = 6
HEAVY_S = 0.4


def extremes(curve: VolumeCurve, rhythm: Rhythm, start_s: float, values: FloatArray) -> float:
    """Mean EF of max - min inside each true beat: the method gets the beats for free."""
    clock = curve.times_s + start_s
    efs = []
    for onset, cycle in zip(rhythm.onsets_s[1:-1], rhythm.cycles_s[1:-1], strict=True):
        beat = values[(clock >= onset - 0.05 * cycle) & (clock < onset + 0.95 * cycle)]
        efs.append(100 * (beat.max() - beat.min()) / beat.max())
    return float(np.mean(efs))


def trial(ef: float, rate: float, fps: float, sd: float, tau: float, rng: np.random.Generator) -> list[float]:
    """Error in EF points of raw, ours, heavy; NaN where ours found no beat."""
    rhythm = regular(BEATS, rate, ef)
    start = float(rng.uniform(0, 60 / rate))
    curve = noisy_curve(rhythm, fps, start_s=start, noise_sd=120 * sd, correlation_s=tau, rng=rng)
    found = analyse_beats(curve).ef_mean_percent
    heavy = smooth(curve.volume, 1 / fps, HEAVY_S)
    return [
        extremes(curve, rhythm, start, curve.volume) - ef,
        np.nan if found is None else found - ef,
        extremes(curve, rhythm, start, heavy) - ef,
    ]


def cell(errors: Iterable[list[float]]) -> list[str]:
    """Bias and standard deviation of each method, and how often ours found nothing."""
    table = np.array(list(errors))
    text = [f"{np.nanmean(column):+.1f} ({np.nanstd(column):.1f})" for column in table.T]
    return [*text, f"{100 * np.isnan(table[:, 1]).mean():.1f}"]


def table(name: str, rows: list[tuple[str, Callable[[], Iterable[list[float]]]]]) -> list[list[str]]:
    """Print one Markdown table."""
    print(f"\n| {name} | raw max - min | ours | heavy smoothing | ours: no beat, % |")
    print("|---|---|---|---|---|")
    done = []
    for label, errors in rows:
        done.append(cell(errors()))
        print(f"| {label} | " + " | ".join(done[-1]) + " |")
    return done


def main() -> None:
    """Print the tables and draw the image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    def runs(
        efs: Iterable[float] = EFS,
        rates: Iterable[float] = RATES,
        frame_rates: Iterable[float] = FRAME_RATES,
        noises: Iterable[tuple[float, float]] = ((0.03, 0.0),),
    ) -> list[list[float]]:
        rng = np.random.default_rng(args.seed)
        return [
            trial(ef, rate, fps, sd, tau, rng)
            for ef in efs
            for rate in rates
            for fps in frame_rates
            for sd, tau in noises
            for _ in range(args.repeats)
        ]

    def label(sd: float, tau: float) -> str:
        return "none" if sd == 0 else f"{sd:.0%} of EDV, " + (f"correlated {tau:g} s" if tau else "white")

    print("EF points: bias (standard deviation of one clip's mean EF).")
    done = table("noise", [(label(*n), lambda n=n: runs(noises=(n,))) for n in NOISES])  # type: ignore[misc]
    table("true EF, 3 % noise", [(str(ef), lambda ef=ef: runs(efs=(ef,))) for ef in EFS])  # type: ignore[misc]
    table("beats/min, 3 % noise", [(str(r), lambda r=r: runs(rates=(r,))) for r in RATES])  # type: ignore[misc]
    table("frames/s, 3 % noise", [(str(f), lambda f=f: runs(frame_rates=(f,))) for f in FRAME_RATES])  # type: ignore[misc]
    table(
        "beats/min x frames/s, 3 % noise (ours)",
        [
            (f"{r} x {f}", lambda r=r, f=f: runs(rates=(r,), frame_rates=(f,)))  # type: ignore[misc]
            for r in (40, 75, 180)
            for f in FRAME_RATES
        ],
    )

    figure, axis = plt.subplots(figsize=(7, 4))
    for i, name in enumerate(("raw max - min", "ours", "heavy smoothing")):
        bias = [float(row[i].split()[0]) for row in done]
        spread = [float(row[i].split()[1].strip("()")) for row in done]
        axis.errorbar(np.arange(len(done)) + 0.1 * (i - 1), bias, spread, fmt="o", capsize=3, label=name)
    axis.axhline(0, color="0.6", lw=0.8)
    axis.set_xticks(range(len(done)), [label(*n).replace(", ", "\n") for n in NOISES], fontsize=8)
    axis.set_ylabel("EF bias and sd (points)")
    axis.legend(frameon=False)
    figure.tight_layout()
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=120)


if __name__ == "__main__":
    main()
