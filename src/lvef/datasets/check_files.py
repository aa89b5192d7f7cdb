"""The files of a manifest: headers against its rows, and with decoding the images and masks in them.

Several headers are read at once, which is what a network drive needs; 10,000 on a local disk take seconds either way.
"""

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
from lvef.core.runner import run
from lvef.core.terms import Phase, Structure
from lvef.datasets.files import UNPACK
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.io.formats import IMAGE_SUFFIXES, is_file
from lvef.io.isolation import open_clip, probe, read_labels
from lvef.io.probe import FileHeader

WORKERS = 8
"""Headers read at once."""

CHUNK = 64
"""Rows that a worker takes at a time."""

MAX_DECODERS = 4
"""Most files decoded at once: each may hold a gigabyte of frames."""

RATE_TOLERANCE = 0.02
"""Part by which a frame rate may differ from the header's: containers round to whole or thousandth frames a second."""

MAX_NAMES = 3
"""Most names of one group of copies that are shown."""

_ROW = (
    *("item", "kind", "root", "path", "mask_path", "n_frames", "frame_rate_hz", "height_px", "width_px"),
    *("ed_frame", "es_frame"),
)

# fmt: off
_COPY = "Copy or unpack these files again."
_ONE_RELEASE = "Take tables and files from one release, or import again after the files were changed."
_KEEP_ONE = "Keep one of them"
_MISSING_ROOT = FindingKind("missing_root", ERROR, "The folder that the paths start from is not there.",
    "Mount the disk, or import again where the dataset lies now.")
_OF_FILES = (
    FindingKind("missing_file", ERROR, "Files are missing.", UNPACK),
    FindingKind("unreadable", ERROR, "The header of files cannot be read.", _COPY),
    FindingKind("cut_off", ERROR, "Files are shorter than their header declares: they were cut off.", _COPY),
    FindingKind("size_differs", WARNING, "The image has another size than the manifest says.", _ONE_RELEASE),
    FindingKind("frames_differ", WARNING, "The file has another number of frames than the manifest says.", _ONE_RELEASE),
    FindingKind("file_ends_before_phase", ERROR, "The ED or ES frame lies after the end of the file.", _ONE_RELEASE),
    FindingKind("frame_rate_differs", NOTE,
        f"The file's header states a frame rate more than {100 * RATE_TOLERANCE:g} % from the manifest's, which is used."),
    FindingKind("missing_mask", ERROR, "Mask files are missing.", UNPACK),
    FindingKind("unreadable_mask", ERROR, "The header of masks cannot be read, or they are cut off.", _COPY),
    FindingKind("mask_size_differs", ERROR, "Image and mask differ in size, so the mask lies elsewhere than it should.",
        "Unpack image and mask again; do not resize one without the other."),
)
"""What headers may show, in the order of the findings."""

_UNDECODABLE = FindingKind("undecodable", ERROR, "Files have a sound header, but their images do not decode.", _COPY)
_INCOMPLETE = FindingKind("incomplete", ERROR,
    "Frames of these clips do not decode: the files are damaged or cut off.", _COPY)
_FRAMES = FindingKind("frames_decoded_differ", WARNING, "Another number of frames decodes than the manifest says.",
    "Import again; ED, ES and tracings count frames as they decode.")
_SIZE = FindingKind("size_decoded_differs", WARNING, "The decoded image has another size than the manifest says.",
    "Import again.")
_BLACK = FindingKind("black", WARNING, "Images are black throughout.", "Export these clips again, or leave them out.")
_BAD_MASK = FindingKind("undecodable_mask", ERROR, "Masks do not decode, or hold other values than labels from 0 to 255.",
    "Copy or unpack these masks again.")
_MASK_FRAMES = FindingKind("mask_frames_differ", ERROR, "Image and mask have another number of frames.",
    "Unpack image and mask again.")
_NO_VENTRICLE = FindingKind("mask_without_ventricle", WARNING, f"Masks hold no left ventricle (label {int(Structure.LV)}).",
    "Look at these masks; they may count their labels otherwise.")
_SWAPPED = FindingKind("swapped_masks", ERROR,
    "The ventricle is larger on the ES mask than on the ED mask: the phases are swapped.",
    "Look at both images and swap their names if so.")
_SAME_IN_SPLITS = FindingKind("same_picture_in_two_splits", ERROR,
    "The same frames stand in more than one split under different names.", f"{_KEEP_ONE}.")
_SAME = FindingKind("same_picture", WARNING, "The same frames stand in the manifest under different names.",
    f"{_KEEP_ONE}, or know that they count more than once.")
