"""Performance drops of a segmentation model under perturbations of the image: LV Dice and EF error, against the clean image.

EF is compared with disks on the experts' masks of the unperturbed still. Drops are paired: each patient under the
perturbation against the same patient without it.

A perturbation is one function, as other machines, settings and exports change images. It takes an image ``(height, width)``
uint8, its labels of the same shape, and a generator, and returns both, moved alike. Perturbations of grey levels leave the
labels as they are. The probe is assumed to lie above the middle of the image, as it does in CAMUS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.core.terms import Phase, Structure
from lvef.evaluation.metrics import DIGITS, EF_POINTS, LEVEL, NAN, make_generator
from lvef.evaluation.plots.agreement import MAX_DICE_DROP, MAX_EF_DROP
from lvef.evaluation.report import Bounded
from lvef.evaluation.stills.scores import PLACES, VIEWS, Image, Perturbation, StillScore, ef_pair, ef_pairs
from lvef.inference.card import CardMetric
from lvef.stats.agreement import mean_absolute_error
from lvef.stats.bootstrap import intervals

SMALL_SIDE_PX, SMALL_QUALITY = 112, 50
"""Size and JPEG quality of the clips of public collections, at their worst."""


def _grey(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Perturbation:
    """A curve over grey levels 0-1."""
    table = np.clip(np.round(255 * curve(np.arange(256) / 255)), 0, 255).astype(np.uint8)
    return lambda image, labels, _: (table[image], labels)


def _affine(turn_deg: float = 0.0, zoom: float = 1.0) -> Perturbation:
    """Turned and scaled about the middle; what leaves the frame is lost."""

    def move(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
        height, width = image.shape
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, zoom)
        moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
        moved_labels = cv2.warpAffine(labels, matrix, (width, height), flags=cv2.INTER_NEAREST)
        return np.asarray(moved, np.uint8), np.asarray(moved_labels, np.uint8)

    return move


def _mirror(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(labels[:, ::-1])


def _small(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    scale = SMALL_SIDE_PX / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, SMALL_QUALITY])[1]
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return decoded, np.asarray(
        cv2.resize(labels, decoded.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8
    )


def _blur(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8), labels


def _speckle(image: Image, labels: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Multiplicative grain of 20 %, cells of about 2.4 pixels."""
    grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape), (0, 0), 1.0)
    return _as_grey(image * (1 + 0.2 * grain / grain.std())), labels


