"""Trains the segmentation family on CAMUS: runs, the mean of several runs, and the card.

What is kept is the running average of the weights. Only patients of the training subgroup are read; those of a fold that is
held out are named in ``held-out.txt``, so that the recipe can be evaluated on them.

Source of the mean of runs: Wortsman et al., "Model soups", ICML 2022.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lvef
from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError, DataError
from lvef.core.serialization import parse_json
from lvef.datasets.camus import CITATION, LICENCE, read_split, read_stills
from lvef.inference.card import MODEL_NAME, Card, Training
from lvef.io.atomic import make_folder, write_text_atomic
from lvef.models.export import export_segmentation
from lvef.models.segmentation import SegNet
from lvef.training import run_folder
from lvef.training.animated_stills import STORED_SIZE, make_animated, read_animated
from lvef.training.callbacks import progress_callbacks
from lvef.training.cases import patients_sha256
from lvef.training.checkpoints import LAST_NAME, RunCheckpoint, read_checkpoint
from lvef.training.fit import make_trainer, quiet_logging
from lvef.training.loggers import log_settings, make_loggers
from lvef.training.machine import SEGNET, Machine
from lvef.training.model_card import INTENDED_USE, save_card
from lvef.training.segmentation import (
    Arrays,
    FramePairs,
    SegmentationRecipe,
    SegmentationTask,
    held_out,
    still_pairs,
)

VERSION = "1.2.0"
"""Version that a newly trained network gets."""

HELD_OUT_NAME, ANIMATED_NAME = run_folder.HELD_OUT_NAME, run_folder.ANIMATED_NAME
"""Names of the patients whom a run has not learned from, one a line; the animated stills that a run has made."""

DEV_PATIENTS = 10
"""Patients of a `lvef.training.dev_run`."""

SHOWN = {"loss": ("loss", ""), "dice_lv": ("validation Dice of the LV", "")}
"""Metrics of a line of progress."""

LIMITS = (
    "Trained on stills of one hospital and one maker's machine; other machines, contrast agents and children were not seen.",
    "A shadow over the ventricle, or a wall that drops out, makes the EF four to five points worse.",
    "A faint lateral wall at end-systole is drawn too far out: on synthetic phantoms the EF is 8 points too low.",
    "Apical four- and two-chamber views only; other views are not reliably refused.",
    "One view cannot reveal foreshortening.",
    "A2C stills of the dataset have lost their scale and aspect ratio.",
)
"""Known weaknesses."""


@dataclass(frozen=True)
class SegmentationResult:
    """What came out of a run, or of the mean of several.

    Attributes:
        out: Its folder.
        network: Folder of the network.
        epochs: Epochs that were run, in this start or before.
        resumed: How many of them an earlier start had run.
        minutes: Time of all starts.
    """

    out: Path
    network: Path
    epochs: int
    resumed: int
    minutes: float

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return vars(self) | {"out": str(self.out), "network": str(self.network)}


def train_segmentation(
    recipe: SegmentationRecipe, data: Path, options: run_folder.RunOptions, animated: Path | None = None
) -> SegmentationResult:
    """Train, resume, or return the result of a complete run.

    Args:
        recipe: Settings; its ``fold`` is held out.
        data: Folder of CAMUS that holds ``database_nifti`` and ``database_split``.
        options: ``init`` is the run folder whose weights are the first ones.
        animated: File of animated stills; made where it is missing. None for one in the run's folder.

    Raises:
        ConfigError: Settings do not fit each other, the machine or an earlier start.
        DataError: A file cannot be read or written.
    """
    out, machine = options.out, options.machine
    if machine.devices * machine.num_nodes > 1:
        raise ConfigError("segmentation trains on one device; leave --devices and --num-nodes.")
    patients = read_split(data, "training")[: DEV_PATIENTS if options.fast_dev_run else None]
    unseen = [] if recipe.fold is None else held_out(patients, recipe.fold, recipe.n_folds, recipe.split_seed)
    used = [p for p in patients if p not in set(unseen)]
    settings = {
        "recipe": to_mapping(recipe),
        "patients_sha256": patients_sha256(used),
        "start": options.init.name if options.init else "none",
    }
    start = load_start(options.init, unseen)
    make_folder(out)
    with run_folder.locked(out):
        earlier = run_folder.prepare_folder(out, settings, fresh=options.fresh, name=recipe.name)
        if earlier.get("complete"):
            epochs = int(earlier["config"]["epochs"])
            return SegmentationResult(out, out / recipe.name, epochs, epochs, float(earlier["minutes"]))
        precision = earlier.get("precision") or machine.precision(recipe.precision, SEGNET)
        run = {"settings": settings, "precision": precision, "prolonged": earlier.get("prolonged", [])}
        run_folder.write_run(out, run | {"complete": False, "minutes": earlier.get("minutes", 0.0)})
        write_text_atomic(out / HELD_OUT_NAME, "\n".join(unseen) + "\n")
        last = out / f"{LAST_NAME}.ckpt"
        resumed = int(read_checkpoint(last)["epoch"]) + 1 if last.exists() else 0
        began = time.perf_counter()
        cines = None
        if recipe.animated_share:
            path = animated or out / ANIMATED_NAME
            if not path.exists():
                make_animated(data, path, jobs=max(1, machine.workers))
            cines = read_animated(path, used)
        cases = FramePairs(still_pairs(read_stills(data, used), STORED_SIZE), cines, recipe)
        shown = still_pairs(read_stills(data, unseen), recipe.input.size) if unseen else None
        net = fit_segmentation(
            recipe, cases, shown, out, machine=machine, precision=precision, start=start, options=options
        )
        minutes = float(earlier.get("minutes", 0.0)) + (time.perf_counter() - began) / 60
        card = write_segmentation(net, recipe, used, minutes, options, out / recipe.name)
        run |= {
            "lvef": lvef.__version__,
            "torch": torch.__version__,
            "lightning": L.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "config": to_mapping(recipe),
            "patients": len(used),
            "cases": len(cases),
            "minutes": round(minutes, 1),
            "device": "cuda" if machine.accelerator() == "cuda" else platform.machine(),
            "command": options.command,
            "model_sha256": card.model_sha256,
        }
        run_folder.write_run(out, run | {"complete": True})
    return SegmentationResult(out, out / recipe.name, recipe.epochs, resumed, round(minutes, 1))


def average_runs(
    recipe: SegmentationRecipe, runs: Sequence[Path], data: Path, options: run_folder.RunOptions
) -> SegmentationResult:
    """One network from several runs that began with the same weights: the mean of theirs.

    What one run learned by chance is averaged out, and the network costs no more than one of them. Weights of runs from
    different random numbers have no meaningful mean.

    Args:
        recipe: Of all runs.
        runs: Their folders.
        data: Folder of CAMUS.
        options: ``out`` gets the network.

    Raises:
        DataError: A folder holds no complete run, or the runs have different networks.
    """
    patients = read_split(data, "training")
    states, minutes, epochs, unseen = [], 0.0, 0, set(patients)
    for run in runs:
        checkpoint, names, found = _read_run(run)
        states.append(checkpoint["state_dict"])
        unseen &= set(names)
        minutes += found
        epochs += int(checkpoint.get("epoch", -1)) + 1
    task = SegmentationTask(recipe)
    task.load_state_dict(mean_state(states))
    used = [patient for patient in patients if patient not in unseen]
    write_segmentation(task.net.eval(), recipe, used, minutes, options, options.out)
    return SegmentationResult(options.out, options.out, epochs, epochs, round(minutes, 1))


def mean_state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean of several states, entry by entry; counters stay whole numbers.

    Raises:
        DataError: The states are of different networks.
    """
    first = states[0]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes):
        raise DataError("the runs have different models; runs of one recipe were expected.")
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(value.dtype)
        for name, value in first.items()
    }


