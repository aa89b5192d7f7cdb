"""The two-stream network: what is seen and what moves, joined by attention over time.

Shapes: ``b`` clips, ``t`` frames of each stream (28), ``s`` pooled time steps (14), features of 128 numbers a step.
Both streams have the same layers and share no weights. The reading of the report is decision 0011:

- flatten and the dense layer act on each pooled time step, so a stream gives features ``(b, s, 128)``;
- attention ``a`` is the softmax over time of a dense layer of the spatial features, so for each of the 128 numbers
  the weights of all steps sum to 1; the context is ``sum over time of a * temporal features``;
- a stream's own EF comes from its features' mean over time.

`TwoStreamConfig` is the report's network. Of its 25,798,211 parameters 25,690,368 sit in the two dense layers that
read 32 x 56 x 56 numbers a step, and one clip costs 20 billion multiplications. `TUNED` keeps streams, attention and
fusion, but brings the maps to 32 x 7 x 7 with strided convolutions before the dense layer: 947,059 parameters, 401,664
of them in those layers, and 1.3 billion multiplications. Batch normalisation stands behind every convolution,
and weight decay in the optimiser takes the place of the L1 + L2 penalty, which at the report's values outweighs the
error of the EF when training starts. As an EF is the difference of two moments, the stream's own outputs see each
feature's largest value over time beside its mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lvef.core.errors import ConfigError

STEMS = ("report", "strided")
"""The convolutions of a stream."""


@dataclass(frozen=True)
class TwoStreamConfig:
    """Shape of the network and its penalty; everything needed to build it again. The defaults are the report's."""

    stem: str = "report"
    """``report``: two convolutions at full resolution, instance normalisation, pooling; ``strided``: five, down to 7 x 7."""
    widths: tuple[int, ...] = (32, 32)
    """Channels of the convolutions: two for ``report``, five for ``strided``."""
    features: int = 128
    """Numbers that a stream gives a time step. Source: the report."""
    fused: int = 256
    """Width of the dense layer behind the fusion. Source: the report."""
    dropout: float = 0.2
    """Rate behind each dense layer. Source: the report."""
    l1: float = 0.001
    """Weight of the sum of absolute kernel weights in `TwoStreamNet.penalty`. The report's grid: 0.01 and 0.001."""
    l2: float = 0.001
    """Weight of the sum of squared kernel weights. The report's grid: 0.01 and 0.001."""
    peak: bool = False
    """A stream's own output sees the largest value over time beside the mean."""
    joined_scale: float = 1.0
    """What the streams' own EFs are multiplied by where they join the context; 0.01 brings percent into its range."""
    ef_spread: float = 1.0
    """Percent of EF that a 1 of the three output layers stands for; above 1 they learn as fast as the layers before them."""
    size: int = 112
    """Side of the frames in pixels."""
    frames: int = 28
    """Frames of each stream."""

    def __post_init__(self) -> None:
        wanted = {"report": 2, "strided": 5}
        if self.stem not in wanted:
            raise ConfigError(f"stem {self.stem!r} found; {' or '.join(STEMS)} was expected.")
        if len(self.widths) != wanted[self.stem] or min(self.widths) < 1:
            raise ConfigError(
                f"widths {list(self.widths)} found; {wanted[self.stem]} of at least 1 were expected for stem {self.stem}."
            )
        if self.size < 16 or self.size % 16 or self.frames < 2 or self.frames % 2:
            raise ConfigError(
                f"size {self.size} and frames {self.frames} found; a size that divides by 16 and an even number of frames "
                "were expected."
            )
        if not 0 <= self.dropout < 1 or self.l1 < 0 or self.l2 < 0 or min(self.features, self.fused) < 1:
            raise ConfigError(
                f"dropout {self.dropout:g}, l1 {self.l1:g}, l2 {self.l2:g}, features {self.features}, fused {self.fused} "
                "found; a dropout from 0 to below 1, penalties from 0 and widths from 1 were expected."
            )


REPORT = TwoStreamConfig()
"""The report's network to the letter: 25,798,211 parameters."""

TUNED = TwoStreamConfig(
    stem="strided", widths=(24, 32, 64, 96, 32), l1=0.0, l2=0.0, peak=True, joined_scale=0.01, ef_spread=12.0
)
"""Small maps before the dense layer, batch normalisation, no penalty."""


class StreamOutputs(NamedTuple):
    """EF in percent of the fusion and of each stream alone, ``(b,)`` each."""

    fused: Tensor
    spatial: Tensor
    temporal: Tensor


