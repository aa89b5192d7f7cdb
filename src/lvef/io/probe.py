"""What a file's header says of its frames, without decoding any: 10,000 AVI files take a second or two.

AVI headers go through `lvef.io.avi`, since FFmpeg looks into the stream as well before it answers; the other kinds go
through the package that reads them.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from lvef.core.errors import DataError, DicomError, VideoError, os_reason
from lvef.io.avi import read_avi_header
from lvef.io.formats import AVI, Family, FileFormat, detect_format, unknown_format
from lvef.io.limits import MAX_SIDE_PX
from lvef.io.open import read_head

_FLAGGED_RATE_HZ = 1000.0
"""For a rate that a container does not state FFmpeg gives that of its clock; no cine is that fast."""


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What a header declares; the frames themselves may differ.

    Attributes:
        n_frames: Number of frames, or None where it is not stated.
        frame_rate_hz: Frames a second as declared, plausible or not, or None for a still or where it is not stated.
        width_px: Width of a frame.
        height_px: Height of a frame.
        truncated: Whether the file is shorter than its header declares. A reader may still get some frames out of it.
        spacing_mm: Millimetres per pixel (x, y) as a NIfTI or MetaImage header states it, plausible or not, or None.
    """

    n_frames: int | None
    frame_rate_hz: float | None
    width_px: int
    height_px: int
    truncated: bool = False
    spacing_mm: tuple[float, float] | None = None


def probe(path: Path) -> FileHeader:
    """Read the header of any file that `lvef.io.open.open_clip` reads.

    Args:
        path: The file; its content decides which kind it is, not its suffix.

    Raises:
        DataError: (or `VideoError`, `DicomError`) when it cannot be read, is of no known kind, or its header is damaged.
    """
    return _probe(path, frozenset(get_args(Family)), "")


def probe_video(path: Path) -> FileHeader:
    """Read the header of a video file.

    Args:
        path: The file; its content decides which kind it is, not its suffix.

    Raises:
        DataError: when it is missing, empty or may not be read.
        VideoError: when it is no video or its header is damaged.
    """
    return _probe(path, frozenset({"video"}), "not a video: expected a file with moving images")


def probe_image(path: Path) -> FileHeader:
    """Read the header of a still, a NIfTI or MetaImage sequence, or a DICOM file.

    Args:
        path: The file; its content decides which kind it is, not its suffix.

    Raises:
        DataError: when it is missing, empty or may not be read.
        VideoError: when it is of another kind or its header is damaged.
        DicomError: when it is a DICOM file without an image, or its header is damaged.
    """
    families = frozenset(get_args(Family)) - {"video"}
    return _probe(path, families, "not a still or DICOM file: expected an image")


def _probe(path: Path, families: frozenset[str], otherwise: str) -> FileHeader:
    source = os.fspath(path)
    head = read_head(path, source)
    kind = detect_format(head)
    if kind is None:
        raise VideoError(unknown_format(source, head))
    if kind.family not in families:
        raise VideoError(f"{source} is a {kind.name}, {otherwise}.")
    try:
        if kind is AVI:
            return _probe_avi(path, source)
        if kind.family == "video":
            return _probe_container(path, source, kind)
        if kind.family == "dicom":
            return _probe_dicom(path, source)
        if kind.family == "nifti":
            return _probe_nifti(path, source, head)
        if kind.family == "metaimage":
            return _probe_metaimage(path)
        return _probe_still(path, source, kind)
    except OSError as cause:
        raise DataError(f"{source} cannot be read to its end ({os_reason(cause)}): copy it again.") from None


def _probe_avi(path: Path, source: str) -> FileHeader:
    with path.open("rb") as file:
        found = read_avi_header(file, source)
    return FileHeader(found.n_frames, found.frame_rate_hz, found.width_px, found.height_px, found.truncated)


