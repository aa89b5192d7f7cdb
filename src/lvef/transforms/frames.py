"""From the picture in the file to the network's square, and the way back for points.

Pixel centres have whole-number coordinates. One scale for both directions (pictures are padded, never stretched), except
where the file says that its own pixels are not square: then they are made square first, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, Box, FloatArray, FrameArray, PixelGeometry, aspect_of
from lvef.transforms.spec import InputSpec


@dataclass(frozen=True, slots=True)
class Placement:
    """The affine map between picture and network square.

    ``x_net = (x - x0 + 0.5) * scale_x + pad_x - 0.5``, likewise y.

    Attributes:
        box: Part of the picture that was taken.
        scale_x: Network pixels per picture pixel.
        scale_y: Network pixels per picture pixel; differs from ``scale_x`` only for pixels that are not square.
        pad_x: Columns of black on the left of the square.
        pad_y: Rows of black above.
        width: Columns of the square that hold picture.
        height: Rows of the square that hold picture.
    """

    box: Box
    scale_x: float
    scale_y: float
    pad_x: int
    pad_y: int
    width: int
    height: int

    def to_picture(self, points: FloatArray) -> FloatArray:
        """Network points ``(..., 2)`` as (x, y) to pixels of the picture in the file."""
        scale = np.array([self.scale_x, self.scale_y])
        pad = np.array([self.pad_x, self.pad_y], dtype=float)
        origin = np.array([self.box.x0, self.box.y0], dtype=float)
        return np.asarray((np.asarray(points, dtype=float) + 0.5 - pad) / scale - 0.5 + origin)

    def to_network(self, points: FloatArray) -> FloatArray:
        """Pixels of the picture in the file ``(..., 2)`` to network points."""
        scale = np.array([self.scale_x, self.scale_y])
        pad = np.array([self.pad_x, self.pad_y], dtype=float)
        origin = np.array([self.box.x0, self.box.y0], dtype=float)
        return np.asarray((np.asarray(points, dtype=float) - origin + 0.5) * scale + pad - 0.5)


def place(box: Box, size: int, spacing: PixelGeometry | None = None) -> Placement:
    """How a box of the picture goes into a square of ``size`` pixels: longest side fitted, centred.

    Args:
        box: Part of the picture to take.
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
    """Cut, scale and pad frames into network squares.

    Args:
        frames: ``(n, height, width)`` uint8.
        placement: From :func:`place`.
        size: Side of the square in pixels.
        labels: Take the nearest pixel instead of averaging, for label pictures.

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
        target[p.pad_y : p.pad_y + p.height, p.pad_x : p.pad_x + p.width] = (
            cut if same else cv2.resize(cut, (p.width, p.height), interpolation=method)
        )
    return out


def normalise(squares: FrameArray, spec: InputSpec) -> NDArray[np.float32]:
    """Grey levels to what the card says the network expects, ``(n, 1, size, size)`` float32.

    Squares ``(n, k, size, size)`` keep their channels.
    """
    table = ((np.arange(256) / 255.0 - spec.mean) / spec.std).astype(np.float32)
    values = table[squares]
    return values if values.ndim == 4 else values[:, None]


def other_phase_channels(offsets_s: Sequence[float]) -> BoolArray:
    """Which frames around a still its other phase stands for: those farthest away.

    A still that filled every channel would read as a heart that does not move.

    Args:
        offsets_s: ``k`` offsets in seconds, 0 among them.

    Returns:
        ``(k,)`` bool; all False where the model is shown one frame.
    """
    away = np.abs(np.asarray(offsets_s, dtype=float))
    return np.asarray((away == away.max()) & (away > 0), dtype=np.bool_)


def context_frames(times_s: FloatArray, offsets_s: Sequence[float]) -> NDArray[np.intp]:
    """Frames nearest to so many seconds from each frame; the first or last one where the clip does not reach so far.

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
