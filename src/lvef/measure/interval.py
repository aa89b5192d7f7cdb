"""The prediction interval of an EF, from a calibration that belongs to the model in use.

``interval.json`` beside a model holds the calibration (`Calibration`), made by ``lvef weights calibrate``. Without one that
names this model's file and this method of measurement there is no interval, and a note gives the reason. How it is made and
what it means is described in docs/explanation/prediction-interval.md.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from lvef.core.config import read_json_config
from lvef.core.errors import WeightsError
from lvef.core.records import Measurement
from lvef.core.terms import EF_KINDS, Status
from lvef.geometry.categories import (
    HEART_FAILURE_MILDLY_REDUCED_FROM,
    HEART_FAILURE_PRESERVED_FROM,
    HeartFailureRange,
)
from lvef.inference.card import REINSTALL
from lvef.stats.conformal import distribution, scaled

LOG = logging.getLogger("lvef.measure")
"""Where a calibration that is not used is warned of."""

INTERVAL_NAME = "interval.json"
"""File name of a calibration beside its model."""

SCHEMA = "lvef-interval/1"
"""Version of the layout of a calibration."""

CLIP, STILLS, BIPLANE, BY_HAND, EF_MODEL = "clip", "stills", "biplane", "chosen frames", "EF model"
"""Methods: one plane of a clip, one plane of two stills, two planes, frames that were chosen, a model that reads EFs."""

CONSTANT = "constant"
"""Name of the part of a scale that every measurement has."""

FOREIGN = "foreign"
"""Group of images that are not like those of the calibration's patients. The others are grouped by method; each group has
quantiles of its own."""

FOREIGN_SIGNS = ("appearance_distance",)
"""Signs that may make an image count as `FOREIGN`."""

MIN_SCALE = 0.5
"""Least expected size of an error, in points: a scale of 0 would promise a value without error."""

OF_MODEL_ONLY = "The calibration is valid for the model's EF, not for a corrected one."
NO_CALIBRATION = "The model has no calibration."
OTHER_MODEL = "The calibration beside the model belongs to another model file."
"""Reasons without an interval."""


@dataclass(frozen=True)
class Coverage:
    """Measured coverage of one group of cases."""

    group: str
    """Which cases."""
    n: int
    """How many."""
    cover: float
    """Share of reference EFs inside, 0-1."""
    low: float
    """Lower end of the 95 % confidence interval over patients."""
    high: float
    """Upper end."""
    width: float
    """Mean width in EF points."""
    oracle: float
    """Width of the shortest interval of constant width that contains the same share of the true errors."""


@dataclass(frozen=True)
class Calibration:
    """How far the reference EF lies from the measured one, by what can be read of a measurement."""

    model: str
    """Name and version of the model."""
    model_sha256: str
    """Its file: the calibration holds for no other."""
    measured_with: str
    """Model that measured the patients, who must not have been in its training: that of one fold of the same recipe."""
    measured_with_sha256: str
    """Its file."""
    level: float
    """Probability with which the interval holds the reference EF."""
    methods: tuple[str, ...]
    """Methods of measurement it was made on."""
    below: dict[str, float]
    """Scale of errors below the measured EF in points: a constant, and a factor for each sign."""
    above: dict[str, float]
    """The same above it."""
    ranges: dict[str, list[float]]
    """Parts of the image quality, with the range that nine in ten pairs of stills of its patients have."""
    foreign_from: dict[str, float]
    """Signs above whose value an image counts as foreign."""
    levels: tuple[float, ...]
    """Levels of the quantiles, rising; (1 - level) / 2 and (1 + level) / 2 are among them."""
    quantiles: dict[str, list[float]]
    """Conformal quantiles of the normalised errors by method, and of `FOREIGN` images."""
    data: str
    """What it was made on, and the reference EF."""
    patients: int
    """Patients and phantoms."""
    n: int
    """Cases."""
    command: str
    """Command that made it."""
    cover: tuple[Coverage, ...] = ()
    """Coverage by group of cases."""
    schema: str = field(default=SCHEMA)
    """Version of this layout."""
    shape_sha256: str = ""
    """Of the shape prior (`lvef.measure.shape_prior`) with which the cases were measured; empty without one."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A prediction interval.

    Attributes:
        low: Lower end in percent, 0-100.
        high: Upper end.
        group: The method, or `FOREIGN`.
        probabilities: Of each heart-failure range; they sum to 1.
    """

    low: float
    high: float
    group: str
    probabilities: dict[str, float]


def read_calibration(folder: Path, shape_sha256: str | None = None) -> Calibration | None:
    """The calibration beside a model; None where there is none, and where it was made with another shape prior.

    Args:
        folder: Of the model.
        shape_sha256: Of the shape prior in use, empty without one; None for a calibration with any.

    Raises:
        WeightsError: It cannot be read or has another layout.
    """
    path = folder / INTERVAL_NAME
    if not path.is_file():
        return None
    remedy = f"{REINSTALL}, or calibrate anew"
    calibration = read_json_config(Calibration, path, SCHEMA, remedy, WeightsError)
    sides = {len(values) for values in calibration.quantiles.values()} - {len(calibration.levels)}
    if sides or set(calibration.methods) - set(calibration.quantiles):
        raise WeightsError(f"{path}: has other quantiles than its levels and methods; {remedy}.")
    if shape_sha256 not in (None, calibration.shape_sha256):
        LOG.warning("%s was not made with the shape prior in use: EFs get no prediction interval.", path)
        return None
    return calibration


def method_of(measurement: Measurement) -> str:
    """What an EF rests on: `CLIP`, `STILLS`, `BIPLANE`, `BY_HAND` or `EF_MODEL`."""
    m = measurement
    if m.single_plane:
        return BIPLANE
    if m.provenance is not None and m.provenance.network_kind in EF_KINDS:
        return EF_MODEL
    if m.duration_s is None:
        return STILLS
    return BY_HAND if any(notice.code == "frames_by_hand" for notice in m.notices) else CLIP


def _part(name: str, good: float, bad: float) -> Callable[[Measurement], float | None]:
    """A readable part of the image quality as a sign: 0 at ``good`` and better, 1 at ``bad`` and worse."""

    def sign(m: Measurement) -> float | None:
        value = None if m.quality is None else m.quality.parts.get(name)
        return None if value is None else _share((value - good) / (bad - good))

    return sign


def _share(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)


UNLIKE = "unlike"
"""How far the readable parts of the image quality lie outside the range of the calibration's patients (`unlikeness`)."""

