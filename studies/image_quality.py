"""Fit the score of image quality to CAMUS's label (good, medium, poor), and evaluate it.

Run it as ``python -m studies.image_quality --data CAMUS --out quality.json``. The label is that of each patient's A2C; for
the A4C of the same patient it is a weaker one and counts half. Every pair of ED and ES stills is measured as `lvef measure`
does, and an ordinal logistic model is fitted to the parts `lvef.measure.quality_score.SCORED`. With ``--held-out FILE`` the
patients of that file take no part: the score is evaluated on them, with a model that was not trained on them either
(``--weights RUN/camus-seg --held-out RUN/held-out.txt``).
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from scipy.optimize import minimize
from scipy.stats import spearmanr

from lvef.core.config import to_mapping
from lvef.core.errors import GeometryError, QualityRefusal, run_main
from lvef.core.records import Clip, FloatArray, Measurement, aspect_of
from lvef.core.serialization import to_json
from lvef.core.terms import Phase, Status, View
from lvef.datasets.camus import CITATION, LICENCE, CamusStill, read_split, read_stills
from lvef.evaluation.stills.robustness import PERTURBATIONS
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels, volume_curve_of_tracings
from lvef.io.atomic import write_text_atomic
from lvef.measure.image_quality import quality_of_stills
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import FrameContext, Predictor, TracedFrames
from lvef.measure.predictors import load_predictor
from lvef.measure.quality_score import SCORED, QualityScale, ScoredPart
from lvef.stats.agreement import roc_auc
from lvef.stats.bootstrap import interval
from lvef.transforms.sector import Sector, find_sector

LABELS = ("Poor", "Medium", "Good")
"""CAMUS's labels of image quality, in order."""

A4C_WEIGHT = 0.5
"""Weight of an A4C, whose label is that of the A2C of the same patient."""

FOLDS, SHRINKAGE = 5, 3.0
"""Folds of the cross-validation by patient; penalty on the squared coefficients (log likelihood of 1200 cases: -700)."""

GRADED = (
    "sector shadow", "wall drop-out", "speckle", "blur 1.5 px", "gamma 0.5", "gain -40 %", "saturated", "dark blood",
)  # fmt: skip
"""Perturbations that are blended with the unperturbed image in `STRENGTHS`."""

STRENGTHS = (0.5, 1.0)
"""Shares of the perturbed image."""

PARTS_OF_ERRORS = 5
"""Quintiles."""


@dataclass(frozen=True, slots=True)
class Pair:
    """ED and ES still of one view of a patient, measured.

    Attributes:
        patient: ``patientXXXX``.
        view: A4C or A2C.
        label: Place in `LABELS`.
        parts: Of `lvef.measure.image_quality`.
        ef_error: Distance of the EF from that of the expert masks, points.
    """

    patient: str
    view: View
    label: int
    parts: Mapping[str, float | None]
    ef_error: float


def fit_scale(pairs: Sequence[Pair], model_sha256: str = "") -> QualityScale:
    """Fit the coefficients; none may have the wrong sign (`SCORED`).

    Args:
        pairs: Measured pairs with their labels.
        model_sha256: Of the model that measured them.
    """
    values, labels = _values(pairs), np.array([pair.label for pair in pairs])
    weights = np.array([A4C_WEIGHT if pair.view is View.A4C else 1.0 for pair in pairs])
    low, high = np.percentile(values, [1, 99], axis=0)
    values = np.clip(values, low, high)
    mean, sd = values.mean(axis=0), values.std(axis=0)
    standardised, k = (values - mean) / sd, len(SCORED)

    def loss(p: FloatArray) -> float:
        linear = standardised @ p[:k]
        at_least = [
            np.ones(len(linear)),
            *(_logistic(linear - cut) for cut in (p[k], p[k] + p[k + 1])),
            np.zeros(len(linear)),
        ]
        likely = np.choose(labels, [above - over for above, over in pairwise(at_least)])
        return float(-(weights * np.log(np.maximum(likely, 1e-12))).sum() + SHRINKAGE * (p[:k] @ p[:k]))

    bounds = [(0, None) if sign > 0 else (None, 0) for sign in SCORED.values()]
    found = minimize(
        loss, [*np.zeros(k), -2.0, 2.0], method="L-BFGS-B", bounds=[*bounds, (None, None), (1e-3, None)]
    ).x
    parts = [
        ScoredPart(name, *(round(float(v), 5) for v in row))
        for name, row in zip(SCORED, np.stack([low, high, mean, sd, found[:k]], axis=1), strict=True)
    ]
    return QualityScale(
        model_sha256,
        tuple(parts),
        round(float(found[k]), 5),
        round(float(found[k] + found[k + 1]), 5),
        trained_on="",
        licence=LICENCE,
        citation=CITATION,
        command="",
    )


