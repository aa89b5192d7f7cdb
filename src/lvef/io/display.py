"""How a video is to be shown: shape of its pixels, rotation by quarter turns, mirroring."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from lvef.core.records import CodedWarning, FrameArray, PixelAspect
from lvef.io.limits import check_aspect

BROADCAST_SIZES = frozenset(
    (width, height) for height in (480, 486, 576) for width in (352, 480, 704, 720)
) | {(1440, 1080)}
"""Sizes (width, height) of television images, whose pixels are as a rule not square. Source: ITU-R BT.601, DVD, HDV."""

SAME_SHAPE = 0.02
"""Shapes of pixels that differ by less are the same: 704 or 720 columns of a television image are 2.3 % apart."""

ASKEW = 0.05
"""Part of a display matrix's largest entry below which another is 0."""


def infer_pixel_aspect(
    aspect: float | None, height: int, width: int
) -> tuple[PixelAspect | None, tuple[CodedWarning, ...]]:
    """Return the shape of the pixels, None for square ones, and a warning where that may well be wrong.

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


def declared_aspect(container: float, coded: float) -> tuple[float | None, tuple[CodedWarning, ...]]:
    """Return height of a pixel over its width, or None where nothing is stated; contradictory statements with a warning.

    Args:
        container: Width over height as the container states it, or 0.
        coded: The same of the coded stream.
    """
    if not (container or coded):
        return None, ()
    aspect = 1.0 / (container or coded)
    # A coded stream says 1 where nobody thought of it.
    if not container or coded in (0.0, 1.0) or abs(container / coded - 1.0) <= SAME_SHAPE:
        return aspect, ()
    text = (
        f"The file states two shapes of its pixels, {container:.4g} and {coded:.4g} (width over height): the container's "
        "is used. Look whether the image is squeezed."
    )
    return aspect, (CodedWarning("contradictory_aspect", text),)


Orientation = tuple[bool, bool, bool]
"""How an image is brought upright: rows and columns swapped, then turned over from left to right, from top to bottom."""

UPRIGHT: Orientation = (False, False, False)
"""Nothing is to be done."""


def display_orientation(frame: av.VideoFrame) -> tuple[Orientation, list[CodedWarning]]:
    """Return how a frame is brought upright; what cannot be applied, and interlacing, with a warning."""
    orientation, notices = _orientation(frame)
    if frame.interlaced_frame:
        text = "The video is interlaced: a frame holds two moments, and moving walls look combed. Export it progressive."
        notices.append(CodedWarning("interlaced", text))
    return orientation, notices


def orient_frames(frames: FrameArray, orientation: Orientation) -> FrameArray:
    """Return frames ``(n, height, width)`` brought upright."""
    swapped, across, down = orientation
    frames = frames.transpose(0, 2, 1) if swapped else frames
    frames = frames[:, :, ::-1] if across else frames
    return np.ascontiguousarray(frames[:, ::-1] if down else frames)


def _orientation(frame: av.VideoFrame) -> tuple[Orientation, list[CodedWarning]]:
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
