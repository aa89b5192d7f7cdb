"""A small video network, of the size of X3D and MoViNet, made for processors without a GPU.

Tensors are ``(batch * time, channel, height, width)`` while space is filtered and ``(batch, channel, time, height *
width)`` while time is. Space (3 x 3) and time (3) are filtered apart, as in R(2+1)D and the (2+1)D form of MoViNet,
and both by two-dimensional convolutions: with channels last in memory the one shape is a view of the other, and a
step of training takes a third of what three-dimensional convolutions take. Filters mix all channels. Filters of one
channel each, as X3D has, need fewer multiplications but more time on a processor, where memory and not arithmetic is
short.

What the blocks found is averaged over the image; over time the mean and the largest value of each feature are both
kept, as an EF is the difference of two moments.

Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions", CVPR 2018; Kondratyuk et al., "MoViNets", CVPR
2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lvef.core.errors import ConfigError
from lvef.models.segmentation import ConvNormAct

EF_SPREAD = 12.0
"""Percent of EF that a 1 of the last layer stands for: weights then have the size that optimisers are made for, where an
output in percent learns its first ten points a thousandth at a time. Source: spread of EF in EchoNet-Dynamic (SPEC 2)."""


@dataclass(frozen=True)
class SmallVideoConfig:
    """Shape of the network; everything needed to build it again."""

    stem: int = 24
    """Channels at half the resolution."""
    widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels at 1/4, 1/8, 1/16 and 1/32 of the resolution."""
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    """Blocks there."""
    time_strides: tuple[int, ...] = (1, 2, 1, 2)
    """Steps in time of the first block there."""
    dropout: float = 0.3
    """Rate before the output."""

    def __post_init__(self) -> None:
        if not len(self.widths) == len(self.blocks) == len(self.time_strides) or not self.widths:
            raise ConfigError(
                f"{len(self.widths)} widths, {len(self.blocks)} blocks and {len(self.time_strides)} time_strides found; "
                "as many of each were expected."
            )
        if min(self.stem, *self.widths, *self.blocks, *self.time_strides) < 1:
            raise ConfigError("a width, number of blocks or stride below 1 found; at least 1 was expected.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout:g} found; 0 to below 1 was expected.")


class SmallVideoNet(nn.Module):
    """A grey clip in, EF out.

    Args:
        config: Widths and depths.
    """

    def __init__(self, config: SmallVideoConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SmallVideoConfig()
        self.stem = ConvNormAct(1, config.stem, 5, 2)
        layers: list[_Block] = []
        channels = config.stem
        for width, n, time_stride in zip(config.widths, config.blocks, config.time_strides, strict=True):
            for i in range(n):
                over_time, over_space = (time_stride, 2) if i == 0 else (1, 1)
                layers.append(_Block(channels, width, over_time, over_space))
                channels = width
        self.blocks = nn.ModuleList(layers)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(2 * channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        for block in layers:
            nn.init.zeros_(block.time_norm.weight)  # a block starts as its shortcut
        nn.init.normal_(self.output.weight, std=0.01)

    def forward(self, grey: Tensor) -> Tensor:
        """EF in percent ``(b,)`` of clips ``(b, 1, t, h, w)``, grey levels as the card scales them."""
        out: Tensor = EF_SPREAD * self.output(self.dropout(self.features(grey))).squeeze(-1)
        return out

    def features(self, grey: Tensor) -> Tensor:
        """What the output is made of, ``(b, 2 * last width)``; arguments as `forward`."""
        times = grey.shape[2]
        x = grey.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, times)
            times = block.times_after(times)
        steps = x.mean((2, 3)).unflatten(0, (-1, times))  # (b, t, c)
        return torch.cat([steps.mean(1), steps.amax(1)], 1)

    def set_output_bias(self, mean_ef: float) -> None:
        """Let the output start at the mean EF of the training patients, in percent."""
        nn.init.constant_(self.output.bias, mean_ef / EF_SPREAD)


class _Block(nn.Module):
    """Filters over space, then over time, added to what came in."""

    def __init__(self, c_in: int, c_out: int, over_time: int, over_space: int) -> None:
        super().__init__()
        self.over_time = over_time
        self.space = ConvNormAct(c_in, c_out, 3, over_space)
        self.time = nn.Conv2d(c_out, c_out, (3, 1), (over_time, 1), (1, 0), bias=False)
        self.time_norm = nn.BatchNorm2d(c_out)
        self.shortcut: nn.Module = nn.Identity()
        if (c_in, over_space) != (c_out, 1):
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(over_space, ceil_mode=True) if over_space > 1 else nn.Identity(),
                nn.Conv2d(c_in, c_out, 1, bias=False),
                nn.BatchNorm2d(c_out),
            )

    def times_after(self, times: int) -> int:
        """Time steps that come out."""
        return (times - 1) // self.over_time + 1

    def forward(self, x: Tensor, times: int) -> Tensor:
        """``(b * times, c_in, h, w)`` to ``(b * times_after, c_out, h', w')``."""
        inside = self.space(x)
        height = inside.shape[2]
        inside = _as_images(self.time_norm(self.time(_as_courses(inside, times))), height)
        beside = self.shortcut(x)
        if self.over_time > 1:
            # The steps that the filter over time is centred on.
            beside = beside.unflatten(0, (-1, times))[:, :: self.over_time].flatten(0, 1)
        return torch.relu(beside + inside)


def _as_courses(images: Tensor, times: int) -> Tensor:
    """``(b * t, c, h, w)`` to ``(b, c, t, h * w)``; a view where channels lie last in memory."""
    return images.unflatten(0, (-1, times)).transpose(1, 2).flatten(3)


def _as_images(courses: Tensor, height: int) -> Tensor:
    """The way back."""
    return courses.transpose(1, 2).flatten(0, 1).unflatten(2, (height, -1))
