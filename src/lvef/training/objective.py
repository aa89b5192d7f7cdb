"""Losses and scores of a segmentation network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
