"""Networks that are small, have lived a little, and files of them as others would write them."""

from __future__ import annotations

import hashlib

import torch

SMALL = {
    "two-stream report": (
        "two-stream",
        {"widths": [3, 4], "features": 8, "fused": 12, "size": 16, "frames": 4},
        {"spatial": (4, 16, 16), "temporal": (4, 16, 16)},
    ),
    "two-stream tuned": (
        "two-stream",
        {"preset": "tuned", "widths": [4, 4, 6, 8, 4], "features": 8, "fused": 12, "size": 32, "frames": 6},
        {"spatial": (6, 32, 32), "temporal": (6, 32, 32)},
    ),
    "volume-trace report": ("volume-trace", {}, {"grey": (1, 112, 112)}),
    "volume-trace tuned": ("volume-trace", {"preset": "tuned", "width": 8}, {"grey": (1, 64, 64)}),
    "small-video": (
        "small-video",
        {"stem": 4, "widths": [6, 8], "blocks": [1, 2], "time_strides": [1, 2]},
        {"grey": (1, 7, 24, 24)},
    ),
    "r2plus1d-18": ("r2plus1d-18", {}, {"grey": (1, 4, 16, 16)}),
    "segnet": ("segnet", {"widths": [4, 4, 8, 8], "encoder_blocks": [1, 1, 1, 1]}, {"grey": (1, 32, 32)}),
}
"""Family, settings and inputs, small enough for a test; only what must have its full size has it."""


def lived(net, seed=0):
    """The network with batch statistics, biases and gains as training leaves them: no zeros and ones."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.2, generator=generator)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.is_floating_point() and tensor.dim() == 1:
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    return net.eval()


def inputs(shapes, n, seed=0, scale=1.0):
    """Random inputs of those shapes, batch first."""
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.rand(n, *shape, generator=generator) for shape in shapes.values()]


def patterns(shapes, n, seed=0, scale=1.0):
    """Clips or frames of soft patterns that a network can tell apart, batch first."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for shape in shapes.values():
        coarse = torch.rand(n, shape[-3], 4, 4, generator=generator)
        fine = torch.nn.functional.interpolate(coarse, size=shape[-2:], mode="bilinear")
        made.append(scale * fine.view(n, *shape))
    return made


def settle(net, *x):
    """Batch statistics of a part of a network as these inputs have them, as if it had been trained."""
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    net.train()
    with torch.no_grad():
        net(*x)
    net.eval()


def layout(state):
    """SHA-256 of all names and shapes."""
    rows = "\n".join(f"{name} {tuple(tensor.shape)}" for name, tensor in sorted(state.items()))
    return hashlib.sha256(rows.encode()).hexdigest()
