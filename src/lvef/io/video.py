"""Video files to clips, through FFmpeg: grey is the luma plane as coded, times are the container's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from lvef.core.errors import DataError, VideoError
from lvef.core.records import Clip, FrameArray, Notice
from lvef.io.greyscale import ColourSampler
from lvef.io.limits import MAX_FRAMES, MAX_PIXELS, check_size
from lvef.io.sniff import READABLE, SNIFF_BYTES, sniff
from lvef.io.timing import container_timing

MIN_RESCUED_FRAMES = 2
"""Fewest frames that are used of a damaged video: with one there is no motion left."""

SPACING_NOTE = "A video file tells no pixel size, so there are no millimetres or millilitres."
"""Why a video has no scale."""

_PLANAR = ("yuv4", "yuvj4", "yuva4")
_SEMIPLANAR = ("nv12", "nv21", "nv16", "nv24")
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
_FIRST_CAPACITY = 256
_LIMITED_TO_FULL = np.clip(np.rint((np.arange(256) - 16.0) * 255.0 / 219.0), 0, 255).astype(np.uint8)


@dataclass(slots=True)
class DecodedVideo:
    """Frames of a video: grey ``(n, height, width)``, their times in seconds or None, and what was met."""

    frames: FrameArray
    stamps_s: list[float | None]
    rate_hz: float | None
    chroma: FrameArray | None
    notices: tuple[Notice, ...]


def read_video(
    path: str | os.PathLike[str], *, max_frames: int = MAX_FRAMES, max_pixels: int = MAX_PIXELS
) -> Clip:
    """Read a video file (AVI, MP4, MOV, MKV, WebM, GIF, WMV, MPEG).

    Args:
        path: The file; its content decides which kind it is, not its suffix.
        max_frames: Most frames allowed.
        max_pixels: Most pixels allowed over all frames together.

    Returns:
        The clip. ``timing`` is ``"container"``, ``"average_rate"`` or ``"assumed"``.

    Raises:
        VideoError: when the file is no video, too large, or nothing of it can be decoded.
    """
    source = os.fspath(path)
    with Path(path).open("rb") as file:
        kind = sniff(file.read(SNIFF_BYTES))
        if kind is None or kind.family != "video":
            found = "not a video that can be recognised" if kind is None else f"a {kind.name}, not a video"
            raise VideoError(f"{source} is {found}: expected {READABLE}.")
        file.seek(0)
        video = decode_video(file, kind.demuxer, source, max_frames=max_frames, max_pixels=max_pixels)
    timing = container_timing(video.stamps_s, video.rate_hz)
    return Clip(
        frames=video.frames,
        times_s=timing.times_s,
        timing=timing.source,
        source=source,
        spacing_note=SPACING_NOTE,
        chroma=video.chroma,
        notices=(*video.notices, *timing.notices),
    )


def decode_video(
    file: BinaryIO,
    demuxer: str,
    source: str,
    *,
    expected: int = 0,
    max_frames: int = MAX_FRAMES,
    max_pixels: int = MAX_PIXELS,
    error: type[DataError] = VideoError,
) -> DecodedVideo:
    """Decode a video stream held in an open file.

    The demuxer is named and never guessed: FFmpeg's guess may be a play list, which opens other files, hosts.

    Args:
        file: Open binary file or buffer, at its start.
        demuxer: FFmpeg's name of the container.
        source: The file's name as the user gave it.
        expected: Number of frames told elsewhere, or 0 to ask the container.
        max_frames: Most frames allowed.
        max_pixels: Most pixels allowed over all frames together.
        error: Class of the error to raise.

    Raises:
        DataError: (as ``error``) when the stream is too large or too little of it can be decoded.
    """
    try:
        with av.open(file, mode="r", format=demuxer, metadata_errors="replace") as container:
            if not container.streams.video:
                raise error(f"{source} holds no video stream: expected a file with pictures.")
            stream = container.streams.video[0]
            if getattr(stream, "codec_context", None) is None:
                raise error(
                    f"{source} uses a video codec that FFmpeg does not know: export it as MJPEG or H.264."
                )
            expected = expected or stream.frames
            limits = {"max_frames": max_frames, "max_pixels": max_pixels}
            check_size(source, expected, stream.height, stream.width, **limits, error=error)
            decoding = _Decoding(source, expected, limits, error)
            complete = True
            for frame in _decoded(container, stream):
                if frame is None or frame.is_corrupt:
                    complete = False
                else:
                    decoding.add(frame)
            length_s = _length_s(container, stream)
            rate = stream.average_rate or stream.guessed_rate
    except FFmpegError as cause:
        raise error(
            f"{source} cannot be decoded ({_reason(cause)}): the file is damaged, cut off, or of a codec "
            "that is not supported; export it again."
        ) from None
    notices = decoding.completeness(complete, expected, length_s)
    return decoding.finished(float(rate) if rate else None, notices)


class _Decoding:
    """The growing result: one preallocated array, filled frame by frame."""

    def __init__(self, source: str, expected: int, limits: dict[str, int], error: type[DataError]) -> None:
        self._source, self._limits, self._error = source, limits, error
        self._frames = np.empty((0, 0, 0), np.uint8)
        self._capacity, self._most = expected or _FIRST_CAPACITY, 0
        self._stamps: list[float | None] = []
        self._colour: ColourSampler | None = ColourSampler(expected)
        self._format, self._direct = "", False
        self._lut: FrameArray | None = None
        self._turns = 0

    def add(self, frame: av.VideoFrame) -> None:
        index = len(self._stamps)
        if index == 0:
            self._start(frame)
        height, width = self._frames.shape[1:]
        if (frame.height, frame.width, frame.format.name) != (height, width, self._format):
            raise self._error(
                f"{self._source} changes from {width} x {height} pixels ({self._format}) to {frame.width} x "
                f"{frame.height} ({frame.format.name}) at frame {index}: cut the clip where it changes."
            )
        if index == self._most:
            check_size(self._source, index + 1, height, width, **self._limits, error=self._error)
        if index == len(self._frames):
            more = min(index, self._most - index)
            self._frames = np.concatenate((self._frames, np.empty((more, height, width), np.uint8)))
        target = self._frames[index]
        if self._direct:
            luma = _plane(frame.planes[0])[:height, :width]
            if self._lut is not None:
                cv2.LUT(luma, self._lut, dst=target)
            else:
                target[...] = luma
            if self._colour is not None and self._colour.wants(index):
                self._colour.add(target, *_chroma_planes(frame))
        else:
            rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY, dst=target)
            if self._colour is not None and self._colour.wants(index):
                self._colour.add_rgb(rgb)
        pts, unit = frame.pts, frame.time_base
        self._stamps.append(None if pts is None or unit is None else float(pts * unit))

    def completeness(self, complete: bool, expected: int, length_s: float | None) -> tuple[Notice, ...]:
        n_frames = len(self._stamps)
        if n_frames < (1 if complete and expected <= 1 else MIN_RESCUED_FRAMES):
            raise self._error(
                f"Only {n_frames} of the {expected or 'unknown number of'} frames of {self._source} could be "
                "decoded: the file is damaged or cut off, export it again."
            )
        first, last = self._stamps[0], self._stamps[-1]
        if length_s is not None and not expected and n_frames > 1 and first is not None and last is not None:
            expected = round(length_s / ((last - first) / (n_frames - 1))) if last > first else 0
            expected = 0 if 0.9 * expected <= n_frames else expected
        if n_frames >= expected and complete:
            return ()
        total = f"{n_frames} of {expected} frames" if expected > n_frames else f"Only {n_frames} frames"
        return (Notice("truncated", f"{total} could be decoded; the rest is missing or damaged."),)

    def finished(self, rate_hz: float | None, notices: tuple[Notice, ...]) -> DecodedVideo:
        frames = self._frames[: len(self._stamps)]
        chroma = None if self._colour is None else self._colour.chroma(*frames.shape[1:])
        if self._turns:
            frames = np.ascontiguousarray(np.rot90(frames, self._turns, axes=(1, 2)))
            chroma = None if chroma is None else np.ascontiguousarray(np.rot90(chroma, self._turns))
        return DecodedVideo(frames, self._stamps, rate_hz, chroma, notices)

    def _start(self, frame: av.VideoFrame) -> None:
        name = self._format = frame.format.name
        grey = name.startswith("gray")
        check_size(self._source, 1, frame.height, frame.width, **self._limits, error=self._error)
        self._most = min(
            self._limits["max_frames"], self._limits["max_pixels"] // (frame.height * frame.width)
        )
        capacity = min(self._capacity, self._most)
        self._frames = np.empty((capacity, frame.height, frame.width), np.uint8)
        self._direct = frame.planes[0].line_size > 0 and (
            name == "gray" or name in _SEMIPLANAR or (name.startswith(_PLANAR) and name.endswith("p"))
        )
        if grey:
            self._colour = None
            limited = frame.color_range == _LIMITED_RANGE
        else:
            limited = frame.color_range != _FULL_RANGE and not name.startswith("yuvj")
        self._lut = _LIMITED_TO_FULL if limited else None
        turn = getattr(frame, "rotation", 0) % 360
        self._turns = round(turn / 90) % 4 if turn % 90 == 0 else 0


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame | None]:
    """Yield the frames; None stands for a packet that could not be read or decoded."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:
            yield None
            return
        try:
            yield from packet.decode()
        except FFmpegError:
            yield None


def _plane(plane: VideoPlane) -> FrameArray:
    rows = np.frombuffer(memoryview(plane), np.uint8)
    return rows[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)


def _chroma_planes(frame: av.VideoFrame) -> tuple[FrameArray, FrameArray]:
    if len(frame.planes) == 2:
        plane = frame.planes[1]
        pairs = _plane(plane)[:, : 2 * plane.width].reshape(plane.height, plane.width, 2)
        return np.ascontiguousarray(pairs[..., 0]), np.ascontiguousarray(pairs[..., 1])
    cb, cr = (_plane(plane)[:, : plane.width] for plane in frame.planes[1:3])
    return cb, cr


def _length_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the length that the header tells: the stream's, or the file's when nothing is beside it."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration) / 1e6
    return None


def _reason(cause: FFmpegError) -> str:
    return str(cause.strerror or "unknown reason").lower()
