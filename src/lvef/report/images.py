"""Images of a result: the frames that it rests on, cut to the ventricle, and one drawing of a tracing for every canvas.

Outside the ultrasound sector every image is black: names burned into an image must not reach a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip, FloatArray, FrameArray, Measurement, Tracing
from lvef.report.canvas import Lines, Stroke
from lvef.report.charts import has_curve
from lvef.report.style import PHASE_COLOURS, UNKNOWN_ON_BLACK
from lvef.transforms.sector import find_sector, keep_sector

IMAGE_HEIGHT_PX = 420
"""Height of an image; the width follows from its place. More than a printed page of this size can show."""

VISIBLE = 16
"""An image without a pixel above this grey level shows nothing."""

MARGIN = 0.45
"""Room around the ventricle in an image, as a part of its longer side."""


@dataclass(frozen=True, slots=True)
class TracingLines:
    """A tracing on an image; all points are parts of its width and height from the upper left corner.

    Attributes:
        contour: Closed contour without a repeated end point, ``(k, 2)``.
        axis: Apex and middle of the mitral plane, ``(2, 2)``.
        chords: The disks, ``(20, 2, 2)``.
    """

    contour: FloatArray
    axis: FloatArray
    chords: FloatArray


@dataclass(frozen=True, slots=True)
class EchoImage:
    """A frame of the clip.

    Attributes:
        phase: ``ED``, ``ES`` or empty.
        title: View and phase, for the label on the image.
        caption: Frame and time.
        alt: What it shows, for screen readers.
        pixels: ``(height, width)`` uint8 of square pixels, black outside the sector.
        tracing: What was traced, or None.
    """

    phase: str
    title: str
    caption: str
    alt: str
    pixels: FrameArray
    tracing: TracingLines | None

    @property
    def colour(self) -> str:
        """Colour of its contour and label."""
        return PHASE_COLOURS.get(self.phase, UNKNOWN_ON_BLACK)


def images_of(
    measurement: Measurement, clip: Clip | None, view: str, shape: float, height_px: int = IMAGE_HEIGHT_PX
) -> tuple[EchoImage, ...]:
    """The ED and the ES frame, or two frames of the clip where these are not known.

    Args:
        measurement: The measurement of this clip.
        clip: The clip, or None.
        view: View to name on the images; empty for none.
        shape: Width over height of an image.
        height_px: Its height.

    Returns:
        Two images, one of a still, none without a clip or where all of it is hidden.
    """
    if clip is None or not len(clip.frames):
        return ()
    frames = _frames(measurement, len(clip.frames))
    stills = _masked(clip, [frame for _, frame in frames])
    tracings = [measurement.tracing(frame) if phase else None for phase, frame in frames]
    if not any(tracings) and int(stills.max()) <= VISIBLE:
        return ()
    window = window_of(clip, tracings, shape)
    images = []
    for (phase, frame), tracing, still in zip(frames, tracings, stills, strict=True):
        caption = _caption(measurement, clip, frame)
        what = {"ED": "end-diastole", "ES": "end-systole"}.get(phase, "a frame of the clip")
        with_contour = "with the contour of the left ventricle, its long axis and 20 disks"
        drawn = with_contour if tracing else "without a contour"
        place = f" ({caption.replace('  ·', ',')})" if caption else ""
        images.append(
            EchoImage(
                phase=phase,
                title=" ".join(filter(None, (view, phase))),
                caption=caption,
                alt=f"Ultrasound image{f', {view}' if view else ''}: {what}{place}, {drawn}.",
                pixels=_cut(still, window, (round(height_px * shape), height_px)),
                tracing=None if tracing is None else lines_of_tracing(tracing, window),
            )
        )
    return tuple(images)


def lines_of_tracing(tracing: Tracing, window: tuple[float, float, float, float]) -> TracingLines:
    """A tracing in parts of a window, as `window_of` gives it."""
    x0, x1, y0, y1 = window
    corner, size = np.array([x0, y0]), np.array([x1 - x0, y1 - y0])

    def inside(points: FloatArray) -> FloatArray:
        return np.asarray((points - corner) / size, dtype=np.float64)

    axis = np.stack([tracing.apex, tracing.base])
    return TracingLines(inside(tracing.contour), inside(axis), inside(tracing.chords))


def draw_tracing(
    canvas: Lines, lines: TracingLines, box: tuple[float, float, float, float], colour: str, width: float
) -> None:
    """Draw contour, long axis and disks.

    Args:
        canvas: On what.
        lines: The tracing.
        box: x, y, width and height of the image on the canvas.
        colour: Of contour and disks.
        width: Of the contour.
    """
    corner, size = np.array(box[:2]), np.array(box[2:])
    for chord in lines.chords:
        canvas.line(corner + chord * size, Stroke(colour, 0.4 * width, alpha=0.6))
    canvas.line(corner + lines.contour * size, Stroke(colour, width, is_closed=True))
    canvas.line(
        corner + lines.axis * size, Stroke(UNKNOWN_ON_BLACK, 0.6 * width, dash=(3 * width, 2 * width))
    )


def window_of(
    clip: Clip, tracings: Sequence[Tracing | None], shape: float
) -> tuple[float, float, float, float]:
    """The part of a frame to show: the ventricle with room around it.

    Args:
        clip: The clip.
        tracings: What must be seen; without any the whole frame is shown.
        shape: Width over height of the place where it is shown.

    Returns:
        x0, x1, y0, y1 in pixels of the frame, from the outer edge of the first pixel (-0.5); may reach over its edges.
    """
    _, height, width = clip.frames.shape
    aspect = clip.pixel_aspect
    points = [t.contour for t in tracings if t is not None]
    low, high = np.array([-0.5, -0.5]), np.array([width - 0.5, height - 0.5])
    if points:
        found = np.concatenate(points)
        margin = MARGIN * np.ptp(found, axis=0).max()
        low, high = np.maximum(low, found.min(axis=0) - margin), np.minimum(high, found.max(axis=0) + margin)
    (x, y), (wide, tall) = (low + high) / 2, high - low
    wide, tall = max(wide, tall * aspect * shape), max(tall, wide / shape / aspect)
    return float(x - wide / 2), float(x + wide / 2), float(y - tall / 2), float(y + tall / 2)


def _masked(clip: Clip, frames: Sequence[int]) -> FrameArray:
    """Some frames of a clip, black outside its sector; all black where none is found."""
    stills = replace(clip, frames=clip.frames[list(frames)])
    try:
        return keep_sector(stills, find_sector(clip)).frames
    except QualityRefusal:
        return np.zeros_like(stills.frames)


def _frames(m: Measurement, n: int) -> list[tuple[str, int]]:
    phases = (("ED", m.ed_frame), ("ES", m.es_frame))
    known = [(phase, frame) for phase, frame in phases if frame is not None and 0 <= frame < n]
    return known or [("", frame) for frame in dict.fromkeys((n // 3, 2 * n // 3))]


def _caption(m: Measurement, clip: Clip, frame: int) -> str:
    """Frame and time; empty for stills, which have neither."""
    if len(clip.frames) == 1 or (m.curve is not None and not has_curve(m) and m.duration_s is None):
        return ""
    time = m.frame_time_s(frame)
    if time is None and m.curve is None:
        time = float(clip.times_s[frame])
    return f"frame {frame}" + ("" if time is None else f"  ·  {time:.2f} s")


def _cut(frame: FrameArray, window: tuple[float, float, float, float], size: tuple[int, int]) -> FrameArray:
    """A window of a frame as square pixels, ``(height, width)``; black where it reaches over the frame's edge."""
    x0, x1, y0, y1 = window
    step_x, step_y = (x1 - x0) / size[0], (y1 - y0) / size[1]
    # From the middle of a pixel of the cut to that of one of the frame.
    matrix = np.array([[step_x, 0, x0 + step_x / 2], [0, step_y, y0 + step_y / 2]])
    blur = max(step_x, step_y)
    if blur > 1.5:
        # More than one pixel of the frame falls into one of the cut: without this, speckle turns to noise.
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), blur / 3), np.uint8)
    cut = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderValue=0)
    return np.asarray(cut, np.uint8)
