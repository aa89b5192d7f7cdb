"""What is asked of a run, and what its ``run.json`` and ``parts.csv`` say of it."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch

import lvef
from lvef.core.config import to_mapping
from lvef.training.cases import Partition, patients_sha256
from lvef.training.machine import Machine
from lvef.training.recipe import Recipe
from lvef.training.training_data import TrainingData


@dataclass(frozen=True)
class RunOptions:
    """What is asked for beside recipe and data.

    Attributes:
        out: The run's folder.
        machine: On what to compute.
        init: File with first weights.
        fresh: Start anew where an earlier start left something.
        fold: What is held out, for the settings of the run; None for nothing.
        network: Write the network as it is served at the end.
        title: Word before the progress.
        recipe_name: Name of the recipe's file, for the card.
        command: Command line, for the card.
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


def run_settings(
    recipe: Recipe, data: TrainingData, partition: Partition, options: RunOptions
) -> dict[str, Any]:
    """Whatever moves the numbers: a run goes on only with the same."""
    return {
        "recipe": to_mapping(recipe),
        "stores": [row["index_sha256"] for row in data.describe()],
        "fold": options.fold or "none",
        "parts_sha256": {name: patients_sha256(found) for name, found in partition.patients().items()},
        "init": options.init.name if options.init else "none",
    }


def run_provenance(
    settings: dict[str, Any], data: TrainingData, options: RunOptions, part: str | None
) -> dict[str, Any]:
    """What ``run.json`` says beside the result."""
    versions = {"lvef": lvef.__version__, "torch": str(torch.__version__), "lightning": L.__version__}
    versions |= {"numpy": np.__version__, "python": platform.python_version()}
    return {
        "settings": settings,
        "versions": versions,
        "data": data.describe(),
        "clips_without_ef": data.without_ef,
        "device": options.machine.describe(),
        "machine": asdict(options.machine),
        "init_filled": ("all" if part == "" else part) if part is not None else None,
        "recipe_file": options.recipe_name,
        "command": options.command,
    }


def partition_csv(partition: Partition) -> str:
    """Which case is in which part, as CSV text."""
    rows = [
        f"{_quoted(case.item)},{_quoted(case.patient)},{name}"
        for name in ("train", "validation", "held_out")
        for case in getattr(partition, name)
    ]
    return "\n".join(["item,patient,part", *dict.fromkeys(rows)]) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
