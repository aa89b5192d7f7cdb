"""Grey frames as Motion JPEG in an AVI container, without any metadata."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import cv2

from lvef.core.errors import DataError
from lvef.core.records import FrameArray

JPEG_QUALITY = 95
"""Of 100. Speckle loses nothing that a network sees, and black blocks stay exactly black."""

BEST_QUALITY = 100
"""No grey level is off by more than the rounding of the transform."""

_MAX_RATE_DENOMINATOR = 10_000


def encode_motion_jpeg(frames: FrameArray, rate_hz: float, *, quality: int = JPEG_QUALITY) -> bytes:
    """Grey frames as Motion JPEG in an AVI container, without any metadata.

    Args:
        frames: ``(n, height, width)`` uint8.
        rate_hz: Frames a second.
        quality: Of the JPEG images, 1 to 100.

    Raises:
        DataError: An image has a size that JPEG cannot hold.
    """
    buffer = io.BytesIO()
    rate = Fraction(rate_hz).limit_denominator(_MAX_RATE_DENOMINATOR)
    # Each frame is a JPEG of one component, made here: the encoder in the container would add colour planes. bitexact leaves
    # the writer's own name out.
    with av.open(buffer, "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("mjpeg", rate=rate)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuvj420p"
        for index, frame in enumerate(frames):
            packet: Any = av.Packet(_jpeg(frame, quality))
            packet.stream, packet.time_base = stream, 1 / rate
            packet.pts = packet.dts = index
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
    return buffer.getvalue()


def _jpeg(image: FrameArray, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise DataError(f"an image of {image.shape[1]} x {image.shape[0]} pixels cannot be written as .jpg.")
    return data.tobytes()
