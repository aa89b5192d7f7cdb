"""Result of a synthetic clip: measurement beside truth, volume-time curves, beats matched with true ones, timing errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvef.core.records import Beat, FloatArray
from lvef.evaluation.metrics import NAN
from lvef.evaluation.runner import CaseResult
from lvef.evaluation.synthetic.truth import TrueCurve
from lvef.synthesis.truth import TrueBeat

MATCHED, MISSED, INVENTED, MERGED, CUT, EDGE = "matched", "missed", "invented", "merged", "cut", "edge"
"""Outcomes of a beat.

``matched``: a true beat that was found. ``missed``: one that was not. ``invented``: a beat was found where there is none.
``merged``: one beat was found where there are several; those count as missed. ``cut``: a beat was found where the ends of
the clip cut a true one; it counts as neither. ``edge``: a true beat that was not found and begins or ends within half a
frame of the ends of the clip; it need not be found."""

OUTCOMES = (MATCHED, MISSED, INVENTED, MERGED, CUT, EDGE)
"""All of them, in the order of the columns of ``clips.csv``."""

MATCHED_BEAT, REPRESENTATIVE_BEAT = "matched", "representative"
"""Which true beats an EF is compared with: those at its own times, or without any the clip's representative beat."""


@dataclass(frozen=True, slots=True)
class BeatResult:
    """A true beat, a found one, or both. Times in seconds from the first frame, EF in percent; NaN where there is none.

    Attributes:
        clip: Name of the clip.
        became: One of `OUTCOMES`.
        kind: Kind of the true beat; empty where there is none.
        excluded: Why the found beat was left out of the EF; empty where it was not, or where there is none.
        true_ed_s: Middle of the plateau at end-diastole; so are ``true_es_s`` at end-systole and ``true_end_s`` at the next
            end-diastole.
        true_es_s: See ``true_ed_s``.
        true_end_s: See ``true_ed_s``.
        found_ed_s: Time of the measured ED frame.
        found_es_s: Time of the measured ES frame.
        found_end_s: Time of the measured next ED frame.
        ed_error_ms: Found minus true end-diastole.
        es_error_ms: Found minus true end-systole.
        ed_off_ms: From the nearer end of the ED plateau; 0 on it.
        es_off_ms: From the nearer end of the ES plateau; 0 on it.
        edge_s: From the true beat to the nearer end of the clip.
        ef_percent: Measured EF.
        ef_plane_percent: True EF in the plane.
        ef_space_percent: True EF of the body in space.
    """

    clip: str
    became: str
    kind: str = ""
    excluded: str = ""
    true_ed_s: float = NAN
    true_es_s: float = NAN
    true_end_s: float = NAN
    found_ed_s: float = NAN
    found_es_s: float = NAN
    found_end_s: float = NAN
    ed_error_ms: float = NAN
    es_error_ms: float = NAN
    ed_off_ms: float = NAN
    es_off_ms: float = NAN
    edge_s: float = NAN
    ef_percent: float = NAN
    ef_plane_percent: float = NAN
    ef_space_percent: float = NAN


@dataclass(frozen=True, slots=True)
class Curves:
    """Volume-time curves in ml; ``measured_ml`` is NaN where no ventricle was traced, and empty where nothing was."""

    times_s: tuple[float, ...] = ()
    measured_ml: tuple[float, ...] = ()
    plane_ml: tuple[float, ...] = ()
    space_ml: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SyntheticResult(CaseResult):
    """Result of one clip. EF in percent; NaN where there is none.

    Attributes:
        patient: The bootstrap draws the clips of a patient together.
        rhythm: Kind of rhythm.
        view: View.
        frame_rate_hz: Frames per second.
        heart_rate_bpm: True rate, from the median of the true beats.
        n_frames: Frames.
        reference: Which true beats the EF is compared with: `MATCHED_BEAT`, `REPRESENTATIVE_BEAT`, or empty.
        ef_plane_percent: True EF in the plane of these beats.
        ef_space_percent: True EF of the body in these beats.
        ef_representative_percent: True EF in the plane of the representative beat, as in ``FileList.csv``.
        dice_ed: Mean LV Dice on the end-diastolic frames of the true beats; a frame without a tracing counts 0.
        dice_es: The same on the end-systolic frames.
        volume_error_percent: Mean over the traced frames of measured minus true volume in the plane, relative to the true.
        volume_mae_percent: Mean of its absolute value.
        untraced: Frames without a tracing.
        parameters: Numbers among the settings it was generated with.
        beats: Its beats.
        curves: Its volume-time curves.
    """

    patient: str = ""
    rhythm: str = ""
    view: str = ""
    frame_rate_hz: float = NAN
    heart_rate_bpm: float = NAN
    n_frames: int = 0
    reference: str = ""
    ef_plane_percent: float = NAN
    ef_space_percent: float = NAN
    ef_representative_percent: float = NAN
    dice_ed: float = NAN
    dice_es: float = NAN
    volume_error_percent: float = NAN
    volume_mae_percent: float = NAN
    untraced: int = 0
    parameters: Mapping[str, float] = field(default_factory=dict)
    beats: tuple[BeatResult, ...] = ()
    curves: Curves = Curves()

    def count(self, outcome: str) -> int:
        """Number of beats with an outcome."""
        return sum(beat.became == outcome for beat in self.beats)