def cross_validated_scores(pairs: Sequence[Pair], seed: int = 0) -> FloatArray:
    """The score of each pair by coefficients that were fitted without its patient, ``(n,)``."""
    patients = sorted({pair.patient for pair in pairs})
    order = np.random.default_rng(seed).permutation(len(patients))
    fold = {patients[place]: i % FOLDS for i, place in enumerate(order)}
    scores = np.full(len(pairs), np.nan)
    for k in range(FOLDS):
        scale = fit_scale([pair for pair in pairs if fold[pair.patient] != k])
        for i, pair in enumerate(pairs):
            if fold[pair.patient] == k:
                scores[i] = scale.score(pair.parts)
    return scores


def label_metrics(pairs: Sequence[Pair], scores: FloatArray) -> dict[str, float]:
    """Rank correlation with the label and AUC of poor against the rest, by view, with 95 % confidence intervals."""
    found: dict[str, float] = {}
    labels = np.array([pair.label for pair in pairs])
    for view in (View.A2C, View.A4C):
        here = np.array([pair.view is view for pair in pairs])
        rows = np.stack([scores[here], labels[here]], axis=1)
        for name, statistic in (("spearman", _spearman), ("auc_poor", _auc_poor)):
            low, high = interval(statistic, rows, np.random.default_rng(0))
            name = f"{name}_{view}".lower()
            found |= {name: statistic(rows), f"{name}_low": low, f"{name}_high": high}
        found[f"n_{view}".lower()] = int(here.sum())
    return {name: round(value, 4) for name, value in found.items()}


def measure_pairs(
    predictor: Predictor, stills: Sequence[CamusStill], change: str = "", strength: float = 0.0
) -> list[Pair]:
    """Every pair of ED and ES that has a label, measured.

    Args:
        predictor: The model.
        stills: From `lvef.datasets.camus.read_stills`.
        change: Name of a perturbation, or empty.
        strength: Share of the perturbed image.
    """
    found: dict[tuple[str, View], dict[Phase, CamusStill]] = {}
    for still in stills:
        found.setdefault((still.patient, still.view), {})[still.phase] = still
    pairs = []
    for (patient, view), by_phase in found.items():
        both = [by_phase[phase] for phase in Phase if phase in by_phase]
        if len(both) < len(Phase) or both[0].quality not in LABELS:
            continue
        shown = [_perturbed(still, change, strength) for still in both]
        try:
            measured = _measured(predictor, shown)
            truth = ejection_fraction(*(_expert_volume(still) for still in both))
        except (GeometryError, QualityRefusal) as error:
            click.echo(f"{patient} {view}: left out ({error})", err=True)
            continue
        quality, ef = measured.quality, measured.ef_percent
        assert quality is not None and ef is not None
        pairs.append(Pair(patient, view, LABELS.index(both[0].quality), quality.parts, abs(ef - truth)))
    return pairs


def _measured(predictor: Predictor, stills: Sequence[CamusStill]) -> Measurement:
    """EF and quality of an ED and an ES still in memory."""
    clips = [still.clip for still in stills]
    both = [(clip, find_sector(clip)) for clip in clips]
    traced = [_trace(predictor, *one, *other) for one, other in zip(both, both[::-1], strict=True)]
    tracings = tuple(t for part in traced for t in part.tracings)
    if any(t is None for t in tracings):
        raise GeometryError("no ventricle was traced")
    curve = volume_curve_of_tracings(tracings, np.array([0.0, 1.0]), clips[0].spacing)
    joined = TracedFrames(
        tracings,
        np.concatenate([part.wall_contact for part in traced]),
        certainty=np.concatenate([part.certainty for part in traced]),
    )
    base = Measurement(
        clips[0].source,
        Status.PARTIAL_CYCLE,
        view=stills[0].view,
        ef_percent=ejection_fraction(float(curve.volume[0]), float(curve.volume[1])),
        spacing=clips[0].spacing,
        curve=curve,
        tracings=tracings,
    )
    quality = quality_of_stills(both, joined, base, None)
    return Measurement(base.source, base.status, ef_percent=base.ef_percent, quality=quality)


def _trace(
    predictor: Predictor, clip: Clip, sector: Sector, other: Clip, other_sector: Sector
) -> TracedFrames:
    frames, box = predictor.shown(clip, sector)
    context = FrameContext(clip.times_s, other=predictor.square(other, other_sector))
    return predictor.trace(frames, box, clip.spacing, context)


def _perturbed(still: CamusStill, change: str, strength: float) -> CamusStill:
    if not change:
        return still
    rng = np.random.default_rng(zlib.crc32(f"{still.patient} {still.view} {still.phase}".encode()))
    image, _ = PERTURBATIONS[change](still.image, still.mask, rng)
    blended = np.round((1 - strength) * still.image + strength * image.astype(float)).astype(np.uint8)
    return CamusStill(
        still.patient,
        still.view,
        still.phase,
        blended,
        still.mask,
        still.spacing,
        still.quality,
        still.cfg_ef_percent,
    )


