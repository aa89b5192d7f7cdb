"""From a volume curve to beats, the representative beat, and the EF over beats.

A whole beat runs from an end-diastole over its end-systole to the next end-diastole inside the clip. Every
width is in seconds on the clip's own clock. Where there is no whole beat, one clear end-diastole and one
clear end-systole (in either order) give a partial analysis; where there is not even that, the result says
why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import Beat, FloatArray, Notice, VolumeCurve
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.levels import Contraction, Samples, contraction, extreme_near, level_at
from lvef.geometry.rhythm import believable, choose, mark_abnormal, rhythm_notices
from lvef.geometry.smoothing import even_grid, noise_sd, outliers, period, smooth, window_frames
from lvef.geometry.turning import (
    Turn,
    ed_is_clear,
    es_is_clear,
    is_at_edge,
    is_refilled,
    turning_points,
)


@dataclass(frozen=True, slots=True)
class BeatConfig:
    """Limits of beat finding.

    Attributes:
        min_cycle_s: Shortest cycle that is a beat: 220 per minute.
        max_cycle_s: Longest: 30 per minute; longer, and a beat was probably missed.
        default_cycle_s: Cycle that sets the windows where the curve does not repeat itself (70 per minute).
        window_s: Smoothing window for finding and timing, for a cycle of 1 s; scales with the root of the
            cycle.
        min_swing: Smallest change of volume that counts, as a share of the typical swing of the clip.
        min_swing_of_level: The same, as a share of the level: an EF below it is not told from noise.
        min_swing_sigmas: The same, in standard deviations of the noise left after smoothing.
        outlier_sigmas: Single frames further from their neighbours than this are left out.
        max_gap_s: A gap in the tracing longer than this, for a cycle of 1 s, near ED, ES or in systole voids
            a beat.
        min_frames: Fewer traced frames than this are no curve.
        premature: A cycle shorter than this times the usual one ends in a premature beat (common clinical
            rule: 20 %).
        pause: The premature beat's own cycle is longer than this times the usual one.
        irregular: Coefficient of variation of the cycles above which the rhythm is called irregular.
        doubtful_ef_percent: A median EF below this counts only when at least three beats are alike in length
            and systole. Noise alone (5 % of the volume, correlated over 0.1 s) makes "beats" of 5 to 14 %.
        min_beats_irregular: Beats that an irregular rhythm needs. Source: Lang et al., ASE/EACVI 2015: five.
    """

    min_cycle_s: float = 60 / 220
    max_cycle_s: float = 2.0
    default_cycle_s: float = 60 / 70
    window_s: float = 0.26
    min_swing: float = 0.35
    min_swing_of_level: float = 0.07
    min_swing_sigmas: float = 5.0
    outlier_sigmas: float = 5.0
    max_gap_s: float = 0.12
    min_frames: int = 6
    premature: float = 0.8
    pause: float = 1.1
    irregular: float = 0.1
    doubtful_ef_percent: float = 14.0
    min_beats_irregular: int = 5


DEFAULT_CONFIG = BeatConfig()
"""The limits as they stand."""


PARTIAL_NOTICE = Notice(
    "no_whole_beat", "The clip holds no whole beat: the EF rests on one end-diastole and end-systole."
)
"""Stays on every partial result."""

NOISE_REASON = "The volume does not change more than its noise: no beat is to be seen."
"""Why a flat or merely noisy curve has no answer."""


@dataclass(frozen=True, slots=True)
class BeatAnalysis:
    """Beats of a clip.

    Attributes:
        beats: All whole beats in time order, excluded ones too (``Beat.excluded`` says why). In a partial
            analysis the one half beat (``end_frame`` None).
        representative: The beat that answers for the clip, or None (then ``reason`` says why): the counted
            whole beat with the median EF, of an even number the one of the middle two that is nearer to the
            mean.
        partial: Whether the representative is no whole beat: status ``partial_cycle``.
        reason: Why there is no representative, one sentence; empty otherwise.
        reason_code: ``too_few_frames``, ``no_contraction``, ``no_clear_phases`` or ``all_beats_excluded``, or
            empty.
        ef_mean_percent: Mean EF over counted whole beats, or None.
        ef_sd_percent: Sample standard deviation over counted whole beats (two or more), or None.
        heart_rate_bpm: 60 over the median cycle length of whole beats, or None.
        smooth_volume: Denoised curve for display, ``(n,)``, NaN outside the traced part of the clip.
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
    notices: tuple[Notice, ...] = ()