SIGNS: dict[str, Callable[[Measurement], float | None]] = {
    "low_ef": lambda m: None if m.ef_percent is None else _share((55 - m.ef_percent) / 30),
    "high_ef": lambda m: None if m.ef_percent is None else _share((m.ef_percent - 55) / 20),
    "spread": lambda m: _share((m.ef_sd_percent or 0.0) / 10),
    "partial_cycle": lambda m: float(m.status is Status.PARTIAL_CYCLE and m.duration_s is not None),
    "faint_border": _part("visible_border", 1.0, 0.0),
    "bright_border": _part("visible_border", 0.7, 1.0),
    "uncertain_border": _part("certainty", 0.92, 0.82),
    "odd_shapes": _part("odd_shapes", 0.0, 1.0),
    "view_doubt": lambda m: None if m.view_probability is None else 1 - m.view_probability,
}
"""Signs of an uncertain EF, 0 (none) to 1; None where unknown. The stretches are about those of pairs of stills of 80 CAMUS
patients set aside: EF 25 to 75, certainty .85 to .90. A border that is bright all around is the mark of images on which the
model reads the EF too low (phantoms, clips of other hospitals)."""


def signs_of(measurement: Measurement) -> dict[str, float]:
    """The signs that are known of a measurement, and the readable parts of its image quality under their own names."""
    found = {} if measurement.quality is None else dict(measurement.quality.parts)
    found |= {name: sign(measurement) for name, sign in SIGNS.items()}
    return {name: float(value) for name, value in found.items() if value is not None}


def signs_of_views(views: Sequence[Measurement]) -> dict[str, float]:
    """The signs of a biplane study: the mean over its views, of an image foreign to the calibration the larger one.

    A scale is linear in the signs, so that of the study is the mean of its views' scales.

    Args:
        views: Both views; signs that one of them lacks are left out.
    """
    found = [signs_of(view) for view in views]
    known = set.intersection(*map(set, found))
    return {
        name: (max if name in FOREIGN_SIGNS else fmean)(signs[name] for signs in found)
        for name in sorted(known)
    }