def _expert_volume(still: CamusStill) -> float:
    return volume_of_tracing(trace_labels(still.mask, aspect=aspect_of(still.spacing)), still.spacing)


def _values(pairs: Sequence[Pair]) -> FloatArray:
    return np.array([[pair.parts[name] for name in SCORED] for pair in pairs], dtype=np.float64)


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _spearman(rows: FloatArray) -> float:
    return float(spearmanr(rows[:, 0], rows[:, 1]).statistic)


def _auc_poor(rows: FloatArray) -> float:
    return roc_auc(-rows[:, 0], rows[:, 1] == 0)


def errors_by_score(pairs: Sequence[Pair], scores: FloatArray) -> list[tuple[int, float, float, float]]:
    """Number of pairs, mean score, mean and median EF error of each fifth, the lowest scores first."""
    errors = np.array([pair.ef_error for pair in pairs])
    cuts = np.array_split(np.argsort(scores, kind="stable"), PARTS_OF_ERRORS)
    return [
        (len(c), float(scores[c].mean()), float(errors[c].mean()), float(np.median(errors[c]))) for c in cuts
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, evaluate and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument(
        "--weights", default=MeasureOptions.weights, help="installed segmentation model or its folder"
    )
    parser.add_argument("--held-out", type=Path, help="file with patients to evaluate on, one a line")
    parser.add_argument("--out", type=Path, help="file of the coefficients to write")
    args = parser.parse_args(argv)
    predictor = load_predictor(MeasureOptions(weights=args.weights, precision="f32"))
    held_out = set(args.held_out.read_text(encoding="utf-8").split()) if args.held_out else set()
    patients = read_split(args.data, "training")
    pairs = measure_pairs(predictor, list(read_stills(args.data, patients)))
    inside = [pair for pair in pairs if pair.patient not in held_out]
    card = predictor.entry.card
    metrics = label_metrics(inside, cross_validated_scores(inside))
    scale = fit_scale(inside, card.model_sha256)
    click.echo(
        to_json({"cross-validation": metrics, "coefficients": {p.name: p.weight for p in scale.parts}})
    )
    if held_out:
        _evaluate(predictor, args.data, sorted(held_out), [p for p in pairs if p.patient in held_out], scale)
    if args.out is not None:
        left_out = f" without {args.held_out.name}" if held_out else ""
        written = QualityScale(
            scale.model_sha256,
            scale.parts,
            scale.medium,
            scale.good,
            f"CAMUS ImageQuality, {len({p.patient for p in inside})} training patients{left_out}, A2C and A4C stills",
            LICENCE,
            CITATION,
            f"python -m studies.image_quality --data CAMUS --weights {card.name} --out quality.json",
            metrics,
        )
        write_text_atomic(args.out, to_json(to_mapping(written)))


def _evaluate(
    predictor: Predictor, data: Path, patients: Sequence[str], pairs: Sequence[Pair], scale: QualityScale
) -> None:
    plain = {(pair.patient, pair.view): pair for pair in pairs}
    click.echo(to_json({"held out": label_metrics(pairs, _scores(pairs, scale))}))
    click.echo(_errors_table("unperturbed", pairs, scale))
    stills = list(read_stills(data, list(patients[::4])))
    changed: list[Pair] = []
    rows = ["| perturbation | n | " + " | ".join(f"{share:.0%}" for share in (0.0, *STRENGTHS)) + " |"]
    rows.append("|---|---|" + "---|" * (1 + len(STRENGTHS)))
    for change in GRADED:
        measured = [measure_pairs(predictor, stills, change, share) for share in STRENGTHS]
        by_key = [{(pair.patient, pair.view): pair for pair in some} for some in measured]
        common = sorted(set(plain).intersection(*by_key))
        means = [_scores([one[key] for key in common], scale).mean() for one in (plain, *by_key)]
        rows.append(f"| {change} | {len(common)} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
        changed += [pair for some in measured for pair in some]
    click.echo("\n".join(rows))
    click.echo(_errors_table("perturbed", changed, scale))


def _scores(pairs: Sequence[Pair], scale: QualityScale) -> FloatArray:
    return np.array([scale.score(pair.parts) for pair in pairs], dtype=np.float64)


def _errors_table(title: str, pairs: Sequence[Pair], scale: QualityScale) -> str:
    rows = [f"| {title}: score, fifth | n | mean score | EF error, mean | median |", "|---|---|---|---|---|"]
    for place, (n, score, mean, median) in enumerate(errors_by_score(pairs, _scores(pairs, scale)), 1):
        rows.append(f"| {place} | {n} | {score:.2f} | {mean:.1f} | {median:.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    run_main(main)
