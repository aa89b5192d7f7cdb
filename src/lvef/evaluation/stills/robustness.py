"""Performance drops of a segmentation model under perturbations of the image: LV Dice and EF error, against the clean image.

EF is compared with disks on the experts' masks of the unperturbed still. Drops are paired: each patient under the
perturbation against the same patient without it.
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
from lvef.evaluation.ef_metrics import EF_POINTS
from lvef.evaluation.metrics import DIGITS, LEVEL, NAN, make_generator
from lvef.evaluation.plots.differences import MAX_DICE_DROP, MAX_EF_DROP
from lvef.evaluation.report import Bounded
from lvef.evaluation.stills.perturbations import Perturbation
from lvef.evaluation.stills.scores import VIEWS, StillScore, ef_pair, ef_pairs, score_still
from lvef.inference.card import Figure
from lvef.measure.predictor import Predictor
from lvef.stats.agreement import mean_absolute_error
from lvef.stats.bootstrap import intervals

CELLS = tuple((view, phase) for view in VIEWS for phase in Phase)
"""Views and phases whose Dice is evaluated, in the order of the columns."""

POOLED = "dice_lv", "ef_mae"
"""Names of the drops over all views and phases."""

DROP_NAMES = (
    *(f"dice_lv_{view}_{phase}".lower() for view, phase in CELLS),
    *(f"ef_mae_{view}".lower() for view in VIEWS),
    *POOLED,
)
"""Every drop: columns of Dice, columns of EF, both pooled."""


@dataclass(frozen=True, slots=True)
class PerturbedMetrics:
    """Metrics under one perturbation.

    Attributes:
        change: Its name.
        dice_ed: Mean LV Dice at ED over both views.
        dice_es: The same at ES.
        ef_mae: Mean absolute error of EF in points by view.
        lost: Stills in which no sector or no ventricle was found (they count as Dice 0).
    """

    change: str
    dice_ed: float
    dice_es: float
    ef_mae: Mapping[str, float]
    lost: int


@dataclass(frozen=True, slots=True)
class PerformanceDrop:
    """How much worse one metric gets under one perturbation, patient by patient against the clean image.

    Attributes:
        change: Name of the perturbation.
        figure: ``dice_lv_a4c_ed`` and so on, ``ef_mae_a4c``, ``ef_mae_a2c``; `POOLED` over all of them.
        unit: Empty for Dice, or EF points.
        clean: Mean over the same patients without the perturbation.
        cost: The drop: Dice lost, or EF error gained; positive is worse. With its interval over patients.
        level: Level of the interval.
        n: Patients.
        allowed: The largest drop that is allowed.
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
        """Whether it is larger than allowed; so is what is not known because all was lost."""
        return not self.cost.value <= self.allowed


def score_perturbed(
    predictor: Predictor,
    still: CamusStill,
    other: CamusStill | None,
    change: Perturbation,
    clean: StillScore,
) -> StillScore:
    """Score a perturbed still, with its other phase perturbed too; its EF reference stays that of the unperturbed mask."""
    # Models of one frame would not look at it.
    seen = other is not None and predictor.sees_other_phase
    context = _perturb(other, change) if other is not None and seen else None
    return score_still(predictor, _perturb(still, change), other=context, clean=clean)


def _perturb(still: CamusStill, change: Perturbation) -> CamusStill:
    # The same still gets the same grain in every run and for every model.
    rng = np.random.default_rng(zlib.crc32(f"{still.patient} {still.view} {still.phase}".encode()))
    image, mask = change(still.image, still.mask, rng)
    return replace(still, image=image, mask=mask)


def summarise_perturbed(change: str, scores: Sequence[StillScore]) -> PerturbedMetrics:
    """Metrics of the scores under one perturbation."""
    dice = {}
    for phase in Phase:
        known = [np.nan_to_num(s.dice_lv) for s in scores if s.phase == phase]
        dice[phase] = float(np.mean(known)) if known else NAN
    errors = {}
    for view in VIEWS:
        pairs = ef_pairs(scores, view)
        errors[str(view)] = mean_absolute_error(pairs[:, 0], pairs[:, 1]) if len(pairs) else NAN
    return PerturbedMetrics(change, dice[Phase.ED], dice[Phase.ES], errors, sum(s.is_lost for s in scores))