def _shadow(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    """A fifth of the sector dark, where the lateral wall lies."""
    angle = _angle(image)
    lit = angle[image > 0]
    low, high = np.percentile(lit, [55, 75])
    return _as_grey(np.where((angle > low) & (angle < high), 0.15 * image, image)), labels


def _drop_out(image: Image, labels: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Two stretches of the wall as dark as blood."""
    wall, dark = np.argwhere(labels == Structure.MYOCARDIUM), np.zeros(image.shape, np.float32)
    for y, x in wall[rng.integers(0, len(wall), 2)] if len(wall) else ():
        cv2.circle(dark, (int(x), int(y)), max(image.shape) // 14, 1.0, -1)
    dark = np.asarray(cv2.GaussianBlur(dark, (0, 0), 2.0), np.float32)
    return _as_grey(image * (1 - 0.85 * dark)), labels


def _narrow_sector(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    """A sector of four fifths of the angle."""
    angle = _angle(image)
    low, high = np.percentile(angle[image > 0], [0.5, 99.5])
    middle, half = (low + high) / 2, 0.8 * (high - low) / 2
    return np.where(np.abs(angle - middle) < half, image, 0).astype(np.uint8), labels


def _less_depth(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    """The lowest sixth cut off."""
    rows = round(image.shape[0] * 5 / 6)
    return np.ascontiguousarray(image[:rows]), np.ascontiguousarray(labels[:rows])


def _on_a_screen(image: Image, labels: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Burned-in text beside, an ECG strip below."""
    side, below = image.shape[1] // 4, image.shape[0] // 5
    shown, moved = (np.pad(p, ((0, below), (side, side))) for p in (image, labels))
    scale = image.shape[1] / 500
    for row in range(4):
        text = "".join(chr(c) for c in rng.integers(65, 91, 7))
        cv2.putText(shown, text, (2, int((row + 1) * 40 * scale)), cv2.FONT_HERSHEY_SIMPLEX, scale, 220, 1)
    x = np.arange(shown.shape[1])
    y = shown.shape[0] - below / 2 + below / 4 * np.sin(x / 7)
    shown[y.astype(int), x] = 230
    return shown, moved


PERTURBATIONS: dict[str, Perturbation] = {
    "gamma 0.5": _grey(lambda v: v**0.5),
    "gamma 2": _grey(lambda v: v**2),
    "gain -40 %": _grey(lambda v: 0.6 * v),
    "gain +40 %": _grey(lambda v: 1.4 * v),
    "dark blood": _grey(lambda v: (v - 0.16) / 0.84),
    "saturated": _grey(lambda v: 2.2 * v / (1 + v)),
    "zoom 0.7": _affine(zoom=0.7),
    "zoom 1.4": _affine(zoom=1.4),
    "turned +20": _affine(turn_deg=20),
    "turned -20": _affine(turn_deg=-20),
    "mirrored": _mirror,
    "narrow fan": _narrow_sector,
    "less depth": _less_depth,
    "112 px, JPEG 50": _small,
    "blur 1.5 px": _blur,
    "speckle": _speckle,
    "sector shadow": _shadow,
    "wall drop-out": _drop_out,
    "text and ECG": _on_a_screen,
}
"""Every perturbation by name, in the order of the table."""


def _angle(image: Image) -> NDArray[np.float64]:
    """Angle of each pixel from the vertical through the probe, radians, ``(height, width)``."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.arctan2(x - (width - 1) / 2, y + 1.0))


def _as_grey(values: NDArray[np.float64]) -> Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


POOLED = "dice_lv", "ef_mae"
"""Names of the drops over all views and phases."""

DROP_NAMES = (
    *(f"dice_lv_{view}_{phase}".lower() for view, phase in PLACES),
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
    worse = np.where(np.arange(before.shape[1]) < len(PLACES), before - after, after - before)
    base = np.where(np.isfinite(worse), before, np.nan)
    ends = intervals(_means, worse, make_generator(seed, change), level=LEVEL)
    known = np.isfinite(worse)
    parts = (known[:, : len(PLACES)], known[:, len(PLACES) :])
    counts = [*known.sum(axis=0), *(int(part.any(axis=1).sum()) for part in parts)]
    found = []
    drops = zip(DROP_NAMES, _means(worse), _means(base), ends, counts, strict=True)
    for name, value, was, (low, high), n in drops:
        unit, allowed = ("", MAX_DICE_DROP) if name.startswith("dice") else (EF_POINTS, MAX_EF_DROP)
        if n:
            drop = Bounded(float(value), float(low), float(high))
            found.append(PerformanceDrop(change, name, unit, float(was), drop, LEVEL, int(n), allowed))
    return found


def drop_metrics(drops: Sequence[PerformanceDrop], split: str) -> list[CardMetric]:
    """The drops over both views and phases for a model card, named ``cost_dice_lv_sector_shadow`` and so on.

    Args:
        drops: From `performance_drops`, of any perturbations.
        split: Patients, in words.
    """
    return [
        CardMetric(
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
    """LV Dice of each of `PLACES` and absolute EF error of each of `VIEWS`, ``(patients, 6)``; NaN where not known."""
    at = {(s.patient, s.view, s.phase): s for s in scores}
    table = np.full((len(patients), len(PLACES) + len(VIEWS)), np.nan)
    for row, patient in enumerate(patients):
        for column, (view, phase) in enumerate(PLACES):
            score = at.get((patient, view, phase))
            table[row, column] = NAN if score is None else score.dice_lv
        for column, view in enumerate(VIEWS, len(PLACES)):
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
    return np.array([*columns, columns[: len(PLACES)].sum(), columns[len(PLACES) :].sum()])
