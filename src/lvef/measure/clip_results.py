"""Measurements by an EF model: the mean over windows of the clip, or over its beats.

They have no volumes and no contour. Beats are found by another model, and only where they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import Beat, Clip, CodedWarning, FloatArray, Measurement, VolumeCurve
from lvef.core.terms import Status
from lvef.geometry.rhythm import SPREAD_CODES, representative_beat, spread_warnings
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import ClipEfs, Predictor
from lvef.measure.results import RefusalWithCurve, base_measurement, with_volumes
from lvef.transforms.frames import centred_start_s, clip_starts_s
from lvef.transforms.sector import Sector

COMPLETE_BEAT_S = 1.2
"""A clip as long as this shows a complete beat from 50 beats a minute up. Shorter ones are marked as partial: without a
curve it is unknown which part of a beat they show."""

MAX_REPEATED = 0.1
"""Share of the frames that may be repeated without a warning, where the clip is slower than the model's sampling."""

MIN_FAN_PART = 0.5
"""A model that reads whole frames gets a warning where the sector fills less of them than this."""

EF_SPREAD_CODES = (*SPREAD_CODES, "mean_of_ratios")
"""Notices of a measurement that are about its own EFs."""

BeatFinder = Callable[[Clip], Measurement]
"""Measures a clip with a model that finds beats."""


def measure_with_ef_model(
    clip: Clip, sector: Sector, predictor: Predictor, options: MeasureOptions, finder: BeatFinder | None
) -> Measurement:
    """Measure a clip with an EF model.

    Args:
        clip: The clip.
        sector: Its sector.
        predictor: The model.
        options: Settings.
        finder: Finds the beats for an EF each; None reads the clip as a whole.

    Raises:
        GeometryError: Frames were chosen by hand.
        QualityRefusal: With ``finder``: no ventricle was found.
    """
    if options.ed_frame is not None or options.es_frame is not None:
        raise GeometryError(
            f"{clip.source}: {predictor.entry.name} reads the EF from clips and cannot use two frames; omit --ed-frame and "
            "--es-frame, or choose a model that draws contours with --weights."
        )
    base = _base(clip, sector, predictor, options)
    if finder is None:
        text = f"The model {predictor.entry.name} gives an EF for any clip: no ventricle was looked for."
        unchecked = CodedWarning("ventricle_not_checked", text)
        return _over_clips(
            replace(base, notices=(*base.notices, unchecked)), clip, sector, predictor, options
        )
    try:
        found = finder(clip)
    except RefusalWithCurve as refusal:
        if refusal.base.curve is None:
            raise
        text = f"No beats were found ({refusal.code}): the clip was read as a whole."
        notice = CodedWarning("no_beats_found", text)
        return _over_clips(replace(base, notices=(*base.notices, notice)), clip, sector, predictor, options)
    # The spread of the finder's own EFs says nothing about this model's.
    own = [n for n in found.notices if n not in clip.notices and n.code not in EF_SPREAD_CODES]
    whole = [beat for beat in found.beats if beat.end_frame is not None]
    counts = any(not beat.excluded for beat in whole)
    base = replace(
        base,
        notices=(*base.notices, *own, *([_finder_warning(found)] if counts else [])),
        heart_rate_bpm=found.heart_rate_bpm,
        heart_rate_source=found.heart_rate_source,
    )
    if counts:
        return _over_beats(base, whole, clip, sector, predictor, options)
    return _over_clips(base, clip, sector, predictor, options)


def _base(clip: Clip, sector: Sector, predictor: Predictor, options: MeasureOptions) -> Measurement:
    """What is known of a clip before its EF is."""
    notices = clip.notices
    part = sector.box.width * sector.box.height / (clip.frames.shape[1] * clip.frames.shape[2])
    if predictor.spec.crop == "whole" and part < MIN_FAN_PART:
        text = (
            f"The model {predictor.entry.name} reads whole frames, and the ultrasound sector fills {part:.0%} of this "
            "one: crop the clip to it."
        )
        notices = (*notices, CodedWarning("fan_is_small", text))
    nothing = np.full(len(clip.frames), np.nan)
    short = float(clip.times_s[-1]) < COMPLETE_BEAT_S
    # A curve without values carries the times.
    curve = VolumeCurve(clip.times_s, nothing, nothing, calibrated=False)
    return replace(
        base_measurement(clip, curve, (), options),
        status=Status.PARTIAL_CYCLE if short else Status.OK,
        method="",
        volume_note=f"The model {predictor.entry.name} reads the EF from the clip and measures no volumes.",
        notices=notices,
    )


