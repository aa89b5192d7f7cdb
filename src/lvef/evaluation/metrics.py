"""Metrics with their intervals: one definition a metric, one bootstrap over patients, one tidy table of rows.

A metric is one function of rows (a row a case: prediction, reference, ...), named in a `Metric`. `bootstrap_metrics` gives a
`MetricRow` for each, and every table that people or programs read is made from these rows. Those of predicted EFs beside
reference EFs stand in `EF_METRICS`: evaluations of datasets show all of them, the others choose.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FloatArray
from lvef.core.wording import REPORT_CLASS_TEXT
from lvef.geometry.categories import (
    HEART_FAILURE_MILDLY_REDUCED_FROM,
    HEART_FAILURE_PRESERVED_FROM,
    REPORT_MILD_RANGE,
    HeartFailureRange,
    ReportClass,
)
from lvef.inference.card import CardMetric
from lvef.stats.agreement import (
    calibration_line,
    cohen_kappa,
    confusion_matrix,
    limits_of_agreement,
    macro_sensitivity,
    majority_share,
    mean_absolute_error,
    mean_square_error,
    observed_agreement,
    pearson_r,
    r_squared,
    roc_auc,
    root_mean_square_error,
    sensitivities,
)
from lvef.stats.bootstrap import RESAMPLES, holm, intervals

LEVEL = 0.95
"""Level of the intervals."""

BOOTSTRAP_TEXT = f"percentile bootstrap over patients with {RESAMPLES} draws"
"""How the intervals are made."""

IN_BRACKETS = f"In brackets: {LEVEL:.0%} interval, {BOOTSTRAP_TEXT}."
"""What stands in brackets behind a metric."""

DIGITS = 4
"""Decimals that are kept: more than any metric of this project is good for."""

NAN = float("nan")
"""A value that is not known."""

NOT_STATED = "not stated"
"""Label of cases without one."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name, and the function that computes it.

    Attributes:
        name: For example ``ef_mae``.
        compute: Takes rows ``(n, ...)``, gives the value; NaN where it is not defined on them.
        title: For people.
        unit: Unit, or empty for a ratio.
        baseline: Computes the value of the baseline from the rows, where that is not ``compute`` on the baseline's rows.
    """

    name: str
    compute: Callable[[FloatArray], float]
    title: str = ""
    unit: str = ""
    baseline: Callable[[FloatArray], float] | None = None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One line of the tidy table: a metric of a method on a group of cases.

    Attributes:
        method: Model, or file of predictions.
        group: Which part of the cases, for example ``view: A4C``; empty for all.
        metric: Its name.
        value: The value.
        low: Lower end of the interval over patients.
        high: Upper end.
        n: Cases.
        unit: Unit, or empty for a ratio.
        baseline: The same metric of the baseline, or None.
        level: Level of the interval.
        split: Patients, in words.
        reference: What the predictions are compared with.
    """

    method: str
    group: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    unit: str = ""
    baseline: float | None = None
    level: float = LEVEL
    split: str = ""
    reference: str = ""

    def to_card_metric(self) -> CardMetric:
        """The row as model cards and ``summary.json`` hold it."""
        r = self
        return CardMetric(
            r.metric, r.value, r.unit, r.low, r.high, r.level, r.n, r.split, r.reference, r.baseline
        )


class MetricTable:
    """The tidy table, with rows found by method, metric and group.

    Args:
        rows: In the order in which they are shown.
    """

    def __init__(self, rows: Iterable[MetricRow] = ()) -> None:
        self.rows = list(rows)
        self._by_key = {(row.method, row.metric, row.group): row for row in self.rows}

    def find(self, method: str, metric: str, group: str = "") -> MetricRow | None:
        """The row, or None where the metric is not defined."""
        return self._by_key.get((method, metric, group))

    def select(self, method: str, group: str | None = "") -> list[MetricRow]:
        """Rows of a method: of all cases, of one group, or (None) of every group."""
        return [row for row in self.rows if row.method == method and group in (None, row.group)]