def performance_drops(
    change: str, clean: Sequence[StillScore], perturbed: Sequence[StillScore], seed: int
) -> list[PerformanceDrop]:
    """Drops under one perturbation, by view and phase and over all, with bootstrap intervals over patients.

    Args:
        change: Its name.
        clean: Stills without it.
        perturbed: The same stills with it.
        seed: Of the bootstrap.

    Returns:
        One a metric that any patient has in both; a patient whose EF is lost has no drop of EF, but one of Dice.
    """
    patients = list(dict.fromkeys(s.patient for s in clean))
    before, after = _columns(clean, patients), _columns(perturbed, patients)
    # Dice falls and EF error rises: both are turned so that more is worse.
    worse = np.where(np.arange(before.shape[1]) < len(CELLS), before - after, after - before)
    base = np.where(np.isfinite(worse), before, np.nan)
    ends = intervals(_means, worse, make_generator(seed, change), level=LEVEL)
    known = np.isfinite(worse)
    parts = (known[:, : len(CELLS)], known[:, len(CELLS) :])
    counts = [*known.sum(axis=0), *(int(part.any(axis=1).sum()) for part in parts)]
    return [
        PerformanceDrop(
            change,
            name,
            "" if name.startswith("dice") else EF_POINTS,
            float(was),
            Bounded(float(value), float(low), float(high)),
            LEVEL,
            int(n),
            MAX_DICE_DROP if name.startswith("dice") else MAX_EF_DROP,
        )
        for name, value, was, (low, high), n in zip(
            DROP_NAMES, _means(worse), _means(base), ends, counts, strict=True
        )
        if n
    ]


def drop_figures(drops: Sequence[PerformanceDrop], split: str) -> list[Figure]:
    """The drops over both views and phases for a model card, named ``cost_dice_lv_sector_shadow`` and so on.

    Args:
        drops: From `performance_drops`, of any perturbations.
        split: Patients, in words.
    """
    return [
        Figure(
            f"cost_{d.figure}_{re.sub(r'[^a-z0-9+-]+', '_', d.change.lower()).strip('_')}",
            round(d.cost.value, DIGITS),
            d.unit,
            round(d.cost.low, DIGITS),
            round(d.cost.high, DIGITS),
            d.level,
            d.n,
            split,
            "the same patients, unchanged images",
        )
        for d in drops
        if d.figure in POOLED and np.isfinite([d.cost.value, d.cost.low, d.cost.high]).all()
    ]


def _columns(scores: Sequence[StillScore], patients: Sequence[str]) -> FloatArray:
    """LV Dice of each of `CELLS` and absolute EF error of each of `VIEWS`, ``(patients, 6)``; NaN where not known."""
    at = {(s.patient, s.view, s.phase): s for s in scores}
    table = np.full((len(patients), len(CELLS) + len(VIEWS)), np.nan)
    for row, patient in enumerate(patients):
        for column, (view, phase) in enumerate(CELLS):
            score = at.get((patient, view, phase))
            table[row, column] = NAN if score is None else score.dice_lv
        for column, view in enumerate(VIEWS, len(CELLS)):
            pair = ef_pair(*(at.get((patient, view, phase)) for phase in Phase))
            if pair is not None:
                table[row, column] = abs(pair[0] - pair[1])
    return table


def _means(table: NDArray[np.float64]) -> FloatArray:
    """Mean of each column and of all of Dice and all of EF, without what is not known; NaN where nothing is."""
    known = np.isfinite(table)
    held = np.where(known, table, 0.0)
    sums, counts = (_with_totals(part.sum(axis=0).astype(float)) for part in (held, known))
    means: FloatArray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means


def _with_totals(columns: FloatArray) -> FloatArray:
    """The columns, the sum of those of Dice, the sum of those of EF."""
    return np.array([*columns, columns[: len(CELLS)].sum(), columns[len(CELLS) :].sum()])
