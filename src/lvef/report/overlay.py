"""The overlay video: the clip with what was measured drawn on it, in H.264, which every browser plays.

It is composed in YUV planes, in which H.264 wants it: a grey echo is its own luma, colour is needed
under a few lines only, and no frame has to be converted. What does not change from frame to frame is drawn
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lvef.core.errors import VideoError
from lvef.core.records import Clip, FloatArray, FrameArray, Measurement
from lvef.core.terms import Status
from lvef.core.wording import ef_interval_text, reads_clips
from lvef.io.atomic import atomic_path
from lvef.report.canvas import PixelCanvas
from lvef.report.charts import chart_of, draw_plot, marked_frames
from lvef.report.style import CONTOUR_ON_BLACK, DARK, DRAWING_LOCK, PHASE_COLOURS, rgb

SMALL_SIDE_PX = 448
"""Frames with shorter sides are enlarged to this (at most four times), so that text can be read."""

LARGE_SIDE_PX = 800
"""Frames whose longest side is longer are reduced to this."""

MIN_FRAMES = 3
"""Shorter clips (stills, an ED / ES pair) make no video."""

_TICKS_PER_S = 90_000
_MAX_ENLARGEMENT = 4.0
_MIN_WIDTH_PX = 320
_BAR_PX, _PLOT_PX, _FOOT_PX = 28, 84, 20
_PANEL_PX = _BAR_PX + _PLOT_PX + _FOOT_PX
_SUBPIXEL_BITS = 3
_BLACK_LUMA, _WHITE_LUMA, _NO_CHROMA = 16, 235, 128


def write_overlay(path: Path, clip: Clip, measurement: Measurement) -> bool:
    """Write the clip with contours, ED / ES marks, the volume-time curve and a time cursor as MP4.

    Frames keep the times of the clip, also where these are uneven.

    Args:
        path: The video to write; replaced only once it is whole.
        clip: The clip as it was read.
        measurement: Its measurement, with the curve and a tracing (or None) for every frame.

    Returns:
        Whether there was something to show: False for stills and for clips without a contour or an EF.

    Raises:
        DataError: The video cannot be written.
        VideoError: This build of PyAV cannot encode H.264.
    """
    if len(clip.frames) < MIN_FRAMES:
        return False
    # An EF model draws nothing: its video shows the clip and the EF.
    shows_ef = reads_clips(measurement) and measurement.ef_percent is not None
    if not any(measurement.tracings) and not shows_ef:
        return False
    composer = _Composer(clip, measurement)
    with atomic_path(path) as temporary:
        _encode(temporary, composer, clip.times_s)
    return True


class _Composer:
    """Composes one frame after the other in the same buffer."""

    def __init__(self, clip: Clip, measurement: Measurement) -> None:
        self._clip, self._tracings = clip, measurement.tracings
        _, height, width = clip.frames.shape
        aspect = clip.pixel_aspect
        scale = _scale(width, height * aspect)
        # ``image`` is what the echo covers; the canvas may be wider, where the echo is narrow.
        self._picture = _even(width * scale), _even(height * aspect * scale)
        self.width = max(self._picture[0], _MIN_WIDTH_PX)
        self.height = self._picture[1] + _PANEL_PX
        self._left = (self.width - self._picture[0]) // 4 * 2
        self._factor = np.array([self._picture[0] / width, self._picture[1] / height])
        self.planes = np.empty((self.height * 3 // 2, self.width), np.uint8)
        """The frame as planar YUV 4:2:0."""
        self._luma, self._chroma = _views(self.planes, self.height, self.width)
        self._x, plot = _draw_panel(measurement, clip.times_s, self.width)
        canvas = np.zeros((self.height, self.width, 3), np.uint8)
        canvas[self._picture[1] :] = plot
        self.planes[:] = cv2.cvtColor(canvas, cv2.COLOR_RGB2YUV_I420)
        self._bar = self._luma[self._picture[1] :].copy()
        self._marks = marked_frames(measurement)
        with DRAWING_LOCK:
            self._labels = {phase: _Patch.of(_phase_label(phase)) for phase in PHASE_COLOURS}

    def compose(self, index: int) -> None:
        """Draw frame ``index`` into ``planes``."""
        (width, height), left = self._picture, self._left
        grey = cv2.convertScaleAbs(self._clip.frames[index], alpha=219 / 255, beta=_BLACK_LUMA)
        image = self._luma[:height, left : left + width]
        how = cv2.INTER_LINEAR if width > grey.shape[1] else cv2.INTER_AREA
        image[:] = cv2.resize(grey, (width, height), interpolation=how)
        for plane in self._chroma:
            plane[: height // 2] = _NO_CHROMA
        mark = self._marks.get(index, "")
        tracing = self._tracings[index] if index < len(self._tracings) else None
        if tracing is not None:
            self._draw_contour(tracing.contour, PHASE_COLOURS.get(mark, CONTOUR_ON_BLACK))
        if mark:
            self._labels[mark].paste(self._luma, self._chroma, left + 8, 8)
        self._draw_cursor(index)

    def _draw_contour(self, contour: FloatArray, colour: str) -> None:
        # A pixel's centre, not its corner, is the whole number: hence the halves.
        points = (contour + 0.5) * self._factor + (self._left, 0)
        luma, *chroma = _yuv(colour)
        image = self._luma[: self._picture[1]]
        cv2.polylines(image, [_fixed(points - 0.5)], True, luma, 2, cv2.LINE_AA, _SUBPIXEL_BITS)
        coarse = [_fixed(points / 2 - 0.5)]
        for plane, value in zip(self._chroma, chroma, strict=True):
            cv2.polylines(plane[: self._picture[1] // 2], coarse, True, value, 2, cv2.LINE_8, _SUBPIXEL_BITS)

    def _draw_cursor(self, index: int) -> None:
        top = self._picture[1]
        panel = self._luma[top:]
        panel[:] = self._bar
        x = self._x[index]
        panel[_BAR_PX : _BAR_PX + _PLOT_PX, x : x + 2] = _WHITE_LUMA
        text = f"{self._clip.times_s[index]:.2f} s   frame {index}"
        with DRAWING_LOCK:
            clock = np.concatenate([_glyph(character) for character in text], axis=1)
        y, right = (_BAR_PX - clock.shape[0]) // 2 + 2, self.width - 10
        spot = panel[y : y + clock.shape[0], right - clock.shape[1] : right]
        np.maximum(spot, clock, out=spot)


@dataclass(frozen=True)
class _Patch:
    """A small coloured image as planes, to be laid on a frame at even coordinates."""

    luma: FrameArray
    chroma: list[FrameArray]

    @staticmethod
    def of(rgb: FrameArray) -> _Patch:
        height, width = rgb.shape[:2]
        return _Patch(*_views(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8), height, width))

    def paste(self, luma: FrameArray, chroma: list[FrameArray], x: int, y: int) -> None:
        height, width = self.luma.shape
        luma[y : y + height, x : x + width] = self.luma
        for target, own in zip(chroma, self.chroma, strict=True):
            target[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] = own


def _encode(path: Path, composer: _Composer, times_s: FloatArray) -> None:
    import av

    ticks = np.round((times_s - times_s[0]) * _TICKS_PER_S).astype(np.int64)
    steps = np.diff(ticks)
    typical = max(int(np.median(steps)), 1)
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream: Any = container.add_stream(
                "libx264", rate=Fraction(_TICKS_PER_S, typical).limit_denominator(1001)
            )
            stream.width, stream.height, stream.pix_fmt = composer.width, composer.height, "yuv420p"
            stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
            stream.codec_context.thread_count = 0
            # Without B frames a packet leaves as its frame comes, and the last one keeps its duration.
            stream.options = {"preset": "ultrafast", "crf": "20", "bf": "0", "g": "50"}
            for index, tick in enumerate(ticks.tolist()):
                composer.compose(index)
                frame: Any = av.VideoFrame.from_ndarray(composer.planes, format="yuv420p")
                frame.pts, frame.time_base = tick, Fraction(1, _TICKS_PER_S)
                frame.duration = int(steps[index]) if index < len(steps) else typical
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.codec.codec.UnknownCodecError:
        raise VideoError(
            "This PyAV has no H.264 encoder (libx264): install PyAV's own wheel, or use --no-video."
        ) from None


def _draw_panel(measurement: Measurement, times_s: FloatArray, width: int) -> tuple[list[int], FrameArray]:
    """The strip under the echo, ``(height, width, 3)`` RGB, and the cursor's x on each frame."""
    m, plot = measurement, (12.0, _BAR_PX + 4.0, width - 26.0, _PLOT_PX - 8.0)
    with DRAWING_LOCK:
        canvas = PixelCanvas(width, _PANEL_PX, "page", DARK)
        partial = " (incomplete cycle)" if m.status is Status.PARTIAL_CYCLE else ""
        result = "No EF" if m.ef_percent is None else f"EF {ef_interval_text(m)}{partial}"
        canvas.text(10, 22, result, 16, "ink")
        foot = _PANEL_PX - 7
        what = "EF read from clips: no contour" if reads_clips(m) else "LV volume"
        canvas.text(10, foot, what, 10.5, "soft")
        canvas.text(width - 10, foot, "Research use only", 10.5, "soft", align=1.0)
        chart = chart_of(m)
        if chart is not None and m.curve is not None and len(m.curve.volume) == len(times_s):
            draw_plot(canvas, chart, plot, 9.5)
        panel = canvas.rgb_image()
    span = float(times_s[-1] - times_s[0]) or 1.0
    columns = np.round(plot[0] + (times_s - times_s[0]) / span * plot[2]).astype(int)
    return columns.tolist(), panel