def _probe_container(path: Path, source: str, kind: FileFormat) -> FileHeader:
    import av
    from av.error import FFmpegError

    from lvef.io.video import choose_stream

    try:
        with (
            path.open("rb") as file,
            av.open(file, mode="r", format=kind.demuxer, metadata_errors="replace") as container,
        ):
            stream, _ = choose_stream(container, source, VideoError)
            rate = stream.average_rate or stream.guessed_rate
            n_frames, width, height = stream.frames, stream.width, stream.height
    except FFmpegError as cause:
        reason = os_reason(cause)
        raise VideoError(
            f"{source} is a {kind.name} whose header cannot be read ({reason}): it is damaged or cut off, export it again."
        ) from None
    if width < 1 or height < 1:
        raise VideoError(f"{source} is a {kind.name} whose header states no size: export it again.")
    rate_hz = float(rate) if rate else None
    if rate_hz is not None and not 0 < rate_hz < _FLAGGED_RATE_HZ:
        rate_hz = None
    return FileHeader(n_frames or None, rate_hz, width, height)


def _probe_still(path: Path, source: str, kind: FileFormat) -> FileHeader:
    from lvef.io.images import open_image, page_numbers

    rate = None
    with open_image(path, source, kind, None) as image:
        width, height = image.size
        # Both may decode the first page; one that is too large is not read anyway.
        small = max(image.size) <= MAX_SIDE_PX
        turned = small and image.getexif().get(0x0112, 1) >= 5
        pages = page_numbers(image, kind)
        if len(pages) > 1 and small:
            image.seek(pages[0])
            image.load()
            shown_ms = image.info.get("duration")
            rate = 1000.0 / shown_ms if shown_ms else None
    if turned:  # the reader obeys a photo's orientation mark
        width, height = height, width
    return FileHeader(len(pages), rate, width, height, kind.name.startswith("PNG") and _png_cut(path))


def _png_cut(path: Path) -> bool:
    """Whether the end chunk that every PNG has is missing from the last bytes."""
    return b"IEND" not in _last_bytes(path, 64)


def _last_bytes(path: Path, n: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - n))
        return file.read(n)


def _probe_nifti(path: Path, source: str, head: bytes) -> FileHeader:
    from lvef.io.nifti import read_nifti_header

    header = read_nifti_header(head, source)
    if head[:2] == b"\x1f\x8b":
        # The last four bytes of a gzip file are the length of what it holds; other bytes stand there when it is cut.
        there = int.from_bytes(_last_bytes(path, 4), "little")
        truncated = not header.file_bytes <= there <= 2 * header.file_bytes
    else:
        truncated = path.stat().st_size < header.file_bytes
    rate = 1.0 / header.frame_step_s if header.n_frames > 1 and header.frame_step_s > 0 else None
    return FileHeader(header.n_frames, rate, header.width, header.height, truncated, header.spacing_mm)


def _probe_metaimage(path: Path) -> FileHeader:
    from lvef.io.metaimage import read_metaimage_header

    found = read_metaimage_header(path)
    spacing = (found.spacing[0], found.spacing[1]) if len(found.spacing) > 1 else None
    return FileHeader(found.n_frames, None, found.width, found.height, found.truncated, spacing)


def _probe_dicom(path: Path, source: str) -> FileHeader:
    from lvef.io.dicom_header import int_value, quiet_pydicom, read_header
    from lvef.io.dicom_pixels import count_frames
    from lvef.io.dicom_timing import frame_times

    with quiet_pydicom(), path.open("rb") as file:
        dataset = read_header(file, source)
        n_frames, complete = count_frames(dataset, file)
        height, width = int_value(dataset, "Rows"), int_value(dataset, "Columns")
        timing = frame_times(dataset, n_frames) if n_frames <= 10**6 else None
        if timing is None or height < 1 or width < 1:
            raise DicomError(
                f"{source} is a DICOM file whose frame count or size cannot be: export it again."
            )
    rate = None
    if len(timing.times_s) > 1 and timing.source != "assumed":
        rate = _median_rate(timing.times_s)
    return FileHeader(n_frames, rate, width, height, not complete)


def _median_rate(times_s: Any) -> float | None:  # noqa: ANN401
    import numpy as np

    step = float(np.median(np.diff(times_s)))
    return 1.0 / step if step > 0 and math.isfinite(step) else None
