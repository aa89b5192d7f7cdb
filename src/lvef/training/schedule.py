"""Optimisers and learning-rate schedules of a recipe."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from lvef.training.muon import Muon, split_parameters
from lvef.training.recipe import OptimiserSettings

ADAM_EPS = 1e-7
"""Keras's value, with which the report's networks were trained; torch's is 1e-8."""

ONE_CYCLE_DIVIDER = 25.0
"""A one-cycle schedule starts at the largest rate over this. Source: Smith & Topin, 2018, as torch has it."""


def optimiser(net: nn.Module, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """The optimiser of all parameters that are trained.

    Args:
        net: The network; parameters that need no gradient are left out.
        settings: Kind, rate, decay.
    """
    trained = [p for p in net.parameters() if p.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.kind == "muon":
        matrices, others = split_parameters(net, last_layer(net))
        return Muon(
            [p for p in matrices if p.requires_grad], [p for p in others if p.requires_grad], rate, decay
        )
    kind = torch.optim.AdamW if settings.kind == "adamw" else torch.optim.Adam
    return kind(trained, lr=rate, weight_decay=decay, eps=ADAM_EPS)


def schedule(
    optimiser: torch.optim.Optimizer, settings: OptimiserSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """The schedule over a whole run, stepped after each step; None for a constant rate.

    Args:
        optimiser: Whose rate it moves.
        settings: Which schedule.
        steps: Steps of the whole run.
    """
    if settings.schedule == "constant":
        return None
    low = 1 / ONE_CYCLE_DIVIDER if settings.schedule == "one-cycle" else 0.0
    rising = max(1, round(settings.warm_up * steps))

    def part(step: int) -> float:
        if step < rising:
            if settings.schedule == "cosine":
                return (step + 1) / rising
            return low + (1 - low) * 0.5 * (1 - math.cos(math.pi * step / rising))
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, part)


def last_layer(net: nn.Module) -> nn.Module:
    """The layer that gives the answer, which Muon leaves to AdamW: ``output`` where it is called so, else the last one."""
    found: Any = getattr(net, "output", None)
    if isinstance(found, nn.Module):
        return found
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Conv3d)]
    return layers[-1] if layers else net
