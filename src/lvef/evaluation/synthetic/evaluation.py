"""Evaluation on synthetic clips: settings, results, the comparison of each measurement with the truth of its clip."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import DataError, GeometryError
from lvef.core.journal import file_stamp
from lvef.core.records import FloatArray, Measurement, Tracing
from lvef.core.serialization import flatten, printable
from lvef.core.terms import Status, Structure, View
from lvef.evaluation.metrics import NAN, dice_score
from lvef.evaluation.runner import CaseRunner, Measures, UsedWeights, settings_key
from lvef.evaluation.synthetic.results import (
    MATCHED_BEAT,
    REPRESENTATIVE_BEAT,
    Curves,
    SyntheticResult,
    beat_at,
    compare_beats,
    complete_beats,
)
from lvef.evaluation.synthetic.truth import (
    TrueClip,
    TrueCurve,
    TrueMask,
    check_beats,
    read_curve,
    read_dataset,
    read_mask,
)
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import volume_of_tracing
from lvef.measure.options import MeasureOptions
from lvef.synthesis.truth import TrueBeat, representative_beat

CLOCK_TOLERANCE = 0.25
"""Largest difference of the clip's clock from that of the truth, in frames."""


@dataclass(frozen=True)
class SyntheticSettings:
    """Settings of an evaluation on synthetic clips.

    Attributes:
        synthetic: Folder of the synthetic dataset.
        options: Model, engine, precision and threads.
        seed: Of the bootstrap and of the choice of plots.
    """

    synthetic: Path
    options: MeasureOptions = field(default_factory=MeasureOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SyntheticEvaluation:
    """Results of an evaluation on synthetic clips.

    Attributes:
        settings: Its settings.
        results: A result for each clip, in the order of the dataset's list.
        weights: The model, or None where it is not known.
        resumed: Results taken over from an earlier run.
        seconds: Duration.
    """

    settings: SyntheticSettings
    results: tuple[SyntheticResult, ...]
    weights: UsedWeights | None = None
    resumed: int = 0
    seconds: float = 0.0

    @property
    def dataset(self) -> str:
        """Name of the dataset's folder."""
        return printable(self.settings.synthetic.resolve().name)

    @property
    def measured(self) -> tuple[SyntheticResult, ...]:
        """Results of the clips that were measured or refused."""
        return tuple(r for r in self.results if not r.is_failed)

    @property
    def failed(self) -> tuple[SyntheticResult, ...]:
        """Results of the clips that could not be evaluated; their ``reason`` is a sentence."""
        return tuple(r for r in self.results if r.is_failed)


def evaluate_clips(
    settings: SyntheticSettings,
    measurer: Measures,
    runner: CaseRunner,
    *,
    weights: UsedWeights | None = None,
    clips: Sequence[TrueClip] | None = None,
) -> SyntheticEvaluation:
    """Measure every clip and compare it with its truth.

    Args:
        settings: What to evaluate.
        measurer: Measures the clips.
        runner: Runs the clips, and takes over those of an earlier run with the same files and settings.
        weights: The model, for the report.
        clips: From `read_dataset`, where that was called already.

    Raises:
        DataError: The dataset cannot be read at all, or the runner's journal cannot be written.
    """
    began = time.perf_counter()
    results = runner.run(
        read_dataset(settings.synthetic) if clips is None else clips,
        partial(evaluate_clip, measurer=measurer),
        SyntheticResult,
        key=lambda clip: clip.name,
        stamp=_stamp,
        made_with=settings_key(weights, "evaluation/synthetic"),
    )
    return SyntheticEvaluation(settings, results, weights, runner.resumed, time.perf_counter() - began)


def evaluate_clip(clip: TrueClip, measurer: Measures) -> SyntheticResult:
    """Measure one clip and compare it with its truth.

    Raises:
        LvefError: A file of the clip cannot be used.
    """
    if clip.error:
        raise DataError(clip.error)
    if not clip.video.is_file():
        raise DataError(f"{clip.video}: is missing; generate the dataset again.")
    curve = read_curve(clip.curve)
    check_beats(clip, curve)
    mask = read_mask(clip.mask, len(curve.times_s))
    measurement, opened = measurer.measure(clip.video)
    if measurement.status is Status.FAILED:
        raise DataError(measurement.reason)
    if opened is not None and opened.frames.shape[1:] != mask.labels.shape[1:]:
        video, labels = (f"{w} x {h}" for _, h, w in (opened.frames.shape, mask.labels.shape))
        raise DataError(f"{clip.mask}: is {labels} pixels, its video {video}; generate the dataset again.")
    return compare_clip(clip, curve, mask, measurement)


def compare_clip(
    clip: TrueClip, curve: TrueCurve, mask: TrueMask, measurement: Measurement
) -> SyntheticResult:
    """Compare a measurement with the truth of its clip.

    Args:
        clip: The clip.
        curve: Its true volumes.
        mask: Its true labels.
        measurement: Of its video; it may be a refusal.

    Raises:
        DataError: Video, mask and curve do not belong together.
    """
    m = measurement
    n = len(curve.times_s)
    if m.n_frames is not None and m.n_frames != n:
        raise DataError(
            f"{clip.video}: has {m.n_frames} frames, its curve has {n}; generate the dataset again."
        )
    found_times = curve.times_s if m.curve is None else m.curve.times_s
    _check_clock(clip, curve.times_s, found_times)
    measured = _volumes(m.tracings, mask, n)
    relative = 100 * (measured / curve.plane_volume_ml - 1)
    traced = relative[np.isfinite(relative)]
    numbers = flat_numbers(clip.parameters.get("parameters", {}))
    references, reference = reference_beats(clip, m, found_times)
    has_ef = m.status in (Status.OK, Status.PARTIAL_CYCLE) and m.ef_percent is not None
    cycles = [beat.end_time_s - beat.ed_time_s for beat in clip.beats]
    is_traced = bool(m.tracings)
    return SyntheticResult(
        item=clip.name,
        patient=clip.parameters.get("patient", clip.name),
        status=str(m.status),
        reason_code=m.reason_code,
        reason=m.reason,
        rhythm=clip.rhythm,
        view=clip.parameters.get("view") or ("" if m.view is View.UNKNOWN else str(m.view)),
        frame_rate_hz=float(1 / np.median(np.diff(curve.times_s))) if n > 1 else NAN,
        heart_rate_bpm=float(60 / np.median(cycles)) if cycles else numbers.get("heart_rate_bpm", NAN),
        n_frames=n,
        reference=reference,
        ef_percent=float(m.ef_percent) if has_ef and m.ef_percent is not None else NAN,
        ef_plane_percent=float(np.mean([b.plane_ef_percent for b in references])) if references else NAN,
        ef_space_percent=float(np.mean([b.ef_percent for b in references])) if references else NAN,
        ef_representative_percent=representative_beat(clip.beats).plane_ef_percent if clip.beats else NAN,
        dice_ed=_dice([beat.ed_frame for beat in clip.beats], m.tracings, mask),
        dice_es=_dice([beat.es_frame for beat in clip.beats], m.tracings, mask),
        volume_error_percent=float(traced.mean()) if len(traced) else NAN,
        volume_mae_percent=float(np.abs(traced).mean()) if len(traced) else NAN,
        untraced=int(n - len(traced)) if is_traced else 0,
        parameters=numbers,
        beats=compare_beats(clip.name, clip.beats, complete_beats(m.beats, found_times), curve),
        curves=Curves(
            tuple(curve.times_s.tolist()),
            tuple(measured.tolist()) if is_traced else (),
            tuple(curve.plane_volume_ml.tolist()),
            tuple(curve.volume_ml.tolist()),
        ),
    )


def flat_numbers(parameters: Mapping[str, Any]) -> dict[str, float]:
    """All numbers among nested parameters, by dotted names.

    Example:
        >>> flat_numbers({"name": "a", "gain": 2, "noise": {"level": 0.5, "on": True}})
        {'gain': 2.0, 'noise.level': 0.5, 'noise.on': 1.0}
    """
    return {name: float(v) for name, v in flatten(parameters).items() if isinstance(v, int | float)}


def _check_clock(clip: TrueClip, true: FloatArray, found: FloatArray) -> None:
    if len(true) > 1 and len(found) == len(true):
        drift = float(np.abs(found - true).max())
        if drift > CLOCK_TOLERANCE * float(np.median(np.diff(true))):
            raise DataError(
                f"{clip.video}: its clock differs by {1000 * drift:.0f} ms from that of its curve, which would count as a "
                "timing error; generate the dataset again."
            )


def reference_beats(
    clip: TrueClip, measurement: Measurement, times_s: FloatArray
) -> tuple[list[TrueBeat], str]:
    """The true beats whose mean EF a measurement is compared with, and which these are.

    Args:
        clip: The clip with its true beats.
        measurement: Of its video.
        times_s: ``(n,)`` times of its frames.
    """
    if not clip.beats:
        return [], ""
    if measurement.es_frame is not None and measurement.ef_percent is not None:
        averaged = (measurement.beats_averaged or 0) > 1
        frames = [b.es_frame for b in measurement.counted_beats] if averaged else [measurement.es_frame]
        at = (beat_at(clip.beats, float(times_s[frame])) for frame in frames)
        if beats := [beat for beat in at if beat is not None]:
            return beats, MATCHED_BEAT
    return [representative_beat(clip.beats)], REPRESENTATIVE_BEAT


def _volumes(tracings: Sequence[Tracing | None], mask: TrueMask, n: int) -> FloatArray:
    """Volumes of the tracings in ml, by the scale of the mask, ``(n,)``."""
    volumes = np.full(n, np.nan)
    for i, tracing in enumerate(tracings[:n]):
        if tracing is not None:
            try:
                volumes[i] = volume_of_tracing(tracing, mask.spacing)
            except GeometryError:
                continue
    return volumes


def _dice(frames: Sequence[int], tracings: Sequence[Tracing | None], mask: TrueMask) -> float:
    """Mean LV Dice over frames; NaN where nothing was traced because the clip was refused before."""
    if not frames or not tracings:
        return NAN
    found = []
    for frame in frames:
        tracing, true = tracings[frame], mask.labels[frame] == Structure.LV
        if tracing is None:
            found.append(0.0)
            continue
        height, width = true.shape
        found.append(dice_score(mask_of_contour(tracing.contour, (height, width)) > 0, true))
    return float(np.mean(found))


def _stamp(clip: TrueClip) -> str:
    """Changes when any file of the clip does, or its rows in the dataset's tables."""
    rows = json.dumps([[str(beat) for beat in clip.beats], clip.rhythm, dict(clip.parameters)], default=str)
    files = file_stamp([clip.video, clip.mask, clip.curve])
    return f"{files}:{hashlib.sha256(rows.encode()).hexdigest()[:16]}" if files else ""
