"""Sequences of label masks as NIfTI files, laid out as CAMUS lays out its half sequences: ``(x, y, t)``."""

from __future__ import annotations

import gzip
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

_COMPRESSION = 6


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
    # Negative, as in CAMUS: x of the picture runs to the patient's left, y down.
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
