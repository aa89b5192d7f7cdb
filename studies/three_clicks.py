"""Contours from three clicks: where expert landmarks lie in the model's square, and how well the contours fit the masks.

Run it as ``python -m studies.three_clicks --data CAMUS --split training`` for the numbers of the usual pose and shape,
and with ``--patients LIST --weights FOLDER --contours`` for Dice and EF on patients that these weights have not seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lvef.core.errors import GeometryError, LvefError, run_main
from lvef.core.records import Clip, FloatArray, Tracing
from lvef.core.terms import Phase, Structure
from lvef.datasets.camus import CamusStill
from lvef.evaluation.metrics import dice_score
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.control_points import tracing_of_control_points
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import axis_length, chord_lengths, volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import FrameContext, Predictor
from lvef.measure.predictors import load_predictor
from lvef.measure.resegment import resegment
from lvef.transforms.frames import place
from lvef.transforms.sector import find_sector
from studies.arguments import stills_of, stills_parser

SIDE = 128
"""Side of the square that the segmentation model sees, in pixels."""

NAMES = (
    "apex x",
    "apex y",
    "base x",
    "base y",
    "tilt, degrees",
    "width",
    "widest at",
    "annulus",
    "angle, degrees",
)
"""Numbers of one mask: in parts of the square, and in lengths of the long axis."""


def pose_of(still: CamusStill) -> list[float]:
    """The numbers of `NAMES` of one expert mask.

    Raises:
        GeometryError: The mask cannot be traced.
        QualityRefusal: The image has no sector.
    """
    clip = clip_of([still])
    tracing = trace_labels(still.mask, aspect=clip.pixel_aspect)
    placement = place(find_sector(clip).box, SIDE, still.spacing)
    apex, base, mitral = (
        placement.to_network(points) / SIDE for points in (tracing.apex, tracing.base, tracing.mitral)
    )
    axis, plane = base - apex, mitral[1] - mitral[0]
    length, annulus = float(np.hypot(*axis)), float(np.hypot(*plane))
    widths = chord_lengths(tracing, still.spacing) / axis_length(tracing, still.spacing)
    angle = np.degrees(np.arccos(abs(axis @ plane) / (length * annulus)))
    tilt = np.degrees(np.arctan2(*axis))
    widest = (float(widths.argmax()) + 0.5) / len(widths)
    return [*apex, *base, tilt, float(widths.max()), widest, annulus / length, angle]


def clip_of(stills: Sequence[CamusStill]) -> Clip:
    """Stills as a clip, two as a pair."""
    frames = np.stack([still.image for still in stills])
    return Clip(frames, np.arange(len(frames), dtype=float), "none", stills[0].patient, stills[0].spacing)


@dataclass(frozen=True, slots=True)
class Compared:
    """Volumes and Dice of one still, by kind of contour."""

    still: CamusStill
    volume: dict[str, float]
    dice: dict[str, float]
    by_model: bool
    seconds: float


def compare(pair: Sequence[CamusStill], predictor: Predictor) -> list[Compared]:
    """Contours of an ED and an ES still: the expert's, the model's, and those from the expert's three landmarks."""
    clip = clip_of(pair)
    found = []
    squares = [predictor.square(clip_of([one]), find_sector(clip_of([one]))) for one in pair]
    for at, still in enumerate(pair):
        single = clip_of([still])
        frames, box = predictor.shown(single, find_sector(single))
        context = FrameContext(other=squares[1 - at] if len(pair) == 2 else None)
        [model] = predictor.trace(frames, box, still.spacing, context).tracings
        expert = trace_labels(still.mask, aspect=clip.pixel_aspect)
        began = time.perf_counter()
        drawn = resegment(clip, at, expert.apex.tolist(), expert.mitral.tolist(), predictor)
        seconds = time.perf_counter() - began
        usual = resegment(clip, at, expert.apex.tolist(), expert.mitral.tolist(), None)
        kinds = {"expert": expert, "model": model}
        kinds["three clicks"] = tracing_of_control_points(drawn.points, aspect=clip.pixel_aspect)
        kinds["usual shape"] = tracing_of_control_points(usual.points, aspect=clip.pixel_aspect)
        found.append(
            Compared(
                still,
                {name: _volume(tracing, still) for name, tracing in kinds.items()},
                {name: _dice(tracing, still) for name, tracing in kinds.items()},
                drawn.by_model,
                seconds,
            )
        )
    return found


