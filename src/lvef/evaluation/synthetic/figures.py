"""Figures of merit on synthetic clips: agreement of EF, beats, timing, outlines; each with its interval over patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.evaluation.figures import Named, make_figures
from lvef.evaluation.metrics import NAN
from lvef.evaluation.stills.ef import EF_POINTS
from lvef.evaluation.synthetic.groups import Group
from lvef.evaluation.synthetic.records import (
    CUT,
    EDGE,
    INVENTED,
    MATCHED,
    MERGED,
    MISSED,
    BeatRecord,
    ClipRecord,
)
from lvef.inference.card import Figure
from lvef.stats.agreement import limits_of_agreement, mean_absolute_error, pearson_r

REFERENCES = {
    "plane": "disks on the true contour, same beat",
    "space": "body in space, same beat",
    "representative": "disks on the true contour, representative beat",
}
"""What an EF is compared with. Where the answer is about no true beat, the representative one stands for it."""

AGREEMENT = ("bias", "sd", "limit_low", "limit_high", "mae", "r")
"""Figures of an agreement, in this order."""

TIMES = {
    "ed_error_ms": "ED",
    "es_error_ms": "ES",
    "ed_off_ms": "ED, off the flat top",
    "es_off_ms": "ES, off the flat bottom",
}
"""Errors of timing of a matched beat."""

TIMING = ("mean", "median", "mae", "p95")
"""Figures of an error of timing: mean and median of the signed error, mean and 95th percentile of its size."""

OUTLINES = {"dice_ed": "", "dice_es": "", "volume_error_percent": "%", "volume_mae_percent": "%"}
"""Figures of the outlines of a clip and their units."""

NEAR_EDGE_S = 0.1
"""A beat that begins or ends nearer to an end of the clip shows little of what makes its end-diastole one: the volume that
rises before it and falls after it."""


@dataclass(frozen=True, slots=True)
class BeatCount:
    """What became of the beats of some clips.

    Attributes:
        clips: Clips that were measured.
        true: Whole beats of these clips that must be found.
        matched: Of the beats that were found, the true ones.
        missed: Of those that must be found, the ones that were not.
        missed_near_edge: Of the missed, those within `NEAR_EDGE_S` of an end of the clip.
        invented: Found where there is none.
        merged: Found as one where there are several; those are among the missed.
        cut: Found where the clip's ends cut a true one.
        edge: Not found, but within half a frame of the clip's ends.
        left_out: Normal true beats that were found and left out of the answer.
        unseen: Whole beats of clips without an answer, which are not counted in ``true``.
    """

    clips: int
    true: int
    matched: int
    missed: int
    missed_near_edge: int
    invented: int
    merged: int
    cut: int
    edge: int
    left_out: int
    unseen: int


def truth_of(record: ClipRecord, reference: str) -> float:
    """The true EF of one of `REFERENCES`."""
    return float(getattr(record, f"ef_{reference}_percent"))


def pairs_of(records: Sequence[ClipRecord], reference: str) -> tuple[FloatArray, list[ClipRecord]]:
    """``(n, 2)`` answer and truth of the clips that have both, and these clips."""
    kept = [r for r in records if r.answered and math.isfinite(truth_of(r, reference))]
    return np.array([[r.ef_percent, truth_of(r, reference)] for r in kept]).reshape(-1, 2), kept


def ef_figures(group: Group, reference: str, seed: int) -> list[Figure]:
    """`AGREEMENT` of the EFs of a group, each beside that of always answering its median truth."""
    pairs, kept = pairs_of(group.clips, reference)
    if len(pairs) < 2:
        return []
    median = float(np.median(pairs[:, 1]))
    trivial = _agreement(np.stack([np.full(len(pairs), median), pairs[:, 1]], axis=1))
    named = [
        Named(f"ef_{name}_{reference}", "" if name == "r" else EF_POINTS, None if name == "r" else plain)
        for name, plain in zip(AGREEMENT, trivial, strict=True)
    ]
    return _over_patients(
        named, _agreement, pairs, [r.patient for r in kept], group, REFERENCES[reference], seed
    )


def timing_figures(group: Group, error: str, seed: int) -> list[Figure]:
    """`TIMING` of one of `TIMES` over the matched beats of a group, in ms."""
    found = [(r.patient, getattr(b, error)) for r in group.clips for b in r.beats if b.became == MATCHED]
    found = [(patient, value) for patient, value in found if math.isfinite(value)]
    named = [Named(f"{error.removesuffix('_ms')}_{name}", "ms") for name in TIMING]
    values = np.array([[value] for _, value in found]).reshape(-1, 1)
    reference = "middle of the flat part" if "error" in error else "nearest end of the flat part"
    return _over_patients(named, _timing, values, [p for p, _ in found], group, reference, seed)


def timing_sizes(records: Sequence[ClipRecord]) -> dict[str, float]:
    """Mean size of each of `TIMES` over the matched beats of some clips, without interval; NaN without beats."""
    beats = [b for r in records for b in r.beats if b.became == MATCHED]
    sizes = {
        error: [abs(getattr(b, error)) for b in beats if math.isfinite(getattr(b, error))] for error in TIMES
    }
    return {error: float(np.mean(found)) if found else NAN for error, found in sizes.items()}


def outline_figures(group: Group, seed: int) -> list[Figure]:
    """Means of `OUTLINES` over the clips that were traced."""
    told = [(r, [getattr(r, name) for name in OUTLINES]) for r in group.clips]
    kept = [(r, values) for r, values in told if all(map(math.isfinite, values))]
    named = [Named(name, unit) for name, unit in OUTLINES.items()]
    rows = np.array([values for _, values in kept]).reshape(-1, len(named))
    patients = [r.patient for r, _ in kept]
    return _over_patients(
        named, lambda v: v.mean(axis=0).tolist(), rows, patients, group, "true contour", seed
    )


def beat_figures(group: Group, seed: int) -> list[Figure]:
    """Part of the true beats that was missed, and beats invented for each true one, in percent."""
    kept = [r for r in group.clips if r.answered]
    counts = np.array(
        [[r.count(MATCHED) + r.count(MISSED), r.count(MISSED), r.count(INVENTED)] for r in kept], dtype=float
    ).reshape(-1, 3)
    if not counts[:, 0].sum():
        return []
    named = [Named("beats_missed", "%"), Named("beats_invented", "%")]
    return _over_patients(named, _shares, counts, [r.patient for r in kept], group, "true whole beats", seed)


def count_beats(records: Sequence[ClipRecord]) -> BeatCount:
    """What became of the beats of the clips that have an answer."""
    kept = [r for r in records if r.answered]
    beats = [b for r in kept for b in r.beats]

    def of(became: str) -> int:
        return sum(b.became == became for b in beats)

    return BeatCount(
        clips=len(kept),
        true=of(MATCHED) + of(MISSED),
        matched=of(MATCHED),
        missed=of(MISSED),
        missed_near_edge=sum(b.became == MISSED and b.edge_s < NEAR_EDGE_S for b in beats),
        invented=of(INVENTED),
        merged=of(MERGED),
        cut=of(CUT),
        edge=of(EDGE),
        left_out=sum(map(_left_out, beats)),
        unseen=sum(r.count(MISSED) + r.count(MATCHED) for r in records if not r.answered),
    )


def _left_out(beat: BeatRecord) -> bool:
    return beat.became == MATCHED and beat.kind == "normal" and bool(beat.excluded)


def _agreement(pairs: FloatArray) -> list[float]:
    """`AGREEMENT` of ``(n, 2)`` EFs."""
    difference = pairs[:, 0] - pairs[:, 1]
    if len(pairs) < 2:
        return [NAN] * len(AGREEMENT)
    low, high = limits_of_agreement(difference)
    mae = mean_absolute_error(pairs[:, 0], pairs[:, 1])
    return [
        float(difference.mean()),
        float(difference.std(ddof=1)),
        low,
        high,
        mae,
        pearson_r(pairs[:, 0], pairs[:, 1]),
    ]


def _timing(values: FloatArray) -> list[float]:
    size = np.abs(values)
    return [
        float(values.mean()),
        float(np.median(values)),
        float(size.mean()),
        float(np.percentile(size, 95)),
    ]


def _shares(counts: FloatArray) -> list[float]:
    true, missed, invented = counts.sum(axis=0).tolist()
    return [100 * missed / true, 100 * invented / true] if true else [NAN, NAN]


def _over_patients(
    named: Sequence[Named],
    statistics: Callable[[FloatArray], list[float]],
    rows: FloatArray,
    patients: Sequence[str],
    group: Group,
    reference: str,
    seed: int,
) -> list[Figure]:
    """Figures of rows, with a bootstrap that draws patients with all their rows; ``n`` counts the rows."""
    places: dict[str, list[int]] = {}
    for place, patient in enumerate(patients):
        places.setdefault(patient, []).append(place)
    of = [np.array(at) for at in places.values()]
    one_each = len(of) == len(rows)

    def over(units: NDArray[np.intp]) -> list[float]:
        return statistics(rows[units if one_each else np.concatenate([of[i] for i in units])])

    split = group.label if group.by == "all" else f"{group.by} {group.label}"
    found = make_figures(named, over, np.arange(len(of)), split=split, reference=reference, seed=seed)
    return [replace(figure, n=len(rows)) for figure in found]
