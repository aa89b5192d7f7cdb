"""From predictions to rows, a function for each suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FrameArray, Tracing
from lvef.core.terms import Structure
from lvef.evaluation.metrics import EF_POINTS, dice_score
from lvef.evaluation.synthetic.evaluation import compare_clip
from lvef.evaluation.synthetic.results import SyntheticResult
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.stats.agreement import pearson_r
from lvef.transforms.sector import find_sector
from studies.external.cases import BEAT, WALLS_LOST, Case, SyntheticCase
from studies.external.measures import (
    CAMUS_WALL_RATIO,
    filled,
    implausible,
    jitter,
    regional_distances,
    wall_area,
)
from studies.external.predictions import Prediction
from studies.external.tables import AGREEMENT, ALL, NAN, PAIRED, Row, over_cases

DRAWN, CINES, STABILITY, PHANTOMS, MOTION = SUITES = ("drawn", "cines", "stability", "phantoms", "motion")
"""Parts of the benchmark."""

SIDE = "% of side"
"""Unit of distances in images without a scale: the longer side of the sector's box is 100 %."""


def drawn_rows(model: str, cases: Sequence[Case], predictions: Mapping[str, Prediction]) -> list[Row]:
    """Dice and signed border distance against drawn contours; EF of the contoured beat."""
    rows: list[Row] = []
    by_metric: dict[tuple[str, str, str], list[float]] = {}
    for case in cases:
        prediction = predictions[case.name]
        box = find_sector(case.clip).box
        side = max(box.width, box.height)
        found: dict[tuple[str, str, str], list[float]] = {}
        for frame, truth in case.truth.items() if prediction.is_comparable else ():
            tracing = prediction.tracings[frame] if prediction.tracings else None
            shape = (truth.shape[0], truth.shape[1])
            found.setdefault(("dice", ALL, ""), []).append(dice_score(filled(tracing, shape), truth))
            for region, pixels in regional_distances(tracing, _trace(truth)).items():
                found.setdefault(("border", region, SIDE), []).append(100 * pixels / side)
        for (metric, group, unit), values in found.items():
            known = [v for v in values if np.isfinite(v)]
            value = float(np.mean(known)) if known else NAN
            rows.append(Row(model, DRAWN, case.name, group, metric, value, n=len(known), unit=unit))
            if case.name not in WALLS_LOST:
                by_metric.setdefault((metric, group, unit), []).append(value)
        if case.name == BEAT:
            rows += _beat_rows(model, case, prediction)
    for (metric, group, unit), values in by_metric.items():
        rows += over_cases([Row(model, DRAWN, ALL, group, metric, NAN, unit=unit)], values)
    return rows


def _beat_rows(model: str, case: Case, prediction: Prediction) -> list[Row]:
    """EF of the beat, the product's own and from its volumes at the drawn ED and ES, each against the drawing."""
    drawn = [volume_of_tracing(_trace(case.truth[frame])) for frame in sorted(case.truth)]
    ed, es = int(np.argmax(drawn)), int(np.argmin(drawn))
    reference = ejection_fraction(drawn[ed], drawn[es])
    efs = {"ef": prediction.ef_percent, "ef_same_frames": NAN, "ef_drawn": reference}
    curve = prediction.measurement.curve
    if curve is not None and curve.volume[ed] > 0:
        efs["ef_same_frames"] = float(ejection_fraction(curve.volume[ed], curve.volume[es]))
        for name, frame in (("edv_ratio", ed), ("esv_ratio", es)):
            efs[name] = float(curve.volume[frame] / drawn[frame])
    rows = [
        Row(model, DRAWN, BEAT, ALL, name, value, unit="%" if name.startswith("ef") else "")
        for name, value in efs.items()
    ]
    errors = [(name, efs[name] - reference) for name in ("ef", "ef_same_frames")]
    return rows + [
        Row(model, DRAWN, ALL, BEAT, f"{name}_error", error, unit=EF_POINTS) for name, error in errors
    ]


def cine_rows(model: str, cases: Sequence[Case], predictions: Mapping[str, Prediction]) -> list[Row]:
    """Metrics of a cine without any reference."""
    units = {"ef": "%", "ef_sd_beats": EF_POINTS, "jitter": "% of long axis", "beats": ""}
    names = ("answered", "implausible", "wall_ratio", "ef_sd_beats", "jitter", "ef", "beats")
    table: dict[str, list[float]] = {name: [] for name in names}
    rows: list[Row] = []
    for case in cases:
        for name, value in _cine_values(predictions[case.name]).items():
            table[name].append(value)
            row = Row(
                model, CINES, case.name, ALL, name, value, n=len(case.clip.frames), unit=units.get(name, "")
            )
            rows.append(row)
        odd = implausible(predictions[case.name].labels, predictions[case.name].tracings)
        rows += [
            Row(model, CINES, case.name, reason, "implausible", float(frames.mean()), n=len(frames))
            for reason, frames in odd.items()
            if frames.any()
        ]
    for name in names[:5]:
        base = CAMUS_WALL_RATIO[0] if name == "wall_ratio" else NAN
        row = Row(model, CINES, ALL, ALL, name, NAN, unit=units.get(name, ""), baseline=base)
        rows += over_cases([row], table[name])
    return rows