def _volume(tracing: Tracing | None, still: CamusStill) -> float:
    return float("nan") if tracing is None else volume_of_tracing(tracing, still.spacing)


def _dice(tracing: Tracing | None, still: CamusStill) -> float:
    if tracing is None:
        return 0.0
    shape = still.mask.shape[0], still.mask.shape[1]
    return dice_score(mask_of_contour(tracing.contour, shape) == 1, still.mask == Structure.LV)


def pairs_of(stills: Sequence[CamusStill]) -> list[list[CamusStill]]:
    """ED and ES of each patient and view."""
    groups: dict[tuple[str, str], list[CamusStill]] = {}
    for still in stills:
        groups.setdefault((still.patient, str(still.view)), []).append(still)
    return [pair for pair in groups.values() if [still.phase for still in pair] == [Phase.ED, Phase.ES]]


def print_pose(stills: Sequence[CamusStill]) -> None:
    """Print mean, standard deviation and range of `NAMES`."""
    rows = []
    for still in stills:
        try:
            rows.append((still.phase, pose_of(still)))
        except LvefError as error:
            print(f"{still.patient} {still.view} {still.phase}: left out, {error}")  # noqa: T201
    for phase in (*Phase, None):
        values = np.array([row for of, row in rows if phase in (None, of)])
        print(f"{phase or 'both'}, {len(values)} masks: mean (SD), smallest to largest")  # noqa: T201
        for name, column in zip(NAMES, values.T, strict=True):
            print(f"  {name:<16}{_spread(column)}")  # noqa: T201


def _spread(column: FloatArray) -> str:
    return f"{column.mean():8.3f} ({column.std():.3f})  {column.min():.3f} to {column.max():.3f}"


def print_contours(stills: Sequence[CamusStill], predictor: Predictor) -> None:
    """Print Dice and EF of the kinds of contours."""
    rows: list[list[Compared]] = []
    for pair in pairs_of(stills):
        try:
            rows.append(compare(pair, predictor))
        except LvefError as error:
            print(f"{pair[0].patient} {pair[0].view}: left out, {error}")  # noqa: T201
    flat = [one for pair in rows for one in pair]
    seconds = np.array([one.seconds for one in flat])
    print(f"{len(rows)} pairs; by the model {np.mean([one.by_model for one in flat]):.1%}")  # noqa: T201
    print(f"median {1000 * np.median(seconds):.0f} ms, 95 % {1000 * np.percentile(seconds, 95):.0f} ms")  # noqa: T201
    expert = np.array([_ef(pair, "expert") for pair in rows])
    for kind in ("model", "three clicks", "usual shape"):
        dice = np.array([one.dice[kind] for one in flat])
        apart = np.array([_ef(pair, kind) for pair in rows]) - expert
        apart = apart[np.isfinite(apart)]
        print(  # noqa: T201
            f"{kind:<14} Dice {dice.mean():.3f} (5 % below {np.percentile(dice, 5):.3f}); EF error mean "
            f"{apart.mean():+.2f}, mean absolute {np.abs(apart).mean():.2f}, SD {apart.std():.2f} points, n = {len(apart)}"
        )


def _ef(pair: Sequence[Compared], kind: str) -> float:
    ed, es = (one.volume[kind] for one in pair)
    try:
        return ejection_fraction(ed, es)
    except GeometryError:
        return float("nan")


def main() -> None:
    """Measure and print."""
    parser = stills_parser(__doc__, "training")
    parser.add_argument("--contours", action="store_true", help="Dice and EF instead of pose and shape")
    args = parser.parse_args()
    stills = stills_of(args)
    if args.contours:
        print_contours(stills, load_predictor(MeasureOptions(weights=args.weights)))
    else:
        print_pose(stills)


if __name__ == "__main__":
    run_main(main)
