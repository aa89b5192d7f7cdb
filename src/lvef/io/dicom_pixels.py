"""Frames of a DICOM file to 8-bit grey, each through the decoder that its transfer syntax needs.

Decoders hand out the components as stored. Which colours these are the code stream says, else the header, and either is
overruled by pixels that cannot be meant so: echo is grey nearly everywhere.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import (
    HTJ2K,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
)

from lvef.core.errors import DicomError, MissingExtraError
from lvef.core.records import CodedWarning, FrameArray
from lvef.io.dicom_frames import (
    RGB,
    UNDEFINED_LENGTH,
    YBR,
    Payload,
    StreamHeader,
    group_frames,
    join_fragments,
    payload_length,
    read_stream_header,
    scan_fragments,
    split_frames,
)
from lvef.io.dicom_grey import LIKELY, YBR_LABELS, GreyFrames, Jpeg, detect_colour_layout, lossless_frames
from lvef.io.dicom_header import DECODE_ERRORS, int_value, text_value
from lvef.io.formats import detect_format
from lvef.io.limits import SizeLimits, check_size
from lvef.io.timing import Timing, container_timing

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

_HTJ2K = (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
_TRANSPORT_SYNC = b"\x47"
_JPEG_ROOT = "1.2.840.10008.1.2.4."


class Overrides(NamedTuple):
    """Elements of the header that the data contradicts, and the warnings that say so."""

    elements: dict[str, Any]
    notices: tuple[CodedWarning, ...] = ()

    def apply(self, dataset: Dataset) -> None:
        """Write the elements into the header."""
        for keyword, value in self.elements.items():
            setattr(dataset, keyword, value)


NO_OVERRIDES = Overrides({})
"""Nothing contradicts the header."""


@dataclass(slots=True)
class DecodedPixels:
    """Grey frames ``(n, height, width)``, chroma map or None, times and shape of pixels of a video stream or None."""

    frames: FrameArray
    chroma: FrameArray | None
    container: Timing | None
    notices: tuple[CodedWarning, ...]
    aspect: float | None = None


def decode_pixels(dataset: Dataset, payload: Payload, source: str, limits: SizeLimits) -> DecodedPixels:
    """Decode the pixel data: as many frames as it holds, whatever Number of Frames says.

    Args:
        dataset: The header, with a transfer syntax; what the data contradicts is overwritten in it.
        payload: The Pixel Data element.
        source: The file's name as the user gave it.
        limits: How large the clip may be.

    Raises:
        DicomError: when nothing can be decoded, it is too large, or the transfer syntax is not known.
        MissingExtraError: when the transfer syntax needs a decoder that is not installed.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    declared = max(0, int_value(dataset, "NumberOfFrames"))
    if payload.encapsulated and (stream := video_demuxer(syntax)) is not None:
        return _decode_video(payload, stream, declared, source, limits)
    frames: list[bytes] = []
    header: StreamHeader | None = None
    overrides = NO_OVERRIDES
    if payload.encapsulated:
        frames = split_frames(payload.data, declared, extended_offsets(dataset))
        header = read_stream_header(frames[0]) if frames else None
        if header is not None:
            overrides = overrides_from_stream(dataset, header)
    elif payload.whole:
        overrides = overrides_from_length(dataset, payload.data, len(payload.data), declared)
    overrides.apply(dataset)
    notices = list(overrides.notices)
    n_frames = len(frames)
    if not payload.encapsulated:
        overrides = overrides_from_layout(dataset, payload.data)
        overrides.apply(dataset)
        notices += overrides.notices
        n_frames = len(payload.data) // native_frame_bytes(dataset)
    height, width = int_value(dataset, "Rows"), int_value(dataset, "Columns")
    check_size(source, n_frames, height, width, limits, error=DicomError)
    decoded: Iterable[NDArray[Any] | Jpeg]
    if header is not None and syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and header.bits == 8:
        decoded = (Jpeg(frame, header) for frame in frames)
    elif syntax in (JPEGLossless, JPEGLosslessSV1):
        decoded = lossless_frames(frames)
    else:
        decoded = _pydicom_frames(dataset, payload, frames, n_frames, source)
    grey = GreyFrames(dataset, n_frames, header)
    cause = ""
    try:
        for frame in islice(decoded, n_frames):
            grey.add(frame)
    except DECODE_ERRORS as error:
        cause = type(error).__name__
    if not grey.count:
        reason = "its pixel data is cut off or damaged" if not cause else f"its decoder failed with {cause}"
        raise DicomError(
            f"{source} has no frame that could be decoded as {syntax.name}: {reason}; export it again, "
            "uncompressed if possible."
        )
    notices += frame_count_warnings(grey.count, max(n_frames, declared), declared)
    return DecodedPixels(grey.frames(), grey.chroma(), None, (*notices, *grey.notices()))


