"""Report of an exploration: its plots, and the sections of page and terminal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.exploration import tables
from lvef.evaluation.exploration.examples import Examples, examples_png, shown_text
from lvef.evaluation.exploration.explore import MEASURED, Exploration, plural
from lvef.evaluation.output import last_name
from lvef.evaluation.plots.histograms import histograms_png
from lvef.evaluation.plots.manifest import counts_png, groups_png, volumes_png, z_scores_png
from lvef.evaluation.report import EvaluationReport, Plot, Section, Table, select_plots
from lvef.stats.describe import WHISKER

RUN_SCHEMA = "lvef-exploration-run/1"
"""Version of the layout of ``run.json``."""

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
    heading = f"{tables.heading_text(found)}"
    opened = examples and {"shown": len(examples.tiles), "unreadable": list(examples.unreadable)}
    return EvaluationReport(
        title=f"Exploration of {found.name}",
        headline=[heading, *found.notes],
        introduction=[f"{heading}.", *found.notes, DISCLAIMER],
        sections=_sections(found, plots, examples),
        notices=(),
        summary=tables.to_summary(found),
        csv={"summary.csv": tables.summary_csv(found), "outliers.csv": tables.outliers_csv(found)},
        plots=plots,
        run={
            "schema": RUN_SCHEMA,
            "seconds": seconds,
            "settings": {"manifest": last_name(manifest), "examples": examples is not None},
            "manifest_sha256": _digest(manifest),
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
    statistics, contents = tables.statistics_table(found), tables.contents_table(found)
    outliers, groups = tables.outlier_table(found), tables.group_table(found)
    overlap = "A patient with items under several labels counts once under each." if found.groups else ""

    def section(
        title: str, plot: str, text: str = "", shown: Sequence[Table] = (), brief: Sequence[Table] = ()
    ) -> Section:
        return Section(title, text, [t for t in shown if t.rows], select_plots(plots, plot), brief)

    sections = [
        section(
            "Statistics",
            "",
            f"{MEASUREMENT_TEXT} {STATISTICS_TEXT}" if found.n_measurements else STATISTICS_TEXT,
            [statistics],
            [statistics],
        ),
        section("Distributions", "distributions.png"),
        section(
            "Outliers",
            "zscores.png",
            OUTLIER_TEXT,
            [outliers, *tables.named_outlier_tables(found)],
            [outliers],
        ),
        section("Volumes", "volumes.png"),
        section(
            "EF by class and label", "ef_by_label.png", overlap, [tables.class_table(found), groups], [groups]
        ),
        section("Contents", "counts.png", "", [contents], [contents]),
        section("Clips and sizes", "clips.png", "", [tables.size_table(found)]),
    ]
    kept = [s for s in sections if s.tables or s.plots]
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


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} was read, but cannot be read again ({error.strerror}): run it again."
        ) from None
