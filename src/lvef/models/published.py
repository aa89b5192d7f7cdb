"""Networks that others published, read from their own checkpoints.

EchoNet-Dynamic (Ouyang et al., Nature 580, 2020) has two: one gives an EF for a clip, one marks the left ventricle on
a frame. The files are not fetched; a user downloads them from the authors' release and imports them.

What the checkpoints do not carry is known from the authors' code: 32 frames, every second one of clips at 50 Hz, so a
frame each 0.04 s; grey of three channels scaled by mean and spread over the training clips, see
`lvef.models.r2plus1d.ECHONET_MEAN`.

The network that marks the ventricle is DeepLabv3 on a dilated ResNet-50. Tensors are ``(batch, channel, height, width)``;
keys of `DeepLabV3` are those of torchvision's ``deeplabv3_resnet50`` without the auxiliary classifier.

Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017; He et al., "Deep Residual
Learning for Image Recognition", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lvef.core.errors import ConfigError, WeightsError
from lvef.core.journal import file_sha256
from lvef.models.checkpoint import load_into, read_state
from lvef.models.export import OUTPUT_NAME, write_onnx
from lvef.models.r2plus1d import ChannelScaling, R2Plus1dEf, ScaledGrey

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


class DeepLabLv(ScaledGrey):
    """A grey frame in, probabilities of background and left ventricle out.

    Args:
        config: Scaling of the grey values.
    """

    def __init__(self, config: ChannelScaling | None = None) -> None:
        config = config or ChannelScaling()
        super().__init__(config.mean, config.std, 4)
        self.config = config
        self.net = DeepLabV3(1)

    def forward(self, grey: Tensor) -> Tensor:
        """``(b, 2, h, w)`` of frames ``(b, 1, h, w)``, grey from 0 to 255 (a card's mean 0 and std 1/255)."""
        lv = torch.sigmoid(self.net(self.scaled(grey)))
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


RELEASE = "https://github.com/douyang/EchoNetDynamic/releases/download/v1.0.0/"
"""Where the authors hand the files out."""

CLIP_FRAMES, CLIP_STEP_S = 32, 0.04
"""Frames of a clip and seconds between them. Source: the authors' code: ``frames=32, period=2``, clips at 50 Hz."""

SIDE_PX = 112
"""Side of their images."""


@dataclass(frozen=True)
class Published:
    """A network that can be imported.

    Attributes:
        name: What it is asked for as, and the name on its card.
        file: Name of the authors' file.
        architecture: torchvision's name of the network.
        marker: A layer that only this network has, to tell one file from the other.
        network: Makes it, with a part ``net`` whose layers are named as in the file.
        shape: Input ``grey`` without the batch.
        output: Name of the output.
    """

    name: str
    file: str
    architecture: str
    marker: str
    network: Callable[[], nn.Module]
    shape: tuple[int, ...]
    output: str


_LISTED = (
    Published(
        name="echonet-ef",
        file="r2plus1d_18_32_2_pretrained.pt",
        architecture="r2plus1d_18",
        marker="fc.weight",
        network=R2Plus1dEf,
        shape=(1, CLIP_FRAMES, SIDE_PX, SIDE_PX),
        output="ef_percent",
    ),
    Published(
        name="echonet-lv",
        file="deeplabv3_resnet50_random.pt",
        architecture="deeplabv3_resnet50",
        marker="classifier.4.weight",
        network=DeepLabLv,
        shape=(1, SIDE_PX, SIDE_PX),
        output=OUTPUT_NAME,
    ),
)

PUBLISHED: Mapping[str, Published] = {network.name: network for network in _LISTED}
"""Name to network."""


def find_published(name: str) -> Published:
    """The published network of that name.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    if name not in PUBLISHED:
        raise ConfigError(f"{name!r} found; {' or '.join(PUBLISHED)} was expected.")
    return PUBLISHED[name]


def load_published(name: str, path: Path) -> nn.Module:
    """A published network with its authors' weights.

    Args:
        name: One of `PUBLISHED`.
        path: The authors' file. It is read without running anything it says.

    Returns:
        ``echonet-ef``: clips ``(b, 1, 32, 112, 112)`` to EF in percent ``(b,)``. ``echonet-lv``: frames
        ``(b, 1, 112, 112)`` to probabilities of background and left ventricle ``(b, 2, 112, 112)``. Grey is from 0 to 255
        in both.

    Raises:
        ConfigError: No such network.
        WeightsError: The file cannot be read safely, or holds another network.
    """
    wanted = find_published(name)
    state = read_state(path)
    _refuse_the_other(wanted, state, path)
    net = wanted.network()
    inside = net.get_submodule("net")
    load_into(inside, state, path, f"EchoNet-Dynamic's {wanted.architecture} ({wanted.file})")
    return net.eval()


def import_published(name: str, path: Path, model: Path, *, half: bool = False) -> tuple[str, int]:
    """Turn a published checkpoint into an ONNX file.

    Args:
        name: One of `PUBLISHED`.
        path: The authors' file.
        model: File to write.
        half: Store the weights in half precision.

    Returns:
        SHA-256 of the authors' file, and the number of parameters.

    Raises:
        ConfigError: No such network.
        WeightsError: The file cannot be read safely, or holds another network.
        DataError: The ONNX file cannot be written.
    """
    wanted = find_published(name)
    net = load_published(name, path)
    write_onnx(net, {"grey": wanted.shape}, wanted.output, model, half=half)
    return file_sha256(path), sum(p.numel() for p in net.parameters())


def _refuse_the_other(wanted: Published, state: Mapping[str, Tensor], path: Path) -> None:
    """A file that is the other published network is called by its name."""
    for other in _LISTED:
        if other is not wanted and other.marker in state and wanted.marker not in state:
            raise WeightsError(
                f"{path}: is a {other.architecture}, but {wanted.name} is a {wanted.architecture}; for this file run "
                f"lvef weights import {other.name}."
            )
