"""The metrics of a model on stills: overlap and distance by view and phase, EF beside each reference; two models compared.

The reference of an EF is the method of disks on the expert masks, by the same code that computes the model's EF, so that
what is left is the model's; it is stated with every metric. A new metric of a still is one more entry of `STILL_METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray, Tracing
from lvef.core.terms import Phase, View
from lvef.evaluation.metrics import (
    EF_POINTS,
    LEVEL,
    NAN,
    Metric,
    MetricRow,
    PairedMetric,
    bootstrap_metrics,
    constant_pairs,
    correct_p_values,
    make_generator,
    select_metrics,
)
from lvef.evaluation.runner import UsedWeights
from lvef.evaluation.stills.robustness import PerformanceDrop, PerturbedMetrics
from lvef.evaluation.stills.scores import (
    PLACES,
    STRUCTURE_TITLES,
    STRUCTURES,
    VIEWS,
    StillCase,
    StillResult,
    StillScore,
)
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import biplane_ef
from lvef.stats.bootstrap import compare

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
    *(f"dice_{name}_{view}_{phase}".lower() for name in STRUCTURES for view, phase in PLACES),
    *(f"ef_{name}_{key}" for name in ("mae", "bias", "r") for key in ("a4c", "a2c", "biplane")),
}
"""Names of the metrics that a model card holds."""

AXIS_TITLES = {"a4c": "A4C axis for both views", "longer": "longer axis of the two views", "": "no axis"}
"""`lvef.geometry.simpson.BiplaneResult.axis` in words."""

Stills = Mapping[tuple[str, str], StillScore]
"""Stills of one patient by view and phase."""

EfOf = Callable[[Stills, bool], float]
"""EF of a patient from the predicted masks (False) or the expert masks (True); NaN where there is none."""


@dataclass(frozen=True, slots=True)
class EfCase:
    """EF of one patient by the model and by a reference, both in percent."""

    patient: str
    quality: str
    ef_percent: float
    ef_reference_percent: float


@dataclass(frozen=True, slots=True)
class EfComparison:
    """EFs of a model beside those of one reference.

    Attributes:
        key: Ends the names of its metrics, for example ``a4c``.
        title: What was measured on which view, for people.
        reference: What it is compared with; never left out where a metric is shown.
        cases: Patients with both EFs.
        lost: Patients whose stills are there but who have no EF, from the model or from the masks.
    """

    key: str
    title: str
    reference: str
    cases: tuple[EfCase, ...]
    lost: int

    @property
    def pairs(self) -> FloatArray:
        """``(patients, 2)``: EF of the model and of the reference in percent."""
        rows = [(case.ef_percent, case.ef_reference_percent) for case in self.cases]
        return np.array(rows, dtype=float).reshape(-1, 2)

    @property
    def short_title(self) -> str:
        """What is compared, in two or three words."""
        return "A4C against biplane" if self.key == "a4c_vs_biplane" else self.title


def ef_comparisons(scores: Iterable[StillScore]) -> list[EfComparison]:
    """EFs of every patient that has them, beside those of each reference; without references that no patient has.

    Args:
        scores: Stills of one model, with tracings where a biplane EF is wanted.
    """
    patients: dict[str, dict[tuple[str, str], StillScore]] = {}
    for score in scores:
        patients.setdefault(score.patient, {})[score.view, score.phase] = score
    axes = {_biplane(stills, expert=True)[1] for stills in patients.values()} - {""}
    of_axes = " or ".join(AXIS_TITLES[axis] for axis in sorted(axes))
    biplane = f"biplane method of disks on the expert masks, {of_axes}"
    alone = {view: f"method of disks on the expert masks, {view}" for view in VIEWS}
    four, two = (_ef_of_view(view) for view in VIEWS)
    plan: list[tuple[str, str, str, tuple[View, ...], EfOf, EfOf]] = [
        ("a4c", "A4C alone", alone[View.A4C], (View.A4C,), four, four),
        ("a2c", "A2C alone", alone[View.A2C], (View.A2C,), two, two),
        ("biplane", "biplane", biplane, VIEWS, _biplane_ef, _biplane_ef),
        ("a4c_vs_biplane", "A4C alone", biplane, VIEWS, four, _biplane_ef),
    ]
    found = []
    for key, title, reference, views, predict, refer in plan:
        cases, lost = [], 0
        for patient, stills in patients.items():
            if not all((view, phase) in stills for view in views for phase in Phase):
                continue
            ef, wanted = predict(stills, False), refer(stills, True)
            if np.isfinite([ef, wanted]).all():
                cases.append(EfCase(patient, stills[views[0], Phase.ED].quality, ef, wanted))
            else:
                lost += 1
        if cases or lost:
            found.append(EfComparison(key, title, reference, tuple(cases), lost))
    return found


def _ef_of_view(view: View) -> EfOf:
    def ef(stills: Stills, expert: bool) -> float:
        pair = [stills[view, phase] for phase in Phase]
        try:
            return ejection_fraction(*(still.volume_expert if expert else still.volume for still in pair))
        except GeometryError:
            return NAN

    return ef


def _biplane_ef(stills: Stills, expert: bool) -> float:
    return _biplane(stills, expert=expert)[0]


def _biplane(stills: Stills, *, expert: bool) -> tuple[float, str]:
    """Biplane EF and the axis it rests on; NaN and nothing where one of the four stills has no tracing."""
    traced: list[Tracing] = []
    for place in PLACES:
        score = stills.get(place)
        tracing = None if score is None else score.tracing_expert if expert else score.tracing
        if tracing is None:
            return NAN, ""
        traced.append(tracing)
    a4c, a2c = (stills[view, Phase.ED].spacing for view in VIEWS)
    try:
        result = biplane_ef(*traced, a4c_spacing=a4c, a2c_spacing=a2c)
    except GeometryError:
        return NAN, ""
    return result.ef_percent, result.axis


@dataclass(frozen=True, slots=True)
class StillMetric:
    """A value of a still, whose mean by view and phase is a metric.

    Attributes:
        name: Field or property of `StillScore`, for example ``dice_lv``; NaN where a still has no value.
        unit: Its unit; None for that of the still's distances.
        reference: What it is compared with.
    """

    name: str
    unit: str | None = ""
    reference: str = EXPERT_MASKS


STILL_METRICS = [
    *(StillMetric(f"dice_{s}") for s in STRUCTURES),
    *(StillMetric(f"{kind}_{s}", None) for kind in ("hausdorff", "distance") for s in STRUCTURES),
    StillMetric("line_mae_lengths", "LV lengths", EXPERT_LINES),
]
"""Every metric of stills."""


def still_metrics(scores: Sequence[StillScore], *, method: str, split: str, seed: int) -> list[MetricRow]:
    """`STILL_METRICS` by view and phase; LV Dice by image quality as well."""
    found: list[MetricRow] = []
    for view, phase in PLACES:
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
    known = [(s, value) for s in scores if np.isfinite(value := getattr(s, metric.name))]
    units = {s.distance_unit if metric.unit is None else metric.unit for s, _ in known}
    if len(units) != 1:
        return []
    return bootstrap_metrics(
        [Metric(metric.name, lambda rows: float(rows.mean()), unit=units.pop())],
        np.array([value for _, value in known], dtype=float),
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
    found: list[MetricRow] = []
    for quality in ("", *QUALITIES):
        pairs = comparison.pairs[[quality in ("", case.quality) for case in comparison.cases]]
        if len(pairs) < 2:
            continue
        found += bootstrap_metrics(
            select_metrics("mae", "bias") if quality else select_metrics(*EF_STATISTICS),
            pairs,
            method=method,
            ending=(f"_{comparison.key}_{quality}" if quality else f"_{comparison.key}").lower(),
            baseline=constant_pairs(pairs, float(np.median(pairs[:, 1]))),
            split=split,
            reference=comparison.reference,
            seed=seed,
        )
    return found


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Everything scored of one model, or of the models of one cross-validation.

    Attributes:
        label: Its name among the others.
        weights: The file, or one file a fold.
        scores: One a still.
        perturbed: Perturbation -> scores in the order of ``scores``; empty where that was not asked for.
        worst: The stills with the lowest LV Dice, the worst first.
        comparisons: EFs beside each reference.
        drops: Performance drops under each perturbation.
        sums: Metrics of the clean image and under each perturbation; empty where that was not asked for.
    """

    label: str
    weights: tuple[UsedWeights, ...]
    scores: Sequence[StillScore]
    perturbed: Mapping[str, Sequence[StillScore]] = field(default_factory=dict)
    worst: Sequence[tuple[StillCase, StillResult]] = ()
    comparisons: Sequence[EfComparison] = ()
    drops: Sequence[PerformanceDrop] = ()
    sums: Sequence[PerturbedMetrics] = ()

    @property
    def patients(self) -> list[str]:
        """Their names, in the order in which they were scored."""
        return list(dict.fromkeys(score.patient for score in self.scores))


