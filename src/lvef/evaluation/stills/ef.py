"""EF of a network against EF of the expert masks: which patients, which reference, how well they agree.

The reference is the method of disks on the expert masks, by the same code that makes the network's EF, so that what is left
is the network's. It is named with every figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import Tracing
from lvef.core.terms import Phase, View
from lvef.evaluation.figures import Named, make_figures
from lvef.evaluation.metrics import NAN
from lvef.evaluation.stills.records import (
    EfCase,
    EfComparison,
    StillScore,
)
from lvef.evaluation.stills.scores import QUALITIES
from lvef.geometry.categories import HeartFailureRange, ReportClass, categories
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import biplane_ef
from lvef.inference.card import Figure
from lvef.stats.agreement import (
    limits_of_agreement,
    mean_absolute_error,
    pearson_r,
    root_mean_square_error,
)
from lvef.stats.classification import class_indices, cohen_kappa, majority_share, observed_agreement

EF_POINTS = "EF points"
"""Unit of a difference of two EFs in percent."""

TABLES: dict[str, list[str]] = {
    "heart_failure": [str(known) for known in HeartFailureRange],
    "report": [str(known) for known in ReportClass],
}
"""Category tables that are compared, with their classes. That of ASE/EACVI needs the patient's sex and is left out."""

CARD_STATISTICS = ("mae", "bias", "r")
"""What a card holds of each comparison."""

CARD_COMPARISONS = ("a4c", "a2c", "biplane")
"""The comparisons whose figures a card holds."""

AXIS_WORDS = {"a4c": "A4C axis for both views", "longer": "longer axis of the two views", "": "no axis"}
"""`lvef.geometry.simpson.BiplaneResult.axis` in words."""

Stills = Mapping[tuple[str, str], StillScore]
"""Stills of one patient by view and phase."""


def ef_comparisons(scores: Iterable[StillScore]) -> list[EfComparison]:
    """EFs of every patient that has them, beside those of each reference; without those that nobody has.

    Args:
        scores: Stills of one network, with tracings where a biplane EF is wanted.
    """
    patients: dict[str, dict[tuple[str, str], StillScore]] = {}
    for score in scores:
        patients.setdefault(score.patient, {})[score.view, score.phase] = score
    axes = {_biplane(stills, expert=True)[1] for stills in patients.values()} - {""}
    biplane = (
        f"biplane method of disks on the expert masks, {' or '.join(AXIS_WORDS[a] for a in sorted(axes))}"
    )
    four, two = str(View.A4C), str(View.A2C)
    plan: list[
        tuple[str, str, str, Sequence[str], Callable[[Stills, bool], float], Callable[[Stills, bool], float]]
    ]
    plan = [
        ("a4c", "A4C alone", _disks_words(View.A4C), (four,), _of_view(View.A4C), _of_view(View.A4C)),
        ("a2c", "A2C alone", _disks_words(View.A2C), (two,), _of_view(View.A2C), _of_view(View.A2C)),
        ("biplane", "biplane", biplane, (four, two), _of_both, _of_both),
        ("a4c_vs_biplane", "A4C alone", biplane, (four, two), _of_view(View.A4C), _of_both),
    ]
    found = []
    for key, title, reference, views, method, truth in plan:
        cases, lost = [], 0
        for patient, stills in patients.items():
            if not all((view, phase) in stills for view in views for phase in Phase):
                continue
            ef, wanted = method(stills, False), truth(stills, True)
            if np.isfinite([ef, wanted]).all():
                cases.append(EfCase(patient, stills[views[0], Phase.ED].quality, ef, wanted))
            else:
                lost += 1
        if cases or lost:
            found.append(EfComparison(key, title, reference, tuple(cases), lost))
    return found


