"""One file de-identified: only the ultrasound sector is left of the image, and nothing of the header.

Everything outside the sector becomes black. Text inside the sector stays, so the copies must be looked at before they are
passed on. Where no sector is found, nothing is written at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip, FrameArray
from lvef.datasets.manifest import timing_columns
from lvef.io.atomic import make_folder, write_bytes_atomic
from lvef.io.avi import encode_motion_jpeg
from lvef.io.images import encode_image
from lvef.io.isolation import open_clip
from lvef.io.timing import DEFAULT_FRAME_RATE_HZ
from lvef.transforms.sector import MAX_BOX_FILL, Sector, find_sector, keep_sector

MAX_SECTOR_FRACTION = 0.95
"""A "sector" that covers more of the image than this is a lit screen: a sector leaves its corners dark."""

COLOUR_LEVEL = 40
"""Departure from the clip's own tint above which a pixel counts as coloured, as in `lvef.measure.quality`."""

MAX_COLOUR_FRACTION = 0.015
"""Coloured part of the sector from which on the clip counts as colour Doppler, as in `lvef.measure.quality`."""

UNEVEN_FRACTION = 0.02
"""Steps between frames may differ by this part of the median before their times are written out one by one."""


class Format(StrEnum):
    """What a clip becomes; a still is always a PNG."""

    AVI = "avi"
    PNG = "png"


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was converted.

    Attributes:
        files: Files written, from the output folder, in order.
        rows: Rows of the manifest, one for each file.
        notices: Warnings, in sentences.
    """

    files: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    notices: tuple[str, ...]


def deidentify(
    path: Path, out: Path, name: str, form: Format, known: Mapping[str, Any], patient: str
) -> Written:
    """Read a file, black out all but its sector, and write it without a header.

    Args:
        path: DICOM, video or still.
        out: Output folder, which exists.
        name: Name of the item and its files, without suffix.
        form: What a clip becomes.
        known: Values of a manifest, by column, which replace those of the file; empty without a manifest.
        patient: Pseudonym of its patient.

    Raises:
        QualityRefusal: No sector is found, so that text on the screen cannot be told from the image.
        LvefError: The file cannot be read.
        OutputError: The output cannot be written.
    """
    clip = open_clip(path)
    sector = _find_safe_sector(clip)
    frames = keep_sector(clip, sector).frames
    notices = [notice.text for notice in clip.notices if notice.code != "assumed_frame_rate"]
    if clip.chroma is not None and (clip.chroma[sector.mask] > COLOUR_LEVEL).mean() > MAX_COLOUR_FRACTION:
        notices.append("The image is coloured, as in colour Doppler; it was written in grey.")
    row = _row(clip, known, name, patient)
    if len(frames) > 1 and row["frame_rate_hz"] is None:
        of_avi = f"the manifest has none, the AVI plays at {DEFAULT_FRAME_RATE_HZ:g} Hz."
        rest = of_avi if form is Format.AVI else "the manifest has no times."
        notices.append(f"The file states no frame rate: {rest}")
    if len(frames) > 1 and form is Format.PNG:
        return _write_frames(frames, out, name, row, notices)
    if len(frames) > 1:
        rate = row["frame_rate_hz"] or DEFAULT_FRAME_RATE_HZ
        file, data = f"{name}.avi", encode_motion_jpeg(frames, rate)
    else:
        file, data = f"{name}.png", encode_image(frames[0], ".png")
    write_bytes_atomic(out / file, data)
    return Written((file,), (row | {"path": file},), tuple(notices))


def _find_safe_sector(clip: Clip) -> Sector:
    """The sector, if it can be distinguished from a lit screen."""
    sector = find_sector(clip)
    # Two images side by side are two of one screen: each may be a rectangle with a margin.
    if sector.second is not None or sector.mask.sum() > MAX_BOX_FILL * sector.box.width * sector.box.height:
        raise QualityRefusal(
            "no_fan",
            f"{clip.source}: what is lit is a rectangle, not an ultrasound sector, and may hold text; export the clip "
            "with the whole sector and its black surroundings.",
        )
    if sector.mask.mean() > MAX_SECTOR_FRACTION:
        raise QualityRefusal(
            "no_fan",
            f"{clip.source}: the image is lit up to its corners, so that an ultrasound sector cannot be told from text "
            "around it; export the clip with its black surroundings.",
        )
    return sector


def _row(clip: Clip, known: Mapping[str, Any], name: str, patient: str) -> dict[str, Any]:
    """The manifest's row of a clip as it is written, but for its path."""
    n_frames, height, width = clip.frames.shape
    spacing = (known.get("spacing_x_mm"), known.get("spacing_y_mm"))
    if None in spacing:
        spacing = (clip.scale.x_mm, clip.scale.y_mm) if clip.scale is not None else (None, None)
    row: dict[str, Any] = {
        "collection": "converted",
        "view": str(clip.view),
        "sex": None if clip.sex is None else str(clip.sex),
        "heart_rate_bpm": clip.heart_rate_bpm,
        "licence": "not stated",
    }
    row |= {column: value for column, value in known.items() if value is not None}
    for phase in ("ed_frame", "es_frame"):  # a clip that was cut off may have lost them
        if row.get(phase) is not None and row[phase] >= n_frames:
            row[phase] = None
    row |= _timing(clip, known)
    row |= {"item": name, "patient": patient, "kind": "clip" if n_frames > 1 else "still"}
    row |= {"n_frames": n_frames, "height_px": height, "width_px": width}
    return row | {"spacing_x_mm": spacing[0], "spacing_y_mm": spacing[1]}


def _timing(clip: Clip, known: Mapping[str, Any]) -> dict[str, Any]:
    """Frame rate, duration and, where they are uneven, the times of the frames."""
    empty = {"frame_rate_hz": None, "duration_s": None, "frame_times_s": None}
    rate, times = known.get("frame_rate_hz"), known.get("frame_times_s")
    if len(clip.frames) < 2 or (clip.timing == "assumed" and not rate):
        return empty
    if rate:
        still_fits = times is not None and times.count(";") == len(clip.frames) - 1
        kept = times if still_fits else None
        return {"frame_rate_hz": rate, "duration_s": len(clip.frames) / rate, "frame_times_s": kept}
    return timing_columns(clip.times_s, UNEVEN_FRACTION)


def _write_frames(
    frames: FrameArray, out: Path, name: str, row: dict[str, Any], notices: list[str]
) -> Written:
    """Each frame as a PNG in a folder of its own, each a still in the manifest."""
    make_folder(out / name)
    phases = {row.get("es_frame"): "ES", row.get("ed_frame"): "ED"}
    still = row | {"kind": "still", "n_frames": 1}
    still |= dict.fromkeys(("frame_rate_hz", "duration_s", "frame_times_s", "ed_frame", "es_frame"))
    files, rows = [], []
    for index, frame in enumerate(frames):
        files.append(f"{name}/{index:05d}.png")
        write_bytes_atomic(out / files[-1], encode_image(frame, ".png"))
        rows.append(still | {"item": f"{name}-{index:05d}", "path": files[-1], "phase": phases.get(index)})
    return Written(tuple(files), tuple(rows), tuple(notices))
