"""The files of an evaluation on a dataset beside page and plots: CSV tables, ``summary.json``, facts of ``run.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from lvef.evaluation.dataset.analysis import Analysis, MethodAnalysis
from lvef.evaluation.dataset.cases import Group
from lvef.evaluation.dataset.evaluation import Plan
from lvef.evaluation.dataset.predictions import NOT_COMPARABLE, REPORT_TEST_MAE, TracingError
from lvef.evaluation.metrics import CLASSES, MetricRow, PairedMetric
from lvef.evaluation.report import figures_csv, records_csv, settings_of, summary_of, table_csv
from lvef.geometry.categories import report_class
from lvef.inference.card import patients_sha256

SUMMARY_SCHEMA, RUN_SCHEMA = "lvef-ef-evaluation/1", "lvef-ef-evaluation-run/1"
"""Versions of the layouts of ``summary.json`` and ``run.json``."""

CASE_COLUMNS = (
    *("network", "item", "collection", "patient", "split", "view", "quality", "rhythm", "sex"),
    *("ef_percent", "ef_reference_percent", "difference_points", "class", "class_reference"),
    *("edv_ml", "esv_ml", "edv_reference_ml", "esv_reference_ml", "ef_named_frames_percent"),
    *("line_mae_image_units", "line_mae_lengths", "status", "warnings", "reason_code", "reason"),
)
"""Columns of ``cases.csv``."""


def make_csv_files(a: Analysis) -> dict[str, str]:
    """Every CSV file by name."""
    calibration = ("network", "part", "n", "ef_percent", "ef_reference_percent", "sd_reference")
    confusion = ("network", "clips", "class_reference", "class", "count")
    files = {
        "figures.csv": figures_csv(("network", "by", "label"), _figure_rows(a)),
        "cases.csv": table_csv(CASE_COLUMNS, _case_rows(a)),
        "confusion.csv": table_csv(confusion, _confusion_rows(a)),
        "calibration.csv": table_csv(
            calibration,
            (
                [m.label, number, p.n, p.predicted, p.observed, p.sd]
                for m in a.methods
                for number, p in enumerate(m.parts, 1)
            ),
        ),
    }
    if a.paired:
        files["paired.csv"] = records_csv(PairedMetric, a.paired)
    return files


def _figure_rows(a: Analysis) -> Iterable[tuple[tuple[str, str, str], MetricRow]]:
    for m in a.methods:
        for group in (None, *a.groups):
            by, label = (group.by, group.label) if group else ("", "")
            for row in a.metrics.select(m.label, group.key if group else ""):
                yield (m.label, by, label), row


def _case_rows(a: Analysis) -> Iterable[list[Any]]:
    for m in a.methods:
        errors: dict[str, list[TracingError]] = {}
        for error in m.tracing_errors:
            errors.setdefault(error.item, []).append(error)
        for case, result in zip(a.evaluation.selection.cases, m.method.results, strict=True):
            own = errors.get(case.item, [])
            lines = [
                float(np.mean([getattr(e, name) for e in own])) if own else None
                for name in ("image_units", "lengths")
            ]
            yield [
                *(m.label, case.item, case.collection, case.patient, case.split),
                *(case.view, case.quality, case.rhythm, case.sex),
                *(result.ef_percent, case.ef_percent, result.ef_percent - case.ef_percent),
                *(_class(result.ef_percent), _class(case.ef_percent)),
                *(result.edv_ml, result.esv_ml, case.edv_ml, case.esv_ml, result.ef_at_named_percent),
                *lines,
                *(result.status, " ".join(result.warnings), result.reason_code, result.reason),
            ]


def _confusion_rows(a: Analysis) -> Iterable[list[Any]]:
    for m in a.methods:
        for clips, matrix in (("answered", m.confusion), ("filled", m.confusion_filled)):
            if matrix is not None:
                for (i, j), count in np.ndenumerate(matrix):
                    yield [m.label, clips, CLASSES[i], CLASSES[j], int(count)]


def to_summary(a: Analysis) -> dict[str, Any]:
    """Everything but the single clips: ``summary.json``."""
    selection = a.evaluation.selection
    values = {
        "manifest": selection.manifest,
        "split": selection.split,
        "clips": len(selection.cases),
        "patients": len({case.patient for case in selection.cases}),
        "reference": selection.reference,
        "notices": list(a.evaluation.notices),
        "trivial": {
            "ef_percent": selection.baseline_percent,
            "ef_from": selection.baseline_source,
            "majority_class": a.majority,
            "always_that_ef": a.median_baseline,
            "always_the_majority": a.majority_baseline,
        },
        "line_error_of_the_report": {"image_units": REPORT_TEST_MAE, "note": NOT_COMPARABLE},
        "networks": [_method_summary(a, m) for m in a.methods],
        "paired": [asdict(paired) for paired in a.paired],
    }
    return summary_of(SUMMARY_SCHEMA, values)


def _method_summary(a: Analysis, m: MethodAnalysis) -> dict[str, Any]:
    def figures(rows: Iterable[MetricRow]) -> list[dict[str, Any]]:
        return [asdict(row.to_card_metric()) for row in rows]

    confusion: dict[str, Any] = {"classes": list(CLASSES), "answered": m.confusion.tolist()}
    if m.confusion_filled is not None:
        confusion["filled"] = m.confusion_filled.tolist()
    groups = []
    for group in a.groups:
        n, without = count_predicted(m, group)
        counts = {"by": group.by, "label": group.label, "answered": n, "unanswered": without}
        groups.append(counts | {"figures": figures(a.metrics.select(m.label, group.key))})
    return {
        "name": m.label,
        "weights": None if m.method.weights is None else asdict(m.method.weights),
        "answered": len(m.cases),
        "unanswered": [{"item": r.item, "status": r.status, "reason_code": r.reason_code} for r in m.missing],
        "cut_off": list(m.truncated),
        "items_not_judged": m.method.unknown,
        "before_guards": asdict(m.unchecked),
        "confusion": confusion,
        "calibration": [asdict(part) for part in m.parts],
        "figures": figures(m.metrics.values()),
        "groups": groups,
    }


def run_facts(a: Analysis, plan: Plan) -> dict[str, Any]:
    """What ``run.json`` holds of this evaluation."""
    e = a.evaluation
    return {
        "schema": RUN_SCHEMA,
        "seconds": e.seconds,
        "resumed": e.resumed,
        "settings": settings_of(plan),
        "networks": {m.label: None if m.weights is None else asdict(m.weights) for m in e.methods},
        "patients_sha256": patients_sha256({case.patient for case in e.selection.cases}),
    }


def count_predicted(m: MethodAnalysis, group: Group) -> tuple[int, int]:
    """Clips of a group with and without an EF."""
    n = sum(m.method.results[i].has_ef for i in group.indices)
    return n, len(group.indices) - n


def _class(ef_percent: float) -> str:
    return str(report_class(ef_percent)) if math.isfinite(ef_percent) else ""
