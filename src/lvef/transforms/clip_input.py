"""From a film to what a clip network is shown: which moments, which frames, which part of the picture, on which scale.

Training and measuring both come through here, or through the same parts of it: the frames are those nearest to evenly spaced
moments of the film's own clock (`lvef.transforms.sampling`), and a film that is too short is played back and forth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import Box, Clip, FloatArray, FrameArray
from lvef.transforms.fan import Fan, keep_fan
from lvef.transforms.frames import fit, normalise, place
from lvef.transforms.sampling import IndexArray, Sampling, window
from lvef.transforms.spec import ClipSpec, InputSpec

ClipArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """Frames of several clips of one film, as squares.

    Attributes:
        squares: Every frame that some clip needs, once, ``(m, size, size)`` uint8.
        places: For each clip the numbers of its frames among these, ``(clips, n_frames)`` int64.
        mirrored: Frames of all clips that lie beyond the film's end and were taken on the way back.
        repeated: Frames of all clips that show the same picture as the one before them.
    """

    squares: FrameArray
    places: IndexArray
    mirrored: int
    repeated: int

    def clip(self, number: int) -> FrameArray:
        """Frames of one clip, ``(n_frames, size, size)`` uint8."""
        return np.asarray(self.squares[self.places[number]], dtype=np.uint8)


def sampling_of(spec: ClipSpec) -> Sampling:
    """Number of frames and seconds as `lvef.transforms.sampling` takes them."""
    return Sampling(spec.n_frames, spec.duration_s)


def clip_starts_s(times_s: FloatArray, spec: ClipSpec, clips: int | None = None) -> tuple[float, ...]:
    """Moments at which evenly spaced clips start: the first with the film, the last so that it ends with the film.

    Args:
        times_s: Time of each frame, seconds from 0.
        spec: What a clip is.
        clips: How many; the card's number where None.

    Returns:
        As many moments, in order; fewer where they would be less than a frame apart, one where the film is too short.

    Example:
        >>> clip_starts_s(np.arange(101) / 50, ClipSpec(16, 1.0), 3)
        (0.0, 0.5, 1.0)
        >>> clip_starts_s(np.arange(11) / 50, ClipSpec(16, 1.0), 3)
        (0.0,)
    """
    room = float(times_s[-1]) - spec.duration_s
    wanted = spec.clips if clips is None else clips
    if room <= 0 or wanted < 2:
        return (max(room, 0.0) / 2,)
    frame = float(np.median(np.diff(times_s)))
    wanted = min(wanted, 1 + max(1, int(room / frame + 1e-6)))
    return tuple(float(start) for start in np.linspace(0.0, room, wanted))


def centred_start_s(times_s: FloatArray, spec: ClipSpec, moment_s: float) -> float:
    """The moment at which a clip starts whose middle is ``moment_s``, moved so that it lies inside the film."""
    room = max(float(times_s[-1]) - spec.duration_s, 0.0)
    return float(np.clip(moment_s - spec.duration_s / 2, 0.0, room))


def clip_frames(clip: Clip, fan: Fan, spec: ClipSpec, starts_s: Sequence[float]) -> ClipFrames:
    """The frames of clips that start at given moments, cut, scaled and padded as the card says.

    Args:
        clip: The film.
        fan: Its fan.
        spec: What a clip is.
        starts_s: Moments on the film's clock.

    Raises:
        DataError: The film has fewer than two frames, or a start lies outside of it.
    """
    windows = [window(clip.times_s, sampling_of(spec), start) for start in starts_s]
    indices = np.stack([w.indices for w in windows])
    used, places = np.unique(indices, return_inverse=True)
    frames, box = shown_part(clip, fan, spec.square, used)
    placement = place(box, spec.size, clip.spacing)
    return ClipFrames(
        squares=fit(frames, placement, spec.size),
        places=places.reshape(indices.shape).astype(np.int64),
        mirrored=sum(w.mirrored for w in windows),
        repeated=int((np.diff(indices, axis=1) == 0).sum()),
    )


def shown_part(
    clip: Clip, fan: Fan, spec: InputSpec, indices: IndexArray | None = None
) -> tuple[FrameArray, Box]:
    """Frames and the part of the picture that goes into the square, as in `lvef.stores.recipes`.

    Args:
        clip: The film.
        fan: Its fan; with the crop ``fan`` all outside of it is black.
        spec: Which part.
        indices: Frames wanted; all where None.
    """
    frames = clip.frames if indices is None else clip.frames[indices]
    if spec.crop == "whole":
        height, width = frames.shape[1:]
        return frames, Box(0, 0, width, height)
    # Only the frames that are wanted are masked.
    return keep_fan(Clip(frames, clip.times_s[: len(frames)], clip.timing, clip.source), fan).frames, fan.box


def network_clip(frames: FrameArray, spec: ClipSpec) -> ClipArray:
    """A clip as an ``ef-clip`` network is shown it.

    Args:
        frames: ``(n_frames, size, size)`` uint8.
        spec: Its grey scale counts.

    Returns:
        ``(1, n_frames, size, size)`` float32: channel, time, height, width.

    Example:
        >>> spec = ClipSpec(2, 1.0, size=1, mean=0.5, std=0.25)
        >>> network_clip(np.array([[[0]], [[255]]], np.uint8), spec).ravel().tolist()
        [-2.0, 2.0]
    """
    return np.ascontiguousarray(normalise(frames, spec.square).swapaxes(0, 1))
