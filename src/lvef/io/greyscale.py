"""Images of any depth to 8-bit grey, and the colour that a clip has beyond its own tint."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FrameArray

SAMPLED_FRAMES = 16
"""Most frames on which colour is looked at: colour Doppler and ECG lines last for many frames."""

TINT_MIN_LUMA = 30
"""Darker pixels say nothing of a tint: the black around the sector would outvote the sector."""

LARGEST = 1e30
"""Values beyond this, which single precision could not hold, are cut to it."""

SMALLEST = 1e-30
"""Values that differ by less are one grey level: single precision could not stretch them."""

_SAMPLE_SIDE_PX = 512


def to_uint8(values: NDArray[Any]) -> FrameArray:
    """Return grey values as uint8.

    Args:
        values: Any shape and real type. What already lies in 0-255 is rounded; anything else (16 bit, 0-1
            float) is stretched from its smallest to its largest value, over the whole array.

    Returns:
        The same shape, uint8.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) if values.dtype.kind == "f" else values
    low, high = float(finite.min()), float(finite.max())
    if max(-low, high) > LARGEST:
        finite = np.clip(finite, -LARGEST, LARGEST)
        low, high = max(low, -LARGEST), min(high, LARGEST)
    if low >= 0 and high <= 255 and (values.dtype.kind in "iu" or high > 1):
        return np.asarray(finite if values.dtype.kind in "iu" else np.rint(finite)).astype(np.uint8)
    if high - low < SMALLEST:
        return np.zeros(values.shape, np.uint8)
    return scale_range(finite, low, high)


def scale_range(values: NDArray[Any], low: float, high: float) -> FrameArray:
    """Return ``values`` as uint8 with ``low`` at 0 and ``high`` at 255, clipped; ``(n, h, w)`` by frames."""
    out = np.empty(values.shape, np.uint8)
    pairs = zip(values, out, strict=True) if values.ndim > 2 else ((values, out),)
    for plane, target in pairs:
        grey = (plane.astype(np.float32) - low) * (255.0 / (high - low))
        target[...] = np.rint(np.clip(grey, 0, 255))
    return out


class ColourSampler:
    """Gathers luma and chroma of at most ``SAMPLED_FRAMES`` frames of a clip, whatever its length.

    Args:
        expected: Number of frames to come, or 0 when unknown (the step then doubles as frames arrive).
    """

    def __init__(self, expected: int = 0) -> None:
        self._stride = max(1, -(-expected // SAMPLED_FRAMES))
        self._samples: list[FrameArray] = []

    def wants(self, index: int) -> bool:
        """Whether frame ``index`` should be added."""
        return index % self._stride == 0

    def add(self, luma: FrameArray, cb: FrameArray, cr: FrameArray) -> None:
        """Add one frame: luma ``(h, w)`` and full-range Cb, Cr, equal to it in shape or subsampled."""
        height, width = cb.shape
        shrink = min(1.0, _SAMPLE_SIDE_PX / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        planes = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (luma, cb, cr)]
        self._samples.append(np.stack(planes))
        if len(self._samples) > SAMPLED_FRAMES:
            self._samples = self._samples[::2]
            self._stride *= 2

    def add_rgb(self, rgb: FrameArray) -> None:
        """Add one frame given as ``(h, w, 3)`` RGB."""
        luma, cr, cb = np.moveaxis(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), np.uint8), 2, 0)
        self.add(luma, cb, cr)

    def chroma(self, height: int, width: int) -> FrameArray:
        """Return the largest departure of (Cb, Cr) from the clip's own tint over the frames added.

        A tint either is the same everywhere or grows with luma (sepia): the smaller departure counts.

        Returns:
            ``(height, width)`` uint8, 0 where all is grey or tinted alike.
        """
        if not self._samples:
            return np.zeros((height, width), np.uint8)
        stack = np.stack(self._samples)
        if (stack[:, 1:] == 128).all():
            return np.zeros((height, width), np.uint8)
        sparse = stack[:, :, ::2, ::2].astype(np.float32)
        lit = sparse[:, 0] > TINT_MIN_LUMA
        constant, rising = np.zeros(2, np.float32), np.zeros(2, np.float32)
        if lit.any():
            luma = sparse[:, 0][lit]
            for channel in range(2):
                lit_colour = sparse[:, channel + 1][lit] - 128.0
                constant[channel] = np.median(lit_colour)
                rising[channel] = np.median(lit_colour / luma)
        largest = np.zeros(stack.shape[2:], np.float32)
        # Frame by frame: the processor's cache holds one, not sixteen.
        for luma, *colour in stack.astype(np.float32):
            cb, cr = (plane - 128.0 for plane in colour)
            from_constant = (cb - constant[0]) ** 2 + (cr - constant[1]) ** 2
            from_rising = (cb - rising[0] * luma) ** 2 + (cr - rising[1] * luma) ** 2
            np.maximum(largest, np.minimum(from_constant, from_rising), out=largest)
        largest = np.sqrt(largest)
        resized = cv2.resize(largest, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(np.rint(np.clip(resized, 0, 255)), np.uint8)
