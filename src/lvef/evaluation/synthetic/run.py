"""Evaluation of every clip of a synthetic dataset: settings, the work on one clip, all of them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.journal import file_stamp
from lvef.core.serialization import printable
from lvef.core.terms import Status
from lvef.evaluation.results import UsedWeights
from lvef.evaluation.runner import CaseRunner, Measures, settings_key
from lvef.evaluation.synthetic.results import SyntheticResult
from lvef.evaluation.synthetic.scoring import compare_clip
from lvef.evaluation.synthetic.truth import TrueClip, check_beats, load_curve, read_dataset, read_mask
from lvef.measure.options import MeasureOptions

DIGITS = 6
"""Significant digits of the numbers in the journal."""


@dataclass(frozen=True)
class SyntheticSettings:
    """Settings of an evaluation on synthetic clips.

    Attributes:
        folder: The synthetic dataset.
        options: Model, engine, precision and threads.
        seed: Of the bootstrap and of the choice of plots.
    """

    folder: Path
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
        return printable(self.settings.folder.resolve().name)

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
        read_dataset(settings.folder) if clips is None else clips,
        partial(evaluate_clip, measurer=measurer),
        SyntheticResult,
        key=lambda clip: clip.name,
        stamp=_stamp,
        made_with=settings_key(weights, "evaluation/synthetic"),
        digits=DIGITS,
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
    curve = load_curve(clip.curve)
    check_beats(clip, curve)
    mask = read_mask(clip.mask, len(curve.times_s))
    measurement, opened = measurer.measure(clip.video)
    if measurement.status is Status.FAILED:
        raise DataError(measurement.reason)
    if opened is not None and opened.frames.shape[1:] != mask.labels.shape[1:]:
        video, labels = (f"{w} x {h}" for _, h, w in (opened.frames.shape, mask.labels.shape))
        raise DataError(f"{clip.mask}: is {labels} pixels, its video {video}; generate the dataset again.")
    return compare_clip(clip, curve, mask, measurement)


def _stamp(clip: TrueClip) -> str:
    """Changes when any file of the clip does, or its rows in the dataset's tables."""
    rows = json.dumps([[str(beat) for beat in clip.beats], clip.rhythm, dict(clip.parameters)], default=str)
    files = file_stamp([clip.video, clip.mask, clip.curve])
    return f"{files}:{hashlib.sha256(rows.encode()).hexdigest()[:16]}" if files else ""
