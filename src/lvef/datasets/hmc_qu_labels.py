"""What a row of an HMC-QU table says of a clip: segments, the frames of one cycle, the mask of the wall."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from lvef.core.terms import View
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.hmc_qu_table import (
    END,
    MATCH,
    REFERENCE,
    SEGMENTS,
    WALL,
    HmcRow,
    read_infarction,
    read_tick,
)


def read_labels(
    listed: HmcRow, view: View, n_frames: int | None, labels: dict[str, Any], findings: Findings
) -> str | None:
    """Read a row's labels.

    Args:
        listed: The row.
        view: View of its table.
        n_frames: Frames of the clip, or None where its header does not tell.
        labels: Filled with ``recorded_name``, ``segments``, ``reference_frame``, ``end_of_cycle_frame`` (from 0) and
            ``match_with_a2c``.
        findings: Where doubts are noted.

    Returns:
        ``MI`` where a segment is infarcted, ``non-MI`` where all six are known not to be, else None.
    """
    labels["recorded_name"] = listed.recorded
    states: dict[str, bool | None] = {}
    for segment in SEGMENTS[view]:
        cell = listed.cells.get(segment, "")
        states[segment] = read_infarction(cell)
        if states[segment] is None and segment in listed.cells:
            findings.add(
                "unknown_label",
                Severity.WARNING,
                "A segment is labelled neither MI nor non-MI: its label is empty.",
                "Look at the table.",
                f"{listed.recorded} {segment}: {cell or 'empty'}",
            )
    labels["segments"] = {s: None if v is None else "MI" if v else "non-MI" for s, v in states.items()}
    _read_cycle(listed, n_frames, labels, findings)
    if listed.cells.get(MATCH):
        labels["match_with_a2c"] = listed.cells[MATCH]
    if any(states.values()):
        return "MI"
    return "non-MI" if all(v is False for v in states.values()) else None


def check_mask(listed: HmcRow | None, path: Path | None, labels: dict[str, Any], findings: Findings) -> bool:
    """Compare the mark for a wall mask with the file.

    Args:
        listed: The clip's row, or None where it has none.
        path: The mask's file, or None where there is none.
        labels: As `read_labels` filled it; gets ``wall_mask``.
        findings: Where doubts are noted.

    Returns:
        Whether there is a mask to use.
    """
    promised: bool | None = None
    if listed is not None and WALL in listed.cells:
        cell = listed.cells[WALL]
        promised = labels["wall_mask"] = read_tick(cell)
        if promised is None:
            findings.add(
                "unknown_tick",
                Severity.WARNING,
                "The mark for a wall mask is neither a tick nor a cross.",
                "In Wingdings a tick is the letter ü and a cross is û: write one of them.",
                f"{listed.recorded}: {cell or 'empty'}",
            )
    if path is None:
        findings.add(
            "missing_mask",
            Severity.WARNING,
            "A wall mask is ticked, but its file is not there.",
            "Unpack the masks again.",
            [listed.recorded] if promised and listed is not None else [],
        )
        return False
    findings.add(
        "unpromised_mask",
        Severity.NOTE,
        "A wall mask is there although the table says no; it is kept.",
        "",
        [path.name] if promised is False else [],
    )
    frames = mask_frames(path)
    first, last = labels.get("reference_frame"), labels.get("end_of_cycle_frame")
    if frames is None:
        findings.add(
            "unreadable_mask",
            Severity.WARNING,
            "A mask's file cannot be read: it is left out.",
            "Copy it again.",
            path.name,
        )
        return False
    if isinstance(first, int) and isinstance(last, int) and frames != last - first + 1:
        findings.add(
            "mask_length",
            Severity.NOTE,
            "A mask has another number of frames than its cycle in the table.",
            "Masks begin at the reference frame; use as many frames as the mask has.",
            f"{path.name}: {frames}, {last - first + 1} in the table",
        )
    return True


def mask_frames(path: Path) -> int | None:
    """Frames of a mask by the header of its .mat file, or None where that cannot be read.

    Args:
        path: MATLAB 5 file with one array ``(frames, height, width)`` or ``(height, width)``.
    """
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        with path.open("rb") as file:
            arrays = whosmat(file)
    except (OSError, MatReadError, ValueError, TypeError, NotImplementedError, LookupError, zlib.error):
        return None
    shapes = [shape for _, shape, _ in arrays if len(shape) in (2, 3)]
    if not shapes:
        return None
    return int(shapes[0][0]) if len(shapes[0]) == 3 else 1


def _read_cycle(listed: HmcRow, n_frames: int | None, labels: dict[str, Any], findings: Findings) -> None:
    """Reference frame and end of the cycle, counted from 0."""
    found: list[int | None] = []
    for key, title in (("reference_frame", REFERENCE), ("end_of_cycle_frame", END)):
        cell = listed.cells.get(title, "")
        number = int(cell) - 1 if cell.isdecimal() else None
        labels[key] = number
        found.append(number)
    first, last = found
    told = any(listed.cells.get(title) for title in (REFERENCE, END))
    inside = first is not None and last is not None and 0 <= first < last < (n_frames or last + 1)
    if told and not inside:
        findings.add(
            "cycle_doubtful",
            Severity.WARNING,
            "The frames of the cycle are not whole numbers, not in order, or outside of the clip.",
            "Do not rely on reference_frame and end_of_cycle_frame of these clips.",
            f"{listed.recorded}: {listed.cells.get(REFERENCE) or '-'} to {listed.cells.get(END) or '-'}",
        )
