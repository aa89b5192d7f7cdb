"""Recognition of the view on patients held out, synthetic clips of fresh seeds, and files of other hospitals.

    python -m studies.view_recognition --data CAMUS --weights RUN/camus-view --clips 20 --seed 2
    python -m studies.view_recognition --weights camus-view --files FOLDER --files FILE

Prints a line a group: clips, refused, unsure, told as A4C and as A2C, median of the distance. Of files a line each.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lvef.core.errors import LvefError, QualityRefusal
from lvef.core.records import Clip
from lvef.core.terms import MEASURABLE_VIEWS, View
from lvef.datasets.camus import read_split, read_stills
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.quality import check_image
from lvef.measure.results import RefusalWithCurve
from lvef.measure.thresholds import DEFAULT
from lvef.measure.view import APICAL, APPEARANCE, ViewModel, view_of
from lvef.stats.agreement import roc_auc
from lvef.stats.bootstrap import interval
from lvef.synthesis.foreign import FOREIGN_CLASSES, foreign_clip
from lvef.synthesis.phantom.draw import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render_phantom
from lvef.training.cases import held_out
from lvef.transforms.sector import find_sector

STREAM = 81207
"""Keeps these random numbers apart from those of training."""

FRAMES = 16
"""Of a synthetic clip."""

Decided = tuple[str, str, View, float, float]
"""Decision, code, view by the image, its apical probability, distance."""


def decide(model: ViewModel, clip: Clip, *, still: bool = False) -> Decided:
    """What is decided of a clip before its ventricle is traced."""
    try:
        fan = find_sector(clip)
        if not still:
            check_image(clip, fan, DEFAULT)
        found = view_of(model, [(clip, fan)], clip.source, MeasureOptions())
    except RefusalWithCurve as refusal:
        parts = refusal.base.quality.parts if refusal.base.quality else {}
        return (
            "refused",
            refusal.code,
            refusal.base.view,
            parts.get(APICAL) or 0.0,
            parts.get(APPEARANCE) or 0.0,
        )
    except QualityRefusal as refusal:
        return "refused", refusal.code, View.UNKNOWN, 0.0, 0.0
    codes = [notice.code for notice in found.notices]
    parts = found.parts
    return (
        "unsure" if codes else "accepted",
        " ".join(codes),
        found.view,
        parts[APICAL] or 0.0,
        parts[APPEARANCE] or 0.0,
    )


def camus(data: Path) -> Iterator[tuple[str, str, Clip]]:
    """Stills of the patients held out."""
    patients = read_split(data, "training")
    for still in read_stills(data, held_out(patients, 0, 5, 1)):
        yield f"CAMUS {still.view}", still.patient, still.clip


def synthetic(clips: int, seed: int) -> Iterator[tuple[str, str, Clip]]:
    """Phantoms, and clips of `FOREIGN_CLASSES`."""
    for view in MEASURABLE_VIEWS:
        for number in range(clips):
            rng = np.random.default_rng([seed, STREAM, number, *view.encode()])
            case = draw_phantom(rng, PhantomOptions(n_frames=FRAMES, frame_rate_hz=16.0, view=view))
            made = render_phantom(case, rng).clip
            yield f"phantom {view}", str(number), Clip(made.frames, made.times_s, "made so", made.source)
    for name in FOREIGN_CLASSES:
        for number in range(clips):
            rng = np.random.default_rng([seed, STREAM, number, *name.encode()])
            frames = foreign_clip(name, rng, n_frames=FRAMES, size=160)
            yield name, str(number), Clip(frames, np.arange(FRAMES) / 16, "made so", f"{name} {number}")


def print_groups(rows: Iterable[tuple[str, str, Decided]]) -> None:
    """A line a group."""
    groups: dict[str, list[Decided]] = {}
    for group, _, decided in rows:
        groups.setdefault(group, []).append(decided)
    print(  # noqa: T201
        f"{'':20} {'n':>4} {'refused':>8} {'by view':>8} {'unsure':>7} {'A4C':>5} {'A2C':>5} {'apical':>9} {'distance':>8}"
    )
    for name, found in groups.items():
        n = len(found)
        counts = [
            sum(d[0] == "refused" for d in found),
            sum(d[1] == "not_apical" for d in found),
            sum(d[0] == "unsure" for d in found),
            *(sum(d[2] is view for d in found) for view in MEASURABLE_VIEWS),
        ]
        middle = [float(np.median([d[k] for d in found])) for k in (3, 4)]
        print(  # noqa: T201
            f"{name:20} {n:4} {counts[0] / n:8.1%} {counts[1] / n:8.1%} {counts[2] / n:7.1%} {counts[3]:5} {counts[4]:5} "
            f"{middle[0]:9.2f} {middle[1]:8.2f}"
        )


def print_auc(model: ViewModel, data: Path) -> None:
    """AUC of A4C against A2C by patient; interval by bootstrap over patients."""
    odds: dict[str, dict[str, list[float]]] = {}
    for group, patient, clip in camus(data):
        look = model.look(clip, find_sector(clip))
        difference = look.probability(View.A4C) - look.probability(View.A2C)
        odds.setdefault(patient, {}).setdefault(group, []).append(difference)
    scores = np.array(
        [[np.mean(v) for _, v in sorted(p.items(), reverse=True)] for p in odds.values() if len(p) == 2]
    )
    auc = [
        roc_auc(scores.ravel(), np.tile([True, False], len(scores))),
        *interval(
            lambda s: roc_auc(s.ravel(), np.tile([True, False], len(s))), scores, np.random.default_rng(0)
        ),
    ]
    print(f"AUC A4C against A2C, {len(scores)} patients: {auc[0]:.4f} ({auc[1]:.4f} to {auc[2]:.4f})")  # noqa: T201


def print_files(model: ViewModel, paths: Iterable[Path]) -> None:
    """A line a file."""
    for path in sorted(
        p for given in paths for p in (given.rglob("*") if given.is_dir() else [given]) if p.is_file()
    ):
        try:
            clip = open_clip(path)
            decided = decide(model, clip, still=len(clip.frames) == 1)
        except LvefError as error:
            print(f"{path.name:44} not read: {str(error)[:80]}")  # noqa: T201
            continue
        print(  # noqa: T201
            f"{path.name:44} {decided[0]:9} {decided[1]:24} {decided[2]:13} {decided[3]:.2f} {decided[4]:.2f}"
        )


def main() -> None:
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="camus-view")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--clips", type=int, default=0)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--files", type=Path, action="append", default=[])
    given = parser.parse_args()
    model = ViewModel(MeasureOptions(), given.weights)
    if given.data:
        print_auc(model, given.data)
        print_groups((g, p, decide(model, clip, still=True)) for g, p, clip in camus(given.data))
    if given.clips:
        print_groups((g, p, decide(model, clip)) for g, p, clip in synthetic(given.clips, given.seed))
    print_files(model, given.files)


if __name__ == "__main__":
    main()
