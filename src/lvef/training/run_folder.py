"""The folder of a run: begun, gone on with, started anew; ``run.json`` says what it is and what came out.

::

    RUN/
      run.json               settings, versions, hashes of the data, device, seconds, result
      parts.csv              which case is in which part
      metrics.csv            a row an epoch
      best.ckpt, last.ckpt   lowest validation loss, latest epoch
      predictions.csv        predictions of the best weights for cases that were not learned from
      tensorboard/           the same curves for TensorBoard; mlflow.db, wandb/ where those loggers are asked for
      NAME/                  model.onnx, card.json, split.csv: the network as it is served
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only

import lvef
from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError, DataError, explained
from lvef.core.locks import is_locked_elsewhere
from lvef.core.serialization import csv_text, flatten, read_json
from lvef.inference.card import PARTS, patients_sha256
from lvef.io.atomic import write_text_atomic
from lvef.training.cases import Partition
from lvef.training.machine import Machine
from lvef.training.recipe import Recipe
from lvef.training.training_data import TrainingData

RUN_NAME, PARTS_NAME, PREDICTIONS_NAME = "run.json", "parts.csv", "predictions.csv"
"""Files of a run."""

HELD_OUT_NAME, ANIMATED_NAME, SYNTHETIC_NAME = "held-out.txt", "animated.npz", "synthetic.npz"
"""Files of a run on CAMUS: patients it has not learned from, animated stills and other synthetic images it has made."""

SCHEMA = "lvef-train/1"
"""Version of ``run.json``."""

ANOTHER = "; choose another --out."
"""End of messages about a folder that cannot be used."""

LOCK_NAME = ".lock"
"""File that a run holds for as long as it writes."""

RUN_FILES = (
    *(RUN_NAME, PARTS_NAME, PREDICTIONS_NAME, HELD_OUT_NAME, ANIMATED_NAME, SYNTHETIC_NAME),
    *("metrics.csv", "best.ckpt", "last.ckpt", "mobilenet_v2.pt"),
    *("tensorboard", "metrics", "mlflow.db", "mlruns", "wandb"),
)
"""What ``--fresh`` removes, beside the network's folder."""

MAX_DIFFERENCES = 4
"""Settings that a message names."""

DURATION_SETTINGS = ("recipe.epochs", "recipe.patience")
"""Settings that say how long a run is. With more epochs than before, a run is prolonged."""


