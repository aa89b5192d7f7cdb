"""Times of frames in seconds, from what a file states; a rate that had to be assumed leaves a warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lvef.core.records import Clip, CodedWarning, FloatArray

DEFAULT_FRAME_RATE_HZ = 50.0
"""Rate assumed where a file states none: that of 7,959 of the 10,030 clips of EchoNet-Dynamic (FACTS.md)."""

MIN_FRAME_RATE_HZ = 4.0
"""Slower than this is not a cine: one beat at 60 per minute would have fewer than four frames."""

MAX_FRAME_RATE_HZ = 400.0
"""Faster than this is not 2-D echo of a whole ventricle, but a unit gone wrong."""

RATE_TOLERANCE = 0.1
"""Part by which two statements of one frame rate may differ: more than rounding and dropped frames explain."""

GAP_STEPS, MIN_GAP_S = 4.0, 0.12
"""A step in time of more than so many usual ones, and so many seconds, is a jump. The latter voids a beat in systole as well
(`lvef.geometry.beats.MAX_GAP_S`)."""


TIMING_CODES = (
    *("assumed_frame_rate", "display_frame_rate", "bad_timing"),
    *("uneven_times", "contradictory_rate", "coarse_times", "time_gap", "time_unit", "time_vector"),
)
"""Warnings about the file's own clock; they no longer apply where the user gives the frame rate."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the frames, ``(n,)`` float64 seconds from the first, their source, and warnings."""

    times_s: FloatArray
    source: str
    notices: tuple[CodedWarning, ...] = ()


def is_plausible_rate(rate_hz: float) -> bool:
    """Whether a frame rate in Hz can be that of an echo cine."""
    return bool(MIN_FRAME_RATE_HZ <= rate_hz <= MAX_FRAME_RATE_HZ)


def even_times(n_frames: int, rate_hz: float) -> FloatArray:
    """Return ``n_frames`` times in seconds, ``1 / rate_hz`` apart, from 0."""
    return np.arange(n_frames, dtype=np.float64) / rate_hz


def is_plausible_times(times_s: FloatArray) -> bool:
    """Whether times in seconds rise strictly and their median step can be that of an echo cine."""
    steps = np.diff(times_s)
    if not np.isfinite(steps).all() or (steps <= 0).any():
        return False
    return len(steps) == 0 or is_plausible_rate(usual_rate_hz(times_s))


def assumed_timing(n_frames: int, notices: tuple[CodedWarning, ...] = ()) -> Timing:
    """Return even times at ``DEFAULT_FRAME_RATE_HZ``, with the warning that says so.

    Args:
        n_frames: Number of frames.
        notices: What was met before, put in front.
    """
    if n_frames == 1:
        return Timing(np.zeros(1), "still", notices)
    notice = CodedWarning(
        "assumed_frame_rate",
        f"The file has no usable frame rate: {DEFAULT_FRAME_RATE_HZ:g} Hz is assumed, so times and heart "
        "rate are estimates.",
    )
    return Timing(even_times(n_frames, DEFAULT_FRAME_RATE_HZ), "assumed", (*notices, notice))


def rates_differ(one_hz: float, other_hz: float) -> bool:
    """Whether two frame rates in Hz are too far apart to mean the same."""
    return abs(one_hz / other_hz - 1.0) > RATE_TOLERANCE


def usual_rate_hz(times_s: FloatArray) -> float:
    """Frame rate in Hz of the median step between times in seconds, ``(n,)`` of two or more."""
    return 1.0 / float(np.median(np.diff(times_s)))


def contradicts_times(rate_hz: float, times_s: FloatArray) -> bool:
    """Whether a frame rate in Hz is neither the usual nor the mean rate of times in seconds from the first frame."""
    mean_hz = (len(times_s) - 1) / float(times_s[-1])
    return rates_differ(rate_hz, usual_rate_hz(times_s)) and rates_differ(rate_hz, mean_hz)


def clock_notice(code: str, text: str) -> CodedWarning:
    """The warning that times may be wrong, with its remedy.

    Args:
        code: Of the warning.
        text: What was found, one sentence.
    """
    return CodedWarning(code, f"{text} Check heart rate and durations.")


