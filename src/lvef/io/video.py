"""Video files to clips, through FFmpeg: grey is the luma plane as coded, times are the container's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from lvef.core.errors import DataError, VideoError, os_reason
from lvef.core.records import Clip, CodedWarning, FrameArray, PixelAspect
from lvef.io.avi import frame_sizes, main_rate_notices
from lvef.io.formats import AVI, HEAD_BYTES, MP4, detect_format, unknown_format
from lvef.io.greyscale import ColourSampler
from lvef.io.limits import DEFAULT_LIMITS, SizeLimits, check_aspect, check_size, note_progress
from lvef.io.timing import container_timing

MIN_RESCUED_FRAMES = 2
"""Fewest frames that are used of a damaged video: with one there is no motion left."""

SPACING_NOTE = "A video file states no pixel size, so there are no millimetres or millilitres."
"""Why a video has no scale."""

DARK_LUMA, DARK_FRACTION = 10, 0.02
"""Luma of limited range is not below 16, but for ringing: with so many pixels below 10 it is of full range."""

BROADCAST_SIZES = frozenset(
    (width, height) for height in (480, 486, 576) for width in (352, 480, 704, 720)
) | {(1440, 1080)}
"""Sizes (width, height) of television images, whose pixels are as a rule not square. Source: ITU-R BT.601, DVD, HDV."""

SAME_SHAPE = 0.02
"""Shapes of pixels that differ by less are the same: 704 or 720 columns of a television image are 2.3 % apart."""

ASKEW = 0.05
"""Part of a display matrix's largest entry below which another is 0."""

Orientation = tuple[bool, bool, bool]
"""How an image is brought upright: rows and columns swapped, then turned over from left to right, from top to bottom."""

UPRIGHT: Orientation = (False, False, False)
"""Nothing is to be done."""

_PLANAR = ("yuv4", "yuvj4", "yuva4")
_DEEP_GREY = ("gray9", "gray10", "gray12", "gray14", "gray16")
_SEMIPLANAR = ("nv12", "nv21", "nv16", "nv24")
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
_FIRST_CAPACITY = 256
_LIMITED_TO_FULL = np.clip(np.rint((np.arange(256) - 16.0) * 255.0 / 219.0), 0, 255).astype(np.uint8)


@dataclass(slots=True)
class DecodedVideo:
    """What a video stream holds.

    Attributes:
        frames: Grey, ``(n, height, width)``, upright.
        stamps_s: Time of each frame in seconds, or None.
        rate_hz: Rate that the container states, or None.
        coded_rate_hz: Rate that the coded stream states beside it, or None.
        chroma: As in `Clip`.
        aspect: Height of a pixel over its width as stated, plausible or not, or None where it is not.
        notices: Warnings.
    """

    frames: FrameArray
    stamps_s: list[float | None]
    rate_hz: float | None
    coded_rate_hz: float | None
    chroma: FrameArray | None
    aspect: float | None
    notices: tuple[CodedWarning, ...]


def read_video(path: str | os.PathLike[str], limits: SizeLimits = DEFAULT_LIMITS) -> Clip:
    """Read a video file (AVI, MP4, MOV, MKV, WebM, WMV, MPEG).

    Args:
        path: The file; its content decides which kind it is, not its suffix.
        limits: How large the clip may be.

    Returns:
        The clip. ``timing`` is ``"container"``, ``"average_rate"`` or ``"assumed"``.

    Raises:
        VideoError: when the file is no video, too large, or nothing of it can be decoded.
    """
    source = os.fspath(path)
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
        kind = detect_format(head)
        if kind is None:
            raise VideoError(unknown_format(source, head))
        if kind.family != "video":
            raise VideoError(f"{source} is a {kind.name}, not a video: expected a file with moving images.")
        file.seek(0)
        video = decode_video(file, kind.demuxer, source, limits=limits)
    timing = container_timing(video.stamps_s, video.rate_hz, video.coded_rate_hz)
    spacing, shape_notices = _infer_pixel_aspect(video.aspect, *video.frames.shape[1:])
    return Clip(
        frames=video.frames,
        times_s=timing.times_s,
        timing=timing.source,
        source=source,
        spacing=spacing,
        spacing_note=SPACING_NOTE,
        chroma=video.chroma,
        notices=(*video.notices, *shape_notices, *timing.notices),
    )


