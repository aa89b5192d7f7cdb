"""Lossless JPEG (processes 14 and 14 selection value 1) through FFmpeg, whose MJPEG decoder reads it exactly.

pydicom would take GDCM, which writes to stderr on damaged frames and on some ends the whole process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

MAX_PRECISION = 15
"""Most bits a sample: of 16 FFmpeg 8 misreads a difference of 32768, with which a black corner begins."""

_START_OF_FRAME = b"\xff\xc3"
_PLANES_OF_THREE = ("yuv444p", "yuvj444p")


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
