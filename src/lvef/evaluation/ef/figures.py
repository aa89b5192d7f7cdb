"""Figures of merit of EFs against the manifest's, each with its interval over patients and beside trivial answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.evaluation.ef.records import Case, EfRecord
from lvef.evaluation.figures import Named, make_figures
from lvef.evaluation.stills.ef import EF_POINTS
from lvef.geometry.categories import REPORT_MILD_RANGE, ReportClass
from lvef.inference.card import Figure
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
    confusion_matrix,
    macro_sensitivity,
    observed_agreement,
    roc_auc,
    sensitivities,
)

CLASSES = tuple(str(known) for known in ReportClass)
"""The report's classes, in the order of rows and columns."""

CLASS_WORDS = {"normal": "normal (> 50)", "mild": "mild (40 to 50)", "abnormal": "abnormal (< 40)"}
"""The same for people; 40 and 50 are mild. Source: the report (SPEC 4.3)."""


@dataclass(frozen=True, slots=True)
class Border:
    """A border of the reference's EF below which a clip is a case to find.

    Attributes:
        key: End of the figure's name.
        words: For people.
        value: In percent.
        included: Whether the border itself is to be found.
    """

    key: str
    words: str
    value: float
    included: bool

    def found_in(self, reference: FloatArray) -> NDArray[np.bool_]:
        """Which of ``(n,)`` reference EFs are to be found."""
        return reference <= self.value if self.included else reference < self.value


BORDERS = (
    Border("below_50", "EF < 50", 50.0, False),
    Border("at_most_40", "EF <= 40", 40.0, True),
    Border("below_40", "EF < 40", 40.0, False),
    Border("at_most_35", "EF <= 35", 35.0, True),
)
"""Borders whose ROC curves are told: mildly reduced, reduced (<= 40, and < 40 as the report has it), severely reduced."""

FIGURES: dict[str, tuple[str, str]] = {
    "mae": ("mean absolute error (points)", EF_POINTS),
    "mse": ("mean squared error (points²)", "EF points squared"),
    "rmse": ("root mean square error (points)", EF_POINTS),
    "r2": ("R²", ""),
    "r": ("Pearson's r", ""),
    "bias": ("bias (points)", EF_POINTS),
    "limit_low": ("lower limit of agreement (points)", EF_POINTS),
    "limit_high": ("upper limit of agreement (points)", EF_POINTS),
    **{f"auc_{b.key}": (f"AUC for {b.words}", "") for b in BORDERS},
    "accuracy": ("accuracy, three classes", ""),
    **{f"sensitivity_{name}": (f"sensitivity, {words}", "") for name, words in CLASS_WORDS.items()},
    "macro_sensitivity": ("macro sensitivity", ""),
    "calibration_slope": ("calibration slope", ""),
    "calibration_intercept": ("calibration intercept (points)", EF_POINTS),
}
"""Every figure: its words and its unit, in the order of the tables."""

GROUP_FIGURES = ("mae", "rmse", "bias", "r")
"""Those that are told of a part of the clips."""

LINE_FIGURES = ("image_units", "lengths")
"""Figures of the line ends."""


def pairs_of(
    cases: Sequence[Case], records: Sequence[EfRecord], *, filled_with: float | None = None
) -> tuple[FloatArray, list[Case]]:
    """Answers beside the reference.

    Args:
        cases: They.
        records: One each, in their order.
        filled_with: EF that stands where there is no answer; None leaves such cases out.

    Returns:
        ``(n, 2)`` answer and reference, and the cases they are of.
    """
    rows, kept = [], []
    for case, record in zip(cases, records, strict=True):
        ef = record.ef_percent if record.answered else filled_with
        if ef is not None:
            rows.append((ef, case.ef_percent))
            kept.append(case)
    return np.array(rows, dtype=float).reshape(-1, 2), kept


def values_of(pairs: FloatArray) -> list[float]:
    """`FIGURES` of ``(n, 2)`` EFs; NaN for what is not defined on them."""
    if len(pairs) < 2:
        return [math.nan] * len(FIGURES)
    answer, reference = pairs[:, 0], pairs[:, 1]
    low, high = limits_of_agreement(answer - reference)
    true, said = class_numbers(reference), class_numbers(answer)
    matrix = confusion_matrix(true, said, len(CLASSES))
    slope, intercept = calibration_line(answer, reference)
    return [
        mean_absolute_error(answer, reference),
        mean_square_error(answer, reference),
        root_mean_square_error(answer, reference),
        r_squared(answer, reference),
        _r(answer, reference),
        float((answer - reference).mean()),
        low,
        high,
        *(roc_auc(-answer, border.found_in(reference)) for border in BORDERS),
        observed_agreement(true, said),
        *sensitivities(matrix).tolist(),
        macro_sensitivity(matrix),
        slope,
        intercept,
    ]


