"""Times of frames in seconds, from what a file tells; a rate that had to be assumed leaves a notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lvef.core.records import FloatArray, Notice

DEFAULT_FRAME_RATE_HZ = 50.0
"""Rate assumed where a file tells none: that of 7,959 of the 10,030 clips of EchoNet-Dynamic (FACTS.md)."""

MIN_FRAME_RATE_HZ = 4.0
"""Slower than this is not a cine: one beat at 60 per minute would have fewer than four frames."""

MAX_FRAME_RATE_HZ = 400.0
"""Faster than this is not 2-D echo of a whole ventricle, but a unit gone wrong."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the frames, ``(n,)`` float64 seconds from the first, their source, and what was met."""

    times_s: FloatArray
    source: str
    notices: tuple[Notice, ...] = ()


def plausible_rate(rate_hz: float) -> bool:
    """Tell whether a frame rate in Hz can be that of an echo cine."""
    return bool(MIN_FRAME_RATE_HZ <= rate_hz <= MAX_FRAME_RATE_HZ)


def even_times(n_frames: int, rate_hz: float) -> FloatArray:
    """Return ``n_frames`` times in seconds, ``1 / rate_hz`` apart, from 0."""
    return np.arange(n_frames, dtype=np.float64) / rate_hz


def plausible_times(times_s: FloatArray) -> bool:
    """Tell whether times in seconds rise strictly and their median step can be that of an echo cine."""
    steps = np.diff(times_s)
    if not np.isfinite(steps).all() or (steps <= 0).any():
        return False
    return len(steps) == 0 or plausible_rate(float(1.0 / np.median(steps)))


def assumed_timing(n_frames: int, notices: tuple[Notice, ...] = ()) -> Timing:
    """Return even times at ``DEFAULT_FRAME_RATE_HZ``, with the notice that says so.

    Args:
        n_frames: Number of frames.
        notices: What was met before, put in front.
    """
    if n_frames == 1:
        return Timing(np.zeros(1), "still", notices)
    notice = Notice(
        "assumed_frame_rate",
        f"The file has no usable frame rate: {DEFAULT_FRAME_RATE_HZ:g} Hz is assumed, so times and heart "
        "rate are guesses.",
    )
    return Timing(even_times(n_frames, DEFAULT_FRAME_RATE_HZ), "assumed", (*notices, notice))


def container_timing(stamps_s: Sequence[float | None], average_rate_hz: float | None) -> Timing:
    """Return the times of a video's frames.

    Args:
        stamps_s: Presentation time of each frame in seconds, None where the container has none.
        average_rate_hz: Rate in the container's header, or None.

    Returns:
        Times from the frames' own stamps (``"container"``); where these are missing or do not rise, even
        times at the header's rate (``"average_rate"``, notice ``uneven_times``); else ``assumed_timing``.
    """
    n_frames = len(stamps_s)
    known = [stamp for stamp in stamps_s if stamp is not None]
    if len(known) == n_frames:
        times = np.asarray(known, dtype=np.float64)
        times -= times[0]
        if plausible_times(times):
            return Timing(times, "container")
    if average_rate_hz is not None and plausible_rate(average_rate_hz):
        notice = Notice(
            "uneven_times",
            "The frames' own times are missing or do not rise: the header's frame rate of "
            f"{average_rate_hz:.4g} Hz is used.",
        )
        return Timing(even_times(n_frames, average_rate_hz), "average_rate", (notice,))
    if average_rate_hz is None or n_frames == 1:
        return assumed_timing(n_frames)
    return assumed_timing(
        n_frames, (bad_rate_notice("the header's frame rate", f"{average_rate_hz:.4g} Hz"),)
    )


def bad_rate_notice(what: str, value: str) -> Notice:
    """Return the notice that a timing value was passed over."""
    return Notice(
        "bad_timing",
        f"{what[0].upper()}{what[1:]} of {value} cannot be that of an echo cine ({MIN_FRAME_RATE_HZ:g} to "
        f"{MAX_FRAME_RATE_HZ:g} Hz) and is passed over.",
    )
