"""Trains a segmentation network on CAMUS by a recipe and writes it as a network folder.

Run it as ``python -m lvef.training.camus RECIPE --data CAMUS --out RUN``. A run that was stopped goes on when the same
command is given again. ``--fold 0`` holds a fifth of the training patients out and writes their names to
``held-out.txt``, so that the recipe can be evaluated on them; without it all training patients are used. The validation and
testing patients are never read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

import lvef
from lvef.core.config import read_toml, to_mapping
from lvef.core.errors import ConfigError, DataError, run_main
from lvef.datasets.camus import CITATION, LICENCE, read_split, read_stills
from lvef.inference.card import CARD_NAME, MODEL_NAME, Card, Training
from lvef.io.atomic import write_text_atomic
from lvef.models.export import export_segmentation
from lvef.models.segmentation import SegNet
from lvef.training.animated import read_animated
from lvef.training.recipe import find_recipe
from lvef.training.segmentation import (
    STORED_SIZE,
    FramePairs,
    SegmentationRecipe,
    held_out,
    resolve_precision,
    still_pairs,
    train,
)

VERSION = "1.2.0"
"""Version that a newly trained network gets."""

HELD_OUT_NAME = "held-out.txt"
"""Names of the patients whom a run has not learned from, one a line."""

INTENDED_USE = (
    "Research and teaching only. Not a medical device; no use in the diagnosis or treatment of patients."
)
"""What the weights are for."""

LIMITS = (
    "Trained on stills of one hospital and one maker's machine; other machines, contrast agents and children were not seen.",
    "A shadow over the ventricle, or a wall that drops out, makes the EF four to five points worse.",
    "A faint lateral wall at end-systole is drawn too far out: on synthetic phantoms the EF is 8 points too low.",
    "Apical four- and two-chamber views only; other views are not reliably refused.",
    "One view cannot reveal foreshortening.",
    "A2C stills of the collection have lost their scale and aspect ratio.",
)
"""Known weaknesses."""


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--animated", type=Path, help="cines from lvef.training.animated")
    parser.add_argument("--fold", type=int, help="hold this fold of the training patients out")
    parser.add_argument("--start", type=Path, help="run folder whose weights are gone on from")
    args = parser.parse_args(argv)
    config = replace(read_toml(SegmentationRecipe, find_recipe(args.recipe)), fold=args.fold)
    args.out.mkdir(parents=True, exist_ok=True)

    patients = read_split(args.data, "training")
    out_of_it = (
        [] if config.fold is None else held_out(patients, config.fold, config.n_folds, config.split_seed)
    )
    used = [p for p in patients if p not in set(out_of_it)]
    write_text_atomic(args.out / HELD_OUT_NAME, "\n".join(out_of_it) + "\n")
    began = time.perf_counter()
    if config.animated_share and args.animated is None:
        raise ConfigError(
            f"{args.recipe} trains on animated stills (animated_share {config.animated_share:g}), and none were given; make "
            "them with python -m lvef.training.animated, and give the file with --animated."
        )
    stills = still_pairs(read_stills(args.data, used), STORED_SIZE)
    data = FramePairs(stills, read_animated(args.animated, used) if config.animated_share else None, config)
    shown = still_pairs(read_stills(args.data, out_of_it), config.input.size) if out_of_it else None
    net = train(config, data, shown, args.out, start=load_start(args.start, out_of_it))
    minutes = (time.perf_counter() - began) / 60
    command = f"python -m lvef.training.camus {args.recipe.as_posix()} --data CAMUS --out RUN"
    if config.fold is not None:
        command += f" --fold {config.fold}"
    if args.start is not None:
        command += " --start START"
    card = write_network(net, config, used, minutes, args.recipe.as_posix(), command, args.out / config.name)
    run = {
        "lvef": lvef.__version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "config": to_mapping(config),
        "precision": resolve_precision(config),
        "patients": len(used),
        "cases": len(data),
        "minutes": round(minutes, 1),
        "device": "cuda" if torch.cuda.is_available() else platform.machine(),
        "model_sha256": card.model_sha256,
    }
    write_text_atomic(args.out / "run.json", json.dumps(run, indent=2) + "\n")


def load_start(run: Path | None, out_of_it: Sequence[str]) -> dict[str, Any] | None:
    """Weights of an earlier run that has learned from nobody whom this one holds out.

    Args:
        run: Its folder, or None for random weights.
        out_of_it: Patients that are held out.

    Raises:
        DataError: There is no such run.
        ConfigError: It has learned from a patient who is held out here.
    """
    if run is None:
        return None
    locked, last = run / HELD_OUT_NAME, run / "last.ckpt"
    if not (locked.is_file() and last.is_file()):
        raise DataError(f"{run}: no run to start from; {HELD_OUT_NAME} and last.ckpt were expected.")
    known = set(out_of_it) - set(locked.read_text().split())
    if known:
        raise ConfigError(
            f"{run} has learned from {len(known)} of the patients who are held out; start from a run of the same fold."
        )
    state: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=False)["state_dict"]
    return state


def write_network(
    net: SegNet,
    config: SegmentationRecipe,
    patients: list[str],
    minutes: float,
    recipe: str,
    command: str,
    folder: Path,
) -> Card:
    """Write ``model.onnx`` and ``card.json``; the figures of merit are added by ``lvef evaluate stills --write-card``."""
    folder.mkdir(parents=True, exist_ok=True)
    export_segmentation(net, config.input.size, folder / MODEL_NAME, frames=len(config.input.offsets_s))
    card = Card(
        name=config.name,
        version=VERSION,
        kind="segmentation",
        title="Left ventricle, myocardium and left atrium on apical four- and two-chamber frames",
        licence=LICENCE,
        intended_use=INTENDED_USE,
        input=config.input,
        classes=("background", "lv", "myocardium", "la"),
        architecture={
            "family": "SegNet",
            "parameters": sum(p.numel() for p in net.parameters()),
            **to_mapping(replace(config.network, in_frames=len(config.input.offsets_s))),
        },
        training=Training(
            data="CAMUS, training subgroup, A4C and A2C, ED and ES stills with expert masks"
            + (", and animated stills made from them" if config.animated_share else ""),
            licence=LICENCE,
            citation=CITATION,
            patients=len(patients),
            patients_sha256=hashlib.sha256("\n".join(sorted(patients)).encode()).hexdigest(),
            recipe=recipe,
            command=command,
            minutes=round(minutes, 1),
        ),
        model_sha256=hashlib.sha256((folder / MODEL_NAME).read_bytes()).hexdigest(),
        sampling=_sampling(config.input.offsets_s),
        limits=LIMITS,
    )
    write_text_atomic(folder / CARD_NAME, json.dumps(to_mapping(card), indent=2) + "\n")
    return card


def _sampling(offsets_s: Sequence[float]) -> str:
    if len(offsets_s) == 1:
        return "every frame on its own"
    around = ", ".join(f"{s:+g}" for s in offsets_s if s)
    return f"every frame with those at {around} s around it; of a still, the other phase where it is known"


if __name__ == "__main__":
    run_main(main)