def analyse_beats(
    curve: VolumeCurve, config: BeatConfig = DEFAULT_CONFIG, *, r_wave_times_s: Sequence[float] = ()
) -> BeatAnalysis:
    """Find the beats of a curve. An odd curve never raises: the result then has a ``reason``.

    Args:
        curve: Volume over time; NaN where no ventricle was traced; any sampling.
        config: Limits.
        r_wave_times_s: R-wave times on the curve's clock, where the file tells them; they then part the
            beats.

    Returns:
        Beats, the representative one, mean and spread, notices.
    """
    times = np.asarray(curve.times_s, dtype=np.float64)
    raw = np.asarray(curve.volume, dtype=np.float64)
    good = np.flatnonzero(np.isfinite(raw) & np.isfinite(times) & (np.abs(raw) < 1e100))
    good = good[raw[good] > 0]
    if len(good) < config.min_frames or times[good[-1]] - times[good[0]] <= 0.1:
        return _nothing(
            np.full(len(raw), np.nan),
            "too_few_frames",
            f"Only {len(good)} frames could be traced: too few for a volume curve.",
        )
    good = good[~outliers(raw[good], config.outlier_sigmas)]
    samples, cycle, swing = _prepare(times[good], raw[good], config)
    shown = np.interp(times, samples.grid, samples.smooth, left=np.nan, right=np.nan)
    turns = turning_points(samples.smooth, swing)
    if len(turns) < 2:
        return _nothing(shown, "no_contraction", NOISE_REASON)
    half = 0.12 * float(np.sqrt(cycle))
    found = _by_r_waves(samples, r_wave_times_s, swing, half, config) if len(r_wave_times_s) > 1 else []
    found = found or _whole_beats(samples, turns, swing, half)
    frames = _Frames(good, times[good])
    made = (_beat(samples, frames, one, end, config) for one, end in found)
    beats = [beat for beat in made if beat is not None]
    if any(not beat.excluded for beat in beats):
        if not believable(beats, config.doubtful_ef_percent):
            return _nothing(shown, "no_contraction", NOISE_REASON)
        return _summary(mark_abnormal(beats, config.premature, config.pause, config.irregular), shown, config)
    one = _partial(samples, frames, turns, swing, half, config)
    if one is not None and one.ef_percent < config.doubtful_ef_percent:
        return _nothing(shown, "no_contraction", NOISE_REASON)
    if one is not None:
        return BeatAnalysis((*beats, one), one, True, "", "", None, None, None, shown, (PARTIAL_NOTICE,))
    if beats:
        return _summary(beats, shown, config)
    return _nothing(
        shown,
        "no_clear_phases",
        "The clip shows no clear end-diastole and end-systole side by side: it is too short.",
    )


@dataclass(frozen=True, slots=True)
class _Frames:
    """Numbers and times of the traced frames."""

    numbers: NDArray[np.intp]
    times: FloatArray

    def nearest(self, time: float) -> int:
        """Number of the traced frame nearest to a time."""
        return int(self.numbers[int(np.argmin(np.abs(self.times - time)))])


