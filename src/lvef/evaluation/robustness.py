"""What changes of the picture cost a segmentation network: LV Dice and EF error under each, against the clean figure.

Run it as ``python -m lvef.evaluation.robustness --data CAMUS --patients RUN/held-out.txt --weights RUN/camus-seg``. The
stills go through the code that serves: fan, crop, network, tracing. EF is compared with disks on the experts' masks of the
unchanged still.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lvef.core.errors import QualityRefusal, run_as_program
from lvef.core.terms import Phase, View
from lvef.datasets.camus import CamusStill
from lvef.evaluation.arguments import stills_of, stills_parser
from lvef.evaluation.perturbations import CHANGES, Change
from lvef.evaluation.stills import StillScore, ef_pairs, score_still
from lvef.io.atomic import write_text_atomic
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import Predictor
from lvef.stats.agreement import mean_absolute_error

VIEWS = (View.A4C, View.A2C)
"""Views that are judged."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Figures under one change.

    Attributes:
        change: Its name.
        dice_ed: Mean LV Dice at ED over both views.
        dice_es: The same at ES.
        ef_mae: Mean absolute error of EF in points by view.
        lost: Stills in which no fan or no ventricle was found (they count as Dice 0).
    """

    change: str
    dice_ed: float
    dice_es: float
    ef_mae: Mapping[str, float]
    lost: int


def score_changed(predictor: Predictor, still: CamusStill, change: Change, clean: StillScore) -> StillScore:
    """Score a still after a change; its EF reference stays that of the unchanged mask."""
    # The same still gets the same grain in every run and for every network.
    rng = np.random.default_rng(zlib.crc32(f"{still.patient} {still.view} {still.phase}".encode()))
    picture, mask = change(still.picture, still.mask, rng)
    try:
        score = score_still(predictor, replace(still, picture=picture, mask=mask))
    except QualityRefusal:
        return replace(clean, dice_lv=0.0, dice_myocardium=0.0, dice_la=0.0, volume=float("nan"))
    return replace(score, volume_expert=clean.volume_expert)


def cost(change: str, scores: Sequence[StillScore]) -> Cost:
    """Sum the scores under one change up."""
    dice = {p: np.mean([np.nan_to_num(s.dice_lv) for s in scores if s.phase == p]) for p in Phase}
    errors = {}
    for view in VIEWS:
        pairs = ef_pairs(scores, view)
        errors[str(view)] = mean_absolute_error(pairs[:, 0], pairs[:, 1]) if len(pairs) else float("nan")
    lost = sum(not np.isfinite(s.volume) for s in scores)
    return Cost(change, float(dice[Phase.ED]), float(dice[Phase.ES]), errors, lost)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = stills_parser(__doc__, "training")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--out", type=Path, help="write the figures there as JSON")
    args = parser.parse_args(argv)
    predictor = Predictor(MeasureOptions(weights=args.weights, precision=args.precision))
    stills = stills_of(args)
    clean = [score_still(predictor, still) for still in stills]
    found = [cost("clean", clean)]
    print(f"{len(stills)} stills")  # noqa: T201
    print("| change | LV Dice ED | ES | EF MAE A4C | A2C | lost |\n|---|---|---|---|---|---|")  # noqa: T201
    _print(found[0], found[0])
    for name, change in CHANGES.items():
        scores = [score_changed(predictor, s, change, c) for s, c in zip(stills, clean, strict=True)]
        found.append(cost(name, scores))
        _print(found[-1], found[0])
    if args.out:
        write_text_atomic(args.out, json.dumps([asdict(c) for c in found], indent=2) + "\n")


def _print(c: Cost, clean: Cost) -> None:
    def cell(value: float, reference: float, digits: int) -> str:
        return f"{value:.{digits}f}" + ("" if c is clean else f" ({value - reference:+.{digits}f})")

    columns = [cell(c.dice_ed, clean.dice_ed, 3), cell(c.dice_es, clean.dice_es, 3)]
    columns += [cell(c.ef_mae[str(view)], clean.ef_mae[str(view)], 1) for view in VIEWS]
    print(f"| {c.change} | {' | '.join(columns)} | {c.lost} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    run_as_program(main)
