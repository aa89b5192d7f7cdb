"""Makes a calibration from measured cases: which signs widen the interval, and the conformal quantiles of the errors.

1. *Scale.* The expected size of an error above and below the measured EF is a constant plus factors times signs, by least
   squares under the condition that no factor is negative: a sign may only widen. All sources weigh alike.
2. *Quantiles.* Errors in units of their scale; by method of measurement, because stills come with their phases and clips do
   not. Stills: pairs of stills as they are. Clips: animated stills and phantoms, because no clips of patients with reference
   contours are to be had; phantoms stand for images of other origin. Every patient and every phantom weighs the same.
   Foreign images, where a sign identifies them, have quantiles of their own, from all sources of one view. Biplane studies:
   both views of animated stills and of phantoms, in units of the mean of the views' scales; they have no part in the scale.
3. *Cross-validation* over patients gives each patient an interval by a calibration without that patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from lvef.core.errors import DataError
from lvef.core.records import FloatArray
from lvef.evaluation.calibration.cases import (
    ANIMATED,
    ANIMATED_STUDIES,
    FIT,
    PHANTOM_STUDIES,
    PHANTOMS,
    SOURCES,
    STILLS,
    TEST,
    SignsResult,
)
from lvef.measure.interval import (
    BIPLANE,
    CONSTANT,
    FOREIGN,
    FOREIGN_SIGNS,
    MIN_SCALE,
    UNLIKE,
    Calibration,
    Interval,
    group_of,
    interval_of,
    scale_of,
    unlikeness,
)
from lvef.measure.interval import CLIP as CLIP_METHOD
from lvef.measure.interval import STILLS as STILLS_METHOD
from lvef.stats.conformal import normalised, patient_weights, signed_quantile

SOURCES_OF = {
    STILLS_METHOD: (STILLS,),
    CLIP_METHOD: (ANIMATED, PHANTOMS),
    BIPLANE: (ANIMATED_STUDIES, PHANTOM_STUDIES),
}
"""Sources that the quantiles of a method come from."""

LEVELS = (0.03, 0.05, *(round(0.1 * k, 1) for k in range(1, 10)), 0.95, 0.97)
"""Levels of the quantiles; the outermost need 33 patients."""

FOLDS = 8
"""Parts of the cross-validation over patients."""

MIN_CONSTANT = 0.5
"""Least constant of a scale, as a share of the mean size of an error: an EF with fewer signs than any case of the
calibration is not much more certain than others. Without it a good clip of another hospital had an interval of 10 points."""

FOREIGN_SHARE = 0.975
"""Share of pairs of stills of held-out patients that count as familiar by each sign of foreign images."""

MIN_PATIENTS = 33
"""Fewest patients and phantoms from which quantiles are taken: 1 / (33 + 1) is below the first of `LEVELS`."""


EITHER_SIDE = (
    "spread",
    "partial_cycle",
    "odd_shapes",
    "faint_border",
    "uncertain_border",
    "view_doubt",
    UNLIKE,
)
"""Signs that may widen the interval to both sides."""

RANGE_PARTS = (
    "apex_depth",
    "apex_motion_percent",
    "border_contrast",
    "far_to_near",
    "haze",
    "length_to_width",
    "mean_grey",
    "visible_apical",
    "visible_border",
)
"""Parts of the image quality that every clip and pair of stills has, and that differ between machines and hospitals."""

RANGE = (0.05, 0.95)
"""Quantiles of these parts between which an image is like those of the patients."""


@dataclass(frozen=True)
class FitSettings:
    """What a calibration is made of.

    Attributes:
        level: Probability with which the interval holds the reference EF.
        below: Signs that may widen the interval downwards; those that no measurement has are left out.
        above: The same upwards.
        ranges: Parts of the image quality that show how far an image is from those of the patients.
        foreign: Signs of foreign images.
    """

    level: float = 0.90
    below: tuple[str, ...] = ("high_ef", *EITHER_SIDE)
    above: tuple[str, ...] = ("low_ef", "bright_border", *EITHER_SIDE)
    ranges: tuple[str, ...] = RANGE_PARTS
    foreign: tuple[str, ...] = FOREIGN_SIGNS


@dataclass(frozen=True, slots=True)
class Predicted:
    """A case with its interval by a calibration that its patient had no part in.

    Attributes:
        result: The case.
        interval: The interval.
    """

    result: SignsResult
    interval: Interval

    @property
    def width(self) -> float:
        """Width in EF points."""
        return self.interval.high - self.interval.low

    @property
    def row(self) -> tuple[float, float, float, float]:
        """Measured EF, reference EF, lower and upper end."""
        r = self.result
        return (r.ef_percent, r.reference_percent, self.interval.low, self.interval.high)


def usable(results: Sequence[SignsResult], settings: FitSettings) -> tuple[list[SignsResult], FitSettings]:
    """Cases with an EF and a reference, and the settings without signs that are not known of all of them."""
    rows = [r for r in results if np.isfinite(r.error)]
    if not rows:
        raise DataError("No case has both a measured and a reference EF; nothing can be calibrated.")
    known = {UNLIKE} | set.intersection(*(set(r.signs) for r in rows))
    below, above, ranges, foreign = (
        tuple(sign for sign in signs if sign in known)
        for signs in (settings.below, settings.above, settings.ranges, settings.foreign)
    )
    return rows, replace(settings, below=below, above=above, ranges=ranges, foreign=foreign)


def fit(rows: Sequence[SignsResult], settings: FitSettings, blank: Calibration) -> Calibration:
    """A calibration with scales, limits and quantiles.

    Args:
        rows: Cases with an EF and a reference; those for the test are left out.
        settings: With signs that all of them have.
        blank: The calibration but for what is fitted.

    Raises:
        DataError: A method has too few patients for the level.
    """
    used = [r for r in rows if r.part == FIT]
    stills = [r for r in used if r.source == STILLS]
    ranges = {
        name: [round(float(end), 4) for end in np.quantile([r.signs[name] for r in stills], RANGE)]
        for name in settings.ranges
    }
    used = [replace(r, signs={**r.signs, UNLIKE: unlikeness(r.signs, ranges)}) for r in used]
    errors = np.array([r.error for r in used])
    share = _weights(used, SOURCES)
    below = _fit_scale(used, np.maximum(-errors, 0), share, settings.below)
    above = _fit_scale(used, np.maximum(errors, 0), share, settings.above)
    foreign_from = {
        name: float(np.quantile([r.signs[name] for r in stills], FOREIGN_SHARE)) for name in settings.foreign
    }
    scores = normalised(
        errors, [scale_of(r.signs, below) for r in used], [scale_of(r.signs, above) for r in used]
    )
    quantiles = {
        method: _quantiles(method, used, [k for k, r in enumerate(used) if r.source in sources], scores)
        for method, sources in SOURCES_OF.items()
    }
    foreign = [
        place
        for place, r in enumerate(used)
        if r.source in SOURCES and group_of(r.signs, foreign_from, "") == FOREIGN
    ]
    if len({used[place].patient for place in foreign}) >= MIN_PATIENTS:
        quantiles[FOREIGN] = _quantiles(FOREIGN, used, foreign, scores)
    return replace(
        blank,
        below=below,
        above=above,
        ranges=ranges,
        foreign_from=foreign_from if FOREIGN in quantiles else {},
        quantiles=quantiles,
        levels=LEVELS,
        methods=tuple(SOURCES_OF),
    )


def cross_validate(
    rows: Sequence[SignsResult], settings: FitSettings, blank: Calibration
) -> tuple[Predicted, ...]:
    """Every case with an interval by a calibration without its patient; test cases by that of all others.

    Args:
        rows: From `usable`.
        settings: From `usable`.
        blank: A calibration whose factors are replaced.
    """
    patients = list(dict.fromkeys(r.patient for r in rows if r.part == FIT))
    found: dict[int, Interval] = {}
    for part in range(FOLDS):
        out = set(patients[part::FOLDS])
        made = fit([r for r in rows if r.patient not in out], settings, blank)
        for place, r in enumerate(rows):
            if r.patient in out:
                found[place] = interval_of(r.ef_percent, r.signs, made, r.method)
    whole = fit(rows, settings, blank)
    for place, r in enumerate(rows):
        if r.part == TEST:
            found[place] = interval_of(r.ef_percent, r.signs, whole, r.method)
    return tuple(Predicted(rows[place], interval) for place, interval in sorted(found.items()))


def _weights(rows: Sequence[SignsResult], sources: Sequence[str]) -> FloatArray:
    """Every source weighs the same, in it every patient, and their sum is the number of patients."""
    weights = np.zeros(len(rows))
    total = len({r.patient for r in rows if r.source in sources})
    there = [source for source in sources if any(r.source == source for r in rows)]
    for source in there:
        at = np.array([place for place, r in enumerate(rows) if r.source == source])
        own = patient_weights([rows[place].patient for place in at])
        weights[at] = own / own.sum() * total / len(there)
    return weights


def _fit_scale(
    rows: Sequence[SignsResult], sizes: FloatArray, weights: FloatArray, signs: Sequence[str]
) -> dict[str, float]:
    columns = np.array([[1.0, *(r.signs[name] for name in signs)] for r in rows])
    least = MIN_CONSTANT * float(np.average(sizes, weights=weights))
    root = np.sqrt(weights)
    factors, _ = nnls(columns * root[:, None], (sizes - least) * root)
    constant, *others = (round(float(f), 3) for f in factors)
    return {CONSTANT: max(round(least + constant, 3), MIN_SCALE)} | {
        name: factor for name, factor in zip(signs, others, strict=True) if factor > 0
    }


def _quantiles(
    name: str, rows: Sequence[SignsResult], places: Sequence[int], scores: FloatArray
) -> list[float]:
    patients = [rows[place].patient for place in places]
    if len(set(patients)) < MIN_PATIENTS:
        raise DataError(
            f"{name}: {len(set(patients))} patients or phantoms were measured, at least {MIN_PATIENTS} are needed for the "
            f"levels {LEVELS[0]:g} and {LEVELS[-1]:g}; give more."
        )
    weights = patient_weights(patients)
    found = [signed_quantile(scores[places], level, weights) for level in LEVELS]
    # Corrected outwards, neighbours on both sides of the middle may cross.
    return [round(float(value), 4) for value in np.maximum.accumulate(found)]
