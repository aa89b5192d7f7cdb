"""Decoded DICOM frames to 8-bit grey: components as stored in, grey levels out.

An echo is grey nearly everywhere: as RGB its components are equal, as YBR the last two are 128. Where the header's
interpretation makes most of an image coloured, and another one makes nearly all of it grey, the other one is used.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from lvef.core.records import CodedWarning, FrameArray
from lvef.io.dicom_frames import RGB, YBR, StreamHeader
from lvef.io.dicom_header import float_value, int_value, text_value
from lvef.io.greyscale import LARGEST, SMALLEST, ColourSampler, scale_range, to_uint8
from lvef.io.limits import note_progress

YBR_LABELS = ("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")
"""Photometric interpretations of values that are Y, Cb and Cr as stored."""

GREY_TOLERANCE = 6
"""Difference of components, in grey levels, up to which a pixel counts as grey: JPEG leaves 2 or 3."""

LIT_LEVEL = 16
"""Darker pixels do not show whether values are RGB, where black is equal in every arrangement."""

UNLIKELY, LIKELY = 0.85, 0.95
"""Grey part of the image below which an interpretation is doubted, and from which another one is used."""

MIN_LIT = 0.01
"""Part of the image that must be lit for a decision."""

WHITE, MIN_WHITE = 250, 0.6
"""An image has a white background where this part of its edges is at least so bright: the sector may touch one of them."""

BLACK, MAX_BLACK = 5, 0.05
"""... and no more than this part of them is that dark."""

MAX_PRECISION = 15
"""Most bits a sample: of 16 FFmpeg 8 misreads a difference of 32768, with which a black corner begins."""

_START_OF_FRAME = b"\xff\xc3"
_PLANES_OF_THREE = ("yuv444p", "yuvj444p")


class Jpeg(NamedTuple):
    """An 8-bit JPEG and what its header says."""

    data: bytes
    header: StreamHeader

    def _open(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data), formats=("JPEG",))

    def components(self) -> NDArray[Any]:
        """Components as stored, ``(h, w)`` or ``(h, w, 3)``."""
        image = self._open()
        if self.header.components == 3 and self.header.decoded == YBR:
            image.draft("YCbCr", image.size)
        return np.asarray(image)

    def luma(self) -> FrameArray:
        """The first of three components that libjpeg takes for YBR: the others need not be decoded."""
        image = self._open()
        image.draft("L", image.size)
        return np.asarray(image.convert("L"))


class GreyFrames:
    """Collects decoded frames: colour becomes grey at once, deep grey waits for the whole clip's range."""

    def __init__(self, dataset: Dataset, n_frames: int, header: StreamHeader | None) -> None:
        self._dataset, self._n = dataset, n_frames
        self._shape = (int_value(dataset, "Rows"), int_value(dataset, "Columns"))
        self._interpretation = text_value(dataset, "PhotometricInterpretation")
        self._stated = YBR if self._interpretation in YBR_LABELS else RGB
        self._colours = (header.colours if header is not None else "") or self._stated
        self._decided = False
        self._depth = int_value(dataset, "BitsStored", 8)
        self._stack: NDArray[Any] | None = None
        self._colour: ColourSampler | None = None
        self._notices: list[CodedWarning] = []
        self.count = 0

    def add(self, image: NDArray[Any] | Jpeg) -> None:
        """Add a frame: components as stored, ``(h, w)`` or ``(h, w, 3)``, or a JPEG."""
        grey = self._grey_of_jpeg(image) if isinstance(image, Jpeg) else self._grey_of_array(image)
        if self._stack is None:
            self._stack = np.empty((self._n, *self._shape), grey.dtype)
        self._stack[self.count] = grey
        self.count += 1
        note_progress()

    def frames(self) -> FrameArray:
        """Return the grey frames as uint8."""
        assert self._stack is not None
        stack = self._windowed(self._stack[: self.count])
        if self._colour is not None:
            return stack
        low_is_bright = self._interpretation == "MONOCHROME1"
        if _has_white_background(255 - stack[0] if low_is_bright else stack[0]):
            low_is_bright = not low_is_bright
            text = "By the header (low or high values bright) the background would be white: grey levels are inverted."
            self._notices.append(CodedWarning("inverted", text))
        return np.subtract(255, stack, dtype=np.uint8) if low_is_bright else stack

    def chroma(self) -> FrameArray | None:
        """Return the chroma map, None for a monochrome file."""
        return None if self._colour is None else self._colour.chroma(*self._shape)

    def notices(self) -> tuple[CodedWarning, ...]:
        """Warnings of what the pixels contradict, once all frames are added."""
        if (
            self._colour is not None
            and self._stated != self._colours
            and self._interpretation in (*YBR_LABELS, "RGB")
        ):
            text = f"The header calls the colours {self._interpretation}, the data holds {self._colours}, which is used."
            self._notices.append(CodedWarning("colour_space", text))
        return tuple(self._notices)

    def _grey_of_jpeg(self, jpeg: Jpeg) -> FrameArray:
        wants = self._colour is None or self._colour.wants(self.count)
        if self._decided and not wants and self._colours == jpeg.header.decoded == YBR:
            luma = jpeg.luma()
            if luma.shape != self._shape:
                raise ValueError("frame of another size than the first")
            return luma
        return np.asarray(self._grey_of_array(jpeg.components(), is_jpeg=True), np.uint8)

    def _grey_of_array(self, image: NDArray[Any], *, is_jpeg: bool = False) -> NDArray[Any]:
        if image.shape[:2] != self._shape:
            raise ValueError("frame of another size than the first")
        depth = self._depth
        if image.ndim == 2 and self._interpretation == "PALETTE COLOR":
            image, depth = self._from_palette(image)
        if image.ndim == 2:
            return image.astype(np.uint8) if depth <= 8 and image.dtype.kind == "u" else image
        if image.dtype != np.uint8:
            image = (image >> max(0, depth - 8)).astype(np.uint8)
        image = np.ascontiguousarray(image)
        if self._interpretation == "PALETTE COLOR":
            self._colours, self._decided = RGB, True
        if not self._decided:
            self._colours = detect_colour_space(image, self._colours)
            # A black frame decides nothing.
            self._decided = bool(image.any())
        self._colour = self._colour or ColourSampler(self._n)
        if self._colours == YBR and is_jpeg:
            luma, cb, cr = _planes(image)
            if self._colour.wants(self.count):
                self._colour.add(luma, cb, cr)
            # As `Jpeg.luma`, whichever way a frame comes.
            return luma
        if self._colours == YBR:
            image = np.asarray(cv2.cvtColor(image[..., [0, 2, 1]], cv2.COLOR_YCrCb2RGB), np.uint8)
        if self._colour.wants(self.count):
            self._colour.add_rgb(image.astype(np.uint8, copy=False))
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)

    def _from_palette(self, image: NDArray[Any]) -> tuple[NDArray[Any], int]:
        if not any(f"{kind}RedPaletteColorLookupTableData" in self._dataset for kind in ("", "Segmented")):
            if not self._notices:
                text = "The colour table that the header mentions is missing: values are taken as grey."
                self._notices.append(CodedWarning("palette_missing", text))
            return image, self._depth
        image = apply_color_lut(image, self._dataset)
        return image[..., :3], 16 if image.dtype == np.uint16 else 8

    def _windowed(self, stack: NDArray[Any]) -> FrameArray:
        """Scale deep grey by the file's window, else by the range of the clip. Source: PS3.3, C.11.2.1.2."""
        if stack.dtype == np.uint8:
            return stack
        centre, width = float_value(self._dataset, "WindowCenter"), float_value(self._dataset, "WindowWidth")
        if centre is None or width is None or width <= 1:
            return to_uint8(stack)
        # The window is given in units after Rescale Slope and Intercept: it is converted back, not the whole clip.
        slope = float_value(self._dataset, "RescaleSlope") or 1.0
        low = (
            centre - 0.5 - (width - 1) / 2 - (float_value(self._dataset, "RescaleIntercept") or 0.0)
        ) / slope
        high = low + (width - 1) / slope
        if not (abs(high - low) >= SMALLEST and max(abs(low), abs(high)) <= LARGEST):
            return to_uint8(stack)  # no values lie in such a window
        return scale_range(stack, low, high)


