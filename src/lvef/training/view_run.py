"""Trains the view family: a run, its calibration and metrics on patients held out, and the card."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from numpy.typing import NDArray
from torch.utils.data import DataLoader, TensorDataset

import lvef
from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError
from lvef.core.records import Clip
from lvef.core.terms import MEASURABLE_VIEWS, RECOGNISED_VIEWS, VIEW, View
from lvef.datasets.camus import CITATION, LICENCE, CamusStill, read_split, read_stills
from lvef.inference.card import MODEL_NAME, VIEW_OUTPUTS, Card, Figure, Training
from lvef.io.atomic import make_folder, write_text_atomic
from lvef.models.export import export_network
from lvef.models.families import describe
from lvef.stats.bootstrap import interval
from lvef.stats.classification import roc_auc
from lvef.synthesis.foreign import FOREIGN_CLASSES
from lvef.training import run_folder
from lvef.training.animated_stills import make_animated
from lvef.training.callbacks import progress_callbacks
from lvef.training.cases import patients_sha256
from lvef.training.checkpoints import LAST_NAME, RunCheckpoint, read_checkpoint
from lvef.training.fit import make_trainer, quiet_logging
from lvef.training.loggers import log_settings, make_loggers
from lvef.training.machine import SEGNET, Machine
from lvef.training.model_card import INTENDED_USE, save_card
from lvef.training.segmentation import held_out
from lvef.training.segmentation_run import DEV_PATIENTS, SegmentationResult
from lvef.training.view import BalancedBatches, ViewRecipe, ViewTask, fit_distance
from lvef.training.view_images import ViewImages, animated_images, join, read_or_make, still_images
from lvef.transforms.frames import fit, normalise, place
from lvef.transforms.sector import find_sector

VERSION = "1.0.0"
"""Version that a newly trained network gets."""

CALIBRATED_SHARE = 0.99
"""Share of the frames of held-out patients that have a distance below 1."""

SHOWN = {"loss": ("loss", ""), "correct": ("correct", "")}
"""Metrics of a line of progress."""

LIMITS = (
    "Recognises a view; does not measure an EF.",
    "Trained on patients' A4C and A2C images from one hospital and one vendor only; its training images of all other views "
    "are synthetic.",
    "A2C stills of the dataset have lost their aspect ratio.",
)
"""Known weaknesses."""


def train_view(
    recipe: ViewRecipe, data: Path, options: run_folder.RunOptions, animated: Path | None = None
) -> SegmentationResult:
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
    out, machine = options.out, options.machine
    if machine.devices * machine.num_nodes > 1 or recipe.fold is None:
        raise ConfigError(
            "view trains on one device and holds out a fold; leave --devices and --num-nodes, give --fold."
        )
    patients = read_split(data, "training")[: DEV_PATIENTS if options.fast_dev_run else None]
    unseen = held_out(patients, recipe.fold, recipe.n_folds, recipe.split_seed)
    used = [p for p in patients if p not in set(unseen)]
    settings = {"recipe": to_mapping(recipe), "patients_sha256": patients_sha256(used)}
    make_folder(out)
    with run_folder.locked(out):
        earlier = run_folder.prepare_folder(out, settings, fresh=options.fresh, name=recipe.name)
        if earlier.get("complete"):
            epochs = int(earlier["config"]["epochs"])
            return SegmentationResult(out, out / recipe.name, epochs, epochs, float(earlier["minutes"]))
        precision = earlier.get("precision") or machine.precision(recipe.precision, SEGNET)
        run = {"settings": settings, "precision": precision, "prolonged": earlier.get("prolonged", [])}
        run_folder.write_run(out, run | {"complete": False, "minutes": earlier.get("minutes", 0.0)})
        write_text_atomic(out / run_folder.HELD_OUT_NAME, "\n".join(unseen) + "\n")
        last = out / f"{LAST_NAME}.ckpt"
        resumed = int(read_checkpoint(last)["epoch"]) + 1 if last.exists() else 0
        began = time.perf_counter()
        images = training_images(
            recipe, data, used, out, animated, max(1, machine.workers), whole=not options.fast_dev_run
        )
        task = fit_view(recipe, images, out, machine=machine, precision=precision, options=options)
        fit_distance(task, images)
        figures = calibrate(task, list(read_stills(data, unseen)))
        minutes = float(earlier.get("minutes", 0.0)) + (time.perf_counter() - began) / 60
        card = write_view(task, figures, used, minutes, options, out / recipe.name)
        run |= {
            "lvef": lvef.__version__,
            "torch": torch.__version__,
            "lightning": L.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "config": to_mapping(recipe),
            "patients": len(used),
            "images": len(images),
            "minutes": round(minutes, 1),
            "command": options.command,
            "model_sha256": card.model_sha256,
        }
        run_folder.write_run(out, run | {"complete": True})
    return SegmentationResult(out, out / recipe.name, recipe.epochs, resumed, round(minutes, 1))


def training_images(
    recipe: ViewRecipe,
    data: Path,
    patients: list[str],
    out: Path,
    animated: Path | None,
    jobs: int,
    *,
    whole: bool = True,
) -> ViewImages:
    """All images of a run; synthetic ones that are missing are made.

    Args:
        recipe: How many.
        data: Folder of CAMUS.
        patients: Of the stills.
        out: Folder of the run.
        animated: File of animated stills; None for one in the folder.
        jobs: Processes that make them.
        whole: Take all; else stills and one synthetic clip of each view, for a `lvef.training.dev_run`.
    """
    make = [(str(view), recipe.phantoms) for view in MEASURABLE_VIEWS]
    make += [(name, recipe.foreign) for name in FOREIGN_CLASSES]
    if not whole:
        # One class of each view that the stills do not show.
        make = [(name, 1) for name in {view: name for name, view in FOREIGN_CLASSES.items()}.values()]
    synthetic = read_or_make(out / run_folder.SYNTHETIC_NAME, make, recipe.seed)
    parts = [still_images(read_stills(data, patients)), synthetic]
    if whole:
        path = animated or out / run_folder.ANIMATED_NAME
        if not path.exists():
            make_animated(data, path, jobs=jobs)
        parts.insert(1, animated_images(path, patients))
    return join(parts)


def fit_view(
    recipe: ViewRecipe,
    images: ViewImages,
    folder: Path,
    *,
    machine: Machine | None = None,
    precision: Any = "32-true",  # noqa: ANN401
    options: run_folder.RunOptions | None = None,
) -> ViewTask:
    """Train, or go on training, and return the task with the averaged network.

    Args:
        recipe: Settings.
        images: Training images.
        folder: Where checkpoints and metrics go; ``last.ckpt`` there is resumed.
        machine: On what to compute.
        precision: Arithmetic, by Lightning's names.
        options: Loggers and progress; the rest does not count here.
    """
    options = options or run_folder.RunOptions(folder)
    machine = machine or Machine()
    L.seed_everything(recipe.seed, verbose=False)
    task = ViewTask(recipe)
    last = folder / f"{LAST_NAME}.ckpt"
    arrays = (images.images, images.labels, images.views)
    with quiet_logging():
        trainer = make_trainer(
            machine,
            precision,
            recipe.epochs,
            [
                RunCheckpoint(folder, LAST_NAME),
                EMAWeightAveraging(decay=recipe.ema_decay),
                *progress_callbacks(options, machine.description(precision), SHOWN),
            ],
            logger=make_loggers(options.loggers, folder, recipe.name),
            gradient_clip=1.0,
        )
        loader = DataLoader(
            TensorDataset(*map(torch.from_numpy, arrays)),
            batch_sampler=BalancedBatches(images.groups, images.views, recipe),
        )
        log_settings(trainer.loggers, run_folder.flatten(to_mapping(recipe)))
        try:
            trainer.fit(task, loader, ckpt_path=last if last.exists() else None)
        except SystemExit:
            # Lightning ends the process on Ctrl-C; the caller decides that here.
            raise KeyboardInterrupt from None
    # The file holds the average; the module in memory does so only when this start trained to the end itself.
    task.load_state_dict(read_checkpoint(last)["state_dict"])
    task.net.eval()
    return task


@torch.no_grad()
def calibrate(task: ViewTask, stills: list[CamusStill]) -> tuple[Figure, ...]:
    """Set the unit of the distance, and measure how well A4C and A2C of held-out patients are separated.

    Args:
        task: With a network that has centres.
        stills: Of patients held out.

    Returns:
        AUC of A4C against A2C by patient, with a bootstrap interval over patients.
    """
    spec, squares = task.recipe.input, []
    for still in stills:
        clip = Clip(still.image[None], np.zeros(1), "still", still.patient)
        squares.append(fit(clip.frames, place(find_sector(clip).box, spec.size, still.spacing), spec.size)[0])
    found = task.net(torch.from_numpy(normalise(np.stack(squares), spec))).numpy()
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
        Figure("auc_a4c_a2c", auc(scores), "", low, high, 0.95, len(patients), split, "views of the dataset"),
    )


def write_view(
    task: ViewTask,
    figures: tuple[Figure, ...],
    patients: list[str],
    minutes: float,
    options: run_folder.RunOptions,
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
    card = Card(
        name=recipe.name,
        version=VERSION,
        kind=VIEW,
        title="View of a frame, and its distance from the apical training frames; does not measure an EF",
        licence=LICENCE,
        intended_use=INTENDED_USE,
        input=recipe.input,
        classes=VIEW_OUTPUTS,
        architecture=describe(VIEW, task.net),
        training=Training(
            data="CAMUS, training subgroup, A4C and A2C stills and animated stills made from them; phantoms and synthetic "
            "clips of other views",
            licence=LICENCE,
            citation=CITATION,
            patients=len(patients),
            patients_sha256=patients_sha256(patients),
            recipe=options.recipe_name,
            command=options.command,
            minutes=round(minutes, 1),
        ),
        model_sha256="",
        figures=figures,
        limits=LIMITS,
    )
    return save_card(card, folder)
