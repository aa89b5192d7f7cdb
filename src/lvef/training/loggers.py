"""Where the curves of a run go: Lightning's loggers by name.

``csv`` and ``tensorboard`` write into the run's folder. ``mlflow`` writes there too (``mlflow.db``), or to the server that
``MLFLOW_TRACKING_URI`` names. ``wandb`` sends to Weights & Biases, unless ``WANDB_MODE=offline``. Nothing is sent unless its
logger is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from lvef.core.errors import ConfigError

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
