"""The metrics of a model on stills: overlap and distance by view and phase, EF beside each reference; two models compared.

A new metric of a still is one more entry of `STILL_METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lvef.core.terms import Phase
from lvef.evaluation.ef_metrics import EF_POINTS, constant_pairs, select_metrics
from lvef.evaluation.metrics import (
    LEVEL,
    Metric,
    MetricRow,
    PairedMetric,
    bootstrap_metrics,
    correct_p_values,
    make_generator,
)
from lvef.evaluation.stills.ef import EfComparison
from lvef.evaluation.stills.scores import STRUCTURE_TITLES, STRUCTURES, VIEWS, StillScore
from lvef.stats.paired import compare

EXPERT_MASKS, EXPERT_LINES = "expert masks", "lines of the expert masks"
"""What overlap and distances, and what lines, are compared with."""

QUALITIES = ("Good", "Medium", "Poor")
"""Image qualities by which metrics are split."""

EF_STATISTICS = (
    *("mae", "bias", "r", "limit_low", "limit_high", "rmse"),
    *("agreement_heart_failure", "kappa_heart_failure", "agreement_report", "kappa_report"),
)
"""Metrics of every comparison of EF."""

CARD_METRICS = {
    *(f"dice_{name}_{view}_{phase}".lower() for name in STRUCTURES for view in VIEWS for phase in Phase),
    *(f"ef_{name}_{key}" for name in ("mae", "bias", "r") for key in ("a4c", "a2c", "biplane")),
}
"""Names of the metrics that a model card holds."""


@dataclass(frozen=True, slots=True)
class StillMetric:
    """A value of a still, whose mean by view and phase is a metric.

    Attributes:
        name: For example ``dice_lv``.
        value: The value of one still; NaN where it has none.
        unit: Its unit.
        reference: What it is compared with.
    """

    name: str
    value: Callable[[StillScore], float]
    unit: Callable[[StillScore], str] = lambda _: ""
    reference: str = EXPERT_MASKS


STILL_METRICS = [
    *(StillMetric(f"dice_{s}", lambda score, s=s: getattr(score, f"dice_{s}")) for s in STRUCTURES),  # type: ignore[misc]
    *(
        StillMetric(
            f"{kind}_{s}",
            lambda score, name=f"{kind}_{s}": getattr(score, name),  # type: ignore[misc]
            lambda score: score.distance_unit,
        )
        for kind in ("hausdorff", "distance")
        for s in STRUCTURES
    ),
    StillMetric("line_mae_lengths", lambda score: score.line_error, lambda _: "LV lengths", EXPERT_LINES),
]
"""Every metric of stills."""


def still_metrics(scores: Sequence[StillScore], *, method: str, split: str, seed: int) -> list[MetricRow]:
    """`STILL_METRICS` by view and phase; LV Dice by image quality as well."""
    found: list[MetricRow] = []
    for view in VIEWS:
        for phase in Phase:
            here = [s for s in scores if s.view == view and s.phase == phase]
            ending = f"_{view}_{phase}"
            for metric in STILL_METRICS:
                found += _means(metric, here, ending, method, split, seed)
            for quality in QUALITIES:
                part = [s for s in here if s.quality == quality]
                found += _means(STILL_METRICS[0], part, f"{ending}_{quality}", method, split, seed)
    return found


def _means(
    metric: StillMetric, scores: Sequence[StillScore], ending: str, method: str, split: str, seed: int
) -> list[MetricRow]:
    """The mean over stills, which are one a patient; none where units differ: millimetres and pixels have no mean."""
    known = [score for score in scores if np.isfinite(metric.value(score))]
    units = {metric.unit(score) for score in known}
    if len(units) != 1:
        return []
    return bootstrap_metrics(
        [Metric(metric.name, lambda rows: float(rows.mean()), unit=units.pop())],
        np.array([metric.value(score) for score in known], dtype=float),
        method=method,
        ending=ending.lower(),
        split=split,
        reference=metric.reference,
        seed=seed,
    )


def ef_metrics(comparison: EfComparison, *, method: str, split: str, seed: int) -> list[MetricRow]:
    """`EF_STATISTICS` of a comparison, and MAE and bias by image quality.

    The baseline is the median EF of the reference for every patient, or its most frequent category.
    """

    def metrics_of(statistics: Sequence[str], kept: Sequence[bool], ending: str) -> list[MetricRow]:
        pairs = comparison.pairs[list(kept)]
        if len(pairs) < 2:
            return []
        return bootstrap_metrics(
            select_metrics(*statistics),
            pairs,
            method=method,
            ending=f"_{comparison.key}{ending}".lower(),
            baseline=constant_pairs(pairs, float(np.median(pairs[:, 1]))),
            split=split,
            reference=comparison.reference,
            seed=seed,
        )

    found = metrics_of(EF_STATISTICS, [True] * len(comparison.cases), "")
    for quality in QUALITIES:
        found += metrics_of(
            ("mae", "bias"), [case.quality == quality for case in comparison.cases], f"_{quality}"
        )
    return found


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models: its name, its stills, its EFs."""

    label: str
    scores: Sequence[StillScore]
    comparisons: Sequence[EfComparison]


def compare_models(sides: Sequence[Side], seed: int) -> list[PairedMetric]:
    """Every pair of models, every metric; p values corrected over all of them."""
    return correct_p_values(
        metric for first, second in combinations(sides, 2) for metric in _compare(first, second, seed)
    )


def _compare(first: Side, second: Side, seed: int) -> Iterator[PairedMetric]:
    theirs = _values(second)
    for (figure, unit, more_is_better), values in _values(first).items():
        others = theirs.get((figure, unit, more_is_better), {})
        rows = np.array([(values[p], others[p]) for p in values if p in others]).reshape(-1, 2)
        generator = make_generator(seed, f"{first.label} {second.label} {figure}")
        paired = compare(rows[:, 0], rows[:, 1], generator, level=LEVEL)
        if paired is not None:
            ours, others_mean = rows[np.isfinite(rows).all(axis=1)].mean(axis=0).tolist()
            yield PairedMetric(
                first.label,
                second.label,
                figure,
                unit,
                paired.n,
                paired.n,
                ours,
                others_mean,
                paired.difference,
                paired.low,
                paired.high,
                LEVEL,
                paired.p,
                None,
                more_is_better,
            )


def _values(side: Side) -> dict[tuple[str, str, bool], dict[str, float]]:
    """Name, unit and direction of each metric -> its value by patient."""
    found: dict[tuple[str, str, bool], dict[str, float]] = {}
    for name, title in STRUCTURE_TITLES.items():
        for view in VIEWS:
            for phase in Phase:
                found[f"{title} Dice {view} {phase}", "Dice", True] = {
                    s.patient: getattr(s, f"dice_{name}")
                    for s in side.scores
                    if s.view == view and s.phase == phase
                }
    for view in VIEWS:
        for phase in Phase:
            for score in side.scores:
                if score.view == view and score.phase == phase and score.distance_unit:
                    key = f"LV border {view} {phase}", score.distance_unit, False
                    found.setdefault(key, {})[score.patient] = score.distance_lv
    for comparison in side.comparisons:
        where = "A4C to biplane" if comparison.key == "a4c_vs_biplane" else comparison.title
        found[f"EF error {where}", EF_POINTS, False] = {
            case.patient: abs(case.ef_percent - case.ef_reference_percent) for case in comparison.cases
        }
    return found
