"""Every picture of a manifest decoded: what does not decode, what is there twice, masks that contradict the phases."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lvef.core.errors import LvefError
from lvef.core.terms import Phase, Structure
from lvef.core.workers import map_ordered
from lvef.datasets.findings import Findings, Severity
from lvef.io.formats import IMAGE_SUFFIXES
from lvef.io.images import read_labels
from lvef.io.open import open_clip

MAX_WORKERS = 4
"""Most files decoded at once: each may hold a gigabyte of frames."""

NAMED = 3
"""Names of one group of copies that are told."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is kept of a decoded picture.

    Attributes:
        n_frames: Frames that decoded.
        height_px: Height of a frame.
        width_px: Width of a frame.
        sha256: Hash of the grey frames, whatever the file they came in.
        complete: Whether all frames that the file declares decoded.
        black: Whether every pixel is 0.
        mask_shape: Shape ``(frames, height, width)`` of the mask, None without one.
        lv_px: Pixels of left ventricle on each frame of the mask.
        mask_error: Whether there is a mask that cannot be decoded.
    """

    n_frames: int
    height_px: int
    width_px: int
    sha256: str
    complete: bool = True
    black: bool = False
    mask_shape: tuple[int, int, int] | None = None
    lv_px: tuple[int, ...] = ()
    mask_error: bool = False


Decode = Callable[[Mapping[str, Any]], Decoded]
"""Decodes the picture, and the mask where there is one, of one row. Raises `LvefError` where the picture does not decode."""


def decode_row(row: Mapping[str, Any]) -> Decoded:
    """Decode picture and mask of one row with `lvef.io`.

    Args:
        row: A manifest's row; ``root``, ``path`` and ``mask_path`` are used.

    Raises:
        LvefError: The picture cannot be decoded.
    """
    root = Path(row["root"])
    clip = open_clip(root / row["path"])
    frames = clip.frames
    digest = hashlib.sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    shape: tuple[int, int, int] | None = None
    lv: tuple[int, ...] = ()
    mask_error = False
    mask_path = row["mask_path"]
    if mask_path is not None and Path(mask_path).suffix.lower() in IMAGE_SUFFIXES:
        try:
            mask = read_labels(root / mask_path)
            shape = (mask.shape[0], mask.shape[1], mask.shape[2])
            lv = tuple(int(n) for n in (mask == Structure.LV).sum(axis=(1, 2)))
        except (LvefError, OSError):
            mask_error = True
    n_frames, height, width = frames.shape
    return Decoded(
        n_frames,
        height,
        width,
        sha256=digest.hexdigest(),
        complete=all(notice.code != "truncated" for notice in clip.notices),
        black=not frames.any(),
        mask_shape=shape,
        lv_px=lv,
        mask_error=mask_error,
    )


def check_decoded(
    manifest: pl.DataFrame,
    readable: NDArray[np.bool_],
    decode: Decode,
    findings: Findings,
    progress: Callable[[int], None],
) -> None:
    """Decode every row whose header could be read, several at once, and judge what came out.

    Args:
        manifest: Rows by `lvef.datasets.schema`.
        readable: ``(rows,)`` which rows are worth trying.
        decode: Decodes one row.
        findings: Takes note.
        progress: Called with the number of rows done.
    """
    rows = manifest.to_dicts()
    workers = max(1, min(MAX_WORKERS, os.cpu_count() or 1))
    decoded: list[Decoded | None] = []
    failed: list[str] = []

    def one(index: int) -> Decoded | str | None:
        if not readable[index]:
            return None
        try:
            return decode(rows[index])
        except LvefError:
            return str(rows[index]["item"])

    results = map_ordered(one, range(len(rows)), workers, name=lambda index: str(rows[index]["item"]))
    for done, (_, result) in enumerate(results, 1):
        if isinstance(result, str):
            failed.append(result)
        decoded.append(None if isinstance(result, str) else result)
        progress(done)
    findings.add(
        "undecodable",
        Severity.ERROR,
        "Files have a sound header, but their pictures do not decode.",
        "Copy or unpack these files again.",
        failed,
    )
    pairs = [(row, found) for row, found in zip(rows, decoded, strict=True) if found is not None]
    _judge_pictures(pairs, findings)
    _judge_masks(pairs, findings)
    _judge_copies(pairs, findings)


_Pairs = list[tuple[dict[str, Any], Decoded]]


def _judge_pictures(pairs: _Pairs, findings: Findings) -> None:
    findings.add(
        "incomplete",
        Severity.ERROR,
        "Frames of these clips do not decode: the files are damaged or cut off.",
        "Copy or unpack these files again.",
        [f"{row['item']} ({found.n_frames} frames decode)" for row, found in pairs if not found.complete],
    )
    findings.add(
        "frames_decoded_differ",
        Severity.WARNING,
        "Another number of frames decodes than the manifest says.",
        "Import again; ED, ES and tracings count frames as they decode.",
        [
            f"{row['item']} (manifest {row['n_frames']}, decoded {found.n_frames})"
            for row, found in pairs
            if found.complete and row["n_frames"] is not None and row["n_frames"] != found.n_frames
        ],
    )
    findings.add(
        "size_decoded_differs",
        Severity.WARNING,
        "The decoded picture has another size than the manifest says.",
        "Import again.",
        [
            f"{row['item']} (manifest {row['width_px']} x {row['height_px']}, decoded {found.width_px} x {found.height_px})"
            for row, found in pairs
            if row["width_px"] is not None
            and (row["width_px"], row["height_px"]) != (found.width_px, found.height_px)
        ],
    )
    findings.add(
        "black",
        Severity.WARNING,
        "Pictures are black throughout.",
        "Export these clips again, or leave them out.",
        [row["item"] for row, found in pairs if found.black],
    )


def _judge_masks(pairs: _Pairs, findings: Findings) -> None:
    findings.add(
        "undecodable_mask",
        Severity.ERROR,
        "Masks do not decode, or hold other values than labels from 0 to 255.",
        "Copy or unpack these masks again.",
        [f"{row['item']} ({row['mask_path']})" for row, found in pairs if found.mask_error],
    )
    findings.add(
        "mask_frames_differ",
        Severity.ERROR,
        "Picture and mask have another number of frames.",
        "Unpack picture and mask again.",
        [
            f"{row['item']} (picture {found.n_frames}, mask {found.mask_shape[0]})"
            for row, found in pairs
            if found.mask_shape is not None and found.mask_shape[0] != found.n_frames
        ],
    )
    findings.add(
        "mask_without_ventricle",
        Severity.WARNING,
        f"Masks hold no left ventricle (label {int(Structure.LV)}).",
        "Look at these masks; they may count their labels otherwise.",
        [row["item"] for row, found in pairs if found.lv_px and not any(found.lv_px)],
    )
    findings.add(
        "swapped_masks",
        Severity.ERROR,
        "The ventricle is larger on the ES mask than on the ED mask: the phases are swapped.",
        "Look at both pictures and swap their names if so.",
        [*_swapped_stills(pairs), *_swapped_clips(pairs)],
    )


def _swapped_stills(pairs: _Pairs) -> list[str]:
    """ED and ES stills of one patient and view whose ventricles are the wrong way round."""
    areas: dict[tuple[str, ...], dict[str, float]] = {}
    for row, found in pairs:
        if row["kind"] == "still" and row["phase"] is not None and found.lv_px:
            size = (row["spacing_x_mm"] or 1.0) * (row["spacing_y_mm"] or 1.0)
            key = (row["collection"], row["patient"], row["view"])
            areas.setdefault(key, {})[row["phase"]] = found.lv_px[0] * size
    return [
        f"{patient} {view}"
        for (_, patient, view), area in areas.items()
        if area.get(Phase.ES, 0.0) > area.get(Phase.ED, float("inf"))
    ]


def _swapped_clips(pairs: _Pairs) -> list[str]:
    names = []
    for row, found in pairs:
        ed, es = row["ed_frame"], row["es_frame"]
        if row["kind"] != "clip" or ed is None or es is None or max(ed, es) >= len(found.lv_px):
            continue
        if found.lv_px[es] > found.lv_px[ed]:
            names.append(f"{row['item']} (ED {ed}, ES {es})")
    return names


def _judge_copies(pairs: _Pairs, findings: Findings) -> None:
    same: dict[str, list[dict[str, Any]]] = {}
    for row, found in pairs:
        if not found.black:
            same.setdefault(found.sha256, []).append(row)
    # The same file in two rows is told with the paths.
    groups = [rows for rows in same.values() if len({(r["root"], r["path"]) for r in rows}) > 1]
    parted = [rows for rows in groups if len({r["split"] for r in rows}) > 1]
    findings.add(
        "same_picture_in_two_splits",
        Severity.ERROR,
        "The same frames stand in more than one split under different names.",
        "Keep one of them.",
        [_equal(rows) for rows in parted],
    )
    findings.add(
        "same_picture",
        Severity.WARNING,
        "The same frames stand in the manifest under different names.",
        "Keep one of them, or know that they count more than once.",
        [_equal(rows) for rows in groups if rows not in parted],
    )


def _equal(rows: list[dict[str, Any]]) -> str:
    names = [str(row["item"]) for row in rows]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return " = ".join(names[:NAMED]) + more
