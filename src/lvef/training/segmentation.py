"""Trains the segmentation network on stills with expert masks.

A recipe (``recipes/*.toml``) holds every setting. The run folder gets checkpoints, the metrics of every epoch and
``run.json``; a run that was stopped goes on where it was. What is kept is the running average of the weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lvef.core.records import Clip
from lvef.datasets.camus import CamusStill
from lvef.models.segmentation import SegNet, SegNetConfig
from lvef.preprocess.fan import find_fan
from lvef.preprocess.frames import fit, place
from lvef.preprocess.spec import InputSpec
from lvef.training.augment import AugmentConfig, augment
from lvef.training.machine import SEGNET, Machine
from lvef.training.muon import Muon, split_parameters
from lvef.training.objective import cross_entropy_and_dice, dice_per_case
from lvef.training.recipe import PRECISIONS, one_of

STORED_SIZE = 160
"""Side at which training pictures are kept: zooming in by up to a quarter still finds real detail."""


@dataclass(frozen=True)
class SegTrainConfig:
    """A training run of the segmentation network."""

    name: str = "camus-seg"
    """Name of the network that comes out."""
    fold: int | None = 0
    """Fold of the training patients that is held out to look at, or None to train on all of them."""
    n_folds: int = 5
    """Folds, by patient."""
    split_seed: int = 1
    """Of the folds, so that another seed is judged on the same patients."""
    seed: int = 1
    """Of everything else random."""
    epochs: int = 60
    """Passes over the stills."""
    batch_size: int = 16
    """Stills a step."""
    learning_rate: float = 3e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.02
    """Decoupled, as in AdamW."""
    ema_decay: float = 0.998
    """Running average of the weights, a step."""
    precision: str = "auto"
    """auto, 32-true or bf16-mixed; auto is bf16-mixed where the device multiplies in bf16."""
    phantoms: int = 0
    """Phantoms of which frames are shown beside the stills."""
    moving_frames: int = 0
    """Frames of every pair of stills set in motion that are shown beside the stills."""
    network: SegNetConfig = field(default_factory=SegNetConfig)
    """Shape of the network."""
    input: InputSpec = field(default_factory=InputSpec)
    """What the network is shown."""
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    """Strengths."""

    def __post_init__(self) -> None:
        one_of("precision", self.precision, PRECISIONS)


def taken_precision(config: SegTrainConfig) -> str:
    """The arithmetic that a training run takes on this machine."""
    return str(Machine().precision(config.precision, SEGNET))


def as_arrays(stills: list[CamusStill], size: int) -> tuple[Tensor, Tensor]:
    """Stills as the network sees them: fan found, padded to a square, scaled.

    Returns:
        Pictures ``(n, size, size)`` uint8 and labels ``(n, size, size)`` uint8.
    """
    pictures = np.empty((len(stills), size, size), np.uint8)
    labels = np.empty_like(pictures)
    for i, still in enumerate(stills):
        clip = Clip(still.picture[None], np.zeros(1), "still", still.patient)
        placement = place(find_fan(clip).box, size, still.spacing)
        pictures[i] = fit(still.picture[None], placement, size)[0]
        labels[i] = fit(still.mask[None], placement, size, labels=True)[0]
    return torch.from_numpy(pictures), torch.from_numpy(labels)


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

    def __init__(self, config: SegTrainConfig, net: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.net: Any = (net or SegNet(config.network)).to(memory_format=torch.channels_last)
        self.rng = torch.Generator().manual_seed(config.seed)

    def forward(self, grey: Tensor) -> Tensor:
        """Logits of grey pictures 0-1, ``(b, 1, h, w)``."""
        spec = self.config.input
        x = (grey - spec.mean) / spec.std
        out: Tensor = self.net(x.contiguous(memory_format=torch.channels_last))
        return out

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Loss of one augmented batch."""
        with torch.autocast("cpu", enabled=False):
            pictures, labels = augment(
                batch[0][:, None].float() / 255,
                batch[1].long(),
                self.config.input.size,
                self.rng,
                self.config.augmentation,
            )
        loss = cross_entropy_and_dice(self(pictures), labels)
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Dice of unseen stills, as they are."""
        logits = self(batch[0][:, None].float() / 255)
        dice = dice_per_case(logits.argmax(1), batch[1].long())
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


def train(
    config: SegTrainConfig,
    train_data: tuple[Tensor, Tensor],
    val_data: tuple[Tensor, Tensor] | None,
    folder: Path,
    *,
    net: Callable[[], nn.Module] | None = None,
    progress: bool = True,
) -> Any:  # noqa: ANN401
    """Train, or go on training, and return the averaged network.

    Args:
        config: The recipe.
        train_data: From :func:`as_arrays` at :data:`STORED_SIZE`.
        val_data: From :func:`as_arrays` at the network's size, or None.
        folder: Where checkpoints and metrics go; ``last.ckpt`` there is gone on from.
        net: Makes another network than the recipe's.
        progress: Show a bar.
    """
    L.seed_everything(config.seed, verbose=False)
    task = SegmentationTask(config, None if net is None else net())
    machine, precision = Machine(), taken_precision(config)
    print(f"Training: {machine.said(precision)}", file=sys.stderr)  # noqa: T201
    checkpoint = ModelCheckpoint(
        folder, filename="last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False
    )
    trainer = L.Trainer(
        accelerator=machine.accelerator(),
        devices=1,
        precision=precision,
        max_epochs=config.epochs,
        # One version a start: the logger deletes what an earlier start left in its folder.
        logger=CSVLogger(folder, name="metrics"),
        callbacks=[checkpoint, EMAWeightAveraging(decay=config.ema_decay)],
        check_val_every_n_epoch=5,
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=10,
        gradient_clip_val=1.0,
    )
    loader = DataLoader(TensorDataset(*train_data), config.batch_size, shuffle=True, drop_last=True)
    val_loader = DataLoader(TensorDataset(*val_data), 50) if val_data else None
    last = folder / "last.ckpt"
    trainer.fit(task, loader, val_loader, ckpt_path=last if last.exists() else None, weights_only=False)
    # The file holds the average; the module in memory does so only when this start trained to the end itself.
    task.load_state_dict(torch.load(last, map_location="cpu", weights_only=False)["state_dict"])
    return task.net.eval()
