"""Everything that is told of an evaluation of EFs: figures, classes, guards, lines, refusals, comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.core.wording import TRUNCATED
from lvef.evaluation.ef.comparison import EfPaired, compare_entrants
from lvef.evaluation.ef.figures import (
    CLASSES,
    FIGURES,
    LINE_FIGURES,
    class_numbers,
    ef_figures,
    group_figures,
    majority_ef,
    over_patients,
    pairs_of,
    values_of,
)
from lvef.evaluation.ef.groups import Group, groups_of
from lvef.evaluation.ef.manual_lines import LineError, Manual, line_errors
from lvef.evaluation.ef.records import ES_ABOVE_ED, Case, EfEvaluation, EfRecord, Entrant
from lvef.evaluation.figures import Named
from lvef.inference.card import Figure
from lvef.stats.agreement import PARTS, CalibrationPart, calibration_parts
from lvef.stats.classification import confusion_matrix

FILLED = "_filled"
"""End of the names of figures in which the trivial answer stands where there is none."""

NAMED_FRAMES = "_named_frames"
"""End of the names of figures of the EFs from raw lines on the frames that the collection names."""


FEWEST_IN_PART = 5
"""Clips that a part of the calibration holds at least: the mean of fewer says little."""


@dataclass(frozen=True, slots=True)
class Guards:
    """Answers that no heart gives, counted before anything refuses or mends them.

    Attributes:
        measured: Clips that were answered, or refused because of this.
        negative: Of these, an EF below 0 or an ES volume above the ED volume, before anything mended or refused it.
        frames: Frames of all clips whose lines came from a keypoint network.
        crossing: Of these, with chords that cross each other.
        named: Clips with raw lines on both frames that the collection names.
        named_negative: Of these, with an ED volume below the ES volume.
    """

    measured: int
    negative: int
    frames: int
    crossing: int
    named: int
    named_negative: int


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What is told of a part of the clips: its figures by name, how many answered, how many not."""

    group: Group
    figures: dict[str, Figure]
    answered: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class EntrantSummary:
    """What is told of one network or file of predictions.

    Attributes:
        entrant: It.
        pairs: ``(n, 2)`` answer and reference of the clips that were answered.
        cases: These clips.
        figures: By name; those of all clips with the trivial answer in the gaps end in `FILLED`, those of the EFs on named
            frames in `NAMED_FRAMES`.
        confusion: ``(3, 3)`` of the answered clips, rows the manifest's class, columns the answer's.
        confusion_filled: The same of all clips, or None where all were answered.
        parts: Calibration by parts of the answers.
        groups: Parts of the clips.
        guards: Impossible answers.
        lines: Errors of lines, frame by frame.
        unanswered: Records without an EF.
    """

    entrant: Entrant
    pairs: FloatArray
    cases: tuple[Case, ...]
    figures: dict[str, Figure]
    confusion: NDArray[np.int_]
    confusion_filled: NDArray[np.int_] | None
    parts: tuple[CalibrationPart, ...]
    groups: tuple[GroupFigures, ...]
    guards: Guards
    lines: tuple[LineError, ...]
    unanswered: tuple[EfRecord, ...]

    @property
    def label(self) -> str:
        """Its name among the others."""
        return self.entrant.label

    @property
    def cut_off(self) -> tuple[str, ...]:
        """Items measured on the frames before the clip is damaged or cut off."""
        return tuple(record.item for record in self.entrant.records if TRUNCATED in record.warnings)


@dataclass(frozen=True, slots=True)
class EfSummary:
    """All figures of an evaluation.

    Attributes:
        evaluation: What was found.
        entrants: What is told of each.
        paired: Each against each.
        always_typical: Figures of answering ``typical_percent`` for every clip, by name; those that are defined.
        always_majority: The same of always saying the most frequent class; of classes only.
        majority: That class.
    """

    evaluation: EfEvaluation
    entrants: tuple[EntrantSummary, ...]
    paired: tuple[EfPaired, ...]
    always_typical: dict[str, float]
    always_majority: dict[str, float]
    majority: str


def summarise(evaluation: EfEvaluation, manual: Manual, seed: int) -> EfSummary:
    """Compute every figure.

    Args:
        evaluation: What was found.
        manual: Lines drawn by people, from `lvef.evaluation.ef.manual_lines.read_manual`.
        seed: Of the bootstrap.
    """
    reference = np.array([case.ef_percent for case in evaluation.cases])
    typical = np.full(len(reference), evaluation.typical_percent)
    most = np.full(len(reference), majority_ef(reference))
    trivial = [
        {
            name: value
            for name, value in zip(FIGURES, values_of(np.stack([answer, reference], axis=1)), strict=True)
            if math.isfinite(value)
        }
        for answer in (typical, most)
    ]
    of_classes = ("accuracy", "macro_sensitivity", *(f"sensitivity_{name}" for name in CLASSES))
    return EfSummary(
        evaluation,
        tuple(_of_entrant(evaluation, entrant, manual, seed) for entrant in evaluation.entrants),
        tuple(compare_entrants(evaluation, seed)),
        trivial[0],
        {name: trivial[1][name] for name in of_classes if name in trivial[1]},
        CLASSES[int(class_numbers(most)[0])],
    )