def ef_figures(comparison: EfComparison, split: str, seed: int) -> list[Figure]:
    """Bias, limits of agreement, MAE, RMSE, r, agreement and kappa of the categories; MAE and bias by picture quality.

    Beside each stands the trivial answer: the median EF of the reference for every patient, its most frequent category.
    """
    key, pairs = comparison.key, comparison.pairs
    if len(pairs) < 2:
        return []
    median = float(np.median(pairs[:, 1]))
    always = np.stack([np.full(len(pairs), median), pairs[:, 1]], axis=1)
    plain = _agreement(always)
    named = [
        Named(f"ef_{name}_{key}", "" if name == "r" else EF_POINTS, None if name == "r" else trivial)
        for name, trivial in zip(_AGREEMENT, plain, strict=True)
    ]
    columns = [pairs]
    for table, known in TABLES.items():
        classes = np.stack([class_indices(_classes(pairs[:, i], table), known) for i in (0, 1)], axis=1)
        columns.append(classes.astype(float))
        named += [
            Named(f"ef_agreement_{table}_{key}", "", majority_share(classes[:, 1])),
            Named(f"ef_kappa_{table}_{key}", "", 0.0),
        ]

    def statistics(rows: NDArray[np.float64]) -> list[float]:
        figures = _agreement(rows[:, :2])
        for place in range(2, rows.shape[1], 2):
            a, b = rows[:, place].astype(int), rows[:, place + 1].astype(int)
            figures += [observed_agreement(a, b), cohen_kappa(a, b)]
        return figures

    found = make_figures(
        named, statistics, np.hstack(columns), split=split, reference=comparison.reference, seed=seed
    )
    for quality in QUALITIES:
        kept = pairs[[case.quality == quality for case in comparison.cases]]
        if len(kept):
            trivial = mean_absolute_error(np.full(len(kept), np.median(kept[:, 1])), kept[:, 1])
            names = [
                Named(f"ef_mae_{key}_{quality}".lower(), EF_POINTS, trivial),
                Named(f"ef_bias_{key}_{quality}".lower(), EF_POINTS),
            ]
            found += make_figures(
                names,
                lambda v: [mean_absolute_error(v[:, 0], v[:, 1]), float((v[:, 0] - v[:, 1]).mean())],
                kept,
                split=split,
                reference=comparison.reference,
                seed=seed,
            )
    return found


def card_names() -> set[str]:
    """Names of the EF figures that a card holds."""
    return {f"ef_{name}_{key}" for name in CARD_STATISTICS for key in CARD_COMPARISONS}


_AGREEMENT = ("mae", "bias", "r", "limit_low", "limit_high", "rmse")


def _agreement(pairs: NDArray[np.float64]) -> list[float]:
    """`_AGREEMENT` of ``(n, 2)`` EFs."""
    method, reference = pairs[:, 0], pairs[:, 1]
    low, high = limits_of_agreement(method - reference)
    return [
        mean_absolute_error(method, reference),
        float((method - reference).mean()),
        pearson_r(method, reference),
        low,
        high,
        root_mean_square_error(method, reference),
    ]


def _classes(efs: NDArray[np.float64], table: str) -> list[str]:
    return [categories(float(ef))[table] for ef in efs]


def _disks_words(view: View) -> str:
    return f"method of disks on the expert masks, {view}"


def _of_view(view: View) -> Callable[[Stills, bool], float]:
    """Single-plane EF of the network (False) or of the expert masks (True); NaN where there is none."""

    def ef(stills: Stills, expert: bool) -> float:
        ed, es = stills[str(view), Phase.ED], stills[str(view), Phase.ES]
        volumes = (ed.volume_expert, es.volume_expert) if expert else (ed.volume, es.volume)
        try:
            return ejection_fraction(*volumes)
        except GeometryError:
            return NAN

    return ef


def _of_both(stills: Stills, expert: bool) -> float:
    return _biplane(stills, expert=expert)[0]


def _biplane(stills: Stills, *, expert: bool) -> tuple[float, str]:
    """Biplane EF and the axis it rests on; NaN and nothing where one of the four stills has no tracing."""
    traced: list[Tracing] = []
    for view in (View.A4C, View.A2C):
        for phase in Phase:
            score = stills.get((str(view), str(phase)))
            tracing = None if score is None else score.tracing_expert if expert else score.tracing
            if tracing is None:
                return NAN, ""
            traced.append(tracing)
    spacings = [stills[str(view), str(Phase.ED)].spacing for view in (View.A4C, View.A2C)]
    try:
        result = biplane_ef(*traced, a4c_spacing=spacings[0], a2c_spacing=spacings[1])
    except GeometryError:
        return NAN, ""
    return result.ef_percent, result.axis