def compare_models(models: Sequence[ModelScores], seed: int) -> list[PairedMetric]:
    """Every pair of models, every metric; p values corrected over all of them."""
    return correct_p_values(
        metric for first, second in combinations(models, 2) for metric in _compare(first, second, seed)
    )


def _compare(first: ModelScores, second: ModelScores, seed: int) -> Iterator[PairedMetric]:
    theirs = _values(second)
    for (figure, unit, more_is_better), values in _values(first).items():
        others = theirs.get((figure, unit, more_is_better), {})
        rows = np.array([(values[p], others[p]) for p in values if p in others]).reshape(-1, 2)
        generator = make_generator(seed, f"{first.label} {second.label} {figure}")
        paired = compare(rows[:, 0], rows[:, 1], generator, level=LEVEL)
        if paired is not None:
            a, b = rows[np.isfinite(rows).all(axis=1)].mean(axis=0).tolist()
            names, bounded = (first.label, second.label, figure, unit), (paired.low, paired.high, LEVEL)
            n, difference = paired.n, paired.difference
            yield PairedMetric(*names, n, n, a, b, difference, *bounded, paired.p, None, more_is_better)


def _values(model: ModelScores) -> dict[tuple[str, str, bool], dict[str, float]]:
    """Name, unit and direction of each metric -> its value by patient."""
    found: dict[tuple[str, str, bool], dict[str, float]] = {}
    scores = {place: [s for s in model.scores if (s.view, s.phase) == place] for place in PLACES}
    for name, title in STRUCTURE_TITLES.items():
        for (view, phase), here in scores.items():
            dice = {s.patient: getattr(s, f"dice_{name}") for s in here}
            found[f"{title} Dice {view} {phase}", "Dice", True] = dice
    for (view, phase), here in scores.items():
        for s in here:
            if s.distance_unit:
                key = f"LV border {view} {phase}", s.distance_unit, False
                found.setdefault(key, {})[s.patient] = s.distance_lv
    for comparison in model.comparisons:
        where = "A4C to biplane" if comparison.key == "a4c_vs_biplane" else comparison.title
        found[f"EF error {where}", EF_POINTS, False] = {
            case.patient: abs(case.ef_percent - case.ef_reference_percent) for case in comparison.cases
        }
    return found