def _cine_values(prediction: Prediction) -> dict[str, float]:
    m, labels = prediction.measurement, prediction.labels
    counted = [beat for beat in m.beats if not beat.excluded]
    return {
        "answered": float(np.isfinite(prediction.ef_percent)),
        # What was refused before it was traced shows no shape a reader would accept.
        "implausible": _share(implausible(labels, m.tracings))
        if m.tracings
        else 1.0
        if prediction.is_comparable
        else NAN,
        "wall_ratio": NAN
        if labels is None
        else _wall_ratio(labels, [(b.ed_frame, b.es_frame) for b in counted]),
        "ef_sd_beats": NAN if m.ef_sd_percent is None else m.ef_sd_percent,
        "jitter": jitter(m.tracings),
        "ef": prediction.ef_percent,
        "beats": float(len(counted)),
    }


def _wall_ratio(labels: FrameArray, phases: Sequence[tuple[int, int]]) -> float:
    """Median over beats of the wall's area at ES over that at ED; NaN where no wall is marked."""
    areas = [(wall_area(labels, ed), wall_area(labels, es)) for ed, es in phases]
    ratios = [es / ed for ed, es in areas if ed > 0]
    return float(np.median(ratios)) if ratios else NAN


def _share(odd: Mapping[str, BoolArray]) -> float:
    """Part of the frames that are odd for any reason."""
    return float(np.any(list(odd.values()), axis=0).mean())


def stability_rows(
    model: str, plain: Mapping[str, Prediction], changed: Mapping[str, Mapping[str, Prediction]]
) -> list[Row]:
    """EF under each perturbation less EF without: size of the change in points, and the part of the EFs that is lost."""
    rows: list[Row] = []
    sizes: dict[str, list[float]] = {}
    for change, predictions in changed.items():
        differences, lost = [], []
        for case, prediction in predictions.items():
            before, after = plain[case].ef_percent, prediction.ef_percent
            if np.isfinite(before):
                rows.append(Row(model, STABILITY, case, change, "ef_change", after - before, unit=EF_POINTS))
                differences.append(after - before)
                lost.append(float(np.isnan(after)))
                sizes.setdefault(case, []).append(abs(after - before))
        if differences:
            row = partial(Row, model, STABILITY, ALL, change, value=NAN)
            rows += over_cases([row(metric="ef_change", unit=EF_POINTS)], differences)
            rows += over_cases([row(metric="ef_change_size", unit=EF_POINTS)], np.abs(differences))
            rows += over_cases([row(metric="ef_lost")], lost)
    # One number: the mean size over the perturbations of a cine that kept their EF, over cines.
    means = [float(np.nanmean(v)) for v in sizes.values() if np.isfinite(v).any()]
    return rows + over_cases([Row(model, STABILITY, ALL, ALL, "ef_change_size", NAN, unit=EF_POINTS)], means)


def agreement_rows(
    suite: str, cases: Sequence[Case], found: Mapping[str, Mapping[str, Prediction]]
) -> list[Row]:
    """How far models agree with each other: Dice of their contours and difference of their EFs, pair by pair."""
    rows: list[Row] = []
    for first, second in combinations(found, 2):
        overlaps, differences = [], []
        for case in cases:
            shape = (case.clip.frames.shape[1], case.clip.frames.shape[2])
            a, b = found[first][case.name], found[second][case.name]
            pairs = [
                dice_score(filled(s, shape), filled(t, shape))
                for s, t in zip(a.tracings, b.tracings, strict=False)
                if s is not None and t is not None
            ]
            overlaps.append(float(np.mean(pairs)) if pairs else NAN)
            differences.append(abs(a.ef_percent - b.ef_percent))
            rows += [
                Row(first, suite, case.name, second, f"{AGREEMENT}_dice", overlaps[-1], n=len(pairs)),
                Row(first, suite, case.name, second, f"{AGREEMENT}_ef", differences[-1], unit=EF_POINTS),
            ]
        rows += over_cases([Row(first, suite, ALL, second, f"{AGREEMENT}_dice", NAN)], overlaps)
        rows += over_cases(
            [Row(first, suite, ALL, second, f"{AGREEMENT}_ef", NAN, unit=EF_POINTS)], differences
        )
    return rows