def _over_clips(
    base: Measurement, clip: Clip, sector: Sector, predictor: Predictor, options: MeasureOptions
) -> Measurement:
    """The mean over evenly spaced windows."""
    starts = clip_starts_s(clip.times_s, predictor.spec)
    read = predictor.efs(clip, sector, starts)
    mean, n = float(read.efs_percent.mean()), len(starts)
    text = (
        f"The EF is the mean over {n} windows of {predictor.spec.duration_s:g} s; ef_sd_percent is their standard "
        "deviation: how much the prediction changes along the clip, not its error."
        if n > 1
        else f"The EF rests on one window of {predictor.spec.duration_s:g} s: the clip is not longer."
        if predictor.spec.clips > 1
        else f"The EF rests on one window of {predictor.spec.duration_s:g} s from the middle of the clip."
    )
    ef, clamped = _clamped(np.array([mean]))
    return with_volumes(
        replace(
            base,
            method=f"{predictor.entry.card.kind} model, {f'mean over {n} windows' if n > 1 else '1 window'}",
            ef_mean_percent=mean,
            ef_sd_percent=float(read.efs_percent.std(ddof=1)) if n > 1 else None,
            notices=(
                *base.notices,
                CodedWarning("mean_of_clips", text),
                *_input_warnings(read, base, predictor),
                *clamped,
            ),
            counts=_counts(read.efs_percent, np.array([mean])),
        ),
        float(ef[0]),
        None,
        None,
        options,
    )


def _over_beats(
    base: Measurement,
    beats: Sequence[Beat],
    clip: Clip,
    sector: Sector,
    predictor: Predictor,
    options: MeasureOptions,
) -> Measurement:
    """The mean over beats: a window is read around the middle of each."""
    times = clip.times_s
    middles = [float(times[b.ed_frame] + times[b.last_frame]) / 2 for b in beats]
    starts = [centred_start_s(times, predictor.spec, middle) for middle in middles]
    read = predictor.efs(clip, sector, starts)
    efs, clamped = _clamped(read.efs_percent)
    measured = tuple(
        replace(beat, ed_volume=np.nan, es_volume=np.nan, ef_percent=float(ef))
        for beat, ef in zip(beats, efs, strict=True)
    )
    counted = [beat for beat in measured if not beat.excluded]
    shown, values = representative_beat(counted), [beat.ef_percent for beat in counted]
    mean, n = float(np.mean(values)), len(values)
    filled = replace(
        base,
        status=Status.OK,
        method=f"{predictor.entry.card.kind} model, one window a beat, {f'mean over {n} beats' if n > 1 else 'one beat'}",
        beats=measured,
        ed_frame=shown.ed_frame,
        es_frame=shown.es_frame,
        ef_mean_percent=mean,
        ef_sd_percent=float(np.std(values, ddof=1)) if n > 1 else None,
        beats_averaged=n,
        notices=(*base.notices, *_input_warnings(read, base, predictor), *clamped, *spread_warnings(values)),
        counts=_counts(read.efs_percent, read.efs_percent),
    )
    return with_volumes(filled, mean, None, None, options)


def _finder_warning(found: Measurement) -> CodedWarning:
    weights = found.provenance.weights if found.provenance else "another model"
    text = f"The beats were found with {weights}; the EF of each is read from a window around its middle."
    return CodedWarning("beats_of_another_network", text)


def _input_warnings(read: ClipEfs, base: Measurement, predictor: Predictor) -> tuple[CodedWarning, ...]:
    """How the input differs from the model's training data."""
    notices = []
    spec, frame_s = predictor.spec, 1.0 / (base.frame_rate_hz or np.inf)
    if read.mirrored:
        text = (
            f"The model reads {spec.duration_s:g} s, the clip has {base.duration_s or 0.0:.2f} s: it was read "
            "back and forth."
        )
        notices.append(CodedWarning("played_back_and_forth", text))
    if read.repeated > MAX_REPEATED * read.shown:
        text = (
            f"The model reads a frame every {1000 * spec.duration_s / (spec.n_frames - 1):.0f} ms, the clip has one "
            f"every {1000 * frame_s:.0f} ms: some were repeated."
        )
        notices.append(CodedWarning("slow_frame_rate", text))
    return tuple(notices)


def _clamped(efs_percent: FloatArray) -> tuple[FloatArray, tuple[CodedWarning, ...]]:
    """EFs kept within 0-100, and what there is to say of it."""
    kept = np.clip(efs_percent, 0.0, 100.0)
    beyond = efs_percent[kept != efs_percent]
    if not len(beyond):
        return kept, ()
    worst = float(beyond[np.abs(beyond - 50).argmax()])
    text = f"The model predicted an EF of {worst:.1f} %, which is impossible: it was set to {min(max(worst, 0), 100):.0f} %."
    return kept, (CodedWarning("ef_clamped", text),)


def _counts(windows: FloatArray, results: FloatArray) -> dict[str, int]:
    """How often the model's own output was no EF: of its windows, and of the results before they were clamped."""

    def outside(values: FloatArray) -> int:
        return int(((values < 0) | (values > 100)).sum())

    return {
        "clips": len(windows),
        "clips_outside_0_100": outside(windows),
        "answers_outside_0_100": outside(results),
        "answers_below_0": int((results < 0).sum()),
    }
