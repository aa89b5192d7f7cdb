"""Muon: an optimiser that gives every weight matrix an orthogonal step.

The momentum of a matrix is replaced by the nearest matrix whose singular values are all about one, so that directions which
the gradient rarely touches move as far as the loud ones. EXPERIMENTS.md has what it brought on this project's network; it
is what makes training on two cores bearable. Biases, normalisation and the last layer are trained by AdamW, as its authors
advise.

Sources: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024 (momentum, Newton-Schulz iteration
and its coefficients); J. Liu et al., "Muon is scalable for LLM training", 2025 (the scale of the step, so that one
learning rate serves both kinds of parameters). torch's own `torch.optim.Muon` takes two-dimensional parameters only,
so no convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lvef.training.recipe import OptimiserSettings

MOMENTUM = 0.95
"""Of the matrices' momentum, with Nesterov's look ahead."""

BETAS, EPS = (0.9, 0.999), 1e-8
"""Of AdamW, its usual values."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration: singular values in (0, 1] end near 1 after five rounds."""

ROUNDS = 5
"""Rounds of the iteration."""

STEP_RMS = 0.2
"""Root mean square of a matrix's step at learning rate 1, which is about AdamW's."""


class Muon(torch.optim.Optimizer):
    """Muon for weight matrices (convolution kernels count, flattened), AdamW for everything else.

    Args:
        matrices: Parameters of two or more dimensions.
        others: All other parameters.
        lr: Learning rate of both.
        weight_decay: Decoupled weight decay of both.
    """

    def __init__(
        self, matrices: Iterable[Tensor], others: Iterable[Tensor], lr: float, weight_decay: float
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "matrix": True},
            {"params": list(others), "matrix": False},
        ]
        super().__init__([g for g in groups if g["params"]], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ANN401
        """One step; the closure, where given, computes the loss and its gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                update = self._orthogonal if group["matrix"] else self._adam
                parameter.sub_(update(parameter), alpha=group["lr"])
        return loss

    def _orthogonal(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
        ahead = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
        step = orthogonalised(ahead) * (STEP_RMS * max(ahead.shape) ** 0.5)
        return step.view_as(parameter)

    def _adam(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["first"], state["second"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        first = state["first"].lerp_(parameter.grad, 1 - BETAS[0])
        second = state["second"].lerp_(parameter.grad**2, 1 - BETAS[1])
        count = float(state["step"])
        return (first / (1 - BETAS[0] ** count)) / ((second / (1 - BETAS[1] ** count)).sqrt() + EPS)


def orthogonalised(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought to about one (0.7 to 1.2), same shape, float32.

    Args:
        matrix: ``(rows, columns)``.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16().mT if tall else matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


def split_parameters(net: nn.Module, last: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters for the two kinds of step.

    Args:
        net: The network.
        last: Its last layer, which is left to AdamW.

    Returns:
        Weight matrices and kernels, and everything else.
    """
    own = {id(p) for p in last.parameters()}
    matrices = [p for p in net.parameters() if p.ndim >= 2 and id(p) not in own]
    taken = {id(p) for p in matrices}
    return matrices, [p for p in net.parameters() if id(p) not in taken]


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
    """The layer that gives the output, which Muon leaves to AdamW: ``output`` where it is called so, else the last one."""
    found: Any = getattr(net, "output", None)
    if isinstance(found, nn.Module):
        return found
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.Conv3d)]
    return layers[-1] if layers else net
