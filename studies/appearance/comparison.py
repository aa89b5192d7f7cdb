"""Real beside synthetic, measure by measure: medians, ranges, and how well each separates them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lvef.core.records import BoolArray, FloatArray
from lvef.core.terms import Phase
from studies.appearance.measures import GROUPS, PLACES, group_of
from studies.appearance.samples import REAL, Sample
from studies.appearance.separability import auc, chance_band, joint_auc

RANGE = (5.0, 50.0, 95.0)
"""Percentiles of the tables."""

MOST_NAMED = 10
"""Most measures named as the most separating ones."""

CLEAR = 0.75
"""A measure with an area of less than this (and more than 1 less this) separates little and is not named."""

SEED = 5
"""Decides the folds."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 5-95 % range of a measure over images; NaN where none has it.

    Attributes:
        low: 5th percentile.
        median: 50th.
        high: 95th.
        n: Images that have it.
    """

    low: float
    median: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Row:
    """One measure at one phase.

    Attributes:
        phase: ED or ES.
        measure: Its name.
        group: Its group, of `studies.appearance.measures.GROUPS`.
        spreads: By column: `as delivered`, then the kinds.
        areas: By synthetic kind: area under the curve against real images of the same size.
        changes: By synthetic kind: median change from the patient's own still of that phase; only kinds that have such.
    """

    phase: Phase
    measure: str
    group: str
    spreads: dict[str, Spread]
    areas: dict[str, float]
    changes: dict[str, float]


@dataclass(frozen=True, slots=True)
class Separability:
    """Separability of a synthetic kind from real images, ED and ES together.

    Attributes:
        kind: Phantom or animated still.
        n_real: Real patients.
        n_synthetic: Synthetic clips.
        chance: Band of areas that mean nothing.
        joint: Area of a cross-validated logistic fit on all measures of an image.
        by_group: The same on one group of measures.
        by_place: The same on the measures of one place, of `studies.appearance.measures.PLACES`.
        loudest: The most separating measures: name and mean area over the phases, the clearest first.
    """

    kind: str
    n_real: int
    n_synthetic: int
    chance: tuple[float, float]
    joint: float
    by_group: dict[str, float]
    by_place: dict[str, float]
    loudest: tuple[tuple[str, float], ...]


AS_DELIVERED = "real, as delivered"
"""Column of real images at their own resolution, for reference; nothing is compared with it."""


def compare(samples: Sequence[Sample], delivered: Sequence[Sample] = ()) -> list[Row]:
    """A row a phase and measure.

    Args:
        samples: Real and synthetic images, all of one size.
        delivered: The real ones at their own resolution.
    """
    kinds = list(dict.fromkeys(s.kind for s in samples))
    columns = {AS_DELIVERED: list(delivered)} | {k: [s for s in samples if s.kind == k] for k in kinds}
    names = list(dict.fromkeys(name for s in samples for name in s.measures))
    own = {(s.patient, s.phase): s.measures for s in samples if s.kind == REAL}
    rows = []
    for phase in Phase:
        held = {c: [s for s in found if s.phase == phase] for c, found in columns.items() if found}
        for name in names:
            values = {c: _column(found, name) for c, found in held.items()}
            real = values.get(REAL, np.zeros(0))
            areas = {
                k: auc(np.concatenate([real, values[k]]), np.arange(len(real) + len(values[k])) >= len(real))
                for k in kinds
                if k != REAL and k in values
            }
            spreads = {c: spread(v) for c, v in values.items()}
            changes = {k: change for k in areas if (change := _change(held[k], own, name)) is not None}
            rows.append(Row(phase, name, group_of(name), spreads, areas, changes))
    return rows


def measure_separability(
    samples: Sequence[Sample], rows: Sequence[Row], seed: int = SEED
) -> list[Separability]:
    """How well each synthetic kind can be separated from real images.

    Args:
        samples: Real and synthetic images, all of one size.
        rows: From :func:`compare`.
        seed: Decides the folds.
    """
    found = []
    for kind in dict.fromkeys(s.kind for s in samples if s.kind != REAL):
        both = [s for s in samples if s.kind in (REAL, kind)]
        synthetic: BoolArray = np.array([s.kind != REAL for s in both])
        patients = [s.patient for s in both]
        # A still has no motion, so what is measured between frames says nothing here.
        names = [n for n in both[0].measures if np.isfinite(_column(both, n)[~synthetic]).any()]
        table = np.stack([_column(both, n) for n in names], axis=1)

        def areas(
            chosen: dict[str, list[int]],
            table: FloatArray = table,
            synthetic: BoolArray = synthetic,
            patients: list[str] = patients,
        ) -> dict[str, float]:
            some = {name: columns for name, columns in chosen.items() if columns}
            return {
                name: joint_auc(table[:, columns], synthetic, patients, np.random.default_rng(seed))
                for name, columns in some.items()
            }

        n_real = len({s.patient for s in both if s.kind == REAL})
        n_synthetic = len({s.name for s in both if s.kind == kind})
        groups = {group: [i for i, n in enumerate(names) if group_of(n) == group] for group in GROUPS}
        places = {
            place: [i for i, n in enumerate(names) if n.startswith(begins)]
            for place, begins in PLACES.items()
        }
        found.append(
            Separability(
                kind,
                n_real,
                n_synthetic,
                chance_band(n_real, n_synthetic),
                areas({"all": list(range(len(names)))})["all"],
                areas(groups),
                areas(places),
                _largest_areas(rows, kind),
            )
        )
    return found


def spread(values: FloatArray) -> Spread:
    """Median and range of the values that are finite."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Spread(float("nan"), float("nan"), float("nan"), 0)
    low, median, high = np.percentile(known, RANGE).tolist()
    return Spread(low, median, high, len(known))


def samples_csv(samples: Sequence[Sample]) -> str:
    """One line an image: kind, name, patient, phase, millimetres per pixel and every measure."""
    names = list(dict.fromkeys(name for s in samples for name in s.measures))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["kind", "name", "patient", "phase", "mm per pixel", *names])
    for s in samples:
        values = [s.image.spacing_mm, *(s.measures.get(n, float("nan")) for n in names)]
        cells = ["" if not np.isfinite(v) else f"{v:.4f}" for v in values]
        writer.writerow([s.kind, s.name, s.patient, str(s.phase), *cells])
    return out.getvalue()


def _change(
    samples: Sequence[Sample], own: Mapping[tuple[str, Phase], Mapping[str, float]], name: str
) -> float | None:
    """Median of a measure less that of the same patient's real image; None where no patient has both images."""
    pairs = [(s.measures, own[s.patient, s.phase]) for s in samples if (s.patient, s.phase) in own]
    if not pairs:
        return None
    return spread(np.array([a.get(name, np.nan) - b.get(name, np.nan) for a, b in pairs])).median


def _largest_areas(rows: Sequence[Row], kind: str) -> tuple[tuple[str, float], ...]:
    areas: dict[str, list[float]] = {}
    for row in rows:
        if np.isfinite(value := row.areas.get(kind, float("nan"))):
            areas.setdefault(row.measure, []).append(value)
    means = {name: float(np.mean(found)) for name, found in areas.items()}
    clear = [item for item in means.items() if abs(item[1] - 0.5) >= CLEAR - 0.5]
    return tuple(sorted(clear, key=lambda item: -abs(item[1] - 0.5))[:MOST_NAMED])


def _column(samples: Sequence[Sample], name: str) -> FloatArray:
    return np.array([s.measures.get(name, np.nan) for s in samples], dtype=float)