def load_start(run: Path | None, unseen: Sequence[str]) -> dict[str, Any] | None:
    """Weights of an earlier run that was not trained on any patient held out here.

    Args:
        run: Its folder, or None for random weights.
        unseen: Patients that are held out.

    Raises:
        DataError: There is no such run.
        ConfigError: It has learned from a patient who is held out here.
    """
    if run is None:
        return None
    names, last = run / HELD_OUT_NAME, run / f"{LAST_NAME}.ckpt"
    if not (names.is_file() and last.is_file()):
        raise DataError(f"{run}: no run to start from; {HELD_OUT_NAME} and last.ckpt were expected.")
    known = set(unseen) - set(names.read_text().split())
    if known:
        raise ConfigError(
            f"{run} has learned from {len(known)} of the patients who are held out; start from a run of the same fold."
        )
    state: dict[str, Any] = read_checkpoint(last)["state_dict"]
    return state


def fit_segmentation(
    recipe: SegmentationRecipe,
    cases: FramePairs,
    validation: Arrays | None,
    folder: Path,
    *,
    machine: Machine | None = None,
    precision: Any = None,  # noqa: ANN401
    net: Callable[[], nn.Module] | None = None,
    start: dict[str, Any] | None = None,
    options: run_folder.RunOptions | None = None,
) -> Any:  # noqa: ANN401
    """Train, or go on training, and return the averaged network.

    Args:
        recipe: Settings.
        cases: Cases at `lvef.training.segmentation.STORED_SIZE`.
        validation: From `lvef.training.segmentation.still_pairs` at the network's size, or None.
        folder: Where checkpoints and metrics go; ``last.ckpt`` there is resumed.
        machine: On what to compute.
        precision: Arithmetic; None for the recipe's.
        net: Makes another network than the recipe's.
        start: State of a task to begin with, instead of random weights.
        options: Loggers and progress; the rest does not count here.
    """
    options = options or run_folder.RunOptions(folder)
    machine = machine or Machine()
    precision = precision or machine.precision(recipe.precision, SEGNET)
    L.seed_everything(recipe.seed, verbose=False)
    task = SegmentationTask(recipe, None if net is None else net())
    if start is not None:
        task.load_state_dict(start)
    last = folder / f"{LAST_NAME}.ckpt"
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
            check_val_every_n_epoch=2,
        )
        loader = DataLoader(cases, recipe.batch_size // 2, shuffle=True, drop_last=True)
        shown = DataLoader(TensorDataset(*map(torch.from_numpy, validation)), 25) if validation else None
        log_settings(trainer.loggers, run_folder.flatten(to_mapping(recipe)))
        try:
            trainer.fit(task, loader, shown, ckpt_path=last if last.exists() else None)
        except SystemExit:
            # Lightning ends the process on Ctrl-C; the caller decides that here.
            raise KeyboardInterrupt from None
    # The file holds the average; the module in memory does so only when this start trained to the end itself.
    task.load_state_dict(read_checkpoint(last)["state_dict"])
    return task.net.eval()


def write_segmentation(
    net: SegNet,
    recipe: SegmentationRecipe,
    patients: Sequence[str],
    minutes: float,
    options: run_folder.RunOptions,
    folder: Path,
) -> Card:
    """Write ``model.onnx`` and ``card.json``; the metrics are added by ``lvef evaluate --write-card``."""
    make_folder(folder)
    offsets = recipe.input.offsets_s
    export_segmentation(net, recipe.input.size, folder / MODEL_NAME, frames=len(offsets))
    sampling = "every frame on its own"
    if len(offsets) > 1:
        around = ", ".join(f"{s:+g}" for s in offsets if s)
        sampling = (
            f"every frame with those at {around} s around it; of a still, the other phase where it is known"
        )
    card = Card(
        name=recipe.name,
        version=VERSION,
        kind="segmentation",
        title="Left ventricle, myocardium and left atrium on apical four- and two-chamber frames",
        licence=LICENCE,
        intended_use=INTENDED_USE,
        input=recipe.input,
        classes=("background", "lv", "myocardium", "la"),
        architecture={
            "family": "SegNet",
            "parameters": sum(p.numel() for p in net.parameters()),
            **to_mapping(replace(recipe.network, in_frames=len(offsets))),
        },
        training=Training(
            data="CAMUS, training subgroup, A4C and A2C, ED and ES stills with expert masks"
            + (", and animated stills made from them" if recipe.animated_share else ""),
            licence=LICENCE,
            citation=CITATION,
            patients=len(patients),
            patients_sha256=patients_sha256(patients),
            recipe=options.recipe_name,
            command=options.command,
            minutes=round(minutes, 1),
        ),
        model_sha256="",
        sampling=sampling,
        limits=LIMITS,
    )
    return save_card(card, folder)


def _read_run(run: Path) -> tuple[dict[str, Any], list[str], float]:
    """Checkpoint, patients never seen, and minutes of a complete run."""
    try:
        names = (run / HELD_OUT_NAME).read_text().split()
        minutes = float(parse_json((run / run_folder.RUN_NAME).read_text())["minutes"])
        return read_checkpoint(run / f"{LAST_NAME}.ckpt"), names, minutes
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{run}: no finished run of the segmentation ({type(error).__name__}: {error}); last.ckpt, {HELD_OUT_NAME} "
            "and run.json were expected."
        ) from None
