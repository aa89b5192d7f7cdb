"""Files of a dataset: found below a folder, their headers read, and what is wrong with them noted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lvef.core.errors import DataError
from lvef.datasets.findings import ERROR, WARNING, FindingKind, Findings
from lvef.io.probe import FileHeader

UNPACK = "Unpack the archive again and look whether it was whole; then import again."
"""Remedy where files are missing or damaged."""

# fmt: off
_UNREADABLE = FindingKind("unreadable", ERROR, "Headers of {what} cannot be read; their rows and labels are kept.",
    "Copy or unpack the files again; lvef data check names them, too.")
_TRUNCATED = FindingKind("truncated", WARNING, "Files of {what} are shorter than their headers say; they are kept.",
    "Copy the files again.")
# fmt: on


def walk_files(root: Path) -> Iterator[Path]:
    """Files of a folder and its subfolders, sorted within each; hidden ones and macOS's ``__MACOSX`` are skipped."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def name_on_disk(root: Path, name: str) -> str:
    """A name as it is written in a folder; copies differ in case."""
    if not root.is_dir():
        return name
    with os.scandir(root) as entries:
        names = {found.name.lower(): found.name for found in entries if found.name != name}
    return name if (root / name).exists() else names.get(name.lower(), name)


def read_file_header(
    path: Path, name: str, what: str, probe: Callable[[Path], FileHeader], findings: Findings
) -> FileHeader | None:
    """Header of a file, or None where it cannot be read.

    Args:
        path: The file, which is there.
        name: How findings call it.
        what: What such files are, for example ``"clips"``.
        probe: A function of `lvef.io.probe`.
        findings: Takes note of a header that cannot be read, and of a file that is cut off.
    """
    try:
        header = probe(path)
    except DataError:
        findings.add(_UNREADABLE.filled(what=what), name)
        return None
    findings.add(_TRUNCATED.filled(what=what), [name] if header.truncated else [])
    return header
