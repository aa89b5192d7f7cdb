"""Frames of a DICOM file to 8-bit grey, each through the decoder that its transfer syntax needs.

Decoders hand out the components as stored. Which colours these are the code stream says, else the header, and either is
overruled by pixels that cannot be meant so: echo is grey nearly everywhere.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import cv2
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import (
    HTJ2K,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
)

from lvef.core.errors import DicomError, MissingExtraError
from lvef.core.records import CodedWarning, FrameArray
from lvef.io.dicom_codestream import StreamHeader, read_stream_header
from lvef.io.dicom_fragments import (
    Payload,
    joined,
    split_frames,
)
from lvef.io.dicom_grey import GreyFrames, Jpeg
from lvef.io.dicom_layout import (
    NOTHING,
    Believed,
    believe_layout,
    believe_length,
    believe_stream,
    count_notices,
    extended_offsets,
    native_frame_bytes,
    video_demuxer,
)
from lvef.io.dicom_lossless import lossless_frames
from lvef.io.dicom_values import CONVERSION_ERRORS, whole
from lvef.io.formats import detect_format
from lvef.io.limits import check_size
from lvef.io.timing import Timing, container_timing

DECODE_ERRORS = (
    *CONVERSION_ERRORS, IndexError, RuntimeError, OSError, EOFError, SyntaxError, struct.error, zlib.error,
    cv2.error, Image.DecompressionBombError,
)  # fmt: skip
"""What the decoders raise on damaged data; none of their texts is passed on, they may quote the header."""

_HTJ2K = (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
_TRANSPORT_SYNC = b"\x47"


@dataclass(slots=True)
class DecodedPixels:
    """Grey frames ``(n, height, width)``, chroma map or None, times and shape of pixels of a video stream or None."""

    frames: FrameArray
    chroma: FrameArray | None
    container: Timing | None
    notices: tuple[CodedWarning, ...]
    aspect: float | None = None


def decode_pixels(dataset: Dataset, payload: Payload, source: str, limits: dict[str, int]) -> DecodedPixels:
    """Decode the pixel data: as many frames as it holds, whatever Number of Frames says.

    Args:
        dataset: The header, with a transfer syntax; what the code stream knows better is overwritten in it.
        payload: The Pixel Data element.
        source: The file's name as the user gave it.
        limits: ``max_frames`` and ``max_pixels``.

    Raises:
        DicomError: when nothing can be decoded, it is too large, or the transfer syntax is not known.
        MissingExtraError: when the transfer syntax needs a decoder that is not installed.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    declared = max(0, whole(dataset, "NumberOfFrames"))
    if payload.encapsulated and (stream := video_demuxer(syntax)) is not None:
        return _decode_video(payload, stream, declared, source, limits)
    frames: list[bytes] = []
    header: StreamHeader | None = None
    believed = NOTHING
    if payload.encapsulated:
        frames = split_frames(payload.data, declared, extended_offsets(dataset))
        header = read_stream_header(frames[0]) if frames else None
        if header is not None:
            believed = believe_stream(dataset, header)
    elif payload.whole:
        believed = believe_length(dataset, payload.data, len(payload.data), declared)
    _overwrite(dataset, believed)
    notices = list(believed.notices)
    n_frames = len(frames)
    if not payload.encapsulated:
        believed = believe_layout(dataset, payload.data)
        _overwrite(dataset, believed)
        notices += believed.notices
        n_frames = len(payload.data) // native_frame_bytes(dataset)
    height, width = whole(dataset, "Rows"), whole(dataset, "Columns")
    check_size(source, n_frames, height, width, **limits, error=DicomError)
    pictures: Iterable[NDArray[Any] | Jpeg]
    if header is not None and syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and header.bits == 8:
        pictures = (Jpeg(frame, header) for frame in frames)
    elif syntax in (JPEGLossless, JPEGLosslessSV1):
        pictures = lossless_frames(frames)
    else:
        pictures = _pydicom_frames(dataset, payload, frames, n_frames, source)
    grey = GreyFrames(dataset, n_frames, header)
    cause = ""
    try:
        for picture in islice(pictures, n_frames):
            grey.add(picture)
    except DECODE_ERRORS as error:
        cause = type(error).__name__
    if not grey.count:
        reason = "its pixel data is cut off or damaged" if not cause else f"its decoder failed with {cause}"
        raise DicomError(
            f"{source} has no frame that could be decoded as {syntax.name}: {reason}; export it again, "
            "uncompressed if possible."
        )
    notices += count_notices(grey.count, max(n_frames, declared), declared)
    return DecodedPixels(grey.frames(), grey.chroma(), None, (*notices, *grey.notices()))


def _overwrite(dataset: Dataset, believed: Believed) -> None:
    for keyword, value in believed.elements.items():
        setattr(dataset, keyword, value)


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
        if whole(dataset, "SamplesPerPixel", 1) == 3:
            dataset.PhotometricInterpretation = "RGB"  # whatever it is: components are wanted as stored
        dataset["PixelData"].is_undefined_length = True
    else:
        n_bytes = n_frames * native_frame_bytes(dataset)
        dataset.PixelData = payload.data[: n_bytes + n_bytes % 2]
    dataset["PixelData"].VR = (
        "OB" if payload.encapsulated or whole(dataset, "BitsAllocated", 8) <= 8 else "OW"
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
    payload: Payload, stream: str, declared: int, source: str, limits: dict[str, int]
) -> DecodedPixels:
    from lvef.io.video import decode_video

    data = joined(payload.data)
    kind = detect_format(data[:4096])
    if kind is not None and kind.family == "video":
        stream = kind.demuxer
    elif data.startswith(_TRANSPORT_SYNC):
        stream = "mpegts"
    expected = declared if 1 < declared <= limits["max_frames"] else 0
    video = decode_video(io.BytesIO(data), stream, source, expected=expected, error=DicomError, **limits)
    timing = container_timing(video.stamps_s, video.rate_hz, video.coded_rate_hz)
    n_frames = len(video.frames)
    notices = count_notices(n_frames, n_frames, min(declared, n_frames))
    return DecodedPixels(video.frames, video.chroma, timing, (*video.notices, *notices), video.aspect)