def unlikeness(signs: Mapping[str, float], ranges: Mapping[str, Sequence[float]]) -> float:
    """How far parts lie outside the range that nine in ten of the calibration's patients have, 0 to 1.

    Args:
        signs: From `signs_of`, at least those of ``ranges``.
        ranges: Lower and upper end of each part.
    """
    beyond = [
        max(low - signs[name], signs[name] - high, 0.0) / (high - low) for name, (low, high) in ranges.items()
    ]
    return _share(math.hypot(*beyond))


def scale_of(signs: Mapping[str, float], factors: Mapping[str, float]) -> float:
    """Expected size of an error in EF points.

    Args:
        signs: From `signs_of`, at least those of ``factors``.
        factors: `Calibration.below` or ``above``.
    """
    size = factors[CONSTANT] + sum(f * signs[name] for name, f in factors.items() if name != CONSTANT)
    return max(float(size), MIN_SCALE)


def group_of(signs: Mapping[str, float], foreign_from: Mapping[str, float], method: str) -> str:
    """The method, or `FOREIGN` where an image is not like those of the calibration's patients."""
    return FOREIGN if any(signs[name] > limit for name, limit in foreign_from.items()) else method


def interval_of(
    ef_percent: float, signs: Mapping[str, float], calibration: Calibration, method: str
) -> Interval:
    """The interval of a measured EF.

    Args:
        ef_percent: The EF.
        signs: At least those of the calibration.
        calibration: The calibration.
        method: One of its methods.
    """
    c = calibration
    signs = {**signs, UNLIKE: unlikeness(signs, c.ranges)}
    below, above = scale_of(signs, c.below), scale_of(signs, c.above)
    group = group_of(signs, c.foreign_from, method)
    values = np.clip(ef_percent + scaled(c.quantiles[group], below, above), 0.0, 100.0)
    beyond = (1 - c.level) / 2
    low, high = (
        float(values[np.abs(np.asarray(c.levels) - level).argmin()]) for level in (beyond, 1 - beyond)
    )
    shares = [
        distribution(c.levels, values.tolist(), limit - 0.5, low=0.0, high=100.0)
        for limit in (HEART_FAILURE_MILDLY_REDUCED_FROM, HEART_FAILURE_PRESERVED_FROM)
    ]
    parts = np.diff([0.0, *shares, 1.0])
    # The measured EF itself stays inside where the errors are all on one side.
    return Interval(
        min(low, ef_percent),
        max(high, ef_percent),
        group,
        {str(name): float(part) for name, part in zip(HeartFailureRange, parts, strict=True)},
    )


def with_interval(
    measurement: Measurement, calibration: Calibration | None, views: Sequence[Measurement] = ()
) -> Measurement:
    """The measurement with its prediction interval and the probability of each range, or a note why there is none.

    Args:
        measurement: Any, with its provenance and image quality.
        calibration: Of the model in use, or None.
        views: The views of a biplane study.
    """
    m = without_interval(measurement)
    if m.ef_percent is None:
        return m
    signs = signs_of_views(views) if views else signs_of(m)
    note = _why_none(m, calibration, signs)
    if note or calibration is None:
        return replace(m, interval_note=note)
    found = interval_of(m.ef_percent, signs, calibration, method_of(m))
    return replace(
        m,
        ef_low_percent=found.low,
        ef_high_percent=found.high,
        interval_level=calibration.level,
        category_probabilities=found.probabilities,
    )


def without_interval(measurement: Measurement, note: str = "") -> Measurement:
    """The measurement without an interval, and the reason."""
    return replace(
        measurement,
        ef_low_percent=None,
        ef_high_percent=None,
        interval_level=None,
        interval_note=note,
        category_probabilities={},
    )


def _why_none(m: Measurement, calibration: Calibration | None, signs: Mapping[str, float]) -> str:
    made = m.provenance
    if m.correction is not None:
        return OF_MODEL_ONLY
    if made is None or calibration is None:
        return NO_CALIBRATION
    # The precision may differ: bf16 moves an EF by far less than the interval is wide.
    if made.weights_sha256 != calibration.model_sha256:
        return OTHER_MODEL
    method = method_of(m)
    if method not in calibration.methods:
        return f"The calibration is valid for: {', '.join(calibration.methods)}; this measurement is of the kind: {method}."
    c = calibration
    needed = {*c.below, *c.above, *c.ranges, *c.foreign_from} - {CONSTANT, UNLIKE}
    missing = needed - set(signs)
    if missing:
        return f"The calibration needs values that this measurement lacks: {', '.join(sorted(missing)).replace('_', ' ')}."
    return ""