def _prepare(times: FloatArray, values: FloatArray, config: BeatConfig) -> tuple[Samples, float, float]:
    """Smoothed curve on an even grid, typical cycle, and the swing that counts as a change."""
    step = float(np.median(np.diff(times)))
    step = max(step, float(times[-1] - times[0]) / 4000)
    grid, even = even_grid(times, values, step)
    step = float(grid[1] - grid[0])
    found = period(smooth(even, step, 0.6 * config.window_s), step, config.min_cycle_s, config.max_cycle_s)
    # a half beat shows hardly more than its systole, which takes about 0.42 of a cycle
    unknown = min(config.default_cycle_s, float(times[-1] - times[0]) / 0.42)
    cycle = max(unknown if found is None else found, config.min_cycle_s)
    # of a half beat, which is all slope and two ends, a wide window would make a straight line
    window = min(config.window_s * float(np.sqrt(cycle)), 0.4 * float(times[-1] - times[0]))
    curve = smooth(even, step, window)
    gain = np.sqrt(9 / 4 / max(window_frames(window, step), 2.25))  # of a parabola fitted to so many frames
    residual = float(1.4826 * np.median(np.abs(even - curve - np.median(even - curve))))
    noise = max(noise_sd(even), residual) * gain
    swing = max(
        config.min_swing * float(np.ptp(np.percentile(curve, [4, 96]))),
        config.min_swing_of_level * float(np.percentile(curve, 90)),
        config.min_swing_sigmas * float(noise),
    )
    return Samples(times, values, grid, curve), cycle, swing


def _whole_beats(
    samples: Samples, turns: list[Turn], swing: float, half: float
) -> list[tuple[Contraction, float]]:
    """Contractions whose end-diastole is clear, followed by another one or by a ventricle that is full again."""
    found = []
    for i in range(len(turns) - 2):
        if not turns[i].is_high or not ed_is_clear(samples, turns, i, swing):
            continue
        if ed_is_clear(samples, turns, i + 2, swing) or is_refilled(samples, turns, i + 2):
            end = _contraction(samples, turns, i + 2, half).ed_time if i + 3 < len(turns) else None
            end = float(samples.grid[turns[i + 2].index]) if end is None else end
            found.append((_contraction(samples, turns, i, half), end))
    return found


def _contraction(samples: Samples, turns: list[Turn], at: int, half: float) -> Contraction:
    """The contraction of a high and the low after it, kept between the turning points beside them."""
    before = turns[at - 1].index if at > 0 else 0
    after = turns[at + 2].index if at + 2 < len(turns) else len(samples.grid) - 1
    return contraction(samples, turns[at].index, turns[at + 1].index, half, (before, after))


def _by_r_waves(
    samples: Samples, r_waves: Sequence[float], swing: float, half: float, config: BeatConfig
) -> list[tuple[Contraction, float]]:
    """Contractions between consecutive R waves; end-diastole is the high next to the R wave."""
    grid, curve = samples.grid, samples.smooth
    frame = float(grid[1] - grid[0])
    marks = sorted(r for r in r_waves if np.isfinite(r) and grid[0] - frame <= r <= grid[-1] + frame)
    found = []
    for start, end in pairwise(marks):
        near = np.flatnonzero((grid >= start - 0.06) & (grid <= start + 0.1))
        inside = np.flatnonzero((grid > start + 0.1) & (grid < end))
        if end - start < config.min_cycle_s or len(near) == 0 or len(inside) == 0:
            continue
        high, low = int(near[np.argmax(curve[near])]), int(inside[np.argmin(curve[inside])])
        if high < low and curve[high] - curve[low] >= swing:
            one = contraction(samples, high, low, half)
            found.append((one, one.ed_time + end - start))
    return found


def _beat(
    samples: Samples, frames: _Frames, one: Contraction, end: float | None, config: BeatConfig
) -> Beat | None:
    """A `Beat`, or None when its levels make no EF."""
    ed_volume, es_volume = one.ed_volume, max(one.es_volume, 0.0)
    if not ed_volume > es_volume:
        return None
    duration = None if end is None else end - one.ed_time
    return Beat(
        ed_frame=frames.nearest(one.ed_time),
        es_frame=frames.nearest(one.es_time),
        end_frame=None if end is None else frames.nearest(end),
        ed_volume=ed_volume,
        es_volume=es_volume,
        ef_percent=ejection_fraction(ed_volume, es_volume),
        duration_s=duration,
        excluded=_fault(samples, one, duration, config),
    )


