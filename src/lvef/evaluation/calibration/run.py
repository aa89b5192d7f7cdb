"""Runs a calibration: makes and measures the cases, fits, evaluates, writes ``interval.json`` beside the model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lvef.core.config import to_mapping
from lvef.core.errors import DataError
from lvef.core.runner import Progress
from lvef.evaluation.calibration.cases import (
    ANIMATED,
    FIT,
    PERTURBED,
    TEST,
    Case,
    SignsResult,
    animated_cases,
    measure_case,
    phantom_cases,
    stamp,
    still_cases,
)
from lvef.evaluation.calibration.fit import FitSettings, cross_validate, fit, usable, with_factors
from lvef.evaluation.calibration.plan import CalibrationPlan
from lvef.evaluation.calibration.report import INTERVAL_LEVEL, cover_metrics, covers, make_report
from lvef.evaluation.report import EvaluationReport
from lvef.evaluation.results import used_weights
from lvef.evaluation.runner import CaseRunner, settings_key
from lvef.evaluation.stills.models import HELD_OUT_NAME, read_names
from lvef.inference.card import CARD_NAME
from lvef.inference.catalogue import find_model
from lvef.io.atomic import check_writable, write_text_atomic
from lvef.measure.interval import INTERVAL_NAME, Calibration
from lvef.measure.pipeline import Measurer
from lvef.measure.thresholds import Thresholds

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
        *animated_cases(out, plan.data, patients[: counts.animated], ANIMATED_SEED, workers),
        *(
            case
            for number in range(FIT_SEEDS + 1)
            for case in phantom_cases(
                out,
                counts.phantoms,
                counts.phantom_seed + number,
                FIT if number < FIT_SEEDS else TEST,
                workers,
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
    metrics = cover_metrics(predicted, "patients set aside; phantoms of another seed", blank.model)
    own = [r for r in rows if r.part == FIT]
    calibration = replace(
        with_factors(blank, fit(rows, settings)),
        patients=len({r.patient for r in own}),
        n=len(own),
        cover=covers(metrics),
    )
    return calibration, make_report(plan, calibration, results, predicted, metrics, seconds)


def model_of_run(run: Path) -> Path:
    """Folder of the model that a training run made.

    Raises:
        DataError: It holds none, or several.
    """
    found = sorted(card.parent for card in run.glob(f"*/{CARD_NAME}"))
    if len(found) != 1:
        raise DataError(
            f"{run}: {len(found)} models were found; the folder of a training run was expected, with {HELD_OUT_NAME} and "
            "one model in it."
        )
    return found[0]


def _data_text(results: Sequence[SignsResult], plan: CalibrationPlan) -> str:
    stills = len({r.patient for r in results if r.change == "" and r.patient.startswith("patient")})
    animated = sum(r.source == ANIMATED for r in results)
    c = plan.counts
    return (
        f"A4C and A2C stills of {stills} CAMUS patients held out of the measuring model's training, "
        f"{c.perturbed} of them also "
        f"perturbed; {animated} animated A4C stills; {FIT_SEEDS * c.phantoms} A4C phantoms, seeds {c.phantom_seed} to "
        f"{c.phantom_seed + FIT_SEEDS - 1}. Reference: EF of the same view, by the experts' contours or the true contour."
    )
