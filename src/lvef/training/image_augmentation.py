"""Random images of the same heart: other machines, other settings, other exports.

Works on a batch of short frame sequences as torch tensors; every case is drawn on its own and a case's frames are changed
alike. Shapes: images ``(b, k, h, w)`` float32 in 0-1, labels ``(b, k, h, w)`` int64, k frames of one clip (1 for stills).
All randomness comes from the generator that is passed in.

What is varied, and why: position, size, rotation, mirror, aspect and perspective (exports are cropped, flipped and
stretched); smooth deformation (hearts differ); grey curve, gain, haze, speckle, blur, resolution, JPEG (machines and
settings differ); contrast *raised* between blood and wall under the true label; papillary muscles, trabeculae and haze
drawn into the cavity, so that the edge of the black is not taken for the border.
The defaults are those of `camus-seg` 1.1.0, which darkens walls under an unchanged label (tissue contrast, dark blood,
shadow, drop-out). On images of other hospitals such a model sees walls in black blood: ``recipes/camus-seg.toml``
raises contrast instead (EXPERIMENTS.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F

from lvef.core.terms import Structure

CUT_OFF = 2.5
"""Draws from a normal distribution are kept within this many standard deviations: no case leaves the image."""


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths; a probability is that of one case."""

    p_plain: float = 0.3
    """Grey levels left as they are: only the geometry changes."""
    rotation_deg: float = 15.0
    """Standard deviation of the rotation."""
    log_scale: float = 0.16
    """Standard deviation of the log of the zoom."""
    log_aspect: float = 0.08
    """Standard deviation of the log of width against height."""
    shift: float = 0.07
    """Standard deviation of the shift, as part of the image's side."""
    perspective: float = 0.0
    """Standard deviation of the two perspective terms, in halves of the side."""
    elastic: float = 0.012
    """Standard deviation of the smooth deformation, as part of the image's side."""
    p_flip: float = 0.5
    """Left-right mirror."""
    p_upside_down: float = 0.12
    """Apex below."""
    p_crop: float = 0.0
    """A border of the sector cut away, as exports do."""
    p_tissue: float = 0.35
    """A random contrast for each labelled tissue."""
    p_contrast: float = 0.0
    """Contrast raised between blood and wall under the true label."""
    p_papillary: float = 0.0
    """Bright spots inside the cavity."""
    p_trabeculae: float = 0.0
    """A grey, ragged layer inside the cavity along the wall; the border stays behind it."""
    p_haze: float = 0.0
    """Haze added over a band of depths, blood and wall alike."""
    p_fog: float = 0.0
    """Haze in patches whose edges are no borders of the heart."""
    log_gamma: float = 0.35
    """Standard deviation of the log of gamma."""
    gain: float = 0.22
    """Standard deviation of the log of the gain."""
    p_curve: float = 0.3
    """A random monotone grey curve."""
    p_dark_blood: float = 0.35
    """Low grey levels pushed to black, in blood and wall alike."""
    p_shadow: float = 0.4
    """A dark sector from the probe downwards, the same in all frames of a case."""
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
    images: Tensor, labels: Tensor, size: int, rng: Generator, config: AugmentConfig | None = None
) -> tuple[Tensor, Tensor]:
    """One random variant of each case.

    Args:
        images: ``(b, k, h, w)`` float32, 0-1.
        labels: ``(b, k, h, w)`` int64.
        size: Side of the images that come out.
        rng: Source of all randomness.
        config: Strengths.

    Returns:
        Images ``(b, k, size, size)`` and labels ``(b, k, size, size)``.
    """
    c = config or AugmentConfig()
    images, labels = _warp(images, labels, size, rng, c)
    varied = images
    varied = _tissue_contrast(varied, labels, rng, c)
    varied = contrast(varied, labels, rng, c.p_contrast)
    varied = trabeculae(varied, labels, rng, c.p_trabeculae)
    varied = papillary(varied, labels, rng, c.p_papillary)
    varied = _drop_out(varied, labels, rng, c)
    for step in (_shadow, _haze, _fog, _grey, _speckle, _overlay, _resolution, _jpeg):
        varied = step(varied, rng, c)
    keep = bernoulli(len(images), c.p_plain, rng)[:, None, None, None]
    return _cropped(torch.where(keep, images, varied), rng, c).clamp_(0, 1), labels


