"""A small network that recognises the view of one frame, and says how unlike the apical views of training it looks.

Tensors are ``(batch, channel, height, width)``. Two outputs in one vector: probabilities of the views, and a distance that
needs no example of what is foreign: the Mahalanobis distance of the last features to those of the nearest of A4C and A2C in
training, divided by what 99 % of frames of patients set aside stay below.

Source of the distance: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
Attacks", NeurIPS 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lvef.core.terms import MEASURABLE_VIEWS, RECOGNISED_VIEWS
from lvef.models.segmentation import ConvNormAct, ResidualBlock

SHRINKAGE = 0.05
"""Part of the mean variance of the features that is added to each, so that no direction counts without end."""


@dataclass(frozen=True)
class ViewNetConfig:
    """Shape of the network."""

    widths: tuple[int, ...] = (16, 32, 64, 96)
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the input's resolution."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks a level."""
    features: int = 32
    """Length of the vector that views and distance are computed from."""
    dropout: float = 0.2
    """Part of that vector that is left out in training."""


class ViewNet(nn.Module):
    """Grey frame in, probabilities of `RECOGNISED_VIEWS` and distance out.

    Args:
        config: Widths and depths.
    """

    centres: Tensor
    precision: Tensor
    unit: Tensor

    def __init__(self, config: ViewNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ViewNetConfig()
        w, k = config.widths, config.features
        self.stem = ConvNormAct(1, w[0], stride=2)  # (b, w0, h/2, w/2)
        levels: list[nn.Module] = []
        for i, n in enumerate(config.blocks):
            if i:
                levels.append(ConvNormAct(w[i - 1], w[i], stride=2))
            levels += [ResidualBlock(w[i]) for _ in range(n)]
        self.body = nn.Sequential(*levels)
        self.reduce = nn.Linear(2 * w[-1], k)
        self.drop = nn.Dropout(config.dropout)
        self.head = nn.Linear(k, len(RECOGNISED_VIEWS))
        # Of `set_distance`; before it every frame is at distance 0.
        self.register_buffer("centres", torch.zeros(len(MEASURABLE_VIEWS), k))
        self.register_buffer("precision", torch.zeros(k, k))
        self.register_buffer("unit", torch.ones(()))

    def features(self, x: Tensor) -> Tensor:
        """``(b, features)`` of frames ``(b, 1, h, w)``; h and w divide by 16."""
        x = self.body(self.stem(x))
        # The mean says what is there, the maximum that it is there anywhere.
        return torch.as_tensor(self.reduce(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)))

    def logits(self, x: Tensor) -> Tensor:
        """``(b, views)`` of frames, for training."""
        return torch.as_tensor(self.head(self.drop(torch.relu(self.features(x)))))

    def distance(self, features: Tensor) -> Tensor:
        """``(b, 1)`` from 0; 1 is what 99 % of apical frames of patients set aside stay below."""
        away = features[:, None] - self.centres[None]
        square = ((away @ self.precision) * away).sum(-1)
        return square.amin(1, keepdim=True).clamp_min(0).sqrt() / self.unit

    def forward(self, x: Tensor) -> Tensor:
        """``(b, views + 1)``: probabilities in the order of `RECOGNISED_VIEWS`, then the distance."""
        features = self.features(x)
        views = torch.softmax(self.head(torch.relu(features)), 1)
        return torch.cat([views, self.distance(features)], 1)

    def set_distance(self, features: Tensor, views: Tensor) -> None:
        """Take centres and common covariance from features of training frames.

        Args:
            features: ``(n, features)``.
            views: ``(n,)`` places in `RECOGNISED_VIEWS`; rows of other views than `MEASURABLE_VIEWS` are left out.
        """
        groups = [features[views == RECOGNISED_VIEWS.index(view)].double() for view in MEASURABLE_VIEWS]
        self.centres.copy_(torch.stack([group.mean(0) for group in groups]))
        within = torch.cat([group - group.mean(0) for group in groups])
        covariance = within.T @ within / len(within)
        size = len(covariance)
        added = SHRINKAGE * covariance.trace() / size * torch.eye(size).double()
        covariance = (1 - SHRINKAGE) * covariance + added
        self.precision.copy_(torch.linalg.inv(covariance))
