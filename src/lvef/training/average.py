"""One segmentation network from several runs that went on from the same start: the mean of their weights.

Run it as ``python -m lvef.training.average RECIPE --run RUN --run RUN --data CAMUS --out FOLDER``. What one run learned by
chance is averaged out, and the network that comes out costs no more than one of them. The runs must have the recipe's
network and a common start; weights of runs from different random numbers have no meaningful mean.

Source: Wortsman et al., "Model soups", ICML 2022.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lvef.core.config import read_toml
from lvef.core.errors import DataError, run_main
from lvef.datasets.camus import read_split
from lvef.training.camus import HELD_OUT_NAME, write_network
from lvef.training.recipe import find_recipe
from lvef.training.segmentation import SegmentationRecipe, SegmentationTask


def mean_state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean of several states, entry by entry; counters stay whole numbers.

    Raises:
        DataError: The states are of different networks.
    """
    first = states[0]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes):
        raise DataError("the runs have different networks; runs of one recipe were expected.")
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(value.dtype)
        for name, value in first.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--run", type=Path, action="append", required=True, help="run folder; give it again")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument("--out", type=Path, required=True, help="folder of the network")
    args = parser.parse_args(argv)
    config = read_toml(SegmentationRecipe, find_recipe(args.recipe))
    patients = read_split(args.data, "training")
    states, minutes, unseen = [], 0.0, set(patients)
    for run in args.run:
        try:
            states.append(torch.load(run / "last.ckpt", map_location="cpu", weights_only=False)["state_dict"])
            unseen &= set((run / HELD_OUT_NAME).read_text().split())
            minutes += json.loads((run / "run.json").read_text())["minutes"]
        except (OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{run}: no finished run of the segmentation ({type(error).__name__}: {error}); last.ckpt, {HELD_OUT_NAME} "
                "and run.json were expected."
            ) from None
    task = SegmentationTask(config)
    task.load_state_dict(mean_state(states))
    runs = " ".join(f"--run RUN{i}" for i in range(len(args.run)))
    command = f"python -m lvef.training.average {args.recipe.as_posix()} {runs} --data CAMUS --out FOLDER"
    used = [patient for patient in patients if patient not in unseen]
    write_network(task.net.eval(), config, used, minutes, args.recipe.as_posix(), command, args.out)


if __name__ == "__main__":
    run_main(main)
