"""Effect of lower precision in EF points: the same stills measured in f32 and in bf16.

Run it as ``python -m studies.precision --data CAMUS --split validation``. No expert mask is read: the
two EFs are compared with each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvef.core.errors import ConfigError, run_main
from lvef.core.terms import View
from lvef.evaluation.stills.scores import ef_pairs, other_phase, segment_and_score
from lvef.inference.session import bf16_available
from lvef.measure.options import MeasureOptions
from lvef.measure.predictors import SegmentationPredictor
from studies.arguments import stills_of, stills_parser


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = stills_parser(__doc__, "validation")
    args = parser.parse_args(argv)
    if not bf16_available():
        raise ConfigError("This processor has no bf16 units; there is nothing to compare.")
    stills = stills_of(args)
    found = {}
    for precision in ("f32", "bf16"):
        predictor = SegmentationPredictor(MeasureOptions(weights=args.weights, precision=precision))
        scores = [
            segment_and_score(predictor, still, other=other_phase(still, stills))[0] for still in stills
        ]
        found[precision] = {view: ef_pairs(scores, view)[:, 0] for view in (View.A4C, View.A2C)}
    for view in (View.A4C, View.A2C):
        difference = found["bf16"][view] - found["f32"][view]
        print(  # noqa: T201
            f"{view} EF, bf16 minus f32: mean {difference.mean():+.3f}, mean absolute {np.abs(difference).mean():.3f}, "
            f"largest {np.abs(difference).max():.3f} points, n = {len(difference)}"
        )


if __name__ == "__main__":
    run_main(main)
