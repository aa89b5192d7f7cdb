"""A small residual U-Net that labels every pixel of an apical view.

Tensors are ``(batch, channel, height, width)``. Height and width are halved at the stem, so that all wide layers work at
half resolution or below (that is where a CPU spends its time), and the head gives the full resolution back by
sub-pixel shuffling: four half-resolution maps a class, interleaved.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SegNetConfig:
    """Shape of the network; everything needed to build it again."""

    widths: tuple[int, ...] = (32, 64, 128, 192)
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the input's resolution."""
    encoder_blocks: tuple[int, ...] = (1, 1, 1, 2)
    """Residual blocks a level on the way down."""
    decoder_blocks: tuple[int, ...] = (1, 1, 1)
    """Plain convolutions a level on the way up, finest first."""
    in_frames: int = 1
    """Frames of the clip that are shown, one channel each."""
    n_classes: int = 4
    """Background, LV cavity, myocardium, left atrium."""


class ConvNormAct(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, act: bool = True) -> None:
        padding = (kernel - stride + 1) // 2 if kernel % 2 == 0 else kernel // 2
        layers: list[nn.Module] = [
            nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(c_out),
        ]
        if act:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvNormAct(channels, channels), ConvNormAct(channels, channels, act=False))

    def forward(self, x: Tensor) -> Tensor:
        """``(b, c, h, w)`` to the same shape."""
        return torch.relu(x + self.body(x))


class SegNet(nn.Module):
    """Grey image in, class logits out.

    Args:
        config: Widths and depths.
    """

    def __init__(self, config: SegNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SegNetConfig()
        w = config.widths
        self.stem = ConvNormAct(config.in_frames, w[0], kernel=4, stride=2)  # (b, w0, h/2, w/2)
        self.down = nn.ModuleList(ConvNormAct(w[i - 1], w[i], stride=2) for i in range(1, len(w)))
        self.encoder = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(c) for _ in range(n)))
            for c, n in zip(w, config.encoder_blocks, strict=True)
        )
        self.lateral = nn.ModuleList(ConvNormAct(w[i + 1], w[i], kernel=1) for i in range(len(w) - 1))
        self.decoder = nn.ModuleList(
            nn.Sequential(*(ConvNormAct(w[i], w[i]) for _ in range(n)))
            for i, n in enumerate(config.decoder_blocks)
        )
        self.head = nn.Conv2d(w[0], 4 * config.n_classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(b, n_classes, h, w)`` of grey images ``(b, in_frames, h, w)``; h and w divide by 16."""
        x = self.stem(x)
        skips: list[Tensor] = []
        for level, blocks in enumerate(self.encoder):
            if level:
                x = self.down[level - 1](x)
            x = blocks(x)
            skips.append(x)
        for level in reversed(range(len(self.decoder))):
            up = nn.functional.interpolate(self.lateral[level](x), scale_factor=2.0, mode="nearest")
            x = self.decoder[level](up + skips[level])
        return nn.functional.pixel_shuffle(self.head(x), 2)
