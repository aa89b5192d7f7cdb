"""Fits a network by a recipe, or goes on with a fit that was stopped, to the same curve.

A checkpoint is written after every epoch. As order, variation and dropout of an epoch depend on the seed and the epoch's
number alone, a run that was killed and one that never stopped see the same batches; on one processor they give the same
numbers bit for bit (a test holds it), on GPUs those whose sums are not of a fixed order differ in the last digits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import polars as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping, ProgressBar, Timer
from torch import nn
from torch.utils.data import DataLoader

from lvef.core.errors import ConfigError, errors_only
from lvef.core.serialization import flatten
from lvef.inference.card import HELD_OUT, VALIDATION
from lvef.io.atomic import make_folder, write_text_atomic
from lvef.models.checkpoint import check_layers
from lvef.models.families import build
from lvef.training import run_folder
from lvef.training.callbacks import (
    METRICS_NAME,
    EpochLog,
    ResetPatience,
    log_settings,
    make_loggers,
    progress_callbacks,
)
from lvef.training.cases import Partition
from lvef.training.checkpoints import (
    BEST_NAME,
    LAST_NAME,
    AtomicCheckpointIO,
    RunCheckpoint,
    network_state,
    read_checkpoint,
    start_from,
)
from lvef.training.loading import (
    Batch,
    CaseDataset,
    EpochSampler,
    OrderedSampler,
    loader,
    losses_named,
    weights_of,
)
from lvef.training.machine import Machine
from lvef.training.model_card import write_network
from lvef.training.predictions import Table, metrics_of, predict, table_csv, validation_metric
from lvef.training.recipe import VOLUME_TRACE, Recipe
from lvef.training.regression import DivergedError, Task, task_for
from lvef.training.run_folder import Run, RunOptions, partition_csv
from lvef.training.training_data import TrainingData, mean_ef

TALKATIVE = ("lightning.pytorch", "lightning.fabric", "torch.onnx")
"""Loggers with advice for programmers that no user asked for."""


@dataclass(frozen=True)
class FitResult:
    """What came out of a run.

    Attributes:
        out: Its folder.
        epochs: Epochs that were run, in this start or before.
        resumed: How many of them an earlier start had run.
        best_epoch: The one whose weights are kept, from 0.
        val_loss: Its validation loss.
        val_mae: Its mean absolute error on validation cases, in percent of EF or parts of the side.
        figures: Of the kept weights, by part.
        seconds: Time of all starts.
        network: Folder of the network, or None.
    """

    out: Path
    epochs: int
    resumed: int
    best_epoch: int
    val_loss: float
    val_mae: float
    figures: dict[str, dict[str, float]]
    seconds: float
    network: Path | None

    def as_dict(self) -> dict[str, Any]:
        """For ``--json`` and ``run.json``."""
        return asdict(self) | {"out": str(self.out), "network": str(self.network) if self.network else None}


def fit(
    recipe: Recipe,
    data: TrainingData,
    partition: Partition,
    options: RunOptions,
    callbacks: Sequence[L.Callback] = (),
) -> FitResult:
    """Fit a network, or go on, or return the result of a complete run.

    Args:
        recipe: Settings.
        data: Data.
        partition: Which cases are for what.
        options: Where, on what, from which weights.
        callbacks: Further callbacks of Lightning.

    Raises:
        ConfigError: Settings do not fit each other, the data, the machine or an earlier start. Only ``epochs`` may be more
            than then: the run goes on, its schedule that of the longer run from there on.
        DataError: A file cannot be read or written; checkpoints that were written stay whole.
        WeightsError: A checkpoint is damaged, or of another architecture.
    """
    options.machine.accelerator()
    net = make_network(recipe, mean_ef(partition.train))
    part = start_from(net, options.init, recipe.family) if options.init else None
    if part is None and getattr(getattr(net, "config", None), "frozen", False):
        raise ConfigError(
            f"{recipe.name}: its backbone stays as it is loaded, but no weights were given, and on random ones nothing can "
            "be learned; give --init FILE with those of torchvision's mobilenet_v2, or of lvef train own-backbone."
        )
    make_folder(options.out)
    with run_folder.locked(options.out), losses_named():
        return _fit(Run(recipe, data, partition, options), callbacks, net, part)


def _fit(run: Run, callbacks: Sequence[L.Callback], net: nn.Module, part: str | None) -> FitResult:
    recipe, data, partition, options = run.recipe, run.data, run.partition, run.options
    machine, out, provenance = options.machine, options.out, run.provenance(part)
    settings = provenance["settings"]
    earlier = run_folder.prepare_folder(out, settings, fresh=options.fresh, name=recipe.name)
    if earlier.get("complete"):
        return _completed_result(earlier, options)
    # A run keeps its arithmetic, also where it goes on on another machine.
    precision = earlier.get("precision") or machine.precision(recipe.precision, recipe.family)
    provenance |= {"precision": precision, "prolonged": earlier.get("prolonged", [])}
    task = task_for(recipe, net)
    last = out / f"{LAST_NAME}.ckpt"
    resumed = _completed_epochs(last, net, recipe) if last.exists() else 0
    table, best = EpochLog(out / METRICS_NAME), RunCheckpoint(out, BEST_NAME, "val_loss")
    timer = Timer()
    unit = "of the side" if recipe.family == VOLUME_TRACE else "% EF"
    shown = {"train_loss": ("loss", ""), "val_mae": ("validation MAE", unit)}
    stopping = [*_stopping(recipe), *([ResetPatience(recipe.patience)] if earlier.get("longer") else [])]
    with quiet_logging():
        trainer = make_trainer(
            machine,
            precision,
            recipe.epochs,
            [
                table,
                timer,
                *progress_callbacks(options, machine.description(precision), shown),
                *callbacks,
                best,
                RunCheckpoint(out, LAST_NAME),
                *stopping,
            ],
            logger=make_loggers(options.loggers, out, recipe.name, own_table=True),
            gradient_clip=recipe.optimiser.gradient_clip,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        if trainer.is_global_zero:
            run_folder.write_run(out, provenance | {"complete": False})
            write_text_atomic(out / run_folder.PARTS_NAME, partition_csv(partition))
            log_settings(trainer.loggers, flatten(settings["recipe"]))
        loading = CaseDataModule(
            data.part(partition.train, train=True),
            data.part(partition.validation, train=False),
            weights_of(partition.train, recipe.data.weights),
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            workers=machine.workers,
            first_epoch=resumed,
        )
        with interrupts_raised():
            trainer.fit(task, datamodule=loading, ckpt_path=last if resumed else None, weights_only=True)
    if not trainer.is_global_zero:
        return FitResult(out, len(table.rows), resumed, -1, nan, nan, {}, 0.0, None)
    return _finish(run, task, provenance, table, timer.time_elapsed(), resumed)


class CaseDataModule(L.LightningDataModule):
    """Loaders of training and validation.

    Args:
        train: Training cases.
        validation: Validation cases.
        weights: How often each training case comes in an epoch.
        batch_size: Cases a step.
        seed: Of the order.
        workers: Processes that load; 0 loads in the training process.
        first_epoch: With which the run begins or goes on.
    """

    def __init__(
        self,
        train: CaseDataset,
        validation: CaseDataset,
        weights: Sequence[float],
        *,
        batch_size: int,
        seed: int,
        workers: int = 0,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.train, self.validation, self.weights = train, validation, weights
        self.batch_size, self.seed, self.workers, self.first_epoch = batch_size, seed, workers, first_epoch

    def train_dataloader(self) -> DataLoader[Batch]:
        """In random order; a last batch that is not full is left out where there is another."""
        rank, world = self._place()
        sampler = EpochSampler(self.weights, self.seed, rank, world)
        # Processes that load take their first cases before Lightning names the epoch, and before it reads the checkpoint.
        sampler.set_epoch(self.first_epoch)
        return loader(
            self.train, sampler, self.batch_size, self.workers, drop_last=len(sampler) > self.batch_size
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """In order."""
        rank, world = self._place()
        sampler = OrderedSampler(len(self.validation), rank, world)
        return loader(self.validation, sampler, self.batch_size, self.workers)

    def _place(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)


def make_trainer(
    machine: Machine,
    precision: Any,  # noqa: ANN401
    epochs: int,
    callbacks: Sequence[L.Callback],
    *,
    logger: Any,  # noqa: ANN401
    gradient_clip: float = 0.0,
    **settings: Any,  # noqa: ANN401
) -> L.Trainer:
    """Lightning's trainer as all families use it: whole checkpoints, no summary, progress by callbacks.

    Args:
        machine: Devices.
        precision: Arithmetic, by Lightning's names.
        epochs: Most epochs.
        callbacks: Callbacks.
        logger: Loggers of Lightning, or False.
        gradient_clip: Largest norm of the gradient; 0 for none.
        settings: Further settings of `lightning.Trainer`.
    """
    return L.Trainer(
        accelerator=machine.accelerator(),
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy=machine.strategy,
        precision=precision,
        max_epochs=epochs,
        logger=logger,
        callbacks=list(callbacks),
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        enable_model_summary=False,
        log_every_n_steps=10,
        gradient_clip_val=gradient_clip or None,
        **settings,
    )


def make_network(recipe: Recipe, mean_ef_percent: float) -> nn.Module:
    """The network of a recipe with its first weights.

    Args:
        recipe: Family, settings, seed.
        mean_ef_percent: Where its output starts, if the recipe wants that; NaN for nowhere.

    Raises:
        ConfigError: The family does not know a setting.
    """
    L.seed_everything(recipe.seed, verbose=False)
    try:
        net = build(recipe.family, dict(recipe.network))
    except ConfigError as error:
        raise ConfigError(f"{recipe.name}: {error}") from None
    start: Callable[[float], None] | None = getattr(net, "set_output_bias", None)
    if recipe.output_bias and start is not None and np.isfinite(mean_ef_percent):
        start(mean_ef_percent)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            # Filters over images take two thirds of the time with the channels of a pixel side by side.
            module.to(memory_format=torch.channels_last)
    return net


def _finish(
    run: Run, task: Task, provenance: dict[str, Any], table: EpochLog, seconds: float, resumed: int
) -> FitResult:
    """Take the best weights, let them predict, write the network, its card and the run's tables."""
    recipe, options = run.recipe, run.options
    # A value that is no number counts as infinite, so that the first epoch is kept even then.
    row = min(table.rows, key=lambda row: row["val_loss"] if isfinite(row["val_loss"]) else inf)
    if not isfinite(row["val_loss"]):
        raise DivergedError(
            f"{recipe.name}: no epoch gave a validation loss that is a number; lower optimiser.learning_rate."
        )
    task.net.load_state_dict(network_state(read_checkpoint(options.out / f"{BEST_NAME}.ckpt")))
    device = torch.device("cuda" if options.machine.accelerator() == "cuda" else "cpu")
    task.to(device)
    tables: dict[str, Table] = {}
    for name in (VALIDATION, HELD_OUT):
        if cases := getattr(run.partition, name):
            tables[name] = predict(task, run.data.part(cases, train=False), name, recipe.batch_size)
    write_text_atomic(options.out / run_folder.PREDICTIONS_NAME, table_csv(pl.concat(tables.values())))
    network = options.out / recipe.name if options.network else None
    if network is not None:
        figures = (validation_metric(tables[VALIDATION]),)
        with quiet_logging():
            write_network(task.net.cpu(), run, seconds / 60, figures)
    fitted = FitResult(
        options.out,
        len(table.rows),
        resumed,
        int(row["epoch"]),
        row["val_loss"],
        row["val_mae"],
        {name: metrics_of(found) for name, found in tables.items()},
        round(seconds, 1),
        network,
    )
    result = fitted.as_dict() | {"out": "", "network": network.name if network else None}
    run_folder.write_run(options.out, provenance | {"complete": True, "result": result})
    return fitted


def _completed_result(earlier: dict[str, Any], options: RunOptions) -> FitResult:
    """The result of a run that had ended."""
    result = dict(earlier["result"])
    network = result.pop("network")
    epochs = int(result["epochs"])
    return FitResult(
        **result
        | {"out": options.out, "resumed": epochs, "network": options.out / network if network else None}
    )


def _completed_epochs(last: Path, net: nn.Module, recipe: Recipe) -> int:
    """Epochs that a checkpoint has behind it.

    Raises:
        WeightsError: It is damaged, or of another architecture.
    """
    found = read_checkpoint(last)
    check_layers(net, network_state(found), last, recipe.family)
    return int(found["epoch"]) + 1


def _stopping(recipe: Recipe) -> list[L.Callback]:
    if not recipe.patience:
        return []
    return [EarlyStopping("val_loss", patience=recipe.patience, mode="min", verbose=False)]


@contextmanager
def interrupts_raised() -> Iterator[None]:
    """Lightning ends the process on Ctrl-C; the caller decides that here."""
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Lightning's greetings, tips and advice stay unsaid; its errors do not."""
    with errors_only(*TALKATIVE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(lightning|torch)\b.*")
        warnings.filterwarnings("ignore", category=FutureWarning)
        yield
