"""Fit the shape prior of a segmentation model, and evaluate it on patients who had no part in it.

Run it as ``python -m studies.shape_prior --data CAMUS --held-out RUN/held-out.txt --out shape.npz``, and put the file beside
the model to use it. The prior comes from the experts' contours of the training patients without those held out, who are
also unknown to the model; the error of the model's contours from the same patients' stills, as they are and under
`CHANGES`. Sides are exchanged in a copy of every case, so that a mirrored image is measured alike.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.optimize import minimize

from lvef.core.errors import GeometryError, LvefError, run_main
from lvef.core.records import FloatArray, Tracing
from lvef.core.terms import Phase
from lvef.datasets.camus import CITATION, LICENCE, CamusStill, read_split, read_stills
from lvef.evaluation.stills.robustness import PERTURBATIONS
from lvef.evaluation.stills.scores import perturb
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.smoothing import coordinates_of, tracings_of_coordinates
from lvef.geometry.tracing import trace_labels
from lvef.io.atomic import write_bytes_atomic
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import FrameContext, Predictor
from lvef.measure.predictors import load_predictor
from lvef.measure.shape_prior import N_COORDINATES, ShapePrior, design, relative
from lvef.transforms.sector import find_sector

UNCHANGED = "unchanged"
"""Name of the stills as they are."""

CHANGES = ("gamma 2", "speckle", "sector shadow", "wall drop-out")
"""Perturbations under which the model's error is learned."""

HIDDEN = ("sector shadow", "wall drop-out")
"""Of these the poses of the model's contours count for the prior as well as those of unchanged stills."""

CONTRACTIONS = (0.05, 0.4, 0.8, 1.2, 1.6, 2.0)
"""Every expert pair stands for hearts that contract so many times as much: the prior prefers no EF."""

RIDGE, SHRINKAGE, SHARE = 1e-5, 0.1, 0.5
"""Added to the prior's variances; weight of the diagonal in the error's covariances; `ShapePrior.share`."""


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Pairs of stills: expert, model and border of each, in long axes of the model's ED contour, ``(k, m)``."""

    expert: FloatArray
    model: FloatArray
    features: FloatArray

    def __add__(self, other: Cases) -> Cases:
        return Cases(
            np.concatenate([self.expert, other.expert]),
            np.concatenate([self.model, other.model]),
            np.concatenate([self.features, other.features]),
        )


def find_pairs(data: Path, patients: Sequence[str]) -> list[tuple[CamusStill, CamusStill]]:
    """ED and ES still of every patient and view that has both."""
    stills = {(s.patient, str(s.view), s.phase): s for s in read_stills(data, patients)}
    return [
        (ed, stills[patient, view, Phase.ES])
        for (patient, view, phase), ed in stills.items()
        if phase == Phase.ED and (patient, view, Phase.ES) in stills
    ]


def collect(predictor: Predictor, pairs: Sequence[tuple[CamusStill, CamusStill]], change: str) -> Cases:
    """What the model draws on pairs of stills under a perturbation; pairs in which it finds no ventricle are left out."""
    rows = []
    with click.progressbar(pairs, label=change) as shown:
        for pair in shown:
            try:
                rows.append(_case(predictor, pair, change))
            except LvefError:
                continue
    return Cases(*(np.array(part) for part in zip(*rows, strict=True)))


