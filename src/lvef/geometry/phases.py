"""End-diastole and end-systole as extremes of the volume curve that is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.geometry.smoothing import MAD_TO_SD, local_parabola

EDGE_S = 0.045
"""A turning point this close to an end of the clip lies at the edge: the curve beyond it is not visible."""

EDGE_SLOPE = 0.6
"""At an edge the curve must run flatter than this share of the steepest flank beside it. A clip that starts
in mid-ejection starts steep; one that starts at end-diastole (CAMUS half sequences) starts flat."""

SEEN_SWING = 0.25
"""A last end-diastole is clear once the curve has fallen by this share of a counting swing: ejection has
begun. Before that, more filling may still come."""


REFILLED_SHARE = 0.94
"""A beat is over as well once the ventricle has refilled by this share of what it ejected: with a kick of the atria the
volume stands near three quarters before it, without one it hardly rises at the end. Found on phantoms and animated stills,
where 5 % of the beats were missed even on the true contours, all of them for a clip that ended within 0.1 s of the beat."""


NOTCH_SHARE = 0.8
"""A high that stands lower between its neighbours than this share of the swing may be a bump and not an end-diastole."""

EDGE_NOTCH_SHARE = 0.6
"""The same where one of the neighbours is beyond the clip."""

EVEN_GAPS, EVEN_SHARE = 0.82, 0.4
"""A turning point midway between its neighbours, with the opposite ones beside it half as far apart (each to this share),
that reaches this share of the swing is a weak beat of an alternating rhythm. Bumps and dips within a beat are off-centre."""

LONGEST_CYCLE = 1.5
"""A bump differs from the end-diastole of an early beat by the time between the highs beside it: at most this many cycles
(one, with tolerance), and not two."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples that were traced (no NaN, no outliers) and the smoothed curve on an even grid."""

    times: FloatArray
    values: FloatArray
    grid: FloatArray
    smooth: FloatArray


@dataclass(frozen=True, slots=True)
class Extremum:
    """A turning point: grid index, and whether it is a high (end-diastole) or a low (end-systole)."""

    index: int
    is_high: bool


def find_extrema(curve: FloatArray, swing: float) -> list[Extremum]:
    """Highs and lows in turn, each at least ``swing`` away from the next, the first and last included.

    The first and last point may lie at the edge of the clip.

    Args:
        curve: ``(n,)``, no NaN.
        swing: Smallest change between neighbours, above 0.

    Examples:
        >>> [(t.index, t.is_high) for t in find_extrema(np.array([5.0, 4, 1, 2, 1.5, 5, 3]), 2.0)]
        [(0, True), (2, False), (5, True), (6, False)]
    """
    turns: list[Extremum] = []
    top = bottom = 0
    rising: bool | None = None
    for i, value in enumerate(curve.tolist()):
        if value > curve[top]:
            top = i
        if value < curve[bottom]:
            bottom = i
        if rising is not False and curve[top] - value >= swing:
            turns.append(Extremum(top, True))
            rising, bottom, top = False, i, i
        elif rising is not True and value - curve[bottom] >= swing:
            turns.append(Extremum(bottom, False))
            rising, bottom, top = True, i, i
        if rising is False and value <= curve[bottom]:
            bottom, top = i, i
        elif rising is True and value >= curve[top]:
            top, bottom = i, i
    if rising is not None:
        turns.append(Extremum(top if rising else bottom, rising))
    return turns


def drop_notches(turns: list[Extremum], samples: Samples, cycle_s: float | None) -> list[Extremum]:
    """Turning points without the bumps inside a beat: a systole with two dips, or a diastole with one, is one beat.

    A bump in systole is a high between two lows that stay far below the highs on both sides, which are one cycle apart; of
    the two lows the deeper is kept. A dip in diastole is the same upside down. A bump that is the first or the last turning
    point of the clip is dropped.

    Args:
        turns: From `find_extrema`.
        samples: The curve.
        cycle_s: Cycle at which the curve repeats itself, or None. It may be two beats where one of them is an early one.
    """
    grid, curve = samples.grid, samples.smooth
    longest = {
        is_high: LONGEST_CYCLE * _usual_cycle(turns, grid, curve, cycle_s, is_high)
        for is_high in (True, False)
    }
    kept = list(turns)
    while True:
        bumps = [
            (depth, at)
            for at, turn in enumerate(kept)
            if (depth := _depth(kept, at, grid, curve, longest[turn.is_high])) > 0
        ]
        if not bumps:
            return kept
        at = max(bumps)[1]
        if at in (0, len(kept) - 1):
            del kept[at]
            continue
        sign = 1 if kept[at].is_high else -1
        sides = kept[at - 1], kept[at + 1]
        kept[at - 1 : at + 2] = [min(sides, key=lambda turn: sign * curve[turn.index])]