def _warp(
    images: Tensor, labels: Tensor, size: int, rng: Generator, c: AugmentConfig
) -> tuple[Tensor, Tensor]:
    """Affine, perspective and elastic in one resampling."""
    b, h, w = len(images), size, size
    angle = torch.deg2rad(normal(b, c.rotation_deg, rng))
    scale, aspect = torch.exp(normal(b, c.log_scale, rng)), torch.exp(normal(b, c.log_aspect, rng))
    flip_x = 1.0 - 2.0 * bernoulli(b, c.p_flip, rng).float()
    flip_y = 1.0 - 2.0 * bernoulli(b, c.p_upside_down, rng).float()
    cos, sin = torch.cos(angle), torch.sin(angle)
    # Output coordinates to input coordinates, both in -1..1.
    sx, sy = flip_x / (scale * aspect), flip_y / (scale / aspect)
    theta = torch.zeros(b, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = cos * sx, -sin * sy
    theta[:, 1, 0], theta[:, 1, 1] = sin * sx, cos * sy
    theta[:, 0, 2], theta[:, 1, 2] = normal(b, 2 * c.shift, rng), normal(b, 2 * c.shift, rng)
    grid = F.affine_grid(theta, [b, 2, h, w], align_corners=False)
    tilt = torch.stack([normal(b, c.perspective, rng), normal(b, c.perspective, rng)], 1)
    grid = grid / (1 + (grid * tilt[:, None, None]).sum(-1, keepdim=True)).clamp_min(0.4)
    amplitude = 2 * c.elastic * torch.rand(b, 1, 1, 1, generator=rng) * 2
    grid = grid + (amplitude * noise_field(b, 5, (h, w), rng, channels=2)).permute(0, 2, 3, 1)
    moved = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
    moved_labels = F.grid_sample(labels.float(), grid, mode="nearest", align_corners=False)
    return moved, moved_labels.long()


def _tissue_contrast(images: Tensor, labels: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = images.shape
    on = bernoulli(b, c.p_tissue, rng).float()[:, None]
    strength = torch.randn(b, 4, generator=rng) * 0.35 * on  # log gain of each class
    field = strength.gather(1, labels.flatten(1)).view_as(images)
    # A hard step at the expert's contour would draw the label into the image.
    field = F.avg_pool2d(F.avg_pool2d(field, 4), 3, stride=1, padding=1, count_include_pad=False)
    field = F.interpolate(field, size=(h, w), mode="bilinear", align_corners=False)
    return images * torch.exp(field)


def _depth_below(images: Tensor) -> tuple[Tensor, Tensor]:
    """Rows below the start of the sector ``(b, h, w)`` and columns from the middle ``(1, h, w)``, in sides."""
    _, _, h, w = images.shape
    top = (images.amax(1) > 0).any(2).float().argmax(1) / h
    y, x = torch.meshgrid(torch.linspace(0, 1, h), torch.linspace(-0.5, 0.5, w), indexing="ij")
    return y[None] - top[:, None, None], x[None]


def _shadow(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    """A rib or lung over part of the sector: often black, hard-edged and over the whole depth, sometimes faint."""
    b = len(images)
    on = bernoulli(b, c.p_shadow, rng).float()
    below, x = _depth_below(images)
    angle = torch.atan2(x.expand_as(below), below.clamp_min(0) + 0.01)
    centre = uniform(b, -0.75, 0.75, rng)[:, None, None]
    half = uniform(b, 0.03, 0.2, rng)[:, None, None]
    faint = torch.where(bernoulli(b, 0.6, rng), uniform(b, 0.8, 1.0, rng), uniform(b, 0.4, 0.8, rng))
    depth = (faint * on)[:, None, None]
    edge = 0.003 * torch.exp(uniform(b, 0.0, 2.3, rng))[:, None, None]
    dark = torch.sigmoid((half - (angle - centre).abs()) / edge)
    start = (uniform(b, 0.0, 0.5, rng) * bernoulli(b, 0.4, rng).float() - 0.1)[:, None, None]
    dark = dark * torch.sigmoid((below - start) / 0.02)
    return images * (1 - depth * dark)[:, None]


def _haze(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    """Clutter added over a band of depths, blood and wall alike, where there is sector."""
    b, _, h, w = images.shape
    below, _ = _depth_below(images)
    centre, width = uniform(b, 0.0, 0.5, rng)[:, None, None], uniform(b, 0.1, 0.35, rng)[:, None, None]
    amount = (uniform(b, 0.05, 0.35, rng) * bernoulli(b, c.p_haze, rng).float())[:, None, None]
    cloud = amount * torch.exp(-(((below - centre) / width) ** 2)) * (below > 0)
    patches = (1 + 0.5 * noise_field(b, 5, (h, w), rng)).clamp_min(0)
    return images + (1 - images) * cloud[:, None] * patches * (images > 0.004)


def _fog(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    """Static clutter in patches, some with hard edges: what does not move with the heart is no border."""
    cases = torch.nonzero(bernoulli(len(images), c.p_fog, rng)).flatten()
    if len(cases) == 0:
        return images
    images, x = images.clone(), images[cases]
    b, k, h, w = x.shape
    sharp = per_case(torch.exp(uniform(b, 0.5, 2.6, rng)))
    cells = int(torch.randint(3, 6, (1,), generator=rng))
    patches = torch.sigmoid(
        sharp * (noise_field(b, cells, (h, w), rng) - per_case(uniform(b, -0.3, 1.0, rng)))
    )
    amount = per_case(uniform(b, 0.05, 0.4, rng))
    grain = torch.randn(b, 1, h // 2, w // 2, generator=rng) + torch.randn(
        b, k, h // 2, w // 2, generator=rng
    )
    grain = (1 + 0.25 * F.interpolate(grain, size=(h, w), mode="bilinear", align_corners=False)).clamp_min(0)
    images[cases] = x + (1 - x) * amount * patches * grain * (x.amax(1, keepdim=True) > 0.004)
    return images


def _drop_out(images: Tensor, labels: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    if c.p_drop_out == 0:
        return images
    b, _, h, w = images.shape
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    light = torch.ones(b, 1, h, w)
    for i in torch.nonzero(bernoulli(b, c.p_drop_out, rng)).flatten().tolist():
        wall = torch.nonzero(labels[i, 0] == int(Structure.MYOCARDIUM))
        if len(wall) == 0:
            continue
        n = int(torch.randint(1, 4, (1,), generator=rng))
        for k in torch.randint(0, len(wall), (n,), generator=rng).tolist():
            radius = float(uniform(1, 0.04, 0.11, rng)) * h
            away = torch.hypot((y - wall[k, 0]).float(), (x - wall[k, 1]).float())
            depth = float(uniform(1, 0.5, 0.95, rng))
            light[i, 0] *= 1 - depth * torch.sigmoid((radius - away) / (0.012 * h))
    return images * light


def _grey(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = images.shape
    x = images.clamp(1e-4, 1) ** per_case(torch.exp(normal(b, c.log_gamma, rng)))
    # Gain that varies with depth and side, as time-gain sliders do.
    slope = torch.exp(0.2 * noise_field(b, 3, (h, w), rng))
    x = x * slope * per_case(torch.exp(normal(b, c.gain, rng)))
    if c.p_dark_blood > 0:
        t = per_case(uniform(b, 0.02, 0.25, rng) * bernoulli(b, c.p_dark_blood, rng).float())
        x = (x - t) / (1 - t)
    x = x.clamp(0, 1)
    steps = torch.rand(b, 6, generator=rng) + 0.15
    curve = torch.cat([torch.zeros(b, 1), (steps / steps.sum(1, keepdim=True)).cumsum(1)], 1)
    low = (x * 6).floor().clamp(0, 5).long().flatten(1)
    part = (x * 6).flatten(1) - low
    mapped = curve.gather(1, low) * (1 - part) + curve.gather(1, low + 1) * part
    return torch.where(per_case(bernoulli(b, c.p_curve, rng)), mapped.view_as(x), x)


def _speckle(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, k, h, w = images.shape
    cells = int(torch.randint(40, h + 1, (1,), generator=rng))
    grain = F.interpolate(
        torch.randn(b, k, cells, cells, generator=rng), size=(h, w), mode="bilinear", align_corners=False
    )
    sd = per_case(uniform(b, 0.0, 0.3, rng) * bernoulli(b, c.p_speckle, rng).float())
    floor = per_case(uniform(b, 0.0, 0.03, rng) * bernoulli(b, 0.3, rng).float())
    return images * (1 + sd * grain) + floor * torch.randn(b, k, h, w, generator=rng).abs()


def _overlay(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = images.shape
    for i in torch.nonzero(bernoulli(b, c.p_overlay, rng)).flatten().tolist():
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
            images[i, :, y0 : y0 + bh, x0 : x0 + bw] = torch.maximum(
                images[i, :, y0 : y0 + bh, x0 : x0 + bw], text
            )
        if torch.rand(1, generator=rng) < 0.4:
            wave = (noise_field(1, 24, (1, w), rng)[0, 0, 0] * 0.02 + 0.92).clamp(0.8, 0.99) * h
            images[i, :, wave.long().clamp(0, h - 1), torch.arange(w)] = 0.9
    return images


def _resolution(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    b, _, h, w = images.shape
    small, soft = bernoulli(b, c.p_resolution, rng).tolist(), bernoulli(b, c.p_blur, rng).tolist()
    sides, sigmas = torch.randint(48, 113, (b,), generator=rng).tolist(), uniform(b, 0.4, 1.8, rng).tolist()
    for i in range(b):
        for frame in images[i] if small[i] or soft[i] else ():
            grey = frame.numpy()
            if small[i]:
                shrunk = cv2.resize(grey, (sides[i], sides[i]), interpolation=cv2.INTER_AREA)
                grey = cv2.resize(shrunk, (w, h), interpolation=cv2.INTER_LINEAR)
            if soft[i]:
                grey = cv2.GaussianBlur(grey, (0, 0), sigmas[i], borderType=cv2.BORDER_REPLICATE)
            frame.copy_(torch.from_numpy(np.asarray(grey)))
    return images


def _jpeg(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    for i in torch.nonzero(bernoulli(len(images), c.p_jpeg, rng)).flatten().tolist():
        quality = int(torch.randint(30, 81, (1,), generator=rng))
        for frame in images[i]:
            grey = (frame.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
            _, coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
            decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
            frame.copy_(torch.from_numpy(np.asarray(decoded, np.float32) / 255.0))
    return images


def _cropped(images: Tensor, rng: Generator, c: AugmentConfig) -> Tensor:
    """A strip of one or two sides black, up to an eighth of the image."""
    b, _, h, w = images.shape
    keep = torch.ones(b, 1, h, w)
    for i in torch.nonzero(bernoulli(b, c.p_crop, rng)).flatten().tolist():
        left, right, bottom = (int(v * w) for v in uniform(3, -0.1, 0.125, rng).clamp_min(0).tolist())
        keep[i, :, :, :left] = 0
        keep[i, :, :, w - right :] = 0
        keep[i, :, h - bottom :, :] = 0
    return images * keep


def uniform(n: int, low: float, high: float, rng: Generator) -> Tensor:
    """``(n,)`` evenly between two values."""
    return torch.rand(n, generator=rng) * (high - low) + low


def normal(n: int, sd: float, rng: Generator) -> Tensor:
    """``(n,)`` around 0, at most `CUT_OFF` standard deviations away."""
    return torch.randn(n, generator=rng).clamp_(-CUT_OFF, CUT_OFF) * sd


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


def contrast(images: Tensor, labels: Tensor, rng: Generator, probability: float) -> Tensor:
    """Blood towards black, the wall brighter along its inner side; often a darker wall behind that line.

    The line stays where the expert put the border, so that the image only says more clearly what the label says.
    """
    cases = torch.nonzero(bernoulli(len(images), probability, rng)).flatten()
    if len(cases) == 0:
        return images
    images, x, labels = images.clone(), images[cases], labels[cases]
    b = len(x)
    lv = (labels == int(Structure.LV)).float()
    wall = (labels == int(Structure.MYOCARDIUM)).float()
    blood = torch.maximum(lv, (labels == int(Structure.LA)).float())
    radius = int(torch.randint(1, 5, (1,), generator=rng))
    line = soften(dilate(lv, radius) * wall)
    dark = per_case(uniform(b, 0.3, 1.0, rng))
    bright = per_case(uniform(b, 0.0, 1.6, rng))
    added = per_case(uniform(b, 0.0, 0.25, rng) * bernoulli(b, 0.5, rng).float())
    # A bright line with little behind it: the cavity is still bounded by something that can be seen.
    behind = per_case(uniform(b, 0.0, 0.8, rng) * bernoulli(b, 0.35, rng).float()) * (bright > 0.3)
    grain = 0.6 + 0.8 * x / (x.mean((2, 3), keepdim=True) + 0.05)
    out = x * (1 - dark * soften(blood)) * (1 - behind * (wall - line).clamp_min(0))
    # The right ventricle and what lies around the heart is blood or lung on other images: black in patches.
    outside = (labels == int(Structure.BACKGROUND)).float()
    share = per_case(uniform(b, 0.3, 1.0, rng) * bernoulli(b, 0.5, rng).float())
    patches = torch.sigmoid(3 * noise_field(b, 4, x.shape[2:], rng) + per_case(uniform(b, -2.0, 3.0, rng)))
    out = out * (1 - share * patches * soften(outside))
    images[cases] = (out * (1 + bright * line) + added * line * grain.clamp_max(2.0)).clamp(0, 1)
    return images


def papillary(images: Tensor, labels: Tensor, rng: Generator, probability: float) -> Tensor:
    """Bright spots inside the cavity that move with it: papillary muscles, chords, false tendons."""
    b, k, h, w = images.shape
    y, x = torch.meshgrid(torch.arange(h).float(), torch.arange(w).float(), indexing="ij")
    out = images.clone()
    for i in torch.nonzero(bernoulli(b, probability, rng)).flatten().tolist():
        lv = (labels[i] == int(Structure.LV)).float()
        area = lv.sum((1, 2))
        if float(area.min()) < 40:
            continue
        cx, cy = (lv * x).sum((1, 2)) / area, (lv * y).sum((1, 2)) / area
        reach = (area / torch.pi).sqrt()
        light = torch.zeros(k, h, w)
        for _ in range(int(torch.randint(1, 4, (1,), generator=rng))):
            angle, away = float(uniform(1, 0, 6.2832, rng)), float(uniform(1, 0.3, 1.0, rng))
            long, thin = float(uniform(1, 0.1, 0.45, rng)), float(uniform(1, 0.05, 0.16, rng))
            turn, level = float(uniform(1, 0, 3.1416, rng)), float(uniform(1, 0.2, 0.9, rng))
            dx = (x - (cx + away * reach * np.cos(angle))[:, None, None]) / reach[:, None, None]
            dy = (y - (cy + away * reach * np.sin(angle))[:, None, None]) / reach[:, None, None]
            along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
            light = torch.maximum(light, level * torch.exp(-((along / long) ** 2) - (across / thin) ** 2))
        grain = 1 + 0.35 * torch.randn(k, h // 2, w // 2, generator=rng)
        grain = F.interpolate(grain[None], size=(h, w), mode="bilinear", align_corners=False)[0]
        out[i] = torch.maximum(out[i], (light * grain).clamp_min(0) * soften(lv))
    return out


def trabeculae(images: Tensor, labels: Tensor, rng: Generator, probability: float) -> Tensor:
    """Grey between the black of the blood and the compacted wall, where experts still draw cavity.

    Thickest somewhere along the wall, absent in other places; it moves with the wall. In half of the cases the wall behind
    it is made brighter, so that the border can be seen.
    """
    cases = torch.nonzero(bernoulli(len(images), probability, rng)).flatten()
    if len(cases) == 0:
        return images
    images, x, labels = images.clone(), images[cases], labels[cases]
    b, k, h, w = x.shape
    wall = labels == int(Structure.MYOCARDIUM)
    lv = (labels == int(Structure.LV)).float()
    away = each_frame(
        (~wall).float(), lambda frame: cv2.distanceTransform(frame.astype(np.uint8), cv2.DIST_L2, 3)
    )
    reach = (lv.sum((2, 3), keepdim=True) / torch.pi).sqrt()
    where = torch.sigmoid(4 * noise_field(b, 4, (h, w), rng) + per_case(uniform(b, -1.5, 1.5, rng)))
    thickness = (per_case(uniform(b, 0.15, 0.75, rng)) * reach * where).clamp_min(0.5)
    mean_wall = ((x * wall).sum((1, 2, 3)) / wall.sum((1, 2, 3)).clamp_min(1)).clamp(0.1, 0.6)
    level = per_case(uniform(b, 0.25, 0.9, rng) * mean_wall)
    fade = per_case(uniform(b, 0.0, 1.0, rng))
    depth = (away / thickness).clamp(0, 1)
    layer = (1 - fade * depth) * torch.sigmoid((1 - away / thickness) * 6)
    grain = torch.randn(b, k, h // 2, w // 2, generator=rng)
    grain = 1 + 0.4 * F.interpolate(grain, size=(h, w), mode="bilinear", align_corners=False)
    light = (level * layer * grain).clamp_min(0) * soften(lv)
    bright = per_case(uniform(b, 0.0, 1.5, rng) * bernoulli(b, 0.5, rng).float())
    line = soften(dilate(lv, int(torch.randint(2, 6, (1,), generator=rng))) * wall)
    images[cases] = torch.maximum(x * (1 + bright * line), light).clamp(0, 1)
    return images
