"""How many frames a DICOM file holds and how their values lie in it: by the data, where the header says otherwise.

Headers keep the numbers of the picture they were made for; anonymisers, transcoders and resamplers change the data alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from lvef.core.records import CodedWarning
from lvef.io.dicom_codestream import RGB, YBR, StreamHeader
from lvef.io.dicom_colour import LIKELY, layout_of
from lvef.io.dicom_fragments import UNDEFINED_LENGTH, group_frames, payload_length, scan_fragments
from lvef.io.dicom_values import text, whole

NATIVE_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
"""Transfer syntaxes whose pixel data is not compressed frame by frame. Source: DICOM PS3.5, annex A."""

VIDEO_STREAMS = {
    **dict.fromkeys(("100", "101"), "mpegvideo"),
    **dict.fromkeys(("102", "103", "104", "105", "106"), "h264"),
    **dict.fromkeys(("107", "108"), "hevc"),
}
"""FFmpeg's demuxer of the bare stream, by what follows ``1.2.840.10008.1.2.4.``.

Source: DICOM PS3.6, table A-1.
"""

YBR_LABELS = ("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")
"""Photometric interpretations of values that are Y, Cb and Cr as stored."""

_JPEG_ROOT = "1.2.840.10008.1.2.4."


class Believed(NamedTuple):
    """Elements that replace those of the header, and what there is to say of it."""

    elements: dict[str, Any]
    notices: tuple[CodedWarning, ...] = ()


NOTHING = Believed({})
"""The header is right, or nothing speaks against it."""


def count_frames(dataset: Dataset, file: BinaryIO) -> tuple[int, bool]:
    """Count the frames of a file without decoding or reading them, and tell whether they are all there.

    Args:
        dataset: The header.
        file: The open file, which stands just behind the header, and does so again afterwards.

    Returns:
        Number of frames; that which the header declares for video streams and deflated files. Whether the file holds what
        its header and its pixel data element declare.
    """
    before = file.tell()
    try:
        return _counted(dataset, file)
    finally:
        file.seek(before)


def _counted(dataset: Dataset, file: BinaryIO) -> tuple[int, bool]:
    declared = max(0, whole(dataset, "NumberOfFrames"))
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax == DeflatedExplicitVRLittleEndian:
        return max(1, declared), True
    implicit, little = dataset.original_encoding
    length = payload_length(file, implicit_vr=bool(implicit), little_endian=bool(little))
    if length is None:
        return max(1, declared), False
    start = file.tell()
    there = file.seek(0, os.SEEK_END) - start
    if syntax in NATIVE_SYNTAXES:
        length = there if length == UNDEFINED_LENGTH else length
        n_frames = length // native_frame_bytes(
            dataset, believe_length(dataset, b"", length, declared).elements
        )
        return max(1, n_frames), there >= length and n_frames >= declared
    if video_demuxer(syntax) is not None:
        return max(1, declared), there > 0
    file.seek(start)
    found = scan_fragments(file)
    n_frames = len(group_frames(found, declared, extended_offsets(dataset)))
    return max(1, n_frames), found.cut is None and n_frames >= max(1, declared)


def extended_offsets(dataset: Dataset) -> bytes:
    """Value of Extended Offset Table (7FE0,0001), empty where there is none."""
    value = dataset.get("ExtendedOffsetTable")
    return value if isinstance(value, bytes) else b""


def native_frame_bytes(dataset: Dataset, believed: Mapping[str, Any] | None = None) -> int:
    """Bytes that one frame takes where pixel data is not compressed, at least 1.

    Args:
        dataset: The header.
        believed: Elements that replace those of the header.
    """
    told = {
        "SamplesPerPixel": whole(dataset, "SamplesPerPixel", 1),
        "PhotometricInterpretation": text(dataset, "PhotometricInterpretation"),
        "BitsAllocated": whole(dataset, "BitsAllocated", 8),
        **(believed or {}),
    }
    samples = 2 if told["PhotometricInterpretation"] == "YBR_FULL_422" else int(told["SamplesPerPixel"])
    pixels = whole(dataset, "Rows") * whole(dataset, "Columns")
    return max(1, pixels * samples * max(1, int(told["BitsAllocated"]) // 8))


def video_demuxer(syntax: UID) -> str | None:
    """FFmpeg's demuxer of a transfer syntax that holds a video stream, else None."""
    number_of_syntax = str(syntax).removeprefix(_JPEG_ROOT).split(".")[0]
    return VIDEO_STREAMS.get(number_of_syntax) if str(syntax).startswith(_JPEG_ROOT) else None


