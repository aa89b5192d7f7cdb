"""The pictures of an evaluation: file name -> PNG, with words for whoever does not see it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from lvef.core.terms import Phase
from lvef.evaluation.metrics import NAN
from lvef.evaluation.plots.agreement import bland_altman_png, scatter_png
from lvef.evaluation.plots.boxes import dice_png
from lvef.evaluation.plots.differences import ChangeCost, PairedDifference, paired_png, robustness_png
from lvef.evaluation.plots.images import Tile, contact_sheet_png
from lvef.evaluation.report import Bounded, Plot, file_names
from lvef.evaluation.stills.evaluation import Evaluation
from lvef.evaluation.stills.records import (
    STRUCTURE_WORDS,
    EfComparison,
    Judged,
    WorstStill,
)
from lvef.evaluation.stills.robustness import POOLED, PairedCost
from lvef.evaluation.stills.scores import VIEWS
from lvef.evaluation.stills.summary import key_text
from lvef.inference.card import Figure

NOT_KNOWN = Bounded(NAN, NAN, NAN)
"""A figure that could not be had."""


def ef_pictures(evaluation: Evaluation) -> dict[str, Plot]:
    """Bland-Altman chart and scatter of every comparison that at least two patients have."""
    found: dict[str, Plot] = {}
    names = file_names([judged.label for judged in evaluation.networks])
    for label, comparisons in evaluation.comparisons.items():
        figures = {f.name: f for f in evaluation.figures[label]}
        for c in comparisons:
            if len(c.cases) > 1:
                found |= _ef_pair(c, figures, label, names[label])
    return found


def dice_pictures(evaluation: Evaluation) -> dict[str, Plot]:
    """Dice of every still, one chart a structure."""
    labels = [judged.label for judged in evaluation.networks]
    found: dict[str, Plot] = {}
    for name, words in STRUCTURE_WORDS.items():
        groups = {
            f"{view} {phase}": [
                [getattr(s, f"dice_{name}") for s in judged.scores if s.view == view and s.phase == phase]
                for judged in evaluation.networks
            ]
            for view in VIEWS
            for phase in Phase
        }
        groups = {group: lists for group, lists in groups.items() if any(lists)}
        heading = f"Dice of the {words} against the expert masks: {evaluation.split}"
        found[f"dice_{name}.png"] = Plot(
            dice_png(groups, labels, heading=heading), f"Box plots of the Dice of the {words}"
        )
    return found


def robustness_pictures(evaluation: Evaluation) -> dict[str, Plot]:
    """What every change costs, one chart a network."""
    names = file_names([judged.label for judged in evaluation.networks])
    return {
        f"robustness_{names[label]}.png": Plot(
            robustness_png(
                _pooled(costs), heading=f"What changes of the picture cost {label}: both views, ED and ES"
            ),
            f"Bars: what each change of the picture costs {label}",
        )
        for label, costs in evaluation.costs.items()
        if costs
    }


def paired_pictures(evaluation: Evaluation) -> dict[str, Plot]:
    """Differences of every pair of networks, one chart a pair."""
    labels = [judged.label for judged in evaluation.networks]
    names = file_names(labels)
    found: dict[str, Plot] = {}
    for first, second in combinations(labels, 2):
        rows = [
            PairedDifference(
                p.figure, p.unit, Bounded(p.difference, p.low, p.high), more_is_better=p.more_is_better
            )
            for p in evaluation.paired
            if (p.first, p.second) == (first, second)
        ]
        if rows:
            found[f"paired_{names[first]}_{names[second]}.png"] = Plot(
                paired_png(rows, first, second, heading=f"{second} minus {first}, same patients"),
                f"Mean differences of {second} minus {first}",
            )
    return found


def worst_pictures(evaluation: Evaluation) -> dict[str, Plot]:
    """The stills with the lowest LV Dice, one sheet a network."""
    names = file_names([judged.label for judged in evaluation.networks])
    return {f"worst_{names[judged.label]}.png": _sheet(judged) for judged in evaluation.networks}


def _sheet(judged: Judged) -> Plot:
    heading = f"{judged.label}: the {len(judged.worst)} stills with the lowest LV Dice, the worst first"
    png = contact_sheet_png([_tile(worst) for worst in judged.worst], heading=heading)
    return Plot(png, f"Stills with the contours of {judged.label} and of the expert")


def _tile(worst: WorstStill) -> Tile:
    s = worst.score
    quality = f", {s.quality.lower()}" if s.quality else ""
    caption = f"{s.patient} {s.view} {s.phase}{quality}\nDice {s.dice_lv:.3f}"
    return Tile(worst.picture, worst.expert, worst.network, caption)


def _ef_pair(c: EfComparison, figures: dict[str, Figure], label: str, name: str) -> dict[str, Plot]:
    def bounded(figure: str) -> Bounded:
        found = figures.get(f"ef_{figure}_{c.key}")
        return NOT_KNOWN if found is None else Bounded(found.value, found.low, found.high)

    pairs = c.pairs
    quality, patients = [case.quality for case in c.cases], [case.patient for case in c.cases]
    heading = f"EF, {key_text(c)}: {label}"
    agreement = bland_altman_png(
        pairs[:, 0],
        pairs[:, 1],
        quality,
        patients,
        bias=bounded("bias"),
        low_limit=bounded("limit_low"),
        high_limit=bounded("limit_high"),
        heading=heading,
        reference_name=c.reference,
    )
    scatter = scatter_png(
        pairs[:, 0],
        pairs[:, 1],
        quality,
        patients,
        mae=bounded("mae"),
        pearson_r=bounded("r"),
        heading=heading,
        reference_name=c.reference,
    )
    words = f"of the EF by {label}, {c.title}, against {c.reference}"
    return {
        f"bland_altman_{c.key}_{name}.png": Plot(agreement, f"Bland-Altman chart {words}"),
        f"scatter_{c.key}_{name}.png": Plot(scatter, f"Scatter {words}"),
    }


def _pooled(costs: Sequence[PairedCost]) -> list[ChangeCost]:
    """Costs over both views and phases, in the order of the changes."""
    dice, ef = ({c.change: c.cost for c in costs if c.figure == name} for name in POOLED)
    changes = dict.fromkeys(c.change for c in costs)
    return [ChangeCost(change, dice.get(change, NOT_KNOWN), ef.get(change, NOT_KNOWN)) for change in changes]
