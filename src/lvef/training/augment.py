"""Random pictures of the same heart: other machines, other settings, other exports.

Works on a batch of torch tensors, every case drawn on its own. Shapes: pictures ``(b, 1, h, w)`` float32 in 0-1, labels
``(b, h, w)`` int64. All randomness comes from the generator that is passed in.

What is varied, and why: position, size, turn, mirror and aspect (exports are cropped, flipped and stretched); smooth
deformation (hearts differ); grey curve, gain, dark blood, tissue contrast (machines and settings differ, and random
contrast per tissue carries further than physical realism); sector shadow and drop-out; resolution loss, blur, JPEG
(112 x 112 clips); speckle; text and ECG lines burned in.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from lvef.core.terms import Structure


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths; a probability is that of one case."""

    p_plain: float = 0.3
    """Grey levels left as they are: only moved, turned, scaled and deformed."""
    rotation_deg: float = 15.0
    """Standard deviation of the turn."""
    log_scale: float = 0.16
    """Standard deviation of the log of the zoom (0.7 to 1.4 is about two of them)."""
    log_aspect: float = 0.08
    """Standard deviation of the log of width against height."""
    shift: float = 0.07
    """Standard deviation of the shift, as part of the picture's side."""
    elastic: float = 0.012
    """Standard deviation of the smooth deformation, as part of the picture's side."""
    p_flip: float = 0.5
    """Left-right mirror."""
    p_upside_down: float = 0.12
    """Apex below."""
    log_gamma: float = 0.35
    """Standard deviation of the log of gamma."""
    gain: float = 0.22
    """Standard deviation of the log of the gain."""
    p_curve: float = 0.3
    """A random monotone grey curve."""
    p_dark_blood: float = 0.35
    """Low grey levels pushed to black."""
    p_tissue: float = 0.35
    """A random contrast for each labelled tissue."""
    p_shadow: float = 0.4
    """A dark sector from the probe downwards."""
    p_drop_out: float = 0.3
    """Up to three stretches of the wall as dark as blood."""
    p_resolution: float = 0.45
    """Shrunk to 48-112 pixels and enlarged again."""
    p_blur: float = 0.3
    """Gaussian blur."""
    p_jpeg: float = 0.25
    """JPEG quality 30-80."""
    p_speckle: float = 0.5
    """Multiplicative grain of random size."""
    p_overlay: float = 0.2
    """Text-like boxes and an ECG-like line."""


def augment(
    pictures: Tensor, labels: Tensor, size: int, rng: Generator, config: AugmentConfig | None = None
) -> tuple[Tensor, Tensor]:
    """One random variant of each case.

    Args:
        pictures: ``(b, 1, h, w)`` float32, 0-1.
        labels: ``(b, h, w)`` int64.
        size: Side of the pictures that come out.
        rng: Source of all randomness.
        config: Strengths.

    Returns:
        Pictures ``(b, 1, size, size)`` and labels ``(b, size, size)``.
    """
    c = config or AugmentConfig()
    varied = _tissue_contrast(pictures, labels, rng, c)
    varied = _shadow(_drop_out(varied, labels, rng, c), rng, c)
    both, labels = _warp(torch.cat([pictures, varied], 1), labels, size, rng, c)
    plain, varied = both[:, :1], both[:, 1:]
    for step in (_grey, _speckle, _overlay, _resolution, _jpeg):
        varied = step(varied, rng, c)
    keep = _chosen(len(plain), c.p_plain, rng)[:, None, None, None]
    return torch.where(keep, plain, varied).clamp_(0, 1), labels


def _uniform(n: int, low: float, high: float, rng: Generator) -> Tensor:
    return torch.rand(n, generator=rng) * (high - low) + low


def _normal(n: int, sd: float, rng: Generator) -> Tensor:
    return torch.randn(n, generator=rng).clamp_(-2.5, 2.5) * sd


def _chosen(n: int, p: float, rng: Generator) -> Tensor:
    """``(n,)`` bool."""
    return torch.rand(n, generator=rng) < p


def _noise_field(b: int, cells: int, size: tuple[int, int], rng: Generator, channels: int = 1) -> Tensor:
    """Smooth random field ``(b, channels, h, w)`` with unit variance at its knots."""
    knots = torch.randn(b, channels, cells, cells, generator=rng)
    return F.interpolate(knots, size=size, mode="bicubic", align_corners=True)


