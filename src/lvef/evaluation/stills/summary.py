"""An evaluation as plain values: ``summary.json``, and the rows that tables for people show."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import lvef
from lvef.core.serialization import printable
from lvef.core.terms import Phase
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.report import Bounded, bounded_text
from lvef.evaluation.stills.ef import EF_POINTS
from lvef.evaluation.stills.evaluation import Evaluation
from lvef.evaluation.stills.records import STRUCTURE_WORDS, EfComparison
from lvef.evaluation.stills.robustness import POOLED, PairedCost
from lvef.evaluation.stills.scores import QUALITIES, VIEWS
from lvef.inference.card import Figure

SUMMARY_SCHEMA = "lvef-evaluation/1"
"""Version of the layout of ``summary.json``."""

EF_WORDS = {
    "bias": "bias (points)",
    "limit_low": "lower limit of agreement (points)",
    "limit_high": "upper limit of agreement (points)",
    "mae": "mean absolute error (points)",
    "rmse": "root mean square error (points)",
    "r": "r",
    "agreement_heart_failure": "heart-failure range: same",
    "kappa_heart_failure": "heart-failure range: kappa",
    "agreement_report": "report's class: same",
    "kappa_report": "report's class: kappa",
}
"""Ends of figure names, for people, in the order of the tables."""

Row = tuple[str, ...]
"""Cells of one line of a table."""


def to_summary(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but the single cases, as JSON knows it: what is not a number is null."""
    e = evaluation
    values = {
        "schema": SUMMARY_SCHEMA,
        "lvef_version": lvef.__version__,
        "disclaimer": DISCLAIMER,
        "collection": "CAMUS",
        "split": e.split,
        "patients": e.patients,
        "notices": list(e.notices),
        "networks": [
            {
                "name": judged.label,
                "patients": len(judged.patients),
                "stills": len(judged.scores),
                "stills_lost": sum(score.lost for score in judged.scores),
                "ef_lost": {c.key: c.lost for c in e.comparisons[judged.label]},
                "weights": [asdict(weights) for weights in judged.weights],
            }
            for judged in e.networks
        ],
        "figures": [{"network": label, **asdict(f)} for label, figures in e.figures.items() for f in figures],
        "robustness": [
            {
                "network": label,
                "change": c.change,
                "figure": c.figure,
                "clean": c.clean,
                "cost": c.cost.value,
                "low": c.cost.low,
                "high": c.cost.high,
                "level": c.level,
                "n": c.n,
                "unit": c.unit,
                "allowed": c.allowed,
                "above": c.above,
            }
            for label, costs in e.costs.items()
            for c in costs
        ],
        "robustness_sums": [
            {"network": label, **asdict(figures)} for label, sums in e.sums.items() for figures in sums
        ],
        "paired": [asdict(paired) for paired in e.paired],
    }
    plain: dict[str, Any] = _plain(values)
    return plain


def metric_text(figure: Figure) -> str:
    """A figure and its interval with the digits that suit its unit."""
    form = ".3f" if not figure.unit else ".1f" if figure.unit == EF_POINTS else ".2f"
    return bounded_text(Bounded(figure.value, figure.low, figure.high), form)


def trivial_text(figure: Figure) -> str:
    """The trivial answer's figure, or nothing."""
    if figure.trivial is None:
        return ""
    return f"{figure.trivial:.3f}" if not figure.unit else f"{figure.trivial:.1f}"


def overlap_rows(evaluation: Evaluation, kind: str) -> list[Row]:
    """Structure, view, phase, unit, then a cell a network, of ``dice``, ``hausdorff`` or ``distance``."""
    rows: list[Row] = []
    found = _by_name(evaluation)
    for name, words in STRUCTURE_WORDS.items():
        for view in VIEWS:
            for phase in Phase:
                key = f"{kind}_{name}_{view}_{phase}".lower()
                here = [figures.get(key) for figures in found]
                known = [f for f in here if f]
                if known:
                    rows.append((words, str(view), str(phase), known[0].unit, *map(_text, here)))
    return rows


def quality_rows(evaluation: Evaluation) -> list[Row]:
    """Figure, picture quality, n, then a cell a network."""
    named = [
        (f"LV Dice {view} {phase}", f"dice_lv_{view}_{phase}".lower()) for view in VIEWS for phase in Phase
    ]
    for c in next(iter(evaluation.comparisons.values())):
        named += [
            (f"EF {key_text(c)}, {words}", f"ef_{name}_{c.key}")
            for name, words in (("mae", "mean absolute error"), ("bias", "bias"))
        ]
    rows: list[Row] = []
    found = _by_name(evaluation)
    for words, key in named:
        for quality in QUALITIES:
            here = [figures.get(f"{key}_{quality}".lower()) for figures in found]
            known = [f for f in here if f]
            if known:
                rows.append((words, quality, str(known[0].n), *map(_text, here)))
    return rows


