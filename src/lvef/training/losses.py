"""Losses of networks that give numbers: EF in percent, or lines in parts of the image's side."""

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
    """Is the EF above 30, above 35 ...? Mean cross-entropy of all these decisions, each from the one number.

    The probability that the EF is above a cut is the logistic function of (prediction - cut) / width: ordinal regression
    with proportional odds whose cuts are known and need not be learned. An error that carries a patient over cuts costs
    more than one of the same size that does not.

    Args:
        predicted: ``(b,)`` EF in percent.
        wanted: ``(b,)``.
        cuts: Cut-offs, EFs.
        width: Percent over which the probability changes.

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


def cross_entropy_and_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft Dice of the labelled structures, averaged over the batch.

    Args:
        logits: ``(b, classes, h, w)``.
        labels: ``(b, h, w)`` int64.
    """
    logits = logits.float()
    entropy = F.cross_entropy(logits, labels)
    probability = logits.softmax(1)
    truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(probability.dtype)
    # Summed over the batch: a case without an atrium then cannot make the ratio undefined.
    overlap = (probability * truth).sum((0, 2, 3))[1:]
    total = (probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)))[1:]
    return entropy + (1 - (2 * overlap + 1) / (total + 1)).mean()


def area_ratio_error(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean absolute error of the log of the LV area's ratio between two instants of the same clip.

    EF is a ratio of volumes: an area that is wrong alike at both instants costs little, one that is wrong at one of them
    costs a lot. Pairs without LV at either instant do not count.

    Args:
        logits: ``(2 b, classes, h, w)``; cases i and b + i are the same clip, changed alike.
        labels: ``(2 b, h, w)`` int64.
    """
    share = logits.float().softmax(1)[:, 1]
    got, true = share.sum((1, 2)), (labels == 1).float().sum((1, 2))
    first, second = got.chunk(2)
    true_first, true_second = true.chunk(2)
    counts = (true_first > 20) & (true_second > 20)
    error = torch.log((first + 1) / (second + 1)) - torch.log((true_first + 1) / (true_second + 1))
    return (error.abs().clamp_max(1) * counts).sum() / counts.sum().clamp_min(1)


def dice_per_case(predicted: Tensor, labels: Tensor, n_classes: int = 4) -> Tensor:
    """Dice of each case and structure, ``(b, n_classes - 1)``; NaN where neither holds the structure.

    Args:
        predicted: ``(b, h, w)`` int64.
        labels: ``(b, h, w)`` int64.
        n_classes: Classes, the background included.
    """
    scores = []
    for k in range(1, n_classes):
        p, t = (predicted == k).flatten(1), (labels == k).flatten(1)
        scores.append(2 * (p & t).sum(1) / (p.sum(1) + t.sum(1)))
    return torch.stack(scores, 1)