def synthetic_rows(
    model: str, suite: str, cases: Sequence[SyntheticCase], predictions: Mapping[str, Prediction]
) -> list[Row]:
    """EF, Dice and signed border distance against known truth, with the constant median beside the EF."""
    rows: list[Row] = []
    records: list[SyntheticResult] = []
    borders: dict[tuple[str, str], list[float]] = {}
    walls: dict[str, list[float]] = {"wall_ratio": [], "wall_ratio_true": []}
    for case in cases:
        name = case.true.name
        record = compare_clip(case.true, case.curve, case.mask, predictions[name].measurement)
        records.append(record)
        values = {"ef": record.ef_percent, "ef_true": record.ef_plane_percent}
        rows += [Row(model, suite, name, ALL, k, v, unit="%") for k, v in values.items()]
        phases = [(beat.ed_frame, beat.es_frame) for beat in case.true.beats]
        for metric, labels in (
            ("wall_ratio", predictions[name].labels),
            ("wall_ratio_true", case.mask.labels),
        ):
            walls[metric].append(NAN if labels is None else _wall_ratio(labels, phases))
            rows.append(Row(model, suite, name, ALL, metric, walls[metric][-1], n=len(phases)))
        for phase in ("ed", "es"):
            rows.append(Row(model, suite, name, ALL, f"dice_{phase}", getattr(record, f"dice_{phase}")))
            frames = [getattr(beat, f"{phase}_frame") for beat in case.true.beats]
            for region, mm in _border_mm(case, frames, predictions[name].tracings).items():
                borders.setdefault((f"border_{phase}", region), []).append(mm)
                rows.append(Row(model, suite, name, region, f"border_{phase}", mm, n=len(frames), unit="mm"))
    over = partial(Row, model, suite, ALL, ALL, value=NAN)
    refused = [float(not record.has_ef) for record in records]
    rows += over_cases([over(metric="refused")], refused)
    pairs = np.array([(r.ef_percent, r.ef_plane_percent) for r in records if r.has_ef]).reshape(-1, 2)
    if len(pairs) > 1:
        truth = pairs[:, 1]
        base = np.median(truth) - truth
        rows += over_cases(
            [over(metric="ef_bias", unit=EF_POINTS, baseline=float(base.mean()))], pairs, _bias
        )
        rows += over_cases(
            [over(metric="ef_mae", unit=EF_POINTS, baseline=float(np.abs(base).mean()))], pairs, _mae
        )
        rows += over_cases([over(metric="ef_r")], pairs, lambda p: pearson_r(p[:, 0], p[:, 1]))
    for phase in ("ed", "es"):
        rows += over_cases([over(metric=f"dice_{phase}")], [getattr(r, f"dice_{phase}") for r in records])
    for metric, ratios in walls.items():
        row = Row(model, suite, ALL, ALL, metric, NAN, baseline=CAMUS_WALL_RATIO[0])
        rows += over_cases([row], ratios)
    for (metric, region), values_mm in borders.items():
        rows += over_cases([Row(model, suite, ALL, region, metric, NAN, unit="mm")], values_mm)
    return rows


def paired_rows(rows: Sequence[Row]) -> list[Row]:
    """Size of the EF error of each model less that of the first one, over the synthetic clips that both answer.

    An interval that holds 0 says that these clips cannot tell the two apart.

    Args:
        rows: Of one suite, from `synthetic_rows`, all models one after the other.
    """
    models = list(dict.fromkeys(row.model for row in rows))
    values = {(row.model, row.case, row.metric): row.value for row in rows if row.case != ALL}
    cases = list(dict.fromkeys(row.case for row in rows if row.metric == "ef_true"))

    def error(model: str, case: str) -> float:
        return abs(values[model, case, "ef"] - values[model, case, "ef_true"])

    found: list[Row] = []
    for model in models[1:]:
        row = Row(model, rows[0].suite, ALL, models[0], f"{PAIRED}_ef_mae", NAN, unit=EF_POINTS)
        found += over_cases([row], [error(model, case) - error(models[0], case) for case in cases])
    return found


def _border_mm(
    case: SyntheticCase, frames: Sequence[int], tracings: Sequence[Tracing | None]
) -> dict[str, float]:
    """Mean signed border distance by region over frames, in mm; NaN where nothing was traced."""
    found: dict[str, list[float]] = {}
    for frame in frames:
        labels = case.mask.labels[frame]
        tracing = tracings[frame] if tracings else None
        for region, pixels in regional_distances(tracing, trace_labels(labels)).items():
            found.setdefault(region, []).append(pixels * case.mask.spacing.x_mm)
    means = {region: [v for v in values if np.isfinite(v)] for region, values in found.items()}
    return {region: float(np.mean(values)) if values else NAN for region, values in means.items()}


def _trace(cavity: BoolArray) -> Tracing:
    return trace_labels(cavity.astype(np.uint8) * np.uint8(Structure.LV))


def _bias(pairs: NDArray[np.float64]) -> float:
    return float((pairs[:, 0] - pairs[:, 1]).mean())


def _mae(pairs: NDArray[np.float64]) -> float:
    return float(np.abs(pairs[:, 0] - pairs[:, 1]).mean())
