"""R(2+1)D-18, the video network with which EchoNet-Dynamic's authors reached an EF error of 4 points.

Tensors are ``(batch, channel, time, height, width)``. Keys of `R2Plus1d18` are those of torchvision's
``r2plus1d_18``, so that Kinetics weights saved from there and EchoNet-Dynamic's own load.

Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018; Ouyang et al.,
"Video-based AI for beat-to-beat assessment of cardiac function", Nature 580, 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lvef.core.errors import ConfigError

ECHONET_MEAN, ECHONET_STD = (32.49, 32.63, 32.93), (49.87, 49.88, 50.13)
"""Mean and spread of each channel over EchoNet-Dynamic's training frames, grey from 0 to 255, to two decimals (FACTS). The
checkpoint does not carry them: its authors' code measures them anew on the training videos each time."""


@dataclass(frozen=True)
class ChannelScaling:
    """Scaling of the grey values; the layers are fixed."""

    mean: tuple[float, ...] = ECHONET_MEAN
    """Subtracted from each channel, grey from 0 to 255."""
    std: tuple[float, ...] = ECHONET_STD
    """Divides after that."""

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError(
                f"mean {list(self.mean)} and std {list(self.std)} found; three of each, and spreads above 0, were expected."
            )


class ScaledGrey(nn.Module):
    """A network whose input is grey, and whose layers are of three scaled channels.

    Args:
        mean: Subtracted from each channel.
        std: Divides after that.
        axes: Axes of the input, batch and channel among them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], axes: int) -> None:
        super().__init__()
        shape = (1, 3, *[1] * (axes - 2))
        self.register_buffer("mean", torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape), persistent=False)

    def scaled(self, grey: Tensor) -> Tensor:
        """Three channels ``(b, 3, ...)`` of grey ``(b, 1, ...)``."""
        return (grey.expand(-1, 3, *[-1] * (grey.dim() - 2)) - self.mean) / self.std


STAGES = (64, 128, 256, 512)
"""Channels of the four stages of two blocks each. Source: table 1 of the paper, 18 layers."""

STEM_MIDDLE = 45
"""Channels between the two halves of the first convolution. Source: the authors' code, as torchvision has it."""

KINETICS_MEAN = (0.43216 * 255, 0.394666 * 255, 0.37645 * 255)
"""Mean of each channel that torchvision's Kinetics weights expect, 0 to 255."""

KINETICS_STD = (0.22803 * 255, 0.22145 * 255, 0.216989 * 255)
"""Their spread."""


class R2Plus1d18(nn.Module):
    """The network as torchvision names its parts.

    Args:
        n_outputs: Width of the last layer.
    """

    def __init__(self, n_outputs: int = 400) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, STEM_MIDDLE, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(STEM_MIDDLE),
            nn.ReLU(inplace=True),
            nn.Conv3d(STEM_MIDDLE, STAGES[0], (3, 1, 1), 1, (1, 0, 0), bias=False),
            nn.BatchNorm3d(STAGES[0]),
            nn.ReLU(inplace=True),
        )
        self.layer1 = _stage(STAGES[0], STAGES[0], 1)
        self.layer2 = _stage(STAGES[0], STAGES[1], 2)
        self.layer3 = _stage(STAGES[1], STAGES[2], 2)
        self.layer4 = _stage(STAGES[2], STAGES[3], 2)
        self.fc = nn.Linear(STAGES[3], n_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """``(b, 3, t, h, w)``, normalised, to ``(b, n_outputs)``."""
        out: Tensor = self.fc(self.features(x))
        return out

    def features(self, x: Tensor) -> Tensor:
        """``(b, 512)`` of clips ``(b, 3, t, h, w)``."""
        for part in (self.stem, self.layer1, self.layer2, self.layer3, self.layer4):
            x = part(x)
        return x.mean((2, 3, 4))


class R2Plus1dEf(ScaledGrey):
    """A grey clip in, EF out.

    Args:
        config: Scaling of the grey values.
    """

    def __init__(self, config: ChannelScaling | None = None) -> None:
        config = config or ChannelScaling()
        super().__init__(config.mean, config.std, 5)
        self.config = config
        self.net = R2Plus1d18(1)

    def forward(self, grey: Tensor) -> Tensor:
        """EF in percent ``(b,)`` of clips ``(b, 1, t, h, w)``, grey from 0 to 255 (a card's mean 0 and std 1/255)."""
        out: Tensor = self.net.fc(self.features(grey)).squeeze(-1)
        return out

    def features(self, grey: Tensor) -> Tensor:
        """What the output is made of, ``(b, 512)``; arguments as `forward`."""
        return self.net.features(self.scaled(grey))

    def set_output_bias(self, mean_ef: float) -> None:
        """Let the output start at the mean EF of the training patients, in percent."""
        nn.init.constant_(self.net.fc.bias, mean_ef)


class _FactorisedConv(nn.Sequential):
    """A convolution over space, then one over time, with as many weights in all as one of 3 x 3 x 3 has."""

    def __init__(self, c_in: int, c_out: int, middle: int, stride: int) -> None:
        super().__init__(
            nn.Conv3d(c_in, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, c_out, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
        )


class _Block(nn.Module):
    """Two factorised convolutions, added to what came in."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        middle = (c_in * c_out * 27) // (c_in * 9 + 3 * c_out)
        self.conv1 = nn.Sequential(
            _FactorisedConv(c_in, c_out, middle, stride), nn.BatchNorm3d(c_out), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(_FactorisedConv(c_out, c_out, middle, 1), nn.BatchNorm3d(c_out))
        self.downsample: nn.Module | None = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                nn.Conv3d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm3d(c_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        beside = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.conv2(self.conv1(x)) + beside)


def _stage(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Block(c_in, c_out, stride), _Block(c_out, c_out, 1))
