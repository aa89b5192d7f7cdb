"""Pictures of the report: the frames that the answer rests on, cut to the ventricle, with what was traced.

Every frame is shown through `hide_outside_sector`: names burned into a picture must not reach a page.
"""

from __future__ import annotations

import cv2
import numpy as np

from lvef.core.records import Clip, FloatArray, FrameArray, Measurement, Tracing
from lvef.report.drawing import has_curve, window
from lvef.report.page import Outline, Picture
from lvef.transforms.sector import hide_outside_sector

PICTURE_HEIGHT_PX = 420
"""Height of a picture; the width follows from its place. More than a printed page of this size can show."""

LIT = 16
"""A picture without a pixel above this grey level shows nothing."""


def pictures_of(measurement: Measurement, clip: Clip | None, view: str, shape: float) -> tuple[Picture, ...]:
    """The ED and the ES frame, or two frames of the film where nobody knows them.

    Args:
        measurement: The answer for this film.
        clip: The film, or None.
        view: View to name on the pictures; empty for none.
        shape: Width over height of a picture.

    Returns:
        Two pictures, one of a still, none without a film or where all of it is hidden.
    """
    if clip is None or not len(clip.frames):
        return ()
    clip = hide_outside_sector(clip)
    frames = _frames(measurement, clip)
    if not any(int(clip.frames[frame].max()) > LIT for _, frame in frames):
        return ()
    tracings = [measurement.tracing(frame) if word else None for word, frame in frames]
    part = window(clip, tracings, shape)
    return tuple(
        _picture(measurement, clip, view, word, frame, tracing, part, shape)
        for (word, frame), tracing in zip(frames, tracings, strict=True)
    )


def _frames(m: Measurement, clip: Clip) -> list[tuple[str, int]]:
    n = len(clip.frames)
    marked = [("ED", m.ed_frame), ("ES", m.es_frame)]
    known = [(word, frame) for word, frame in marked if frame is not None and 0 <= frame < n]
    if known:
        return known
    return [("", frame) for frame in dict.fromkeys((n // 3, 2 * n // 3))]


def _picture(
    m: Measurement,
    clip: Clip,
    view: str,
    word: str,
    frame: int,
    tracing: Tracing | None,
    part: tuple[float, float, float, float],
    shape: float,
) -> Picture:
    time = m.frame_time_s(frame)
    if time is None and m.curve is None and len(clip.frames) > 1:
        time = float(clip.times_s[frame])
    # Two stills are no film: they have no frame numbers and no time.
    still = len(clip.frames) == 1 or (m.curve is not None and not has_curve(m) and m.duration_s is None)
    caption = "" if still else f"frame {frame}" + ("" if time is None else f"  ·  {time:.2f} s")
    what = {"ED": "end-diastole", "ES": "end-systole"}.get(word, "a frame of the film")
    seen = ", with the contour of the left ventricle, its long axis and 20 disks" if tracing else ""
    seen = seen or ", without a contour"
    place = caption.replace("  ·", ",")
    return Picture(
        word=word,
        title=" ".join(filter(None, (view, word))),
        caption=caption,
        alt=f"Ultrasound picture{f', {view}' if view else ''}: {what}{f' ({place})' if place else ''}{seen}.",
        pixels=_cut(clip.frames[frame], part, shape),
        outline=None if tracing is None else _outline(tracing, part),
    )


def _cut(frame: FrameArray, part: tuple[float, float, float, float], shape: float) -> FrameArray:
    """The part of a frame as square pixels; black where it reaches over the frame's edge."""
    height, width = PICTURE_HEIGHT_PX, round(PICTURE_HEIGHT_PX * shape)
    x0, x1, y0, y1 = part
    step_x, step_y = (x1 - x0) / width, (y1 - y0) / height
    # From the middle of a pixel of the cut to that of one of the frame.
    matrix = np.array([[step_x, 0, x0 + step_x / 2], [0, step_y, y0 + step_y / 2]])
    blur = max(step_x, step_y)
    if blur > 1.5:
        # More than one pixel of the frame falls into one of the cut: without this, speckle turns to noise.
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), blur / 3), np.uint8)
    cut = cv2.warpAffine(
        frame, matrix, (width, height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderValue=0
    )
    return np.asarray(cut, np.uint8)


def _outline(tracing: Tracing, part: tuple[float, float, float, float]) -> Outline:
    x0, x1, y0, y1 = part
    corner, size = np.array([x0, y0]), np.array([x1 - x0, y1 - y0])

    def on_picture(points: FloatArray) -> FloatArray:
        return np.asarray((points - corner) / size, dtype=np.float64)

    return Outline(
        on_picture(tracing.contour),
        on_picture(np.stack([tracing.apex, tracing.base])),
        on_picture(tracing.chords),
    )
