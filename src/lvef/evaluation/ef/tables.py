"""The CSV and JSON files of an evaluation of EFs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import lvef
from lvef.core.serialization import printable
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.ef.figures import CLASSES
from lvef.evaluation.ef.manual_lines import NOT_COMPARABLE, REPORT_TEST_MAE, LineError
from lvef.evaluation.ef.summary import EfSummary
from lvef.evaluation.report import table_csv
from lvef.geometry.categories import report_class

SUMMARY_SCHEMA = "lvef-ef-evaluation/1"
"""Version of the layout of ``summary.json``."""

FIGURE_COLUMNS = (
    *(
        "network",
        "by",
        "label",
        "name",
        "value",
        "low",
        "high",
        "level",
        "n",
        "unit",
        "split",
        "reference",
        "trivial",
    ),
)
"""Columns of ``figures.csv``; ``by`` is empty for all clips."""

CASE_COLUMNS = (
    *("network", "item", "collection", "patient", "split", "view", "quality", "rhythm", "sex"),
    *("ef_percent", "ef_reference_percent", "difference_points", "class", "class_reference"),
    *("edv_ml", "esv_ml", "edv_reference_ml", "esv_reference_ml", "ef_named_frames_percent"),
    *("line_mae_image_units", "line_mae_lengths", "status", "warnings", "reason_code", "reason"),
)
"""Columns of ``cases.csv``."""


def cases_csv(summary: EfSummary) -> str:
    """Every clip of every network: answer, reference, class, lines, and why there is none."""
    rows = []
    for s in summary.entrants:
        lines: dict[str, list[LineError]] = {}
        for line in s.lines:
            lines.setdefault(line.item, []).append(line)
        for case, record in zip(summary.evaluation.cases, s.entrant.records, strict=True):
            rows.append(
                [
                    *(s.label, case.item, case.collection, case.patient, case.split),
                    *(case.view, case.quality, case.rhythm, case.sex),
                    *(record.ef_percent, case.ef_percent, record.ef_percent - case.ef_percent),
                    *(_class(ef) for ef in (record.ef_percent, case.ef_percent)),
                    *(record.edv_ml, record.esv_ml, case.edv_ml, case.esv_ml, record.ef_at_named_percent),
                    *(
                        _mean([getattr(e, name) for e in lines.get(case.item, [])])
                        for name in ("image_units", "lengths")
                    ),
                    *(record.status, " ".join(record.warnings), record.reason_code, record.reason),
                ]
            )
    return table_csv(CASE_COLUMNS, rows)


def figures_csv(summary: EfSummary) -> str:
    """Every figure of every network, of all clips and of each part."""
    rows = []
    for s in summary.entrants:
        parts = [("", "", s.figures), *((g.group.by, g.group.label, g.figures) for g in s.groups)]
        for by, label, figures in parts:
            for f in figures.values():
                rows.append([s.label, by, label, *(getattr(f, column) for column in FIGURE_COLUMNS[3:])])
    return table_csv(FIGURE_COLUMNS, rows)


def confusion_csv(summary: EfSummary) -> str:
    """Every cell of every confusion matrix."""
    rows = []
    for s in summary.entrants:
        for name, matrix in (("answered", s.confusion), ("filled", s.confusion_filled)):
            if matrix is not None:
                rows += [
                    [s.label, name, true, said, int(matrix[i, j])]
                    for i, true in enumerate(CLASSES)
                    for j, said in enumerate(CLASSES)
                ]
    return table_csv(("network", "clips", "class_reference", "class", "count"), rows)


def calibration_csv(summary: EfSummary) -> str:
    """Means of answer and reference by parts of the answers."""
    return table_csv(
        ("network", "part", "n", "ef_percent", "ef_reference_percent", "sd_reference"),
        (
            [s.label, number, p.n, p.predicted, p.observed, p.sd]
            for s in summary.entrants
            for number, p in enumerate(s.parts, 1)
        ),
    )


def paired_csv(summary: EfSummary) -> str:
    """Every network against every other."""
    columns = list(asdict(summary.paired[0])) if summary.paired else []
    return table_csv(columns, ([getattr(p, column) for column in columns] for p in summary.paired))


def to_values(summary: EfSummary) -> dict[str, Any]:
    """Everything but the single clips, as JSON knows it: what is not a number is null."""
    e = summary.evaluation
    values = {
        "schema": SUMMARY_SCHEMA,
        "lvef_version": lvef.__version__,
        "disclaimer": DISCLAIMER,
        "manifest": e.manifest,
        "split": e.split,
        "clips": len(e.cases),
        "patients": len({case.patient for case in e.cases}),
        "reference": e.reference,
        "notices": list(e.notices),
        "trivial": {
            "ef_percent": e.typical_percent,
            "ef_from": e.typical_words,
            "majority_class": summary.majority,
            "always_that_ef": summary.always_typical,
            "always_the_majority": summary.always_majority,
        },
        "line_error_of_the_report": {"image_units": REPORT_TEST_MAE, "note": NOT_COMPARABLE},
        "networks": [
            {
                "name": s.label,
                "weights": None if s.entrant.weights is None else asdict(s.entrant.weights),
                "answered": len(s.cases),
                "unanswered": [
                    {"item": r.item, "status": r.status, "reason_code": r.reason_code} for r in s.unanswered
                ],
                "cut_off": list(s.cut_off),
                "items_not_judged": s.entrant.unknown,
                "before_guards": asdict(s.guards),
                "confusion": {"classes": list(CLASSES), "answered": s.confusion.tolist()}
                | ({} if s.confusion_filled is None else {"filled": s.confusion_filled.tolist()}),
                "calibration": [asdict(part) for part in s.parts],
                "figures": [asdict(figure) for figure in s.figures.values()],
                "groups": [
                    {
                        "by": g.group.by,
                        "label": g.group.label,
                        "answered": g.answered,
                        "unanswered": g.unanswered,
                        "figures": [asdict(figure) for figure in g.figures.values()],
                    }
                    for g in s.groups
                ],
            }
            for s in summary.entrants
        ],
        "paired": [asdict(paired) for paired in summary.paired],
    }
    plain: dict[str, Any] = _plain(values)
    return plain


def _class(ef_percent: float) -> str:
    return str(report_class(ef_percent)) if math.isfinite(ef_percent) else ""


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {printable(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
