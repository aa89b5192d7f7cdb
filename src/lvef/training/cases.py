"""The cases of a training run: read from prepared stores, and parted by patient.

No patient is ever on two sides. A patient is known by name over all stores of a run: collections made of the same people
(stills and the clips made of them) then stay together, and where two stores put one patient into different parts the run is
refused. Patients of a test part are never read in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lvef.core.errors import DataError
from lvef.core.terms import Split
from lvef.inference.card import PARTS


@dataclass(frozen=True, slots=True)
class Case:
    """One clip, or one traced frame.

    Attributes:
        store: Number of its store in the run.
        number: Its row in the store.
        item: Name of the clip or still.
        patient: Whom it shows.
        split: Part of the dataset, or None.
        ef_percent: Its EF; NaN where it needs none.
        phase: ED or ES of a traced frame, else empty.
    """

    store: int
    number: int
    item: str
    patient: str
    split: str | None
    ef_percent: float
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Partition:
    """Cases by use.

    Attributes:
        train: Learned from.
        validation: Looked at after each epoch, to stop and to choose the best weights.
        held_out: Of a fold: neither learned from nor looked at; empty without folds.
    """

    train: tuple[Case, ...]
    validation: tuple[Case, ...]
    held_out: tuple[Case, ...] = ()

    def patients(self) -> dict[str, list[str]]:
        """Patients of each part, sorted."""
        return {name: sorted({case.patient for case in getattr(self, name)}) for name in PARTS}


def read_cases(
    columns: dict[str, list[Any]], store: int, where: str, *, needs_ef: bool
) -> tuple[list[Case], int]:
    """Cases of a store's index.

    Args:
        columns: Columns of the index by name.
        store: Its number in the run.
        where: What to call it in messages.
        needs_ef: Leave out rows without EF.

    Returns:
        The cases, and how many were left out for want of an EF.

    Raises:
        DataError: The index has no patients, or no row has an EF where one is needed.
    """
    if "patient" not in columns:
        raise DataError(f"{where}: its index names no patients; prepare it from a manifest of lvef again.")
    n = len(columns["item"])
    names = ("item", "patient", "split", "ef_percent", "phase")
    rows = zip(*(columns.get(name, [None] * n) for name in names), strict=True)
    cases, without = [], 0
    for number, (item, patient, split, ef, phase) in enumerate(rows):
        value = float("nan") if ef is None or not np.isfinite(ef) else float(ef)
        if needs_ef and np.isnan(value):
            without += 1
        else:
            cases.append(Case(store, number, item, patient, split, value, phase or ""))
    if not cases:
        if needs_ef and n:
            raise DataError(
                f"{where}: none of its {n} clips has an EF (ef_percent), so there is nothing to learn; prepare a "
                "collection whose manifest has it."
            )
        raise DataError(f"{where}: holds no case; prepare it from a manifest with clips.")
    return cases, without


def split_cases(cases: Sequence[Case], *, fraction: float, seed: int) -> Partition:
    """Training and validation as the stores name them; validation is drawn by patient where they name none.

    Args:
        cases: Of all stores.
        fraction: Part of the patients drawn.
        seed: Of the draw.

    Raises:
        DataError: A patient is in two parts, or too few patients are there.
    """
    usable = _trainable(cases)
    named = tuple(case for case in usable if case.split == Split.VAL)
    if named:
        rest = tuple(case for case in usable if case.split != Split.VAL)
        if not rest:
            raise DataError(f"all {len(named)} cases are of validation patients; none is left to learn from.")
        return Partition(rest, named)
    return _draw_validation(usable, (), fraction, seed)


def split_fold(cases: Sequence[Case], fold: int, n_folds: int, *, fraction: float, seed: int) -> Partition:
    """One fold of a cross-validation by patient.

    The fold's patients are held out. What stops training is drawn from the other patients: a fold that had a say in the
    choice of the weights would flatter them. Training and validation parts of the dataset are taken together.

    Args:
        cases: Of all stores.
        fold: Its number from 0.
        n_folds: Number of folds.
        fraction: Part of the other patients that is drawn for validation.
        seed: Of both draws.

    Raises:
        DataError: Fewer patients than folds, or too few to train and validate on.
    """
    usable = _trainable(cases)
    patients = sorted({case.patient for case in usable})
    if len(patients) < n_folds:
        raise DataError(
            f"{len(patients)} patients cannot be parted into {n_folds} folds; give fewer with --folds, or more patients."
        )
    if not 0 <= fold < n_folds:
        raise DataError(f"there is no fold {fold} among {n_folds}; they count from 0 to {n_folds - 1}.")
    out = set(held_out(patients, fold, n_folds, seed))
    rest = [case for case in usable if case.patient not in out]
    return _draw_validation(rest, tuple(case for case in usable if case.patient in out), fraction, seed)


def held_out(patients: Sequence[str], fold: int, n_folds: int, seed: int) -> list[str]:
    """Patients of one fold; folds are disjoint and together hold every patient once."""
    order = np.random.default_rng(seed).permutation(len(patients))
    return [patients[i] for i in sorted(order[fold::n_folds])]


def _trainable(cases: Sequence[Case]) -> list[Case]:
    """Cases that may be learned from, with every patient in one part."""
    parts: dict[str, set[str]] = {}
    for case in cases:
        parts.setdefault(case.patient, set()).add(str(case.split or Split.TRAIN))
    torn = sorted(patient for patient, found in parts.items() if len(found) > 1)
    if torn:
        found = " and ".join(sorted(parts[torn[0]]))
        raise DataError(
            f"{len(torn)} patients are in two parts ({torn[0]}: {found}); correct the split in the manifests and prepare "
            "again, so that no patient is on both sides."
        )
    usable = [case for case in cases if case.split != Split.TEST]
    if not usable:
        raise DataError(
            f"all {len(cases)} cases are of test patients, which are never trained on; none is left."
        )
    return usable


def _draw_validation(
    cases: Sequence[Case], held_out: tuple[Case, ...], fraction: float, seed: int
) -> Partition:
    patients = sorted({case.patient for case in cases})
    if len(patients) < 2:
        raise DataError(
            f"{len(patients)} patient is left to train and to validate on; at least 2 are needed: take more "
            "patients, or fewer folds."
        )
    count = min(max(1, round(fraction * len(patients))), len(patients) - 1)
    drawn = set(np.random.default_rng([seed, 1]).permutation(patients)[:count].tolist())
    train = tuple(case for case in cases if case.patient not in drawn)
    return Partition(train, tuple(case for case in cases if case.patient in drawn), held_out)


def count_by_split(cases: Iterable[Case]) -> dict[str, int]:
    """Cases by part of the dataset."""
    return dict(Counter(str(case.split or "none") for case in cases))
