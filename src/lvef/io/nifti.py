"""NIfTI files: arrays are indexed (x, y) or (x, y, t), so they are turned over to be shown."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from lvef.core.errors import VideoError
from lvef.io.limits import DEFAULT_LIMITS, SizeLimits, check_size

MM_PER_UNIT = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
"""Millimetres per spatial unit of ``xyzt_units``; without one, millimetres are the custom."""

SECONDS_PER_UNIT = {"unknown": 1.0, "sec": 1.0, "msec": 0.001, "usec": 1e-6}
"""Seconds per temporal unit of ``xyzt_units``; without one, seconds are the custom."""

_HEADER_BYTES = 540
_COMPRESSION = 6
_GZIP = b"\x1f\x8b"


_DAMAGE = (zlib.error, HeaderDataError, WrapStructError, ValueError, KeyError, OverflowError)


class Nifti(NamedTuple):
    """Values ``(frames, height, width)``, mm per pixel (x, y) or None, seconds per frame as stated."""

    values: NDArray[Any]
    spacing_mm: tuple[float, float] | None
    frame_step_s: float


class NiftiHeader(NamedTuple):
    """What a header states, without its data.

    Attributes:
        n_frames: Number of frames.
        height: Rows of a frame.
        width: Columns of a frame.
        frame_step_s: Seconds per frame as stated.
        spacing_mm: Millimetres per pixel (x, y), or None.
        dtype: Of the values as stored.
        start: Bytes before the values.
        fields: The header itself.
    """

    n_frames: int
    height: int
    width: int
    frame_step_s: float
    spacing_mm: tuple[float, float] | None
    dtype: np.dtype[Any]
    start: int
    fields: Any

    @property
    def n_values(self) -> int:
        """Number of values."""
        return self.n_frames * self.height * self.width

    @property
    def file_bytes(self) -> int:
        """Bytes of the file when inflated."""
        return self.start + self.n_values * self.dtype.itemsize


def read_nifti(path: str | os.PathLike[str], limits: SizeLimits = DEFAULT_LIMITS) -> Nifti:
    """Read a NIfTI file in one piece (.nii, .nii.gz) that holds an image (x, y) or a sequence (x, y, t).

    Args:
        path: The file.
        limits: How large the clip may be.

    Raises:
        VideoError: when the header is damaged, the shape is no image's or sequence's, or data is missing.
    """
    source = os.fspath(path)
    raw = Path(path).read_bytes()
    header = read_nifti_header(raw, source)
    check_size(source, header.n_frames, header.height, header.width, limits)
    if header.dtype.fields is not None or header.dtype.kind not in "uif":
        raise VideoError(f"{source} holds {header.dtype} values: expected one grey value a pixel.")
    try:
        data = _inflated(raw, header.file_bytes)
        if len(data) < header.file_bytes:
            raise VideoError(
                f"{source} is cut off: {len(data)} of {header.file_bytes} bytes are there. Copy it again."
            )
        stored = np.frombuffer(data, header.dtype, header.n_values, header.start)
        # Fortran order of (x, y, t) is C order of (t, y, x): no transposition is left to do.
        values = _scaled(
            stored.reshape(header.n_frames, header.height, header.width), *header.fields.get_slope_inter()
        )
    except _DAMAGE:
        raise VideoError(f"{source} is a NIfTI file whose data is damaged: copy it again.") from None
    return Nifti(values, header.spacing_mm, header.frame_step_s)


def read_nifti_header(head: bytes, source: str) -> NiftiHeader:
    """Read the header, without the data.

    Args:
        head: First bytes of the file, compressed or not; 4096 are plenty.
        source: The file's name as the user gave it.

    Raises:
        VideoError: when the header is damaged or the shape is no image's or sequence's.
    """
    try:
        fields: Any = _header(_inflated(head, _HEADER_BYTES))
        shape = _frame_shape(fields.get_data_shape(), source)
        start = max(int(fields["vox_offset"]), fields.single_vox_offset)
        step = float(abs(fields["pixdim"][4])) * SECONDS_PER_UNIT.get(fields.get_xyzt_units()[1], 1.0)
        return NiftiHeader(*shape, step, _spacing(fields), fields.get_data_dtype(), start, fields)
    except _DAMAGE:
        raise VideoError(f"{source} is a NIfTI file whose header is damaged: copy it again.") from None


def encode_label_nifti(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float] | None = None, frame_step_s: float = 0.0
) -> bytes:
    """A compressed NIfTI-1 file (``.nii.gz``) of a sequence of masks; the same input gives the same bytes.

    Args:
        labels: ``(n, height, width)`` uint8.
        spacing_mm: Millimetres per pixel, x and y, or None where there is no scale: the header then has no unit of length.
        frame_step_s: Seconds from one frame to the next, or 0 where that is not known.

    Returns:
        The file, which `lvef.io.nifti.read_nifti` reads back.

    Raises:
        ValueError: The labels are not ``(n, height, width)`` uint8 with at least one pixel.
    """
    if labels.ndim != 3 or labels.dtype != np.uint8 or labels.size == 0:
        raise ValueError(f"Labels must be (n, height, width) uint8; found {labels.shape} {labels.dtype}.")
    x, y = spacing_mm if spacing_mm is not None else (1.0, 1.0)
    kind: Any = nibabel.Nifti1Header
    header = kind()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(labels.shape[::-1])
    # Negative, as in CAMUS: x of the image runs to the patient's left, y down.
    header.set_qform(np.diag([-x, -y, 1.0, 1.0]), code="scanner")
    header.set_sform(np.diag([-x, -y, 1.0, 1.0]), code="scanner")
    header.set_xyzt_units("mm" if spacing_mm is not None else "unknown", "sec")
    # The third axis is time, so its step stands where readers of sequences look for it, not among the lengths.
    header["pixdim"][4] = frame_step_s
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    no_extension = bytes(4)
    # C order of (t, y, x) is Fortran order of (x, y, t): nothing is left to transpose.
    data = header.binaryblock + no_extension + np.ascontiguousarray(labels).tobytes()
    return gzip.compress(data, _COMPRESSION, mtime=0)


def _spacing(header: Any) -> tuple[float, float] | None:  # noqa: ANN401
    """Millimetres per pixel, x and y, or None in an unfilled header: it has 1 and no unit."""
    space, zooms = header.get_xyzt_units()[0], [float(abs(z)) for z in header["pixdim"][1:3]]
    if space == "unknown" and zooms == [1.0, 1.0]:
        return None
    factor = MM_PER_UNIT.get(space, 1.0)
    return zooms[0] * factor, zooms[1] * factor


def _inflated(raw: bytes, most: int) -> bytes:
    """Return at most ``most`` bytes, so that a small file cannot unfold into a huge one."""
    return zlib.decompressobj(31).decompress(raw, most) if raw[:2] == _GZIP else raw[:most]


def _header(head: bytes) -> nibabel.Nifti1Header:
    two = head[4:7] == b"n+2"
    kind: Any = nibabel.Nifti2Header if two else nibabel.Nifti1Header
    if head[4:7] == b"ni2" or (not two and head[344:347] != b"n+1"):
        raise HeaderDataError("header and data in two files")
    header: nibabel.Nifti1Header = kind(head[: kind.sizeof_hdr], check=False)
    return header


def _scaled(stored: NDArray[Any], slope: float | None, intercept: float | None) -> NDArray[Any]:
    if slope in (None, 1.0) and intercept in (None, 0.0):
        return stored.astype(stored.dtype.newbyteorder("="))
    # Stored values may be no numbers, and scaled ones too large: the caller checks that.
    with np.errstate(invalid="ignore", over="ignore"):
        values: NDArray[Any] = stored * (1.0 if slope is None else slope) + (intercept or 0.0)
    return values


def _frame_shape(shape: tuple[int, ...], source: str) -> tuple[int, int, int]:
    long = [n for n in shape[2:] if n != 1]
    if len(shape) < 2 or len(long) > 1 or min(shape) < 1:
        raise VideoError(f"{source} has the shape {shape}: expected an image (x, y) or a sequence (x, y, t).")
    return (long[0] if long else 1), shape[1], shape[0]
