"""The view family: recipe, batches, training, calibration on held-out patients, and the card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Sampler, TensorDataset

from lvef.core.errors import ConfigError
from lvef.core.terms import MEASURABLE_VIEWS, RECOGNISED_VIEWS, VIEW, View
from lvef.datasets.camus import CamusStill, read_stills
from lvef.inference.card import MODEL_NAME, VIEW_OUTPUTS, Card, CardMetric
from lvef.io.atomic import make_folder
from lvef.models.export import export_network
from lvef.models.families import VIEW_SIDE_PX, describe
from lvef.models.view import ViewNet, ViewNetConfig
from lvef.stats.agreement import roc_auc
from lvef.stats.bootstrap import interval
from lvef.synthesis.foreign import FOREIGN_CLASSES
from lvef.training.animated_stills import still_squares
from lvef.training.camus_run import (
    CamusRecipe,
    CamusResult,
    CamusTask,
    animated_file,
    choose_patients,
    fit_averaged,
    save_camus_card,
    train_on_camus,
)
from lvef.training.fit import quiet_logging
from lvef.training.image_augmentation import augment, bernoulli, per_case
from lvef.training.run_folder import SYNTHETIC_NAME, RunOptions
from lvef.training.view_images import ViewImages, animated_images, join, read_or_make, still_images
from lvef.transforms.frames import normalise
from lvef.transforms.spec import InputSpec

NOT_ECHO = RECOGNISED_VIEWS.index(View.NOT_ECHO)
"""Place of that view."""

VERSION = "1.0.0"
"""Version that a newly trained network gets."""

CALIBRATED_SHARE = 0.99
"""Share of the frames of held-out patients that have a distance below 1."""

LIMITS = (
    "Recognises a view; does not measure an EF.",
    "Trained on patients' A4C and A2C images from one hospital and one vendor only; its training images of all other views "
    "are synthetic.",
    "A2C stills of the dataset have lost their aspect ratio.",
)
"""Known weaknesses."""


@dataclass(frozen=True)
class ViewRecipe(CamusRecipe):
    """A training run of the view network; half of the images of a step are apical.

    The distance is calibrated, and metrics are measured, on the fold that is held out.
    """

    name: str = "camus-view"
    family: str = VIEW
    epochs: int = 40
    """Rounds of `steps` steps."""
    steps: int = 100
    """Batches an epoch."""
    batch_size: int = 32
    weight_decay: float = 0.05
    ema_decay: float = 0.995
    label_smoothing: float = 0.05
    """Part of the probability that is spread evenly over the views: keeps the network from being sure of everything."""
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


class ViewTask(CamusTask):
    """Network, augmentation, loss and schedule.

    Args:
        recipe: The recipe.
    """

    def __init__(self, recipe: ViewRecipe) -> None:
        super().__init__(recipe, ViewNet(recipe.network))

    def on_train_epoch_start(self) -> None:
        """Random numbers of an epoch depend on it and the seed alone: a run that goes on draws the same."""
        self.rng.manual_seed(1000 * self.recipe.seed + self.current_epoch)

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


def train_view(
    recipe: ViewRecipe, data: Path, options: RunOptions, animated: Path | None = None
) -> CamusResult:
    """Train, resume, or return the result of a complete run.

    Args:
        recipe: Settings; its ``fold`` is held out.
        data: Folder of CAMUS that holds ``database_nifti`` and ``database_split``.
        options: Of the run.
        animated: File of animated stills; made where it is missing. None for one in the run's folder.

    Raises:
        ConfigError: Settings do not fit each other, the machine or an earlier start.
        DataError: A file cannot be read or written.
    """
    used, unseen = choose_patients(recipe, data, options)
    if not unseen:
        raise ConfigError("view needs patients that are held out; give --fold.")

    def train(precision: Any) -> tuple[ViewTask, tuple[CardMetric, ...], int]:  # noqa: ANN401
        images = training_images(recipe, data, used, options, animated)
        task = fit_view(recipe, images, options, precision=precision)
        fit_distance(task, images)
        return task, calibrate(task, list(read_stills(data, unseen))), len(images)

    def write(
        trained: tuple[ViewTask, tuple[CardMetric, ...], int], minutes: float
    ) -> tuple[str, dict[str, Any]]:
        task, figures, images = trained
        card = write_view(task, figures, used, minutes, options, options.out / recipe.name)
        return recipe.name, {"images": images, "model_sha256": card.model_sha256}

    return train_on_camus(recipe, options, (used, unseen), train, write)


def training_images(
    recipe: ViewRecipe, data: Path, patients: list[str], options: RunOptions, animated: Path | None
) -> ViewImages:
    """All images of a run; synthetic ones that are missing are made. A trial run has stills and few synthetic clips.

    Args:
        recipe: How many.
        data: Folder of CAMUS.
        patients: Of the stills.
        options: Folder of the run.
        animated: File of animated stills; None for one in the folder.
    """
    make = [(str(view), recipe.phantoms) for view in MEASURABLE_VIEWS]
    make += [(name, recipe.foreign) for name in FOREIGN_CLASSES]
    whole = not options.fast_dev_run
    if not whole:
        # One class of each view that the stills do not show.
        make = [(name, 1) for name in {view: name for name, view in FOREIGN_CLASSES.items()}.values()]
    synthetic = read_or_make(options.out / SYNTHETIC_NAME, make, recipe.seed)
    cines = [animated_images(animated_file(data, options, animated), patients)] if whole else []
    return join([still_images(read_stills(data, patients)), *cines, synthetic])


def fit_view(
    recipe: ViewRecipe,
    images: ViewImages,
    options: RunOptions,
    *,
    precision: Any = None,  # noqa: ANN401
) -> ViewTask:
    """Train, or go on training, and return the task with the averaged network.

    Args:
        recipe: Settings.
        images: Training images.
        options: Folder of checkpoints and metrics, machine, loggers and progress.
        precision: Arithmetic, by Lightning's names; None for the recipe's.
    """
    L.seed_everything(recipe.seed, verbose=False)
    task = ViewTask(recipe)
    arrays = (images.images, images.labels, images.views)
    batches = BalancedBatches(images.groups, images.views, recipe)
    loader = DataLoader(TensorDataset(*map(torch.from_numpy, arrays)), batch_sampler=batches)
    fit_averaged(task, loader, options, "correct: correct", precision=precision)
    return task


@torch.no_grad()
def calibrate(task: ViewTask, stills: list[CamusStill]) -> tuple[CardMetric, ...]:
    """Set the unit of the distance, and measure how well A4C and A2C of held-out patients are separated.

    Args:
        task: With a network that has centres.
        stills: Of patients held out.

    Returns:
        AUC of A4C against A2C by patient, with a bootstrap interval over patients.
    """
    squares, _ = still_squares(stills, task.recipe.input.size)
    found = task.net(torch.from_numpy(normalise(squares, task.recipe.input))).numpy()
    task.net.unit.mul_(float(np.quantile(found[:, -1], CALIBRATED_SHARE)))
    odds = found[:, RECOGNISED_VIEWS.index(View.A4C)] - found[:, RECOGNISED_VIEWS.index(View.A2C)]
    names = [(still.patient, still.view) for still in stills]
    patients = sorted(
        {patient for patient, view in names if (patient, View.A2C) in names and (patient, View.A4C) in names}
    )
    # One score a patient and view: the mean over ED and ES.
    scores = np.array(
        [[odds[[n == (p, view) for n in names]].mean() for view in MEASURABLE_VIEWS] for p in patients]
    )

    def auc(rows: NDArray[Any]) -> float:
        return roc_auc(rows.ravel(), np.tile([True, False], len(rows)))

    low, high = interval(auc, scores, np.random.default_rng(0))
    split = f"{len(patients)} CAMUS training patients held out"
    return (
        CardMetric(
            "auc_a4c_a2c", auc(scores), "", low, high, 0.95, len(patients), split, "views of the dataset"
        ),
    )


def write_view(
    task: ViewTask,
    figures: tuple[CardMetric, ...],
    patients: list[str],
    minutes: float,
    options: RunOptions,
    folder: Path,
) -> Card:
    """Write ``model.onnx`` and ``card.json``."""
    recipe = task.recipe
    make_folder(folder)
    # Whole precision: the distance sums products that half precision would spoil.
    with quiet_logging():
        export_network(
            task.net,
            VIEW,
            {"grey": (1, recipe.input.size, recipe.input.size)},
            folder / MODEL_NAME,
            half=False,
        )
    return save_camus_card(
        recipe,
        options,
        patients,
        minutes,
        folder,
        data="CAMUS, training subgroup, A4C and A2C stills and animated stills made from them; phantoms and synthetic "
        "clips of other views",
        version=VERSION,
        kind=VIEW,
        title="View of a frame, and its distance from the apical training frames; does not measure an EF",
        classes=VIEW_OUTPUTS,
        architecture=describe(VIEW, task.net),
        figures=figures,
        limits=LIMITS,
    )
