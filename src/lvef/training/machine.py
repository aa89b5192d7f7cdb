"""On what a run computes: words of the command line, none of which moves the numbers on purpose."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import torch

from lvef.core.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda")
"""What may be asked for."""


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

    def precision(self, wanted: str) -> Any:  # noqa: ANN401
        """Lightning's name of the arithmetic; see `lvef.training.recipe.PRECISIONS`."""
        if wanted != "auto":
            return wanted
        fast = self.accelerator() == "cuda" and torch.cuda.is_bf16_supported()
        return "bf16-mixed" if fast else "32-true"

    def describe(self) -> str:
        """Name of the device."""
        if self.accelerator() == "cuda":
            name = torch.cuda.get_device_name(0)
            return f"{self.devices * self.num_nodes} x {name}"
        return f"{platform.machine()}, {torch.get_num_threads()} threads"
