"""What is to be converted: files, folders and manifests as one list, the patient of each and the name of its copy."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError
from lvef.core.journal import short_hash
from lvef.datasets.manifest import SUFFIXES as MANIFEST_SUFFIXES
from lvef.datasets.manifest import read_manifest
from lvef.io.names import safe_file_name, unique_name
from lvef.io.open import find_inputs

KEPT_COLUMNS = (
    "collection", "view", "phase", "frame_rate_hz", "frame_times_s", "spacing_x_mm", "spacing_y_mm", "ef_percent",
    "edv_ml", "esv_ml", "ef_method", "ed_frame", "es_frame", "age_years", "sex", "heart_rate_bpm", "diagnosis", "quality",
    "labels", "split", "split_name", "told_by", "licence",
)  # fmt: skip
"""Columns of a manifest that are copied. Masks and tracings are not."""

RESERVED_NAMES = frozenset({"manifest", "run", "finished"})
"""Stems of the output folder's own files."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to convert.

    Attributes:
        path: The file.
        item: Name that its copy gets where names are kept.
        patient: Its patient, or None to read it from the file.
        known: Values of a manifest, by column.
    """

    path: Path
    item: str
    patient: str | None = None
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Hash of the full path and the item, which does not reveal where it lies."""
        return short_hash(os.fsencode(f"{os.path.realpath(self.path)}\0{self.item}"))


def sources_of(paths: Sequence[Path]) -> list[Source]:
    """The files behind files, folders and manifests.

    Args:
        paths: As the user gave them; a missing file stays and fails on its own.

    Raises:
        DataError: A folder holds no echo file or may not be read, or a manifest is none.
    """
    found: dict[str, Source] = {}
    for path in paths:
        if path.suffix.lower() in MANIFEST_SUFFIXES and not path.is_dir():
            listed = [_of_row(row) for row in read_manifest(path).iter_rows(named=True)]
        elif path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise DataError(f"{path} is a folder that you may not read: ask for the right with chmod.")
            listed = [_of_file(inside) for inside in (*find_inputs([path]), *_unreadable(path))]
        else:
            listed = [_of_file(path)]
        if not listed:
            raise DataError(f"{path} holds no echo file: check the path.")
        found |= {source.key: source for source in listed}
    return list(found.values())


def names_of_copies(sources: Sequence[Source], earlier: Mapping[str, str], *, rename: bool) -> dict[str, str]:
    """A file name for each source's copy.

    Args:
        sources: In order.
        earlier: Names that an earlier run gave, by key; they stay.
        rename: Give ``clip00001`` and so on, after those that an earlier run gave; otherwise the items' names.

    Returns:
        Names by key.
    """
    used = {*RESERVED_NAMES, *(name.casefold() for name in earlier.values())}
    taken = [int(name.removeprefix("clip")) for name in earlier.values()] if rename else []
    numbers = itertools.count(max(taken, default=0) + 1)
    names: dict[str, str] = {}
    for source in sources:
        name = earlier.get(source.key)
        if name is None:
            name = f"clip{next(numbers):05d}" if rename else unique_name(_own_name(source.item), used)
        names[source.key] = name
    return names


def patient_of(source: Source) -> str:
    """Pseudonym of a DICOM file's Patient ID; the item's name where it has none.

    Raises:
        LvefError: It is a DICOM file whose header cannot be read.
    """
    from lvef.io.dicom_header import quiet_pydicom, read_header, read_pseudonym
    from lvef.io.formats import detect_format
    from lvef.io.open import read_head

    kind = detect_format(read_head(source.path, str(source.path)))
    if kind is None or kind.family != "dicom":
        return source.item
    with quiet_pydicom(), source.path.open("rb") as file:
        return read_pseudonym(read_header(file, str(source.path))) or source.item


def _of_file(path: Path) -> Source:
    return Source(path, re.sub(r"(?i)\.nii\.gz$|(?<=.)\.[a-z][a-z0-9]{0,5}$", "", path.name))


def _of_row(row: Mapping[str, Any]) -> Source:
    known = {name: row[name] for name in KEPT_COLUMNS if row[name] is not None}
    return Source(Path(row["root"]) / row["path"], row["item"], row["patient"], known)


def _unreadable(folder: Path) -> Iterator[Path]:
    """Folders in a folder that may not be read: a search skips them silently."""
    for here, subfolders, _ in os.walk(folder):
        for name in sorted(subfolders):
            if not name.startswith(".") and not os.access(Path(here) / name, os.R_OK | os.X_OK):
                yield Path(here) / name


def _own_name(item: str) -> str:
    name = safe_file_name(item, "/\\#")
    # Frames of a clip are called NAME-00000: no clip may be called so.
    return f"{name}_" if re.search(r"-\d{5}$", name) else name