def believe_stream(dataset: Dataset, header: StreamHeader) -> Believed:
    """Size and values a pixel, where the first code stream says them otherwise than the header."""
    found = NOTHING
    declared = whole(dataset, "Rows"), whole(dataset, "Columns")
    if header.height and header.width and (header.height, header.width) != declared:
        told = (
            f"The header says {declared[1]} x {declared[0]} pixels, the frames have {header.width} x {header.height}: "
            "the latter is believed, and no scale."
        )
        found = Believed(
            {"Rows": header.height, "Columns": header.width}, (CodedWarning("frame_size", told),)
        )
    if header.components in (1, 3) and header.components != whole(dataset, "SamplesPerPixel", 1):
        samples = _samples(dataset, header.components)
        found = Believed(found.elements | samples.elements, (*found.notices, *samples.notices))
    return found


def believe_length(dataset: Dataset, data: bytes, length: int, declared: int) -> Believed:
    """Values a pixel, where the number of bytes of uncompressed pixels cannot be meant as the header says.

    Args:
        dataset: The header.
        data: The pixel data, or nothing where it is not read: it is looked at where its length leaves two readings.
        length: Its length in bytes, all of which are there.
        declared: Number of Frames, or 0.
    """
    samples, bits = whole(dataset, "SamplesPerPixel", 1), whole(dataset, "BitsAllocated", 8)
    pixels = whole(dataset, "Rows") * whole(dataset, "Columns")
    subsampled = samples == 3 and text(dataset, "PhotometricInterpretation") == "YBR_FULL_422"
    if bits == 16 and declared and pixels and 0 <= length - declared * pixels * samples <= 1:
        told = "The header says 16 bits per value, the data holds 8: the latter is believed."
        elements = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
        return Believed(elements, (CodedWarning("pixel_layout", told),))
    if bits != 8 or not pixels:
        return NOTHING
    if subsampled and not declared:
        # A pad byte may follow.
        stored = 3 if length % (2 * pixels) > 1 >= length % (3 * pixels) else 2
    else:
        stored, rest = divmod(length, max(1, declared) * pixels)
        if rest > 1:
            return NOTHING
    if subsampled and stored == 3:
        told = (
            "The header says that colours are stored for every second pixel only; they are for every pixel."
        )
        return Believed({"PhotometricInterpretation": "YBR_FULL"}, (CodedWarning("pixel_layout", told),))
    if not declared or {stored, samples} != {1, 3}:
        return NOTHING
    if stored == 3:
        # Three times as many bytes are three values a pixel or three times as many frames; equal ones are the former.
        first = np.frombuffer(data[: 3 * pixels], np.uint8)
        if not len(first) or (np.ptp(first.reshape(-1, 3), axis=1) == 0).mean() < LIKELY:
            return NOTHING
    return _samples(dataset, stored)


def believe_layout(dataset: Dataset, data: bytes) -> Believed:
    """Planar Configuration, where uncompressed pixels say otherwise."""
    n_bytes = native_frame_bytes(dataset)
    height, width = whole(dataset, "Rows"), whole(dataset, "Columns")
    if n_bytes != 3 * height * width or len(data) < n_bytes:
        return NOTHING
    frame = np.frombuffer(data, np.uint8, n_bytes, len(data) // n_bytes // 2 * n_bytes)
    stated = YBR if text(dataset, "PhotometricInterpretation") in YBR_LABELS else RGB
    declared = min(1, whole(dataset, "PlanarConfiguration"))
    _, planar = layout_of(frame, height, width, (stated, declared))
    if planar == declared:
        return NOTHING
    told = f"Colours lie by {'plane' if planar else 'pixel'} in the data; the header says otherwise."
    return Believed({"PlanarConfiguration": planar}, (CodedWarning("pixel_layout", told),))


def _samples(dataset: Dataset, samples: int) -> Believed:
    declared = whole(dataset, "SamplesPerPixel", 1)
    told = f"The header says {declared} values per pixel, the data holds {samples}: the latter is believed."
    elements = {
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "PlanarConfiguration": 0,
    }
    return Believed(elements, (CodedWarning("pixel_layout", told),))


def count_notices(found: int, expected: int, declared: int) -> list[CodedWarning]:
    """What there is to say of the number of frames."""
    notices = []
    if found < expected:
        text_ = f"{found} of {expected} frames could be decoded; the rest is missing or damaged."
        notices.append(CodedWarning("truncated", text_))
    if not declared and expected > 1:
        text_ = f"The header does not say how many frames there are: {expected} were counted in the data."
        notices.append(CodedWarning("frame_count", text_))
    elif 0 < declared < expected:
        text_ = f"The header says {declared} frames, the data holds {expected}: all of them are read."
        notices.append(CodedWarning("frame_count", text_))
    return notices
