"""Metrics of predicted EFs beside reference EFs: each a function of rows (predicted, reference) in percent.

A new metric is one more `Metric` in `EF_METRICS`; evaluations of datasets show all of them, the others choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.evaluation.metrics import Metric
from lvef.geometry.categories import (
    HEART_FAILURE_MILDLY_REDUCED_FROM,
    HEART_FAILURE_PRESERVED_FROM,
    REPORT_MILD_RANGE,
    HeartFailureRange,
    ReportClass,
)
from lvef.stats.agreement import (
    calibration_line,
    limits_of_agreement,
    mean_absolute_error,
    mean_square_error,
    pearson_r,
    r_squared,
    root_mean_square_error,
)
from lvef.stats.classification import (
    cohen_kappa,
    confusion_matrix,
    macro_sensitivity,
    majority_share,
    observed_agreement,
    roc_auc,
    sensitivities,
)

EF_POINTS = "EF points"
"""Unit of a difference of two EFs in percent."""

CLASSES = tuple(str(known) for known in ReportClass)
"""Classes of the source report, in the order of rows and columns."""

CLASS_TITLES = {"normal": "normal (> 50)", "mild": "mild (40 to 50)", "abnormal": "abnormal (< 40)"}
"""The same for people; 40 and 50 are mild. Source: the source report (SPEC 4.3)."""

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


def _agreement(table: str, pairs: FloatArray) -> float:
    return observed_agreement(classify(pairs[:, 0], table), classify(pairs[:, 1], table))


def _kappa(table: str, pairs: FloatArray) -> float:
    return cohen_kappa(classify(pairs[:, 0], table), classify(pairs[:, 1], table))


def _majority(table: str, pairs: FloatArray) -> float:
    return majority_share(classify(pairs[:, 1], table))


def _metric(name: str, title: str, unit: str, statistic: Callable[[FloatArray, FloatArray], float]) -> Metric:
    return Metric(f"ef_{name}", lambda rows: statistic(rows[:, 0], rows[:, 1]), title, unit)


_TABLE_METRICS = [
    metric
    for table, title in (("heart_failure", "heart-failure range"), ("report", "class of the source report"))
    for metric in (
        Metric(
            f"ef_agreement_{table}",
            partial(_agreement, table),
            f"{title}: same",
            baseline=partial(_majority, table),
        ),
        Metric(f"ef_kappa_{table}", partial(_kappa, table), f"{title}: kappa", baseline=lambda _: 0.0),
    )
]

_METRICS = [
    _metric("mae", "mean absolute error (points)", EF_POINTS, mean_absolute_error),
    _metric("mse", "mean squared error (points²)", "EF points squared", mean_square_error),
    _metric("rmse", "root mean square error (points)", EF_POINTS, root_mean_square_error),
    _metric("r2", "R²", "", r_squared),
    _metric("r", "Pearson's r", "", _pearson_r),
    _metric("bias", "bias (points)", EF_POINTS, lambda p, r: float((p - r).mean())),
    _metric("sd", "SD of the difference (points)", EF_POINTS, lambda p, r: float((p - r).std(ddof=1))),
    _metric(
        "limit_low",
        "lower limit of agreement (points)",
        EF_POINTS,
        lambda p, r: limits_of_agreement(p - r)[0],
    ),
    _metric(
        "limit_high",
        "upper limit of agreement (points)",
        EF_POINTS,
        lambda p, r: limits_of_agreement(p - r)[1],
    ),
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
            f"sensitivity, {CLASS_TITLES[name]}",
        )
        for place, name in enumerate(CLASSES)
    ),
    Metric("ef_macro_sensitivity", lambda rows: macro_sensitivity(confusion_of(rows)), "macro sensitivity"),
    _metric("calibration_slope", "calibration slope", "", lambda p, r: calibration_line(p, r)[0]),
    _metric(
        "calibration_intercept",
        "calibration intercept (points)",
        EF_POINTS,
        lambda p, r: calibration_line(p, r)[1],
    ),
    *_TABLE_METRICS,
]

EF_METRICS: dict[str, Metric] = {metric.name.removeprefix("ef_"): metric for metric in _METRICS}
"""Every metric of EF by its statistic, for example ``mae``."""


def select_metrics(*statistics: str) -> list[Metric]:
    """Metrics by their statistics."""
    return [EF_METRICS[statistic] for statistic in statistics]
