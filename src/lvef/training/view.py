"""The view family: recipe, cases, and the Lightning module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.utils.data import Sampler

from lvef.core.config import from_mapping
from lvef.core.terms import MEASURABLE_VIEWS, RECOGNISED_VIEWS, VIEW, View
from lvef.models.families import VIEW_SIDE_PX
from lvef.models.view import ViewNet, ViewNetConfig
from lvef.training.image_augmentation import AugmentConfig, augment, bernoulli, per_case
from lvef.training.optimisers import Muon, split_parameters
from lvef.training.recipe import PRECISIONS, check_choice, find_recipe, read_values, with_changes
from lvef.training.view_images import ViewImages
from lvef.transforms.spec import InputSpec

NOT_ECHO = RECOGNISED_VIEWS.index(View.NOT_ECHO)
"""Place of that view."""


@dataclass(frozen=True)
class ViewRecipe:
    """A training run of the view network."""

    name: str = "camus-view"
    """Name of the network that comes out."""
    family: str = VIEW
    """Always ``view``: by it `lvef train` knows these recipes."""
    fold: int | None = 0
    """Fold of the training patients that is held out: the distance is calibrated, and metrics are measured, on it."""
    n_folds: int = 5
    """Folds, by patient."""
    split_seed: int = 1
    """Of the folds; the default holds out the patients whom recipes of the segmentation hold out."""
    seed: int = 1
    """Of everything else random."""
    epochs: int = 40
    """Rounds of `steps` steps."""
    steps: int = 100
    """Batches an epoch."""
    batch_size: int = 32
    """Images a step, half of them apical."""
    learning_rate: float = 3e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.05
    """Decoupled, as in AdamW."""
    ema_decay: float = 0.995
    """Running average of the weights, a step."""
    label_smoothing: float = 0.05
    """Part of the probability that is spread evenly over the views: keeps the network from being sure of everything."""
    precision: str = "auto"
    """auto, 32-true or bf16-mixed; auto is bf16-mixed where the device multiplies in bf16."""
    phantoms: int = 50
    """Phantom clips of each apical view."""
    foreign: int = 100
    """Synthetic clips of each foreign class."""
    p_grain: float = 0.5
    """Images that get the fine grain of another one of the batch: grain, real or synthetic, must not tell the view."""
    p_turned: float = 0.08
    """Images turned by 90 degrees, or with their four quarters exchanged; they show no echo that can be read."""
    network: ViewNetConfig = field(default_factory=ViewNetConfig)
    """Shape of the network."""
    input: InputSpec = field(default_factory=lambda: InputSpec(size=VIEW_SIDE_PX))
    """What the network is shown."""
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    """Strengths."""

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)


def read_view_recipe(path: Path, changes: Mapping[str, Any] | None = None) -> ViewRecipe:
    """Read a recipe of this family; arguments and errors as `lvef.training.recipe.read_recipe`."""
    path = find_recipe(path)
    return from_mapping(ViewRecipe, with_changes(read_values(path), changes or {}), str(path))


class BalancedBatches(Sampler[list[int]]):
    """Batches in which A4C, A2C and all other views together have shares of 1, 1 and 2.

    Each other view is drawn in proportion to the square root of the number of its groups, and the groups of a view equally
    often. What is drawn is a function of seed and epoch alone: a resumed run draws what it would have drawn without the
    stop.

    Args:
        groups: ``(n,)`` group of each image.
        views: ``(n,)`` places in `RECOGNISED_VIEWS`.
        recipe: Steps, size of a batch, seed.
    """

    def __init__(self, groups: NDArray[np.str_], views: NDArray[np.int64], recipe: ViewRecipe) -> None:
        self.recipe, self.epoch = recipe, 0
        apical = [RECOGNISED_VIEWS.index(view) for view in MEASURABLE_VIEWS]
        weights = np.zeros(len(groups))
        names = {view: np.unique(groups[views == view]) for view in np.unique(views)}
        roots = sum(len(found) ** 0.5 for view, found in names.items() if view not in apical)
        for view, found in names.items():
            share = 1.0 if view in apical else 2.0 * len(found) ** 0.5 / roots
            for name in found:
                members = (views == view) & (groups == name)
                weights[members] = share / len(found) / members.sum()
        self.weights = weights / weights.sum()

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self.recipe.steps

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.recipe.seed, self.epoch])
        for _ in range(len(self)):
            yield rng.choice(len(self.weights), self.recipe.batch_size, p=self.weights).tolist()


def exchange_grain(images: Tensor, rng: Generator, probability: float, radius: int = 2) -> Tensor:
    """Coarse image of each case with the fine grain of another one of the batch.

    Args:
        images: ``(b, 1, h, w)``, 0-1.
        rng: Source of all randomness.
        probability: Of one case.
        radius: Grain is what a mean over ``2 radius + 1`` pixels takes away.
    """
    order = torch.randperm(len(images), generator=rng)
    smooth = F.avg_pool2d(images, 2 * radius + 1, 1, radius, count_include_pad=False)
    grain = ((images + 0.02) / (smooth + 0.02)).clamp(0.25, 4.0)[order]
    mixed = (smooth * torch.where(images[order] > 0, grain, 1.0)).clamp(0, 1)
    return torch.where(per_case(bernoulli(len(images), probability, rng)), mixed, images)


def turn(images: Tensor, views: Tensor, rng: Generator, probability: float) -> tuple[Tensor, Tensor]:
    """Some images turned by 90 degrees, or their quarters exchanged, as `View.NOT_ECHO`.

    Args:
        images: ``(b, 1, h, w)`` with h = w.
        views: ``(b,)`` places in `RECOGNISED_VIEWS`.
        rng: Source of all randomness.
        probability: Of one case.
    """
    images, views = images.clone(), views.clone()
    half = images.shape[-1] // 2
    for i in torch.nonzero(bernoulli(len(images), probability, rng)).flatten().tolist():
        how = int(torch.randint(0, 4, (1,), generator=rng))
        if how < 3:
            images[i] = torch.rot90(images[i], 1 if how == 1 else -1, (1, 2))
        else:
            images[i] = torch.roll(images[i], (half, half), (1, 2))
        views[i] = NOT_ECHO
    return images, views


class ViewTask(L.LightningModule):
    """Network, augmentation, loss and schedule.

    Args:
        recipe: The recipe.
    """

    def __init__(self, recipe: ViewRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.net = ViewNet(recipe.network).to(memory_format=torch.channels_last)
        self.rng = torch.Generator().manual_seed(recipe.seed)

    def on_train_epoch_start(self) -> None:
        """Random numbers of an epoch depend on it and the seed alone: a run that goes on draws the same."""
        self.rng.manual_seed(1000 * self.recipe.seed + self.current_epoch)

    def shown(self, grey: Tensor) -> Tensor:
        """Grey images 0-1 on the network's scale."""
        spec = self.recipe.input
        return ((grey - spec.mean) / spec.std).contiguous(memory_format=torch.channels_last)

    def varied(self, batch: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Augmented images and their views."""
        images, labels, views = batch
        with torch.autocast("cpu", enabled=False):
            grey = exchange_grain(images[:, None].float() / 255, self.rng, self.recipe.p_grain)
            size = self.recipe.input.size
            grey, _ = augment(grey, labels[:, None].long(), size, self.rng, self.recipe.augmentation)
            return turn(grey, views, self.rng, self.recipe.p_turned)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Loss of one augmented batch."""
        grey, views = self.varied(batch)
        logits = self.net.logits(self.shown(grey))
        loss = F.cross_entropy(logits.float(), views, label_smoothing=self.recipe.label_smoothing)
        correct = (logits.argmax(1) == views).float().mean()
        self.log_dict({"loss": loss, "correct": correct}, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a run that is made longer have the schedule of the longer run, not the one that is over."""
        for state in checkpoint["lr_schedulers"]:
            for name in ("total_steps", "_schedule_phases"):
                state.pop(name, None)

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Muon with one cycle."""
        r = self.recipe
        optimizer = Muon(*split_parameters(self.net, self.net.head), r.learning_rate, r.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, r.learning_rate, total_steps=r.epochs * r.steps, pct_start=0.1, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@torch.no_grad()
def fit_distance(task: ViewTask, images: ViewImages, rounds: int = 40) -> None:
    """Centres and covariance of the network's distance, from apical training images as augmentation varies them.

    Other machines' images are varied like this, and must not be far away for it.

    Args:
        task: With a trained network.
        images: Training images.
        rounds: Batches of 64 that are looked at.
    """
    apical = np.flatnonzero(np.isin(images.views, [RECOGNISED_VIEWS.index(v) for v in MEASURABLE_VIEWS]))
    task.rng.manual_seed(task.recipe.seed)
    rng = np.random.default_rng(task.recipe.seed)
    calm = ViewTask(replace(task.recipe, p_turned=0.0))
    calm.net, calm.rng = task.net.eval(), task.rng
    features, views = [], []
    for _ in range(rounds):
        picked = rng.choice(apical, 64)
        batch = [torch.from_numpy(a[picked]) for a in (images.images, images.labels, images.views)]
        grey, found = calm.varied(batch)
        features.append(task.net.features(task.shown(grey)))
        views.append(found)
    task.net.set_distance(torch.cat(features), torch.cat(views))
