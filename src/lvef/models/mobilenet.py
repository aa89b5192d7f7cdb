"""MobileNetV2 without its classifier: what it sees in a frame, at five resolutions; and a plain decoder that labels pixels.

Keys of the state dict are those of torchvision's ``mobilenet_v2``, so that ImageNet weights saved from there load.
Tensors are ``(batch, channel, height, width)``.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 2.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from lvef.models.checkpoint import load_pretrained
from lvef.models.segmentation import ConvNormAct

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
    """Load weights saved from torchvision's ``mobilenet_v2``, or from here; see `lvef.models.checkpoint.load_pretrained`."""
    after_taps = max(TAPS.values()) + 1
    without = () if len(net.features) > after_taps else (f"features.{after_taps}.",)
    return load_pretrained(net, path, "mobilenet_v2", "classifier.", *without)


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


FINEST_PART = 4
"""The decoder ends at a quarter of the resolution and is enlarged from there."""


class BackboneSegmentation(nn.Module):
    """Grey image in, class logits out.

    Args:
        width: Channels of the decoder.
        n_classes: Background, LV cavity, myocardium, left atrium.
    """

    def __init__(self, width: int = 64, n_classes: int = 4) -> None:
        super().__init__()
        self.backbone = MobileNetV2(last=True)
        parts = [part for part in sorted(TAP_CHANNELS, reverse=True) if FINEST_PART <= part < max(TAPS)]
        self.parts = parts
        self.top = ConvNormAct(LAST_CHANNELS, width, 1)
        self.lateral = nn.ModuleList(ConvNormAct(TAP_CHANNELS[part], width, 1) for part in parts)
        self.smooth = nn.ModuleList(ConvNormAct(width, width, 3) for _ in parts)
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(b, n_classes, h, w)`` of grey images ``(b, 1, h, w)``, scaled as the backbone's weights want it."""
        size = x.shape[-2:]
        maps = self.backbone.pyramid(x.expand(-1, 3, -1, -1))
        x = self.top(self.backbone.features[-1](maps[max(TAPS)]))
        for part, lateral, smooth in zip(self.parts, self.lateral, self.smooth, strict=True):
            up = nn.functional.interpolate(x, size=maps[part].shape[-2:], mode="nearest")
            x = smooth(up + lateral(maps[part]))
        logits: Tensor = nn.functional.interpolate(
            self.head(x), size=size, mode="bilinear", align_corners=False
        )
        return logits


def backbone_state(net: BackboneSegmentation) -> dict[str, Tensor]:
    """The backbone's state dict, with the keys of torchvision's ``mobilenet_v2``; as `load_backbone` reads it."""
    return {name: value.detach().clone().contiguous() for name, value in net.backbone.state_dict().items()}
