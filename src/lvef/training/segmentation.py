"""The segmentation family: recipe, cases from stills and animated stills, and the Lightning module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from lvef.core.config import from_mapping
from lvef.core.records import Clip
from lvef.core.terms import SEGMENTATION, Phase
from lvef.datasets.camus import CamusStill
from lvef.models.segmentation import SegNet, SegNetConfig
from lvef.training.animated_stills import FRAME_RATE_HZ, pairs_of
from lvef.training.image_augmentation import AugmentConfig, augment
from lvef.training.losses import area_ratio_error, cross_entropy_and_dice, dice_per_case
from lvef.training.optimisers import Muon, split_parameters
from lvef.training.recipe import PRECISIONS, check_choice, find_recipe, read_values, with_changes
from lvef.transforms.frames import fit, other_phase_channels, place
from lvef.transforms.sector import find_sector
from lvef.transforms.spec import InputSpec

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images and labels of the same shape."""


@dataclass(frozen=True)
class SegmentationRecipe:
    """A training run of the segmentation network."""

    name: str = "camus-seg"
    """Name of the network that comes out."""
    family: str = SEGMENTATION
    """Always ``segmentation``: by it `lvef train` knows these recipes."""
    fold: int | None = 0
    """Fold of the training patients that is held out to look at, or None to train on all of them."""
    n_folds: int = 5
    """Folds, by patient."""
    split_seed: int = 1
    """Of the folds, so that another seed is evaluated on the same patients."""
    seed: int = 1
    """Of everything else random."""
    epochs: int = 60
    """Passes over the stills."""
    batch_size: int = 16
    """Labelled frames a step: two of each case."""
    learning_rate: float = 3e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.02
    """Decoupled, as in AdamW."""
    ema_decay: float = 0.998
    """Running average of the weights, a step."""
    precision: str = "auto"
    """auto, 32-true or bf16-mixed; auto is bf16-mixed where the device multiplies in bf16."""
    animated_share: float = 0.0
    """Part of the cases that are animated stills; the others are the stills themselves."""
    area_ratio_weight: float = 0.0
    """Weight of `lvef.training.losses.area_ratio_error` in the loss."""
    still_context: float = 0.0
    """Part of the stills that are shown with the other phase before and after; the others fill every channel."""
    network: SegNetConfig = field(default_factory=SegNetConfig)
    """Shape of the network."""
    input: InputSpec = field(default_factory=InputSpec)
    """What the network is shown."""
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    """Strengths."""

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)


def read_segmentation_recipe(path: Path, changes: Mapping[str, Any] | None = None) -> SegmentationRecipe:
    """Read a recipe of this family; arguments and errors as `lvef.training.recipe.read_recipe`."""
    path = find_recipe(path)
    return from_mapping(SegmentationRecipe, with_changes(read_values(path), changes or {}), str(path))


def as_arrays(stills: list[CamusStill], size: int) -> tuple[Tensor, Tensor]:
    """Stills as the network sees them: fan found, padded to a square, scaled.

    Returns:
        Images ``(n, size, size)`` uint8 and labels ``(n, size, size)`` uint8.
    """
    images = np.empty((len(stills), size, size), np.uint8)
    labels = np.empty_like(images)
    for i, still in enumerate(stills):
        clip = Clip(still.image[None], np.zeros(1), "still", still.patient)
        placement = place(find_sector(clip).box, size, still.spacing)
        images[i] = fit(still.image[None], placement, size)[0]
        labels[i] = fit(still.mask[None], placement, size, labels=True)[0]
    return torch.from_numpy(images), torch.from_numpy(labels)


def still_pairs(stills: Iterable[CamusStill], size: int) -> Arrays:
    """ED and ES of every patient and view that has both, each ``(pairs, 2, size, size)`` uint8."""
    pairs = [sorted(pair, key=lambda s: s.phase != Phase.ED) for pair in pairs_of(stills) if len(pair) == 2]
    images, labels = as_arrays([still for pair in pairs for still in pair], size)
    return images.numpy().reshape(-1, 2, size, size), labels.numpy().reshape(-1, 2, size, size)


