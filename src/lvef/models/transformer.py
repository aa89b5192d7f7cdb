"""A video Transformer: MViTv2-S of torchvision, made to read grey clips of 112 x 112 and to give an EF.

Tensors are ``(batch, channel, time, height, width)``. The layers and their names are torchvision's, which is loaded
only when such a network is built. Its Kinetics weights were trained on 16 frames of 224 x 224: they fit any size but
for the tables of relative positions, which torchvision stretches to the size at hand.

Source: Li et al., "MViTv2: Improved Multiscale Vision Transformers", CVPR 2022.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lvef.core.errors import ConfigError, LvefError
from lvef.models.r2plus1d import ChannelScaling, ScaledGrey

PATCH = (2, 4, 4)
"""Frames, rows and columns that the first convolution makes one step of. Source: table 1 of the paper."""

WIDTH = 768
"""Features that come out. Source: the paper."""

KINETICS_MEAN, KINETICS_STD = (0.45 * 255,) * 3, (0.225 * 255,) * 3
"""Mean and spread of the channels that torchvision's weights expect, 0 to 255."""


@dataclass(frozen=True)
class TransformerConfig(ChannelScaling):
    """What the network is shown; the layers are fixed."""

    frames: int = 32
    """Frames of a clip."""
    size: int = 112
    """Side of the frames in pixels."""
    dropout: float = 0.5
    """Rate before the output. Source: torchvision."""
    mean: tuple[float, ...] = KINETICS_MEAN
    std: tuple[float, ...] = KINETICS_STD

    def __post_init__(self) -> None:
        if self.frames < 2 or self.frames % PATCH[0] or self.size < 32 or self.size % 16:
            raise ConfigError(
                f"frames {self.frames} and size {self.size} found; an even number of frames and a size from 32 that divides "
                "by 16 were expected."
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout {self.dropout:g} found; 0 to below 1 was expected.")
        super().__post_init__()


class TransformerEf(ScaledGrey):
    """A grey clip in, EF out.

    Args:
        config: Frames, size, scaling.

    Raises:
        TorchvisionMissingError: torchvision is not installed, or does not go with the torch that is.
    """

    def __init__(self, config: TransformerConfig | None = None) -> None:
        config = config or TransformerConfig()
        super().__init__(config.mean, config.std, 5)
        self.config = config
        self.net = _mvit_v2_s()
        # Steps after the first convolution, which torchvision notes for its own training size.
        self.net.pos_encoding.temporal_size = config.frames // PATCH[0]
        self.net.pos_encoding.spatial_size = (config.size // PATCH[1], config.size // PATCH[2])
        self.net.head = nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(WIDTH, 1)
        nn.init.trunc_normal_(self.output.weight, std=0.02)

    def forward(self, grey: Tensor) -> Tensor:
        """EF in percent ``(b,)`` of clips ``(b, 1, t, h, w)``, grey from 0 to 255 (a card's mean 0 and std 1/255)."""
        out: Tensor = self.output(self.dropout(self.features(grey))).squeeze(-1)
        return out

    def features(self, grey: Tensor) -> Tensor:
        """What the output is made of, ``(b, 768)``; arguments as `forward`.

        Raises:
            ConfigError: Clips of another size than the network was built for: its positions are counted.
        """
        shape, own = tuple(grey.shape[2:]), (self.config.frames, self.config.size, self.config.size)
        if shape != own:
            raise ConfigError(
                f"Clips of {shape[0]} frames of {shape[2]} x {shape[1]} pixels came to a network for {own[0]} frames of "
                f"{own[2]} x {own[1]}: set network.frames={shape[0]} and network.size={shape[1]} as the clips are."
            )
        out: Tensor = self.net(self.scaled(grey))
        return out

    def set_output_bias(self, mean_ef: float) -> None:
        """Let the output start at the mean EF of the training patients, in percent."""
        nn.init.constant_(self.output.bias, mean_ef)


class TorchvisionMissingError(LvefError):
    """A family whose layers come from torchvision was asked for where that cannot be loaded."""

    def __init__(self) -> None:
        super().__init__(
            "mvit-v2-s takes its layers from torchvision, which is missing or does not go with the torch that is installed: "
            "install torch and torchvision of one release from the same index."
        )


def _mvit_v2_s() -> Any:  # noqa: ANN401
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own deprecations
            from torchvision.models.video import mvit_v2_s
    except (ImportError, RuntimeError):
        # A torchvision built for another torch fails with a RuntimeError.
        raise TorchvisionMissingError from None
    return mvit_v2_s(weights=None)
