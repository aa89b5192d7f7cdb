"""EF of a model beside EF of the expert masks: which patients, and against which reference.

The reference is the method of disks on the expert masks, by the same code that computes the model's EF, so that what is left
is the model's. It is stated with every metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray, Tracing
from lvef.core.terms import Phase, View
from lvef.evaluation.metrics import NAN
from lvef.evaluation.stills.scores import VIEWS, StillScore
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import biplane_ef

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
    """EFs of every patient that has them, beside those of each reference; without those that nobody has.

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
    for view in VIEWS:
        for phase in Phase:
            score = stills.get((view, phase))
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
