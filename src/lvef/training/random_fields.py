"""Random numbers and small filters of the augmentation: one case of the batch, one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F


def uniform(n: int, low: float, high: float, rng: Generator) -> Tensor:
    """``(n,)`` evenly between two values."""
    return torch.rand(n, generator=rng) * (high - low) + low


def normal(n: int, sd: float, rng: Generator) -> Tensor:
    """``(n,)`` around 0, at most 2.5 standard deviations away."""
    return torch.randn(n, generator=rng).clamp_(-2.5, 2.5) * sd


def bernoulli(n: int, p: float, rng: Generator) -> Tensor:
    """``(n,)`` bool."""
    return torch.rand(n, generator=rng) < p


def per_case(values: Tensor) -> Tensor:
    """``(b,)`` as ``(b, 1, 1, 1)``."""
    return values[:, None, None, None]


def noise_field(b: int, cells: int, size: tuple[int, int], rng: Generator, channels: int = 1) -> Tensor:
    """Smooth random field ``(b, channels, h, w)`` with unit variance at its knots."""
    knots = torch.randn(b, channels, cells, cells, generator=rng)
    return F.interpolate(knots, size=size, mode="bicubic", align_corners=True)


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Masks ``(b, k, h, w)`` wider by so many pixels on all sides."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return each_frame(mask, lambda frame: cv2.dilate(frame, kernel))


def soften(mask: Tensor) -> Tensor:
    """Masks ``(b, k, h, w)`` with an edge of a pixel: a hard step would show the label in the image."""
    return each_frame(mask, lambda frame: cv2.blur(frame, (3, 3), borderType=cv2.BORDER_REPLICATE))


def each_frame(masks: Tensor, change: Callable[[NDArray[np.float32]], Any]) -> Tensor:
    """OpenCV on small frames one by one: ten times faster than torch's pooling of the whole batch."""
    frames = masks.flatten(0, 1).numpy()
    return torch.from_numpy(np.stack([change(frame) for frame in frames])).view_as(masks)