def _fault(samples: Samples, one: Contraction, duration: float | None, config: BeatConfig) -> str:
    """Why a beat cannot count by itself, or an empty string."""
    if duration is not None and not config.min_cycle_s <= duration <= config.max_cycle_s:
        limits = f"{config.min_cycle_s:.2f} to {config.max_cycle_s:.1f} s"
        return f"its {duration:.2f} s are not the length of one beat ({limits})"
    root = float(np.sqrt(min(duration or config.default_cycle_s, config.max_cycle_s)))
    first, last = sorted((one.ed_time, one.es_time))
    inside = samples.times[(samples.times > first) & (samples.times < last)]
    gap = float(np.max(np.diff(np.concatenate([[first], inside, [last]]))))
    gap = max(gap, *(2 * float(np.min(np.abs(samples.times - t))) for t in (first, last)))
    if gap > max(config.max_gap_s * root, 3.1 * float(samples.grid[1] - samples.grid[0])):
        return f"the ventricle was not traced for {gap:.2f} s of its systole"
    return ""


def _partial(
    samples: Samples, frames: _Frames, turns: list[Turn], swing: float, half: float, config: BeatConfig
) -> Beat | None:
    """The half beat of a clip without a whole one: a clear end-diastole and the clear end-systole beside it.

    A phase with curve on both sides goes before one at the edge of the clip, where the volume may still be on its
    way; then a pair whose ejection was seen goes before one of which only the filling was seen.
    """
    pairs: list[tuple[bool, bool, Beat]] = []
    for i, (first, second) in enumerate(pairwise(turns)):
        high, low = (i, i + 1) if first.is_high else (i + 1, i)
        if not (ed_is_clear(samples, turns, high, swing) and es_is_clear(samples, turns, low)):
            continue
        if first.is_high:
            one = _contraction(samples, turns, i, half)
        else:
            es_time, ed_time = (
                extreme_near(samples, turn.index, half, turn.is_high) for turn in (first, second)
            )
            one = Contraction(
                ed_time, es_time, level_at(samples, ed_time, half), level_at(samples, es_time, half)
            )
        beat = _beat(samples, frames, one, None, config)
        if beat is not None and not beat.excluded:
            at_edge = any(is_at_edge(samples.grid, turn.index) for turn in (first, second))
            pairs.append((at_edge, not first.is_high, beat))
    return min(pairs, key=lambda pair: pair[:2], default=(None, None, None))[2]


def _summary(beats: list[Beat], shown: FloatArray, config: BeatConfig) -> BeatAnalysis:
    counted = [beat for beat in beats if not beat.excluded]
    notices = tuple(rhythm_notices(beats, config.irregular, config.min_beats_irregular))
    if not counted:
        reasons = "; ".join(dict.fromkeys(beat.excluded for beat in beats))
        return replace(
            _nothing(shown, "all_beats_excluded", f"No beat counts: {reasons}."),
            beats=tuple(beats),
            notices=notices,
        )
    efs = [beat.ef_percent for beat in counted]
    spans = [
        beat.duration_s
        for beat in beats
        if beat.duration_s is not None and config.min_cycle_s <= beat.duration_s <= config.max_cycle_s
    ]
    return BeatAnalysis(
        beats=tuple(beats),
        representative=choose(counted),
        partial=False,
        reason="",
        reason_code="",
        ef_mean_percent=float(np.mean(efs)),
        ef_sd_percent=float(np.std(efs, ddof=1)) if len(efs) > 1 else None,
        heart_rate_bpm=60.0 / float(np.median(spans)),
        smooth_volume=shown,
        notices=notices,
    )


def _nothing(shown: FloatArray, code: str, reason: str) -> BeatAnalysis:
    return BeatAnalysis((), None, False, reason, code, None, None, None, shown)
