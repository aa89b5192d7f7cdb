"""What is drawn into an image under its true label: contrast, papillary muscles, trabeculae.

The border stays where the expert put it. On images of other hospitals models take the edge of the black for the border; what
is drawn here says more clearly where it is, or stands in its way.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from lvef.core.terms import Structure
from lvef.training.random_fields import bernoulli, dilate, each_frame, noise_field, per_case, soften, uniform


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
