"""Networks that others published, read from their own checkpoints.

EchoNet-Dynamic (Ouyang et al., Nature 580, 2020) has two: one gives an EF for a clip, one marks the left ventricle on
a frame. The files are not fetched; a user downloads them from the authors' release and imports them.

What the checkpoints do not carry is known from the authors' code: 32 frames, every second one of clips at 50 Hz, so a
frame each 0.04 s; grey of three channels scaled by mean and spread over the training clips, see
`lvef.models.channel_scaling.ECHONET_MEAN`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from lvef.core.errors import ConfigError, WeightsError
from lvef.models.checkpoint import digest_of, load_into, read_state
from lvef.models.deeplab import DeepLabLv
from lvef.models.export import OUTPUT_NAME, write_onnx
from lvef.models.r2plus1d import R2Plus1dEf

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
    return digest_of(path), sum(p.numel() for p in net.parameters())


def _refuse_the_other(wanted: Published, state: Mapping[str, Tensor], path: Path) -> None:
    """A file that is the other published network is called by its name."""
    for other in _LISTED:
        if other is not wanted and other.marker in state and wanted.marker not in state:
            raise WeightsError(
                f"{path}: is a {other.architecture}, but {wanted.name} is a {wanted.architecture}; for this file run "
                f"lvef weights import {other.name}."
            )
