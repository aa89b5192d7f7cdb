"""Frames of a DICOM file to 8-bit grey, each through the decoder that its transfer syntax needs.

Decoders hand out the components as stored. Which colours these are the code stream says, else the header, and either is
overruled by pixels that cannot be meant so: echo is grey nearly everywhere.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

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
from lvef.core.records import FrameArray, Notice
from lvef.io.dicom_codestream import RGB, YBR, StreamHeader, read_stream_header
from lvef.io.dicom_colour import LIKELY, colours_of, layout_of
from lvef.io.dicom_fragments import (
    UNDEFINED_LENGTH,
    Payload,
    group_frames,
    joined,
    payload_length,
    scan_fragments,
    split_frames,
)
from lvef.io.dicom_lossless import lossless_frames
from lvef.io.dicom_values import CONVERSION_ERRORS, number, text, whole
from lvef.io.greyscale import ColourSampler, scale_range, to_uint8
from lvef.io.limits import check_size
from lvef.io.sniff import sniff
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

DECODE_ERRORS = (
    *CONVERSION_ERRORS, IndexError, RuntimeError, OSError, EOFError, SyntaxError, struct.error, zlib.error,
    cv2.error, Image.DecompressionBombError,
)  # fmt: skip
"""What the decoders raise on damaged data; none of their texts is passed on, they may quote the header."""

_HTJ2K = (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
_JPEG_ROOT = "1.2.840.10008.1.2.4."
_TRANSPORT_SYNC = b"\x47"
_YBR = ("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")


@dataclass(slots=True)
class DecodedPixels:
    """Grey frames ``(n, height, width)``, chroma map or None, and the times of a video stream or None."""

    frames: FrameArray
    chroma: FrameArray | None
    container: Timing | None
    notices: tuple[Notice, ...]


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
    if payload.encapsulated and (stream := _video_demuxer(syntax)) is not None:
        return _decode_video(payload, stream, declared, source, limits)
    notices: list[Notice] = []
    frames: list[bytes] = []
    header: StreamHeader | None = None
    if payload.encapsulated:
        frames = split_frames(payload.data, declared, _extended_offsets(dataset))
        header = read_stream_header(frames[0]) if frames else None
        n_frames = len(frames)
        if header is not None:
            notices += _believe_stream(dataset, header)
    else:
        notices += _believe_length(dataset, payload, declared)
        notices += _believe_layout(dataset, payload)
        n_frames = len(payload.data) // native_frame_bytes(dataset)
    height, width = whole(dataset, "Rows"), whole(dataset, "Columns")
    check_size(source, n_frames, height, width, **limits, error=DicomError)
    pictures: Iterable[NDArray[Any] | _Jpeg]
    if header is not None and syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and header.bits == 8:
        pictures = (_Jpeg(frame, header) for frame in frames)
    elif syntax in (JPEGLossless, JPEGLosslessSV1):
        pictures = lossless_frames(frames)
    else:
        pictures = _pydicom_frames(dataset, payload, frames, n_frames, source)
    grey = _Grey(dataset, n_frames, header)
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
    notices += _count_notices(grey.count, max(n_frames, declared), declared)
    return DecodedPixels(grey.frames(), grey.chroma(), None, (*notices, *grey.notices()))


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
        return _counted(copy(dataset), file)
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
        _believe_length(dataset, Payload(b"", False), declared, length)
        n_frames = length // native_frame_bytes(dataset)
        return max(1, n_frames), there >= length and n_frames >= declared
    if _video_demuxer(syntax) is not None:
        return max(1, declared), there > 0
    file.seek(start)
    found = scan_fragments(file)
    n_frames = len(group_frames(found, declared, _extended_offsets(dataset)))
    return max(1, n_frames), found.cut is None and n_frames >= max(1, declared)


def _extended_offsets(dataset: Dataset) -> bytes:
    """Value of Extended Offset Table (7FE0,0001), empty where there is none."""
    value = dataset.get("ExtendedOffsetTable")
    return value if isinstance(value, bytes) else b""


def _believe_stream(dataset: Dataset, header: StreamHeader) -> list[Notice]:
    """Overwrite what the first code stream says otherwise than the header."""
    notices = []
    declared = whole(dataset, "Rows"), whole(dataset, "Columns")
    if header.height and header.width and (header.height, header.width) != declared:
        dataset.Rows, dataset.Columns = header.height, header.width
        text_ = (
            f"The header says {declared[1]} x {declared[0]} pixels, the frames have {header.width} x {header.height}: "
            "the latter is believed, and no scale."
        )
        notices.append(Notice("frame_size", text_))
    if header.components in (1, 3) and header.components != whole(dataset, "SamplesPerPixel", 1):
        notices.append(_set_samples(dataset, header.components))
    return notices


def _believe_length(
    dataset: Dataset, payload: Payload, declared: int, n_bytes: int | None = None
) -> list[Notice]:
    """Overwrite the values a pixel where the number of bytes cannot be meant as the header says.

    Args:
        dataset: The header.
        payload: Uncompressed pixel data; its content is looked at where its length leaves two readings.
        declared: Number of Frames, or 0.
        n_bytes: Length of the pixel data where ``payload`` is not read.
    """
    length = len(payload.data) if n_bytes is None else n_bytes
    samples, bits = whole(dataset, "SamplesPerPixel", 1), whole(dataset, "BitsAllocated", 8)
    pixels = whole(dataset, "Rows") * whole(dataset, "Columns")
    subsampled = samples == 3 and text(dataset, "PhotometricInterpretation") == "YBR_FULL_422"
    if not payload.whole or bits != 8 or not pixels:
        return []
    if subsampled and not declared:
        # A pad byte may follow.
        stored = 3 if length % (2 * pixels) > 1 >= length % (3 * pixels) else 2
    else:
        stored, rest = divmod(length, max(1, declared) * pixels)
        if rest > 1:
            return []
    if subsampled and stored == 3:
        dataset.PhotometricInterpretation = "YBR_FULL"
        told = (
            "The header says that colours are stored for every second pixel only; they are for every pixel."
        )
        return [Notice("pixel_layout", told)]
    if not declared or {stored, samples} != {1, 3}:
        return []
    if stored == 3:
        # Three times as many bytes are three values a pixel or three times as many frames; equal ones are the former.
        first = np.frombuffer(payload.data[: 3 * pixels], np.uint8)
        if not len(first) or (np.ptp(first.reshape(-1, 3), axis=1) == 0).mean() < LIKELY:
            return []
    return [_set_samples(dataset, stored)]


def _believe_layout(dataset: Dataset, payload: Payload) -> list[Notice]:
    """Overwrite Planar Configuration where uncompressed pixels say otherwise."""
    n_bytes = native_frame_bytes(dataset)
    height, width = whole(dataset, "Rows"), whole(dataset, "Columns")
    if n_bytes != 3 * height * width or len(payload.data) < n_bytes:
        return []
    middle = len(payload.data) // n_bytes // 2 * n_bytes
    frame = np.frombuffer(payload.data, np.uint8, n_bytes, middle)
    stated = YBR if text(dataset, "PhotometricInterpretation") in _YBR else RGB
    declared = min(1, whole(dataset, "PlanarConfiguration"))
    _, planar = layout_of(frame, height, width, (stated, declared))
    if planar == declared:
        return []
    dataset.PlanarConfiguration = planar
    by = "plane" if planar else "pixel"
    return [Notice("pixel_layout", f"Colours lie by {by} in the data; the header says otherwise.")]


def _set_samples(dataset: Dataset, samples: int) -> Notice:
    declared = whole(dataset, "SamplesPerPixel", 1)
    dataset.SamplesPerPixel = samples
    dataset.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    dataset.PlanarConfiguration = 0
    told = f"The header says {declared} values per pixel, the data holds {samples}: the latter is believed."
    return Notice("pixel_layout", told)


def _count_notices(found: int, expected: int, declared: int) -> list[Notice]:
    """What there is to say of the number of frames."""
    notices = []
    if found < expected:
        text_ = f"{found} of {expected} frames could be decoded; the rest is missing or damaged."
        notices.append(Notice("truncated", text_))
    if not declared and expected > 1:
        text_ = f"The header does not say how many frames there are: {expected} were counted in the data."
        notices.append(Notice("frame_count", text_))
    elif 0 < declared < expected:
        text_ = f"The header says {declared} frames, the data holds {expected}: all of them are read."
        notices.append(Notice("frame_count", text_))
    return notices


class _Jpeg(NamedTuple):
    """An 8-bit JPEG and what its header says."""

    data: bytes
    header: StreamHeader

    def open(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data), formats=("JPEG",))

    def components(self) -> NDArray[Any]:
        """Components as stored, ``(h, w)`` or ``(h, w, 3)``."""
        picture = self.open()
        if self.header.components == 3 and self.header.decoded == YBR:
            picture.draft("YCbCr", picture.size)
        return np.asarray(picture)

    def luma(self) -> FrameArray:
        """The first of three components that libjpeg takes for YBR: the others need not be decoded."""
        picture = self.open()
        picture.draft("L", picture.size)
        return np.asarray(picture.convert("L"))


class _Grey:
    """Collects decoded frames: colour becomes grey at once, deep grey waits for the whole clip's range."""

    def __init__(self, dataset: Dataset, n_frames: int, header: StreamHeader | None) -> None:
        self._dataset, self._n = dataset, n_frames
        self._shape = (whole(dataset, "Rows"), whole(dataset, "Columns"))
        self._interpretation = text(dataset, "PhotometricInterpretation")
        self._stated = YBR if self._interpretation in _YBR else RGB
        self._colours = (header.colours if header is not None else "") or self._stated
        self._decided = False
        self._depth = whole(dataset, "BitsStored", 8)
        self._stack: NDArray[Any] | None = None
        self._colour: ColourSampler | None = None
        self._notices: list[Notice] = []
        self.count = 0

    def add(self, picture: NDArray[Any] | _Jpeg) -> None:
        """Add a frame: components as stored, ``(h, w)`` or ``(h, w, 3)``, or a JPEG."""
        grey = self._grey_of_jpeg(picture) if isinstance(picture, _Jpeg) else self._grey_of_array(picture)
        if self._stack is None:
            self._stack = np.empty((self._n, *self._shape), grey.dtype)
        self._stack[self.count] = grey
        self.count += 1

    def frames(self) -> FrameArray:
        """Return the grey frames as uint8."""
        assert self._stack is not None
        stack = self._windowed(self._stack[: self.count])
        if self._interpretation != "MONOCHROME1" or self._colour is not None:
            return stack
        if _on_white(255 - stack[0]):
            told = "The header says that low values are bright, which makes the ground white: they are taken as dark."
            self._notices.append(Notice("inverted", told))
            return stack
        return np.subtract(255, stack, dtype=np.uint8)

    def chroma(self) -> FrameArray | None:
        """Return the chroma map, None for a monochrome file."""
        return None if self._colour is None else self._colour.chroma(*self._shape)

    def notices(self) -> tuple[Notice, ...]:
        """What the pixels contradicted, once all frames are there."""
        if (
            self._colour is not None
            and self._stated != self._colours
            and self._interpretation in (*_YBR, "RGB")
        ):
            told = f"The header calls the colours {self._interpretation}, the data holds {self._colours}: it is believed."
            self._notices.append(Notice("colour_space", told))
        return tuple(self._notices)

    def _grey_of_jpeg(self, jpeg: _Jpeg) -> FrameArray:
        wants = self._colour is None or self._colour.wants(self.count)
        if self._decided and not wants and self._colours == jpeg.header.decoded == YBR:
            luma = jpeg.luma()
            if luma.shape != self._shape:
                raise ValueError("frame of another size than the first")
            return luma
        components = jpeg.components()
        grey = np.asarray(self._grey_of_array(components), np.uint8)
        # As `_Jpeg.luma`, whichever way a frame comes.
        return components[..., 0] if components.ndim == 3 and self._colours == YBR else grey

    def _grey_of_array(self, picture: NDArray[Any]) -> NDArray[Any]:
        if picture.shape[:2] != self._shape:
            raise ValueError("frame of another size than the first")
        depth = self._depth
        if picture.ndim == 2 and self._interpretation == "PALETTE COLOR":
            picture, depth = self._from_palette(picture)
        if picture.ndim == 2:
            return picture.astype(np.uint8) if depth <= 8 and picture.dtype.kind == "u" else picture
        if picture.dtype != np.uint8:
            picture = (picture >> max(0, depth - 8)).astype(np.uint8)
        picture = np.ascontiguousarray(picture)
        if self._interpretation == "PALETTE COLOR":
            self._colours, self._decided = RGB, True
        if not self._decided:
            self._colours = colours_of(picture, self._colours)
            # A black frame decides nothing.
            self._decided = bool(picture.any())
        self._colour = self._colour or ColourSampler(self._n)
        if self._colours == YBR:
            picture = np.asarray(cv2.cvtColor(picture[..., [0, 2, 1]], cv2.COLOR_YCrCb2RGB), np.uint8)
        if self._colour.wants(self.count):
            self._colour.add_rgb(picture.astype(np.uint8, copy=False))
        return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)

    def _from_palette(self, picture: NDArray[Any]) -> tuple[NDArray[Any], int]:
        if not any(f"{kind}RedPaletteColorLookupTableData" in self._dataset for kind in ("", "Segmented")):
            if not self._notices:
                told = "The colour table that the header speaks of is missing: values are taken as grey."
                self._notices.append(Notice("palette_missing", told))
            return picture, self._depth
        picture = apply_color_lut(picture, self._dataset)
        return picture[..., :3], 16 if picture.dtype == np.uint16 else 8

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


def _on_white(picture: FrameArray) -> bool:
    """Whether a picture has a white ground; that of an echo is black."""
    return bool((picture >= 250).mean() > 0.3 and (picture <= 5).mean() < 0.05)


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
    payload: Payload, stream: str, declared: int, source: str, limits: dict[str, int]
) -> DecodedPixels:
    from lvef.io.video import decode_video

    data = joined(payload.data)
    kind = sniff(data[:4096])
    if kind is not None and kind.family == "video":
        stream = kind.demuxer
    elif data.startswith(_TRANSPORT_SYNC):
        stream = "mpegts"
    expected = declared if 1 < declared <= limits["max_frames"] else 0
    video = decode_video(io.BytesIO(data), stream, source, expected=expected, error=DicomError, **limits)
    timing = container_timing(video.stamps_s, video.rate_hz)
    n_frames = len(video.frames)
    notices = _count_notices(n_frames, n_frames, min(declared, n_frames))
    return DecodedPixels(video.frames, video.chroma, timing, (*video.notices, *notices))
