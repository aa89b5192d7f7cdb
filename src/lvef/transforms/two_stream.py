"""The two streams: grey frames, and differences of consecutive frames.

Both have one frame fewer than are read (29 -> 28): spatial frame t is frame t + 1 of those read, temporal frame t is what
changed from frame t to frame t + 1. So at every step the one stream shows the image and the other the change that led to
it, and nothing from a later moment. See ``docs/decisions/0010-preparation.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError
from lvef.core.records import FrameArray
from lvef.transforms.sampling import Sampling

SIDE_PX = 112
"""Side of the square. Source: the source report (Omdena Topeka, May 2023)."""

READ_FRAMES = 29
"""Frames that are read: both streams then have 28. Source: the source report reads 29; its code used 28."""

DEFAULT_SAMPLING = Sampling(READ_FRAMES, 1.12)
"""29 frames 0.04 s apart: every second frame at 50 Hz, as EchoNet-Dynamic's published network reads; one complete beat from
54 beats a minute up. The source report does not state its sampling."""

GREY_MAX = 255.0
"""White, by which the spatial stream is divided."""

Stream = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TwoStreams:
    """Input of the two-stream network.

    Attributes:
        spatial: ``(t, h, w)`` float32 in 0..1.
        temporal: ``(t, h, w)`` float32, each frame of mean 0 and standard deviation 1, or all 0.
    """

    spatial: Stream
    temporal: Stream


def two_streams(frames: FrameArray) -> TwoStreams:
    """Both streams of consecutive frames.

    Args:
        frames: ``(t + 1, h, w)`` uint8.

    Raises:
        DataError: Fewer than two frames, or not uint8 images.
    """
    if frames.ndim != 3 or len(frames) < 2 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise DataError(
            f"two streams need at least 2 grey-scale frames, (n, h, w) uint8; found {frames.shape} {frames.dtype}."
        )
    # Differences of bytes are whole numbers: a constant one is found exactly, in int16.
    signed = frames.astype(np.int16)
    whole = signed[1:] - signed[:-1]
    return TwoStreams(frames[1:].astype(np.float32) / np.float32(GREY_MAX), zscored(whole))


def zscored(frames: NDArray[np.int16]) -> Stream:
    """Each frame less its mean, over its standard deviation (with n); zeros where the frame is constant.

    Args:
        frames: ``(t, h, w)`` whole numbers.

    Returns:
        ``(t, h, w)`` float32.
    """
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    centred = flat - flat.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(centred * centred, axis=1, keepdims=True))
    constant = (frames.reshape(len(frames), -1) == frames.reshape(len(frames), -1)[:, :1]).all(axis=1)
    spread[constant] = 1.0
    centred[constant] = 0.0
    return np.asarray((centred / spread).reshape(frames.shape), dtype=np.float32)
