"""Runs a calibration: makes and measures the cases, fits, evaluates coverage, writes ``interval.json`` beside the model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from lvef.core.config import to_mapping
from lvef.core.records import FloatArray
from lvef.core.runner import Progress
from lvef.core.serialization import csv_text
from lvef.datasets.camus import read_names
from lvef.evaluation.calibration import CalibrationPlan
from lvef.evaluation.calibration.cases import (
    ANIMATED,
    ANIMATED_STUDIES,
    FIT,
    PERTURBED,
    PHANTOM_STUDIES,
    PHANTOMS,
    STILLS,
    TEST,
    Case,
    SignsResult,
    animated_cases,
    measure_case,
    phantom_cases,
    stamp,
    still_cases,
)
from lvef.evaluation.calibration.fit import FitSettings, Predicted, cross_validate, fit, usable
from lvef.evaluation.metrics import EF_POINTS, LEVEL, Metric, MetricRow, bootstrap_metrics
from lvef.evaluation.plots.curves import risk_coverage_png
from lvef.evaluation.report import EvaluationReport, Plot, Section, Table, settings_of
from lvef.evaluation.runner import CaseRunner, settings_key, used_weights
from lvef.evaluation.stills.evaluation import HELD_OUT_NAME, model_of_run
from lvef.evaluation.stills.robustness import PERTURBATIONS
from lvef.geometry.categories import HeartFailureRange, heart_failure_range
from lvef.inference.catalogue import find_model
from lvef.io.atomic import check_writable, write_text_atomic
from lvef.measure.interval import INTERVAL_NAME, Calibration, Coverage
from lvef.measure.pipeline import Measurer
from lvef.measure.thresholds import Thresholds
from lvef.stats.conformal import coverage, oracle_width

SCHEMA = "lvef-calibration/1"
"""Layout of the run's record."""

REFERENCE = "EF of the same view or study: experts' contours, of phantoms the true contour"
"""What intervals are compared with."""

SIGNS_CSV, COVERAGE_CSV, RISK_PNG = "signs.csv", "cover.csv", "risk_coverage.png"
"""Further files: every case with its signs and interval, the table of coverage, the curves."""


