"""From the image in the file to the network's input, and the way back for points.

Training and measuring share this code: windows of a clip are the frames nearest to evenly spaced moments of its own clock
(`lvef.transforms.sampling`); a clip that is too short is played back and forth.

Pixel centres have whole-number coordinates. One scale for both directions (images are padded, never stretched), except
where the file says that its own pixels are not square: then they are made square first, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, Box, Clip, FloatArray, FrameArray, PixelGeometry, aspect_of
from lvef.transforms.sampling import IndexArray, window
from lvef.transforms.sector import Sector, keep_sector
from lvef.transforms.spec import ClipSpec, InputSpec

BLACK = 12
"""Grey up to which a pixel is black: blood, or outside the sector. A pixel that is brighter in any frame is not."""

EXPONENTS = np.geomspace(0.4, 2.0, 64)
"""Gammas between which a clip's is found; beyond them noise would be shown as tissue, or tissue lost."""

_POWERS = (np.arange(256)[:, None] / 255) ** EXPONENTS

LEVEL_FRAMES = 12
"""So many frames of a clip, evenly spaced, give its brightness."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The affine map between image and network square.

    ``x_net = (x - x0 + 0.5) * scale_x + pad_x - 0.5``, likewise y; of a box that is upside down y counts from below.

    Attributes:
        box: Part of the image that was taken.
        scale_x: Network pixels per image pixel.
        scale_y: Network pixels per image pixel; differs from ``scale_x`` only for pixels that are not square.
        pad_x: Columns of black on the left of the square.
        pad_y: Rows of black above.
        width: Columns of the square that hold image.
        height: Rows of the square that hold image.
    """

    box: Box
    scale_x: float
    scale_y: float
    pad_x: int
    pad_y: int
    width: int
    height: int

    def to_image(self, points: FloatArray) -> FloatArray:
        """Network points ``(..., 2)`` as (x, y) to pixels of the image in the file."""
        scale = np.array([self.scale_x, self.scale_y])
        pad = np.array([self.pad_x, self.pad_y], dtype=float)
        origin = np.array([self.box.x0, self.box.y0], dtype=float)
        return self._turned((np.asarray(points, dtype=float) + 0.5 - pad) / scale - 0.5 + origin)

    def to_network(self, points: FloatArray) -> FloatArray:
        """Pixels of the image in the file ``(..., 2)`` to network points."""
        scale = np.array([self.scale_x, self.scale_y])
        pad = np.array([self.pad_x, self.pad_y], dtype=float)
        origin = np.array([self.box.x0, self.box.y0], dtype=float)
        return np.asarray((self._turned(points) - origin + 0.5) * scale + pad - 0.5)

    def _turned(self, points: FloatArray) -> FloatArray:
        """Points of the image in the box turned over as the box is."""
        turned = np.array(points, dtype=float)
        if self.box.upside_down:
            turned[..., 1] = self.box.y0 + self.box.y1 - 1 - turned[..., 1]
        return turned


def place(box: Box, size: int, spacing: PixelGeometry | None = None) -> Placement:
    """How a box of the image goes into a square of ``size`` pixels: longest side fitted, centred.

    Args:
        box: Part of the image to take.
        size: Side of the network's square in pixels.
        spacing: Only its ratio x / y is used, to make pixels square that are not.
    """
    ratio = 1.0 / aspect_of(spacing)
    scale_y = size / max(box.width * ratio, box.height)
    width = min(size, max(1, round(box.width * ratio * scale_y)))
    height = min(size, max(1, round(box.height * scale_y)))
    return Placement(
        box=box,
        # The scales of the rounded size, so that points map back to where the pixels truly went.
        scale_x=width / box.width,
        scale_y=height / box.height,
        pad_x=(size - width) // 2,
        pad_y=(size - height) // 2,
        width=width,
        height=height,
    )