def count_frames(dataset: Dataset, file: BinaryIO) -> tuple[int, bool]:
    """Count the frames of a file without decoding or reading them.

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
    declared = max(0, int_value(dataset, "NumberOfFrames"))
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
            dataset, overrides_from_length(dataset, b"", length, declared).elements
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


def native_frame_bytes(dataset: Dataset, overrides: Mapping[str, Any] | None = None) -> int:
    """Bytes that one frame takes where pixel data is not compressed, at least 1.

    Args:
        dataset: The header.
        overrides: Elements that replace those of the header.
    """
    values = {
        "SamplesPerPixel": int_value(dataset, "SamplesPerPixel", 1),
        "PhotometricInterpretation": text_value(dataset, "PhotometricInterpretation"),
        "BitsAllocated": int_value(dataset, "BitsAllocated", 8),
        **(overrides or {}),
    }
    samples = 2 if values["PhotometricInterpretation"] == "YBR_FULL_422" else int(values["SamplesPerPixel"])
    pixels = int_value(dataset, "Rows") * int_value(dataset, "Columns")
    return max(1, pixels * samples * max(1, int(values["BitsAllocated"]) // 8))


def video_demuxer(syntax: UID) -> str | None:
    """FFmpeg's demuxer of a transfer syntax that holds a video stream, else None."""
    root, _, rest = str(syntax).partition(_JPEG_ROOT)
    return None if root else VIDEO_STREAMS.get(rest.split(".")[0])


def overrides_from_stream(dataset: Dataset, header: StreamHeader) -> Overrides:
    """Size and values per pixel, where the first compressed frame contradicts the header."""
    found = NO_OVERRIDES
    declared = int_value(dataset, "Rows"), int_value(dataset, "Columns")
    if header.height and header.width and (header.height, header.width) != declared:
        text = (
            f"The header says {declared[1]} x {declared[0]} pixels, the frames have {header.width} x {header.height}: "
            "the latter is used, and no scale."
        )
        found = Overrides(
            {"Rows": header.height, "Columns": header.width}, (CodedWarning("frame_size", text),)
        )
    if header.components in (1, 3) and header.components != int_value(dataset, "SamplesPerPixel", 1):
        samples = _samples(dataset, header.components)
        found = Overrides(found.elements | samples.elements, (*found.notices, *samples.notices))
    return found


def overrides_from_length(dataset: Dataset, data: bytes, length: int, declared: int) -> Overrides:
    """Values per pixel, where the length of the uncompressed pixel data contradicts the header.

    Args:
        dataset: The header.
        data: The pixel data, or nothing where it is not read: it decides where its length is ambiguous.
        length: Its length in bytes, all of which are there.
        declared: Number of Frames, or 0.
    """
    samples, bits = int_value(dataset, "SamplesPerPixel", 1), int_value(dataset, "BitsAllocated", 8)
    pixels = int_value(dataset, "Rows") * int_value(dataset, "Columns")
    subsampled = samples == 3 and text_value(dataset, "PhotometricInterpretation") == "YBR_FULL_422"
    if bits == 16 and declared and pixels and 0 <= length - declared * pixels * samples <= 1:
        text = "The header says 16 bits per value, the data holds 8: the latter is used."
        elements = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
        return Overrides(elements, (CodedWarning("pixel_layout", text),))
    if bits != 8 or not pixels:
        return NO_OVERRIDES
    if subsampled and not declared:
        # A pad byte may follow.
        stored = 3 if length % (2 * pixels) > 1 >= length % (3 * pixels) else 2
    else:
        stored, rest = divmod(length, max(1, declared) * pixels)
        if rest > 1:
            return NO_OVERRIDES
    if subsampled and stored == 3:
        text = (
            "The header says that colours are stored for every second pixel only; they are for every pixel."
        )
        return Overrides({"PhotometricInterpretation": "YBR_FULL"}, (CodedWarning("pixel_layout", text),))
    if not declared or {stored, samples} != {1, 3}:
        return NO_OVERRIDES
    if stored == 3:
        # Three times as many bytes are three values a pixel or three times as many frames; equal ones are the former.
        first = np.frombuffer(data[: 3 * pixels], np.uint8)
        if not len(first) or (np.ptp(first.reshape(-1, 3), axis=1) == 0).mean() < LIKELY:
            return NO_OVERRIDES
    return _samples(dataset, stored)


