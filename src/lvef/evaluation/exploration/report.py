"""Report of an exploration: ``summary.json``, CSV tables, plots, and the sections of page and terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lvef.core.journal import file_sha256
from lvef.core.serialization import to_plain
from lvef.core.wording import DISCLAIMER, HEART_FAILURE_TEXT, REPORT_CLASS_TEXT
from lvef.evaluation.exploration.explore import LABEL_WORDS, MEASURED, Column, Exploration, plural
from lvef.evaluation.exploration.plots import (
    Examples,
    counts_png,
    examples_png,
    groups_png,
    histograms_png,
    shown_text,
    volumes_png,
    z_scores_png,
)
from lvef.evaluation.report import (
    EvaluationReport,
    Plot,
    Section,
    Table,
    last_name,
    select_plots,
    shown_sections,
    table_csv,
)
from lvef.stats.describe import WHISKER

SCHEMA, RUN_SCHEMA = "lvef-exploration/1", "lvef-exploration-run/1"
"""Versions of the layouts of ``summary.json`` and ``run.json``."""

SUMMARY_COLUMNS = (
    *("quantity", "unit", "of", "count", "missing"),
    *("mean", "std", "min", "25%", "50%", "75%", "max"),
)
"""Columns of ``summary.csv``."""

MOST_NAMED = 10
"""Outliers that the page names on each side; ``outliers.csv`` has all."""

MOST_SIZES, MOST_LISTED_SIZES = 20, 8
"""The most frequent image sizes in ``summary.json``, and on the page."""

CLASS_TABLES = {
    "heart_failure": ("Heart-failure range", HEART_FAILURE_TEXT),
    "report": ("Source report", REPORT_CLASS_TEXT),
}
"""Classifications of EF, and their classes in words."""

STATISTICS_TEXT = "Standard deviation (std, SD) with n - 1; quartiles by linear interpolation."
"""Definitions of the statistics."""

MEASUREMENT_TEXT = (
    "A measurement is the EF, EDV and ESV of a patient: equal values on several items count once."
)
"""What is counted."""

OUTLIER_TEXT = (
    f"Outside the whiskers: more than {WHISKER:g} interquartile ranges below the lower quartile or above the upper one. "
    "An outlier is not necessarily wrong. No value lies below a fence that is below 0."
)
"""Definition of an outlier."""


def make_report(
    found: Exploration,
    manifest: Path,
    *,
    examples: Examples | None = None,
    seconds: float = 0.0,
    with_plots: bool = True,
) -> EvaluationReport:
    """Lay out an exploration.

    Args:
        found: The exploration.
        manifest: The manifest's file, for ``run.json``.
        examples: Opened items, or None where none were asked for.
        seconds: Duration so far, for ``run.json``.
        with_plots: Whether to draw the plots, for files.

    Raises:
        DataError: The manifest cannot be read again.
    """
    plots = make_plots(found, examples) if with_plots else {}
    heading = f"{heading_text(found)}"
    opened = examples and {"shown": len(examples.tiles), "unreadable": list(examples.unreadable)}
    return EvaluationReport(
        title=f"Exploration of {found.name}",
        headline=[heading, *found.notes],
        introduction=[f"{heading}.", *found.notes, DISCLAIMER],
        sections=_sections(found, plots, examples),
        notices=(),
        summary=to_summary(found),
        csv={"summary.csv": summary_csv(found), "outliers.csv": outliers_csv(found)},
        plots=plots,
        run={
            "schema": RUN_SCHEMA,
            "seconds": seconds,
            "settings": {"manifest": last_name(manifest), "examples": examples is not None},
            "manifest_sha256": file_sha256(manifest, "run it again"),
            "examples": opened,
        },
    )


def make_plots(found: Exploration, examples: Examples | None) -> dict[str, Plot]:
    """File name -> plot, of all that there are values for.

    Args:
        found: The exploration.
        examples: Opened items, or None where none were asked for.
    """
    plots = {}
    known = [c for c in found.columns[: len(MEASURED)] if c.description.n]
    if known:
        words, n = _listed([c.quantity.name for c in known]), plural(found.n_measurements, "measurement")
        heading = f"{words} of {', '.join(found.collections)}, n = {n}"
        plots["distributions.png"] = Plot(
            histograms_png(known, heading=heading), f"Histograms with box plots of {words}"
        )
        plots["zscores.png"] = Plot(
            z_scores_png(known, heading=f"z-scores of {words}, n = {n}"), f"Box plots of z-scores of {words}"
        )
    if len(found.edv_esv):
        heading = f"EDV and ESV, n = {len(found.edv_esv):,}"
        plots["volumes.png"] = Plot(
            volumes_png(found.edv_esv, heading=heading), "Scatter of ESV against EDV with lines of equal EF"
        )
    if found.groups:
        heading = f"EF by label, n = {found.columns[0].description.n:,}"
        plots["ef_by_label.png"] = Plot(groups_png(found.groups, heading=heading), "Box plots of EF by label")
    heading = f"Contents: {plural(found.n_items, 'item')}"
    plots["counts.png"] = Plot(counts_png(found.counts, heading=heading), "Bars: items by label")
    clips = [c for c in found.columns if c.quantity.of == "clips"]
    if clips:
        heading = f"Clips, n = {max(c.description.n for c in clips):,}"
        words = _listed([c.quantity.name.lower() for c in clips])
        plots["clips.png"] = Plot(
            histograms_png(clips, heading=heading), f"Histograms with box plots of {words}"
        )
    if examples is not None and examples.tiles:
        plots["examples.png"] = Plot(examples_png(examples, found.name), shown_text(examples))
    return plots


def _sections(found: Exploration, plots: dict[str, Plot], examples: Examples | None) -> list[Section]:
    statistics, contents = statistics_table(found), contents_table(found)
    outliers, groups = outlier_table(found), group_table(found)
    definitions = f"{MEASUREMENT_TEXT} {STATISTICS_TEXT}" if found.n_measurements else STATISTICS_TEXT
    overlap = "A patient with items under several labels counts once under each." if found.groups else ""

    def section(
        title: str, plot: str, text: str = "", shown: Sequence[Table] = (), brief: Sequence[Table] = ()
    ) -> Section:
        return Section(title, text, shown, select_plots(plots, plot), brief)

    sections = [
        section("Statistics", "", definitions, [statistics], [statistics]),
        section("Distributions", "distributions.png"),
        section(
            "Outliers", "zscores.png", OUTLIER_TEXT, [outliers, *named_outlier_tables(found)], [outliers]
        ),
        section("Volumes", "volumes.png"),
        section("EF by class and label", "ef_by_label.png", overlap, [class_table(found), groups], [groups]),
        section("Contents", "counts.png", "", [contents], [contents]),
        section("Clips and sizes", "clips.png", "", [size_table(found)]),
    ]
    kept = shown_sections(sections)
    if examples is not None:
        text = shown_text(examples)
        if examples.unreadable:
            text += (
                f"\n\nNot readable: {', '.join(examples.unreadable)}. lvef data check finds all such items."
            )
        kept.append(section("Examples", "examples.png", text))
    return kept


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def summary_csv(found: Exploration) -> str:
    """Count, mean, standard deviation, minimum, quartiles and maximum of each quantity, with six decimals."""
    rows = [
        (
            *(c.quantity.column, c.quantity.unit, c.quantity.of, c.description.n, c.description.missing),
            *map(_decimals, _statistics(c).values()),
        )
        for c in found.columns
    ]
    return table_csv(SUMMARY_COLUMNS, rows)


def outliers_csv(found: Exploration) -> str:
    """Every measurement outside the whiskers, with six decimals."""
    rows = ([_decimals(v) if isinstance(v, float) else v for v in row] for row in found.outliers.iter_rows())
    return table_csv(found.outliers.columns, rows)


def to_summary(found: Exploration) -> dict[str, Any]:
    """Everything as JSON values: ``null`` for what is not known, no NaN."""
    values = {
        "schema": SCHEMA,
        "manifest": found.name,
        "collections": list(found.collections),
        "items": found.n_items,
        "patients": found.n_patients,
        "measurements": found.n_measurements,
        "has_ef": found.column("ef_percent") is not None,
        "notes": list(found.notes),
        "table": [_column_values(c) for c in found.columns],
        "ef_by_label": [
            {"by": g.by, "label": g.label, "n": g.description.n}
            | {n: round(getattr(g.description, n), 9) for n in ("mean", "std", "q25", "median", "q75")}
            for g in found.groups
        ],
        "ef_classes": found.classes.to_dicts(),
        "counts": found.counts.to_dicts(),
        "contents": found.contents.to_dicts(),
        "different_sizes": len(found.sizes),
        "sizes": found.sizes.head(MOST_SIZES).to_dicts(),
    }
    plain: dict[str, Any] = to_plain(values, digits=0)
    return plain


def heading_text(found: Exploration) -> str:
    """What the manifest holds, in a line."""
    parts = [f"{plural(found.n_items, 'item')} of {plural(found.n_patients, 'patient')}"]
    if found.n_measurements:
        parts.append(f"{plural(found.n_measurements, 'measurement')} of EF or volumes")
    return f"{', '.join(found.collections)}: {', '.join(parts)}"


def statistics_table(found: Exploration) -> Table:
    """Statistics of the quantities that are known, with two decimals; of pixels and counts with one."""
    rows = []
    for c in found.columns:
        if c.description.n:
            digits = 1 if c.quantity.unit in ("px", "") else 2
            cells = (_rounded(value, digits) for value in _statistics(c).values())
            rows.append((c.quantity.title, f"{c.description.n:,}", *cells))
    return Table(
        ("quantity", "n", "mean", "std", "min", "25%", "50%", "75%", "max"),
        rows,
        "Statistics: std with n - 1, linear quartiles",
    )


def outlier_table(found: Exploration) -> Table:
    """Fences and number of outliers of EF, EDV and ESV."""
    rows = [
        (
            c.quantity.name,
            f"{_rounded(c.fences.low, 2)} {c.quantity.unit}",
            f"{c.low:,}",
            f"{_rounded(c.fences.high, 2)} {c.quantity.unit}",
            f"{c.high:,}",
        )
        for c in found.columns[: len(MEASURED)]
        if c.description.n
    ]
    return Table(
        ("quantity", "low fence", "below", "high fence", "above"),
        rows,
        f"Outliers: outside {WHISKER:g} interquartile ranges",
    )


def named_outlier_tables(found: Exploration) -> list[Table]:
    """The farthest outliers of each quantity on each side."""
    tables = []
    for q in MEASURED:
        for side in ("low", "high"):
            rows = found.outliers.filter(quantity=q.column, side=side)
            if len(rows):
                more = f", the {MOST_NAMED} farthest of {len(rows):,}" if len(rows) > MOST_NAMED else ""
                named = [
                    (item, patient, f"{value:,.2f}")
                    for item, patient, value in rows.select("item", "patient", "value")
                    .head(MOST_NAMED)
                    .iter_rows()
                ]
                tables.append(Table(("Item", "Patient", q.title), named, f"{q.name}, {side} outliers{more}"))
    return tables


def class_table(found: Exploration) -> Table:
    """Measurements in each class of EF."""
    n = found.columns[0].description.n
    rows = []
    for table, label, count in found.classes.iter_rows():
        name, words = CLASS_TABLES[table]
        rows.append((name, words[label], f"{count:,}", f"{100 * count / n:.1f} %"))
    return Table(("classification", "class", "n", "share"), rows, "Classes of EF")


def group_table(found: Exploration) -> Table:
    """EF by label."""
    rows = []
    for g in found.groups:
        d = g.description
        cells = (_rounded(value, 1) for value in (d.mean, d.std, d.q25, d.median, d.q75))
        rows.append((LABEL_WORDS[g.by], g.label, f"{d.n:,}", *cells))
    return Table(("by", "label", "n", "mean", "SD", "25%", "50%", "75%"), rows, "EF (%) by label")


def contents_table(found: Exploration) -> Table:
    """Items and patients by view, kind and split."""
    rows = [
        (*labels, f"{items:,}", f"{patients:,}") for *labels, items, patients in found.contents.iter_rows()
    ]
    return Table(tuple(found.contents.columns), rows)


def size_table(found: Exploration) -> Table:
    """The most frequent image sizes, and how many others there are."""
    rows = [(f"{width} x {height}", f"{items:,}") for width, height, items in found.sizes.iter_rows()]
    others = found.sizes["items"][MOST_LISTED_SIZES:]
    if len(others):
        rows[MOST_LISTED_SIZES:] = [(f"{len(others):,} further sizes", f"{others.sum():,}")]
    return Table(("width x height (px)", "items"), rows, "Image sizes")


def _column_values(c: Column) -> dict[str, Any]:
    values: dict[str, Any] = {"quantity": c.quantity.column, "unit": c.quantity.unit, "of": c.quantity.of}
    values |= {"count": c.description.n, "missing": c.description.missing}
    values |= {name: round(value, 9) for name, value in _statistics(c).items()}
    if c.quantity in MEASURED:
        values |= {"fence_low": round(c.fences.low, 9), "fence_high": round(c.fences.high, 9)}
        values |= {"outliers_low": c.low, "outliers_high": c.high}
    return values


def _statistics(c: Column) -> dict[str, float]:
    d = c.description
    values = (d.mean, d.std, d.minimum, d.q25, d.median, d.q75, d.maximum)
    return dict(zip(("mean", "std", "min", "q25", "median", "q75", "max"), values, strict=True))


def _decimals(value: float) -> str:
    return f"{value:.6f}" if math.isfinite(value) else ""


def _rounded(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if math.isfinite(value) else "-"
