"""Judges a segmentation network on stills with expert masks, through the code that serves.

Run it as ``python -m lvef.evaluation.stills --data CAMUS --split validation``; it prints the figures with their
intervals, and with ``--write-card`` puts them into the network's card.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.config import to_mapping
from lvef.core.errors import GeometryError, run_as_program
from lvef.core.records import Clip
from lvef.core.terms import Phase, Structure, View
from lvef.datasets.camus import CamusStill
from lvef.engine.card import CARD_NAME, Figure
from lvef.evaluation.arguments import stills_of, stills_parser
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.io.atomic import write_text_atomic
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import Predictor, trace_in_picture
from lvef.preprocess.fan import find_fan
from lvef.preprocess.frames import Placement
from lvef.stats.agreement import mean_absolute_error, pearson_r
from lvef.stats.bootstrap import interval

LEVEL = 0.95
"""Level of the intervals."""

STRUCTURES = {"lv": Structure.LV, "myocardium": Structure.MYOCARDIUM, "la": Structure.LA}
"""Structures that are judged."""


@dataclass(frozen=True, slots=True)
class StillScore:
    """One still, predicted and true. Volumes share an arbitrary unit within a patient and view; NaN if untraceable."""

    patient: str
    view: str
    phase: str
    quality: str
    dice_lv: float
    dice_myocardium: float
    dice_la: float
    volume: float
    volume_expert: float


def score_still(predictor: Predictor, still: CamusStill) -> StillScore:
    """Segment one still as `lvef measure` does and compare it with its mask, pixel by pixel of the original."""
    clip = Clip(still.picture[None], np.zeros(1), "still", still.patient)
    box = find_fan(clip).box
    [(probability, placement)] = predictor.probabilities(clip.frames, box, still.spacing)
    labels = labels_in_picture(probability, placement, still.mask.shape)
    tracing = trace_in_picture(probability, placement, still.spacing)
    aspect = still.spacing.y_mm / still.spacing.x_mm if still.spacing else 1.0
    try:
        expert = volume_of_tracing(trace_labels(still.mask, aspect=aspect), still.spacing)
    except GeometryError:
        expert = float("nan")
    dice = {name: dice_score(labels == value, still.mask == value) for name, value in STRUCTURES.items()}
    return StillScore(
        still.patient,
        str(still.view),
        str(still.phase),
        still.quality,
        dice["lv"],
        dice["myocardium"],
        dice["la"],
        float("nan") if tracing is None else volume_of_tracing(tracing, still.spacing),
        expert,
    )


def labels_in_picture(
    probability: NDArray[np.float32], placement: Placement, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Most probable class of each pixel of the original picture, ``shape``; background outside the crop."""
    p, box = placement, placement.box
    held = probability[:, p.pad_y : p.pad_y + p.height, p.pad_x : p.pad_x + p.width]
    full = np.stack([cv2.resize(c, (box.width, box.height), interpolation=cv2.INTER_LINEAR) for c in held])
    labels = np.zeros(shape, np.uint8)
    labels[box.y0 : box.y1, box.x0 : box.x1] = full.argmax(axis=0)
    return labels


def dice_score(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Dice overlap, 0-1; NaN where neither holds anything."""
    total = int(predicted.sum() + truth.sum())
    return 2 * int((predicted & truth).sum()) / total if total else float("nan")


def figures(scores: Sequence[StillScore], split: str, rng: np.random.Generator) -> list[Figure]:
    """Dice by view and phase, and EF against the EF of the expert masks of the same view, with intervals."""
    found: list[Figure] = []
    for view in (View.A4C, View.A2C):
        for phase in Phase:
            for name in STRUCTURES:
                values = np.array(
                    [getattr(s, f"dice_{name}") for s in scores if s.view == view and s.phase == phase],
                    dtype=float,
                )
                values = values[np.isfinite(values)]
                if len(values) > 1:
                    label = f"dice_{name}_{view}_{phase}".lower()
                    found.append(
                        _figure(label, values, lambda v: float(v.mean()), "", split, "expert masks", rng)
                    )
        pairs = ef_pairs(scores, view)
        if len(pairs) > 1:
            trivial = float(np.abs(pairs[:, 1] - np.median(pairs[:, 1])).mean())
            reference = f"method of disks on the expert masks, {view}"
            for label, statistic, base in (
                ("mae", lambda v: mean_absolute_error(v[:, 0], v[:, 1]), trivial),
                ("bias", lambda v: float((v[:, 0] - v[:, 1]).mean()), None),
                ("r", lambda v: pearson_r(v[:, 0], v[:, 1]), None),
            ):
                unit = "" if label == "r" else "EF points"
                found.append(
                    _figure(f"ef_{label}_{view}".lower(), pairs, statistic, unit, split, reference, rng, base)
                )
    return found


def ef_pairs(scores: Iterable[StillScore], view: View) -> NDArray[np.float64]:
    """EF of the network and of the expert masks, ``(patients, 2)``; patients with an untraceable still are left out."""
    volumes: dict[str, dict[str, StillScore]] = {}
    for score in scores:
        if score.view == view:
            volumes.setdefault(score.patient, {})[score.phase] = score
    rows = []
    for phases in volumes.values():
        ed, es = phases.get(Phase.ED), phases.get(Phase.ES)
        if ed and es and np.isfinite([ed.volume, es.volume, ed.volume_expert, es.volume_expert]).all():
            rows.append(
                (
                    ejection_fraction(ed.volume, es.volume),
                    ejection_fraction(ed.volume_expert, es.volume_expert),
                )
            )
    return np.array(rows, dtype=float).reshape(-1, 2)


def _figure(name, values, statistic, unit, split, reference, rng, trivial=None) -> Figure:  # type: ignore[no-untyped-def]  # noqa: ANN001
    low, high = interval(statistic, values, rng, level=LEVEL)
    return Figure(
        name,
        round(statistic(values), 4),
        unit,
        round(low, 4),
        round(high, 4),
        LEVEL,
        len(values),
        split,
        reference,
        None if trivial is None else round(trivial, 4),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = stills_parser(__doc__, "validation")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--out", type=Path, help="write every score there as JSON lines")
    parser.add_argument("--write-card", action="store_true", help="put the figures into the network's card")
    args = parser.parse_args(argv)
    predictor = Predictor(MeasureOptions(weights=args.weights, precision=args.precision))
    scores = [score_still(predictor, still) for still in stills_of(args)]
    split = args.patients.stem if args.patients else f"CAMUS {args.split}"
    found = figures(
        scores, f"{split}, {len({s.patient for s in scores})} patients", np.random.default_rng(args.seed)
    )
    for f in found:
        trivial = "" if f.trivial is None else f", trivial answer {f.trivial:.2f}"
        print(f"{f.name:28} {f.value:8.4f}  [{f.low:.4f}, {f.high:.4f}]  n = {f.n}{trivial}")  # noqa: T201
    if args.out:
        write_text_atomic(args.out, "".join(json.dumps(asdict(s)) + "\n" for s in scores))
    if args.write_card:
        path = predictor.entry.folder / CARD_NAME
        card = json.loads(path.read_text(encoding="utf-8"))
        card["figures"] = [to_mapping(f) for f in found]
        write_text_atomic(path, json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    run_as_program(main)
