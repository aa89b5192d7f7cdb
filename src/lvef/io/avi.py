"""AVI files: what their header says and which of their frames are empty, chunk by chunk; grey frames as Motion JPEG.

Source: Microsoft, "AVI RIFF File Reference"; OpenDML AVI File Format Extensions 1.02 (dmlh, AVIX).
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

from lvef.core.errors import VideoError
from lvef.core.records import CodedWarning, FrameArray
from lvef.io.timing import clock_notice, rates_differ

MAX_HEADER_BYTES = 2**20
"""Longest header list that is read: reserved index space makes it long, 4 to 64 KiB in practice."""

JPEG_QUALITY = 95
"""Of 100. Speckle loses nothing that a network sees, and black blocks stay exactly black."""

BEST_QUALITY = 100
"""No grey level is off by more than the rounding of the transform."""

_MAX_RATE_DENOMINATOR = 10_000

_RIFF_SLACK_BYTES = 8
"""Some writers count the RIFF chunk's own eight bytes into its size."""

_FRAME_CODES = (b"dc", b"db", b"pc")
"""Ends of the names of chunks that are frames: compressed, uncompressed, change of palette."""


@dataclass(frozen=True, slots=True)
class AviHeader:
    """What the header of an AVI file says.

    Attributes:
        n_frames: Number of frames, or None where it is not stated.
        frame_rate_hz: Rate of the video stream, or where that is missing of the main header; None where neither says.
        main_rate_hz: Rate of the main header, or None.
        width_px: Width of a frame.
        height_px: Height of a frame.
        truncated: Whether the file is shorter than its header says.
        stream: Number of the first video stream.
    """

    n_frames: int | None
    frame_rate_hz: float | None
    main_rate_hz: float | None
    width_px: int
    height_px: int
    truncated: bool
    stream: int


def read_avi_header(file: BinaryIO, source: str) -> AviHeader:
    """Read main header (avih) and first video stream (strh, strf).

    Args:
        file: The open file.
        source: Its name as the user gave it.

    Raises:
        VideoError: The header is damaged, or there is no video stream.
    """
    damaged = VideoError(f"{source} is an AVI video whose header is damaged or cut off: copy it again.")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(24)
    if len(head) < 24 or head[12:16] != b"LIST" or head[20:24] != b"hdrl":
        raise damaged
    riff_bytes, list_bytes = struct.unpack_from("<I", head, 4)[0], struct.unpack_from("<I", head, 16)[0]
    content = file.read(min(list_bytes - 4, MAX_HEADER_BYTES)) if list_bytes > 4 else b""
    main = b""
    streams: list[tuple[bytes, bytes]] = []
    n_extended = 0
    for name, chunk in _chunks(content):
        if name == b"avih":
            main = chunk
        elif name == b"LIST" and chunk[:4] == b"strl":
            parts = dict(_chunks(chunk[4:]))
            streams.append((parts.get(b"strh", b""), parts.get(b"strf", b"")))
        elif name == b"LIST" and chunk[:4] == b"odml":
            extended = dict(_chunks(chunk[4:])).get(b"dmlh", b"")
            n_extended = struct.unpack_from("<I", extended)[0] if len(extended) >= 4 else 0
    number = next((i for i, s in enumerate(streams) if s[0][:4] == b"vids" and len(s[0]) >= 36), None)
    if len(main) < 40 or not streams:
        raise damaged
    if number is None:
        raise VideoError(f"{source} holds no video stream: expected a file with images.")
    stream, image = streams[number]
    scale, rate, _, length = struct.unpack_from("<4I", stream, 20)
    micros, declared = struct.unpack_from("<I", main)[0], struct.unpack_from("<I", main, 16)[0]
    width, height = struct.unpack_from("<2i", image, 4) if len(image) >= 12 else (0, 0)
    # A negative height says that the rows of an uncompressed image run downwards.
    if width < 1 or height == 0:
        width, height = struct.unpack_from("<2i", main, 32)
    if width < 1 or height == 0:
        raise damaged
    main_rate = 1e6 / micros if micros else None
    return AviHeader(
        n_frames=n_extended or length or declared or None,
        frame_rate_hz=rate / scale if rate and scale else main_rate,
        main_rate_hz=main_rate,
        width_px=width,
        height_px=abs(height),
        # A writer that was stopped never came back to fill in the sizes.
        truncated=riff_bytes == 0 or riff_bytes > size + _RIFF_SLACK_BYTES,
        stream=number,
    )