def _case(
    predictor: Predictor, pair: tuple[CamusStill, CamusStill], change: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    aspect = pair[0].clip.pixel_aspect
    metric = np.array([1.0, aspect])
    experts = coordinates_of([trace_labels(still.mask, aspect=aspect) for still in pair], metric)
    clips = [(still if change == UNCHANGED else perturb(still, PERTURBATIONS[change])).clip for still in pair]
    opened = [(clip, find_sector(clip)) for clip in clips]
    tracings: list[Tracing | None] = []
    borders = []
    for (clip, sector), other in zip(opened, reversed(opened), strict=True):
        frames, box = predictor.shown(clip, sector)
        traced = predictor.trace(frames, box, clip.spacing, FrameContext(other=predictor.square(*other)))
        tracings += traced.tracings
        borders.append(traced.borders[0])
    found = [tracing for tracing in tracings if tracing is not None]
    if len(found) < 2:
        raise GeometryError("no ventricle")
    model = coordinates_of(found, metric)
    both = (np.concatenate([relative(one, model[0]) for one in drawn]) for drawn in (experts, model))
    return (*both, np.concatenate(borders))  # type: ignore[return-value]


def with_sides_exchanged(cases: Cases) -> Cases:
    """The cases and the same of mirrored images."""

    def exchanged(vectors: FloatArray) -> FloatArray:
        phases = vectors.reshape(len(vectors), 2, N_COORDINATES)
        points = phases[..., :6].reshape(len(vectors), 2, 3, 2)[:, :, [0, 2, 1]] * [1.0, -1.0]
        across = -phases[..., 6:].reshape(len(vectors), 2, -1, 2)[..., ::-1]
        parts = [part.reshape(len(vectors), 2, -1) for part in (points, across)]
        return np.concatenate(parts, axis=2).reshape(len(vectors), -1)

    order = np.arange(2 * N_COORDINATES).reshape(2, N_COORDINATES)
    order[:, 2:6] = order[:, [4, 5, 2, 3]]
    order[:, 6:] = order[:, 6:].reshape(2, -1, 2)[..., ::-1].reshape(2, -1)
    features = cases.features[:, order.ravel()]
    return cases + Cases(exchanged(cases.expert), exchanged(cases.model), features)


def fit(unchanged: Cases, changed: Cases, hidden: Cases) -> ShapePrior:
    """The prior.

    Args:
        unchanged: Of stills as they are.
        changed: Of the same under `CHANGES`.
        hidden: Of the same under `HIDDEN`.
    """
    shapes = with_sides_exchanged(unchanged + hidden).expert
    ed, es = shapes[:, :N_COORDINATES], shapes[:, N_COORDINATES:]
    shapes = np.concatenate([np.concatenate([ed, ed + k * (es - ed)], axis=1) for k in CONTRACTIONS])
    unchanged, every = with_sides_exchanged(unchanged), with_sides_exchanged(unchanged + changed)
    noise = np.cov((unchanged.model - unchanged.expert).T)
    noise = (1 - SHRINKAGE) * noise + SHRINKAGE * np.diag(np.diag(noise))
    mean, sd = every.features.mean(axis=(0, 1)), every.features.std(axis=(0, 1))
    regressors, errors = design(every.features, mean, sd), every.model - every.expert
    weights = _fit_variance(regressors.reshape(-1, regressors.shape[2]), errors.ravel() ** 2 + 1e-6)
    scaled = errors / np.exp(regressors @ weights / 2)
    correlation = scaled.T @ scaled
    size = np.sqrt(np.diag(correlation))
    correlation = (1 - SHRINKAGE) * correlation / np.outer(size, size) + SHRINKAGE * np.eye(len(size))
    covariance = np.cov(shapes.T) + RIDGE * np.eye(shapes.shape[1])
    return ShapePrior(shapes.mean(axis=0), covariance, noise, correlation, mean, sd, weights, SHARE)


def _fit_variance(regressors: FloatArray, squares: FloatArray) -> FloatArray:
    """Weights of the logarithm of the variance, by maximum likelihood."""

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        logs = regressors @ weights
        ratio = np.exp(-logs) * squares
        return float((logs + ratio).mean()), (regressors * (1 - ratio)[:, None]).mean(axis=0)

    start = np.zeros(regressors.shape[1])
    start[:10] = np.log(squares.mean())
    return np.asarray(
        minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x, dtype=np.float64
    )


def print_effect(prior: ShapePrior, cases: Cases, name: str) -> None:
    """Print errors of the EF and of coordinates on some cases, without and with the prior."""
    corrected = cases.model + np.array(
        [prior.change(*one) for one in zip(cases.model, cases.features, strict=True)]
    )
    true = _efs(cases.expert)
    words = []
    for drawn in (cases.model, corrected):
        error = _efs(drawn) - true
        distance = 100 * np.sqrt(((drawn - cases.expert) ** 2).mean())
        words.append(
            f"EF MAE {np.abs(error).mean():5.2f}, bias {error.mean():+5.2f}, contour {distance:4.2f}"
        )
    click.echo(f"{name:16s} n {len(true)}  without: {words[0]}  with: {words[1]}")


def _efs(vectors: FloatArray) -> FloatArray:
    def volumes(part: FloatArray) -> FloatArray:
        drawn: list[Tracing] = tracings_of_coordinates(part, np.ones(2))
        return np.array([volume_of_tracing(tracing) for tracing in drawn])

    phases = volumes(vectors[:, :N_COORDINATES]), volumes(vectors[:, N_COORDINATES:])
    return np.array([ejection_fraction(ed, es) for ed, es in zip(*phases, strict=True)])


def write(prior: ShapePrior, path: Path, model_sha256: str, command: str) -> None:
    """Write the file that `lvef.measure.shape_prior.read_shape_prior` reads."""
    names = (
        "mean",
        "covariance",
        "noise",
        "correlation",
        "feature_mean",
        "feature_sd",
        "weights",
        "share",
    )
    held: dict[str, Any] = {name: np.asarray(getattr(prior, name), np.float32) for name in names}
    held |= {"model_sha256": model_sha256, "licence": LICENCE, "citation": CITATION, "command": command}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **held)
    write_bytes_atomic(path, buffer.getvalue())


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of CAMUS")
    parser.add_argument(
        "--held-out", type=Path, required=True, help="patients held out of the model's training"
    )
    parser.add_argument("--weights", default=MeasureOptions.weights, help="installed model or its folder")
    parser.add_argument("--out", type=Path, required=True, help="file to write (shape.npz)")
    args = parser.parse_args(argv)
    held_out = args.held_out.read_text(encoding="utf-8").split()
    learned = [patient for patient in read_split(args.data, "training") if patient not in set(held_out)]
    predictor = load_predictor(MeasureOptions(weights=args.weights, precision="f32"))
    predictor.looks_at_borders = True
    of: Callable[[str], Cases] = lambda change: collect(predictor, pairs, change)  # noqa: E731
    pairs = find_pairs(args.data, learned)
    cases = {change: of(change) for change in (UNCHANGED, *CHANGES)}
    changed = [cases[change] for change in CHANGES]
    hidden = [cases[change] for change in HIDDEN]
    prior = fit(cases[UNCHANGED], sum(changed[1:], changed[0]), sum(hidden[1:], hidden[0]))
    command = f"python -m studies.shape_prior --data CAMUS --held-out RUN/held-out.txt --out {args.out.name}"
    write(prior, args.out, predictor.entry.card.model_sha256, command)
    pairs = find_pairs(args.data, held_out)
    for change in (UNCHANGED, *CHANGES, "gamma 0.5", "gain +40 %", "dark blood", "narrow fan"):
        print_effect(prior, of(change), change)


if __name__ == "__main__":
    run_main(main)
