"""Which beats count, which one represents the clip, and warnings about rhythm and spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lvef.core.records import Beat, CodedWarning
from lvef.geometry.categories import heart_failure_range

TIE_PERCENT = 1e-9
"""EFs closer to the mean than this apart are equally near; the earlier beat is taken."""

MAX_SPREAD_PERCENT = 10.0
"""Counted beats whose EFs lie further apart, in EF points, raise a warning: more than the difference between two
readers of one patient."""

SPREAD_CODES = ("beats_disagree", "beats_cross_range")
"""Codes of `spread_warnings`."""

PREMATURE, PAUSE = 0.8, 1.1
"""A cycle shorter than the first times the usual one ends in a premature beat (common clinical rule: 20 %), whose own cycle
is longer than the second times the usual one."""

IRREGULAR = 0.1
"""Coefficient of variation of the cycles above which the rhythm is called irregular."""

MIN_BEATS_IRREGULAR = 5
"""Beats that an irregular rhythm needs. Source: Lang et al., ASE/EACVI 2015."""

DOUBTFUL_EF_PERCENT = 14.0
"""A mean EF below this counts only when at least three beats are alike in length and systole. Noise alone (5 % of the
volume, correlated over 0.1 s) makes "beats" of 5 to 14 %."""

TIMING_S = 0.15
"""Cycles that lie within so many seconds of each other are no sign of an irregular rhythm: on a flat diastole the maximum
may lie a few frames earlier or later."""

ALIKE_CYCLES = 0.15
"""Largest coefficient of variation of the cycles of beats that are alike. On curves of noise alone: median 0.4."""

ALIKE_SYSTOLES = 0.25
"""The same for the time from ED to ES."""


def representative_beat(beats: Sequence[Beat]) -> Beat:
    """The counted beat whose EF is nearest to the mean of all: the one to show. Of equals the earliest.

    Args:
        beats: Counted beats, at least one.
    """
    mean = float(np.mean([beat.ef_percent for beat in beats]))
    away = [abs(beat.ef_percent - mean) for beat in beats]
    ties = [beat for beat, far in zip(beats, away, strict=True) if far <= min(away) + TIE_PERCENT]
    return min(ties, key=lambda beat: beat.ed_frame)


def spread_warnings(efs_percent: Sequence[float]) -> list[CodedWarning]:
    """Warnings where counted beats disagree: by more than `MAX_SPREAD_PERCENT`, or across a heart-failure range.

    Args:
        efs_percent: EFs of the counted beats, 0-100.
    """
    if len(efs_percent) < 2:
        return []
    low, high = min(efs_percent), max(efs_percent)
    notices = []
    if high - low > MAX_SPREAD_PERCENT:
        text = (
            f"The EFs of the beats run from {low:.1f} to {high:.1f} %: they differ by more than "
            f"{MAX_SPREAD_PERCENT:g} points. Look at each beat."
        )
        notices.append(CodedWarning("beats_disagree", text))
    ranges = [heart_failure_range(ef) for ef in (low, high)]
    if ranges[0] != ranges[1]:
        names = " and ".join(str(one).replace("_", " ") for one in ranges)
        text = f"The EFs of the beats ({low:.1f} to {high:.1f} %) fall into different heart-failure ranges: {names}."
        notices.append(CodedWarning("beats_cross_range", text))
    return notices


def exclude_abnormal(beats: list[Beat]) -> list[Beat]:
    """Exclude premature beats and the beats after them, with the reason.

    A beat is premature when the cycle before it is shorter than `PREMATURE` times the usual one and its own is
    longer than `PAUSE` times. In a rhythm that is irregular throughout (atrial fibrillation) short and
    long cycles follow each other all the time: if the cycles that such beats do not touch still vary by more
    than `IRREGULAR`, nothing is excluded.

    Args:
        beats: Complete beats in time order.
    """
    spans = [beat.duration_s if beat.duration_s and not beat.excluded else np.nan for beat in beats]
    known = [s for s in spans if np.isfinite(s)]
    if len(known) < 3:
        return beats
    usual = float(np.median(known))
    early = [
        i
        for i in range(1, len(beats))
        if spans[i - 1] < PREMATURE * usual
        and spans[i] > PAUSE * usual
        and abs(beats[i].ed_frame - (beats[i - 1].end_frame or -9)) <= 2
    ]
    touched = {j for i in early for j in (i - 1, i)}
    rest = [s for i, s in enumerate(spans) if i not in touched and np.isfinite(s)]
    if not rest or (len(rest) > 1 and variation(rest) > IRREGULAR) or len(early) > len(beats) / 3:
        return beats
    marked = list(beats)
    for i in early:
        short = spans[i - 1] / usual
        marked[i] = replace(
            beats[i], excluded=f"premature beat: the cycle before it is {short:.0%} of the usual one"
        )
    for i in early:
        if i + 1 < len(beats) and not marked[i + 1].excluded:
            marked[i + 1] = replace(beats[i + 1], excluded="follows a premature beat and its pause")
    return marked


def is_plausible(beats: list[Beat]) -> bool:
    """Whether beats are more than noise: their EF is large enough, or at least three of them are alike.

    Args:
        beats: Complete beats, at least one counted.
    """
    counted = [beat for beat in beats if not beat.excluded and beat.duration_s is not None]
    if np.mean([beat.ef_percent for beat in counted]) >= DOUBTFUL_EF_PERCENT:
        return True
    spans = [beat.duration_s for beat in counted if beat.duration_s is not None]
    systoles = [float(beat.es_frame - beat.ed_frame) for beat in counted]
    return len(spans) >= 3 and variation(spans) <= ALIKE_CYCLES and variation(systoles) <= ALIKE_SYSTOLES


def variation(spans: list[float]) -> float:
    """Coefficient of variation (sample standard deviation over mean) of two or more cycles."""
    return float(np.std(spans, ddof=1) / np.mean(spans))


def rhythm_warnings(beats: list[Beat]) -> list[CodedWarning]:
    """Warnings about the number and regularity of the beats.

    Args:
        beats: All complete beats.
    """
    notices = []
    counted = [beat for beat in beats if not beat.excluded]
    left_out = len(beats) - len(counted)
    if left_out:
        text = f"{left_out} of {len(beats)} beats were left out; the reason stands with each beat."
        notices.append(CodedWarning("beats_excluded", text))
    # premature beats were reported already; their effect on the cycles is not a second finding
    spans = [] if left_out else [beat.duration_s for beat in beats if beat.duration_s is not None]
    if len(spans) > 1 and variation(spans) > IRREGULAR and max(spans) - min(spans) > TIMING_S:
        text = f"The cycles vary by {variation(spans):.0%} (standard deviation)."
        notices.append(CodedWarning("irregular_rhythm", text))
        if len(counted) < MIN_BEATS_IRREGULAR:
            text = f"An irregular rhythm needs {MIN_BEATS_IRREGULAR} beats or more; {len(counted)} could be averaged."
            notices.append(CodedWarning("irregular_few_beats", text))
    elif len(counted) == 1:
        notices.append(CodedWarning("single_beat", "The EF is based on one beat."))
    return notices
