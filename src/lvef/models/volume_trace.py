"""The volume-trace network: 21 lines of the left ventricle straight from one frame.

Tensors are ``(batch, channel, height, width)``. Out come 84 numbers in parts of the image's side: 21 lines x 2 ends
x (x, y), the long axis first (apex, base), then the chords from apex to base, each from left to right.

`VolumeTraceConfig` is the report's network; `TUNED` keeps its idea (MobileNetV2, lines as coordinates) and changes
three things. The report's backbone is frozen on photographs, and its maps of 4 x 4 cells are squeezed into one cell
of 84 sigmoids: 28 pixels a cell, and every coordinate has to be remembered rather than pointed at. Tuned, the
backbone is trained, finer maps come back in through a feature pyramid, and each end of a line is the centre of mass
of a heat map of 28 x 28 cells, which moves when the image moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lvef.core.errors import ConfigError
from lvef.models.mobilenet import LAST_CHANNELS, TAP_CHANNELS, MobileNetV2
from lvef.models.r2plus1d import ScaledGrey
from lvef.models.segmentation import ConvNormAct

N_LINES, N_NUMBERS = 21, 84
"""Lines of a tracing, and their ends' coordinates."""

SIDE_PX = 112
"""Side of the frame. Source: the report (SPEC 4.2)."""

SCALINGS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "own": ((0.20, 0.20, 0.20), (0.21, 0.21, 0.21)),
}
"""Mean and spread a channel of grey / 255, by the origin of the backbone's weights: torchvision's ImageNet weights, those of
TensorFlow (x / 127.5 - 1), or our own (as `lvef.transforms.spec.InputSpec`)."""

HEADS = ("regression", "heatmap")
"""How the lines are read from the maps."""

HEATMAP_PART = 4
"""A cell of a heat map has 4 x 4 pixels: 28 x 28 cells, whose centres of mass resolve a tenth of a cell and finer."""


@dataclass(frozen=True)
class VolumeTraceConfig:
    """Shape of the network; everything needed to build it again. The defaults are the report's."""

    head: str = "regression"
    """``regression``: two separable convolutions down to one cell (the report's); ``heatmap``: centres of mass."""
    frozen: bool = True
    """Leave the backbone as it was loaded, its batch statistics too."""
    scaling: str = "imagenet"
    """Scaling of the grey values that the backbone's weights were trained with: imagenet, symmetric or own."""
    dropout: float = 0.2
    """Rate before the head. The report does not give it."""
    width: int = 64
    """Channels of the feature pyramid of the heat maps; the other head has none."""

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ConfigError(f"head {self.head!r} found; {' or '.join(HEADS)} was expected.")
        if self.scaling not in SCALINGS:
            raise ConfigError(f"scaling {self.scaling!r} found; {', '.join(SCALINGS)} were expected.")
        if not 0 <= self.dropout < 1 or self.width < 1:
            raise ConfigError(
                f"dropout {self.dropout:g} and width {self.width} found; 0 to below 1, and at least 1, were expected."
            )


REPORT = VolumeTraceConfig()
"""The report's network, 2,384,584 parameters with the batch statistics, 126,600 of them trained."""

OWN_BACKBONE = VolumeTraceConfig(scaling="own")
"""The same with a backbone whose weights are our own: ``report-own-backbone``."""

TUNED = VolumeTraceConfig(head="heatmap", frozen=False, scaling="own", dropout=0.1)
"""Backbone trained, feature pyramid, heat maps."""


class VolumeTraceNet(ScaledGrey):
    """One grey frame in, 21 lines out.

    Args:
        config: Head, scaling and whether the backbone is trained.
    """

    def __init__(self, config: VolumeTraceConfig | None = None) -> None:
        config = config or VolumeTraceConfig()
        super().__init__(*SCALINGS[config.scaling], 4)
        self.config = config
        self.backbone = MobileNetV2(last=config.head == "regression")
        self.head: nn.Module = (
            _RegressionHead(config.dropout)
            if config.head == "regression"
            else _HeatmapHead(config.width, config.dropout)
        )
        if config.frozen:
            self.backbone.requires_grad_(False)
            self.backbone.eval()

    def train(self, mode: bool = True) -> VolumeTraceNet:
        """As torch has it, but a frozen backbone keeps its batch statistics."""
        super().train(mode)
        if self.config.frozen:
            self.backbone.eval()
        return self

    def forward(self, grey: Tensor) -> Tensor:
        """Lines ``(b, 84)`` in parts of the side, of frames ``(b, 1, 112, 112)`` with grey in 0..1."""
        x = self.scaled(grey)
        seen = self.backbone(x) if self.config.head == "regression" else self.backbone.pyramid(x)
        out: Tensor = self.head(seen)
        return out


class _SeparableConv(nn.Sequential):
    """A filter for each channel, then a mixture of channels with a bias; no padding."""

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__(nn.Conv2d(c_in, c_in, kernel, groups=c_in, bias=False), nn.Conv2d(c_in, c_out, 1))


class _RegressionHead(nn.Sequential):
    """4 x 4 cells to 2 x 2 to the one cell whose channels are the coordinates."""

    def __init__(self, dropout: float) -> None:
        super().__init__(
            nn.Dropout(dropout),
            _SeparableConv(LAST_CHANNELS, N_NUMBERS, 3),
            nn.ReLU(),
            _SeparableConv(N_NUMBERS, N_NUMBERS, 2),
            nn.Sigmoid(),
            nn.Flatten(),
        )


class _HeatmapHead(nn.Module):
    """A feature pyramid down to a quarter of the resolution, a heat map for each end, its centre of mass."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.parts = [part for part in sorted(TAP_CHANNELS, reverse=True) if part >= HEATMAP_PART]
        self.lateral = nn.ModuleList(ConvNormAct(TAP_CHANNELS[part], width, 1) for part in self.parts)
        self.smooth = nn.ModuleList(ConvNormAct(width, width, 3) for _ in self.parts)
        self.dropout = nn.Dropout2d(dropout)
        self.heat = nn.Conv2d(width, N_NUMBERS // 2, 1)

    def forward(self, maps: dict[int, Tensor]) -> Tensor:
        x: Tensor | None = None
        for part, lateral, smooth in zip(self.parts, self.lateral, self.smooth, strict=True):
            here = lateral(maps[part])
            if x is not None:
                here = here + nn.functional.interpolate(x, size=here.shape[-2:], mode="nearest")
            x = smooth(here)
        assert x is not None
        return centres_of_mass(self.heat(self.dropout(x))).flatten(1)


def centres_of_mass(heat: Tensor) -> Tensor:
    """Where each heat map is warm, after a softmax over its cells.

    Args:
        heat: ``(b, k, h, w)`` logits.

    Returns:
        ``(b, k, 2)`` as (x, y) in parts of the side; the middle of the first pixel is 0 and the cells share the side evenly.
    """
    height, width = heat.shape[-2:]
    weight = torch.softmax(heat.flatten(2), -1).view(-1, heat.shape[1], height, width)
    half_pixel = 0.5 / (HEATMAP_PART * width)
    xs = (torch.arange(width, device=heat.device, dtype=heat.dtype) + 0.5) / width - half_pixel
    ys = (torch.arange(height, device=heat.device, dtype=heat.dtype) + 0.5) / height - half_pixel
    return torch.stack([(weight.sum(2) * xs).sum(-1), (weight.sum(3) * ys).sum(-1)], -1)
