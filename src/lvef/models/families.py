"""All network families by name: how each is built, what goes in, what comes out.

A family's settings are those of its config. ``preset`` names a set of them to start from, and every other key replaces one:

    build("two-stream", {"preset": "tuned", "dropout": 0.4})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from lvef.core.config import from_mapping, to_mapping
from lvef.core.errors import ConfigError
from lvef.models import two_stream, volume_trace
from lvef.models.r2plus1d import ChannelScaling, R2Plus1dEf
from lvef.models.segmentation import SegNet, SegNetConfig
from lvef.models.small_video import SmallVideoConfig, SmallVideoNet
from lvef.models.transformer import TransformerConfig, TransformerEf
from lvef.models.two_stream import TwoStreamConfig, TwoStreamNet
from lvef.models.view import ViewNet, ViewNetConfig
from lvef.models.volume_trace import VolumeTraceConfig, VolumeTraceNet

CLIP_FRAMES, CLIP_SIDE_PX = 32, 112
"""Frames and side of a clip unless a recipe says otherwise. Source: EchoNet-Dynamic's published network."""

STILL_SIDE_PX = 128
"""Side of the images that are segmented unless a recipe says otherwise."""

VIEW_SIDE_PX = 96
"""Side of the images whose view is recognised: coarser than any dataset's own resampling, which must not tell the views."""

PRESET_KEY = "preset"
"""Setting that names a set of settings."""


@dataclass(frozen=True)
class Family:
    """One kind of network.

    Attributes:
        name: Name in recipes and cards.
        kind: Kind of the card, one of `lvef.core.terms.KINDS`.
        config: Type of its settings.
        network: Makes the network from them.
        presets: Named settings; the first is the default.
        inputs: Names of the inputs, and their shapes without the batch.
        output: Name of the output.
    """

    name: str
    kind: str
    config: type[Any]
    network: Callable[[Any], nn.Module]
    presets: Mapping[str, Any]
    inputs: Mapping[str, tuple[int, ...]]
    output: str


def _reader_of_clips(
    name: str, config: type[Any], network: Callable[[Any], nn.Module], preset: str
) -> Family:
    """A network that reads the EF of grey clips, with one set of settings."""
    clip = {"grey": (1, CLIP_FRAMES, CLIP_SIDE_PX, CLIP_SIDE_PX)}
    return Family(name, "ef-clip", config, network, {preset: config()}, clip, "ef_percent")


_LISTED = (
    Family(
        name="two-stream",
        kind="ef-two-stream",
        config=TwoStreamConfig,
        network=TwoStreamNet,
        presets={"report": two_stream.REPORT, "tuned": two_stream.TUNED},
        inputs={"spatial": (28, 112, 112), "temporal": (28, 112, 112)},
        output="ef_percent",
    ),
    Family(
        name="volume-trace",
        kind="volume-trace",
        config=VolumeTraceConfig,
        network=VolumeTraceNet,
        presets={
            "report": volume_trace.REPORT,
            "report-own-backbone": volume_trace.OWN_BACKBONE,
            "tuned": volume_trace.TUNED,
        },
        inputs={"grey": (1, volume_trace.SIDE_PX, volume_trace.SIDE_PX)},
        output="lines",
    ),
    _reader_of_clips("r2plus1d-18", ChannelScaling, R2Plus1dEf, "echonet"),
    _reader_of_clips("mvit-v2-s", TransformerConfig, TransformerEf, "default"),
    _reader_of_clips("small-video", SmallVideoConfig, SmallVideoNet, "default"),
    Family(
        name="segnet",
        kind="segmentation",
        config=SegNetConfig,
        network=SegNet,
        presets={"default": SegNetConfig()},
        inputs={"grey": (1, STILL_SIDE_PX, STILL_SIDE_PX)},
        output="probability",
    ),
    Family(
        name="view",
        kind="view",
        config=ViewNetConfig,
        network=ViewNet,
        presets={"default": ViewNetConfig()},
        inputs={"grey": (1, VIEW_SIDE_PX, VIEW_SIDE_PX)},
        output="view",
    ),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _LISTED}
"""Name to family."""


def find_family(name: str) -> Family:
    """The family of that name.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    if name not in FAMILIES:
        raise ConfigError(f"family {name!r} found; known are {', '.join(sorted(FAMILIES))}.")
    return FAMILIES[name]


def settings_of(family: str, settings: Mapping[str, Any], where: str = "[network]") -> Any:  # noqa: ANN401
    """The config that settings give: those of the preset, with every other key replaced.

    Args:
        family: Name of a family.
        settings: Fields of its config, and ``preset``.
        where: Place they were read from, for the message.

    Raises:
        ConfigError: An unknown family, preset or key, or a value that cannot be.
    """
    found = find_family(family)
    given = dict(settings)
    preset = given.pop(PRESET_KEY, next(iter(found.presets)))
    if preset not in found.presets:
        raise ConfigError(f"{where}: preset {preset!r} found; {family} has {', '.join(found.presets)}.")
    return from_mapping(found.config, {**to_mapping(found.presets[preset]), **given}, where)


def build(family: str, settings: Mapping[str, Any]) -> nn.Module:
    """A network with fresh weights; arguments and errors as `settings_of`.

    Raises:
        TorchvisionMissingError: The family needs torchvision, which is not installed.
    """
    return find_family(family).network(settings_of(family, settings))


def count_parameters(net: nn.Module) -> tuple[int, int]:
    """Numbers in a network with its batch statistics, and those of them that are trained.

    Counters of batches (``num_batches_tracked``) are no parameters and are left out.
    """
    state = net.state_dict()
    total = sum(t.numel() for name, t in state.items() if not name.endswith("num_batches_tracked"))
    return total, sum(p.numel() for p in net.parameters() if p.requires_grad)


def describe(family: str, net: nn.Module) -> dict[str, Any]:
    """What a card says of a network's architecture: family, numbers, settings."""
    total, trained = count_parameters(net)
    return {"family": family, "parameters": total, "trained_parameters": trained, **to_mapping(net.config)}