def _of_entrant(e: EfEvaluation, entrant: Entrant, manual: Manual, seed: int) -> EntrantSummary:
    pairs, cases = pairs_of(e.cases, entrant.records)
    filled, every = pairs_of(e.cases, entrant.records, filled_with=e.typical_percent)
    figures = _figures(e, pairs, cases, "", seed)
    whole = len(pairs) == len(filled)
    if not whole:
        figures += _figures(e, filled, every, FILLED, seed)
    named, of = _named_pairs(e.cases, entrant.records)
    figures += _figures(e, named, of, NAMED_FRAMES, seed)
    lines = line_errors(e.cases, entrant.records, manual)
    figures += _line_figures(e, lines, seed)
    return EntrantSummary(
        entrant,
        pairs,
        tuple(cases),
        {figure.name: figure for figure in figures},
        _confusion(pairs),
        None if whole else _confusion(filled),
        tuple(calibration_parts(pairs[:, 0], pairs[:, 1], _parts(len(pairs)))) if len(pairs) > 1 else (),
        tuple(_of_group(e, entrant, group, seed) for group in groups_of(e.cases)),
        _guards(entrant.records),
        tuple(lines),
        tuple(record for record in entrant.records if not record.answered),
    )


def _figures(
    e: EfEvaluation, pairs: FloatArray, cases: Sequence[Case], ending: str, seed: int
) -> list[Figure]:
    if len(pairs) < 2:
        return []
    return ef_figures(
        pairs,
        [case.patient for case in cases],
        ending=ending,
        typical=e.typical_percent,
        split=e.split,
        reference=e.reference,
        seed=seed,
    )


def _named_pairs(cases: Sequence[Case], records: Sequence[EfRecord]) -> tuple[FloatArray, list[Case]]:
    """EFs from raw lines on the named frames beside the reference, and their cases."""
    found = [(record.ef_at_named_percent, case) for case, record in zip(cases, records, strict=True)]
    known = [(ef, case) for ef, case in found if math.isfinite(ef)]
    return np.array([(ef, case.ef_percent) for ef, case in known]).reshape(-1, 2), [case for _, case in known]


def _line_figures(e: EfEvaluation, lines: Sequence[LineError], seed: int) -> list[Figure]:
    if not lines:
        return []
    rows = np.array([[getattr(line, name) for name in LINE_FIGURES] for line in lines])
    named = [Named("line_mae_image_units", "sides of the picture"), Named("line_mae_lengths", "LV lengths")]
    return over_patients(
        named,
        lambda v: v.mean(axis=0).tolist(),
        rows,
        [line.patient for line in lines],
        split=e.split,
        reference="lines drawn by people on the ED and ES frames",
        seed=seed,
    )


def _confusion(pairs: FloatArray) -> NDArray[np.int_]:
    return confusion_matrix(class_numbers(pairs[:, 1]), class_numbers(pairs[:, 0]), len(CLASSES))


def _of_group(e: EfEvaluation, entrant: Entrant, group: Group, seed: int) -> GroupFigures:
    cases = [e.cases[i] for i in group.places]
    pairs, kept = pairs_of(cases, [entrant.records[i] for i in group.places])
    figures: list[Figure] = []
    if len(pairs) > 1:
        figures = group_figures(
            pairs,
            [case.patient for case in kept],
            typical=e.typical_percent,
            split=f"{e.split}, {group.by} {group.label}",
            reference=e.reference,
            seed=seed,
        )
    return GroupFigures(group, {f.name: f for f in figures}, len(kept), len(cases) - len(kept))


def _parts(clips: int) -> int:
    """How many parts of the answers are told: ten, or fewer of few clips."""
    return max(2, min(PARTS, clips // FEWEST_IN_PART))


def _guards(records: Sequence[EfRecord]) -> Guards:
    named = [record.ef_at_named_percent for record in records]
    known = [ef for ef in named if math.isfinite(ef)]
    return Guards(
        measured=sum(record.answered or record.reason_code == ES_ABOVE_ED for record in records),
        negative=sum(record.negative_before_guards for record in records),
        frames=sum(record.counts.get("frames", 0) for record in records),
        crossing=sum(record.counts.get("frames_with_crossing_chords", 0) for record in records),
        named=len(known),
        named_negative=sum(ef < 0 for ef in known),
    )