ES_TOLERANCE_S = 0.15
"""Largest distance of the end-systoles of the same beat; at most a quarter of its cycle."""

MIN_OVERLAP = 0.5
"""The intervals from ED to ED of the same beat overlap by more than this (intersection over union)."""

PLATEAU_SHARE = 0.01
"""A plateau lies within this share of the curve's range of its extreme."""


@dataclass(frozen=True, slots=True)
class FoundBeat:
    """A complete beat of a measurement, on the clip's clock.

    Attributes:
        ed_s: Its end-diastole.
        es_s: Its end-systole.
        end_s: The next end-diastole.
        ef_percent: Its EF.
        excluded: Why it was left out of the EF, or empty.
    """

    ed_s: float
    es_s: float
    end_s: float
    ef_percent: float
    excluded: str = ""


def complete_beats(beats: Sequence[Beat], times_s: FloatArray) -> list[FoundBeat]:
    """The complete beats of a measurement, those left out of the EF included."""
    return [
        FoundBeat(
            float(times_s[beat.ed_frame]),
            float(times_s[beat.es_frame]),
            float(times_s[beat.end_frame]),
            beat.ef_percent,
            beat.excluded,
        )
        for beat in beats
        if beat.end_frame is not None
    ]


def beat_at(beats: Sequence[TrueBeat], es_s: float) -> TrueBeat | None:
    """The true beat with its end-systole at a time, or None."""
    near = [beat for beat in beats if abs(beat.es_time_s - es_s) <= _tolerance(beat)]
    return min(near, key=lambda beat: abs(beat.es_time_s - es_s), default=None)


def compare_beats(
    clip: str, true: Sequence[TrueBeat], found: Sequence[FoundBeat], curve: TrueCurve
) -> tuple[BeatResult, ...]:
    """Every true and every found beat, matched where they are the same.

    Args:
        clip: Name of the clip.
        true: Complete true beats.
        found: Complete beats of the measurement.
        curve: True volumes, with the plateaus and the beats that the ends of the clip cut.

    Returns:
        In order of time.
    """
    pairs = match(true, found)
    results = [_match_result(clip, true[i], found[j], curve) for i, j in pairs]
    matched_true, matched_found = {i for i, _ in pairs}, {j for _, j in pairs}
    for i, beat in enumerate(true):
        if i not in matched_true:
            outcome = EDGE if is_at_edge(beat, curve.times_s) else MISSED
            results.append(BeatResult(clip, outcome, **_true_values(beat, curve)))
    minima = _minima_outside(true, curve)
    for j, one in enumerate(found):
        if j not in matched_found:
            cut = any(
                abs(minimum - one.es_s) <= min(ES_TOLERANCE_S, (one.end_s - one.ed_s) / 4)
                for minimum in minima
            )
            outcome = MERGED if _is_merged(one, true) else CUT if cut else INVENTED
            results.append(BeatResult(clip, outcome, **_found_values(one)))
    return tuple(sorted(results, key=lambda r: r.true_ed_s if r.true_ed_s == r.true_ed_s else r.found_ed_s))


def match(true: Sequence[TrueBeat], found: Sequence[FoundBeat]) -> list[tuple[int, int]]:
    """Pairs of indices, each beat at most once, the best overlap first."""
    candidates = []
    for j, one in enumerate(found):
        if _is_merged(one, true):
            continue
        for i, beat in enumerate(true):
            intersection = min(beat.end_time_s, one.end_s) - max(beat.ed_time_s, one.ed_s)
            union = max(beat.end_time_s, one.end_s) - min(beat.ed_time_s, one.ed_s)
            if intersection > MIN_OVERLAP * union and abs(beat.es_time_s - one.es_s) <= _tolerance(beat):
                candidates.append((-intersection / union, i, j))
    pairs: list[tuple[int, int]] = []
    for _, i, j in sorted(candidates):
        if all(i != a and j != b for a, b in pairs):
            pairs.append((i, j))
    return sorted(pairs)


