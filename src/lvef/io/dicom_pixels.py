"""Frames of a DICOM file to 8-bit grey, each through the decoder that its transfer syntax needs.

pydicom 3 hands out RGB whatever was stored; nothing here converts it a second time.
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
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import (
    HTJ2K,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
)

from lvef.core.errors import DicomError, MissingExtraError
from lvef.core.records import FrameArray, Notice
from lvef.io.dicom_fragments import Payload, joined, split_frames
from lvef.io.dicom_lossless import lossless_frames
from lvef.io.dicom_values import CONVERSION_ERRORS, number, text, whole
from lvef.io.greyscale import ColourSampler, scale_range, to_uint8
from lvef.io.sniff import sniff
from lvef.io.timing import Timing, container_timing

VIDEO_STREAMS = {
    **dict.fromkeys(("100", "101"), "mpegvideo"),
    **dict.fromkeys(("102", "103", "104", "105", "106"), "h264"),
    **dict.fromkeys(("107", "108"), "hevc"),
}
"""FFmpeg's demuxer of the bare stream, by what follows ``1.2.840.10008.1.2.4.``.

Source: DICOM PS3.6, table A-1.
"""

DECODE_ERRORS = (
    *CONVERSION_ERRORS, IndexError, RuntimeError, OSError, EOFError, SyntaxError, struct.error, zlib.error,
    cv2.error, Image.DecompressionBombError,
)  # fmt: skip
"""What the decoders raise on damaged data; none of their texts is passed on, they may quote the header."""

_JPEG_ROOT = "1.2.840.10008.1.2.4."
_TRANSPORT_SYNC = b"\x47"


@dataclass(slots=True)
class DecodedPixels:
    """Grey frames ``(n, height, width)``, chroma map or None, and the times of a video stream or None."""

    frames: FrameArray
    chroma: FrameArray | None
    container: Timing | None
    notices: tuple[Notice, ...]


def decode_pixels(
    dataset: Dataset, payload: Payload, n_frames: int, source: str, limits: dict[str, int]
) -> DecodedPixels:
    """Decode the pixel data.

    Args:
        dataset: The header, with a transfer syntax; its pixel data and number of frames are overwritten.
        payload: The Pixel Data element.
        n_frames: Number of frames declared.
        source: The file's name as the user gave it.
        limits: ``max_frames`` and ``max_pixels``.

    Raises:
        DicomError: when nothing can be decoded or the transfer syntax is not known.
        MissingExtraError: when the transfer syntax needs a decoder that is not installed.
    """
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if not payload.encapsulated:
        frames = [payload.data]
    elif (stream := _video_demuxer(syntax)) is not None:
        return _decode_video(payload, stream, n_frames, source, limits)
    else:
        frames = split_frames(payload.data, n_frames)
    # Pillow gives the stored luma itself, and a JPEG's own header knows its colours better than DICOM's.
    interpretation = text(dataset, "PhotometricInterpretation")
    if syntax == JPEGBaseline8Bit and interpretation in ("MONOCHROME2", "YBR_FULL", "YBR_FULL_422"):
        pictures: Iterable[bytes | NDArray[Any]] = frames
    elif syntax in (JPEGLossless, JPEGLosslessSV1):
        pictures = lossless_frames(frames, ybr=interpretation.startswith("YBR"))
    else:
        pictures = _pydicom_frames(dataset, payload, frames, n_frames, source)
    grey = _Grey(dataset, n_frames)
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
    notices: tuple[Notice, ...] = ()
    if grey.count < n_frames:
        notices = (_truncated(grey.count, n_frames),)
    return DecodedPixels(grey.frames(), grey.chroma(), None, notices)


class _Grey:
    """Collects decoded frames: colour becomes grey at once, deep grey waits for the whole clip's range."""

    def __init__(self, dataset: Dataset, n_frames: int) -> None:
        self._dataset, self._n = dataset, n_frames
        self._shape = (whole(dataset, "Rows"), whole(dataset, "Columns"))
        self._interpretation = text(dataset, "PhotometricInterpretation")
        self._depth = whole(dataset, "BitsStored", 8)
        self._stack: NDArray[Any] | None = None
        self._colour: ColourSampler | None = None
        self.count = 0

    def add(self, picture: bytes | NDArray[Any]) -> None:
        """Add a frame: a JPEG as bytes, or an array ``(h, w)`` or ``(h, w, 3)`` RGB."""
        grey = self._grey_of_jpeg(picture) if isinstance(picture, bytes) else self._grey_of_array(picture)
        if self._stack is None:
            self._stack = np.empty((self._n, *self._shape), grey.dtype)
        self._stack[self.count] = grey
        self.count += 1

    def frames(self) -> FrameArray:
        """Return the grey frames as uint8."""
        assert self._stack is not None
        stack = self._windowed(self._stack[: self.count])
        return np.subtract(255, stack, dtype=np.uint8) if self._interpretation == "MONOCHROME1" else stack

    def chroma(self) -> FrameArray | None:
        """Return the chroma map, None for a monochrome file."""
        return None if self._colour is None else self._colour.chroma(*self._shape)

    def _grey_of_jpeg(self, jpeg: bytes) -> FrameArray:
        picture = _open_jpeg(jpeg)
        self._check_shape((picture.height, picture.width))
        if len(picture.getbands()) > 1:
            self._colour = self._colour or ColourSampler(self._n)
            if self._colour.wants(self.count):
                self._colour.add_rgb(np.asarray(_open_jpeg(jpeg).convert("RGB")))
            picture.draft("L", picture.size)
        return np.asarray(picture.convert("L"))

    def _grey_of_array(self, picture: NDArray[Any]) -> NDArray[Any]:
        self._check_shape(picture.shape[:2])
        if self._interpretation == "PALETTE COLOR":
            picture = apply_color_lut(picture, self._dataset)
            depth = 16 if picture.dtype == np.uint16 else 8
        else:
            depth = self._depth
        if picture.ndim == 2:
            return picture.astype(np.uint8) if depth <= 8 and picture.dtype.kind == "u" else picture
        rgb = picture if picture.dtype == np.uint8 else (picture >> max(0, depth - 8)).astype(np.uint8)
        rgb = np.ascontiguousarray(rgb)
        self._colour = self._colour or ColourSampler(self._n)
        if self._colour.wants(self.count):
            self._colour.add_rgb(rgb)
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if shape != self._shape:
            raise ValueError("frame of another size than the header declares")

    def _windowed(self, stack: NDArray[Any]) -> FrameArray:
        """Scale deep grey by the file's window, else by the range of the clip. Source: PS3.3, C.11.2.1.2."""
        if stack.dtype == np.uint8:
            return stack
        centre, width = number(self._dataset, "WindowCenter"), number(self._dataset, "WindowWidth")
        if centre is None or width is None or width <= 1:
            return to_uint8(stack)
        # The window is told in units after Rescale Slope and Intercept; it is turned back, not the whole clip.
        slope = number(self._dataset, "RescaleSlope") or 1.0
        low = (centre - 0.5 - (width - 1) / 2 - (number(self._dataset, "RescaleIntercept") or 0.0)) / slope
        return scale_range(stack, low, low + (width - 1) / slope)