def container_timing(
    stamps_s: Sequence[float | None], average_rate_hz: float | None, coded_rate_hz: float | None = None
) -> Timing:
    """Return the times of a video's frames.

    Args:
        stamps_s: Presentation time of each frame in seconds, None where the container has none.
        average_rate_hz: Rate in the container's header, or None.
        coded_rate_hz: Rate in the coded stream, or None.

    Returns:
        Times from the frames' own stamps (``"container"``); where these are missing or do not rise, even
        times at the header's rate (``"average_rate"``, notice ``uneven_times``); else ``assumed_timing``.
        Notices ``contradictory_rate`` and ``time_gap`` where a stated rate or a jump of the times is in the way.
    """
    n_frames = len(stamps_s)
    known = [stamp for stamp in stamps_s if stamp is not None]
    stated = [
        rate for rate in (average_rate_hz, coded_rate_hz) if rate is not None and is_plausible_rate(rate)
    ]
    if len(known) == n_frames:
        times = np.asarray(known, dtype=np.float64)
        times -= times[0]
        if is_plausible_times(times):
            return Timing(times, "container", (*_contradictory_rates(times, stated), *gap_notices(times)))
    if average_rate_hz is not None and is_plausible_rate(average_rate_hz):
        text = (
            "The frames' own times are missing or do not rise: the header's frame rate of "
            f"{average_rate_hz:.4g} Hz is used."
        )
        notices = [CodedWarning("uneven_times", text)]
        places = [at for at, stamp in enumerate(stamps_s) if stamp is not None]
        span = max(known, default=0.0) - min(known, default=0.0)
        mean = (places[-1] - places[0]) / span if span > 0 else average_rate_hz
        if rates_differ(mean, average_rate_hz):
            text = f"By their times the frames come at {mean:.4g} Hz on average, the header says {average_rate_hz:.4g} Hz."
            notices.append(clock_notice("contradictory_rate", text))
        return Timing(even_times(n_frames, average_rate_hz), "average_rate", tuple(notices))
    if average_rate_hz is None or n_frames == 1:
        return assumed_timing(n_frames)
    return assumed_timing(
        n_frames, (bad_rate_notice("the header's frame rate", f"{average_rate_hz:.4g} Hz"),)
    )


def gap_notices(times_s: FloatArray) -> tuple[CodedWarning, ...]:
    """Return a warning where the times in seconds jump: frames are missing there, or two clips were joined."""
    steps = np.diff(times_s)
    if len(steps) < 2:
        return ()
    long = np.flatnonzero(steps > max(GAP_STEPS * float(np.median(steps)), MIN_GAP_S))
    if not len(long):
        return ()
    where = f"after frame {long[0]}" + (f" and in {len(long) - 1} more places" if len(long) > 1 else "")
    text = (
        f"The frames' times jump by {float(steps[long].max()):.2g} s ({where}; usual is {float(np.median(steps)):.2g} s): "
        "frames are missing there, or clips were joined. A beat across the jump may be wrong."
    )
    return (CodedWarning("time_gap", text),)


def _contradictory_rates(times_s: FloatArray, stated_hz: list[float]) -> tuple[CodedWarning, ...]:
    """A warning where a stated rate is neither the usual nor the mean rate of the frames' own times."""
    if len(times_s) < 3:
        return ()
    wrong = [rate for rate in stated_hz if contradicts_times(rate, times_s)]
    if not wrong:
        return ()
    usual_hz = usual_rate_hz(times_s)
    text = (
        f"The file states {wrong[0]:.4g} Hz, but its frames come every {1000 / usual_hz:.3g} ms ({usual_hz:.4g} Hz): their "
        "own times are used."
    )
    return (clock_notice("contradictory_rate", text),)


def bad_rate_notice(what: str, value: str) -> CodedWarning:
    """Return the warning that a timing value was ignored."""
    return CodedWarning(
        "bad_timing",
        f"{what[0].upper()}{what[1:]} of {value} cannot be that of an echo cine ({MIN_FRAME_RATE_HZ:g} to "
        f"{MAX_FRAME_RATE_HZ:g} Hz) and is ignored.",
    )


def with_frame_rate(clip: Clip, frame_rate_hz: float) -> Clip:
    """A clip with another frame rate than its file states; a still as it is.

    Args:
        clip: Any clip.
        frame_rate_hz: Frames a second, above 0.
    """
    if len(clip.frames) < 2:
        return clip
    # Numbered stills may have gaps: an assumed rate is scaled, not replaced.
    even = np.arange(len(clip.frames)) / frame_rate_hz
    times = clip.times_s * (DEFAULT_FRAME_RATE_HZ / frame_rate_hz) if clip.timing == "assumed" else even
    # Notices about the file's own timing no longer apply.
    kept = tuple(n for n in clip.notices if n.code not in TIMING_CODES)
    return replace(clip, times_s=times, timing="given by the user", notices=kept)