class FramePairs(Dataset[tuple[Tensor, Tensor]]):
    """Cases of two instants of one heart, each with the frames around it that the model is shown.

    Args:
        stills: Images and labels, each ``(pairs, 2, size, size)`` uint8, ED and ES of one patient and view.
        animated: Frames and labels, each ``(cines, frames, size, size)`` uint8, at `FRAME_RATE_HZ`; or None.
        config: Offsets and shares.
    """

    def __init__(self, stills: Arrays, animated: Arrays | None, config: SegmentationRecipe) -> None:
        self.stills, self.animated, self.config = stills, animated, config
        self.rng = np.random.default_rng(config.seed)
        share = config.animated_share if animated is not None else 0.0
        self.n_animated = round(len(stills[0]) * share / (1 - share))

    def __len__(self) -> int:
        """Cases of an epoch: every pair of stills once, and animated stills by their share."""
        return len(self.stills[0]) + self.n_animated

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Images and labels, each ``(2 k, size, size)`` uint8: the k frames of the first instant, then of the second."""
        n = len(self.stills[0])
        if index < n or self.animated is None:
            source, picked = self.stills, (index, self._phases())
        else:
            source = self.animated
            picked = (int(self.rng.integers(len(source[0]))), self._instants(source[0].shape[1]))
        return tuple(torch.from_numpy(array[picked[0]][picked[1]]) for array in source)

    def _phases(self) -> NDArray[np.intp]:
        ed = np.zeros(len(self.config.input.offsets_s), np.intp)
        if self.rng.random() < self.config.still_context:
            ed[other_phase_channels(self.config.input.offsets_s)] = 1
        return np.concatenate([ed, 1 - ed])

    def _instants(self, frames: int) -> NDArray[np.intp]:
        # Frame rates of files are sometimes wrong, and heart rates differ: the offsets are stretched by up to a third.
        stretch = self.rng.uniform(0.7, 1.35) if self.rng.random() > 0.1 else 0.0
        offsets = np.array(self.config.input.offsets_s) * FRAME_RATE_HZ * stretch
        at = self.rng.integers(frames, size=2)
        return np.clip(np.rint(at[:, None] + offsets[None]), 0, frames - 1).astype(np.intp).ravel()


def held_out(patients: list[str], fold: int, n_folds: int, seed: int) -> list[str]:
    """Patients of one fold; folds are disjoint and together hold every patient once."""
    order = np.random.default_rng(seed).permutation(len(patients))
    return [patients[i] for i in sorted(order[fold::n_folds])]


class SegmentationTask(L.LightningModule):
    """Network, augmentation, loss and schedule.

    Args:
        config: The recipe.
        net: Another network than the recipe's, with a ``head``; as `lvef.training.own_backbone` has one.
    """

    def __init__(self, config: SegmentationRecipe, net: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        shape = replace(config.network, in_frames=len(config.input.offsets_s))
        self.net: Any = (net or SegNet(shape)).to(memory_format=torch.channels_last)
        self.rng = torch.Generator().manual_seed(config.seed)

    def forward(self, grey: Tensor) -> Tensor:
        """Logits of grey images 0-1, ``(b, k, h, w)``."""
        spec = self.config.input
        x = (grey - spec.mean) / spec.std
        out: Tensor = self.net(x.contiguous(memory_format=torch.channels_last))
        return out

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Loss of one augmented batch."""
        k = len(self.config.input.offsets_s)
        middle = self.config.input.offsets_s.index(0.0)
        with torch.autocast("cpu", enabled=False):
            images, labels = augment(
                batch[0].float() / 255,
                batch[1].long(),
                self.config.input.size,
                self.rng,
                self.config.augmentation,
            )
        # Both instants of a case become cases of their own: first instants, then second ones.
        images = torch.cat([images[:, :k], images[:, k:]])
        target = torch.cat([labels[:, middle], labels[:, k + middle]])
        logits = self(images)
        overlap, ratio = cross_entropy_and_dice(logits, target), area_ratio_error(logits, target)
        loss: Tensor = overlap + self.config.area_ratio_weight * ratio
        self.log_dict(
            {"loss": loss, "overlap": overlap, "ratio": ratio}, on_step=False, on_epoch=True, prog_bar=True
        )
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Dice of unseen stills, as they are."""
        far = torch.from_numpy(other_phase_channels(self.config.input.offsets_s)).long()
        # ED with ES as its other phase, then ES with ED.
        images = torch.cat([batch[0][:, far], batch[0][:, 1 - far]])
        logits = self(images.float() / 255)
        dice = dice_per_case(logits.argmax(1), batch[1].transpose(0, 1).flatten(0, 1).long())
        for k, name in enumerate(("lv", "myocardium", "la")):
            self.log(f"dice_{name}", dice[:, k].nanmean(), prog_bar=k == 0, batch_size=len(dice))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a run that is made longer have the schedule of the longer run, not the one that is over."""
        for state in checkpoint["lr_schedulers"]:
            for name in ("total_steps", "_schedule_phases"):
                state.pop(name, None)

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Muon with one cycle."""
        optimizer = Muon(
            *split_parameters(self.net, self.net.head), self.config.learning_rate, self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            self.config.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=0.1,
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
