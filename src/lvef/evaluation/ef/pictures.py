"""The pictures of an evaluation of EFs: file name -> PNG, with words for whoever does not see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lvef.core.records import FloatArray
from lvef.evaluation.ef.curve_charts import calibration_png, loss_png, roc_png
from lvef.evaluation.ef.figures import BORDERS, CLASS_WORDS, CLASSES, class_numbers
from lvef.evaluation.ef.losses import Curves
from lvef.evaluation.ef.manual_lines import Manual
from lvef.evaluation.ef.overlays import chosen_cases, overlay_png, overlays_of
from lvef.evaluation.ef.records import Case, EfRecord
from lvef.evaluation.ef.residual_chart import residuals_png
from lvef.evaluation.ef.summary import EfSummary, EntrantSummary
from lvef.evaluation.plots.agreement import QUALITY_STYLE, bland_altman_png, scatter_png
from lvef.evaluation.plots.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION
from lvef.evaluation.report import Bounded, Plot
from lvef.evaluation.stills.pictures import NOT_KNOWN, file_names
from lvef.stats.classification import roc_curve

MARKS = ((BLUE, "o"), (VERMILION, "^"), (GREEN, "s"), (ORANGE, "D"), (PURPLE, "v"))
"""Colours and marks of labels that have none of their own."""

SHORT_REFERENCE = 90
"""Longer words of the reference are cut on charts; they stand in full on the page."""


def make_pictures(
    summary: EfSummary,
    manual: Manual,
    *,
    overlays: int = 0,
    training: Mapping[str, Sequence[EfRecord]] | None = None,
    training_cases: Sequence[Case] = (),
    losses: Mapping[str, Curves] | None = None,
) -> dict[str, Plot]:
    """All pictures that there is something for.

    Args:
        summary: What was found.
        manual: Lines drawn by people, those of training cases too.
        overlays: Cases of each part that are shown with their lines.
        training: Label -> records of some training cases, for the eye only.
        training_cases: They.
        losses: Name of a run -> its curves.
    """
    found: dict[str, Plot] = {}
    names = file_names([s.label for s in summary.entrants])
    for s in summary.entrants:
        if len(s.pairs) > 1:
            found |= _ef_pair(summary, s, names[s.label])
    shown = [s for s in summary.entrants if len(s.pairs) > 1]
    if shown:
        found |= _shared(summary, shown)
    for s in summary.entrants:
        chosen = chosen_cases(summary.evaluation.cases, s.entrant.records, manual, overlays)
        of_training = (training or {}).get(s.label)
        seen = [] if of_training is None else chosen_cases(training_cases, of_training, manual, overlays)
        split = summary.evaluation.split
        for part, cases in ((split, chosen), ("train", seen)):
            sheet = overlays_of(cases, manual)
            if sheet:
                heading = f"{s.label}: lines on {len(cases)} cases of the split {part}, the best drawn first, in even steps"
                found[f"overlay_{part}_{names[s.label]}.png"] = Plot(
                    overlay_png(sheet, heading=heading),
                    f"ED and ES frames with predicted and manual lines. {heading}",
                )
    if losses:
        found["losses.png"] = Plot(loss_png(losses, heading="Loss by epoch"), "Curves of the losses by epoch")
    return found


def _ef_pair(summary: EfSummary, s: EntrantSummary, name: str) -> dict[str, Plot]:
    def bounded(figure: str) -> Bounded:
        known = s.figures.get(f"ef_{figure}")
        return NOT_KNOWN if known is None else Bounded(known.value, known.low, known.high)

    qualities, patients = [_label(case) for case in s.cases], [case.item for case in s.cases]
    styles = _styles(qualities)
    reference = _short(summary.evaluation.reference)
    heading = f"EF, split {summary.evaluation.split}: {s.label}"
    agreement = bland_altman_png(
        s.pairs[:, 0],
        s.pairs[:, 1],
        qualities,
        patients,
        bias=bounded("bias"),
        low_limit=bounded("limit_low"),
        high_limit=bounded("limit_high"),
        heading=heading,
        reference_name=reference,
        styles=styles,
    )
    scatter = scatter_png(
        s.pairs[:, 0],
        s.pairs[:, 1],
        qualities,
        patients,
        mae=bounded("mae"),
        pearson_r=bounded("r"),
        heading=heading,
        reference_name=reference,
        styles=styles,
    )
    return {
        f"bland_altman_{name}.png": Plot(agreement, f"Bland-Altman chart of the EF by {s.label}"),
        f"scatter_{name}.png": Plot(scatter, f"Scatter of the EF by {s.label}"),
    }


def _shared(summary: EfSummary, shown: Sequence[EntrantSummary]) -> dict[str, Plot]:
    """Charts that hold all networks."""
    e = summary.evaluation

    def bounded(s: EntrantSummary, figure: str) -> Bounded:
        known = s.figures.get(f"ef_{figure}")
        return NOT_KNOWN if known is None else Bounded(known.value, known.low, known.high)

    panels = {
        border.words: [
            (
                s.label,
                roc_curve(-s.pairs[:, 0], border.found_in(s.pairs[:, 1])),
                bounded(s, f"auc_{border.key}"),
            )
            for s in shown
        ]
        for border in BORDERS
    }
    parts = [
        (s.label, s.parts, bounded(s, "calibration_slope"), bounded(s, "calibration_intercept"))
        for s in shown
    ]
    boxes: dict[str, list[tuple[str, FloatArray]]] = {
        CLASS_WORDS[name]: [
            (s.label, (s.pairs[:, 0] - s.pairs[:, 1])[class_numbers(s.pairs[:, 1]) == place]) for s in shown
        ]
        for place, name in enumerate(CLASSES)
    }
    residuals = residuals_png(
        boxes,
        heading=f"Errors of EF by class of the manifest's EF, split {e.split}",
        reference_name=_short(e.reference),
    )
    return {
        "residuals.png": Plot(residuals, "Box plots of the errors of EF by class"),
        "roc.png": Plot(
            roc_png(panels, heading=f"Finding low EFs, split {e.split}"),
            "ROC curves for four borders of the EF",
        ),
        "calibration.png": Plot(
            calibration_png(
                parts, heading=f"Calibration, split {e.split}", reference_name=_short(e.reference)
            ),
            "Observed EF by parts of the answered EF",
        ),
    }


def _label(case: Case) -> str:
    """What tells cases apart on a chart: the quality, else the view."""
    return case.quality or case.view


def _styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    unknown = sorted(set(labels) - set(QUALITY_STYLE) - {"", "unknown"})
    return dict(QUALITY_STYLE) | {label: MARKS[i % len(MARKS)] for i, label in enumerate(unknown)}


def _short(reference: str) -> str:
    return reference if len(reference) <= SHORT_REFERENCE else f"{reference[: SHORT_REFERENCE - 3]}..."