@dataclass(frozen=True, slots=True)
class PairedMetric:
    """A metric of two methods on the cases for which both have it.

    Attributes:
        first: Method that is subtracted.
        second: The other method.
        figure: Its name.
        unit: Its unit.
        n: Cases.
        patients: Their patients.
        first_value: Metric of the first on these cases.
        second_value: Metric of the second.
        difference: Second minus first.
        low: Lower end of the bootstrap interval over patients.
        high: Upper end.
        level: Level of the interval.
        p: Two-sided p of Wilcoxon's signed-rank test over patients; None where it is not tested.
        p_holm: The same after Holm's correction over all tests.
        more_is_better: Whether a positive difference speaks for the second.
    """

    first: str
    second: str
    figure: str
    unit: str
    n: int
    patients: int
    first_value: float
    second_value: float
    difference: float
    low: float
    high: float
    level: float
    p: float | None
    p_holm: float | None
    more_is_better: bool


def correct_p_values(paired: Iterable[PairedMetric]) -> list[PairedMetric]:
    """The same with Holm's correction over all tests."""
    found = list(paired)
    tested = [i for i, metric in enumerate(found) if metric.p is not None]
    for i, p in zip(tested, holm([found[i].p or 0.0 for i in tested]), strict=True):
        found[i] = replace(found[i], p_holm=p)
    return found