def detect_colour_space(image: NDArray[Any], stated: str) -> str:
    """Return the colour space of a frame.

    Args:
        image: ``(h, w, 3)`` uint8, components as stored.
        stated: `RGB` or `YBR`, kept unless the image contradicts it.
    """
    return _best({(colours, 0): image for colours in (RGB, YBR)}, (stated, 0))[0]


def detect_colour_layout(
    frame: NDArray[Any], height: int, width: int, stated: tuple[str, int]
) -> tuple[str, int]:
    """Return colour space and Planar Configuration of an uncompressed frame.

    Args:
        frame: ``(3 height width,)`` uint8 as stored.
        height: Rows.
        width: Columns.
        stated: What the header says; kept unless the frame contradicts it.
    """
    arranged = {0: frame.reshape(height, width, 3), 1: frame.reshape(3, height, width).transpose(1, 2, 0)}
    return _best({(colours, by): arranged[by] for colours in (RGB, YBR) for by in (0, 1)}, stated)


def lossless_frames(frames: Iterable[bytes]) -> Iterator[NDArray[Any]]:
    """Decode lossless JPEG frames.

    Args:
        frames: One JPEG each, with one component of 2 to 15 bits or three of 8.

    Yields:
        ``(height, width)`` uint8 or uint16, or ``(height, width, 3)`` uint8, as stored: this process has no colour
        transform.

    Raises:
        ValueError: when a frame is damaged or of a kind that is not read.

    Source: ISO/IEC 10918-1, annex B.2.2 (frame header) and H (lossless mode).
    """
    codec = av.CodecContext.create("mjpeg", "r")
    codec.thread_count = 1  # with more, a frame comes out only after its successors went in
    codec.options = {"err_detect": "explode"}
    for data in frames:
        start = data.find(_START_OF_FRAME)
        precision = data[start + 4] if 0 <= start < len(data) - 4 else 0
        if not 2 <= precision <= MAX_PRECISION:
            raise ValueError(f"lossless JPEG of {precision} bits")
        try:
            decoded = codec.decode(av.Packet(data))
        except FFmpegError:
            raise ValueError("damaged lossless JPEG") from None
        if len(decoded) != 1 or decoded[0].is_corrupt:
            raise ValueError("damaged lossless JPEG")
        yield _values(decoded[0], precision)


