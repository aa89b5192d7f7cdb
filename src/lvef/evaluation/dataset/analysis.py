"""The metrics of an evaluation on a dataset: of every method, of groups of clips, and of one method against another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.core.wording import TRUNCATED
from lvef.evaluation.dataset.cases import Case, Group, groups_of
from lvef.evaluation.dataset.evaluation import DatasetEvaluation, Method
from lvef.evaluation.dataset.predictions import (
    ES_ABOVE_ED,
    EfResult,
    ReferenceTracings,
    TracingError,
    tracing_errors,
)
from lvef.evaluation.metrics import (
    CLASSES,
    EF_METRICS,
    LEVEL,
    Metric,
    MetricRow,
    MetricTable,
    PairedMetric,
    bootstrap_metrics,
    classify,
    confusion_of,
    constant_pairs,
    correct_p_values,
    majority_ef,
    make_generator,
    mean_of_column,
    rows_by_patient,
    select_metrics,
)
from lvef.stats.agreement import PARTS, CalibrationPart, calibration_parts
from lvef.stats.bootstrap import intervals, signed_rank_p

FILLED = "_filled"
"""End of the names of metrics in which the baseline stands where there is no prediction."""

NAMED_FRAMES = "_named_frames"
"""End of the names of metrics of the EFs from raw lines on the frames that the dataset names."""

METRICS = [
    metric
    for name, metric in EF_METRICS.items()
    if name != "sd" and not name.startswith(("agreement", "kappa"))
]
"""Metrics of all clips: those of EF, without what their tables already hold under another name."""

GROUP_METRICS = select_metrics("mae", "rmse", "bias", "r")
"""Metrics of a group of clips."""

CLASS_METRICS = ("accuracy", "macro_sensitivity", *(f"sensitivity_{name}" for name in CLASSES))
"""Those for which always predicting the most frequent class is a baseline."""

TRACING_METRICS = [
    Metric(
        "line_mae_image_units",
        mean_of_column(0),
        "line ends, mean absolute error, image units (1 = longer side)",
        "sides of the picture",
    ),
    Metric("line_mae_lengths", mean_of_column(1), "line ends, mean absolute error, LV lengths", "LV lengths"),
]
"""Metrics of predicted lines; rows hold `TracingError.image_units` and `.lengths`."""

COMPARED = {"mae": False, "rmse": False, "r": True}
"""Metrics by which methods are compared, and whether more is better."""

MIN_IN_PART = 5
"""Clips that a part of the calibration holds at least: the mean of fewer says little."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Impossible predictions, counted before any check refuses or corrects them.

    Attributes:
        measured: Clips with an EF, or refused because of this.
        negative: Of these, an EF below 0 or an ES volume above the ED volume.
        frames: Frames of all clips whose lines were predicted.
        crossing: Of these, with chords that cross each other.
        named: Clips with raw lines on both frames that the dataset names.
        named_negative: Of these, with an ED volume below the ES volume.
    """

    measured: int
    negative: int
    frames: int
    crossing: int
    named: int
    named_negative: int


@dataclass(frozen=True, slots=True)
class MethodAnalysis:
    """One method.

    Attributes:
        method: It.
        pairs: ``(n, 2)`` predicted and reference EF of the clips with a prediction.
        cases: These clips.
        metrics: Metrics of all clips by name.
        confusion: ``(3, 3)`` of the clips with a prediction, rows the manifest's class, columns the predicted one.
        confusion_filled: The same of all clips, or None where all have a prediction.
        parts: Calibration by parts of the predictions.
        unchecked: Impossible predictions.
        tracing_errors: Errors of lines, frame by frame.
        missing: Results without an EF.
    """

    method: Method
    pairs: FloatArray
    cases: tuple[Case, ...]
    metrics: dict[str, MetricRow]
    confusion: NDArray[np.int_]
    confusion_filled: NDArray[np.int_] | None
    parts: tuple[CalibrationPart, ...]
    unchecked: Unchecked
    tracing_errors: tuple[TracingError, ...]
    missing: tuple[EfResult, ...]

    @property
    def label(self) -> str:
        """Its name among the others."""
        return self.method.label

    @property
    def truncated(self) -> tuple[str, ...]:
        """Items measured on the frames before the clip is damaged or cut off."""
        return tuple(result.item for result in self.method.results if TRUNCATED in result.warnings)


@dataclass(frozen=True, slots=True)
class Analysis:
    """All metrics of an evaluation.

    Attributes:
        evaluation: What was predicted.
        methods: What follows for each method.
        groups: Groups of clips that have metrics of their own.
        metrics: The tidy table, of all clips and of every group.
        paired: Each method against each.
        median_baseline: Metrics of always predicting the median EF, by statistic; those that are defined.
        majority_baseline: The same of always predicting the most frequent class; of classes only.
        majority: That class.
    """

    evaluation: DatasetEvaluation
    methods: tuple[MethodAnalysis, ...]
    groups: tuple[Group, ...]
    metrics: MetricTable
    paired: tuple[PairedMetric, ...]
    median_baseline: dict[str, float]
    majority_baseline: dict[str, float]
    majority: str


def analyse(evaluation: DatasetEvaluation, tracings: ReferenceTracings, seed: int) -> Analysis:
    """Compute every metric.

    Args:
        evaluation: What was predicted.
        tracings: Lines of the dataset.
        seed: Of the bootstrap.
    """
    selection = evaluation.selection
    reference = np.array([(case.ef_percent, case.ef_percent) for case in selection.cases])
    most = majority_ef(reference[:, 1])
    median, majority = (
        {
            metric.name.removeprefix("ef_"): value
            for metric in METRICS
            if math.isfinite(value := metric.compute(constant_pairs(reference, ef)))
        }
        for ef in (selection.baseline_percent, most)
    )
    methods = tuple(_analyse_method(evaluation, method, tracings, seed) for method in evaluation.methods)
    groups = tuple(groups_of(selection.cases))
    of_groups = [
        row for m in methods for group in groups for row in _group_metrics(evaluation, m.method, group, seed)
    ]
    return Analysis(
        evaluation,
        methods,
        groups,
        MetricTable([*(row for m in methods for row in m.metrics.values()), *of_groups]),
        tuple(compare_methods(evaluation, seed)),
        median,
        {name: majority[name] for name in CLASS_METRICS if name in majority},
        CLASSES[int(classify(np.array([most]))[0])],
    )


def pair_up(
    cases: Sequence[Case], results: Sequence[EfResult], *, fill_with: float | None = None
) -> tuple[FloatArray, list[Case]]:
    """Predictions beside the reference.

    Args:
        cases: They.
        results: One each, in their order.
        fill_with: EF that stands where there is no prediction; None leaves such cases out.

    Returns:
        ``(n, 2)`` predicted and reference EF, and the cases they are of.
    """
    efs = [(result.ef_percent if result.has_ef else fill_with) for result in results]
    return _pairs([(ef, case) for ef, case in zip(efs, cases, strict=True) if ef is not None])


def compare_methods(evaluation: DatasetEvaluation, seed: int) -> list[PairedMetric]:
    """Every two methods with predictions for clips of at least two patients, every metric of `COMPARED`."""
    return correct_p_values(
        paired
        for first, second in combinations(evaluation.methods, 2)
        for paired in _compare(evaluation.selection.cases, first, second, seed)
    )


def _pairs(known: Sequence[tuple[float, Case]]) -> tuple[FloatArray, list[Case]]:
    rows = np.array([(ef, case.ef_percent) for ef, case in known], dtype=float).reshape(-1, 2)
    return rows, [case for _, case in known]


def _analyse_method(
    e: DatasetEvaluation, method: Method, tracings: ReferenceTracings, seed: int
) -> MethodAnalysis:
    cases, results = e.selection.cases, method.results
    pairs, kept = pair_up(cases, results)
    filled, every = pair_up(cases, results, fill_with=e.selection.baseline_percent)
    at_named = [(result.ef_at_named_percent, case) for case, result in zip(cases, results, strict=True)]
    named, of_named = _pairs([(ef, case) for ef, case in at_named if math.isfinite(ef)])
    is_whole = len(pairs) == len(filled)
    rows = _metrics(e, method, METRICS, pairs, kept, seed)
    if not is_whole:
        rows += _metrics(e, method, METRICS, filled, every, seed, ending=FILLED)
    rows += _metrics(e, method, METRICS, named, of_named, seed, ending=NAMED_FRAMES)
    lines = tracing_errors(cases, results, tracings)
    rows += bootstrap_metrics(
        TRACING_METRICS,
        np.array([(line.image_units, line.lengths) for line in lines]),
        [line.patient for line in lines],
        method=method.label,
        split=e.selection.split,
        reference="lines drawn by people on the ED and ES frames",
        seed=seed,
    )
    parts = max(2, min(PARTS, len(pairs) // MIN_IN_PART))
    return MethodAnalysis(
        method,
        pairs,
        tuple(kept),
        {row.metric: row for row in rows},
        confusion_of(pairs),
        None if is_whole else confusion_of(filled),
        tuple(calibration_parts(pairs[:, 0], pairs[:, 1], parts)) if len(pairs) > 1 else (),
        _count_unchecked(results, named),
        tuple(lines),
        tuple(result for result in results if not result.has_ef),
    )


def _metrics(
    e: DatasetEvaluation,
    method: Method,
    metrics: Sequence[Metric],
    pairs: FloatArray,
    cases: Sequence[Case],
    seed: int,
    *,
    ending: str = "",
    group: Group | None = None,
) -> list[MetricRow]:
    return bootstrap_metrics(
        metrics,
        pairs,
        [case.patient for case in cases],
        method=method.label,
        group=group.key if group else "",
        ending=ending,
        baseline=constant_pairs(pairs, e.selection.baseline_percent),
        split=f"{e.selection.split}, {group.by} {group.label}" if group else e.selection.split,
        reference=e.selection.reference,
        seed=seed,
    )


def _group_metrics(e: DatasetEvaluation, method: Method, group: Group, seed: int) -> list[MetricRow]:
    cases = [e.selection.cases[i] for i in group.indices]
    pairs, kept = pair_up(cases, [method.results[i] for i in group.indices])
    return _metrics(e, method, GROUP_METRICS, pairs, kept, seed, group=group)


def _count_unchecked(results: Sequence[EfResult], named: FloatArray) -> Unchecked:
    return Unchecked(
        measured=sum(result.has_ef or result.reason_code == ES_ABOVE_ED for result in results),
        negative=sum(result.was_negative for result in results),
        frames=sum(result.counts.get("frames", 0) for result in results),
        crossing=sum(result.counts.get("frames_with_crossing_chords", 0) for result in results),
        named=len(named),
        named_negative=int((named[:, 0] < 0).sum()),
    )


def _compare(cases: Sequence[Case], first: Method, second: Method, seed: int) -> list[PairedMetric]:
    both = [
        (case, a.ef_percent, b.ef_percent)
        for case, a, b in zip(cases, first.results, second.results, strict=True)
        if a.has_ef and b.has_ef
    ]
    at = rows_by_patient([case.patient for case, *_ in both])
    if len(at) < 2:
        return []
    rows = np.array([(a, b, case.ef_percent) for case, a, b in both])
    metrics = select_metrics(*COMPARED)

    def values(drawn: FloatArray, column: int) -> list[float]:
        return [metric.compute(drawn[:, [column, 2]]) for metric in metrics]

    def differences(units: NDArray[np.intp]) -> list[float]:
        drawn = rows[np.concatenate([at[i] for i in units])]
        return [b - a for a, b in zip(values(drawn, 0), values(drawn, 1), strict=True)]

    generator = make_generator(seed, f"{first.label} {second.label}")
    ends = intervals(differences, np.arange(len(at)), generator, level=LEVEL)
    errors = np.abs(rows[:, :2] - rows[:, 2:])
    p = signed_rank_p([float((errors[own, 1] - errors[own, 0]).mean()) for own in at])
    found = []
    for metric, a, b, (low, high) in zip(metrics, values(rows, 0), values(rows, 1), ends, strict=True):
        if np.isfinite([a, b, low, high]).all():
            name = metric.name.removeprefix("ef_")
            found.append(
                PairedMetric(
                    first.label,
                    second.label,
                    name,
                    metric.unit,
                    len(rows),
                    len(at),
                    a,
                    b,
                    b - a,
                    float(low),
                    float(high),
                    LEVEL,
                    p if name == "mae" else None,
                    None,
                    COMPARED[name],
                )
            )
    return found