# fmt: on


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is kept of a decoded image.

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
"""Decodes image and mask of one row. Raises `LvefError` where the image does not decode."""


def decode_row(row: Mapping[str, Any]) -> Decoded:
    """Decode image and mask of one row with `lvef.io`.

    Args:
        row: A manifest's row; ``root``, ``path`` and ``mask_path`` are used.

    Raises:
        LvefError: The image cannot be decoded.
    """
    root = Path(row["root"])
    clip = open_clip(root / row["path"])
    frames = clip.frames
    digest = hashlib.sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).data)
    mask: dict[str, Any] = {}
    mask_path = row["mask_path"]
    if mask_path is not None and Path(mask_path).suffix.lower() in IMAGE_SUFFIXES:
        try:
            labels = read_labels(root / mask_path)
            lv_px = tuple(int(n) for n in (labels == Structure.LV).sum(axis=(1, 2)))
            mask = {"mask_shape": labels.shape, "lv_px": lv_px}
        except (LvefError, OSError):
            mask = {"mask_error": True}
    complete = all(notice.code != "truncated" for notice in clip.notices)
    n_frames, height, width = frames.shape
    return Decoded(n_frames, height, width, digest.hexdigest(), complete, not frames.any(), **mask)


def check_files(
    manifest: pl.DataFrame, findings: Findings, progress: Callable[[int], None]
) -> NDArray[np.bool_]:
    """Look at every file and mask of a manifest without decoding it.

    Args:
        manifest: Rows by `lvef.datasets.manifest`.
        findings: Takes note.
        progress: Called with the number of rows done.

    Returns:
        ``(rows,)`` bool: which rows have an image whose header can be read.
    """
    rows = manifest.select(_ROW).to_dicts()
    there = {root: Path(root).is_dir() for root in manifest["root"].unique()}
    findings.add(_MISSING_ROOT, sorted(root for root, found in there.items() if not found))
    # One finding for a folder that is not mounted says more than 10,000 for its files.
    listed = [row if there[row["root"]] else None for row in rows]
    chunks = [listed[i : i + CHUNK] for i in range(0, len(listed), CHUNK)]
    readable = np.zeros(len(rows), dtype=bool)
    names: dict[str, list[str]] = {}
    done = 0

    def record(_: object, results: list[tuple[bool, list[tuple[str, str]]]]) -> None:
        nonlocal done
        for readable[done], problems in results:
            for code, name in problems:
                names.setdefault(code, []).append(name)
            done += 1
        progress(done)

    run(chunks, _check_rows, on_error=_raise, record=record, workers=WORKERS)
    for kind in _OF_FILES:
        findings.add(kind, names.get(kind.code, ()))
    return readable


def _raise(_: object, error: Exception) -> Any:  # noqa: ANN401
    """No file can do this: it is a bug."""
    raise error


def _check_rows(rows: list[dict[str, Any] | None]) -> list[tuple[bool, list[tuple[str, str]]]]:
    """Of each row whether the header of its image can be read, and codes of problems with the name of the item."""
    return [(False, []) if row is None else _check_row(row) for row in rows]


def _check_row(row: dict[str, Any]) -> tuple[bool, list[tuple[str, str]]]:
    problems: list[tuple[str, str]] = []

    def note(code: str, detail: str) -> None:
        problems.append((code, f"{row['item']} ({detail})"))

    root = Path(row["root"])
    header = _header(root / row["path"], lambda code: note(code, row["path"]), "")
    if header is not None:
        _compare(row, header, note)
    if row["mask_path"] is not None:
        mask = _header(root / row["mask_path"], lambda code: note(code, row["mask_path"]), "_mask")
        if mask is not None and header is not None and _size(mask) != _size(header):
            note("mask_size_differs", f"image {_size(header)}, mask {_size(mask)}")
    return header is not None, problems


def _header(path: Path, note: Callable[[str], None], of: str) -> FileHeader | None:
    """Header of an image or (``of`` is ``_mask``) of a mask, None where there is none to be had."""
    if not is_file(path):
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