def _warp(
    pictures: Tensor, labels: Tensor, size: int, rng: Generator, c: AugmentConfig
) -> tuple[Tensor, Tensor]:
    """Affine and elastic in one resampling."""
    b, h, w = len(pictures), size, size
    angle = torch.deg2rad(_normal(b, c.rotation_deg, rng))
    scale, aspect = torch.exp(_normal(b, c.log_scale, rng)), torch.exp(_normal(b, c.log_aspect, rng))
    flip_x = 1.0 - 2.0 * _chosen(b, c.p_flip, rng).float()
    flip_y = 1.0 - 2.0 * _chosen(b, c.p_upside_down, rng).float()
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Output coordinates to input coordinates, both in -1..1.
    sx, sy = flip_x / (scale * aspect), flip_y / (scale / aspect)
    theta = torch.zeros(b, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = cos * sx, -sin * sy
    theta[:, 1, 0], theta[:, 1, 1] = sin * sx, cos * sy
    theta[:, 0, 2], theta[:, 1, 2] = _normal(b, 2 * c.shift, rng), _normal(b, 2 * c.shift, rng)
    grid = F.affine_grid(theta, [b, 2, h, w], align_corners=False)
    amplitude = 2 * c.elastic * torch.rand(b, 1, 1, 1, generator=rng) * 2
    grid = grid + (amplitude * _noise_field(b, 5, (h, w), rng, channels=2)).permute(0, 2, 3, 1)
    moved = F.grid_sample(pictures, grid, mode="bilinear", align_corners=False)
    moved_labels = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
    return moved, moved_labels[:, 0].long()


def _tissue_contrast(pictures: Tensor, labels: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = pictures.shape
    on = _chosen(b, c.p_tissue, rng).float()[:, None]
    strength = torch.randn(b, 4, generator=rng) * 0.35 * on  # log gain of each class
    field = strength.gather(1, labels.flatten(1)).view_as(pictures)
    # A hard step at the expert's contour would draw the answer into the picture.
    field = F.avg_pool2d(F.avg_pool2d(field, 4), 3, stride=1, padding=1, count_include_pad=False)
    field = F.interpolate(field, size=(h, w), mode="bilinear", align_corners=False)
    return pictures * torch.exp(field)


def _shadow(pictures: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    """A rib or lung over part of the sector: often black, hard-edged and over the whole depth, sometimes faint."""
    b, _, h, w = pictures.shape
    on = _chosen(b, c.p_shadow, rng).float()
    top = (pictures[:, 0] > 0).any(2).float().argmax(1) / h  # where the sector begins
    y, x = torch.meshgrid(torch.linspace(0, 1, h), torch.linspace(-0.5, 0.5, w), indexing="ij")
    below = y[None] - top[:, None, None]
    angle = torch.atan2(x[None], below.clamp_min(0) + 0.01)
    centre = _uniform(b, -0.75, 0.75, rng)[:, None, None]
    half = _uniform(b, 0.03, 0.2, rng)[:, None, None]
    faint = torch.where(_chosen(b, 0.6, rng), _uniform(b, 0.8, 1.0, rng), _uniform(b, 0.4, 0.8, rng))
    depth = (faint * on)[:, None, None]
    edge = 0.003 * torch.exp(_uniform(b, 0.0, 2.3, rng))[:, None, None]
    dark = torch.sigmoid((half - (angle - centre).abs()) / edge)
    start = (_uniform(b, 0.0, 0.5, rng) * _chosen(b, 0.4, rng).float() - 0.1)[:, None, None]
    dark = dark * torch.sigmoid((below - start) / 0.02)
    return pictures * (1 - depth * dark)[:, None]


def _drop_out(pictures: Tensor, labels: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = pictures.shape
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    light = torch.ones_like(pictures)
    for i in torch.nonzero(_chosen(b, c.p_drop_out, rng)).flatten().tolist():
        wall = torch.nonzero(labels[i] == int(Structure.MYOCARDIUM))
        if len(wall) == 0:
            continue
        for k in torch.randint(
            0, len(wall), (int(torch.randint(1, 4, (1,), generator=rng)),), generator=rng
        ).tolist():
            radius = float(_uniform(1, 0.04, 0.11, rng)) * h
            away = torch.hypot((y - wall[k, 0]).float(), (x - wall[k, 1]).float())
            depth = float(_uniform(1, 0.5, 0.95, rng))
            light[i, 0] *= 1 - depth * torch.sigmoid((radius - away) / (0.012 * h))
    return pictures * light


def _grey(pictures: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = pictures.shape
    x = pictures.clamp(1e-4, 1) ** torch.exp(_normal(b, c.log_gamma, rng))[:, None, None, None]
    # Gain that varies with depth and side, as time-gain sliders do.
    slope = torch.exp(0.2 * _noise_field(b, 3, (h, w), rng))
    x = x * slope * torch.exp(_normal(b, c.gain, rng))[:, None, None, None]
    threshold = _uniform(b, 0.02, 0.25, rng) * _chosen(b, c.p_dark_blood, rng).float()
    t = threshold[:, None, None, None]
    x = ((x - t) / (1 - t)).clamp(0, 1)
    steps = torch.rand(b, 6, generator=rng) + 0.15
    curve = torch.cat(
        [torch.zeros(b, 1), (steps / steps.sum(1, keepdim=True)).cumsum(1)], 1
    )  # (b, 7) monotone
    low = (x * 6).floor().clamp(0, 5).long().flatten(1)
    part = (x * 6).flatten(1) - low
    mapped = curve.gather(1, low) * (1 - part) + curve.gather(1, low + 1) * part
    on = _chosen(b, c.p_curve, rng)[:, None, None, None]
    return torch.where(on, mapped.view_as(x), x)


def _speckle(pictures: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = pictures.shape
    cells = int(torch.randint(40, h + 1, (1,), generator=rng))
    grain = F.interpolate(
        torch.randn(b, 1, cells, cells, generator=rng), size=(h, w), mode="bilinear", align_corners=False
    )
    sd = (_uniform(b, 0.0, 0.3, rng) * _chosen(b, c.p_speckle, rng).float())[:, None, None, None]
    floor = (_uniform(b, 0.0, 0.03, rng) * _chosen(b, 0.3, rng).float())[:, None, None, None]
    return pictures * (1 + sd * grain) + floor * torch.randn(b, 1, h, w, generator=rng).abs()


def _overlay(pictures: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = pictures.shape
    for i in torch.nonzero(_chosen(b, c.p_overlay, rng)).flatten().tolist():
        for _ in range(int(torch.randint(1, 6, (1,), generator=rng))):
            x0, y0 = (int(torch.randint(0, n - 6, (1,), generator=rng)) for n in (w, h))
            # Text stands in the corners, not over the heart.
            if abs(x0 / w - 0.5) < 0.3 and 0.12 < y0 / h < 0.88:
                continue
            bw, bh = (
                int(torch.randint(3, 20, (1,), generator=rng)),
                int(torch.randint(2, 5, (1,), generator=rng)),
            )
            text = torch.rand(1, min(bh, h - y0), min(bw, w - x0), generator=rng).round()
            pictures[i, :, y0 : y0 + bh, x0 : x0 + bw] = torch.maximum(
                pictures[i, :, y0 : y0 + bh, x0 : x0 + bw], text
            )
        if torch.rand(1, generator=rng) < 0.4:
            wave = (_noise_field(1, 24, (1, w), rng)[0, 0, 0] * 0.02 + 0.92).clamp(0.8, 0.99) * h
            pictures[i, 0, wave.long().clamp(0, h - 1), torch.arange(w)] = 0.9
    return pictures


def _resolution(pictures: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = pictures.shape
    small, soft = _chosen(b, c.p_resolution, rng).tolist(), _chosen(b, c.p_blur, rng).tolist()
    sides, sigmas = torch.randint(48, 113, (b,), generator=rng).tolist(), _uniform(b, 0.4, 1.8, rng).tolist()
    for i in range(b):
        grey = pictures[i, 0].numpy()
        if small[i]:
            shrunk = cv2.resize(grey, (sides[i], sides[i]), interpolation=cv2.INTER_AREA)
            grey = cv2.resize(shrunk, (w, h), interpolation=cv2.INTER_LINEAR)
        if soft[i]:
            grey = cv2.GaussianBlur(grey, (0, 0), sigmas[i], borderType=cv2.BORDER_REPLICATE)
        if small[i] or soft[i]:
            pictures[i, 0] = torch.from_numpy(np.asarray(grey))
    return pictures


def _jpeg(pictures: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    for i in torch.nonzero(_chosen(len(pictures), c.p_jpeg, rng)).flatten().tolist():
        quality = int(torch.randint(30, 81, (1,), generator=rng))
        grey = (pictures[i, 0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        _, coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
        pictures[i, 0] = torch.from_numpy(np.asarray(decoded, np.float32) / 255.0)
    return pictures
