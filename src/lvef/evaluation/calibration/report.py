"""Report of a calibration: coverage and width by group, risk-coverage curves, and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lvef.core.records import FloatArray
from lvef.core.serialization import csv_text
from lvef.evaluation.calibration.cases import ANIMATED, PERTURBED, PHANTOMS, STILLS, TEST, SignsResult
from lvef.evaluation.calibration.fit import Predicted
from lvef.evaluation.calibration.plan import CalibrationPlan
from lvef.evaluation.ef_metrics import EF_POINTS
from lvef.evaluation.metrics import LEVEL, Metric, MetricRow, bootstrap_metrics
from lvef.evaluation.output import settings_of
from lvef.evaluation.plots.risk import risk_coverage_png
from lvef.evaluation.report import EvaluationReport, Plot, Section, Table
from lvef.evaluation.stills.perturbations import PERTURBATIONS
from lvef.geometry.categories import HeartFailureRange, heart_failure_range
from lvef.measure.interval import Calibration, Cover
from lvef.stats.conformal import cover, oracle_width

SCHEMA = "lvef-calibration/1"
"""Layout of the run's record."""

REFERENCE = "EF of the same view: experts' contours, of phantoms the true contour"
"""What intervals are compared with."""

SIGNS_CSV, COVER_CSV, RISK_PNG = "signs.csv", "cover.csv", "risk_coverage.png"
"""Further files: every case with its signs and interval, the table of cover, the curves."""


@dataclass(frozen=True, slots=True)
class CoverGroup:
    """A group of cases whose cover is measured; what is empty is not looked at.

    Attributes:
        name: For people.
        source: Source of the cases.
        view: View.
        band: EF band of the reference.
        change: Perturbation.
    """

    name: str
    source: str
    view: str = ""
    band: str = ""
    change: str = ""

    def has(self, r: SignsResult) -> bool:
        """Whether a case belongs to it. Phantoms of the fit belong to none."""
        return (
            r.source == self.source
            and is_tested(r)
            and self.view in ("", r.view)
            and self.change in ("", r.change)
            and self.band in ("", str(heart_failure_range(r.reference_percent)))
        )


def is_tested(r: SignsResult) -> bool:
    """Whether its interval is of a calibration in which neither it nor anything of its making had a part."""
    return r.source != PHANTOMS or r.part == TEST


BANDS = dict(zip(HeartFailureRange, ("EF <= 40", "EF 41-49", "EF >= 50"), strict=True))
"""EF bands of the reference."""

_STILLS, _PHANTOMS = "patients set aside, stills", "phantoms of another seed"

GROUPS = (
    CoverGroup(_STILLS, STILLS),
    *(CoverGroup(f"{_STILLS}, {view}", STILLS, view=view) for view in ("A4C", "A2C")),
    *(CoverGroup(f"{_STILLS}, {words}", STILLS, band=str(band)) for band, words in BANDS.items()),
    CoverGroup("animated stills", ANIMATED),
    CoverGroup(_PHANTOMS, PHANTOMS),
    *(CoverGroup(f"{_PHANTOMS}, {words}", PHANTOMS, band=str(band)) for band, words in BANDS.items()),
    CoverGroup("perturbed stills", PERTURBED),
    *(CoverGroup(f"perturbed stills, {change}", PERTURBED, change=change) for change in PERTURBATIONS),
)
"""Groups in the order of the table."""

METRICS = (
    Metric("interval_cover", lambda rows: cover(rows[:, 2], rows[:, 3], rows[:, 1]), "cover"),
    Metric(
        "interval_width",
        lambda rows: float((rows[:, 3] - rows[:, 2]).mean()),
        "mean width",
        EF_POINTS,
        baseline=lambda rows: oracle_width(rows[:, 1] - rows[:, 0], INTERVAL_LEVEL),
    ),
    Metric("ef_mae", lambda rows: float(np.abs(rows[:, 1] - rows[:, 0]).mean()), "MAE", EF_POINTS),
)
"""Metrics of rows of measured EF, reference EF, lower and upper end; the baseline of the width is the oracle's."""

INTERVAL_LEVEL = 0.90
"""Level of the intervals."""


def cover_metrics(predicted: Sequence[Predicted], split: str, method: str, seed: int = 0) -> list[MetricRow]:
    """Coverage, mean width, the oracle's width, and MAE of every group with at least two patients."""
    found = []
    for group in GROUPS:
        chosen = [p for p in predicted if group.has(p.result)]
        if chosen:
            rows: FloatArray = np.array([p.row for p in chosen])
            found += bootstrap_metrics(
                METRICS,
                rows,
                [p.result.patient for p in chosen],
                method=method,
                group=group.name,
                baseline=rows,
                split=split,
                reference=REFERENCE,
                seed=seed,
            )
    return found


