"""Gives MobileNetV2 weights of our own: as the encoder of a segmentation of CAMUS stills, for ``report-own-backbone``.

The report starts from ImageNet. Where those weights are out of reach, this is the stand-in, and the name of what comes out
says so. Run it as ``python -m lvef.training.own_backbone RECIPE --data CAMUS --out RUN``; it writes ``RUN/mobilenet_v2.pt``
for ``lvef train recipes/volume-trace-report-own-backbone.toml --init``. Patients named in ``--leave-out`` (those on whom the
network that is built on it will be chosen) are not read; nor are the validation and testing patients.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

import lvef
from lvef.core.config import to_mapping
from lvef.core.errors import DataError, run_main
from lvef.datasets.camus import read_split, read_stills
from lvef.io.atomic import atomic_path, write_text_atomic
from lvef.models.backbone_segmentation import BackboneSegmentation, backbone_state
from lvef.models.checkpoint import digest_of
from lvef.training.animated_stills import STORED_SIZE
from lvef.training.losses import dice_per_case
from lvef.training.machine import SEGNET, Machine
from lvef.training.segmentation import (
    FramePairs,
    SegmentationRecipe,
    as_arrays,
    read_segmentation_recipe,
    still_pairs,
)
from lvef.training.segmentation_run import fit_segmentation

WEIGHTS_NAME = "mobilenet_v2.pt"
"""The backbone's state dict."""


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--leave-out", type=Path, help="file with a patient's name on each line")
    args = parser.parse_args(argv)
    config = replace(read_segmentation_recipe(args.recipe), fold=None)
    patients = read_split(args.data, "training")
    left_out = _names(args.leave_out, patients) if args.leave_out else []
    used = [p for p in patients if p not in set(left_out)]
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    data = FramePairs(still_pairs(read_stills(args.data, used), STORED_SIZE), None, config)
    net = fit_segmentation(config, data, None, args.out, net=BackboneSegmentation)
    dice = _dice(net, config, args.data, left_out) if left_out else None
    path = args.out / WEIGHTS_NAME
    with atomic_path(path) as temporary:
        torch.save(backbone_state(net), temporary)
    run = {
        "lvef": lvef.__version__,
        "torch": torch.__version__,
        "config": to_mapping(config),
        "precision": Machine().precision(config.precision, SEGNET),
        "patients": used,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "dice_of_left_out": dice,
        "sha256": digest_of(path),
    }
    write_text_atomic(args.out / "run.json", json.dumps(run, indent=2) + "\n")


def _names(path: Path, known: Sequence[str]) -> list[str]:
    """Patients of a list.

    Raises:
        DataError: It cannot be read, or names someone who is not among the training patients.
    """
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); a patient's name on each line was expected."
        ) from None
    if strangers := sorted(set(names) - set(known)):
        raise DataError(
            f"{path}: names {strangers[0]}, who is none of the {len(known)} training patients; take the line out."
        )
    return names


def _dice(
    net: BackboneSegmentation, config: SegmentationRecipe, data: Path, patients: Sequence[str]
) -> dict[str, float]:
    """Mean Dice of the patients left out, by structure: whether the backbone sees the heart at all."""
    images, labels = as_arrays(list(read_stills(data, list(patients))), config.input.size)
    grey = (images[:, None].float() / 255 - config.input.mean) / config.input.std
    with torch.inference_mode():
        predicted = torch.cat([net(part).argmax(1) for part in grey.split(32)])
    mean = dice_per_case(predicted, labels.long()).nanmean(0)
    return {
        name: round(float(value), 4) for name, value in zip(("lv", "myocardium", "la"), mean, strict=True)
    }


if __name__ == "__main__":
    run_main(main)