def prepare_folder(
    out: Path, settings: Mapping[str, Any], *, fresh: bool = False, name: str = ""
) -> dict[str, Any]:
    """See that a folder is new, or that an earlier start with the same settings made it.

    Args:
        out: The folder, which is there.
        settings: Whatever moves the numbers.
        fresh: Remove what an earlier start left.
        name: The network's folder, for ``fresh``.

    Returns:
        What ``run.json`` says; empty where the run begins. Where the settings ask for a longer run, it is not ``complete``,
        and ``longer`` is true.

    Raises:
        DataError: The folder cannot be used, or holds something else.
        ConfigError: It was begun with other settings; they are named.
    """
    path = out / RUN_NAME
    with explained(DataError, f"{out}: cannot be used", ANOTHER):
        if not path.exists():
            if any(entry.name != LOCK_NAME for entry in out.iterdir()):
                raise DataError(
                    f"{out}: holds files but no {RUN_NAME}; choose an empty or a new folder with --out."
                )
            return {}
    earlier: dict[str, Any] = read_json(path, "choose another --out", SCHEMA)
    if fresh:
        # Of several processes of one run the first has done it, and the others come later.
        if rank_zero_only.rank:
            return {}
        _clear(out, name)
        return {}
    before, now = flatten(earlier.get("settings")), flatten(json.loads(json.dumps(settings)))
    other = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if other and set(other) <= set(DURATION_SETTINGS) and now["recipe.epochs"] >= before["recipe.epochs"]:
        prolonged = [*earlier.get("prolonged", []), before["recipe.epochs"]]
        return earlier | {"complete": False, "prolonged": prolonged, "longer": True}
    if other:
        differences = ", ".join(
            f"{k} {before.get(k, 'unset')} then and {now.get(k, 'unset')} now"
            for k in other[:MAX_DIFFERENCES]
        )
        raise ConfigError(
            f"{out}: was begun with other settings ({differences}{', ...' if len(other) > MAX_DIFFERENCES else ''}); give "
            "the same (a run can be made longer, by more --epochs), --fresh to start anew, or another --out."
        )
    return earlier


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs out of a folder for as long as the block lasts; the lock dies with the process.

    Raises:
        DataError: Another run is writing there.
    """
    if rank_zero_only.rank:
        yield
        return
    with explained(DataError, f"{out}: cannot be used", ANOTHER):
        file = (out / LOCK_NAME).open("ab")
    with file:
        if is_locked_elsewhere(file):
            raise DataError(f"{out}: another run is writing there; wait for its end or choose another --out.")
        yield


def write_run(out: Path, values: Mapping[str, Any]) -> None:
    """Write ``run.json``.

    Raises:
        DataError: It cannot be written.
    """
    text = json.dumps({"schema": SCHEMA, **values}, indent=2, ensure_ascii=False)
    write_text_atomic(out / RUN_NAME, text + "\n")


def _clear(out: Path, name: str) -> None:
    with explained(DataError, f"{out}: what an earlier run left cannot be removed", ANOTHER):
        for entry in (*RUN_FILES, *([name] if name else [])):
            path = out / entry
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class RunOptions:
    """What is asked for beside recipe and data.

    Attributes:
        out: The run's folder.
        machine: On what to compute.
        init: File with first weights.
        teachers: Folders of runs whose networks' mean is learned beside the labels; for the segmentation.
        leave_out: File of patients who are held out, one a line, in place of a fold; for runs on CAMUS.
        fresh: Start anew where an earlier start left something.
        fold: What is held out, for the settings of the run; None for nothing.
        network: Write the network as it is served at the end.
        title: Word before the progress.
        recipe_name: Name of the recipe's file, for the card.
        command: Command line, for the card.
        loggers: Names for `lvef.training.callbacks.make_loggers`; None for its default.
        fast_dev_run: Take a few patients only, and make no animated stills; see `lvef.training.dev_run`.
        quiet: Show no progress.
        verbose: Show progress every few seconds where there is no progress bar.
    """

    out: Path
    machine: Machine = field(default_factory=Machine)
    init: Path | None = None
    fresh: bool = False
    fold: str | None = None
    network: bool = True
    title: str = "Training"
    recipe_name: str = ""
    command: str = ""
    loggers: tuple[str, ...] | None = None
    teachers: tuple[Path, ...] = ()
    leave_out: Path | None = None
    fast_dev_run: bool = False
    quiet: bool = False
    verbose: bool = False


def package_versions() -> dict[str, str]:
    """What computes a run, for ``run.json``."""
    versions = {"lvef": lvef.__version__, "torch": str(torch.__version__), "lightning": L.__version__}
    return versions | {"numpy": np.__version__, "python": platform.python_version()}


@dataclass(frozen=True)
class Run:
    """A run of a recipe on data.

    Attributes:
        recipe: Settings.
        data: Data.
        partition: Which cases are for what.
        options: Where, on what, from which weights.
    """

    recipe: Recipe
    data: TrainingData
    partition: Partition
    options: RunOptions

    def settings(self) -> dict[str, Any]:
        """Whatever moves the numbers: a run goes on only with the same."""
        patients, init = self.partition.patients(), self.options.init
        return {
            "recipe": to_mapping(self.recipe),
            "stores": [row["index_sha256"] for row in self.data.describe()],
            "fold": self.options.fold or "none",
            "parts_sha256": {name: patients_sha256(found) for name, found in patients.items()},
            "init": init.name if init else "none",
        }

    def provenance(self, part: str | None) -> dict[str, Any]:
        """What ``run.json`` says beside the result; ``part`` of the network was given first weights, or none."""
        return {
            "settings": self.settings(),
            "versions": package_versions(),
            "data": self.data.describe(),
            "clips_without_ef": self.data.without_ef,
            "device": self.options.machine.device_name(),
            "machine": asdict(self.options.machine),
            "init_filled": ("all" if part == "" else part) if part is not None else None,
            "recipe_file": self.options.recipe_name,
            "command": self.options.command,
        }


def partition_csv(partition: Partition) -> str:
    """Which case is in which part, as CSV text."""
    rows = [(case.item, case.patient, name) for name in PARTS for case in getattr(partition, name)]
    return csv_text(("item", "patient", "part"), dict.fromkeys(rows))