def is_at_edge(beat: TrueBeat, times_s: FloatArray) -> bool:
    """Whether a beat begins or ends within half a frame of the ends of the clip."""
    half = float(np.median(np.diff(times_s))) / 2 if len(times_s) > 1 else 0.0
    return beat.ed_time_s - float(times_s[0]) < half or float(times_s[-1]) - beat.end_time_s < half


def plateau(curve: TrueCurve, at_s: float, reach_s: float) -> tuple[float, float]:
    """The plateau of the true volume around an extreme.

    Args:
        curve: True volumes.
        at_s: Middle of the plateau.
        reach_s: Search distance on both sides; within a quarter of a cycle there is no other extreme.

    Returns:
        Its two ends in seconds, interpolated between frames; both ``at_s`` where no frame lies on it.
    """
    near = np.flatnonzero(np.abs(curve.times_s - at_s) <= reach_s)
    if len(near) < 2:
        return at_s, at_s
    times, volume = curve.times_s[near], curve.volume_ml[near]
    middle = float(np.interp(at_s, times, volume))
    away = np.abs(volume - middle)
    limit = PLATEAU_SHARE * float(np.ptp(curve.volume_ml))
    off = np.flatnonzero(away > limit)
    centre = int(np.argmin(np.abs(times - at_s)))
    if centre in off:
        return at_s, at_s
    first = int(max(off[off < centre], default=-1)) + 1
    last = int(min(off[off > centre], default=len(near))) - 1
    start, end = float(times[first]), float(times[last])
    if first > 0:
        start -= (start - float(times[first - 1])) * (limit - away[first]) / (away[first - 1] - away[first])
    if last + 1 < len(near):
        end += (float(times[last + 1]) - end) * (limit - away[last]) / (away[last + 1] - away[last])
    return min(start, at_s), max(end, at_s)


def _is_merged(one: FoundBeat, true: Sequence[TrueBeat]) -> bool:
    """Whether more than one true end-systole lies in a found beat."""
    return sum(one.ed_s < beat.es_time_s < one.end_s for beat in true) > 1


def _tolerance(beat: TrueBeat) -> float:
    return min(ES_TOLERANCE_S, (beat.end_time_s - beat.ed_time_s) / 4)


def _match_result(clip: str, beat: TrueBeat, one: FoundBeat, curve: TrueCurve) -> BeatResult:
    reach = (beat.end_time_s - beat.ed_time_s) / 4
    off = [
        1000 * (time - min(max(time, start), end))
        for time, (start, end) in (
            (one.ed_s, plateau(curve, beat.ed_time_s, reach)),
            (one.es_s, plateau(curve, beat.es_time_s, reach)),
        )
    ]
    return BeatResult(
        clip,
        MATCHED,
        **_true_values(beat, curve),
        **_found_values(one),
        ed_error_ms=1000 * (one.ed_s - beat.ed_time_s),
        es_error_ms=1000 * (one.es_s - beat.es_time_s),
        ed_off_ms=off[0],
        es_off_ms=off[1],
    )


def _true_values(beat: TrueBeat, curve: TrueCurve) -> dict[str, Any]:
    return {
        "kind": beat.kind,
        "true_ed_s": beat.ed_time_s,
        "true_es_s": beat.es_time_s,
        "true_end_s": beat.end_time_s,
        "edge_s": float(min(beat.ed_time_s - curve.times_s[0], curve.times_s[-1] - beat.end_time_s)),
        "ef_plane_percent": beat.plane_ef_percent,
        "ef_space_percent": beat.ef_percent,
    }


def _found_values(one: FoundBeat) -> dict[str, Any]:
    return {
        "excluded": one.excluded,
        "found_ed_s": one.ed_s,
        "found_es_s": one.es_s,
        "found_end_s": one.end_s,
        "ef_percent": one.ef_percent,
    }


def _minima_outside(true: Sequence[TrueBeat], curve: TrueCurve) -> list[float]:
    """Times of the minima of the true volume outside all complete beats: of beats that the ends of the clip cut."""
    volume, times = curve.volume_ml, curve.times_s
    # The true volume has no noise: a minimum is where it stops falling and rises next, also on the last frame.
    slope = np.sign(np.round(np.diff(volume), 6))
    moving = np.flatnonzero(slope)
    minima = []
    for before, after in zip([-1, *moving], [*moving, -1], strict=True):
        falls = before < 0 or slope[before] < 0
        rises = after < 0 or slope[after] > 0
        if falls and rises and (before >= 0 or after >= 0):
            start = 0 if before < 0 else before + 1
            end = len(times) - 1 if after < 0 else after
            minima.append(float(times[start] + times[end]) / 2)
    return [minimum for minimum in minima if not any(b.ed_time_s <= minimum <= b.end_time_s for b in true)]