def class_numbers(efs: FloatArray) -> NDArray[np.int_]:
    """Places in `CLASSES` of ``(n,)`` EFs, by the rule of `lvef.geometry.categories.report_class`."""
    low, high = REPORT_MILD_RANGE
    return np.where(efs > high, 0, np.where(efs >= low, 1, 2))


def majority_ef(reference: FloatArray) -> float:
    """An EF of the most frequent class, for the answer that always says this class."""
    numbers = np.bincount(class_numbers(reference), minlength=len(CLASSES))
    return (60.0, 45.0, 30.0)[int(numbers.argmax())]


def ef_figures(
    pairs: FloatArray,
    patients: Sequence[str],
    *,
    ending: str = "",
    typical: float,
    split: str,
    reference: str,
    seed: int,
) -> list[Figure]:
    """Every figure that is defined, with its interval; ``trivial`` is that of answering ``typical`` for everybody.

    Args:
        pairs: ``(n, 2)`` answer and reference.
        patients: Of each row; a patient is drawn with all rows.
        ending: Of the names, to tell choices of the cases apart.
        typical: EF of the trivial answer.
        split: Which cases, in words.
        reference: What they are compared with.
        seed: Of the bootstrap.
    """
    always = values_of(np.stack([np.full(len(pairs), typical), pairs[:, 1]], axis=1))
    named = [
        Named(f"ef_{name}{ending}", unit, plain if math.isfinite(plain) else None)
        for (name, (_, unit)), plain in zip(FIGURES.items(), always, strict=True)
    ]
    return over_patients(named, values_of, pairs, patients, split=split, reference=reference, seed=seed)


def group_figures(
    pairs: FloatArray, patients: Sequence[str], *, typical: float, split: str, reference: str, seed: int
) -> list[Figure]:
    """`GROUP_FIGURES` of a part of the cases."""
    places = [list(FIGURES).index(name) for name in GROUP_FIGURES]

    def statistics(rows: FloatArray) -> list[float]:
        answer, truth = rows[:, 0], rows[:, 1]
        difference = answer - truth
        return [
            float(np.abs(difference).mean()),
            float(np.sqrt((difference**2).mean())),
            float(difference.mean()),
            _r(answer, truth),
        ]

    always = values_of(np.stack([np.full(len(pairs), typical), pairs[:, 1]], axis=1))
    named = [
        Named(f"ef_{name}", FIGURES[name][1], always[place] if math.isfinite(always[place]) else None)
        for name, place in zip(GROUP_FIGURES, places, strict=True)
    ]
    return over_patients(named, statistics, pairs, patients, split=split, reference=reference, seed=seed)


def over_patients(
    named: Sequence[Named],
    statistics: Callable[[FloatArray], list[float]],
    rows: FloatArray,
    patients: Sequence[str],
    *,
    split: str,
    reference: str,
    seed: int,
) -> list[Figure]:
    """Figures of rows, with a bootstrap that draws patients with all their rows; ``n`` counts the rows."""
    of = places_of(patients)
    one_each = len(of) == len(rows)

    def over(units: NDArray[np.intp]) -> list[float]:
        return statistics(rows[units if one_each else np.concatenate([of[i] for i in units])])

    found = make_figures(named, over, np.arange(len(of)), split=split, reference=reference, seed=seed)
    return [replace(figure, n=len(rows)) for figure in found]


def places_of(patients: Sequence[str]) -> list[NDArray[np.intp]]:
    """Places of each patient's rows; where each has one row, they are in the order of the rows."""
    places: dict[str, list[int]] = {}
    for place, patient in enumerate(patients):
        places.setdefault(patient, []).append(place)
    return [np.array(at) for at in places.values()]


def _r(answer: FloatArray, reference: FloatArray) -> float:
    # The standard deviation of equal numbers is not always exactly 0.
    return pearson_r(answer, reference) if np.ptp(answer) and np.ptp(reference) else math.nan
