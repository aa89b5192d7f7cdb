"""From a volume curve to beats, the representative beat, and the EF over beats.

A complete beat runs from an end-diastole over its end-systole to the next end-diastole inside the clip. Every width is in
seconds on the clip's own clock. Without a complete beat, one clear end-diastole and
one clear end-systole (in either order) give a partial analysis; without these, the result contains the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lvef.core.records import Beat, CodedWarning, FloatArray, VolumeCurve
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.phases import (
    Extremum,
    PhaseFinder,
    Samples,
    drop_notches,
    find_extrema,
    is_at_edge,
    is_clear_ed,
    is_clear_es,
    is_refilled,
)
from lvef.geometry.rhythm import (
    DOUBTFUL_EF_PERCENT,
    exclude_abnormal,
    is_plausible,
    representative_beat,
    rhythm_warnings,
    spread_warnings,
)
from lvef.geometry.smoothing import (
    MAD_TO_SD,
    OUTLIER_SIGMAS,
    even_grid,
    noise_sd,
    outliers,
    period,
    repetition,
    smooth,
    window_frames,
)

MIN_CYCLE_S, MAX_CYCLE_S = 60 / 220, 2.0
"""Shortest and longest cycle that is a beat: 220 and 30 per minute; longer, and a beat was probably missed."""

DEFAULT_CYCLE_S = 60 / 70
"""Cycle that sets the windows where the curve does not repeat itself."""

WINDOW_S = 0.26
"""Smoothing window for finding and timing, for a cycle of 1 s; scales with the root of the cycle."""

MIN_SWING = 0.35
"""Smallest change of volume that counts, as a share of the typical swing of the clip."""

MIN_SWING_OF_LEVEL = 0.07
"""The same, as a share of the level: a lower EF cannot be distinguished from noise."""

MIN_SWING_SIGMAS = 5.0
"""The same, in standard deviations of the noise left after smoothing."""

MAX_GAP_S = 0.12
"""A gap in the tracing longer than this, for a cycle of 1 s, near ED, ES or in systole voids a beat."""

MIN_FRAMES = 6
"""Fewer traced frames than this are no curve."""

MIN_REPETITION = 0.7
"""Autocorrelation from which a faint change that repeats itself is a heart beat (`lvef.geometry.smoothing.repetition`);
noise of 3 s stays below it in 99 of 100."""

MIN_FAINT_SWING_OF_LEVEL = 0.06
"""Change of volume, as a share of the level, that such a change must reach."""

SHORTEST_LAST = 0.7
"""A beat that ends at the last high of the clip must take this share of the usual cycle: the high may be a bump."""

USUAL_CYCLES = 0.5
"""Cycles that differ from the median one by more than this share do not count for the heart rate."""

FAINT_CYCLES = 0.2
"""Beats found by repetition alone may differ from its cycle by this share."""

R_WAVE_BEFORE_S, R_WAVE_AFTER_S = 0.06, 0.1
"""Where end-diastole is looked for around an R wave."""


PARTIAL_WARNING = CodedWarning(
    "no_whole_beat",
    "The clip contains no complete cardiac cycle: the EF is based on one end-diastole and one end-systole.",
)
"""Stays on every partial result."""

FAINT_WARNING = CodedWarning(
    "faint_contraction",
    "The volume changes by little more than its noise; beats were found because the change repeats. The EF is low, and its "
    "exact value is uncertain.",
)
"""On every result whose beats are found by repetition alone."""

NOISE_REASON = "The volume does not change by more than its noise: no beat is visible."
"""Reason for a flat or merely noisy curve."""


@dataclass(frozen=True, slots=True)
class BeatAnalysis:
    """Beats of a clip.

    Attributes:
        beats: All complete beats in time order, including excluded ones (reason in ``Beat.excluded``). In a partial
            analysis the one half beat (``end_frame`` None).
        representative: The beat that is shown for the clip, or None (then ``reason`` says why): the counted complete
            beat whose EF is nearest to the mean.
        partial: Whether the representative is not a complete beat: status ``partial_cycle``.
        reason: Why there is no representative, one sentence; empty otherwise.
        reason_code: ``too_few_frames``, ``no_contraction``, ``no_clear_phases`` or ``all_beats_excluded``, or empty.
        ef_mean_percent: Mean EF over counted complete beats, or None.
        ef_sd_percent: Sample standard deviation over counted complete beats (two or more), or None.
        heart_rate_bpm: 60 over the mean cycle length of complete beats, or None.
        smooth_volume: The curve that beats' volumes are read from, ``(n,)``, NaN outside the traced part of the clip.
        notices: Warnings.
    """

    beats: tuple[Beat, ...]
    representative: Beat | None
    partial: bool
    reason: str
    reason_code: str
    ef_mean_percent: float | None
    ef_sd_percent: float | None
    heart_rate_bpm: float | None
    smooth_volume: FloatArray
    notices: tuple[CodedWarning, ...] = ()


def analyse_beats(
    curve: VolumeCurve, *, r_wave_times_s: Sequence[float] = (), is_smoothed: bool = False
) -> BeatAnalysis:
    """Find the beats of a curve. Never raises: where there is no beat, the result has a ``reason``.

    End-systole is a minimum of the smoothed curve between two end-diastoles, end-diastole a maximum before it, and a beat's
    volumes are the values of the curve on these two frames: the beat agrees with the plotted curve.

    Args:
        curve: Volume over time; NaN where no ventricle was traced; any sampling.
        r_wave_times_s: R-wave times on the curve's clock, where the file contains them; they then separate the beats.
        is_smoothed: The volumes are those of tracings smoothed over time (`lvef.geometry.smoothing`): they are
            used unchanged. Else the curve is smoothed here in the same way, and ``smooth_volume`` is the curve that is read.

    Returns:
        Beats, the representative one, mean and spread, notices.
    """
    times = np.asarray(curve.times_s, dtype=np.float64)
    raw = np.asarray(curve.volume, dtype=np.float64)
    good = np.flatnonzero(np.isfinite(raw) & np.isfinite(times) & (np.abs(raw) < 1e100))
    good = good[raw[good] > 0]
    if len(good) < MIN_FRAMES or times[good[-1]] - times[good[0]] <= 0.1:
        return _nothing(
            np.full(len(raw), np.nan),
            "too_few_frames",
            f"Only {len(good)} frames could be traced: too few for a volume curve.",
        )
    good = good[~outliers(raw[good], OUTLIER_SIGMAS, keep_lows=is_smoothed)]
    samples, cycle, swing = _prepare(times[good], raw[good])
    frames = PhaseFinder.of(good, samples, is_smoothed=is_smoothed)
    shown = np.interp(times, frames.times, frames.volume, left=np.nan, right=np.nan)
    turns = drop_notches(find_extrema(samples.smooth, swing), samples, cycle)
    if len(turns) < 2:
        return _faint(samples, frames, shown)
    found = _by_r_waves(frames, r_wave_times_s, swing) if len(r_wave_times_s) > 1 else []
    found = found or _complete_beats(samples, frames, turns, swing, cycle)
    made = (_beat(samples, frames, one) for one in found)
    beats = [beat for beat in made if beat is not None]
    if any(not beat.excluded for beat in beats):
        if not is_plausible(beats):
            return _faint(samples, frames, shown)
        return _summary(exclude_abnormal(beats), shown)
    one = _partial(samples, frames, turns, swing)
    if one is not None and one.ef_percent < DOUBTFUL_EF_PERCENT:
        return _faint(samples, frames, shown)
    if one is not None:
        return BeatAnalysis((*beats, one), one, True, "", "", None, None, None, shown, (PARTIAL_WARNING,))
    if beats:
        return _summary(beats, shown)
    return _nothing(
        shown,
        "no_clear_phases",
        "The clip shows no clear end-diastole next to a clear end-systole: it is too short.",
    )


@dataclass(frozen=True, slots=True)
class _Phases:
    """Places of one ED and ES among the traced frames, of the next ED (None in a partial cycle), and seconds to it."""

    ed: int
    es: int
    end: int | None = None
    duration_s: float | None = None


def _prepare(times: FloatArray, values: FloatArray) -> tuple[Samples, float | None, float]:
    """Smoothed curve on an even grid, its cycle (None where it does not repeat), and the swing that counts as a change."""
    step = float(np.median(np.diff(times)))
    step = max(step, float(times[-1] - times[0]) / 4000)
    grid, even = even_grid(times, values, step)
    step = float(grid[1] - grid[0])
    found = period(smooth(even, step, 0.6 * WINDOW_S), step, MIN_CYCLE_S, MAX_CYCLE_S)
    # a half beat contains little more than its systole, which takes about 0.42 of a cycle
    unknown = min(DEFAULT_CYCLE_S, float(times[-1] - times[0]) / 0.42)
    cycle = max(unknown if found is None else found, MIN_CYCLE_S)
    # a wide window would turn a half beat, a slope between two ends, into a straight line
    window = min(WINDOW_S * float(np.sqrt(cycle)), 0.4 * float(times[-1] - times[0]))
    curve = smooth(even, step, window)
    gain = np.sqrt(9 / 4 / max(window_frames(window, step), 2.25))  # of a parabola fitted to so many frames
    residual = MAD_TO_SD * float(np.median(np.abs(even - curve - np.median(even - curve))))
    noise = max(noise_sd(even), residual) * gain
    swing = max(
        MIN_SWING * float(np.ptp(np.percentile(curve, [4, 96]))),
        MIN_SWING_OF_LEVEL * float(np.percentile(curve, 90)),
        MIN_SWING_SIGMAS * float(noise),
    )
    return Samples(times, values, grid, curve), found, swing


def _complete_beats(
    samples: Samples, frames: PhaseFinder, turns: list[Extremum], swing: float, cycle: float | None
) -> list[_Phases]:
    """Beats whose end-diastole is clear, followed by another one or by a ventricle that is full again."""
    places = [frames.at(float(samples.grid[turn.index])) for turn in turns]
    found = []
    for i in range(len(turns) - 2):
        if not turns[i].is_high or not is_clear_ed(samples, turns, i, swing):
            continue
        if is_clear_ed(samples, turns, i + 2, swing) or is_refilled(samples, turns, i + 2):
            ed, end = (_high(frames, places, j) for j in (i, i + 2))
            duration = float(frames.times[end] - frames.times[ed])
            if i + 3 == len(turns) and cycle is not None and duration < SHORTEST_LAST * cycle:
                continue
            found.append(_Phases(ed, frames.end_systole(ed, end), end, duration))
    return found


def _high(frames: PhaseFinder, places: list[int], at: int) -> int:
    """Place of the end-diastole at a high: between the low before it and the one after."""
    first = places[at - 1] if at > 0 else 0
    last = places[at + 1] if at + 1 < len(places) else len(frames.times) - 1
    low = min(frames.smooth[i] for i in (first, last)) if at > 0 else frames.smooth[last]
    return frames.end_diastole(first, last, float(frames.smooth[places[at]] - low))


def _by_r_waves(frames: PhaseFinder, r_waves: Sequence[float], swing: float) -> list[_Phases]:
    """Beats between consecutive R waves; end-diastole is the high next to the R wave.

    R waves without a volume maximum beside them do not belong to this curve's clock and are ignored.
    """
    times = frames.times
    step = float(np.median(np.diff(times)))
    marks = sorted(r for r in r_waves if np.isfinite(r) and times[0] - step <= r <= times[-1] + step)
    found = []
    for start, end in pairwise(marks):
        if end - start < MIN_CYCLE_S:
            continue
        ed, after = (_high_at(frames, mark) for mark in (start, end))
        if ed is None or after is None or after - ed < 2:
            continue
        es = frames.end_systole(ed, after)
        if frames.smooth[ed] - frames.smooth[es] >= swing:
            found.append(_Phases(ed, es, after, end - start))
    return found


def _high_at(frames: PhaseFinder, mark: float) -> int | None:
    """Place of the maximum next to an R wave, or None where the volume only rises or only falls there."""
    times = frames.times
    near = np.flatnonzero((times >= mark - R_WAVE_BEFORE_S) & (times <= mark + R_WAVE_AFTER_S))
    if len(near) == 0:
        return None
    first, last = int(near[0]), int(near[-1])
    at = first + int(np.argmax(frames.smooth[first : last + 1]))
    inside = (at > first or first == 0) and (at < last or last == len(times) - 1)
    return frames.end_diastole(first, last, 0.0) if inside else None


def _beat(samples: Samples, frames: PhaseFinder, one: _Phases) -> Beat | None:
    """A `Beat`, or None when its volumes make no EF."""
    ed_volume, es_volume = float(frames.volume[one.ed]), max(float(frames.volume[one.es]), 0.0)
    if not ed_volume > es_volume:
        return None
    return Beat(
        ed_frame=int(frames.numbers[one.ed]),
        es_frame=int(frames.numbers[one.es]),
        end_frame=None if one.end is None else int(frames.numbers[one.end]),
        ed_volume=ed_volume,
        es_volume=es_volume,
        ef_percent=ejection_fraction(ed_volume, es_volume),
        duration_s=one.duration_s,
        excluded=_fault(samples, one),
    )


def _fault(samples: Samples, one: _Phases) -> str:
    """Why a beat cannot be counted, or an empty string."""
    duration = one.duration_s
    if duration is not None and not MIN_CYCLE_S <= duration <= MAX_CYCLE_S:
        limits = f"{MIN_CYCLE_S:.2f} to {MAX_CYCLE_S:.1f} s"
        return f"its {duration:.2f} s are not the length of one beat ({limits})"
    root = float(np.sqrt(min(duration or DEFAULT_CYCLE_S, MAX_CYCLE_S)))
    first, last = sorted((one.ed, one.es))
    # A gap beside ED or ES counts too: the true extreme may lie in it.
    seen = samples.times[max(first - 1, 0) : last + 2]
    gap = float(np.max(np.diff(seen)))
    if gap > max(MAX_GAP_S * root, 3.1 * float(samples.grid[1] - samples.grid[0])):
        return f"the ventricle was not traced for {gap:.2f} s of its systole"
    return ""


def _partial(samples: Samples, frames: PhaseFinder, turns: list[Extremum], swing: float) -> Beat | None:
    """The half beat of a clip without a whole one: a clear end-diastole and the clear end-systole beside it.

    A phase with curve on both sides goes before one at the edge of the clip, where the volume may still be on its
    way; then a pair whose ejection was seen goes before one of which only the filling was seen.
    """
    places = [frames.at(float(samples.grid[turn.index])) for turn in turns]
    pairs: list[tuple[bool, bool, Beat]] = []
    for i, (first, second) in enumerate(pairwise(turns)):
        high, low = (i, i + 1) if first.is_high else (i + 1, i)
        if not (is_clear_ed(samples, turns, high, swing) and is_clear_es(samples, turns, low)):
            continue
        ed = _high(frames, places, high)
        before = _high(frames, places, low - 1) if low > 0 else 0
        after = _high(frames, places, low + 1) if low + 1 < len(places) else len(frames.times) - 1
        beat = _beat(samples, frames, _Phases(ed, frames.end_systole(before, after)))
        if beat is not None and not beat.excluded:
            at_edge = any(is_at_edge(samples.grid, turn.index) for turn in (first, second))
            pairs.append((at_edge, not first.is_high, beat))
    return min(pairs, key=lambda pair: pair[:2], default=(None, None, None))[2]


def _summary(beats: list[Beat], shown: FloatArray) -> BeatAnalysis:
    counted = [beat for beat in beats if not beat.excluded]
    notices = tuple(rhythm_warnings(beats))
    if not counted:
        reasons = "; ".join(dict.fromkeys(beat.excluded for beat in beats))
        return replace(
            _nothing(shown, "all_beats_excluded", f"No beat counts: {reasons}."),
            beats=tuple(beats),
            notices=notices,
        )
    efs = [beat.ef_percent for beat in counted]
    spans = np.array(
        [
            beat.duration_s
            for beat in beats
            if beat.duration_s is not None and MIN_CYCLE_S <= beat.duration_s <= MAX_CYCLE_S
        ]
    )
    # The mean, because a cycle is a whole number of frames; without those that are two beats or half a beat.
    usual = np.abs(spans / np.median(spans) - 1) <= USUAL_CYCLES
    # Of two beats of .4 and 1.6 s neither is near the median.
    spans = spans[usual] if usual.any() else spans
    return BeatAnalysis(
        beats=tuple(beats),
        representative=representative_beat(counted),
        partial=False,
        reason="",
        reason_code="",
        ef_mean_percent=float(np.mean(efs)),
        ef_sd_percent=float(np.std(efs, ddof=1)) if len(efs) > 1 else None,
        heart_rate_bpm=60.0 / float(np.mean(spans)),
        smooth_volume=shown,
        notices=(*notices, *spread_warnings(efs)),
    )


def _faint(samples: Samples, frames: PhaseFinder, shown: FloatArray) -> BeatAnalysis:
    """Beats of a heart that hardly moves, distinguished from noise because the volume repeats from cycle to cycle.

    The sickest hearts change their volume by little more than the contour's noise; but noise does not repeat.
    """
    nothing = _nothing(shown, "no_contraction", NOISE_REASON)
    span = float(np.ptp(np.percentile(samples.smooth, [4, 96])))
    step = float(samples.grid[1] - samples.grid[0])
    likeness, cycle = repetition(samples.smooth, step, MIN_CYCLE_S, MAX_CYCLE_S, part=0.5)
    level = float(np.percentile(samples.smooth, 90))
    if likeness < MIN_REPETITION or span < MIN_FAINT_SWING_OF_LEVEL * level:
        return nothing
    swing = MIN_SWING * span
    turns = drop_notches(find_extrema(samples.smooth, swing), samples, cycle)
    made = (_beat(samples, frames, one) for one in _complete_beats(samples, frames, turns, swing, cycle))
    beats = [
        beat
        for beat in made
        if beat is not None
        and beat.duration_s is not None
        and abs(beat.duration_s / cycle - 1) <= FAINT_CYCLES
    ]
    if all(beat.excluded for beat in beats):
        return nothing
    found = _summary(beats, shown)
    return replace(found, notices=(*found.notices, FAINT_WARNING))


def _nothing(shown: FloatArray, code: str, reason: str) -> BeatAnalysis:
    return BeatAnalysis((), None, False, reason, code, None, None, None, shown)