def _values(frame: av.VideoFrame, precision: int) -> NDArray[Any]:
    name = frame.format.name
    if name in ("gray", "gray16le", "gray16be"):
        grey: Any = frame.to_ndarray()
        # FFmpeg hands out the values shifted up to fill 8 or 16 bits.
        values: NDArray[Any] = grey >> (8 * grey.dtype.itemsize - precision)
        return values
    if name in _PLANES_OF_THREE:
        # Not through FFmpeg's conversion, which would take the values for limited range.
        return np.ascontiguousarray(np.moveaxis(np.asarray(frame.to_ndarray(), np.uint8), 0, 2))
    if name in ("bgr24", "gbrp"):
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    raise ValueError(f"lossless JPEG decoded as {name}")


def _best(readings: dict[tuple[str, int], NDArray[Any]], stated: tuple[str, int]) -> tuple[str, int]:
    if (_highest(readings[stated]) > LIT_LEVEL).mean() < MIN_LIT:
        return stated
    shares = {reading: _grey_share(image, reading[0]) for reading, image in readings.items()}
    best = max(shares, key=lambda reading: shares[reading])
    return best if shares[stated] < UNLIKELY and shares[best] >= LIKELY else stated


def _grey_share(image: NDArray[Any], colours: str) -> float:
    """Part of the image that is grey in this reading: of the lit pixels as RGB, of all as YBR."""
    if colours == YBR:
        near = [np.abs(plane.astype(np.int16) - 128) <= GREY_TOLERANCE for plane in _planes(image)[1:]]
        return float((near[0] & near[1]).mean())
    high = _highest(image)
    lit = high > LIT_LEVEL
    return float((high - ~_highest(~image) <= GREY_TOLERANCE)[lit].mean()) if lit.any() else 0.0


def _planes(image: NDArray[Any]) -> list[FrameArray]:
    """The three components, each in a piece of memory of its own: several times as fast to work on."""
    return [np.ascontiguousarray(image[..., i]) for i in range(3)]


def _highest(image: NDArray[Any]) -> FrameArray:
    """The largest component of each pixel."""
    one, two, three = _planes(image)
    return np.asarray(np.maximum(np.maximum(one, two), three), dtype=np.uint8)


def _has_white_background(image: FrameArray) -> bool:
    """Whether an image has a white background; that of an echo is black."""
    edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool((edges >= WHITE).mean() >= MIN_WHITE and (edges <= BLACK).mean() <= MAX_BLACK)
