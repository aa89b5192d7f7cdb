"""What lower precision costs in EF points: the same stills measured in f32 and in bf16.

Run it as ``python -m lvef.evaluation.precision --data CAMUS --split validation``. No expert mask is read: only the
two answers are compared with each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lvef.core.errors import ConfigError, run_as_program
from lvef.core.terms import View
from lvef.datasets.camus import read_split, read_stills
from lvef.engine.session import bf16_available
from lvef.evaluation.stills import ef_pairs, score_still
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import Predictor


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument("--split", default="validation", help="training or validation")
    parser.add_argument("--weights", default=MeasureOptions.weights, help="installed network or its folder")
    args = parser.parse_args(argv)
    if not bf16_available():
        raise ConfigError("This processor has no bf16 units; there is nothing to compare.")
    stills = list(read_stills(args.data, read_split(args.data, args.split)))
    found = {}
    for precision in ("f32", "bf16"):
        predictor = Predictor(MeasureOptions(weights=args.weights, precision=precision))
        scores = [score_still(predictor, still) for still in stills]
        found[precision] = {view: ef_pairs(scores, view)[:, 0] for view in (View.A4C, View.A2C)}
    for view in (View.A4C, View.A2C):
        difference = found["bf16"][view] - found["f32"][view]
        print(  # noqa: T201
            f"{view} EF, bf16 minus f32: mean {difference.mean():+.3f}, mean size {np.abs(difference).mean():.3f}, "
            f"largest {np.abs(difference).max():.3f} points, n = {len(difference)}"
        )


if __name__ == "__main__":
    run_as_program(main)