def covers(metrics: Sequence[MetricRow]) -> tuple[Cover, ...]:
    """What a calibration keeps of it."""
    by = {(row.group, row.metric): row for row in metrics}
    found = []
    for group in GROUPS:
        held, width = by.get((group.name, "interval_cover")), by.get((group.name, "interval_width"))
        if held is not None and width is not None:
            found.append(
                Cover(group.name, held.n, held.value, held.low, held.high, width.value, width.baseline or 0.0)
            )
    return tuple(found)


def make_report(
    plan: CalibrationPlan,
    calibration: Calibration,
    results: Sequence[SignsResult],
    predicted: Sequence[Predicted],
    metrics: Sequence[MetricRow],
    seconds: float,
) -> EvaluationReport:
    """Page, tables and figure."""
    limits = plan.options.thresholds
    curves = {
        name: ([p.width for p in chosen], [abs(p.result.error) for p in chosen])
        for name, source in (
            ("stills", STILLS),
            ("animated stills", ANIMATED),
            ("phantoms", PHANTOMS),
            ("perturbed stills", PERTURBED),
        )
        if (chosen := [p for p in predicted if p.result.source == source and is_tested(p.result)])
    }
    plot = Plot(
        risk_coverage_png(
            curves,
            limits=(
                ("caution above", limits.caution_interval_points),
                ("refused above", limits.max_interval_points),
            ),
            heading="Error of the EFs that are given, narrowest prediction interval first",
        ),
        "Mean absolute error against the share of cases with an EF; one curve for each source of cases.",
    )
    table = _cover_table(calibration.cover)
    refused = sum(not r.has_ef for r in results)
    headline = [
        f"Calibration of {calibration.model}, measured with {calibration.measured_with}: {calibration.n} cases of "
        f"{calibration.patients} patients and phantoms; {refused} of {len(results)} cases were refused or failed."
    ]
    factors = Table(
        ("sign", "extends the interval down by", "up by"),
        [
            (name, f"{calibration.below.get(name, 0.0):.2f}", f"{calibration.above.get(name, 0.0):.2f}")
            for name in dict.fromkeys([*calibration.below, *calibration.above])
        ],
        "Expected size of an error in EF points: a constant, plus these points where a sign is 1.",
    )
    return EvaluationReport(
        title=f"Calibration of {calibration.model}",
        headline=headline,
        introduction=[*headline, calibration.data],
        sections=[
            Section(
                "Coverage",
                "Patients: cross-validation, each with a calibration that excludes this patient. Phantoms: a seed that was "
                "not used for calibration. The oracle is the shortest interval of constant width that contains the same "
                "share of the true errors of the group.",
                [table],
                brief=[table],
            ),
            Section("What widens the interval", "", [factors], brief=[factors]),
            Section("Risk and coverage", "", plots=[plot]),
        ],
        notices=(),
        summary={"cover": [[c.group, c.n, c.cover, c.width, c.oracle] for c in calibration.cover]},
        run={"schema": SCHEMA, "seconds": seconds, "settings": settings_of(plan, counts=asdict(plan.counts))},
        metrics=metrics,
        csv={SIGNS_CSV: _signs_csv(results, predicted), COVER_CSV: csv_text(table.header, table.rows)},
        plots={RISK_PNG: plot},
    )


def _cover_table(found: Sequence[Cover]) -> Table:
    return Table(
        ("cases", "n", "cover", f"{100 * LEVEL:.0f} % CI", "mean width", "oracle", "width / oracle"),
        [
            (
                c.group,
                str(c.n),
                f"{100 * c.cover:.1f} %",
                f"{100 * c.low:.0f} to {100 * c.high:.0f} %",
                f"{c.width:.1f}",
                f"{c.oracle:.1f}",
                f"{c.width / c.oracle:.2f}" if c.oracle else "-",
            )
            for c in found
        ],
        f"Coverage and mean width of the {100 * INTERVAL_LEVEL:.0f} % prediction interval.",
    )


def _signs_csv(results: Sequence[SignsResult], predicted: Sequence[Predicted]) -> str:
    by = {p.result.item: p.interval for p in predicted}
    signs = sorted({name for r in results for name in r.signs})
    columns = ("item", "patient", "source", "view", "change", "part", "status", "reason_code", "method")
    rows = []
    for r in results:
        interval = by.get(r.item)
        ends = (
            ("", "", "")
            if interval is None
            else (f"{interval.low:.2f}", f"{interval.high:.2f}", interval.group)
        )
        rows.append(
            (
                *(getattr(r, name) for name in columns),
                *(f"{value:.3f}" for value in (r.ef_percent, r.reference_percent)),
                *ends,
                *(f"{r.signs[name]:.4g}" if name in r.signs else "" for name in signs),
            )
        )
    return csv_text((*columns, "ef_percent", "reference_percent", "low", "high", "group", *signs), rows)