def main_rate_notices(file: BinaryIO, source: str, rate_hz: float | None) -> tuple[CodedWarning, ...]:
    """Return a warning where the main header states another rate than the video stream.

    Args:
        file: The open file.
        source: Its name as the user gave it.
        rate_hz: Rate of the video stream, which is used.
    """
    try:
        main = read_avi_header(file, source).main_rate_hz
    except VideoError:  # decoded all the same
        return ()
    if main is None or rate_hz is None or not rates_differ(main, rate_hz):
        return ()
    text = f"The file's main header says {main:.4g} Hz, its video stream {rate_hz:.4g} Hz: the stream's rate is used."
    return (clock_notice("contradictory_rate", text),)


def frame_sizes(file: BinaryIO, source: str, most: int) -> list[int]:
    """Return the length in bytes of each frame, in the order of the file; only chunk headers are read.

    A frame of 0 bytes repeats the one before it: that is how AVI holds a frame that came too late to be recorded.

    Args:
        file: The open file.
        source: Its name as the user gave it.
        most: Most frames that are counted.

    Returns:
        Nothing where the header is damaged or the file is cut off: then an empty frame says nothing.
    """
    try:
        header = read_avi_header(file, source)
    except VideoError:
        return []
    if header.truncated:
        return []
    end = file.seek(0, os.SEEK_END)
    names = tuple(b"%02d" % header.stream + code for code in _FRAME_CODES)
    found: list[int] = []
    at = 0
    while at + 8 <= end and len(found) < most:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name in (b"RIFF", b"LIST"):
            # Lists that hold frames are entered: AVI and AVIX, movi, rec. All others are skipped.
            inside = file.read(4) in (b"AVI ", b"AVIX", b"movi", b"rec ")
            at += 12 if inside else 8 + length + length % 2
            continue
        if name in names and at + 8 + length <= end:
            found.append(length)
        at += 8 + length + length % 2
    return found


def encode_motion_jpeg(frames: FrameArray, rate_hz: float, *, quality: int = JPEG_QUALITY) -> bytes:
    """Grey frames as Motion JPEG in an AVI container, without any metadata.

    Args:
        frames: ``(n, height, width)`` uint8.
        rate_hz: Frames a second.
        quality: Of the JPEG images, 1 to 100.

    Raises:
        DataError: An image has a size that JPEG cannot hold.
    """
    import av

    from lvef.io.images import encode_image

    buffer = io.BytesIO()
    rate = Fraction(rate_hz).limit_denominator(_MAX_RATE_DENOMINATOR)
    # Each frame is a JPEG of one component, made here: the encoder in the container would add colour planes. bitexact leaves
    # the writer's own name out.
    with av.open(buffer, "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("mjpeg", rate=rate)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuvj420p"
        for index, frame in enumerate(frames):
            packet: Any = av.Packet(encode_image(frame, ".jpg", quality=quality))
            packet.stream, packet.time_base = stream, 1 / rate
            packet.pts = packet.dts = index
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
    return buffer.getvalue()


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each RIFF chunk; a last one that is cut off ends it."""
    start = 0
    while start + 8 <= len(data):
        length = struct.unpack_from("<I", data, start + 4)[0]
        if start + 8 + length > len(data):
            return
        yield data[start : start + 4], data[start + 8 : start + 8 + length]
        start += 8 + length + length % 2
