"""Losses of networks that answer with numbers: EF in percent, or lines in parts of the image's side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lvef.training.recipe import LossSettings


def base_loss(predicted: Tensor, wanted: Tensor, settings: LossSettings) -> Tensor:
    """Mean squared, absolute or smooth absolute error.

    Args:
        predicted: Any shape.
        wanted: Same shape.
        settings: Which one.
    """
    predicted = predicted.float()
    if settings.kind == "mae":
        return F.l1_loss(predicted, wanted)
    if settings.kind == "smooth-l1":
        return F.smooth_l1_loss(predicted, wanted, beta=settings.smooth_l1_beta)
    return F.mse_loss(predicted, wanted)


def ordinal_loss(predicted: Tensor, wanted: Tensor, cuts: Sequence[float], width: float) -> Tensor:
    """Is the EF above 30, above 35 ...? Mean cross-entropy of all these questions, answered by one number.

    The probability that the EF is above a cut is the logistic function of (prediction - cut) / width: ordinal regression
    with proportional odds whose cuts are known and need not be learned. An error that carries a patient over cuts costs
    more than one of the same size that does not.

    Args:
        predicted: ``(b,)`` EF in percent.
        wanted: ``(b,)``.
        cuts: EFs that are asked of.
        width: Percent over which the answer turns.

    Source: McCullagh, "Regression Models for Ordinal Data", J. R. Stat. Soc. B 42(2), 1980.
    """
    at = torch.as_tensor(cuts, dtype=torch.float32, device=predicted.device)
    logits = (predicted.float()[:, None] - at) / width
    return F.binary_cross_entropy_with_logits(logits, (wanted[:, None] > at).float())


def ef_loss(predicted: Tensor, wanted: Tensor, settings: LossSettings) -> Tensor:
    """The base loss of an EF, and the ordinal term where it is asked for."""
    loss = base_loss(predicted, wanted, settings)
    if settings.ordinal:
        term = ordinal_loss(predicted, wanted, settings.ordinal_cuts, settings.ordinal_width)
        loss = loss + settings.ordinal * term
    return loss
