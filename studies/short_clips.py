"""Beats of short and of slow clips, on curves of known EF: the error of incomplete cycles, and end-systole at its minimum.

Run it as ``python -m studies.short_clips``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from lvef.core.records import VolumeCurve
from lvef.geometry.beats import BeatAnalysis, analyse_beats
from lvef.synthesis.volume_curves import regular
from studies.noisy_curves import noisy_curve

NOISE_ML, CORRELATION_S = 1.5, 0.05
"""Noise of a curve of smoothed contours."""

GROSS_POINTS = 10.0
"""A larger error of the EF is gross."""


def short_clips(n: int, rng: np.random.Generator) -> Iterator[tuple[float, BeatAnalysis]]:
    """True EF and beats of clips of half a cycle to two cycles that begin anywhere.

    Args:
        n: How many.
        rng: Chance.
    """
    for _ in range(n):
        cycle_s, ef = 60 / rng.uniform(50, 110), rng.uniform(20, 70)
        rate_hz, start_s = float(rng.choice([25, 30, 50, 80])), rng.uniform(0, 3 * cycle_s)
        end_s = start_s + rng.uniform(0.45, 1.9) * cycle_s
        curve = _curve(60 / cycle_s, ef, rate_hz, (start_s, end_s), rng)
        yield ef, analyse_beats(curve, is_smoothed=True)


def slow_clips(
    n: int, rates_hz: tuple[float, ...], rng: np.random.Generator
) -> Iterator[tuple[float, VolumeCurve, BeatAnalysis]]:
    """True EF, curve and beats of clips of two to five beats at low frame rates.

    Args:
        n: How many.
        rates_hz: Frame rates, chosen at random.
        rng: Chance.
    """
    for _ in range(n):
        cycle_s, ef = 60 / rng.uniform(50, 110), rng.uniform(20, 70)
        start_s = rng.uniform(0, cycle_s)
        end_s = start_s + rng.uniform(2.2, 5) * cycle_s
        curve = _curve(60 / cycle_s, ef, float(rng.choice(rates_hz)), (start_s, end_s), rng)
        yield ef, curve, analyse_beats(curve, is_smoothed=True)


def beside_lower(curve: VolumeCurve, analysis: BeatAnalysis) -> list[bool]:
    """Of each beat whether a frame next to its end-systole has a smaller volume."""
    v = np.concatenate([[np.inf], curve.volume, [np.inf]])
    return [bool(min(v[b.es_frame], v[b.es_frame + 2]) < v[b.es_frame + 1]) for b in analysis.beats]


def _curve(
    rate: float, ef: float, rate_hz: float, part_s: tuple[float, float], rng: np.random.Generator
) -> VolumeCurve:
    return noisy_curve(
        regular(9, rate, ef),
        rate_hz,
        start_s=part_s[0],
        end_s=part_s[1],
        noise_sd=NOISE_ML,
        correlation_s=CORRELATION_S,
        rng=rng,
    )


def _line(name: str, errors: list[float]) -> str:
    away = np.abs(errors)
    return (
        f"{name}: {len(away)} clips, mean error {np.mean(errors):+.2f}, mean absolute {away.mean():.2f}, "
        f"median {np.median(away):.1f}, 95 % {np.percentile(away, 95):.1f} points, "
        f"{(away > GROSS_POINTS).mean():.1%} above {GROSS_POINTS:g}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=4000, help="clips of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers")
    args = parser.parse_args(arguments)
    rng = np.random.default_rng(args.seed)
    errors: dict[str, list[float]] = {"complete beat": [], "incomplete cycle": []}
    refused = 0
    for ef, found in short_clips(args.clips, rng):
        if found.representative is None:
            refused += 1
            continue
        kind = "incomplete cycle" if found.partial else "complete beat"
        errors[kind].append((found.ef_mean_percent or found.representative.ef_percent) - ef)
    for kind, values in errors.items():
        print(_line(kind, values))  # noqa: T201
    print(f"no EF: {refused} clips")  # noqa: T201
    for rates in ((15.0, 20.0, 25.0), (30.0, 40.0, 50.0)):
        away, lower = [], []
        for ef, curve, found in slow_clips(args.clips // 4, rates, rng):
            lower += beside_lower(curve, found)
            if found.ef_mean_percent is not None:
                away.append(found.ef_mean_percent - ef)
        rates_text = ", ".join(f"{rate:g}" for rate in rates)
        print(_line(f"{rates_text} Hz", away))  # noqa: T201
        print(f"  end-systole beside a lower frame: {np.mean(lower):.1%} of {len(lower)} beats")  # noqa: T201


if __name__ == "__main__":
    main()