def ef_rows(evaluation: Evaluation, key: str) -> list[Row]:
    """Figure, trivial answer, n, then a cell a network, of one comparison."""
    rows: list[Row] = []
    found = _by_name(evaluation)
    for name, words in EF_WORDS.items():
        here = [figures.get(f"ef_{name}_{key}") for figures in found]
        known = [f for f in here if f]
        if known:
            counts = dict.fromkeys(str(f.n) for f in known)
            rows.append((words, trivial_text(known[0]), " / ".join(counts), *map(_text, here)))
    lost = [
        {c.key: c.lost for c in evaluation.comparisons[judged.label]}.get(key, 0)
        for judged in evaluation.networks
    ]
    if any(lost):
        rows.append(("patients without an EF", "", "", *map(str, lost)))
    return rows


def comparisons_of(evaluation: Evaluation) -> list[EfComparison]:
    """One of each kind, whoever has it first."""
    found: dict[str, EfComparison] = {}
    for comparisons in evaluation.comparisons.values():
        for comparison in comparisons:
            found.setdefault(comparison.key, comparison)
    return list(found.values())


def cost_rows(evaluation: Evaluation, label: str) -> tuple[Row, list[Row]]:
    """Header and rows of a network's table of changes: a cost with ``!`` is above what is allowed; last the stills lost."""
    costs, sums = evaluation.costs[label], evaluation.sums[label]
    names = list(dict.fromkeys(c.figure for c in costs))
    by_place = {(c.change, c.figure): c for c in costs}
    rows: list[Row] = []
    for sum_ in sums[1:]:
        cells = (_cost_text(by_place.get((sum_.change, name))) for name in names)
        rows.append((sum_.change, *cells, str(sum_.lost)))
    return ("change", *map(_cost_name, names), "stills lost"), rows


def paired_rows(evaluation: Evaluation) -> list[Row]:
    """Figure, unit, n, difference, p, p after Holm; with more than two networks, which pair it is goes before."""
    several = len(evaluation.networks) > 2
    return [
        (
            *((f"{p.second} - {p.first}",) if several else ()),
            p.figure,
            p.unit,
            str(p.n),
            bounded_text(Bounded(p.difference, p.low, p.high), "+.4f" if p.unit == "Dice" else "+.2f"),
            p_text(p.p),
            p_text(p.p_holm),
        )
        for p in evaluation.paired
    ]


def paired_header(evaluation: Evaluation) -> Row:
    """Names of the columns of `paired_rows`."""
    several = len(evaluation.networks) > 2
    names = [judged.label for judged in evaluation.networks]
    difference = "Mean difference" if several else f"{names[1]} - {names[0]}"
    return (*(("Networks",) if several else ()), "Figure", "Unit", "n", difference, "p", "p, Holm")


def p_text(p: float) -> str:
    """A p value for people.

    Example:
        >>> p_text(0.0314), p_text(0.00001)
        ('0.031', '<0.001')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def reference_text(comparison: EfComparison) -> str:
    """What was measured and what it is compared with."""
    return f"{comparison.title} against {comparison.reference}"


def key_text(comparison: EfComparison) -> str:
    """What is compared, in two or three words."""
    return "A4C against biplane" if comparison.key == "a4c_vs_biplane" else comparison.title


def _by_name(evaluation: Evaluation) -> list[dict[str, Figure]]:
    return [{f.name: f for f in evaluation.figures[judged.label]} for judged in evaluation.networks]


def _text(figure: Figure | None) -> str:
    return "-" if figure is None else metric_text(figure)


def _cost_name(name: str) -> str:
    if name in POOLED:
        return "Dice, all" if name == "dice_lv" else "EF, all"
    kind, _, *place = name.split("_")
    return " ".join(["Dice" if kind == "dice" else "EF", *map(str.upper, place)])


def _cost_text(cost: PairedCost | None) -> str:
    if cost is None or not math.isfinite(cost.cost.value):
        return "lost"
    digits = 1 if cost.unit else 3
    # Adding 0.0 turns -0.0 into 0.0.
    value = round(cost.cost.value, digits) + 0.0
    return f"{value:+.{digits}f}{' !' if cost.above else ''}"


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return printable(value) if isinstance(value, str) else value