def _compare(row: dict[str, Any], header: FileHeader, note: Callable[[str, str], None]) -> None:
    """What the header says against what the row says."""
    width, height = row["width_px"], row["height_px"]
    if width not in (None, header.width_px) or height not in (None, header.height_px):
        note("size_differs", f"manifest {width} x {height}, file {_size(header)}")
    n = header.n_frames
    if n is not None:
        if row["n_frames"] is not None and row["n_frames"] != n:
            note("frames_differ", f"manifest {row['n_frames']}, file {n}")
        last = max((row[name] for name in ("ed_frame", "es_frame") if row[name] is not None), default=-1)
        # What already lies after the manifest's own end is reported with the labels.
        if last >= n and (row["n_frames"] is None or last < row["n_frames"]):
            note("file_ends_before_phase", f"frame {last} of {n}")
    rate, own = row["frame_rate_hz"], header.frame_rate_hz
    if row["kind"] == "clip" and rate and own and abs(own - rate) > RATE_TOLERANCE * rate:
        note("frame_rate_differs", f"manifest {rate:.4g}, file {own:.4g}")


def _size(header: FileHeader) -> str:
    return f"{header.width_px} x {header.height_px}"


def check_decoded(
    manifest: pl.DataFrame,
    readable: NDArray[np.bool_],
    decode: Decode,
    findings: Findings,
    progress: Callable[[int], None],
) -> None:
    """Decode every row whose header could be read, several at once, and check what came out.

    Args:
        manifest: Rows by `lvef.datasets.manifest`.
        readable: ``(rows,)`` which rows are worth trying.
        decode: Decodes one row.
        findings: Takes note.
        progress: Called with the number of rows done.
    """
    rows = manifest.to_dicts()
    workers = max(1, min(MAX_DECODERS, os.cpu_count() or 1))
    pairs: _Pairs = []
    failed: list[str] = []

    def name(index: int) -> str:
        return str(rows[index]["item"])

    def fail(index: int, error: Exception) -> str:
        if not isinstance(error, LvefError):
            raise error
        return name(index)

    def record(index: int, result: Decoded | str | None) -> None:
        if isinstance(result, str):
            failed.append(result)
        elif result is not None:
            pairs.append((rows[index], result))
        progress(index + 1)

    def work(index: int) -> Decoded | None:
        return decode(rows[index]) if readable[index] else None

    run(range(len(rows)), work, on_error=fail, record=record, name=name, workers=workers)
    findings.add(_UNDECODABLE, failed)
    _check_images(pairs, findings)
    _check_masks(pairs, findings)
    _check_copies(pairs, findings)


_Pairs = list[tuple[dict[str, Any], Decoded]]


def _check_images(pairs: _Pairs, findings: Findings) -> None:
    incomplete = [(row["item"], found.n_frames) for row, found in pairs if not found.complete]
    findings.add(_INCOMPLETE, [f"{item} ({n} frames decode)" for item, n in incomplete])
    for row, found in pairs:
        n = row["n_frames"]
        if found.complete and n is not None and n != found.n_frames:
            findings.add(_FRAMES, f"{row['item']} (manifest {n}, decoded {found.n_frames})")
    for row, found in pairs:
        width, height = row["width_px"], row["height_px"]
        if width is not None and (width, height) != (found.width_px, found.height_px):
            decoded = f"{found.width_px} x {found.height_px}"
            findings.add(_SIZE, f"{row['item']} (manifest {width} x {height}, decoded {decoded})")
    findings.add(_BLACK, [row["item"] for row, found in pairs if found.black])


def _check_masks(pairs: _Pairs, findings: Findings) -> None:
    bad = [f"{row['item']} ({row['mask_path']})" for row, found in pairs if found.mask_error]
    findings.add(_BAD_MASK, bad)
    for row, found in pairs:
        if found.mask_shape is not None and found.mask_shape[0] != found.n_frames:
            findings.add(_MASK_FRAMES, f"{row['item']} (image {found.n_frames}, mask {found.mask_shape[0]})")
    findings.add(_NO_VENTRICLE, [row["item"] for row, found in pairs if found.lv_px and not any(found.lv_px)])
    findings.add(_SWAPPED, [*_swapped_stills(pairs), *_swapped_clips(pairs)])


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


def _check_copies(pairs: _Pairs, findings: Findings) -> None:
    same: dict[str, list[dict[str, Any]]] = {}
    for row, found in pairs:
        if not found.black:
            same.setdefault(found.sha256, []).append(row)
    # The same file in two rows is reported with the paths.
    groups = [rows for rows in same.values() if len({(r["root"], r["path"]) for r in rows}) > 1]
    for rows in groups:
        names = [str(row["item"]) for row in rows]
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        parted = len({row["split"] for row in rows}) > 1
        findings.add(_SAME_IN_SPLITS if parted else _SAME, " = ".join(names[:MAX_NAMES]) + more)