@dataclass(frozen=True, slots=True)
class CoverageGroup:
    """A group of cases whose coverage is measured; what is empty is not looked at.

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
    return r.source not in (PHANTOMS, PHANTOM_STUDIES) or r.part == TEST


BANDS = dict(zip(HeartFailureRange, ("EF <= 40", "EF 41-49", "EF >= 50"), strict=True))
"""EF bands of the reference."""

_STILLS, _PHANTOMS = "patients set aside, stills", "phantoms of another seed"

GROUPS = (
    CoverageGroup(_STILLS, STILLS),
    *(CoverageGroup(f"{_STILLS}, {view}", STILLS, view=view) for view in ("A4C", "A2C")),
    *(CoverageGroup(f"{_STILLS}, {words}", STILLS, band=str(band)) for band, words in BANDS.items()),
    CoverageGroup("animated stills", ANIMATED),
    CoverageGroup(_PHANTOMS, PHANTOMS),
    *(CoverageGroup(f"{_PHANTOMS}, {words}", PHANTOMS, band=str(band)) for band, words in BANDS.items()),
    CoverageGroup("biplane, animated stills", ANIMATED_STUDIES),
    CoverageGroup("biplane, phantoms of another seed", PHANTOM_STUDIES),
    CoverageGroup("perturbed stills", PERTURBED),
    *(CoverageGroup(f"perturbed stills, {change}", PERTURBED, change=change) for change in PERTURBATIONS),
)
"""Groups in the order of the table."""

METRICS = (
    Metric("interval_cover", lambda rows: coverage(rows[:, 2], rows[:, 3], rows[:, 1]), "coverage"),
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


def coverage_metrics(predicted: Sequence[Predicted], split: str, method: str) -> list[MetricRow]:
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
            )
    return found


def coverages(metrics: Sequence[MetricRow]) -> tuple[Coverage, ...]:
    """What a calibration keeps of it."""
    by = {(row.group, row.metric): row for row in metrics}
    found = []
    for group in GROUPS:
        held, width = by.get((group.name, "interval_cover")), by.get((group.name, "interval_width"))
        if held is not None and width is not None:
            found.append(
                Coverage(
                    group.name, held.n, held.value, held.low, held.high, width.value, width.baseline or 0.0
                )
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
        source: ([p.width for p in chosen], [abs(p.result.error) for p in chosen])
        for source in (STILLS, ANIMATED, PHANTOMS, PERTURBED)
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
    table = _coverage_table(calibration.cover)
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
        csv={SIGNS_CSV: _signs_csv(results, predicted), COVERAGE_CSV: csv_text(table.header, table.rows)},
        plots={RISK_PNG: plot},
    )


def _coverage_table(found: Sequence[Coverage]) -> Table:
    return Table(
        ("cases", "n", "coverage", f"{100 * LEVEL:.0f} % CI", "mean width", "oracle", "width / oracle"),
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
        ends = ("", "", "")
        if interval is not None:
            ends = (f"{interval.low:.2f}", f"{interval.high:.2f}", interval.group)
        rows.append(
            (
                *(getattr(r, name) for name in columns),
                *(f"{value:.3f}" for value in (r.ef_percent, r.reference_percent)),
                *ends,
                *(f"{r.signs[name]:.4g}" if name in r.signs else "" for name in signs),
            )
        )
    return csv_text((*columns, "ef_percent", "reference_percent", "low", "high", "group", *signs), rows)


OPEN = Thresholds(max_interval_points=100.0, caution_interval_points=100.0)
"""Limits while cases are measured: no EF is withheld because of an interval that is about to be replaced."""

ANIMATED_SEED = 1
"""Seed of the animated stills: that of ``studies.external``, whose clips can be copied."""

FIT_SEEDS = 3
"""Seeds of phantoms for the fit; one more is for the test. One is too few: mean errors were 3.6, 5.4 and 8.0 points."""


def make_cases(plan: CalibrationPlan, out: Path, workers: int) -> list[Case]:
    """Every case; synthetic clips that are not in ``out`` yet are made there.

    Raises:
        DataError: The run or the dataset is not as expected.
    """
    patients, counts = read_names(plan.run / HELD_OUT_NAME), plan.counts
    # Spread over the list, not its first: these happen to be the hardest.
    perturbed = set(patients[:: max(len(patients) // max(counts.perturbed, 1), 1)][: counts.perturbed])
    stills = [c for c in still_cases(plan.data, patients) if c.source != PERTURBED or c.patient in perturbed]
    return [
        *stills,
        *animated_cases(out, plan.data, patients[: counts.animated], ANIMATED_SEED, workers, studies=True),
        *(
            case
            for number in range(FIT_SEEDS + 1)
            for case in phantom_cases(
                out,
                counts.phantoms,
                counts.phantom_seed + number,
                FIT if number < FIT_SEEDS else TEST,
                workers,
                studies=True,
            )
        ),
    ]


def run_calibration(
    plan: CalibrationPlan, out: Path, workers: int, progress: Progress
) -> tuple[EvaluationReport, Path]:
    """Calibrate a model.

    Args:
        plan: What was asked for.
        out: Folder, already made, for synthetic clips and the journal.
        workers: Cases at once; 0 leaves the choice to lvef.
        progress: Progress callbacks.

    Returns:
        What to show, and the file of the calibration.

    Raises:
        DataError: The data is not as expected, or too few cases could be measured.
        WeightsError: One of the models is missing or damaged.
    """
    began = time.perf_counter()
    entry = find_model(plan.weights)
    path = entry.folder / INTERVAL_NAME
    check_writable(path)
    measurer = Measurer(replace(plan.options, weights=str(model_of_run(plan.run)), thresholds=OPEN))
    cases = make_cases(plan, out, workers)
    with CaseRunner(out, workers=workers, progress=progress) as runner:
        runner.start(len(cases))
        results = runner.run(
            cases,
            partial(measure_case, measurer=measurer),
            SignsResult,
            key=lambda case: case.name,
            stamp=stamp,
            made_with=settings_key(used_weights(measurer.predictor, 0), "evaluation/calibration/cases.py"),
        )
    used = measurer.predictor.entry.card
    blank = Calibration(
        model=f"{entry.card.name} {entry.card.version}",
        model_sha256=entry.card.model_sha256,
        measured_with=f"{used.name} {used.version} of the run {plan.run.name}",
        measured_with_sha256=used.model_sha256,
        shape_sha256=measurer.predictor.shape_sha256,
        level=INTERVAL_LEVEL,
        methods=(),
        below={},
        above={},
        ranges={},
        foreign_from={},
        levels=(),
        quantiles={},
        data=_data_text(results, plan),
        patients=0,
        n=0,
        command=f"lvef weights calibrate {plan.weights} --data CAMUS --run {plan.run.name} --out OUT",
    )
    calibration, report = calibrate(plan, blank, results, time.perf_counter() - began)
    write_text_atomic(path, json.dumps(to_mapping(calibration), indent=1) + "\n")
    return report, path


def calibrate(
    plan: CalibrationPlan, blank: Calibration, results: Sequence[SignsResult], seconds: float
) -> tuple[Calibration, EvaluationReport]:
    """Fit and evaluate.

    Args:
        plan: What was asked for.
        blank: The calibration but for what is fitted.
        results: Of all cases.
        seconds: Time so far.
    """
    rows, settings = usable(results, FitSettings(level=blank.level))
    predicted = cross_validate(rows, settings, blank)
    metrics = coverage_metrics(predicted, "patients set aside; phantoms of another seed", blank.model)
    own = [r for r in rows if r.part == FIT]
    calibration = replace(
        fit(rows, settings, blank),
        patients=len({r.patient for r in own}),
        n=len(own),
        cover=coverages(metrics),
    )
    return calibration, make_report(plan, calibration, results, predicted, metrics, seconds)


def _data_text(results: Sequence[SignsResult], plan: CalibrationPlan) -> str:
    stills = len({r.patient for r in results if r.change == "" and r.patient.startswith("patient")})
    animated = sum(r.source == ANIMATED for r in results)
    c = plan.counts
    return (
        f"A4C and A2C stills of {stills} CAMUS patients held out of the measuring model's training, "
        f"{c.perturbed} of them also "
        f"perturbed; {animated} animated A4C stills; {FIT_SEEDS * c.phantoms} A4C phantoms, seeds {c.phantom_seed} to "
        f"{c.phantom_seed + FIT_SEEDS - 1}; for biplane studies both views of the animated stills and phantoms. Reference: "
        "EF of the same view or study, by the experts' contours or the true contour."
    )
