"""MobileNetV2 without its classifier: what it sees in a frame, at five resolutions.

Keys of the state dict are those of torchvision's ``mobilenet_v2``, so that ImageNet weights saved from there load.
Tensors are ``(batch, channel, height, width)``.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 2.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from lvef.core.errors import WeightsError
from lvef.models.checkpoint import digest_of, load_into, read_state

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks and first stride of each stage. Source: table 2 of the paper."""

STEM_CHANNELS, LAST_CHANNELS = 32, 1280
"""Channels of the first and of the last convolution. Source: table 2 of the paper."""

TAPS = {2: 1, 4: 3, 8: 6, 16: 13, 32: 17}
"""Index of the last layer at each part of the input's resolution (1/2, 1/4 ...), the last convolution aside."""

TAP_CHANNELS = {2: 16, 4: 24, 8: 32, 16: 96, 32: 320}
"""Channels there."""


class MobileNetV2(nn.Module):
    """The convolutions of MobileNetV2.

    Args:
        last: With the last convolution (320 to 1280 channels), which classifiers read and maps do without.
    """

    def __init__(self, last: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = [_ConvNorm(3, STEM_CHANNELS, 3, 2)]
        channels = STEM_CHANNELS
        for expansion, wanted, blocks, stride in STAGES:
            for i in range(blocks):
                layers.append(_InvertedResidual(channels, wanted, stride if i == 0 else 1, expansion))
                channels = wanted
        if last:
            layers.append(_ConvNorm(channels, LAST_CHANNELS, 1))
        self.features = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """``(b, 3, h, w)`` in the scaling of the weights to ``(b, 1280, h/32, w/32)``."""
        out: Tensor = self.features(x)
        return out

    def pyramid(self, x: Tensor) -> dict[int, Tensor]:
        """The maps at each of `TAPS`: part of the resolution to ``(b, TAP_CHANNELS, h/part, w/part)``."""
        maps = {}
        parts = {index: part for part, index in TAPS.items()}
        for i, layer in enumerate(self.features[: max(parts) + 1]):
            x = layer(x)
            if i in parts:
                maps[parts[i]] = x
        return maps


def load_backbone(net: MobileNetV2, path: Path) -> str:
    """Load weights saved from torchvision's ``mobilenet_v2`` (or from here); a classifier in the file is left out.

    Args:
        net: Network that gets them.
        path: File with a state dict.

    Returns:
        SHA-256 of the file.

    Raises:
        WeightsError: The file cannot be read safely, or holds another network.
    """
    state = {k: v for k, v in read_state(path).items() if not k.startswith("classifier.")}
    has_last = len(net.features) == max(TAPS.values()) + 2
    if not has_last:
        state = {k: v for k, v in state.items() if not k.startswith(f"features.{max(TAPS.values()) + 1}.")}
    if not state:
        raise WeightsError(
            f"{path}: holds no layer of mobilenet_v2; a state dict saved from it was expected."
        )
    load_into(net, state, path, "mobilenet_v2")
    return digest_of(path)


class _ConvNorm(nn.Sequential):
    """Convolution, batch normalisation, ReLU6."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU6(inplace=True),
        )


class _InvertedResidual(nn.Module):
    """Widen, filter each channel on its own, narrow; added to what came in where the shape allows."""

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        widen = [_ConvNorm(c_in, hidden, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *widen,
            _ConvNorm(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.adds = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.adds else out
