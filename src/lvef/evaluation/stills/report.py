"""What an evaluation on stills shows: sections with tables and plots, CSV files, and ``summary.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain, combinations
from typing import Any

from lvef.core.terms import Structure
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.metrics import (
    CLASS_TABLES,
    EF_METRICS,
    EF_POINTS,
    IN_BRACKETS,
    LEVEL,
    MetricRow,
    PairedMetric,
)
from lvef.evaluation.plots.agreement import (
    MAX_DICE_DROP,
    MAX_EF_DROP,
    EfPairs,
    PooledDrop,
    agreement_names,
    agreement_plots,
    paired_png,
    robustness_png,
)
from lvef.evaluation.plots.boxes import dice_png
from lvef.evaluation.plots.images import Tile, contact_sheet_png
from lvef.evaluation.report import (
    MISSING,
    UNKNOWN,
    Bounded,
    EvaluationReport,
    Plot,
    Row,
    Section,
    Table,
    bounded_text,
    figures_csv,
    file_names,
    p_text,
    pivot,
    records_csv,
    select_plots,
    settings_of,
    shown_sections,
    summary_of,
    table_csv,
)
from lvef.evaluation.stills.evaluation import Plan, StillsEvaluation
from lvef.evaluation.stills.metrics import EF_STATISTICS, QUALITIES, EfComparison, ModelScores
from lvef.evaluation.stills.robustness import POOLED, PerformanceDrop
from lvef.evaluation.stills.scores import (
    PLACES,
    STRUCTURE_TITLES,
    STRUCTURES,
    StillCase,
    StillResult,
    unpack_cavity,
)
from lvef.geometry.categories import categories
from lvef.inference.card import patients_sha256

SUMMARY_SCHEMA, RUN_SCHEMA = "lvef-evaluation/1", "lvef-evaluation-run/1"
"""Versions of the layouts of ``summary.json`` and ``run.json``."""

EF_TEXT = (
    "Each EF is the method of disks, each phase with its own long axis. The reference is the same method on the "
    "experts' masks of the same stills, so that what is left is the contour. Difference: model minus reference. "
    "The baseline is the median EF of the reference for every patient, or its most frequent category.\n\n"
    "The experts' own A4C disks differ from their own biplane EF by 4 to 5 points on average: no prediction from one view "
    "can be closer to a biplane reference. The EF in the dataset's cfg files has another definition and is not used."
)
"""What an EF is here, and what it is compared with."""

OVERLAP_TEXT = (
    "Dice: 1 where model and expert mark the same pixels of the original image, 0 where they share none."
)
"""Definition of the overlap."""

DISTANCE_TEXT = (
    "Millimetres where the image has a scale, else pixels of the image as it is distributed (px); the two have "
    "no common mean. A still in which a structure was not found has no distance; its Dice is 0."
)
"""Definition of the distances."""

DROP_TEXT = (
    "Each perturbation is applied to the image, and to the mask where it moves; the same patient with it and without it "
    "is compared. Shown is the performance drop: LV Dice lost, points of EF error gained. An exclamation mark "
    f"marks drops above {MAX_DICE_DROP:g} LV Dice or {MAX_EF_DROP:g} points of EF error. A "
    "patient whose EF is lost has no part in the EF columns. The plot is over both views and both phases; the "
    "interval of every column is in robustness.csv."
)
"""Definition of a performance drop."""

PAIRED_TEXT = (
    "Only patients for whom both models have a value. p: Wilcoxon's signed-rank test, two-sided; beside it "
    "after Holm's correction over all rows. EF error and distances of the borders: less is better."
)
"""Definition of a difference."""

CASE_COLUMNS = (
    *("network", "patient", "view", "phase", "quality"),
    *(f"{kind}_{name}" for kind in ("dice", "hausdorff", "distance") for name in STRUCTURES),
    *("distance_unit", "volume", "volume_expert", "volume_unit"),
)
"""Columns of ``cases.csv``. Volumes of a view without scale are cubic pixels: only their ratio has a meaning."""

EF_COLUMNS = (
    *("network", "patient", "quality", "measured", "reference"),
    *("ef_percent", "ef_reference_percent", "difference_points"),
    *(f"{table}{ending}" for table in CLASS_TABLES for ending in ("", "_reference")),
)
"""Columns of ``ef.csv``."""


def make_report(e: StillsEvaluation, plan: Plan, *, with_files: bool) -> EvaluationReport:
    """Everything that is shown.

    Args:
        e: All scores and metrics.
        plan: What was asked for.
        with_files: Whether plots and CSV files are made.
    """
    plots = make_plots(e) if with_files else {}
    introduction = [
        f"{', '.join(e.labels)}: {e.split}. Every still was measured with the code that serves, and is compared with its "
        "expert mask.",
        IN_BRACKETS,
        *e.notices,
        DISCLAIMER,
    ]
    return EvaluationReport(
        title="Evaluation on stills of CAMUS",
        headline=[f"{e.split}; in brackets the {LEVEL:.0%} interval over patients"],
        introduction=introduction,
        sections=_sections(e, plots),
        notices=e.notices,
        summary=to_summary(e),
        run=_run_facts(e, plan),
        metrics=e.metrics.rows,
        csv=make_csv_files(e) if with_files else {},
        plots=plots,
    )


def _sections(e: StillsEvaluation, plots: dict[str, Plot]) -> list[Section]:
    names = file_names(e.labels)
    dice = _overlap_table(e, "dice", "Mean Dice against the expert masks", with_unit=False)
    mean_distance = "Mean distance between the two borders (mean symmetric surface distance)"
    largest_distance = "Largest distance between the two borders (Hausdorff)"
    distances = [
        _overlap_table(e, "distance", mean_distance),
        _overlap_table(e, "hausdorff", largest_distance),
    ]
    paired = _paired_table(e)
    sections = [
        Section("Models", tables=_model_tables(e)),
        *_ef_sections(e, plots),
        Section("Overlap", OVERLAP_TEXT, [dice], select_plots(plots, "dice_*"), [dice]),
        Section("Distances of the borders", DISTANCE_TEXT, distances),
        Section("By image quality", "Quality as the dataset states it.", [_quality_table(e)]),
    ]
    for m in e.models:
        if m.drops:
            title, table = f"Perturbations of the image: {m.label}", _drop_table(m)
            plot = select_plots(plots, f"robustness_{names[m.label]}.png")
            sections.append(Section(title, DROP_TEXT, [table], plot, [table]))
    sections += [
        Section("Model against model", PAIRED_TEXT, [paired], select_plots(plots, "paired_*"), [paired]),
        Section(
            "Stills with the lowest Dice",
            "The stills with the lowest overlap of the left ventricle.",
            plots=select_plots(plots, "worst_*"),
        ),
    ]
    return shown_sections(sections)


def comparisons_of(e: StillsEvaluation) -> list[EfComparison]:
    """One comparison of each kind, of the first model that has it."""
    found: dict[str, EfComparison] = {}
    for model in e.models:
        for comparison in model.comparisons:
            found.setdefault(comparison.key, comparison)
    return list(found.values())


def _model_tables(e: StillsEvaluation) -> list[Table]:
    files = [
        (
            *(m.label, f"{w.name} {w.version}", w.sha256[:12], f"{w.backend} {w.precision}", w.licence),
            str(w.patients),
        )
        for m in e.models
        for w in m.weights
    ]
    known = comparisons_of(e)
    counts: list[Row] = []
    for m in e.models:
        lost = {c.key: str(c.lost) for c in m.comparisons}
        numbers = (len(m.patients), len(m.scores), sum(score.is_lost for score in m.scores))
        counts.append((m.label, *map(str, numbers), *(lost.get(c.key, MISSING) for c in known)))
    header = ("Model", "Patients", "Stills", "Stills without a ventricle")
    return [
        Table(("Model", "Weights", "SHA-256", "Runtime", "Licence", "Patients"), files),
        Table((*header, *(f"No EF: {c.short_title}" for c in known)), counts, "What was lost"),
    ]


def _ef_sections(e: StillsEvaluation, plots: dict[str, Plot]) -> list[Section]:
    found: list[Section] = []
    names = file_names(e.labels).values()
    for c in comparisons_of(e):
        lines = [((EF_METRICS[name].title,), f"ef_{name}_{c.key}") for name in EF_STATISTICS]
        rows = pivot(e.metrics, e.labels, lines, _form, facts=("baseline", "n"))
        lost = [sum(own.lost for own in m.comparisons if own.key == c.key) for m in e.models]
        if any(lost):
            rows.append(("patients without an EF", "", "", *map(str, lost)))
        if not rows:
            continue
        reference = f"{c.title} against {c.reference}"
        text = f"{reference[0].upper()}{reference[1:]}."
        header = ("Metric", "Baseline", "n", *e.labels)
        own = zip(*(agreement_names(f"{c.key}_{name}") for name in names), strict=True)
        found.append(
            Section(
                f"EF: {c.short_title}",
                text if found else f"{text}\n\n{EF_TEXT}",
                [Table(header, rows)],
                select_plots(plots, *chain(*own)),
                [Table(header, rows, f"EF, {reference}")],
            )
        )
    return found


def _overlap_table(e: StillsEvaluation, kind: str, caption: str, *, with_unit: bool = True) -> Table:
    lines = [
        ((title, str(view), str(phase)), f"{kind}_{name}_{view}_{phase}".lower())
        for name, title in STRUCTURE_TITLES.items()
        for view, phase in PLACES
    ]
    facts = ("unit",) if with_unit else ()
    header = ("Structure", "View", "Phase", *(["Unit"] if with_unit else []), *e.labels)
    return Table(header, pivot(e.metrics, e.labels, lines, _form, facts=facts), caption)


def _quality_table(e: StillsEvaluation) -> Table:
    named = [(f"LV Dice {view} {phase}", f"dice_lv_{view}_{phase}") for view, phase in PLACES]
    named += [
        (f"EF {c.short_title}, {title}", f"ef_{name}_{c.key}")
        for c in comparisons_of(e)
        for name, title in (("mae", "mean absolute error"), ("bias", "bias"))
    ]
    lines = [((title, quality), f"{key}_{quality}".lower()) for title, key in named for quality in QUALITIES]
    rows = pivot(e.metrics, e.labels, lines, _form, facts=("n",))
    return Table(("Metric", "Quality", "n", *e.labels), rows)


def _drop_table(m: ModelScores) -> Table:
    """A row a perturbation: a drop with ``!`` is above what is allowed; last the stills lost."""
    names = list(dict.fromkeys(d.figure for d in m.drops))
    by_place = {(d.change, d.figure): d for d in m.drops}
    rows: list[Row] = []
    for sums in m.sums[1:]:
        cells = (_drop_text(by_place.get((sums.change, name))) for name in names)
        rows.append((sums.change, *cells, str(sums.lost)))
    caption = f"Performance drop of {m.label}: LV Dice, points of EF error; ! is above what is allowed"
    return Table(("Perturbation", *map(_drop_name, names), "stills lost"), rows, caption)


def _drop_name(name: str) -> str:
    if name in POOLED:
        return "Dice, all" if name == "dice_lv" else "EF, all"
    kind, _, *place = name.split("_")
    return " ".join(["Dice" if kind == "dice" else "EF", *map(str.upper, place)])


def _drop_text(drop: PerformanceDrop | None) -> str:
    if drop is None or not math.isfinite(drop.cost.value):
        return "lost"
    digits = 1 if drop.unit else 3
    # Adding 0.0 turns -0.0 into 0.0.
    value = round(drop.cost.value, digits) + 0.0
    return f"{value:+.{digits}f}{' !' if drop.above else ''}"


def _paired_table(e: StillsEvaluation) -> Table:
    """A row a metric; with more than two models, which pair it is stands before."""
    several = len(e.models) > 2
    rows = [
        (
            *((f"{p.second} - {p.first}",) if several else ()),
            *(p.figure, p.unit, str(p.n)),
            bounded_text(Bounded(p.difference, p.low, p.high), "+.4f" if p.unit == "Dice" else "+.2f"),
            *(p_text(p.p), p_text(p.p_holm)),
        )
        for p in e.paired
    ]
    difference = "Mean difference" if several else " - ".join(reversed(e.labels))
    header = (*(("Models",) if several else ()), "Metric", "Unit", "n", difference, "p", "p, Holm")
    return Table(header, rows)


def make_plots(e: StillsEvaluation) -> dict[str, Plot]:
    """All plots that there are values for, by file name."""
    names = file_names(e.labels)
    found: dict[str, Plot] = {}
    for m in e.models:
        name = names[m.label]
        for c in m.comparisons:
            ef = EfPairs(
                c.pairs,
                [case.quality for case in c.cases],
                [case.patient for case in c.cases],
                lambda statistic, m=m, c=c: e.metrics.find(m.label, f"ef_{statistic}_{c.key}"),  # type: ignore[misc]
                f"EF, {c.short_title}: {m.label}",
                c.reference,
            )
            alt = f"of the EF by {m.label}, {c.title}, against {c.reference}"
            found |= agreement_plots(ef, ending=f"{c.key}_{name}", alt=alt)
        if m.drops:
            heading = f"Performance drop of {m.label} under perturbations: both views, ED and ES"
            png = robustness_png(_pooled(m.drops), heading=heading)
            found[f"robustness_{name}.png"] = Plot(png, f"Bars: {heading}")
        heading = f"{m.label}: the {len(m.worst)} stills with the lowest LV Dice, the lowest first"
        sheet = contact_sheet_png([_tile(*worst) for worst in m.worst], heading=heading)
        found[f"worst_{name}.png"] = Plot(sheet, f"Stills with the contours of {m.label} and of the expert")
    return found | _dice_plots(e) | _paired_plots(e, names)


def _dice_plots(e: StillsEvaluation) -> dict[str, Plot]:
    """Dice of every still, one plot a structure."""
    found: dict[str, Plot] = {}
    for name, title in STRUCTURE_TITLES.items():
        groups = {
            f"{view} {phase}": [
                [getattr(s, f"dice_{name}") for s in m.scores if s.view == view and s.phase == phase]
                for m in e.models
            ]
            for view, phase in PLACES
        }
        known = {group: lists for group, lists in groups.items() if any(lists)}
        png = dice_png(known, e.labels, heading=f"Dice of the {title} against the expert masks: {e.split}")
        found[f"dice_{name}.png"] = Plot(png, f"Box plots of the Dice of the {title}")
    return found


def _paired_plots(e: StillsEvaluation, names: dict[str, str]) -> dict[str, Plot]:
    """Differences of every pair of models, one plot a pair."""
    found: dict[str, Plot] = {}
    for first, second in combinations(e.labels, 2):
        rows = [p for p in e.paired if (p.first, p.second) == (first, second)]
        if rows:
            png = paired_png(rows, first, second, heading=f"{second} minus {first}, same patients")
            found[f"paired_{names[first]}_{names[second]}.png"] = Plot(
                png, f"Mean differences of {second} minus {first}"
            )
    return found


def _pooled(drops: Sequence[PerformanceDrop]) -> list[PooledDrop]:
    """Drops over both views and phases, in the order of the perturbations."""
    dice, ef = ({d.change: d.cost for d in drops if d.figure == name} for name in POOLED)
    changes = dict.fromkeys(d.change for d in drops)
    return [PooledDrop(change, dice.get(change, UNKNOWN), ef.get(change, UNKNOWN)) for change in changes]


def _tile(case: StillCase, result: StillResult) -> Tile:
    assert result.score is not None
    still, s = case.files.read(), result.score
    quality = f", {s.quality.lower()}" if s.quality else ""
    caption = f"{s.patient} {s.view} {s.phase}{quality}\nDice {s.dice_lv:.3f}"
    predicted = unpack_cavity(result.cavity, still.mask.shape)
    return Tile(still.image, still.mask == Structure.LV, predicted, caption)


def make_csv_files(e: StillsEvaluation) -> dict[str, str]:
    """Every CSV file by name."""
    files = {
        "figures.csv": figures_csv(("network",), (((row.method,), row) for row in e.metrics.rows)),
        "cases.csv": table_csv(CASE_COLUMNS, _case_rows(e)),
        "ef.csv": table_csv(EF_COLUMNS, _ef_rows(e)),
    }
    if drops := _drop_rows(e):
        files["robustness.csv"] = table_csv(tuple(drops[0]), (tuple(row.values()) for row in drops))
    if e.paired:
        files["paired.csv"] = records_csv(PairedMetric, e.paired)
    return files


def _drop_rows(e: StillsEvaluation) -> list[dict[str, Any]]:
    """Every performance drop. A positive cost is worse: Dice lost, EF error gained."""
    return [
        {
            **{"network": m.label, "change": d.change, "figure": d.figure, "clean": d.clean},
            **{"cost": d.cost.value, "low": d.cost.low, "high": d.cost.high, "level": d.level},
            **{"n": d.n, "unit": d.unit, "allowed": d.allowed, "above": d.above},
        }
        for m in e.models
        for d in m.drops
    ]


def _case_rows(e: StillsEvaluation) -> Iterable[list[Any]]:
    for m in e.models:
        for score in m.scores:
            values = [getattr(score, column) for column in CASE_COLUMNS[1:-1]]
            yield [m.label, *values, "ml" if score.spacing else "px3"]


def _ef_rows(e: StillsEvaluation) -> Iterable[list[Any]]:
    for m in e.models:
        for c in m.comparisons:
            for case in c.cases:
                efs = (case.ef_percent, case.ef_reference_percent)
                yield [
                    *(m.label, case.patient, case.quality, c.title, c.reference, *efs, efs[0] - efs[1]),
                    *(categories(ef)[table] for table in CLASS_TABLES for ef in efs),
                ]


def to_summary(e: StillsEvaluation) -> dict[str, Any]:
    """Everything but the single cases: ``summary.json``."""
    values = {
        "collection": "CAMUS",
        "split": e.split,
        "patients": e.patients,
        "notices": list(e.notices),
        "networks": [
            {
                "name": m.label,
                "patients": len(m.patients),
                "stills": len(m.scores),
                "stills_lost": sum(score.is_lost for score in m.scores),
                "ef_lost": {c.key: c.lost for c in m.comparisons},
                "weights": [asdict(weights) for weights in m.weights],
            }
            for m in e.models
        ],
        "figures": [{"network": row.method, **asdict(row.to_card_metric())} for row in e.metrics.rows],
        "robustness": _drop_rows(e),
        "robustness_sums": [{"network": m.label, **asdict(sums)} for m in e.models for sums in m.sums],
        "paired": [asdict(paired) for paired in e.paired],
    }
    return summary_of(SUMMARY_SCHEMA, values)


def _run_facts(e: StillsEvaluation, plan: Plan) -> dict[str, Any]:
    return {
        "schema": RUN_SCHEMA,
        "seconds": e.seconds,
        "resumed": e.resumed,
        "settings": settings_of(
            plan,
            split=None if plan.patients or plan.runs else plan.split,
            **({"weights": []} if plan.runs else {}),
        ),
        "networks": {m.label: [asdict(weights) for weights in m.weights] for m in e.models},
        "patients_sha256": {m.label: patients_sha256(m.patients) for m in e.models},
    }


def _form(row: MetricRow) -> str:
    """Digits that suit the unit."""
    return ".3f" if not row.unit else ".1f" if row.unit == EF_POINTS else ".2f"