def _usual_cycle(
    turns: list[Extremum], grid: FloatArray, curve: FloatArray, cycle_s: float | None, is_high: bool
) -> float:
    """Time between true highs (or lows): the shorter of the period and the lower median distance of those that reach far."""
    sign = 1.0 if is_high else -1.0
    own, others = (
        np.array([turn.index for turn in turns if turn.is_high is kind], dtype=np.intp)
        for kind in (is_high, not is_high)
    )
    known = [] if cycle_s is None else [cycle_s]
    if len(own) > 1 and len(others):
        foot = float(np.median(sign * curve[others]))
        level = sign * curve[own] - foot
        far = own[level >= NOTCH_SHARE * float(level.max())]
        known += [float(np.percentile(np.diff(grid[far]), 50, method="lower"))] if len(far) > 1 else []
    return min(known, default=0.0)


def _depth(
    turns: list[Extremum], at: int, grid: FloatArray, curve: FloatArray, longest_cycle_s: float
) -> float:
    """How far a turning point stays below a true one, as a share of the swing; 0 where it is a true one."""
    sign = 1.0 if turns[at].is_high else -1.0
    own = sign * float(curve[turns[at].index])
    sides = [sign * float(curve[turns[i].index]) for i in (at - 1, at + 1) if 0 <= i < len(turns)]
    seen = [i for i in (at - 2, at + 2) if 0 <= i < len(turns)]
    if not seen:
        return 0.0
    start = grid[turns[at - 2].index] if at >= 2 else grid[0]
    end = grid[turns[at + 2].index] if at + 2 < len(turns) else grid[-1]
    beside = min(sign * float(curve[turns[i].index]) for i in seen)
    swing = beside - min(sides)
    share = (own - min(sides)) / swing if swing > 0 else 1.0
    limit = NOTCH_SHARE if len(seen) == 2 else EDGE_NOTCH_SHARE
    if len(seen) == 2:
        before, after = (abs(float(grid[turns[i].index] - grid[turns[at].index])) for i in seen)
        between, half = float(grid[turns[at + 1].index] - grid[turns[at - 1].index]), (before + after) / 2
        even = all(
            EVEN_GAPS <= one / other <= 1 / EVEN_GAPS for one, other in ((before, after), (between, half))
        )
        if even and share >= EVEN_SHARE:
            return 0.0
    return 1 - share if share < limit and end - start <= longest_cycle_s else 0.0


def is_at_edge(grid: FloatArray, index: int) -> bool:
    """Whether a point lies so close to an end of the clip that the curve beyond it is not visible.

    Args:
        grid: ``(n,)`` even times in seconds.
        index: Place of the point on it.
    """
    return bool(min(grid[index] - grid[0], grid[-1] - grid[index]) <= EDGE_S)


def is_clear_ed(samples: Samples, turns: list[Extremum], at: int, swing: float) -> bool:
    """Whether a high is a true end-diastole and not the place where the clip happens to start or end.

    Args:
        samples: The volume-time curve.
        turns: Its turning points, highs and lows in turn.
        at: Place of the high in ``turns``.
        swing: Size of the curve's swings, in its unit.
    """
    grid, curve, i = samples.grid, samples.smooth, turns[at].index
    if at == len(turns) - 1 and curve[i] - curve[i:].min() < SEEN_SWING * swing:
        return False
    if at > 0 or grid[i] - grid[0] > EDGE_S:
        return True
    return _flat_at_start(grid, -curve, turns[at + 1].index if len(turns) > 1 else len(curve) - 1)


def is_refilled(samples: Samples, turns: list[Extremum], at: int) -> bool:
    """Whether the volume at a high is nearly back at that of the high two turning points before.

    Args:
        samples: The volume-time curve.
        turns: Its turning points, highs and lows in turn.
        at: Place of the high in ``turns``.
    """
    before, low, high = (float(samples.smooth[turns[j].index]) for j in (at - 2, at - 1, at))
    return high - low >= REFILLED_SHARE * (before - low)


def is_clear_es(samples: Samples, turns: list[Extremum], at: int) -> bool:
    """Whether a low is a true end-systole and not the place where the clip happens to start or end.

    Args:
        samples: The volume-time curve.
        turns: Its turning points, highs and lows in turn.
        at: Place of the low in ``turns``.
    """
    grid, curve, i = samples.grid, samples.smooth, turns[at].index
    if at == len(turns) - 1 and grid[-1] - grid[i] <= EDGE_S:
        before = turns[at - 1].index if at > 0 else 0
        return _flat_at_start(-grid[::-1], curve[::-1], len(curve) - 1 - before)
    if at == 0 and grid[i] - grid[0] <= EDGE_S:
        return _flat_at_start(grid, curve, turns[1].index if len(turns) > 1 else len(curve) - 1)
    return True


