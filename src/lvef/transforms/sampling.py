"""Which frames a network receives: a number of frames over a number of seconds of the clip's own clock.

A clip that is shorter than what is asked for is played back and forth: every frame is a real image and the time between
two frames stays what the network was trained with. It is never filled with black or with zeros after normalising.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError
from lvef.core.records import FloatArray

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many frames, over what time.

    Attributes:
        n_frames: Number of frames, at least 2.
        duration_s: Seconds from the first of them to the last.
    """

    n_frames: int
    duration_s: float

    def __post_init__(self) -> None:
        if self.n_frames < 2 or not np.isfinite(self.duration_s) or self.duration_s <= 0:
            raise DataError(
                f"A sampling of {self.n_frames} frames over {self.duration_s} s is not possible: at least 2 frames over "
                "more than 0 s are needed."
            )

    @property
    def step_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.duration_s / (self.n_frames - 1)


@dataclass(frozen=True, slots=True)
class Window:
    """Frames picked from a clip.

    Attributes:
        indices: Frame numbers from 0, ``(n,)`` int64; a number may come twice.
        mirrored: How many of them lie beyond the clip's end and were taken on the way back.
    """

    indices: IndexArray
    mirrored: int


def window(times_s: FloatArray, sampling: Sampling, start_s: float = 0.0) -> Window:
    """The frames nearest to evenly spaced moments of the clip's clock.

    Args:
        times_s: Time of each frame, ``(n,)`` seconds, strictly increasing from 0; evenly spaced or not.
        sampling: What is wanted.
        start_s: Moment of the first frame.

    Returns:
        ``sampling.n_frames`` frame numbers.

    Raises:
        DataError: The clip has fewer than two frames, or the start lies outside of it.

    Example:
        >>> window(np.arange(5) / 10, Sampling(4, 0.6)).indices.tolist()  # 0, 0.2, 0.4 s, and 0.6 s on the way back
        [0, 2, 4, 2]
    """
    times = np.asarray(times_s, dtype=np.float64)
    if len(times) < 2:
        raise DataError(f"a clip of {len(times)} frames has no motion to sample; at least 2 are needed")
    length = float(times[-1])
    if not 0 <= start_s <= length:
        raise DataError(f"a window cannot start at {start_s:g} s of a clip from 0 to {length:g} s")
    moments = start_s + np.arange(sampling.n_frames) * sampling.step_s
    # A thousandth of a frame's time beyond the end is rounding, not a clip that is too short.
    beyond = moments > length + 1e-3 * float(np.median(np.diff(times)))
    period = 2.0 * length
    folded = np.mod(moments, period)
    folded = np.where(folded > length, period - folded, folded)
    folded[~beyond] = np.minimum(moments[~beyond], length)
    return Window(nearest(times, folded), int(beyond.sum()))


def nearest(times_s: FloatArray, moments_s: FloatArray) -> IndexArray:
    """Number of the frame nearest to each moment, ``(n,)`` int64; the earlier one of two that are equally near."""
    after = np.clip(np.searchsorted(times_s, moments_s), 1, len(times_s) - 1)
    before = after - 1
    # Equally near but for rounding is equally near.
    takes_after = (times_s[after] - moments_s) < (moments_s - times_s[before]) - 1e-9
    return np.where(takes_after, after, before).astype(np.int64)


def random_start_s(times_s: FloatArray, duration_s: float, rng: np.random.Generator) -> float:
    """A moment to start at, from which ``duration_s`` seconds fit into the clip; 0 where it is too short.

    Args:
        times_s: Time of each frame, seconds from 0.
        duration_s: Seconds wanted.
        rng: Random generator.
    """
    room = float(times_s[-1]) - duration_s
    return float(rng.uniform(0.0, room)) if room > 0 else 0.0


def mirrored(indices: IndexArray, n_frames: int) -> IndexArray:
    """Frame numbers folded back into a clip: 0 1 2 3 2 1 0 1 ...

    Args:
        indices: Numbers from 0 up, any shape.
        n_frames: Frames of the clip, at least 1.

    Example:
        >>> mirrored(np.arange(8), 4).tolist()
        [0, 1, 2, 3, 2, 1, 0, 1]
    """
    if n_frames == 1:
        return np.zeros_like(indices)
    period = 2 * (n_frames - 1)
    folded = np.mod(indices, period)
    return np.where(folded >= n_frames, period - folded, folded)
