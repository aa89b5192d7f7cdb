"""DICOM files to clips: frames, times, scale and the few facts that a measurement needs.

Nothing that names a person, place or date is read into a clip, a message or a log.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from lvef.core.errors import DicomError
from lvef.core.records import Clip, CodedWarning, shape_of
from lvef.io.dicom_fragments import Payload, read_payload
from lvef.io.dicom_layout import NATIVE_SYNTAXES, count_frames, native_frame_bytes
from lvef.io.dicom_pixels import DECODE_ERRORS, decode_pixels
from lvef.io.dicom_regions import read_tissue_scale
from lvef.io.dicom_timing import check_frames_follow_in_time, frame_times, r_wave_times
from lvef.io.dicom_values import heart_rate_bpm, quiet_pydicom, sex, text, view, whole
from lvef.io.limits import MAX_FILE_BYTES, MAX_FRAMES, MAX_PIXELS, check_size

ULTRASOUND_MODALITIES = ("US", "IVUS", "")
"""Modality (0008,0060) that raises no eyebrow; an empty one is common in anonymised files."""


def read_dicom(
    path: str | os.PathLike[str], *, max_frames: int = MAX_FRAMES, max_pixels: int = MAX_PIXELS
) -> Clip:
    """Read a DICOM file with one frame or many, in any transfer syntax that pictures or video use.

    Args:
        path: The file, with or without preamble and suffix.
        max_frames: Most frames allowed.
        max_pixels: Most pixels allowed over all frames together.

    Returns:
        The clip, with times from the attribute that rules (``timing`` is its keyword) and a scale where the
        file has a usable one.

    Raises:
        DicomError: when it is no DICOM file, holds no picture, is too large, or nothing of it can be decoded.
        MissingExtraError: when its transfer syntax needs a decoder that is not installed.
        QualityRefusal: ``volume``, when its frames do not follow each other in time.
    """
    source = os.fspath(path)
    limits = {"max_frames": max_frames, "max_pixels": max_pixels}
    with quiet_pydicom(), Path(path).open("rb") as file:
        dataset = read_header(file, source)
        height, width = whole(dataset, "Rows"), whole(dataset, "Columns")
        check_size(source, 1, height, width, **limits, error=DicomError)
        check_frames_follow_in_time(dataset, count_frames(dataset, file)[0], source)
        payload = _read_payload(file, dataset, source, max_frames)
        pixels = decode_pixels(dataset, payload, source, limits)
        n_decoded, height, width = pixels.frames.shape
        timing = frame_times(dataset, n_decoded, pixels.container)
        scale = read_tissue_scale(dataset, height, width, pixels.aspect)
        resized = next((notice.text for notice in pixels.notices if notice.code == "frame_size"), "")
        if resized:
            scale = replace(scale, spacing=shape_of(scale.spacing), note=resized, region=None)
        return Clip(
            frames=pixels.frames,
            times_s=timing.times_s,
            timing=timing.source,
            source=source,
            spacing=scale.spacing,
            spacing_note=scale.note,
            region=scale.region,
            other_regions=scale.other_regions,
            chroma=pixels.chroma,
            view=view(dataset),
            sex=sex(dataset),
            heart_rate_bpm=heart_rate_bpm(dataset),
            r_wave_times_s=r_wave_times(dataset, timing.times_s),
            notices=(*_modality_notice(dataset), *pixels.notices, *timing.notices, *scale.notices),
        )


def read_header(file: BinaryIO, source: str) -> Dataset:
    """Read up to the pixel data, make sure that there is a picture and that the transfer syntax is set.

    Args:
        file: The open file; it then stands at the pixel data.
        source: The file's name as the user gave it.

    Raises:
        DicomError: when the header is damaged or is not that of a picture.
    """
    try:
        dataset = dcmread(file, stop_before_pixels=True, force=True)
    except (InvalidDicomError, NotImplementedError, *DECODE_ERRORS):
        raise DicomError(
            f"{source} begins like a DICOM file, but its header is damaged or cut off: export it again."
        ) from None
    meta = getattr(dataset, "file_meta", None)
    if meta is None:
        meta = dataset.file_meta = FileMetaDataset()
    storage = UID(text(meta, "MediaStorageSOPClassUID") or text(dataset, "SOPClassUID"))
    if storage == MediaStorageDirectoryStorage or "DirectoryRecordSequence" in dataset:
        raise DicomError(
            f"{source} is a DICOMDIR, a table of contents without pictures: give the folder or the "
            "files it lists."
        )
    if not whole(dataset, "Rows") or not whole(dataset, "Columns"):
        kind = storage.name if storage and storage.name != str(storage) else "unknown kind"
        raise DicomError(
            f"{source} is a DICOM file without a picture ({kind}): expected an ultrasound image or cine."
        )
    syntax = text(meta, "TransferSyntaxUID")
    if not syntax:
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else plain
    meta.TransferSyntaxUID = UID(syntax)
    return dataset


def _read_payload(file: BinaryIO, dataset: Dataset, source: str, max_frames: int) -> Payload:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == DeflatedExplicitVRLittleEndian:
        file.seek(0)
        data = dcmread(file, force=True).get("PixelData")
        payload = None if data is None else Payload(bytes(data), False)
    else:
        implicit, little = dataset.original_encoding
        most = MAX_FILE_BYTES
        if syntax in NATIVE_SYNTAXES:  # one frame too many is refused; those beyond need not be read for that
            most = min(most, (max_frames + 1) * 3 * native_frame_bytes(dataset))
        payload = read_payload(file, implicit_vr=bool(implicit), little_endian=bool(little), max_bytes=most)
    if payload is None:
        raise DicomError(
            f"{source} is a DICOM file whose pixel data is missing or was cut off: export it again."
        )
    if payload.encapsulated and syntax in NATIVE_SYNTAXES:
        raise DicomError(
            f"{source} holds compressed frames, but its header does not tell which transfer syntax: export "
            "it again."
        )
    return payload._replace(encapsulated=syntax not in NATIVE_SYNTAXES)


def _modality_notice(dataset: Dataset) -> tuple[CodedWarning, ...]:
    modality = text(dataset, "Modality")
    if modality in ULTRASOUND_MODALITIES:
        return ()
    shown = modality if modality.isalnum() and len(modality) <= 4 else "something else"
    return (CodedWarning("modality", f"The file's modality is {shown}, expected US (ultrasound)."),)