def _flat_at_start(grid: FloatArray, curve: FloatArray, stop: int) -> bool:
    """Whether a curve that rises up to ``stop`` starts flat, measured by its steepest rise."""
    step = max(1, round(EDGE_S / float(grid[1] - grid[0])))
    stop = max(stop, 1)
    if stop <= step:
        return False
    rises = curve[step : stop + 1] - curve[: stop + 1 - step]
    return bool(rises[0] < EDGE_SLOPE * float(np.max(rises)))


SLACK = 0.04
"""Extremes that differ by less than this share of the swing count as equal. Of maxima the last is end-diastole, because
a flat diastole has many; of minima that of the smoother curve is end-systole."""

NOISE_SIGMAS = 5.0
"""Minima that differ by less than so many standard deviations of the curve's noise are alike as well, where that is less."""


@dataclass(frozen=True, slots=True)
class PhaseFinder:
    """The traced frames: their numbers, times, the curve that is shown and read, and the one that phases are found on.

    Both curves are needed. The lowest of many noisy values is low by its noise, so of several minima that are alike the one
    next to the smoother curve's is taken; where the curve that is shown is lower elsewhere by more than its noise, that is a
    dip which the smoother one has lost. A phase is always an extreme of the curve that is shown.

    Attributes:
        numbers: Frame numbers, ``(n,)``.
        times: Their times in seconds, ``(n,)``.
        volume: The curve that is shown and read, ``(n,)``.
        smooth: The smoother curve, ``(n,)``.
        noise: Volume below which minima are alike.
    """

    numbers: NDArray[np.intp]
    times: FloatArray
    volume: FloatArray
    smooth: FloatArray
    noise: float

    @classmethod
    def of(cls, numbers: NDArray[np.intp], samples: Samples, *, is_smoothed: bool) -> PhaseFinder:
        """Prepare a curve.

        Args:
            numbers: Frame numbers of the samples, ``(n,)``.
            samples: The traced frames and the smoother curve.
            is_smoothed: The samples are smooth already and are read as they are; else they are smoothed here.
        """
        volume = samples.values
        if not is_smoothed:
            fitted, _ = local_parabola(samples.times, volume[:, None], np.ones(len(volume), dtype=np.bool_))
            volume = fitted[:, 0]
        smoother = np.interp(samples.times, samples.grid, samples.smooth)
        away = volume - smoother
        noise = MAD_TO_SD * float(np.median(np.abs(away - np.median(away))))
        return cls(numbers, samples.times, volume, smoother, NOISE_SIGMAS * noise)

    def at(self, time: float) -> int:
        """Place of the frame nearest to a time."""
        return int(np.argmin(np.abs(self.times - time)))

    def end_diastole(self, first: int, last: int, swing: float) -> int:
        """Place of the maximum in ``first`` to ``last``: of several that are alike the last, after which ejection begins.

        Args:
            first: First place on the even times.
            last: Last place.
            swing: Size of the curve's swings, in its unit.
        """
        part = self.smooth[first : last + 1]
        before, after = np.append(-np.inf, part[:-1]), np.append(part[1:], -np.inf)
        alike = part >= part.max() - SLACK * swing
        at = first + int(np.flatnonzero((part >= before) & (part >= after) & alike)[-1])
        return self._extreme(self.volume, at, first, last, SLACK * swing)

    def end_systole(self, first: int, last: int) -> int:
        """Place of the minimum in ``first`` to ``last``.

        Args:
            first: First place on the even times.
            last: Last place.
        """
        at = first + int(np.argmin(self.smooth[first : last + 1]))
        slack = min(self.noise, SLACK * float(np.ptp(self.volume[first : last + 1])))
        return self._extreme(-self.volume, at, first, last, slack)

    def _extreme(self, values: FloatArray, at: int, first: int, last: int, slack: float) -> int:
        """The maximum next to where the smoother curve has it, or the highest where that is lower by more than a slack."""
        highest = first + int(np.argmax(values[first : last + 1]))
        return self._uphill(values, highest if values[highest] - values[at] > slack else at, first, last)

    def _uphill(self, values: FloatArray, at: int, first: int, last: int) -> int:
        """Place of the maximum that the way up from a place leads to."""
        while True:
            best = max(
                (i for i in (at - 1, at + 1) if first <= i <= last), key=lambda i: values[i], default=at
            )
            if values[best] <= values[at]:
                return at
            at = best
