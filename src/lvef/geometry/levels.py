"""End-diastolic and end-systolic level and time of one contraction on a noisy volume curve.

The largest and smallest value of a noisy curve lie too far apart, because the extremes *select* the noise;
those of a heavily smoothed curve lie too close together. Here neither the time nor the level comes from an
extreme value. The steep flanks tell the time (noise hardly moves a crossing of a steep line), and the level
is a local fit there:

- ejection falls through 70 % and 30 % of the swing at t70 and t30, filling rises through 30 % at u30;
- end-diastole lies `ED_LEAD` (t30 - t70) before t70, end-systole midway between t30 and u30;
- the level is a local polynomial on the unsmoothed samples around that time.

How large the biases of the alternatives are is measured in ``benchmarks/curve_bias.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvef.core.records import FloatArray
from lvef.geometry.smoothing import local_level

HIGH, LOW = 0.7, 0.3
"""Parts of the swing at which the flanks are timed; between them every ejection is steep."""

ED_LEAD = 1.7
"""From t70 back to end-diastole in units of t30 - t70. A sinusoid gives 1.4, an ejection that starts and ends
softly with a flat top 1.6 to 1.8."""

ES_LAG = 1.6
"""From t30 on to end-systole in units of t30 - t70, used only where the clip ends before u30."""

ED_HALF_WINDOW = 2.0
"""Half window of the end-diastolic fit in units of t30 - t70 (about 0.15 s at 60 beats a minute)."""

ES_HALF_WINDOW = 0.55
"""Half window of the end-systolic fit in units of u30 - t30 (about 0.15 s at 60 beats a minute)."""

LINE_SHARE = 0.3
"""Weight of the straight line beside the parabola in the end-systolic fit. On noise-free curves of
`lvef.synthesis.curves` the mean EF bias is +0.6 points at 0, 0.0 at 0.3, -1.4 at 1."""

ROUNDS = 2
"""How often the levels are fed back into the crossings; the second round moves EF by 0.1 points."""


@dataclass(frozen=True, slots=True)
class Contraction:
    """Times (s) and levels (unit of the curve) of one end-diastole and end-systole."""

    ed_time: float
    es_time: float
    ed_volume: float
    es_volume: float


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples that were traced (no NaN, no outliers) and the smoothed curve on an even grid."""

    times: FloatArray
    values: FloatArray
    grid: FloatArray
    smooth: FloatArray


def contraction(
    samples: Samples, high: int, low: int, fallback_half_width: float, bounds: tuple[int, int] | None = None
) -> Contraction:
    """Levels and times of the contraction between a high and the low after it.

    Args:
        samples: The curve.
        high: Grid index of the end-diastole as first found.
        low: Grid index of the end-systole as first found, after ``high``.
        fallback_half_width: Half window in seconds where the flanks cannot be timed.
        bounds: Grid indices of the low before and the high after, between which both times must lie; None for
            the whole clip.
    """
    grid, curve = samples.grid, samples.smooth
    best = Contraction(
        float(grid[high]),
        float(grid[low]),
        level_at(samples, float(grid[high]), fallback_half_width),
        level_at(samples, float(grid[low]), fallback_half_width),
    )
    ed, es = float(curve[high]), float(curve[low])
    before, after = (0, len(curve) - 1) if bounds is None else bounds
    for _ in range(ROUNDS):
        swing = ed - es
        if swing <= 0:
            break
        t70 = _crossing(grid, curve, es + HIGH * swing, low, high)
        t30 = _crossing(grid, curve, es + LOW * swing, low, high)
        if t70 is None or t30 is None or t30 <= t70:
            break
        step = t30 - t70
        u30 = _crossing(grid, curve, es + LOW * swing, low, after)
        ed_time = max(t70 - ED_LEAD * step, float(grid[before]))
        # filling may be slow or cut off: never look further than twice the lag that the ejection suggests
        late = t30 + 4 * ES_LAG * step
        es_time = (t30 + u30) / 2 if u30 is not None and u30 <= late else t30 + ES_LAG * step
        es_time = min(es_time, float(grid[after]))
        half = ES_HALF_WINDOW * 2 * max(es_time - t30, 0.5 * step)
        ed = local_level(samples.times, samples.values, ed_time, ED_HALF_WINDOW * step, 2)
        # a line reads a rounded bottom too high, a parabola reads a flat bottom with steep sides too low
        line, parabola = (
            local_level(samples.times, samples.values, es_time, half, order) for order in (1, 2)
        )
        es = LINE_SHARE * line + (1 - LINE_SHARE) * parabola
        best = Contraction(ed_time, es_time, ed, es)
    return best


def level_at(samples: Samples, at: float, half_width: float) -> float:
    """Level at a time that is known, by a local parabola."""
    return local_level(samples.times, samples.values, at, half_width, 2)


def extreme_near(samples: Samples, index: int, half_width: float, is_high: bool) -> float:
    """Time of the highest (or lowest) local level around a grid index.

    Where only the filling was seen there is no ejection to time the phases by. The smoothed curve turns a little late
    or early between a slow and a steep flank; the local parabola, being narrower, hardly does.
    """
    at = float(samples.grid[index])
    near = samples.times[np.abs(samples.times - at) <= half_width]
    if len(near) == 0:
        return at
    levels = [level_at(samples, float(time), half_width) for time in near]
    return float(near[int(np.argmax(levels) if is_high else np.argmin(levels))])


def _crossing(grid: FloatArray, curve: FloatArray, level: float, start: int, stop: int) -> float | None:
    """Time of the first crossing of a level on the way from one grid index to another."""
    step = 1 if stop > start else -1
    part = curve[start : stop + 1] if step > 0 else curve[stop : start + 1][::-1]
    above = part >= level
    change = (above[1:] != above[:-1]).nonzero()[0]
    if len(change) == 0:
        return None
    i = int(change[0])
    share = (level - part[i]) / (part[i + 1] - part[i])
    return float(grid[start + step * i] + share * step * (grid[1] - grid[0]))
