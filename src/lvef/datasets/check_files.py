"""The files of a manifest by their headers: what is missing, unreadable, cut off, or of another size than the rows say.

Several headers are read at once, which is what a network drive wants; 10,000 on a local disk take seconds either way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lvef.core.errors import LvefError
from lvef.core.workers import map_ordered
from lvef.datasets.findings import Findings, Severity
from lvef.io.formats import IMAGE_SUFFIXES
from lvef.io.probe import VideoHeader, probe

WORKERS = 8
"""Headers read at once."""

CHUNK = 64
"""Rows that a worker takes at a time."""

RATE_TOLERANCE = 0.02
"""Part by which a frame rate may differ from the header's: containers round to whole or thousandth frames a second."""

_ROW = (
    "item",
    "root",
    "path",
    "mask_path",
    "n_frames",
    "frame_rate_hz",
    "height_px",
    "width_px",
    "ed_frame",
    "es_frame",
    "kind",
)
_MEND_UNPACK = "Unpack the archive again and look whether it was whole; then import again."
_MEND_COPY = "Copy or unpack these files again."
_MEND_SIZE = "Take tables and files from one release, or import again after the files were changed."


@dataclass(frozen=True, slots=True)
class _Problem:
    """One thing that a row's files show: a finding's code and how the item is told."""

    code: str
    told: str


@dataclass(frozen=True, slots=True)
class _Seen:
    readable: bool
    problems: tuple[_Problem, ...]


def check_files(
    manifest: pl.DataFrame, findings: Findings, progress: Callable[[int], None]
) -> NDArray[np.bool_]:
    """Look at every file and mask of a manifest without decoding it.

    Args:
        manifest: Rows by `lvef.datasets.schema`.
        findings: Takes note.
        progress: Called with the number of rows done.

    Returns:
        ``(rows,)`` bool: which rows have a picture whose header can be read.
    """
    rows = manifest.select(_ROW).to_dicts()
    there = {root: Path(root).is_dir() for root in manifest["root"].unique()}
    findings.add(
        "missing_root",
        Severity.ERROR,
        "The folder that the paths start from is not there.",
        "Mount the disk, or import again where the collection lies now.",
        sorted(root for root, found in there.items() if not found),
    )
    # One finding for a folder that is not mounted says more than 10,000 for its files.
    listed = [row if there[row["root"]] else None for row in rows]
    chunks = [listed[i : i + CHUNK] for i in range(0, len(listed), CHUNK)]
    readable = np.zeros(len(rows), dtype=bool)
    found: dict[str, list[str]] = {}
    done = 0
    for _, results in map_ordered(_look_at_all, chunks, WORKERS):
        for seen in results:
            readable[done] = seen.readable
            for problem in seen.problems:
                found.setdefault(problem.code, []).append(problem.told)
            done += 1
        progress(done)
    for code, (severity, text, mend) in FOUND.items():
        findings.add(code, severity, text, mend, found.get(code, ()))
    return readable


FOUND = {
    "missing_file": (Severity.ERROR, "Files are missing.", _MEND_UNPACK),
    "unreadable": (Severity.ERROR, "The header of files cannot be read.", _MEND_COPY),
    "cut_off": (
        Severity.ERROR,
        "Files are shorter than their header declares: they were cut off.",
        _MEND_COPY,
    ),
    "size_differs": (
        Severity.WARNING,
        "The picture has another size than the manifest says.",
        _MEND_SIZE,
    ),
    "frames_differ": (
        Severity.WARNING,
        "The file has another number of frames than the manifest says.",
        _MEND_SIZE,
    ),
    "file_ends_before_phase": (
        Severity.ERROR,
        "The ED or ES frame lies behind the end of the file.",
        _MEND_SIZE,
    ),
    "frame_rate_differs": (
        Severity.NOTE,
        f"The file's header tells a frame rate more than {100 * RATE_TOLERANCE:g} % from the manifest's, which counts.",
        "",
    ),
    "missing_mask": (Severity.ERROR, "Mask files are missing.", _MEND_UNPACK),
    "unreadable_mask": (
        Severity.ERROR,
        "The header of masks cannot be read, or they are cut off.",
        _MEND_COPY,
    ),
    "mask_size_differs": (
        Severity.ERROR,
        "Picture and mask differ in size, so the mask lies elsewhere than it should.",
        "Unpack picture and mask again; do not resize one without the other.",
    ),
}
"""What files may show: code -> severity, sentence, mend. The order is that of the findings."""


def _look_at_all(rows: list[dict[str, Any] | None]) -> list[_Seen]:
    return [_Seen(False, ()) if row is None else _look_at(row) for row in rows]


def _look_at(row: dict[str, Any]) -> _Seen:
    problems: list[_Problem] = []

    def note(code: str, detail: str = "") -> None:
        problems.append(_Problem(code, f"{row['item']} ({detail})" if detail else row["item"]))

    root = Path(row["root"])
    header = _header(root / row["path"], lambda code: note(code, row["path"]), "")
    if header is not None:
        _compare(row, header, note)
    if row["mask_path"] is not None:
        path = root / row["mask_path"]
        mask = _header(path, lambda code: note(code, row["mask_path"]), "_mask")
        if mask is not None and header is not None and _size(mask) != _size(header):
            note("mask_size_differs", f"picture {_words(header)}, mask {_words(mask)}")
    return _Seen(header is not None, tuple(problems))


def _header(path: Path, note: Callable[[str], None], of: str) -> VideoHeader | None:
    """Header of a picture or (``of`` is ``_mask``) of a mask, None where there is none to be had."""
    try:
        there = path.is_file()
    except (OSError, ValueError):  # the latter for a NUL in a path
        there = False
    if not there:
        note(f"missing{of or '_file'}")
        return None
    # Of other masks (MATLAB) only the presence is checked.
    if of and path.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    try:
        header = probe(path)
    except LvefError:
        note(f"unreadable{of}")
        return None
    if header.truncated:
        note("unreadable_mask" if of else "cut_off")
    return header


def _compare(row: dict[str, Any], header: VideoHeader, note: Callable[[str, str], None]) -> None:
    """What the header says against what the row says."""
    told = (row["width_px"], row["height_px"])
    if any(t is not None and t != h for t, h in zip(told, _size(header), strict=True)):
        note("size_differs", f"manifest {told[0]} x {told[1]}, file {_words(header)}")
    if header.n_frames is not None:
        if row["n_frames"] is not None and row["n_frames"] != header.n_frames:
            note("frames_differ", f"manifest {row['n_frames']}, file {header.n_frames}")
        phases = [row[name] for name in ("ed_frame", "es_frame") if row[name] is not None]
        told_frames = row["n_frames"] if row["n_frames"] is not None else header.n_frames
        # What already lies behind the manifest's own end is told with the labels.
        if (
            phases
            and header.n_frames <= max(phases)
            and (row["n_frames"] is None or max(phases) < told_frames)
        ):
            note("file_ends_before_phase", f"frame {max(phases)} of {header.n_frames}")
    rate, own = row["frame_rate_hz"], header.frame_rate_hz
    if row["kind"] == "clip" and rate and own and abs(own - rate) > RATE_TOLERANCE * rate:
        note("frame_rate_differs", f"manifest {rate:.4g}, file {own:.4g}")


def _size(header: VideoHeader) -> tuple[int, int]:
    return header.width_px, header.height_px


def _words(header: VideoHeader) -> str:
    return f"{header.width_px} x {header.height_px}"
