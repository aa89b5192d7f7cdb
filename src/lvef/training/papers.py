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
from lvef.training.cases import Parts, patients_sha256
from lvef.training.collected import Collected
from lvef.training.machine import Machine
from lvef.training.recipe import Recipe


@dataclass(frozen=True)
class Order:
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


def settings_of_run(recipe: Recipe, collected: Collected, parts: Parts, order: Order) -> dict[str, Any]:
    """Whatever moves the numbers: a run goes on only with the same."""
    return {
        "recipe": to_mapping(recipe),
        "stores": [row["index_sha256"] for row in collected.told()],
        "fold": order.fold or "none",
        "parts_sha256": {name: patients_sha256(found) for name, found in parts.patients().items()},
        "init": order.init.name if order.init else "none",
    }


def papers_of(
    settings: dict[str, Any], collected: Collected, order: Order, part: str | None
) -> dict[str, Any]:
    """What ``run.json`` says beside the result."""
    versions = {"lvef": lvef.__version__, "torch": str(torch.__version__), "lightning": L.__version__}
    versions |= {"numpy": np.__version__, "python": platform.python_version()}
    return {
        "settings": settings,
        "versions": versions,
        "data": collected.told(),
        "clips_without_ef": collected.without_ef,
        "device": order.machine.describe(),
        "machine": asdict(order.machine),
        "init_filled": ("all" if part == "" else part) if part is not None else None,
        "recipe_file": order.recipe_name,
        "command": order.command,
    }


def parts_csv(parts: Parts) -> str:
    """Which case is in which part, as CSV text."""
    rows = [
        f"{_quoted(case.item)},{_quoted(case.patient)},{name}"
        for name in ("train", "validation", "held_out")
        for case in getattr(parts, name)
    ]
    return "\n".join(["item,patient,part", *dict.fromkeys(rows)]) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