def _open_jpeg(frame: bytes) -> Image.Image:
    return Image.open(io.BytesIO(frame), formats=("JPEG",))


def _pydicom_frames(
    dataset: Dataset, payload: Payload, frames: list[bytes], n_frames: int, source: str
) -> Iterator[NDArray[Any]]:
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax in (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL):
        # pydicom wants another package for these, but Pillow's OpenJPEG reads them as it reads JPEG 2000.
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    plugin = _plugin(dataset, syntax, source)
    if payload.encapsulated:
        n_frames = min(n_frames, len(frames))
        dataset.PixelData = encapsulate(frames) if frames else b""
        dataset["PixelData"].is_undefined_length = True
    else:
        frame_bytes = native_frame_bytes(dataset)
        n_frames = min(n_frames, len(payload.data) // frame_bytes)
        dataset.PixelData = payload.data[: n_frames * frame_bytes + (n_frames * frame_bytes) % 2]
    if not n_frames:
        return
    dataset["PixelData"].VR = (
        "OB" if payload.encapsulated or whole(dataset, "BitsAllocated", 8) <= 8 else "OW"
    )
    dataset.NumberOfFrames = n_frames
    dataset.pop("ExtendedOffsetTable", None)
    dataset.pop("ExtendedOffsetTableLengths", None)
    if payload.encapsulated:
        yield from iter_pixels(dataset, decoding_plugin=plugin)
    else:
        # pydicom 3.0 miscounts the frames of uncompressed YBR_FULL_422 when it goes through them in one run.
        yield from (pixel_array(dataset, index=index) for index in range(n_frames))


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


def native_frame_bytes(dataset: Dataset) -> int:
    """Bytes that one frame takes where pixel data is not compressed, at least 1."""
    samples = whole(dataset, "SamplesPerPixel", 1)
    if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    pixels = whole(dataset, "Rows") * whole(dataset, "Columns")
    return max(1, pixels * samples * max(1, whole(dataset, "BitsAllocated", 8) // 8))


def _video_demuxer(syntax: UID) -> str | None:
    number_of_syntax = str(syntax).removeprefix(_JPEG_ROOT).split(".")[0]
    return VIDEO_STREAMS.get(number_of_syntax) if str(syntax).startswith(_JPEG_ROOT) else None


def _decode_video(
    payload: Payload, stream: str, n_frames: int, source: str, limits: dict[str, int]
) -> DecodedPixels:
    from lvef.io.video import decode_video

    data = joined(payload.data)
    kind = sniff(data[:4096])
    if kind is not None and kind.family == "video":
        stream = kind.demuxer
    elif data.startswith(_TRANSPORT_SYNC):
        stream = "mpegts"
    video = decode_video(io.BytesIO(data), stream, source, expected=n_frames, error=DicomError, **limits)
    timing = container_timing(video.stamps_s, video.rate_hz)
    return DecodedPixels(video.frames, video.chroma, timing, video.notices)


def _truncated(found: int, declared: int) -> Notice:
    return Notice(
        "truncated", f"{found} of {declared} frames could be decoded; the rest is missing or damaged."
    )