class TwoStreamNet(nn.Module):
    """Spatial and temporal stream in, EF out.

    Args:
        config: Layers and penalty.
    """

    def __init__(self, config: TwoStreamConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TwoStreamConfig()
        self.spatial = _Stream(config)
        self.temporal = _Stream(config)
        self.attention = nn.Linear(config.features, config.features)
        self.fusion = nn.Linear(config.features + 2, config.fused)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.fused, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                # As Keras starts its layers, with which the report's network was made.
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor | StreamOutputs:
        """EF in percent.

        Args:
            spatial: ``(b, t, h, w)`` grey in 0..1.
            temporal: ``(b, t, h, w)`` differences of frames, each of mean 0 and standard deviation 1.

        Returns:
            The fused EF ``(b,)``; in training mode all three, see `all_outputs`.
        """
        outputs = self.all_outputs(spatial, temporal)
        return outputs if self.training else outputs.fused

    def all_outputs(self, spatial: Tensor, temporal: Tensor) -> StreamOutputs:
        """EF of the fusion and of both streams, in any mode; arguments as `forward`."""
        s, m = self.spatial(spatial), self.temporal(temporal)
        context = (self.attend(s) * m).sum(1)
        ef_s, ef_m = self.spatial.own_output(s), self.temporal.own_output(m)
        scale = self.config.joined_scale
        joined = torch.cat([context, scale * ef_s, scale * ef_m], -1)
        fused = self.output(self.dropout(torch.relu(self.fusion(joined)))).squeeze(-1) * self.config.ef_spread
        return StreamOutputs(fused, ef_s.squeeze(-1), ef_m.squeeze(-1))

    def attend(self, features: Tensor) -> Tensor:
        """Attention ``(b, s, 128)`` of spatial features of that shape: sums to 1 over the steps."""
        return torch.softmax(self.attention(features), 1)

    def penalty(self) -> Tensor:
        """``l1 * sum |w| + l2 * sum w^2`` of the kernels that the report penalises, to be added to the loss.

        They are the first convolution and the dense layer of each stream and the dense layer behind the fusion; no bias.
        """
        total = self.output.weight.new_zeros(())
        if not self.config.l1 and not self.config.l2:
            return total
        kernels = (*self.spatial.penalised(), *self.temporal.penalised(), self.fusion.weight)
        for kernel in kernels:
            total = total + self.config.l1 * kernel.abs().sum() + self.config.l2 * kernel.square().sum()
        return total

    def set_output_bias(self, mean_ef: float) -> None:
        """Let all three outputs start at the mean EF of the training patients.

        Args:
            mean_ef: Percent.
        """
        for layer in (self.output, self.spatial.output, self.temporal.output):
            nn.init.constant_(layer.bias, mean_ef / self.config.ef_spread)


class _Stream(nn.Module):
    """Frames of one stream to features a time step, and an EF of its own."""

    def __init__(self, config: TwoStreamConfig) -> None:
        super().__init__()
        self.body, side = _report_stem(config) if config.stem == "report" else _strided_stem(config)
        self.dense = nn.Linear(config.widths[-1] * side * side, config.features)
        self.dropout = nn.Dropout(config.dropout)
        self.peak, self.ef_spread = config.peak, config.ef_spread
        self.output = nn.Linear(config.features * (2 if config.peak else 1), 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Features ``(b, s, 128)`` of frames ``(b, t, h, w)``."""
        maps = self.body(frames.unsqueeze(1))  # (b, c, s, h', w')
        steps = maps.transpose(1, 2).flatten(2)  # (b, s, c * h' * w')
        return self.dropout(torch.relu(self.dense(steps)))

    def own_output(self, features: Tensor) -> Tensor:
        """EF ``(b, 1)`` of features ``(b, s, 128)``."""
        summary = features.mean(1)
        if self.peak:
            summary = torch.cat([summary, features.amax(1)], -1)
        out: Tensor = self.output(summary) * self.ef_spread
        return out

    def penalised(self) -> tuple[Tensor, Tensor]:
        """Kernels of the first convolution and of the dense layer."""
        return self.body[0].weight, self.dense.weight


def _report_stem(config: TwoStreamConfig) -> tuple[nn.Sequential, int]:
    first, second = config.widths
    layers = nn.Sequential(
        nn.Conv3d(1, first, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv3d(first, second, 3, padding=1),  # linear: its normalisation follows
        nn.InstanceNorm3d(second, affine=True),
        nn.MaxPool3d(2),
    )
    return layers, config.size // 2


def _strided_stem(config: TwoStreamConfig) -> tuple[nn.Sequential, int]:
    """56, 28 (time halved), 14 and 7 cells a side, then a narrow map, so that the dense layer stays small."""
    kernels = ((3, 5, 5), (3, 3, 3), (3, 3, 3), (3, 3, 3), (1, 1, 1))
    strides = ((1, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 2), (1, 1, 1))
    layers: list[nn.Module] = []
    c_in = 1
    for c_out, kernel, stride in zip(config.widths, kernels, strides, strict=True):
        padding = tuple(k // 2 for k in kernel)
        layers += [
            nn.Conv3d(c_in, c_out, kernel, stride, padding, bias=False),
            nn.BatchNorm3d(c_out),
            nn.ReLU(inplace=True),
        ]
        c_in = c_out
    return nn.Sequential(*layers), math.ceil(config.size / 16)
