"""Whether a network has seen a patient it is judged on: then its figures say nothing of new patients, and are refused."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.terms import Split
from lvef.evaluation.ef.cases import ALL, Selection
from lvef.evaluation.results import patients_digest
from lvef.inference.card import CARD_NAME, read_card

SPLIT_NAME = "split.csv"
"""File that a training leaves in its network's folder: hash and part of each patient. Source: `lvef.training.model_card`."""

TRAINED, CHOSE = "train", "validation"
"""Parts in that file: patients that the network learned from, and those by whom its best weights were chosen."""

SHOWN = 3
"""Patients that a message names."""


def check_splits(selection: Selection, where: str) -> list[str]:
    """Refuse a manifest whose training patients are also among those that are judged.

    Args:
        selection: What is to be judged.
        where: What to call the manifest.

    Returns:
        What a reader must know of a part that is no test.

    Raises:
        DataError: A patient of the training part is judged as another part.
    """
    judged = {case.patient for case in selection.cases}
    trained = selection.patients.get(str(Split.TRAIN), frozenset())
    if selection.split == str(Split.TRAIN):
        return [
            "These are patients of the training part: the figures say how well they are remembered, not read."
        ]
    if selection.split == ALL:
        shared = judged & trained
        return (
            [f"{len(shared)} of the {len(judged)} patients are of the manifest's training part."]
            if shared
            else []
        )
    shared = judged & trained
    if shared:
        raise DataError(
            f"{where}: {_named(shared)} in the split {selection.split} and in train; a patient belongs to one split only: "
            "mend the manifest."
        )
    chosen = selection.patients.get(str(Split.VAL), frozenset()) & judged
    if chosen and selection.split == str(Split.TEST):
        return [f"{_named(chosen)} in val too: networks may have been chosen by them."]
    return []


def check_network(folder: Path, selection: Selection) -> list[str]:
    """Refuse a network that was trained on patients who are judged.

    Its card tells a hash of their names, which is compared with every union of the manifest's splits; the file `SPLIT_NAME`
    that its training left beside the card is read.

    Args:
        folder: Folder of the network, or its card.
        selection: What is to be judged; nothing is refused where that is the training part itself, or everything.

    Returns:
        What a reader must know of patients by whom its weights were chosen, or whom it has learned from.

    Raises:
        DataError: It was trained on some of them, or its file cannot be read.
        WeightsError: There is no card.
    """
    folder = folder.parent if folder.name == CARD_NAME else folder
    card = read_card(folder)
    judged = {case.patient for case in selection.cases}
    seen: set[str] = set()
    for names in _unions(selection):
        if patients_digest(sorted(names)) == card.training.patients_sha256:
            seen |= names & judged
    parts = _parts(folder)
    hashes = {patient: hashlib.sha256(patient.encode()).hexdigest() for patient in judged}
    seen |= {patient for patient, digest in hashes.items() if parts.get(digest) == TRAINED}
    chose = {patient for patient, digest in hashes.items() if parts.get(digest) == CHOSE} - seen
    notices = []
    if seen and selection.split not in (str(Split.TRAIN), ALL):
        raise DataError(
            f"{folder}: {_named(seen)} in the split {selection.split} and, by their hashes, in the training "
            f"of {card.name}: judge it on patients it has not seen."
        )
    if seen:
        notices.append(f"{card.name} was trained on {len(seen)} of the {len(judged)} patients.")
    if chose:
        notices.append(
            f"The weights of {card.name} were chosen by {len(chose)} of the {len(judged)} patients."
        )
    return notices


def _unions(selection: Selection) -> Iterator[frozenset[str]]:
    """Patients of every choice of splits, and those that are judged."""
    parts = list(selection.patients.values())
    for size in range(1, len(parts) + 1):
        for chosen in combinations(parts, size):
            yield frozenset().union(*chosen)
    yield frozenset(case.patient for case in selection.cases)


def _parts(folder: Path) -> dict[str, str]:
    """Hash of a patient's name -> part of the training; empty where the network has no such file.

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
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"{len(names)} {'patient' if len(names) == 1 else 'patients'} ({shown}) {'is' if len(names) == 1 else 'are'}"