def fit(frames: FrameArray, placement: Placement, size: int, *, labels: bool = False) -> FrameArray:
    """Cut, scale and pad frames into network squares, turned over where the box is upside down.

    Args:
        frames: ``(n, height, width)`` uint8.
        placement: From :func:`place`.
        size: Side of the square in pixels.
        labels: Take the nearest pixel instead of averaging, for label images.

    Returns:
        ``(n, size, size)`` uint8.
    """
    p, b = placement, placement.box
    shrinks = p.scale_x < 1.0 and p.scale_y < 1.0
    method = cv2.INTER_NEAREST_EXACT if labels else cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    out = np.zeros((len(frames), size, size), np.uint8)
    same = (p.width, p.height) == (b.width, b.height)
    for target, frame in zip(out, frames, strict=True):
        cut = frame[b.y0 : b.y1, b.x0 : b.x1]
        cut = np.ascontiguousarray(cut[::-1]) if b.upside_down else cut
        target[p.pad_y : p.pad_y + p.height, p.pad_x : p.pad_x + p.width] = (
            cut if same else cv2.resize(cut, (p.width, p.height), interpolation=method)
        )
    return out


def brightness_gamma(squares: FrameArray, brightness: float) -> float:
    """The gamma that brings the brightness of a clip to a level.

    Brightness is the grey above which half of the light lies: the median over pixels, each weighted by its grey. Walls and
    other tissue give it; how black the blood is, and how much of the image it fills, hardly changes it.

    Args:
        squares: Frames of one clip, ``(n, size, size)`` uint8.
        brightness: Grey / 255 to reach, as `InputSpec.brightness`; 0 for the frames as they are.

    Returns:
        Exponent of grey / 255, 0.4 to 2; 1 for frames that are black, or to be left as they are.

    Example:
        >>> round(brightness_gamma(np.full((1, 2, 2), 64, np.uint8), 0.5), 2)
        0.5
    """
    if not brightness:
        return 1.0
    counts = np.bincount(squares[:, squares.max(axis=0) > BLACK].ravel(), minlength=256)
    if not counts[1:].any():
        return 1.0
    light = counts[:, None] * _POWERS
    below = (light.cumsum(0) - light / 2) / light.sum(0)
    levels = [np.interp(0.5, *both) for both in zip(below.T, _POWERS.T, strict=True)]
    # The larger the exponent, the darker; np.interp wants rising values.
    return float(np.interp(-brightness, -np.array(levels), EXPONENTS))


def normalise(squares: FrameArray, spec: InputSpec, gamma: float = 1.0) -> NDArray[np.float32]:
    """Grey levels on the scale of the model card, ``(n, 1, size, size)`` float32.

    Args:
        squares: ``(n, size, size)`` uint8; ``(n, k, size, size)`` keep their channels.
        spec: Mean and standard deviation.
        gamma: Of the clip, from `brightness_gamma`.
    """
    table = (((np.arange(256) / 255.0) ** gamma - spec.mean) / spec.std).astype(np.float32)
    # As table[squares], eight times as fast.
    values = np.asarray(cv2.LUT(squares.reshape(-1, squares.shape[-1]), table), dtype=np.float32)
    shape = squares.shape if squares.ndim == 4 else (len(squares), 1, *squares.shape[1:])
    return values.reshape(shape)


def other_phase_channels(offsets_s: Sequence[float]) -> BoolArray:
    """Which context frames of a still are replaced by its other phase: those farthest away.

    A still in every channel would look like a heart that does not move.

    Args:
        offsets_s: ``k`` offsets in seconds, 0 among them.

    Returns:
        ``(k,)`` bool; all False where the model receives one frame.
    """
    away = np.abs(np.asarray(offsets_s, dtype=float))
    return np.asarray((away == away.max()) & (away > 0), dtype=np.bool_)


def context_frames(times_s: FloatArray, offsets_s: Sequence[float]) -> NDArray[np.intp]:
    """Frames nearest to given offsets from each frame; the first or last one where the clip ends before.

    Args:
        times_s: ``(n,)`` increasing instants of the frames.
        offsets_s: ``k`` offsets in seconds.

    Returns:
        ``(n, k)`` frame numbers.
    """
    wanted = times_s[:, None] + np.asarray(offsets_s)[None]
    after = np.clip(np.searchsorted(times_s, wanted), 1, max(len(times_s) - 1, 1))
    if len(times_s) < 2:
        return np.zeros(wanted.shape, np.intp)
    nearer = wanted - times_s[after - 1] <= times_s[after] - wanted
    return np.asarray(after - nearer, dtype=np.intp)


ClipArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """Frames of several windows of one clip, as squares.

    Attributes:
        squares: Every frame that a window needs, once, ``(m, size, size)`` uint8.
        places: For each window the indices of its frames among these, ``(windows, n_frames)`` int64.
        mirrored: Frames of all windows that lie beyond the clip's end and were mirrored.
        repeated: Frames of all windows that show the same image as the one before them.
    """

    squares: FrameArray
    places: IndexArray
    mirrored: int
    repeated: int

    def clip(self, number: int) -> FrameArray:
        """Frames of one window, ``(n_frames, size, size)`` uint8."""
        return np.asarray(self.squares[self.places[number]], dtype=np.uint8)


def clip_starts_s(times_s: FloatArray, spec: ClipSpec, clips: int | None = None) -> tuple[float, ...]:
    """Start times of evenly spaced windows: the first starts with the clip, the last ends with it.

    Args:
        times_s: Time of each frame, seconds from 0.
        spec: Input of the network.
        clips: Number of windows; that of the model card where None.

    Returns:
        Seconds, in order; fewer where they would be less than a frame apart, one where the clip is too short.

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
    """Start of a window centred on ``moment_s``, shifted to lie inside the clip."""
    room = max(float(times_s[-1]) - spec.duration_s, 0.0)
    return float(np.clip(moment_s - spec.duration_s / 2, 0.0, room))


def clip_frames(clip: Clip, sector: Sector, spec: ClipSpec, starts_s: Sequence[float]) -> ClipFrames:
    """The frames of windows that start at given moments, cropped, scaled and padded as the model card states.

    Args:
        clip: Any clip.
        sector: Its ultrasound sector.
        spec: Input of the network.
        starts_s: Moments on the clip's clock.

    Raises:
        DataError: The clip has fewer than two frames, or a start lies outside of it.
    """
    windows = [window(clip.times_s, spec.sampling, start) for start in starts_s]
    indices = np.stack([w.indices for w in windows])
    used, places = np.unique(indices, return_inverse=True)
    frames, box = shown_frames(clip, sector, spec.square, used)
    placement = place(box, spec.size, clip.spacing)
    return ClipFrames(
        squares=fit(frames, placement, spec.size),
        places=places.reshape(indices.shape).astype(np.int64),
        mirrored=sum(w.mirrored for w in windows),
        repeated=int((np.diff(indices, axis=1) == 0).sum()),
    )


def shown_frames(
    clip: Clip, sector: Sector, spec: InputSpec, indices: IndexArray | None = None, *, masked: bool = True
) -> tuple[FrameArray, Box]:
    """Frames and the part of the image that goes into the square, as in `lvef.stores.recipes`.

    Args:
        clip: Any clip.
        sector: Its sector.
        spec: Which part of the image.
        indices: Frames wanted; all where None.
        masked: With the crop ``fan``, make everything outside the sector black. Where contours are drawn it stays: the mask
            may cut the edge of a wall.
    """
    frames = clip.frames if indices is None else clip.frames[indices]
    if spec.crop == "whole":
        height, width = frames.shape[1:]
        return frames, Box(0, 0, width, height, sector.upside_down)
    if not masked:
        return frames, sector.shown
    # Only the frames that are wanted are masked.
    return keep_sector(
        Clip(frames, clip.times_s[: len(frames)], clip.timing, clip.source), sector
    ).frames, sector.shown


def network_clip(frames: FrameArray, spec: ClipSpec) -> ClipArray:
    """Input of an ``ef-clip`` network.

    Args:
        frames: ``(n_frames, size, size)`` uint8.
        spec: Its grey-value scaling is used.

    Returns:
        ``(1, n_frames, size, size)`` float32: channel, time, height, width.

    Example:
        >>> spec = ClipSpec(2, 1.0, size=1, mean=0.5, std=0.25)
        >>> network_clip(np.array([[[0]], [[255]]], np.uint8), spec).ravel().tolist()
        [-2.0, 2.0]
    """
    return np.ascontiguousarray(normalise(frames, spec.square).swapaxes(0, 1))
