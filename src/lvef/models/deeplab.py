"""DeepLabv3 on a dilated ResNet-50: the network with which EchoNet-Dynamic's authors trace the left ventricle.

Tensors are ``(batch, channel, height, width)``. Keys of `DeepLabV3` are those of torchvision's ``deeplabv3_resnet50``
without the auxiliary classifier.

Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017; He et al., "Deep Residual
Learning for Image Recognition", CVPR 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lvef.models.channel_scaling import ChannelScaling

BLOCKS = (3, 4, 6, 3)
"""Blocks of each stage of ResNet-50. Source: table 1 of its paper."""

DILATIONS = ((1, 1), (1, 1), (1, 2), (2, 4))
"""Dilation of the first block of a stage and of those after it: the last two stages look further instead of shrinking."""

RATES = (12, 24, 36)
"""Dilations of the pyramid at an eighth of the resolution. Source: torchvision."""

EXPANSION, PYRAMID_WIDTH = 4, 256
"""Channels out of a block over those inside it, and channels of the pyramid."""


class DeepLabV3(nn.Module):
    """The network as torchvision names its parts.

    Args:
        n_classes: Maps that come out.
    """

    def __init__(self, n_classes: int = 1) -> None:
        super().__init__()
        self.backbone = _ResNet50()
        self.classifier = nn.Sequential(
            _Pyramid(512 * EXPANSION),
            nn.Conv2d(PYRAMID_WIDTH, PYRAMID_WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(PYRAMID_WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv2d(PYRAMID_WIDTH, n_classes, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(b, n_classes, h, w)`` of images ``(b, 3, h, w)``, normalised."""
        return _resized(self.classifier(self.backbone(x)), x.shape[-2:])


class DeepLabLv(nn.Module):
    """A grey frame in, probabilities of background and left ventricle out.

    Args:
        config: Scaling of the grey values.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ChannelScaling | None = None) -> None:
        super().__init__()
        self.config = config = config or ChannelScaling()
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1), persistent=False)
        self.net = DeepLabV3(1)

    def forward(self, grey: Tensor) -> Tensor:
        """``(b, 2, h, w)`` of frames ``(b, 1, h, w)``, grey from 0 to 255 (a card's mean 0 and std 1/255)."""
        lv = torch.sigmoid(self.net((grey.expand(-1, 3, -1, -1) - self.mean) / self.std))
        return torch.cat([1 - lv, lv], 1)


class _Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 around an identity."""

    def __init__(self, c_in: int, inside: int, stride: int, dilation: int) -> None:
        super().__init__()
        out = inside * EXPANSION
        self.conv1 = nn.Conv2d(c_in, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride != 1 or c_in != out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        inside = torch.relu(self.bn1(self.conv1(x)))
        inside = torch.relu(self.bn2(self.conv2(inside)))
        beside = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.bn3(self.conv3(inside)) + beside)


class _ResNet50(nn.Module):
    """ResNet-50 without its classifier, at an eighth of the resolution from the second stage on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        c_in = 64
        for i, (blocks, (first, others)) in enumerate(zip(BLOCKS, DILATIONS, strict=True)):
            inside, stride = 64 << i, 2 if i == 1 else 1
            layers = [_Bottleneck(c_in, inside, stride, first)]
            c_in = inside * EXPANSION
            layers += [_Bottleneck(c_in, inside, 1, others) for _ in range(blocks - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for i in range(len(BLOCKS)):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return x


class _Pyramid(nn.Module):
    """The maps seen with several dilations and as a whole, side by side."""

    def __init__(self, c_in: int) -> None:
        super().__init__()
        width = PYRAMID_WIDTH
        self.convs = nn.ModuleList(
            [
                _conv_norm(nn.Conv2d(c_in, width, 1, bias=False)),
                *(_conv_norm(nn.Conv2d(c_in, width, 3, 1, r, r, bias=False)) for r in RATES),
                nn.Sequential(
                    nn.AdaptiveAvgPool2d(1), *_conv_norm(nn.Conv2d(c_in, width, 1, bias=False)).children()
                ),
            ]
        )
        self.project = nn.Sequential(
            *_conv_norm(nn.Conv2d(len(self.convs) * width, width, 1, bias=False)).children(), nn.Dropout(0.5)
        )

    def forward(self, x: Tensor) -> Tensor:
        *near, whole = (conv(x) for conv in self.convs)
        # One cell fills the map; stretching it is the same in every way of stretching.
        seen = [*near, whole.expand(-1, -1, *x.shape[-2:])]
        out: Tensor = self.project(torch.cat(seen, 1))
        return out


def _conv_norm(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())


def _resized(maps: Tensor, size: torch.Size) -> Tensor:
    return nn.functional.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
