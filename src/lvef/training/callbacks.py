"""Callbacks of training: the table of epochs, and progress on stderr; loggers, to which the curves of a run go.

``csv`` and ``tensorboard`` write into the run's folder. ``mlflow`` writes there too (``mlflow.db``), or to the server that
``MLFLOW_TRACKING_URI`` names. ``wandb`` sends to Weights & Biases, unless ``WANDB_MODE=offline``. Nothing is sent unless its
logger is asked for.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from lvef.core.errors import ConfigError
from lvef.core.serialization import csv_text
from lvef.io.atomic import write_text_atomic

if TYPE_CHECKING:
    from lvef.training.run_folder import RunOptions

METRICS_NAME = "metrics.csv"
"""The table of epochs in a run's folder."""

COLUMNS = ("epoch", "train_loss", "val_loss", "val_mae", "learning_rate", "seconds")
"""Its columns; epochs count from 0."""

EVERY_S, VERBOSE_EVERY_S = 30.0, 2.0
"""Seconds between lines of progress within an epoch."""

Row = dict[str, float]
"""An epoch's numbers by column."""


class EpochLog(L.Callback):
    """Keeps a row an epoch and writes them as CSV after each.

    The rows travel in the checkpoints: a run that goes on from one writes the table that belongs to it, whatever was on the
    disk, so no epoch is missing and none stands there twice.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self._began = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Rows so far."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Rows of the checkpoint that is gone on from."""
        self.rows = [dict(row) for row in state_dict["rows"]]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add the row of this epoch."""
        values = trainer.callback_metrics
        row = {
            "epoch": float(trainer.current_epoch),
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.perf_counter() - self._began,
        }
        row |= {name: float(values.get(name, math.nan)) for name in ("train_loss", "val_loss", "val_mae")}
        self.rows.append(row)
        if trainer.is_global_zero:
            write_text_atomic(self.path, table_csv(self.rows))


def table_csv(rows: list[Row]) -> str:
    """Rows as CSV text.

    Example:
        >>> table_csv([{"epoch": 0.0, "train_loss": 0.5}]).splitlines()[1]
        '0,0.5,,,,'
    """
    known = ([row.get(name, math.nan) for name in COLUMNS] for row in rows)
    return csv_text(COLUMNS, (["" if math.isnan(v) else f"{v:.8g}" for v in row] for row in known))


class ResetPatience(L.Callback):
    """Lets a run that is made longer wait anew for a better epoch; its checkpoint remembers how long it had waited.

    Args:
        patience: Of the recipe.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After the checkpoint is read."""
        for stopping in trainer.early_stopping_callbacks:
            stopping.wait_count, stopping.patience = 0, self.patience


class ProgressLines(L.Callback):
    """The device at the start, and lines of progress on stderr where no progress bar is shown.

    A line an epoch, and within an epoch one every few seconds, with the loss and the time that is left.

    Args:
        title: First word of each line.
        hardware: Device and arithmetic.
        shown: Metrics of an epoch's line: text before and after the number, by the name under which it is logged.
        lines: Print lines, not only the device.
        every_s: Seconds between lines within an epoch.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        title: str,
        hardware: str,
        shown: Mapping[str, tuple[str, str]],
        *,
        lines: bool = True,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title, self.hardware, self.shown, self.lines = title, hardware, shown, lines
        self.every_s, self.clock = every_s, clock
        self._began = self._epoch_began = self._printed = 0.0
        self._batches = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Name the device."""
        self._began = self._printed = self.clock()
        if trainer.is_global_zero:
            print(f"{self.title}: {self.hardware}", file=sys.stderr)  # noqa: T201

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the epoch's clock."""
        self._epoch_began = self.clock()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Print a line if the last one is long ago."""
        self._batches += 1
        now, total = self.clock(), trainer.num_training_batches
        if not self.lines or not trainer.is_global_zero or now - self._printed < self.every_s:
            return
        if not math.isfinite(total) or batch_idx + 1 >= total:
            return  # the line of the epoch comes next
        self._printed = now
        left = total - batch_idx - 1
        epoch_s = (now - self._epoch_began) / (batch_idx + 1) * left
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        parts = [f"{self._epoch(trainer)}, batch {batch_idx + 1}/{total}"]
        if loss is not None:
            parts.append(f"loss {float(loss):.4g}")
        parts.append(f"epoch ends in {duration_text(epoch_s)}")
        parts += self._run_left(trainer, now, left)
        print(f"{self.title}: {', '.join(parts)}", file=sys.stderr)  # noqa: T201

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the epoch's line."""
        if not trainer.is_global_zero or not self.lines:
            return
        self._printed = self.clock()
        values = trainer.callback_metrics
        parts = [self._epoch(trainer)]
        for name, (before, after) in self.shown.items():
            if name in values:
                parts.append(f"{before} {float(values[name]):.4g} {after}".strip())
        parts.append(duration_text(self._printed - self._epoch_began))
        parts += self._run_left(trainer, self._printed, 0)
        print(f"{self.title}: {', '.join(parts)}", file=sys.stderr)  # noqa: T201

    def _epoch(self, trainer: L.Trainer) -> str:
        return f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"

    def _run_left(self, trainer: L.Trainer, now: float, left: int) -> list[str]:
        """The time to the end of the run, by the mean time of a batch with all that lies between batches."""
        epochs = (trainer.max_epochs or 0) - trainer.current_epoch - 1
        if epochs < 1 or not self._batches:
            return []
        seconds = (now - self._began) / self._batches * (left + epochs * trainer.num_training_batches)
        return [f"run ends in {duration_text(seconds)}"] if math.isfinite(seconds) else []