def make_generator(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each name, so that an interval does not depend on which others are computed."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def dice_score(predicted: BoolArray, truth: BoolArray) -> float:
    """Dice overlap, 0-1; NaN where both are empty."""
    total = int(predicted.sum() + truth.sum())
    return 2 * int((predicted & truth).sum()) / total if total else NAN


def mean_of_column(column: int) -> Callable[[FloatArray], float]:
    """The mean of a column of rows, for a `Metric`."""
    return lambda rows: float(rows[:, column].mean())


def make_bands(cut_offs: Sequence[float], unit: str) -> list[tuple[float, float, str]]:
    """Bands between rising cut-offs, which belong to the band above: lower end, upper end, label.

    Example:
        >>> make_bands([40, 50], " %")
        [(-inf, 40, 'below 40 %'), (40, 50, '40 to 50 %'), (50, inf, 'from 50 %')]
    """
    ends = [-math.inf, *cut_offs, math.inf]
    labels = [f"{low:g} to {high:g}{unit}" for low, high in pairwise(cut_offs)]
    labels = [f"below {cut_offs[0]:g}{unit}", *labels, f"from {cut_offs[-1]:g}{unit}"]
    return [(low, high, label) for (low, high), label in zip(pairwise(ends), labels, strict=True)]


def rows_by_patient(patients: Sequence[str]) -> list[NDArray[np.intp]]:
    """Indices of each patient's rows; where each has one row, they are in the order of the rows."""
    places: dict[str, list[int]] = {}
    for place, patient in enumerate(patients):
        places.setdefault(patient, []).append(place)
    return [np.array(at) for at in places.values()]


def bootstrap_metrics(
    metrics: Sequence[Metric],
    rows: NDArray[Any],
    patients: Sequence[str] | None = None,
    *,
    method: str,
    group: str = "",
    ending: str = "",
    baseline: NDArray[Any] | None = None,
    split: str = "",
    reference: str = "",
    seed: int = 0,
) -> list[MetricRow]:
    """Metrics of the same cases with percentile intervals over patients.

    Args:
        metrics: What to compute.
        rows: ``(n, ...)``, a row a case.
        patients: Patient of each row, who is drawn with all rows; None where each row is another patient.
        method: Model, or file of predictions.
        group: Which part of the cases.
        ending: Of the metrics' names, to tell selections of the same cases apart.
        baseline: Rows of the baseline; None for no baseline.
        split: Patients, in words.
        reference: What the predictions are compared with.
        seed: Of the bootstrap.

    Returns:
        Rows of the metrics that are defined; none with fewer than two patients. ``n`` counts the rows.
    """
    at = rows_by_patient(patients) if patients is not None else None
    units = len(rows) if at is None else len(at)
    if units < 2:
        return []
    one_each = at is None or units == len(rows)

    def compute(drawn: NDArray[np.intp]) -> list[float]:
        chosen = rows[drawn if at is None or one_each else np.concatenate([at[i] for i in drawn])]
        return [metric.compute(chosen) for metric in metrics]

    order, n = np.arange(units), len(rows)
    ends = intervals(compute, order, make_generator(seed, f"{metrics[0].name}{ending}"), level=LEVEL)
    found = []
    for metric, value, (low, high) in zip(metrics, compute(order), ends, strict=True):
        if np.isfinite([value, low, high]).all():
            name, of_baseline = f"{metric.name}{ending}", _baseline(metric, rows, baseline)
            v, lo, hi = (round(float(number), DIGITS) for number in (value, low, high))
            found.append(
                MetricRow(
                    method, group, name, v, lo, hi, n, metric.unit, of_baseline, LEVEL, split, reference
                )
            )
    return found


def _baseline(metric: Metric, rows: NDArray[Any], baseline: NDArray[Any] | None) -> float | None:
    if baseline is None:
        return None
    value = metric.compute(baseline) if metric.baseline is None else metric.baseline(rows)
    return round(float(value), DIGITS) if math.isfinite(value) else None


EF_POINTS = "EF points"
"""Unit of a difference of two EFs in percent."""

CLASSES = tuple(str(known) for known in ReportClass)
"""Classes of the source report, in the order of rows and columns."""

CLASS_TABLES: dict[str, list[str]] = {
    "heart_failure": [str(known) for known in HeartFailureRange],
    "report": list(CLASSES),
}
"""Category tables that are compared, with their classes. That of ASE/EACVI needs the patient's sex and is left out."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold of the reference's EF below which a clip is positive.

    Attributes:
        key: End of the metric's name.
        title: For people.
        percent: EF in percent.
        is_included: Whether the threshold itself is positive.
    """

    key: str
    title: str
    percent: float
    is_included: bool

    def positive(self, reference: FloatArray) -> NDArray[np.bool_]:
        """Which of ``(n,)`` reference EFs are positive."""
        return reference <= self.percent if self.is_included else reference < self.percent


THRESHOLDS = (
    Threshold("below_50", "EF < 50", 50.0, False),
    Threshold("at_most_40", "EF <= 40", 40.0, True),
    Threshold("below_40", "EF < 40", 40.0, False),
    Threshold("at_most_35", "EF <= 35", 35.0, True),
)
"""Thresholds of the ROC curves: mildly reduced, reduced (<= 40, and < 40 as the source report has it), severely reduced."""


def classify(efs: FloatArray, table: str = "report") -> NDArray[np.int_]:
    """Places in `CLASS_TABLES` of ``(n,)`` EFs, by the rules of `lvef.geometry.categories`."""
    if table == "report":
        low, high = REPORT_MILD_RANGE
        return np.where(efs > high, 0, np.where(efs >= low, 1, 2))
    limits = [HEART_FAILURE_MILDLY_REDUCED_FROM, HEART_FAILURE_PRESERVED_FROM]
    return np.digitize(np.floor(efs + 0.5), limits)


def majority_ef(reference: FloatArray) -> float:
    """An EF of the most frequent class of the source report, for the baseline that always predicts this class."""
    counts = np.bincount(classify(reference), minlength=len(CLASSES))
    return (60.0, 45.0, 30.0)[int(counts.argmax())]


def confusion_of(pairs: FloatArray) -> NDArray[np.int_]:
    """``(3, 3)`` counts: a row a class of the reference, a column a predicted class."""
    return confusion_matrix(classify(pairs[:, 1]), classify(pairs[:, 0]), len(CLASSES))


def constant_pairs(pairs: FloatArray, ef_percent: float) -> FloatArray:
    """The rows of a baseline that always predicts the same EF."""
    return np.stack([np.full(len(pairs), ef_percent), pairs[:, 1]], axis=1)


def _pearson_r(predicted: FloatArray, reference: FloatArray) -> float:
    # The standard deviation of equal numbers is not always exactly 0.
    return pearson_r(predicted, reference) if np.ptp(predicted) and np.ptp(reference) else math.nan


def _limits(predicted: FloatArray, reference: FloatArray) -> tuple[float, float]:
    return limits_of_agreement(predicted - reference)


def _intercept(predicted: FloatArray, reference: FloatArray) -> float:
    return calibration_line(predicted, reference)[1]


def _agreement(table: str, pairs: FloatArray) -> float:
    return observed_agreement(classify(pairs[:, 0], table), classify(pairs[:, 1], table))


def _kappa(table: str, pairs: FloatArray) -> float:
    return cohen_kappa(classify(pairs[:, 0], table), classify(pairs[:, 1], table))


def _majority(table: str, pairs: FloatArray) -> float:
    return majority_share(classify(pairs[:, 1], table))


def _metric(name: str, title: str, unit: str, statistic: Callable[[FloatArray, FloatArray], float]) -> Metric:
    return Metric(f"ef_{name}", lambda rows: statistic(rows[:, 0], rows[:, 1]), title, unit)


def _table_metrics(table: str, title: str) -> tuple[Metric, Metric]:
    agreement, majority = partial(_agreement, table), partial(_majority, table)
    return (
        Metric(f"ef_agreement_{table}", agreement, f"{title}: same", baseline=majority),
        Metric(f"ef_kappa_{table}", partial(_kappa, table), f"{title}: kappa", baseline=lambda _: 0.0),
    )


_METRICS = [
    _metric("mae", "mean absolute error (points)", EF_POINTS, mean_absolute_error),
    _metric("mse", "mean squared error (points²)", "EF points squared", mean_square_error),
    _metric("rmse", "root mean square error (points)", EF_POINTS, root_mean_square_error),
    _metric("r2", "R²", "", r_squared),
    _metric("r", "Pearson's r", "", _pearson_r),
    _metric("bias", "bias (points)", EF_POINTS, lambda p, r: float((p - r).mean())),
    _metric("sd", "SD of the difference (points)", EF_POINTS, lambda p, r: float((p - r).std(ddof=1))),
    _metric("limit_low", "lower limit of agreement (points)", EF_POINTS, lambda p, r: _limits(p, r)[0]),
    _metric("limit_high", "upper limit of agreement (points)", EF_POINTS, lambda p, r: _limits(p, r)[1]),
    *(
        Metric(
            f"ef_auc_{threshold.key}",
            lambda rows, positive=threshold.positive: roc_auc(-rows[:, 0], positive(rows[:, 1])),  # type: ignore[misc]
            f"AUC for {threshold.title}",
        )
        for threshold in THRESHOLDS
    ),
    Metric("ef_accuracy", partial(_agreement, "report"), "accuracy, three classes"),
    *(
        Metric(
            f"ef_sensitivity_{name}",
            lambda rows, place=place: float(sensitivities(confusion_of(rows))[place]),  # type: ignore[misc]
            f"sensitivity, {REPORT_CLASS_TEXT[name]}",
        )
        for place, name in enumerate(CLASSES)
    ),
    Metric("ef_macro_sensitivity", lambda rows: macro_sensitivity(confusion_of(rows)), "macro sensitivity"),
    _metric("calibration_slope", "calibration slope", "", lambda p, r: calibration_line(p, r)[0]),
    _metric("calibration_intercept", "calibration intercept (points)", EF_POINTS, _intercept),
    *_table_metrics("heart_failure", "heart-failure range"),
    *_table_metrics("report", "class of the source report"),
]

EF_METRICS: dict[str, Metric] = {metric.name.removeprefix("ef_"): metric for metric in _METRICS}
"""Every metric of EF by its statistic, for example ``mae``."""


def select_metrics(*statistics: str) -> list[Metric]:
    """Metrics by their statistics."""
    return [EF_METRICS[statistic] for statistic in statistics]
