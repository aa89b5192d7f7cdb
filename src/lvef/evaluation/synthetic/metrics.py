"""Groups of synthetic clips, and their metrics: agreement of EF, beats, timing, contours, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lvef.core.records import FloatArray
from lvef.evaluation.metrics import (
    EF_METRICS,
    NAN,
    NOT_STATED,
    Metric,
    MetricRow,
    bootstrap_metrics,
    constant_pairs,
    make_bands,
    mean_of_column,
)
from lvef.evaluation.synthetic.results import INVENTED, MATCHED, MISSED, OUTCOMES, SyntheticResult

REFERENCES = {
    "plane": "disks on the true contour, same beat",
    "space": "body in space, same beat",
    "representative": "disks on the true contour, representative beat",
}
"""What an EF is compared with. Without a true beat at its times the representative one is taken."""

GROUPED_REFERENCES = ("plane", "space")
"""References of every group; all clips together are compared with all of `REFERENCES`."""


AGREEMENT = [EF_METRICS[name] for name in ("bias", "sd", "limit_low", "limit_high", "mae", "r")]
"""Metrics of rows ``(n, 2)`` of measured and true EF; their names end in the reference."""

BEAT_METRICS = (
    Metric("beats_missed", lambda n: _percent(n[:, 1].sum(), n[:, 0].sum()), unit="%"),
    Metric("beats_invented", lambda n: _percent(n[:, 2].sum(), n[:, 0].sum()), unit="%"),
)
"""Metrics of rows ``(n, 3)`` of true, missed and invented beats."""

TIMING_ERRORS = {
    "ed_error": "ED",
    "es_error": "ES",
    "ed_off": "ED, from the plateau",
    "es_off": "ES, from the plateau",
}
"""Timing errors of a matched beat in ms: fields of `BeatResult` without their unit."""

TIMING_METRICS: dict[str, Callable[[FloatArray], float]] = {
    "mean": lambda ms: float(ms.mean()),
    "median": lambda ms: float(np.median(ms)),
    "mae": lambda ms: float(np.abs(ms).mean()),
    "p95": lambda ms: float(np.percentile(np.abs(ms), 95)),
}
"""Metrics of a timing error: mean and median, mean and 95th percentile of its absolute value."""

CONTOUR_METRICS = (
    Metric("dice_ed", mean_of_column(0), "LV Dice at ED"),
    Metric("dice_es", mean_of_column(1), "LV Dice at ES"),
    Metric("volume_error_percent", mean_of_column(2), "volume in the plane, mean error (%)", "%"),
    Metric("volume_mae_percent", mean_of_column(3), "volume in the plane, mean absolute error (%)", "%"),
)
"""Means of rows ``(n, 4)`` of the fields of `SyntheticResult` of these names."""

NEAR_EDGE_S = 0.1
"""A beat within this time of an end of the clip lacks most of the rise before and the fall after its end-diastole."""

EF_BANDS, HEART_RATE_BANDS, FRAME_RATE_BANDS = (30.0, 40.0, 50.0, 60.0), (60.0, 80.0, 100.0), (35.0, 55.0)
"""Cut-offs of the true EF (percent), heart rate (per minute) and frame rate (per second); they belong to the band above."""

GROUPED_PARAMETERS = (
    *("foreshorten", "noise", "near_clutter", "haze", "gain", "depth"),
    *("tilt", "drop", "shadow", "attenuat", "blur", "amount", "strength"),
)
"""Clips are grouped by thirds of the parameters whose own name begins with one of these."""

FEWEST = 6
"""Clips that must have a parameter to be grouped by it: two in each third."""


@dataclass(frozen=True, slots=True)
class Group:
    """Clips with something in common, and their metrics.

    Attributes:
        by: What the clips are grouped by; ``all`` for all of them.
        label: Value or band of it.
        clips: The clips.
        is_brief: Whether it is shown in a terminal.
        metrics: By name.
    """

    by: str
    label: str
    clips: tuple[SyntheticResult, ...]
    is_brief: bool = True
    metrics: dict[str, MetricRow] | None = None

    @property
    def name(self) -> str:
        """Both, or ``all``."""
        return self.label if self.by == "all" else f"{self.by} {self.label}"

    def metric(self, name: str) -> MetricRow | None:
        """A metric, or None where it is not defined."""
        return (self.metrics or {}).get(name)


def make_groups(results: Sequence[SyntheticResult]) -> list[Group]:
    """All clips, then every group that has any: by EF, rates, rhythm and view, then by parameters."""
    groups = [Group("all", "all", tuple(results))]
    bands: list[tuple[str, Callable[[SyntheticResult], float], Sequence[float], str]] = [
        ("true EF", lambda r: r.ef_plane_percent, EF_BANDS, " %"),
        ("heart rate", lambda r: r.heart_rate_bpm, HEART_RATE_BANDS, "/min"),
        ("frame rate", lambda r: r.frame_rate_hz, FRAME_RATE_BANDS, "/s"),
    ]
    for by, value, cut_offs, unit in bands:
        for low, high, label in make_bands(cut_offs, unit):
            # NaN is in no band.
            groups.append(Group(by, label, tuple(r for r in results if low <= value(r) < high)))
    for by in ("rhythm", "view"):
        for label in sorted({getattr(r, by) for r in results}):
            clips = tuple(r for r in results if getattr(r, by) == label)
            groups.append(Group(by, label or NOT_STATED, clips))
    for name in parameter_names(results):
        groups += _by_parameter(results, name)
    return [group for group in groups if group.clips or group.by == "all"]


def parameter_names(results: Sequence[SyntheticResult]) -> list[str]:
    """Parameters to group by, in the order of the clips; of equal own names the least nested."""
    names = dict.fromkeys(name for result in results for name in result.parameters)
    by_own_name: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name.count(".")):
        own = name.rpartition(".")[2]
        if own.lower().startswith(GROUPED_PARAMETERS):
            by_own_name.setdefault(own, name)
    return [name for name in names if name in by_own_name.values()]


def _by_parameter(results: Sequence[SyntheticResult], name: str) -> list[Group]:
    """Clips by thirds of a parameter, or by its values where there are at most three."""
    known = [(r, v) for r in results if math.isfinite(v := r.parameters.get(name, NAN))]
    values = np.array([v for _, v in known])
    distinct = sorted(set(values.tolist()))
    if len(distinct) < 2 or len(known) < FEWEST:
        return []
    low, high = (float(q) for q in np.quantile(values, [1 / 3, 2 / 3]))
    if len(distinct) <= 3:
        parts = [(f"{value:g}", values == value) for value in distinct]
    elif low in (high, distinct[0]):
        # Most clips have the least value, which means that the effect is switched off.
        parts = [
            (f"{distinct[0]:.3g}", values == distinct[0]),
            (f"above {distinct[0]:.3g}", values > distinct[0]),
        ]
    else:
        parts = [
            (f"below {low:.3g}", values < low),
            (f"{low:.3g} to {high:.3g}", (values >= low) & (values < high)),
            (f"from {high:.3g}", values >= high),
        ]
    return [
        Group(
            name.rpartition(".")[2],
            label,
            tuple(r for (r, _), is_inside in zip(known, inside.tolist(), strict=True) if is_inside),
            "." not in name,
        )
        for label, inside in parts
    ]


def ef_pairs(results: Sequence[SyntheticResult], reference: str) -> tuple[list[SyntheticResult], FloatArray]:
    """Clips with a measured and a true EF of one of `REFERENCES`, and both EFs, ``(n, 2)``."""
    name = f"ef_{reference}_percent"
    clips = [r for r in results if r.has_ef and math.isfinite(getattr(r, name))]
    return clips, np.array([[r.ef_percent, getattr(r, name)] for r in clips]).reshape(-1, 2)


def group_metrics(group: Group, method: str, seed: int) -> list[MetricRow]:
    """All metrics of a group; timing and all references only of all clips.

    Args:
        group: The clips.
        method: The model.
        seed: Of the bootstrap.
    """
    is_all = group.by == "all"
    rows = [
        row
        for r in (REFERENCES if is_all else GROUPED_REFERENCES)
        for row in ef_metrics(group, r, method, seed)
    ]
    with_ef = [r for r in group.clips if r.has_ef]
    counts = [[r.count(MATCHED) + r.count(MISSED), r.count(MISSED), r.count(INVENTED)] for r in with_ef]
    rows += _metrics(BEAT_METRICS, counts, with_ef, group, method, "true complete beats", seed)
    contours = np.array([[getattr(r, m.name) for m in CONTOUR_METRICS] for r in group.clips]).reshape(-1, 4)
    known = np.isfinite(contours).all(axis=1)
    clips = list(compress(group.clips, known))
    rows += _metrics(CONTOUR_METRICS, contours[known], clips, group, method, "true contour", seed)
    if is_all:
        rows += [row for error in TIMING_ERRORS for row in timing_metrics(group, error, method, seed)]
    return rows


def ef_metrics(group: Group, reference: str, method: str, seed: int) -> list[MetricRow]:
    """`AGREEMENT` with a reference; the baseline is the median true EF for every clip."""
    clips, pairs = ef_pairs(group.clips, reference)
    if len(pairs) < 2:
        return []
    baseline = constant_pairs(pairs, float(np.median(pairs[:, 1])))
    named = {"ending": f"_{reference}", "baseline": baseline}
    return _metrics(AGREEMENT, pairs, clips, group, method, REFERENCES[reference], seed, **named)


def timing_metrics(group: Group, error: str, method: str, seed: int) -> list[MetricRow]:
    """`TIMING_METRICS` of one of `TIMING_ERRORS` over the matched beats."""
    beats = [(r, value) for r in group.clips for value in timing_errors([r], error)]
    metrics = [Metric(f"{error}_{name}", compute, unit="ms") for name, compute in TIMING_METRICS.items()]
    reference = "middle of the plateau" if error.endswith("error") else "nearer end of the plateau"
    return _metrics(metrics, [[v] for _, v in beats], [r for r, _ in beats], group, method, reference, seed)


def timing_errors(results: Sequence[SyntheticResult], error: str) -> list[float]:
    """One of `TIMING_ERRORS` in ms, of each matched beat."""
    values = [getattr(b, f"{error}_ms") for r in results for b in r.beats if b.became == MATCHED]
    return [value for value in values if math.isfinite(value)]


def mean_timing_errors(results: Sequence[SyntheticResult]) -> dict[str, float]:
    """Mean absolute value of each of `TIMING_ERRORS` over the matched beats; NaN without beats."""
    values = {error: timing_errors(results, error) for error in TIMING_ERRORS}
    return {error: float(np.mean(np.abs(found))) if found else NAN for error, found in values.items()}


def _metrics(
    metrics: Sequence[Metric],
    rows: ArrayLike,
    clips: Sequence[SyntheticResult],
    group: Group,
    method: str,
    reference: str,
    seed: int,
    **named: Any,  # noqa: ANN401
) -> list[MetricRow]:
    """Metrics of rows, one for each of ``clips``; ``named`` as in `bootstrap_metrics`."""
    return bootstrap_metrics(
        metrics,
        np.array(rows, dtype=float),
        [clip.patient for clip in clips],
        method=method,
        group=group.name,
        split=group.name,
        reference=reference,
        seed=seed,
        **named,
    )


def _percent(part: float, whole: float) -> float:
    return float(100 * part / whole) if whole else NAN


def count_beats(results: Sequence[SyntheticResult]) -> dict[str, int]:
    """Numbers of beats.

    Args:
        results: Of some clips.

    Returns:
        ``clips`` with an EF, and of their beats: ``true`` ones that must be found (``matched`` or ``missed``),
        ``missed_near_edge`` within `NEAR_EDGE_S` of an end of the clip, ``invented``, ``merged``, ``cut`` and ``edge`` as in
        `OUTCOMES`, ``left_out``: normal true beats that were found and left out of the EF. ``unseen``: true beats of clips
        without an EF.
    """
    with_ef = [r for r in results if r.has_ef]
    beats = [b for r in with_ef for b in r.beats]
    matched, missed, invented, merged, cut, edge = (sum(b.became == o for b in beats) for o in OUTCOMES)
    return {
        "clips": len(with_ef),
        "true": matched + missed,
        "matched": matched,
        "missed": missed,
        "missed_near_edge": sum(b.became == MISSED and b.edge_s < NEAR_EDGE_S for b in beats),
        "invented": invented,
        "merged": merged,
        "cut": cut,
        "edge": edge,
        "left_out": sum(b.became == MATCHED and b.kind == "normal" and bool(b.excluded) for b in beats),
        "unseen": sum(r.count(MISSED) + r.count(MATCHED) for r in results if not r.has_ef),
    }
