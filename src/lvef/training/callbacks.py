"""What is told while a network trains: the table of epochs, and a line or a bar on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L

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
        on_row: Called with each new row.
    """

    def __init__(self, path: Path, on_row: Callable[[Row], None] = lambda _: None) -> None:
        self.path, self.on_row = path, on_row
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
            self.on_row(row)


def table_csv(rows: list[Row]) -> str:
    """Rows as CSV text.

    Example:
        >>> csv_of([{"epoch": 0.0, "train_loss": 0.5}]).splitlines()[1]
        '0,0.5,,,,'
    """
    lines = [",".join(COLUMNS)]
    for row in rows:
        lines.append(",".join(_cell(row.get(name, math.nan)) for name in COLUMNS))
    return "\n".join(lines) + "\n"


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.8g}"


class Bar(L.Callback):
    """Progress on stderr: a bar over the steps where a person looks on, and a line an epoch where not.

    Args:
        title: Word before the bar.
        unit: What the mean absolute error is in.
        machine: Device and arithmetic, told once at the start.
        scale: By which it is multiplied.
    """

    def __init__(self, title: str, unit: str, machine: str, scale: float = 1.0) -> None:
        self.title, self.unit, self.machine, self.scale = title, unit, machine, scale
        self._bar: Any = None
        self._task: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say on what it trains, and make the bar."""
        if not trainer.is_global_zero:
            return
        print(f"{self.title}: {self.machine}", file=sys.stderr)  # noqa: T201
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(file=sys.stderr, highlight=False), transient=True)
        total = int(trainer.estimated_stepping_batches)
        self._task = self._bar.add_task(self.title, total=total, completed=trainer.global_step)
        self._bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:  # noqa: ANN401
        """One step on."""
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell the epoch."""
        if not trainer.is_global_zero:
            return
        values = trainer.callback_metrics
        error = float(values.get("val_mae", math.nan)) * self.scale
        text = (
            f"{self.title}: epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, loss "
            f"{float(values.get('train_loss', math.nan)):.4g}, validation MAE {error:.4g} {self.unit}"
        )
        if self._bar is None:
            print(text, file=sys.stderr)  # noqa: T201
        else:
            self._bar.update(self._task, description=text)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the bar away."""
        self._stop()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away: what is said next must not stand in it."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
