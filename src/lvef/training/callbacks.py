"""Callbacks of training: the table of epochs, and progress on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar

from lvef.io.atomic import write_text_atomic

METRICS_NAME = "metrics.csv"
"""The table of epochs in a run's folder."""

COLUMNS = ("epoch", "train_loss", "val_loss", "val_mae", "learning_rate", "seconds")
"""Its columns; epochs count from 0."""

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
    lines = [",".join(COLUMNS)]
    for row in rows:
        lines.append(",".join(_cell(row.get(name, math.nan)) for name in COLUMNS))
    return "\n".join(lines) + "\n"


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.8g}"


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


class EpochLines(L.Callback):
    """The device at the start, and a line per epoch on stderr where no progress bar is shown.

    Args:
        title: First word of each line.
        hardware: Device and arithmetic.
        shown: Metrics of a line: text before and after the number, by the name under which it is logged.
        lines: Print a line per epoch.
    """

    def __init__(
        self, title: str, hardware: str, shown: Mapping[str, tuple[str, str]], lines: bool = True
    ) -> None:
        self.title, self.hardware, self.shown, self.lines = title, hardware, shown, lines

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Name the device."""
        if trainer.is_global_zero:
            print(f"{self.title}: {self.hardware}", file=sys.stderr)  # noqa: T201

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the epoch's line."""
        if not trainer.is_global_zero or not self.lines:
            return
        values = trainer.callback_metrics
        parts = [f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"]
        for name, (before, after) in self.shown.items():
            if name in values:
                parts.append(f"{before} {float(values[name]):.4g} {after}".strip())
        print(f"{self.title}: {', '.join(parts)}", file=sys.stderr)  # noqa: T201


def progress_callbacks(title: str, hardware: str, shown: Mapping[str, tuple[str, str]]) -> list[L.Callback]:
    """What shows progress on stderr: Lightning's bar on a terminal, else a line per epoch; arguments as `EpochLines`."""
    if not sys.stderr.isatty():
        return [EpochLines(title, hardware, shown)]
    bar = RichProgressBar(refresh_rate=1, console_kwargs={"stderr": True})
    return [EpochLines(title, hardware, shown, lines=False), bar]