def duration_text(seconds: float) -> str:
    """A duration in words, short.

    Example:
        >>> duration_text(8.4), duration_text(250), duration_text(7500)
        ('8 s', '4 min', '2 h 5 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def progress_callbacks(
    options: RunOptions, hardware: str, shown: Mapping[str, tuple[str, str]]
) -> list[L.Callback]:
    """What shows progress on stderr: Lightning's bar on a terminal, else lines.

    Args:
        options: Title, and whether progress is wanted.
        hardware: See `ProgressLines`.
        shown: See `ProgressLines`.
    """
    if options.quiet:
        return []
    if not sys.stderr.isatty():
        every_s = VERBOSE_EVERY_S if options.verbose else EVERY_S
        return [ProgressLines(options.title, hardware, shown, every_s=every_s)]
    bar = RichProgressBar(refresh_rate=1, console_kwargs={"stderr": True})
    return [ProgressLines(options.title, hardware, shown, lines=False), bar]


CSV, TENSORBOARD, MLFLOW, WANDB = "csv", "tensorboard", "mlflow", "wandb"
"""Names of the loggers; each but ``csv`` needs the package of that name."""

MLFLOW_NAME = "mlflow.db"
"""MLflow's database in a run's folder."""

PROJECT = "lvef"
"""Experiment of MLflow and project of Weights & Biases."""


def make_loggers(
    names: Sequence[str] | None, out: Path, name: str, *, own_table: bool = False
) -> list[Logger]:
    """The loggers of a run.

    Args:
        names: Their names; None for ``csv``, and ``tensorboard`` where it is installed.
        out: Folder of the run.
        name: Name of the run.
        own_table: Whether the run writes ``metrics.csv`` itself, in place of Lightning's logger.

    Raises:
        ConfigError: A package is not installed.
    """
    wanted = [CSV, *([TENSORBOARD] if find_spec(TENSORBOARD) else [])] if names is None else list(names)
    check_loggers(wanted)
    loggers: list[Logger] = []
    for one in dict.fromkeys(wanted):
        if one == CSV and not own_table:
            # One version a start: the logger deletes what an earlier start left in its folder.
            loggers.append(CSVLogger(out, name="metrics"))
        elif one == TENSORBOARD:
            loggers.append(TensorBoardLogger(out, name=TENSORBOARD, version="", default_hp_metric=False))
        elif one == MLFLOW:
            # MLflow 3 no longer writes plain folders.
            address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{out.absolute() / MLFLOW_NAME}"
            place = str(out.absolute() / "mlruns")
            loggers.append(
                MLFlowLogger(PROJECT, run_name=name, tracking_uri=address, artifact_location=place)
            )
        elif one == WANDB:
            loggers.append(WandbLogger(name=name, project=PROJECT, save_dir=out))
    return loggers


def log_settings(loggers: Sequence[Logger], settings: Mapping[str, Any]) -> None:
    """Log the settings of a run.

    Args:
        loggers: They write files from now on.
        settings: By dotted name.

    Raises:
        ConfigError: A package is installed in part only, as mlflow-skinny is.
    """
    for logger in loggers:
        try:
            logger.log_hyperparams(dict(settings))
        except ImportError as error:
            name = type(logger).__name__.removesuffix("Logger").lower()
            raise ConfigError(
                f"--logger {name}: its package is not complete ({error}): run pip install {name}."
            ) from error


def check_loggers(names: Sequence[str]) -> None:
    """See that the packages of loggers are installed.

    Raises:
        ConfigError: One is not; with the command that installs it.
    """
    for name in names:
        if name != CSV and find_spec(name) is None:
            raise ConfigError(
                f"--logger {name} needs a package that is not installed: run pip install {name}."
            )
