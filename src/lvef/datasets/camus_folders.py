"""The patients' folders of CAMUS in either release, and the part of the collection that each belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.terms import Split
from lvef.datasets.camus import SUBGROUPS, read_split, split_path
from lvef.datasets.findings import Findings, Severity

PATIENTS = 500
"""Patients of the collection. Source: the owners' page."""

SPLITS = dict(zip(SUBGROUPS, Split, strict=True))
"""The owners' subgroups as parts of the collection."""

AGAIN = "Unpack the archive again and look whether it was whole; then import again."
"""Mend where files are missing or damaged."""

_NIFTI, _MHD = "database_nifti", ("training", "testing")


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient's folder.

    Attributes:
        name: Unique in the collection.
        stem: How the names of its files begin.
        folder: From the root, with forward slashes.
        split: Part of the collection, or None where it is not known.
        split_name: The owners' word for it.
    """

    name: str
    stem: str
    folder: str
    split: Split | None
    split_name: str | None

    @property
    def suffix(self) -> str:
        """Ending of its picture files: which release it is."""
        return ".nii.gz" if self.folder.startswith(_NIFTI) else ".mhd"

    @property
    def labelled(self) -> bool:
        """Whether it comes with EF and masks: the testing patients of the older release do not."""
        return self.suffix != ".mhd" or self.split is not Split.TEST


def find_patients(root: Path, findings: Findings) -> list[Patient]:
    """The patients' folders of the newer release that is there, in order.

    Args:
        root: Folder that holds ``database_nifti``, or ``training`` of the older release.
        findings: Takes note of patients missing, not listed or listed twice.

    Raises:
        DataError: There is none.
    """
    expected = (
        "expected is a folder with database_nifti and database_split, or with training of the older release"
    )
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; {expected}.")
    names = _folders(root / _NIFTI)
    older = {part: _folders(root / part) for part in _MHD}
    n_older = sum(map(len, older.values()))
    if names:
        findings.add(
            "two_releases",
            Severity.NOTE,
            "The folder also holds patients of the older MetaImage release; only database_nifti is read.",
            "Import the older release from a folder of its own.",
            [part for part, found in older.items() if found],
        )
        found = [Patient(n, n, f"{_NIFTI}/{n}", *part) for n, part in _with_lists(root, names, findings)]
    elif n_older:
        # The older release's testing patients are numbered from 1 again.
        found = [
            Patient(n if part == "training" else f"{part}_{n}", n, f"{part}/{n}", SPLITS[part], part)
            for part, some in older.items()
            for n in some
        ]
    else:
        mend = f"give {root.parent}" if _folders(root) else "unpack the archive and give its folder"
        raise DataError(f"{root}: holds no CAMUS patients; {expected}: {mend}.")
    findings.add(
        "partial_collection",
        Severity.NOTE,
        f"{len(found)} patients are there; the collection has {PATIENTS}.",
        "Nothing, where a part is meant.",
        root.name if len(found) != PATIENTS else [],
    )
    return found


def _folders(root: Path) -> list[str]:
    """Names of the patients' folders in a folder, sorted."""
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if e.name.startswith("patient") and e.is_dir())


def _with_lists(
    root: Path, names: list[str], findings: Findings
) -> Iterator[tuple[str, tuple[Split | None, str | None]]]:
    """Each patient with the subgroup that lists it."""
    listed: dict[str, list[str]] = {}
    for group in SUBGROUPS:
        if split_path(root, group).is_file():
            for name in dict.fromkeys(read_split(root, group)):
                listed.setdefault(name, []).append(group)
    findings.add(
        "no_split_list",
        Severity.WARNING,
        "Lists of subgroups are missing, so that the split of their patients is not known.",
        "Put the owners' database_split folder beside database_nifti.",
        [f"subgroup_{group}.txt" for group in SUBGROUPS if not split_path(root, group).is_file()],
    )
    findings.add(
        "two_splits",
        Severity.ERROR,
        "Patients are in more than one list; their split stays empty.",
        "Take the owners' lists.",
        sorted(name for name, groups in listed.items() if len(groups) > 1),
    )
    findings.add(
        "missing_patient",
        Severity.WARNING,
        "Patients of the lists have no folder.",
        AGAIN,
        sorted(listed.keys() - set(names)),
    )
    findings.add(
        "unlisted_patient",
        Severity.WARNING,
        "Patients are in no list; their split stays empty.",
        "Put the owners' three lists into database_split.",
        [name for name in names if name not in listed],
    )
    for name in names:
        groups = listed.get(name, [])
        yield name, (SPLITS[groups[0]], groups[0]) if len(groups) == 1 else (None, None)
