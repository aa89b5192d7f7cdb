"""Frozen records of an evaluation: what was scored, still by still and patient by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, PixelSpacing, Tracing
from lvef.core.terms import Structure
from lvef.evaluation.metrics import NAN
from lvef.evaluation.results import UsedWeights

STRUCTURES = {"lv": Structure.LV, "myocardium": Structure.MYOCARDIUM, "la": Structure.LA}
"""Structures that are judged."""

STRUCTURE_WORDS = {"lv": "LV", "myocardium": "myocardium", "la": "LA"}
"""The same, for people."""


@dataclass(frozen=True, slots=True)
class StillScore:
    """One still, predicted and true.

    Attributes:
        patient: Name in the collection.
        view: ``A4C`` or ``A2C``.
        phase: ``ED`` or ``ES``.
        quality: Picture quality as the collection tells it, or empty.
        dice_lv: Dice of the cavity, 0-1; NaN where neither mask holds anything. So are the next two.
        dice_myocardium: Dice of the wall.
        dice_la: Dice of the left atrium.
        volume: Volume of the network's mask; an arbitrary unit shared within a patient and view, NaN if untraceable.
        volume_expert: The same of the expert mask.
        hausdorff_lv: Hausdorff distance in ``distance_unit``; NaN where a mask is empty or it was not asked for. So are the
            next five.
        hausdorff_myocardium: Of the wall.
        hausdorff_la: Of the left atrium.
        distance_lv: Mean symmetric surface distance.
        distance_myocardium: Of the wall.
        distance_la: Of the left atrium.
        distance_unit: ``mm``, or ``px`` where the picture has no scale.
        tracing: The network's tracing, or None.
        tracing_expert: The tracing of the expert mask, or None.
        spacing: Scale of the picture, or None.
    """

    patient: str
    view: str
    phase: str
    quality: str
    dice_lv: float
    dice_myocardium: float
    dice_la: float
    volume: float
    volume_expert: float
    hausdorff_lv: float = NAN
    hausdorff_myocardium: float = NAN
    hausdorff_la: float = NAN
    distance_lv: float = NAN
    distance_myocardium: float = NAN
    distance_la: float = NAN
    distance_unit: str = ""
    tracing: Tracing | None = field(default=None, repr=False, compare=False)
    tracing_expert: Tracing | None = field(default=None, repr=False, compare=False)
    spacing: PixelSpacing | None = field(default=None, repr=False, compare=False)

    @property
    def lost(self) -> bool:
        """Whether the network gave no ventricle that has a volume."""
        return not np.isfinite(self.volume)


@dataclass(frozen=True, slots=True)
class WorstStill:
    """A still that went wrong, with all that is needed to look at it.

    Attributes:
        score: Its score.
        picture: ``(height, width)`` uint8.
        expert: ``(height, width)`` cavity of the expert.
        network: ``(height, width)`` cavity of the network.
    """

    score: StillScore
    picture: NDArray[np.uint8]
    expert: BoolArray
    network: BoolArray


@dataclass(frozen=True, slots=True)
class EfCase:
    """EF of one patient by the network and by a reference, both in percent."""

    patient: str
    quality: str
    ef_percent: float
    ef_reference_percent: float


@dataclass(frozen=True, slots=True)
class EfComparison:
    """EFs of a network beside those of one reference.

    Attributes:
        key: Ends the names of its figures, for example ``a4c``.
        title: What was measured on which view, for people.
        reference: What it is compared with; never left out where a figure is shown.
        cases: Patients with both EFs.
        lost: Patients whose stills are there and of whom no EF could be had, from the network or from the masks.
    """

    key: str
    title: str
    reference: str
    cases: tuple[EfCase, ...]
    lost: int

    @property
    def pairs(self) -> NDArray[np.float64]:
        """``(patients, 2)``: EF of the network and of the reference in percent."""
        rows = [(case.ef_percent, case.ef_reference_percent) for case in self.cases]
        return np.array(rows, dtype=float).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Judged:
    """Everything scored of one network, or of the networks of one cross-validation.

    Attributes:
        label: Its name here, unlike that of any other in the same evaluation.
        weights: The file, or one file a fold.
        scores: One a still.
        changed: Change of the picture -> scores in the order of ``scores``; empty where that was not asked for.
        worst: The stills with the lowest LV Dice, the worst first.
    """

    label: str
    weights: tuple[UsedWeights, ...]
    scores: Sequence[StillScore]
    changed: Mapping[str, Sequence[StillScore]] = field(default_factory=dict)
    worst: Sequence[WorstStill] = ()

    @property
    def patients(self) -> list[str]:
        """Their names, in the order in which they were judged."""
        return list(dict.fromkeys(score.patient for score in self.scores))
