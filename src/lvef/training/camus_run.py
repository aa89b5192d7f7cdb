"""Runs on CAMUS, as the families segmentation and view have them: held-out patients, one device, averaged weights.

What is kept is the running average of the weights. Only patients of the training subgroup are read; those held out are named
in ``held-out.txt``, so that the recipe can be evaluated on them.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import lightning as L
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lvef.core.config import from_mapping, to_mapping
from lvef.core.errors import ConfigError, DataError, reading
from lvef.core.serialization import flatten
from lvef.datasets.camus import CITATION, LICENCE, read_split
from lvef.inference.card import INTENDED_USE, Card, Training, patients_sha256
from lvef.io.atomic import make_folder, write_text_atomic
from lvef.training import run_folder
from lvef.training.animated_stills import make_animated
from lvef.training.callbacks import log_settings, make_loggers, progress_callbacks
from lvef.training.cases import held_out
from lvef.training.checkpoints import LAST_NAME, RunCheckpoint, read_checkpoint
from lvef.training.fit import interrupts_raised, make_trainer, quiet_logging
from lvef.training.image_augmentation import AugmentConfig
from lvef.training.machine import SEGNET
from lvef.training.model_card import save_card
from lvef.training.optimisers import Muon, split_parameters
from lvef.training.recipe import PRECISIONS, check_choice, find_recipe, read_values, with_changes
from lvef.transforms.spec import InputSpec

DEV_PATIENTS = 10
"""Patients of ``lvef train --fast-dev-run``."""


@dataclass(frozen=True)
class CamusRecipe:
    """Settings that both families have; each has its own defaults."""

    name: str = ""
    """Name of the network that comes out."""
    family: str = ""
    """By it `lvef train` knows these recipes."""
    fold: int | None = 0
    """Fold of the training patients that is held out, or None to train on all of them."""
    n_folds: int = 5
    """Folds, by patient."""
    split_seed: int = 1
    """Of the folds, so that another seed is evaluated on the same patients. Both families hold out the same patients."""
    seed: int = 1
    """Of everything else random."""
    epochs: int = 60
    """Passes over the cases."""
    batch_size: int = 16
    """Frames a step."""
    learning_rate: float = 3e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.02
    """Decoupled, as in AdamW."""
    ema_decay: float = 0.998
    """Running average of the weights, a step."""
    precision: str = "auto"
    """auto, 32-true or bf16-mixed; auto is bf16-mixed where the device multiplies in bf16."""
    input: InputSpec = field(default_factory=InputSpec)
    """What the network is shown."""
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    """Strengths."""

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)


R = TypeVar("R", bound=CamusRecipe)
T = TypeVar("T")


def read_camus_recipe(kind: type[R], path: Path, changes: Mapping[str, Any] | None = None) -> R:
    """Read a recipe of a family; ``path``, ``changes`` and errors as `lvef.training.recipe.read_recipe`."""
    path = find_recipe(path)
    return from_mapping(kind, with_changes(read_values(path), changes or {}), str(path))


class CamusTask(L.LightningModule):
    """A network with its schedule, trained by Muon.

    Args:
        recipe: The recipe.
        net: The network, whose last layer is its ``head``.
    """

    def __init__(self, recipe: Any, net: nn.Module) -> None:  # noqa: ANN401
        super().__init__()
        self.recipe = recipe
        self.net: Any = net.to(memory_format=torch.channels_last)
        self.rng = torch.Generator().manual_seed(recipe.seed)

    def shown(self, grey: Tensor) -> Tensor:
        """Grey images 0-1, ``(b, k, h, w)``, on the network's scale."""
        spec = self.recipe.input
        return ((grey - spec.mean) / spec.std).contiguous(memory_format=torch.channels_last)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a run that is made longer have the schedule of the longer run, not the one that is over."""
        for state in checkpoint["lr_schedulers"]:
            for name in ("total_steps", "_schedule_phases"):
                state.pop(name, None)

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Muon with one cycle."""
        rate, steps = self.recipe.learning_rate, int(self.trainer.estimated_stepping_batches)
        optimizer = Muon(*split_parameters(self.net, self.net.head), rate, self.recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rate, total_steps=steps, pct_start=0.1, cycle_momentum=False
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit_averaged(
    task: CamusTask,
    cases: DataLoader[Any],
    options: run_folder.RunOptions,
    shown: str,
    *,
    validation: DataLoader[Any] | None = None,
    precision: Any = None,  # noqa: ANN401
    **settings: Any,  # noqa: ANN401
) -> None:
    """Train, or go on from ``last.ckpt``; the task then has the averaged weights, in evaluation mode.

    Args:
        task: The task.
        cases: Training batches.
        options: Folder of checkpoints and metrics, machine, loggers and progress.
        shown: Metric of a line of progress beside the loss, and its name for people: ``dice_lv: validation Dice``.
        validation: Validation batches.
        precision: Arithmetic, by Lightning's names; None for the recipe's.
        settings: Further settings of `lightning.Trainer`.
    """
    recipe, machine, last = task.recipe, options.machine, options.out / f"{LAST_NAME}.ckpt"
    precision = precision or machine.precision(recipe.precision, SEGNET)
    metric, _, words = shown.partition(": ")
    progress = progress_callbacks(
        options, machine.description(precision), {"loss": ("loss", ""), metric: (words, "")}
    )
    checkpoints = [RunCheckpoint(options.out, LAST_NAME), EMAWeightAveraging(decay=recipe.ema_decay)]
    with quiet_logging():
        trainer = make_trainer(
            machine,
            precision,
            recipe.epochs,
            [*checkpoints, *progress],
            logger=make_loggers(options.loggers, options.out, recipe.name),
            gradient_clip=1.0,
            **settings,
        )
        log_settings(trainer.loggers, flatten(to_mapping(recipe)))
        with interrupts_raised():
            trainer.fit(task, cases, validation, ckpt_path=last if last.exists() else None)
    # The file holds the average; the module in memory does so only when this start trained to the end itself.
    task.load_state_dict(read_checkpoint(last)["state_dict"])
    task.net.eval()


def read_left_out(path: Path, known: Sequence[str]) -> list[str]:
    """Patients of a list, one a line.

    Args:
        path: The list.
        known: The training patients.

    Raises:
        DataError: It cannot be read, or names someone who is not among the training patients.
    """
    with reading(path, "a patient's name on each line was expected"):
        names = path.read_text(encoding="utf-8").split()
    if strangers := sorted(set(names) - set(known)):
        raise DataError(
            f"{path}: names {strangers[0]}, who is none of the {len(known)} training patients; take the line out."
        )
    return names


def choose_patients(
    recipe: CamusRecipe, data: Path, options: run_folder.RunOptions
) -> tuple[list[str], list[str]]:
    """Patients who are learned from, and those who are held out: of the recipe's fold, or those of ``options.leave_out``.

    Raises:
        DataError: A list cannot be read.
    """
    patients = read_split(data, "training")[: DEV_PATIENTS if options.fast_dev_run else None]
    unseen: list[str] = []
    if options.leave_out:
        unseen = read_left_out(options.leave_out, patients)
    elif recipe.fold is not None:
        unseen = held_out(patients, recipe.fold, recipe.n_folds, recipe.split_seed)
    return [p for p in patients if p not in set(unseen)], unseen


def animated_file(data: Path, options: run_folder.RunOptions, given: Path | None) -> Path:
    """The file of animated stills, made where it is missing; by default in the run's folder."""
    path = given or options.out / run_folder.ANIMATED_NAME
    if not path.exists():
        make_animated(data, path, jobs=max(1, options.machine.workers))
    return path


@dataclass(frozen=True)
class CamusResult:
    """What came out of a run, or of the mean of several.

    Attributes:
        out: Its folder.
        network: Folder of the network, or file of its weights.
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


def train_on_camus(
    recipe: CamusRecipe,
    options: run_folder.RunOptions,
    patients: tuple[list[str], list[str]],
    fit: Callable[[Any], T],
    write: Callable[[T, float], tuple[str, dict[str, Any]]],
    **settings: Any,  # noqa: ANN401
) -> CamusResult:
    """Train, resume, or return the result of a complete run.

    Args:
        recipe: Settings.
        options: Of the run.
        patients: From `choose_patients`.
        fit: Trains with an arithmetic, by Lightning's names.
        write: Writes what was trained, after so many minutes of all starts; gives its name in the run's folder, and facts
            for ``run.json``: number of cases, hash.
        settings: Whatever else moves the numbers.

    Raises:
        ConfigError: Settings do not fit each other, the machine or an earlier start.
        DataError: A file cannot be read or written.
    """
    out, machine = options.out, options.machine
    if machine.devices * machine.num_nodes > 1:
        raise ConfigError(f"{recipe.family} trains on one device; leave --devices and --num-nodes.")
    used, unseen = patients
    settings = {"recipe": to_mapping(recipe), "patients_sha256": patients_sha256(used)} | settings
    make_folder(out)
    with run_folder.locked(out):
        earlier = run_folder.prepare_folder(out, settings, fresh=options.fresh, name=recipe.name)
        minutes = float(earlier.get("minutes", 0.0))
        if earlier.get("complete"):
            epochs = int(earlier["config"]["epochs"])
            return CamusResult(out, out / earlier.get("network", recipe.name), epochs, epochs, minutes)
        # A run keeps its arithmetic, also where it goes on on another machine.
        precision = earlier.get("precision") or machine.precision(recipe.precision, SEGNET)
        begun = {"settings": settings, "precision": precision, "prolonged": earlier.get("prolonged", [])}
        run_folder.write_run(out, begun | {"complete": False, "minutes": minutes})
        write_text_atomic(out / run_folder.HELD_OUT_NAME, "\n".join(unseen) + "\n")
        last = out / f"{LAST_NAME}.ckpt"
        resumed = int(read_checkpoint(last)["epoch"]) + 1 if last.exists() else 0
        began = time.perf_counter()
        trained = fit(precision)
        minutes = round(minutes + (time.perf_counter() - began) / 60, 1)
        network, facts = write(trained, minutes)
        made = run_folder.package_versions() | {
            "config": to_mapping(recipe),
            "patients": len(used),
            "minutes": minutes,
            "device": "cuda" if machine.accelerator() == "cuda" else platform.machine(),
            "command": options.command,
            "network": network,
        }
        run_folder.write_run(out, begun | made | facts | {"complete": True})
    return CamusResult(out, out / network, recipe.epochs, resumed, minutes)


def save_camus_card(
    recipe: CamusRecipe,
    options: run_folder.RunOptions,
    patients: Sequence[str],
    minutes: float,
    folder: Path,
    *,
    data: str,
    **own: Any,  # noqa: ANN401
) -> Card:
    """Write the card beside a network's ``model.onnx``.

    Args:
        recipe: Its recipe.
        options: Recipe's file and command.
        patients: Whom it has learned from.
        minutes: Time it took.
        folder: The network's folder.
        data: What it has learned from, in words.
        own: Fields of `Card` that the family states.
    """
    training = Training(
        data=data,
        licence=LICENCE,
        citation=CITATION,
        patients=len(patients),
        patients_sha256=patients_sha256(patients),
        recipe=options.recipe_name,
        command=options.command,
        minutes=round(minutes, 1),
    )
    return save_card(
        Card(
            name=recipe.name,
            licence=LICENCE,
            intended_use=INTENDED_USE,
            input=recipe.input,
            training=training,
            model_sha256="",
            **own,
        ),
        folder,
    )
