"""A clip from an array that is already in memory."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError
from lvef.core.records import Clip, FrameArray
from lvef.io.greyscale import ColourSampler, to_uint8
from lvef.io.timing import MAX_FRAME_RATE_HZ, MIN_FRAME_RATE_HZ

GIVEN = "given by the user"
"""Where the times of such a clip come from."""


def clip_of_array(frames: NDArray[Any], frame_rate_hz: float | None, source: str) -> Clip:
    """A clip from frames.

    Args:
        frames: Grey ``(n, height, width)``, or RGB ``(n, height, width, 3)``, of a real type. Values from 0 to 255
            stay as they are; others are stretched to that range over the whole clip.
        frame_rate_hz: Frames per second.
        source: Name of the result.

    Raises:
        DataError: Another shape or type, no frame rate or an impossible one.

    Example:
        >>> clip_of_array(np.zeros((3, 8, 8)), 50.0, "array").times_s.tolist()
        [0.0, 0.02, 0.04]
    """
    is_colour = frames.ndim == 4 and frames.shape[3] == 3
    if not (is_colour or frames.ndim == 3) or not frames.size:
        raise DataError(
            f"{source} has the shape {frames.shape}; (frames, height, width), or (frames, height, width, 3) in colour, was "
            "expected."
        )
    if frames.dtype.kind not in "biuf":
        raise DataError(f"{source} is of the type {frames.dtype}; whole or real numbers were expected.")
    if frame_rate_hz is None:
        raise DataError(f"{source} states no frame rate: give frame_rate_hz, in frames per second.")
    if not (math.isfinite(frame_rate_hz) and MIN_FRAME_RATE_HZ <= frame_rate_hz <= MAX_FRAME_RATE_HZ):
        raise DataError(
            f"A frame rate of {frame_rate_hz:g} Hz cannot be that of an echo cine; {MIN_FRAME_RATE_HZ:g} to "
            f"{MAX_FRAME_RATE_HZ:g} Hz were expected."
        )
    values = to_uint8(frames)
    chroma = None
    if is_colour:
        sampler = ColourSampler(len(values))
        grey: FrameArray = np.empty(values.shape[:3], np.uint8)
        for index, frame in enumerate(values):
            grey[index] = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
            if sampler.wants(index):
                sampler.add_rgb(np.ascontiguousarray(frame))
        chroma = sampler.chroma(*grey.shape[1:])
        values = grey
    times = np.arange(len(values)) / frame_rate_hz
    return Clip(
        np.ascontiguousarray(values),
        times,
        GIVEN,
        source,
        spacing_note="An array has no scale: give mm_per_px.",
        chroma=chroma,
    )
