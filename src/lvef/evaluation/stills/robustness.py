"""What changes of the picture cost a segmentation network: LV Dice and EF error under each, against the clean picture.

EF is compared with disks on the experts' masks of the unchanged still. Costs are paired: each patient under the change
against the same patient without it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.core.terms import Phase
from lvef.datasets.camus import CamusStill
from lvef.evaluation.metrics import DIGITS, LEVEL, NAN, make_generator
from lvef.evaluation.plots.differences import DICE_COST_ALLOWED, EF_COST_ALLOWED
from lvef.evaluation.report import Bounded
from lvef.evaluation.stills.ef import EF_POINTS
from lvef.evaluation.stills.perturbations import Change
from lvef.evaluation.stills.records import (
    StillScore,
)
from lvef.evaluation.stills.scores import VIEWS, ef_pairs, score_still
from lvef.geometry.ejection import ejection_fraction
from lvef.inference.card import Figure
from lvef.measure.predictor import Predictor
from lvef.stats.agreement import mean_absolute_error
from lvef.stats.bootstrap import intervals

CELLS = tuple((view, phase) for view in VIEWS for phase in Phase)
"""Views and phases whose Dice is judged, in the order of the columns."""

POOLED = "dice_lv", "ef_mae"
"""Names of the costs over all views and phases."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Figures under one change.

    Attributes:
        change: Its name.
        dice_ed: Mean LV Dice at ED over both views.
        dice_es: The same at ES.
        ef_mae: Mean absolute error of EF in points by view.
        lost: Stills in which no fan or no ventricle was found (they count as Dice 0).
    """

    change: str
    dice_ed: float
    dice_es: float
    ef_mae: Mapping[str, float]
    lost: int


@dataclass(frozen=True, slots=True)
class PairedCost:
    """What one change costs in one figure, patient by patient against the clean picture.

    Attributes:
        change: Its name.
        figure: ``dice_lv_a4c_ed`` and so on, ``ef_mae_a4c``, ``ef_mae_a2c``; `POOLED` over all of them.
        unit: Empty for Dice, or EF points.
        clean: Mean over the same patients without the change.
        cost: How much worse it got: Dice lost, or EF error gained; positive is worse. With its interval over patients.
        level: Level of the interval.
        n: Patients.
        allowed: The most that a change may cost.
    """

    change: str
    figure: str
    unit: str
    clean: float
    cost: Bounded
    level: float
    n: int
    allowed: float

    @property
    def above(self) -> bool:
        """Whether it costs more than is allowed; so does what cannot be said because all was lost."""
        return not self.cost.value <= self.allowed


def score_changed(
    predictor: Predictor,
    still: CamusStill,
    other: CamusStill | None,
    change: Change,
    clean: StillScore,
) -> StillScore:
    """Score a still after a change of it and of its other phase; its EF reference stays that of the unchanged mask."""
    # Models of one frame would not look at it.
    seen = other is not None and predictor.sees_other_phase
    context = _changed(other, change) if other is not None and seen else None
    return score_still(predictor, _changed(still, change), other=context, clean=clean)


def _changed(still: CamusStill, change: Change) -> CamusStill:
    # The same still gets the same grain in every run and for every network.
    rng = np.random.default_rng(zlib.crc32(f"{still.patient} {still.view} {still.phase}".encode()))
    picture, mask = change(still.picture, still.mask, rng)
    return replace(still, picture=picture, mask=mask)


def cost(change: str, scores: Sequence[StillScore]) -> Cost:
    """Sum the scores under one change up."""
    dice = {}
    for phase in Phase:
        known = [np.nan_to_num(s.dice_lv) for s in scores if s.phase == phase]
        dice[phase] = float(np.mean(known)) if known else NAN
    errors = {}
    for view in VIEWS:
        pairs = ef_pairs(scores, view)
        errors[str(view)] = mean_absolute_error(pairs[:, 0], pairs[:, 1]) if len(pairs) else NAN
    return Cost(
        change,
        dice[Phase.ED],
        dice[Phase.ES],
        errors,
        sum(s.lost for s in scores),
    )


def paired_costs(
    change: str, clean: Sequence[StillScore], changed: Sequence[StillScore], seed: int
) -> list[PairedCost]:
    """What one change costs, by view and phase and over all, with bootstrap intervals over patients.

    Args:
        change: Its name.
        clean: Stills without it.
        changed: The same stills with it.
        seed: Of the bootstrap.

    Returns:
        One a figure that any patient has in both; a patient whose EF is lost has no EF cost, but a Dice cost.
    """
    patients = list(dict.fromkeys(s.patient for s in clean))
    before, after = _columns(clean, patients), _columns(changed, patients)
    # Dice falls and EF error rises: both are turned so that more is worse.
    worse = np.where(np.arange(before.shape[1]) < len(CELLS), before - after, after - before)
    base = np.where(np.isfinite(worse), before, np.nan)
    names = [f"dice_lv_{view}_{phase}".lower() for view, phase in CELLS]
    names += [f"ef_mae_{view}".lower() for view in VIEWS] + list(POOLED)
    values, clean_values = _means(worse), _means(base)
    ends = intervals(_means, worse, make_generator(seed, change), level=LEVEL)
    counts = [
        *np.isfinite(worse).sum(axis=0),
        *(int(np.isfinite(p).any(axis=1).sum()) for p in _parts(worse)),
    ]
    return [
        PairedCost(
            change,
            name,
            "" if name.startswith("dice") else EF_POINTS,
            float(was),
            Bounded(float(value), float(low), float(high)),
            LEVEL,
            int(n),
            DICE_COST_ALLOWED if name.startswith("dice") else EF_COST_ALLOWED,
        )
        for name, value, was, (low, high), n in zip(names, values, clean_values, ends, counts, strict=True)
        if n
    ]


def cost_figures(costs: Sequence[PairedCost], split: str) -> list[Figure]:
    """The costs over both views and phases as figures of merit, named ``cost_dice_lv_sector_shadow`` and so on.

    Args:
        costs: From `paired_costs`, of any changes.
        split: Which patients, in words.
    """
    return [
        Figure(
            f"cost_{c.figure}_{re.sub(r'[^a-z0-9+-]+', '_', c.change.lower()).strip('_')}",
            round(c.cost.value, DIGITS),
            c.unit,
            round(c.cost.low, DIGITS),
            round(c.cost.high, DIGITS),
            c.level,
            c.n,
            split,
            "the same patients, unchanged pictures",
        )
        for c in costs
        if c.figure in POOLED and np.isfinite([c.cost.value, c.cost.low, c.cost.high]).all()
    ]


def _columns(scores: Sequence[StillScore], patients: Sequence[str]) -> FloatArray:
    """LV Dice of each of `CELLS` and absolute EF error of each of `VIEWS`, ``(patients, 6)``; NaN where not known."""
    at = {(s.patient, s.view, s.phase): s for s in scores}
    table = np.full((len(patients), len(CELLS) + len(VIEWS)), np.nan)
    for row, patient in enumerate(patients):
        for column, (view, phase) in enumerate(CELLS):
            score = at.get((patient, str(view), str(phase)))
            table[row, column] = NAN if score is None else score.dice_lv
        for column, view in enumerate(VIEWS, len(CELLS)):
            ed, es = (at.get((patient, str(view), str(phase))) for phase in Phase)
            if ed and es and np.isfinite([ed.volume, es.volume, ed.volume_expert, es.volume_expert]).all():
                ef = ejection_fraction(ed.volume, es.volume)
                table[row, column] = abs(ef - ejection_fraction(ed.volume_expert, es.volume_expert))
    return table


def _parts(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    return table[:, : len(CELLS)], table[:, len(CELLS) :]


def _with_totals(columns: FloatArray) -> FloatArray:
    """The columns, the sum of those of Dice, the sum of those of EF."""
    return np.array([*columns, columns[: len(CELLS)].sum(), columns[len(CELLS) :].sum()])


def _means(table: NDArray[np.float64]) -> FloatArray:
    """Mean of each column and of all of Dice and all of EF, without what is not known; NaN where nothing is."""
    known = np.isfinite(table)
    held = np.where(known, table, 0.0)
    sums, counts = (_with_totals(part.sum(axis=0).astype(float)) for part in (held, known))
    means: FloatArray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means