def overrides_from_layout(dataset: Dataset, data: bytes) -> Overrides:
    """Planar Configuration, where the uncompressed pixels contradict it."""
    n_bytes = native_frame_bytes(dataset)
    height, width = int_value(dataset, "Rows"), int_value(dataset, "Columns")
    if n_bytes != 3 * height * width or len(data) < n_bytes:
        return NO_OVERRIDES
    frame = np.frombuffer(data, np.uint8, n_bytes, len(data) // n_bytes // 2 * n_bytes)
    stated = YBR if text_value(dataset, "PhotometricInterpretation") in YBR_LABELS else RGB
    declared = min(1, int_value(dataset, "PlanarConfiguration"))
    _, planar = detect_colour_layout(frame, height, width, (stated, declared))
    if planar == declared:
        return NO_OVERRIDES
    text = f"Colours lie by {'plane' if planar else 'pixel'} in the data; the header says otherwise."
    return Overrides({"PlanarConfiguration": planar}, (CodedWarning("pixel_layout", text),))


def _samples(dataset: Dataset, samples: int) -> Overrides:
    declared = int_value(dataset, "SamplesPerPixel", 1)
    text = f"The header says {declared} values per pixel, the data holds {samples}: the latter is used."
    elements = {
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "PlanarConfiguration": 0,
    }
    return Overrides(elements, (CodedWarning("pixel_layout", text),))


def frame_count_warnings(found: int, expected: int, declared: int) -> list[CodedWarning]:
    """Warnings of frames that are missing, or that the header does not declare."""
    notices = []
    if found < expected:
        text = f"{found} of {expected} frames could be decoded; the rest is missing or damaged."
        notices.append(CodedWarning("truncated", text))
    if not declared and expected > 1:
        text = f"The header does not say how many frames there are: {expected} were counted in the data."
        notices.append(CodedWarning("frame_count", text))
    elif 0 < declared < expected:
        text = f"The header says {declared} frames, the data holds {expected}: all of them are read."
        notices.append(CodedWarning("frame_count", text))
    return notices


def _pydicom_frames(
    dataset: Dataset, payload: Payload, frames: list[bytes], n_frames: int, source: str
) -> Iterator[NDArray[Any]]:
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax in _HTJ2K:
        # pydicom wants another package for these, but Pillow's OpenJPEG reads them as it reads JPEG 2000.
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    plugin = _plugin(dataset, syntax, source)
    if not n_frames:
        return
    if payload.encapsulated:
        dataset.PixelData = encapsulate(frames)
        if int_value(dataset, "SamplesPerPixel", 1) == 3:
            dataset.PhotometricInterpretation = "RGB"  # whatever it is: components are wanted as stored
        dataset["PixelData"].is_undefined_length = True
    else:
        n_bytes = n_frames * native_frame_bytes(dataset)
        dataset.PixelData = payload.data[: n_bytes + n_bytes % 2]
    dataset["PixelData"].VR = (
        "OB" if payload.encapsulated or int_value(dataset, "BitsAllocated", 8) <= 8 else "OW"
    )
    dataset.NumberOfFrames = n_frames
    dataset.pop("ExtendedOffsetTable", None)
    dataset.pop("ExtendedOffsetTableLengths", None)
    if payload.encapsulated:
        yield from iter_pixels(dataset, decoding_plugin=plugin, raw=True)
    else:
        # pydicom 3.0 miscounts the frames of uncompressed YBR_FULL_422 when it goes through them in one run.
        yield from (pixel_array(dataset, index=index, raw=True) for index in range(n_frames))


def _plugin(dataset: Dataset, named: UID, source: str) -> str:
    """Return the decoder to use, or "" for pydicom's choice."""
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        known = named.name if named.name != str(named) else "unknown"
        raise DicomError(
            f"{source} has the transfer syntax {named} ({known}), which is not supported: export it "
            "uncompressed or as JPEG."
        ) from None
    if not decoder.is_available:
        raise MissingExtraError(f"{source}: decoding the transfer syntax {named.name}", "dicom")
    # GDCM is pydicom's first choice, but damaged data makes it write to stderr or end the whole process.
    if "gdcm" not in decoder.available_plugins:
        return ""
    wanted = "pyjpegls" if syntax in JPEGLSTransferSyntaxes else "pillow"
    if wanted not in decoder.available_plugins:
        raise MissingExtraError(f"{source}: decoding the transfer syntax {named.name}", "dicom")
    return wanted


def _decode_video(
    payload: Payload, stream: str, declared: int, source: str, limits: SizeLimits
) -> DecodedPixels:
    from lvef.io.video import decode_video

    data = join_fragments(payload.data)
    kind = detect_format(data[:4096])
    if kind is not None and kind.family == "video":
        stream = kind.demuxer
    elif data.startswith(_TRANSPORT_SYNC):
        stream = "mpegts"
    expected = declared if 1 < declared <= limits.max_frames else 0
    video = decode_video(io.BytesIO(data), stream, source, expected=expected, limits=limits, error=DicomError)
    timing = container_timing(video.stamps_s, video.rate_hz, video.coded_rate_hz)
    n_frames = len(video.frames)
    notices = frame_count_warnings(n_frames, n_frames, min(declared, n_frames))
    return DecodedPixels(video.frames, video.chroma, timing, (*video.notices, *notices), video.aspect)
