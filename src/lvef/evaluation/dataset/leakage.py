"""Whether a model has seen a patient it is evaluated on: then its metrics say nothing of new patients, and are refused."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.terms import Split
from lvef.evaluation.dataset.cases import ALL, Selection
from lvef.evaluation.results import patients_digest
from lvef.inference.card import CARD_NAME, read_card

SPLIT_NAME = "split.csv"
"""File that a training leaves in its model's folder: hash and part of each patient."""

TRAINED, SELECTED = "train", "validation"
"""Parts in that file: patients for training the model, and for selecting its weights."""

MAX_NAMED = 3
"""Patients that a message names."""


def check_splits(selection: Selection, where: str) -> list[str]:
    """Refuse a manifest whose training patients are also among those that are evaluated.

    Args:
        selection: What is to be evaluated.
        where: What to call the manifest.

    Returns:
        What a reader must know of a part that is no test set.

    Raises:
        DataError: A patient of the training part is evaluated as another part.
    """
    evaluated = {case.patient for case in selection.cases}
    shared = evaluated & selection.patients.get(str(Split.TRAIN), frozenset())
    if selection.split == str(Split.TRAIN):
        return [
            "These are patients of the training part: the metrics say how well they are remembered, not how well new "
            "patients are measured."
        ]
    if selection.split == ALL:
        words = f"{len(shared)} of the {len(evaluated)} patients are of the manifest's training part."
        return [words] if shared else []
    if shared:
        raise DataError(
            f"{where}: {_named(shared)} in the split {selection.split} and in train; a patient belongs to one split only: "
            "correct the manifest."
        )
    selecting = selection.patients.get(str(Split.VAL), frozenset()) & evaluated
    if selecting and selection.split == str(Split.TEST):
        return [f"{_named(selecting)} in val too: models may have been selected with them."]
    return []


def check_network(folder: Path, selection: Selection) -> list[str]:
    """Refuse a model that was trained on patients who are evaluated.

    Its card holds a hash of their names, which is compared with every union of the manifest's splits; the file `SPLIT_NAME`
    that its training left beside the card is read.

    Args:
        folder: Folder of the model, or its card.
        selection: What is to be evaluated; nothing is refused where that is the training part itself, or everything.

    Returns:
        What a reader must know of patients used for its training or for selecting its weights.

    Raises:
        DataError: It was trained on some of them, or its file cannot be read.
        WeightsError: There is no card.
    """
    folder = folder.parent if folder.name == CARD_NAME else folder
    card = read_card(folder)
    evaluated = {case.patient for case in selection.cases}
    trained: set[str] = set()
    for names in _unions(selection):
        if patients_digest(names) == card.training.patients_sha256:
            trained |= names & evaluated
    parts = _read_parts(folder)
    part_of = {patient: parts.get(hashlib.sha256(patient.encode()).hexdigest()) for patient in evaluated}
    trained |= {patient for patient, part in part_of.items() if part == TRAINED}
    selecting = {patient for patient, part in part_of.items() if part == SELECTED} - trained
    if trained and selection.split not in (str(Split.TRAIN), ALL):
        raise DataError(
            f"{folder}: {_named(trained)} in the split {selection.split} and, by their hashes, in the training "
            f"of {card.name}: evaluate it on patients it has not seen."
        )
    notices = []
    if trained:
        notices.append(f"{card.name} was trained on {len(trained)} of the {len(evaluated)} patients.")
    if selecting:
        notices.append(
            f"The weights of {card.name} were selected with {len(selecting)} of the {len(evaluated)} patients."
        )
    return notices


def _unions(selection: Selection) -> Iterator[frozenset[str]]:
    """Patients of every choice of splits, and those that are evaluated."""
    parts = list(selection.patients.values())
    for size in range(1, len(parts) + 1):
        for chosen in combinations(parts, size):
            yield frozenset().union(*chosen)
    yield frozenset(case.patient for case in selection.cases)


def _read_parts(folder: Path) -> dict[str, str]:
    """Hash of a patient's name -> part of the training; empty where the model has no such file.

    Raises:
        DataError: The file is there and is something else.
    """
    path = folder / SPLIT_NAME
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["patient_sha256"]: row["part"] for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        raise DataError(
            f"{path}: cannot be read; the columns patient_sha256 and part were expected, as training writes them."
        ) from None


def _named(patients: Iterable[str]) -> str:
    names = sorted(patients)
    shown = ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")
    return f"{len(names)} {'patient' if len(names) == 1 else 'patients'} ({shown}) {'is' if len(names) == 1 else 'are'}"
