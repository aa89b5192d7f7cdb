"""The CSV files of an evaluation: one row a figure, still, patient, change or difference."""

from __future__ import annotations

from lvef.evaluation.report import table_csv
from lvef.evaluation.stills.ef import TABLES
from lvef.evaluation.stills.evaluation import Evaluation
from lvef.evaluation.stills.records import STRUCTURES
from lvef.geometry.categories import categories

FIGURE_COLUMNS = (
    "network",
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
)
"""Columns of ``figures.csv``."""

CASE_COLUMNS = (
    *("network", "patient", "view", "phase", "quality"),
    *(f"{kind}_{name}" for kind in ("dice", "hausdorff", "distance") for name in STRUCTURES),
    *("distance_unit", "volume", "volume_expert", "volume_unit"),
)
"""Columns of ``cases.csv``."""

EF_COLUMNS = (
    "network",
    "patient",
    "quality",
    "measured",
    "reference",
    "ef_percent",
    "ef_reference_percent",
    "difference_points",
    *(f"{table}{ending}" for table in TABLES for ending in ("", "_reference")),
)
"""Columns of ``ef.csv``."""

COST_COLUMNS = (
    "network",
    "change",
    "figure",
    "clean",
    "cost",
    "low",
    "high",
    "level",
    "n",
    "unit",
    "allowed",
    "above",
)
"""Columns of ``robustness.csv``. A positive cost is worse: Dice lost, EF error gained."""

PAIRED_COLUMNS = (
    "first",
    "second",
    "figure",
    "unit",
    "n",
    "difference",
    "low",
    "high",
    "level",
    "p",
    "p_holm",
    "more_is_better",
)
"""Columns of ``paired.csv``; the difference is second minus first."""


def figures_csv(evaluation: Evaluation) -> str:
    """Every figure of merit of every network."""
    return table_csv(
        FIGURE_COLUMNS,
        (
            [label, *(getattr(figure, column) for column in FIGURE_COLUMNS[1:])]
            for label, figures in evaluation.figures.items()
            for figure in figures
        ),
    )


def cases_csv(evaluation: Evaluation) -> str:
    """Every still of every network. Volumes of a view without scale are cubic pixels and only their ratio has a meaning."""
    return table_csv(
        CASE_COLUMNS,
        (
            [
                judged.label,
                *(getattr(score, column) for column in CASE_COLUMNS[1:-1]),
                "ml" if score.spacing else "px3",
            ]
            for judged in evaluation.networks
            for score in judged.scores
        ),
    )


def ef_csv(evaluation: Evaluation) -> str:
    """Every EF of every network beside every reference."""
    return table_csv(
        EF_COLUMNS,
        (
            [
                label,
                case.patient,
                case.quality,
                comparison.title,
                comparison.reference,
                case.ef_percent,
                case.ef_reference_percent,
                case.ef_percent - case.ef_reference_percent,
                *(
                    categories(ef)[table]
                    for table in TABLES
                    for ef in (case.ef_percent, case.ef_reference_percent)
                ),
            ]
            for label, comparisons in evaluation.comparisons.items()
            for comparison in comparisons
            for case in comparison.cases
        ),
    )


def robustness_csv(evaluation: Evaluation) -> str:
    """What every change costs every network."""
    return table_csv(
        COST_COLUMNS,
        (
            [label, c.change, c.figure, c.clean, *c.cost, c.level, c.n, c.unit, c.allowed, c.above]
            for label, costs in evaluation.costs.items()
            for c in costs
        ),
    )


def paired_csv(evaluation: Evaluation) -> str:
    """Every difference between networks."""
    return table_csv(
        PAIRED_COLUMNS, ([getattr(p, column) for column in PAIRED_COLUMNS] for p in evaluation.paired)
    )
