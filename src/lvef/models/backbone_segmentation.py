"""MobileNetV2 that labels pixels: how a backbone gets weights of our own where photographs are out of reach.

Tensors are ``(batch, channel, height, width)``. The decoder is as plain as it can be, so that what is learned lies in the
backbone; the decoder starts from the last convolution (1280 channels), which the report's head reads. Only the backbone is
kept.
"""

from __future__ import annotations

from torch import Tensor, nn

from lvef.models.mobilenet import LAST_CHANNELS, TAP_CHANNELS, TAPS, MobileNetV2

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
        self.top = _conv(LAST_CHANNELS, width, 1)
        self.lateral = nn.ModuleList(_conv(TAP_CHANNELS[part], width, 1) for part in parts)
        self.smooth = nn.ModuleList(_conv(width, width, 3) for _ in parts)
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(b, n_classes, h, w)`` of grey images ``(b, 1, h, w)``, scaled as the backbone's weights want it."""
        size = x.shape[-2:]
        x = x.expand(-1, 3, -1, -1)
        places = {index: part for part, index in TAPS.items()}
        maps = {}
        for i, layer in enumerate(self.backbone.features):
            x = layer(x)
            if i in places:
                maps[places[i]] = x
        x = self.top(x)
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


def _conv(c_in: int, c_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )
