"""Random variants of a clip: moved, turned and enlarged, with another grey curve, gain, noise and resolution.

Works on batches of torch tensors on whatever device they lie. One draw holds for all frames of a clip, save the noise: a
heart that jumps between frames is no heart. What comes in from outside is black, and it comes in before grey levels are
normalised, so that the border looks as in padded images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from lvef.training.image_augmentation import bernoulli, normal, per_case
from lvef.training.recipe import AugmentationSettings


@dataclass(frozen=True)
class Generators:
    """Sources of chance of one batch.

    Attributes:
        draws: On the processor: what is drawn does not depend on the device.
        noise: On the device: noise fields are large.
    """

    draws: Generator
    noise: Generator


def batch_generators(seeds: tuple[int, ...], device: torch.device) -> Generators:
    """Sources that depend on nothing but their seeds, so that a run that goes on draws what it would have drawn.

    Args:
        seeds: For example seed, epoch, step and rank.
        device: Where the batch lies.
    """
    seed = combine_seeds(*seeds)
    return Generators(Generator().manual_seed(seed), Generator(device=device).manual_seed(seed + 1))


def combine_seeds(*numbers: int) -> int:
    """One seed below 2**62 from several numbers.

    Example:
        >>> combine_seeds(1, 2) != combine_seeds(2, 1)
        True
    """
    value = 0x9E3779B9
    for number in numbers:
        value = (value * 6364136223846793005 + number + 1442695040888963407) % (1 << 64)
        value ^= value >> 29
    return value >> 2


def augment_clips(grey: Tensor, by: Generators, settings: AugmentationSettings) -> tuple[Tensor, Tensor]:
    """One random variant of each clip.

    Args:
        grey: ``(b, t, h, w)`` float32 in 0..1.
        by: Sources of chance.
        settings: Strengths.

    Returns:
        The clips, same shape and range, and the map ``(b, 2, 3)`` from points of a variant to points of its original, both
        in -1..1 over the image, as `torch.nn.functional.affine_grid` takes it.
    """
    theta = _draw_maps(len(grey), by.draws, settings).to(grey.device)
    out = grey
    if any((settings.shift, settings.log_zoom, settings.rotation_deg, settings.p_mirror)):
        grid = F.affine_grid(theta, list(grey.shape), align_corners=False)
        out = F.grid_sample(out, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    out = _lower_resolution(out, by.draws, settings.blur)
    b = len(grey)

    def each(values: Tensor) -> Tensor:
        return per_case(values).to(grey.device)

    if settings.log_gamma:
        out = out.clamp(1e-4, 1) ** each(torch.exp(normal(b, settings.log_gamma, by.draws)))
    if settings.gain:
        out = out * each(torch.exp(normal(b, settings.gain, by.draws)))
    if settings.noise:
        spread = each(torch.rand(b, generator=by.draws) * settings.noise)
        # Where the image is black the scanner shows nothing: noise goes with the echo.
        field = torch.randn(out.shape, generator=by.noise, device=grey.device)
        out = out + spread * field * (out > 0)
    return out.clamp(0, 1), theta


def transform_points(points: Tensor, theta: Tensor, size: int) -> Tensor:
    """Where points of the originals lie in their variants.

    Args:
        points: ``(b, n, 2)`` pixels (x, y), the middle of the first pixel is 0.
        theta: From `augment_clips`.
        size: Side of the image in pixels.
    """
    unit = (2 * points + 1) / size - 1
    back = torch.linalg.inv(theta[:, :, :2])
    moved = torch.einsum("bij,bnj->bni", back, unit - theta[:, None, :, 2])
    return ((moved + 1) * size - 1) / 2


def _draw_maps(b: int, rng: Generator, settings: AugmentationSettings) -> Tensor:
    angle = normal(b, settings.rotation_deg * math.pi / 180, rng)
    zoom = torch.exp(normal(b, settings.log_zoom, rng))
    mirror = 1.0 - 2.0 * bernoulli(b, settings.p_mirror, rng).float()
    theta = torch.zeros(b, 2, 3)
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    theta[:, 0, 0], theta[:, 0, 1] = cos * mirror, -sin
    theta[:, 1, 0], theta[:, 1, 1] = sin * mirror, cos
    for axis in (0, 1):
        theta[:, axis, 2] = normal(b, 2 * settings.shift, rng)
    return theta


def _lower_resolution(grey: Tensor, rng: Generator, probability: float) -> Tensor:
    """Some of the clips at 0.5 to 1 of their resolution."""
    if not probability:
        return grey
    on = bernoulli(len(grey), probability, rng)
    parts = torch.rand(len(grey), generator=rng) * 0.5 + 0.5
    if not bool(on.any()):
        return grey
    out = grey.clone()
    side = grey.shape[-1]
    for i in torch.nonzero(on).flatten().tolist():
        small = max(8, round(side * float(parts[i])))
        shrunk = F.interpolate(grey[i : i + 1], size=(small, small), mode="area")
        out[i] = F.interpolate(shrunk, size=grey.shape[-2:], mode="bilinear", align_corners=False)[0]
    return out