def _phase_label(phase: str) -> FrameArray:
    canvas = PixelCanvas(40, 24, PHASE_COLOURS[phase])
    canvas.text(20, 18, phase, 16, "#000000", align=0.5)
    return canvas.rgb_image()


@cache
def _glyph(character: str) -> FrameArray:
    """Luma of one character of the clock, in a cell whose width is the same for all digits."""
    canvas = PixelCanvas(1, 1)
    width = int(np.ceil(canvas.text_width("0" if character.isdigit() else character, 12)))
    canvas = PixelCanvas(width, 16, "#101010")
    canvas.text(width / 2, 12, character, 12, "#c8c8c8", align=0.5)
    return canvas.rgb_image()[..., 0]


def _views(planes: FrameArray, height: int, width: int) -> tuple[FrameArray, list[FrameArray]]:
    """Views of planar YUV 4:2:0: luma ``(height, width)`` and both chromas at half the size."""
    flat = planes.reshape(-1)
    luma, quarter = height * width, height * width // 4
    half = (height // 2, width // 2)
    chroma = [flat[start : start + quarter].reshape(half) for start in (luma, luma + quarter)]
    return flat[:luma].reshape(height, width), chroma


@cache
def _yuv(colour: str) -> tuple[int, int, int]:
    planes = cv2.cvtColor(np.full((2, 2, 3), rgb(colour), np.uint8), cv2.COLOR_RGB2YUV_I420).reshape(-1)
    return int(planes[0]), int(planes[4]), int(planes[5])


def _fixed(points: FloatArray | Sequence[float]) -> Any:  # noqa: ANN401
    """OpenCV's fixed-point coordinates."""
    return np.round(np.asarray(points) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _scale(width: float, height: float) -> float:
    side = max(width, height)
    return min(max(1.0, min(SMALL_SIDE_PX / side, _MAX_ENLARGEMENT)), LARGE_SIDE_PX / side)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