def decode_video(
    file: BinaryIO,
    demuxer: str,
    source: str,
    *,
    expected: int = 0,
    limits: SizeLimits = DEFAULT_LIMITS,
    error: type[DataError] = VideoError,
) -> DecodedVideo:
    """Decode a video stream held in an open file.

    The demuxer is named, never probed: FFmpeg might take the file for a playlist, which opens other files and hosts.

    Args:
        file: Open binary file or buffer, at its start.
        demuxer: FFmpeg's name of the container.
        source: The file's name as the user gave it.
        expected: Number of frames known from elsewhere, or 0 to ask the container.
        limits: How large the clip may be.
        error: Class of the error to raise.

    Raises:
        DataError: (as ``error``) when the stream is too large or too little of it can be decoded.
    """
    try:
        with av.open(file, mode="r", format=demuxer, metadata_errors="replace") as container:
            stream, notices = choose_stream(container, source, error)
            expected = expected or stream.frames
            check_size(source, expected, stream.height, stream.width, limits, error=error)
            decoding = _Decoding(source, expected, limits, error)
            complete, hidden = True, _hidden(stream, demuxer)
            for frame in _decoded(container, stream):
                if isinstance(frame, int):
                    hidden += frame
                elif frame is None or frame.is_corrupt:
                    complete = False
                else:
                    decoding.add(frame)
            length_s = _length_s(container, stream)
            rates = (stream.average_rate or stream.guessed_rate, stream.codec_context.framerate)
            aspect, shape_notices = _declared_aspect(
                float(stream.sample_aspect_ratio or 0), float(stream.codec_context.sample_aspect_ratio or 0)
            )
    except FFmpegError as cause:
        raise error(
            f"{source} cannot be decoded ({os_reason(cause)}): the file is damaged, cut off, or of a codec "
            "that is not supported; export it again."
        ) from None
    rate_hz, coded_rate_hz = (float(rate) if rate else None for rate in rates)
    notices = (*notices, *shape_notices)
    if hidden:
        notices = (
            *notices,
            CodedWarning("edit_list", f"An edit list hides {hidden} of the frames: they are left out."),
        )
    if demuxer == AVI.demuxer:
        notices = (*notices, *main_rate_notices(file, source, rate_hz))
        if complete and decoding.n_frames < expected:
            sizes = frame_sizes(file, source, limits.max_frames)
            hidden += next((i for i, size in enumerate(sizes) if size), len(sizes))
            notices = (*notices, *decoding.repeat_empty(sizes, rate_hz))
    notices = (*notices, *decoding.completeness(complete, max(expected - hidden, 0), length_s))
    return decoding.finished((rate_hz, coded_rate_hz), aspect, notices)


class _Decoding:
    """Frames decoded so far: one preallocated array, filled frame by frame."""

    def __init__(self, source: str, expected: int, limits: SizeLimits, error: type[DataError]) -> None:
        self._source, self._limits, self._error = source, limits, error
        self._frames = np.empty((0, 0, 0), np.uint8)
        self._capacity, self._most = expected or _FIRST_CAPACITY, 0
        self._stamps: list[float | None] = []
        self._colour: ColourSampler | None = ColourSampler(expected)
        self._format, self._direct = "", False
        self._lut: FrameArray | None = None
        self._bits = 8
        self._orientation = UPRIGHT
        self._notices: list[CodedWarning] = []

    @property
    def n_frames(self) -> int:
        """Frames so far."""
        return len(self._stamps)

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
            check_size(self._source, index + 1, height, width, self._limits, error=self._error)
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
        elif self._format.startswith(_DEEP_GREY):
            values = np.asarray(frame.to_ndarray(), np.float32)
            target[...] = np.clip(np.rint(values * (255.0 / (2**self._bits - 1))), 0, 255)
        else:
            rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY, dst=target)
            if self._colour is not None and self._colour.wants(index):
                self._colour.add_rgb(rgb)
        pts, unit = frame.pts, frame.time_base
        self._stamps.append(None if pts is None or unit is None else float(pts * unit))

    def repeat_empty(self, sizes: list[int], rate_hz: float | None) -> tuple[CodedWarning, ...]:
        """Fill in frames that the file holds with 0 bytes: each repeats the one before it.

        Args:
            sizes: Bytes of every frame of the file.
            rate_hz: Rate that the container states.
        """
        full = [at for at, size in enumerate(sizes) if size]
        n_empty = len(sizes) - len(full)
        if n_empty and not full:
            raise self._error(f"All {n_empty} frames of {self._source} are empty (0 bytes): export it again.")
        if not n_empty or len(full) != self.n_frames or not full:
            return ()
        sizes = sizes[full[0] :]  # nothing stands before the first image that could be repeated
        shown = np.cumsum([size > 0 for size in sizes]) - 1
        step = 1.0 / rate_hz if rate_hz else None
        stamps = self._stamps
        since = np.arange(len(sizes)) - (np.array(full) - full[0])[shown]
        self._stamps = [
            stamp if not late else None if stamp is None or step is None else stamp + late * step
            for stamp, late in ((stamps[i], int(n)) for i, n in zip(shown, since, strict=True))
        ]
        self._frames = self._frames[shown]
        text = f"{n_empty} of {n_empty + len(full)} frames are empty (0 bytes) in the file: "
        text += (
            "the frame before is repeated, as AVI means it"
            if n_empty > full[0]
            else "none stands before them"
        )
        text += f"; {full[0]} at its start are left out." if full[0] else "."
        return (CodedWarning("repeated_frames", text),)

    def completeness(self, complete: bool, expected: int, length_s: float | None) -> tuple[CodedWarning, ...]:
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
        return (CodedWarning("truncated", f"{total} could be decoded; the rest is missing or damaged."),)

    def finished(
        self,
        rates_hz: tuple[float | None, float | None],
        aspect: float | None,
        notices: tuple[CodedWarning, ...],
    ) -> DecodedVideo:
        frames = self._frames[: len(self._stamps)]
        chroma = None if self._colour is None else self._colour.chroma(*frames.shape[1:])
        if self._orientation != UPRIGHT:
            frames = _orient_frames(frames, self._orientation)
            chroma = None if chroma is None else _orient_frames(chroma[None], self._orientation)[0]
        if aspect is not None and self._orientation[0]:
            aspect = 1.0 / aspect
        return DecodedVideo(frames, self._stamps, *rates_hz, chroma, aspect, (*notices, *self._notices))

    def _used_bits(self, frame: av.VideoFrame) -> int:
        """Bits of a deep grey format that are in use: values of 12 bits often stand in words of 16."""
        bits = int(frame.format.components[0].bits)
        used = max(8, int(np.asarray(frame.to_ndarray()).max()).bit_length())
        if used < bits - 1:
            text = f"The grey values have {bits} bits, of which {used} are in use: they are read as values of {used} bits."
            self._notices.append(CodedWarning("grey_depth", text))
            return used
        return bits

    def _start(self, frame: av.VideoFrame) -> None:
        name = self._format = frame.format.name
        grey = name.startswith("gray")
        check_size(self._source, 1, frame.height, frame.width, self._limits, error=self._error)
        self._most = min(self._limits.max_frames, self._limits.max_pixels // (frame.height * frame.width))
        capacity = min(self._capacity, self._most)
        self._frames = np.empty((capacity, frame.height, frame.width), np.uint8)
        self._direct = frame.planes[0].line_size > 0 and (
            name == "gray" or name in _SEMIPLANAR or (name.startswith(_PLANAR) and name.endswith("p"))
        )
        if name.startswith(_DEEP_GREY):
            self._bits = self._used_bits(frame)
        if grey:
            self._colour = None
            limited = frame.color_range == _LIMITED_RANGE
        else:
            limited = frame.color_range != _FULL_RANGE and not name.startswith("yuvj")
            if limited and self._direct and frame.color_range != _LIMITED_RANGE:
                luma = _plane(frame.planes[0])[: frame.height, : frame.width]
                limited = float((luma < DARK_LUMA).mean()) < DARK_FRACTION
        self._lut = _LIMITED_TO_FULL if limited else None
        self._orientation, more = _display_orientation(frame)
        self._notices.extend(more)


def choose_stream(
    container: InputContainer, source: str, error: type[DataError]
) -> tuple[VideoStream, tuple[CodedWarning, ...]]:
    """The video stream that is read, the largest, and a warning of others. A cover image is no video.

    Raises:
        DataError: (as ``error``) when there is none.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise error(f"{source} holds no video stream: expected a file with images.")
    if any(getattr(stream, "codec_context", None) is None for stream in streams):
        raise error(f"{source} uses a video codec that FFmpeg does not know: export it as MJPEG or H.264.")
    if len(streams) == 1:
        return streams[0], ()
    chosen = max(streams, key=lambda stream: stream.width * stream.height)
    text = f"The file holds {len(streams)} video streams; number {streams.index(chosen) + 1} is read, the largest."
    return chosen, (CodedWarning("other_video_streams", text),)


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame | int | None]:
    """Yield the frames; None stands for a packet that could not be read or decoded, 1 for one that is not to be shown."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:
            yield None
            return
        note_progress()
        if packet.is_discard:
            yield 1
        try:
            yield from packet.decode()
        except FFmpegError:
            yield None


def _hidden(stream: VideoStream, demuxer: str) -> int:
    """Frames that an MP4 or MOV holds but that its edit list takes out of FFmpeg's index."""
    return max(0, stream.frames - len(stream.index_entries)) if demuxer == MP4.demuxer else 0


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
    """Return the length that the header states: the stream's, or the file's when nothing is beside it."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration) / 1e6
    return None


def _infer_pixel_aspect(
    aspect: float | None, height: int, width: int
) -> tuple[PixelAspect | None, tuple[CodedWarning, ...]]:
    """Return the shape of the pixels, None for square ones, and a warning where that is doubtful.

    Args:
        aspect: Height of a pixel over its width as stated, or None.
        height: Rows of a frame.
        width: Columns of a frame.
    """
    if aspect is not None:
        return check_aspect(aspect, "sample aspect ratio")
    if not {(width, height), (height, width)} & BROADCAST_SIZES:
        return None, ()
    text = (
        f"The file does not state the shape of its pixels; {width} x {height} is a size of television, whose pixels are "
        "as a rule not square. Square ones are assumed: look whether the image is squeezed."
    )
    return None, (CodedWarning("assumed_square_pixels", text),)


def _declared_aspect(container: float, coded: float) -> tuple[float | None, tuple[CodedWarning, ...]]:
    """Return height of a pixel over its width, or None where nothing is stated; contradictory statements with a warning.

    Args:
        container: Width over height as the container states it, or 0.
        coded: The same of the coded stream.
    """
    if not (container or coded):
        return None, ()
    aspect = 1.0 / (container or coded)
    # A coded stream says 1 where the writer set nothing.
    if not container or coded in (0.0, 1.0) or abs(container / coded - 1.0) <= SAME_SHAPE:
        return aspect, ()
    text = (
        f"The file states two shapes of its pixels, {container:.4g} and {coded:.4g} (width over height): the container's "
        "is used. Look whether the image is squeezed."
    )
    return aspect, (CodedWarning("contradictory_aspect", text),)


def _display_orientation(frame: av.VideoFrame) -> tuple[Orientation, list[CodedWarning]]:
    """Return how a frame is brought upright; what cannot be applied, and interlacing, with a warning."""
    orientation, notices = _display_matrix(frame)
    if frame.interlaced_frame:
        text = "The video is interlaced: a frame holds two moments, and moving walls look combed. Export it progressive."
        notices.append(CodedWarning("interlaced", text))
    return orientation, notices


def _orient_frames(frames: FrameArray, orientation: Orientation) -> FrameArray:
    """Return frames ``(n, height, width)`` brought upright."""
    swapped, across, down = orientation
    frames = frames.transpose(0, 2, 1) if swapped else frames
    frames = frames[:, :, ::-1] if across else frames
    return np.ascontiguousarray(frames[:, ::-1] if down else frames)


def _display_matrix(frame: av.VideoFrame) -> tuple[Orientation, list[CodedWarning]]:
    """What a display matrix asks for: quarter turns and mirrorings; anything else becomes a warning.

    Source: FFmpeg, libavutil/display.h: rows (a, b, u), (c, d, v), (x, y, w); (x', y') = (a x + c y, b x + d y).
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT, []
    a, b, _, c, d = (float(v) for v in np.frombuffer(bytes(data), np.int32)[:5])
    largest = max(abs(v) for v in (a, b, c, d))
    straight = max(abs(b), abs(c)) < ASKEW * largest
    across = max(abs(a), abs(d)) < ASKEW * largest
    if largest == 0 or straight == across:
        text = (
            f"The file asks to be shown turned by {frame.rotation:g} degrees: only quarter turns are applied."
        )
        return UPRIGHT, [CodedWarning("not_turned", text)]
    return (False, a < 0, d < 0) if straight else (True, c < 0, b < 0), []
