"""The page ``index.html`` of an evaluation: the figures with what is needed to read them."""

from __future__ import annotations

from collections.abc import Mapping

from lvef.core.wording import DISCLAIMER
from lvef.evaluation.metrics import LEVEL
from lvef.evaluation.page import (
    render_page,
)
from lvef.evaluation.plots.differences import DICE_COST_ALLOWED, EF_COST_ALLOWED
from lvef.evaluation.report import Plot, Section, Table, file_names
from lvef.evaluation.stills.evaluation import Evaluation
from lvef.evaluation.stills.summary import (
    comparisons_of,
    cost_rows,
    ef_rows,
    key_text,
    overlap_rows,
    paired_header,
    paired_rows,
    quality_rows,
    reference_text,
)
from lvef.stats.bootstrap import RESAMPLES

EF_TEXT = (
    "Each EF is the method of disks, each phase with its own long axis. The reference is the same method on the "
    "experts' masks of the same stills, so that what is left is the outline. Difference: network minus reference. "
    "The trivial answer is the median EF of the reference for every patient, or its most frequent category.\n\n"
    "The experts' own A4C disks differ from their own biplane EF by 4 to 5 points on average: that is the floor "
    "of any answer from one view against a biplane reference. The EF that the collection's cfg files tell has "
    "another definition and is not used."
)
"""What an EF is here, and what it is compared with."""

DISTANCE_TEXT = (
    "Millimetres where the picture has a scale, else pixels of the picture as it is handed out (px); the two have "
    "no common mean. A still in which a structure was not found has no distance; its Dice is 0."
)
"""What the distances are."""

COST_TEXT = (
    "Each change is made to the picture, and to the mask where it moves; the same patient with it and without it "
    "is compared. Shown is how much worse it gets: LV Dice lost, points of EF error gained. An exclamation mark "
    f"stands where it is more than {DICE_COST_ALLOWED:g} LV Dice or {EF_COST_ALLOWED:g} points of EF error. A "
    "patient whose EF is lost has no part in the EF columns. The chart is over both views and both phases; the "
    "interval of every column is in robustness.csv."
)
"""What a cost is."""

PAIRED_TEXT = (
    "Only patients in whom both networks have an answer. p: Wilcoxon's signed-rank test, two-sided; beside it "
    "after Holm's correction over all rows. EF error and distances of the borders: less is better."
)
"""What a difference is."""


def report_html(evaluation: Evaluation, pictures: Mapping[str, Plot]) -> str:
    """The page.

    Args:
        evaluation: What was found.
        pictures: All pictures by file name.
    """
    e = evaluation
    labels = ", ".join(judged.label for judged in e.networks)
    introduction = [
        f"{labels}: {e.split}. Every still went through the code that serves, and is compared with its expert mask.",
        f"In brackets: {LEVEL:.0%} interval, percentile bootstrap over patients with {RESAMPLES} draws.",
        *e.notices,
        DISCLAIMER,
    ]
    sections = [_networks(e), *_ef(e, pictures), _overlap(e, pictures), _distances(e), _quality(e)]
    sections += _robustness(e, pictures) + _paired(e, pictures)
    sections.append(
        Section(
            "Worst stills",
            "The stills with the lowest overlap of the left ventricle.",
            plots=_starting(pictures, "worst_"),
        )
    )
    kept = [s for s in sections if s.tables or s.plots]
    return render_page("Evaluation on stills of CAMUS", "\n\n".join(introduction), kept)


def _networks(e: Evaluation) -> Section:
    files = [
        (
            judged.label,
            f"{weights.name} {weights.version}",
            weights.sha256[:12],
            f"{weights.backend} {weights.precision}",
            weights.licence,
            str(weights.patients),
        )
        for judged in e.networks
        for weights in judged.weights
    ]
    known = comparisons_of(e)
    counts = []
    for judged in e.networks:
        lost = {c.key: str(c.lost) for c in e.comparisons[judged.label]}
        counts.append(
            (
                judged.label,
                str(len(judged.patients)),
                str(len(judged.scores)),
                str(sum(score.lost for score in judged.scores)),
                *(lost.get(c.key, "-") for c in known),
            )
        )
    header = ("Network", "Patients", "Stills", "Stills without a ventricle")
    return Section(
        "Networks",
        tables=[
            Table(("Network", "Weights", "SHA-256", "Engine", "Licence", "Patients"), files),
            Table((*header, *(f"No EF: {key_text(c)}" for c in known)), counts, "What was lost"),
        ],
    )


def _ef(e: Evaluation, pictures: Mapping[str, Plot]) -> list[Section]:
    labels = [judged.label for judged in e.networks]
    found: list[Section] = []
    for c in comparisons_of(e):
        rows = ef_rows(e, c.key)
        text = f"{reference_text(c)[0].upper()}{reference_text(c)[1:]}."
        own = [
            pictures[name]
            for chart in ("bland_altman", "scatter")
            for name in (f"{chart}_{c.key}_{ending}.png" for ending in file_names(labels).values())
            if name in pictures
        ]
        if rows:
            table = Table(("Figure", "Trivial", "n", *labels), rows)
            found.append(
                Section(f"EF: {key_text(c)}", text if found else f"{text}\n\n{EF_TEXT}", [table], own)
            )
    return found


def _overlap(e: Evaluation, pictures: Mapping[str, Plot]) -> Section:
    labels = [judged.label for judged in e.networks]
    rows = [(*row[:3], *row[4:]) for row in overlap_rows(e, "dice")]
    table = Table(("Structure", "View", "Phase", *labels), rows, "Mean Dice against the expert masks")
    text = "Dice: 1 where network and expert mark the same pixels of the original picture, 0 where they share none."
    return Section("Overlap", text, [table] if rows else [], _starting(pictures, "dice_"))


def _distances(e: Evaluation) -> Section:
    labels = [judged.label for judged in e.networks]
    captions = {
        "distance": "Mean distance between the two borders (mean symmetric surface distance)",
        "hausdorff": "Largest distance between the two borders (Hausdorff)",
    }
    tables = [
        Table(("Structure", "View", "Phase", "Unit", *labels), overlap_rows(e, kind), caption)
        for kind, caption in captions.items()
        if overlap_rows(e, kind)
    ]
    return Section("Distances of the borders", DISTANCE_TEXT, tables)


def _quality(e: Evaluation) -> Section:
    rows = quality_rows(e)
    header = ("Figure", "Quality", "n", *(judged.label for judged in e.networks))
    return Section(
        "By picture quality", "Quality as the collection tells it.", [Table(header, rows)] if rows else []
    )


def _robustness(e: Evaluation, pictures: Mapping[str, Plot]) -> list[Section]:
    names = file_names([judged.label for judged in e.networks])
    found = []
    for label, costs in e.costs.items():
        if costs:
            header, rows = cost_rows(e, label)
            found.append(
                Section(
                    f"Changes of the picture: {label}",
                    COST_TEXT,
                    [Table(header, rows)],
                    [pictures[f"robustness_{names[label]}.png"]],
                )
            )
    return found


def _paired(e: Evaluation, pictures: Mapping[str, Plot]) -> list[Section]:
    rows = paired_rows(e)
    if not rows:
        return []
    header = paired_header(e)
    return [
        Section("Network against network", PAIRED_TEXT, [Table(header, rows)], _starting(pictures, "paired_"))
    ]


def _starting(pictures: Mapping[str, Plot], start: str) -> list[Plot]:
    return [picture for name, picture in pictures.items() if name.startswith(start)]
