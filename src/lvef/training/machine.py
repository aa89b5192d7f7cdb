"""On what a run computes: words of the command line, none of which moves the numbers on purpose."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import torch

from lvef.core.errors import ConfigError
from lvef.training.recipe import SMALL_VIDEO

DEVICES = ("auto", "cpu", "cuda")
"""What may be asked for."""

SEGNET = "segnet"
"""Family of the segmentation networks, which have recipes of their own."""

BF16_ON_PROCESSORS = (SEGNET, SMALL_VIDEO)
"""Families that train in bf16 on a processor as well as in f32. The others have 3-D convolutions, whose bf16 gradients torch
2.13 gets wrong there (up to 2e35 where f32 has 5), or give places in the image, which bf16 rounds by up to 0.002 of the
side."""


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies in bf16 (AVX-512 BF16 or AMX); else torch emulates it, ten times slower than f32."""
    # torch has had both since 2.5, under names that may change.
    asked = (
        getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return any(has is not None and has() for has in asked)


@dataclass(frozen=True)
class Machine:
    """Device, number of them, and who loads."""

    device: str = "auto"
    """auto (a GPU where torch finds one), cpu or cuda."""
    devices: int = 1
    """GPUs, or processes on processors, of each machine."""
    num_nodes: int = 1
    """Machines."""
    strategy: str = "auto"
    """How several devices share the work, by Lightning's names: auto, ddp, fsdp ..."""
    workers: int = 0
    """Processes that load cases, for each device; 0 loads in the training process."""

    def accelerator(self) -> str:
        """Lightning's name of the device.

        Raises:
            ConfigError: A GPU is asked for where there is none, or an unknown device.
        """
        if self.device not in DEVICES:
            raise ConfigError(f"device {self.device!r} found; {', '.join(DEVICES)} were expected.")
        there = torch.cuda.is_available()
        if self.device == "cuda" and not there:
            raise ConfigError(
                f"device cuda: torch {torch.__version__} finds no GPU here; give --device cpu, or install the driver and a "
                "CUDA build of torch."
            )
        if self.device == "cuda" and self.devices > (count := torch.cuda.device_count()):
            raise ConfigError(
                f"device cuda: {self.devices} GPUs asked for, {count} found; give fewer with --devices."
            )
        return "cuda" if there and self.device != "cpu" else "cpu"

    def precision(self, wanted: str, family: str) -> Any:  # noqa: ANN401
        """Lightning's name of the arithmetic.

        Args:
            wanted: One of `lvef.training.recipe.PRECISIONS`. ``auto`` is ``bf16-mixed`` where the device multiplies in bf16
                and the family bears it there, else ``32-true``.
            family: Of the network.
        """
        if wanted != "auto":
            return wanted
        if self.accelerator() == "cuda":
            fast = torch.cuda.is_bf16_supported()
        else:
            fast = family in BF16_ON_PROCESSORS and cpu_has_bf16()
        return "bf16-mixed" if fast else "32-true"

    def description(self, precision: str) -> str:
        """The device and the arithmetic in words, with a warning where it is emulated."""
        slow = precision == "bf16-mixed" and self.accelerator() == "cpu" and not cpu_has_bf16()
        note = ", emulated: this processor has no bf16 units, and 32-true is ten times faster" if slow else ""
        return f"{self.device_name()}, precision {precision}{note}"

    def device_name(self) -> str:
        """Name of the device."""
        if self.accelerator() == "cuda":
            name = torch.cuda.get_device_name(0)
            return f"{self.devices * self.num_nodes} x {name}"
        return f"{platform.machine()}, {torch.get_num_threads()} threads"
