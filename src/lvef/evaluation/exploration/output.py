"""Output folder of an exploration: plots, page, tables, and the record of the run."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lvef
from lvef.core.errors import DataError
from lvef.core.serialization import to_json
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.exploration import tables
from lvef.evaluation.exploration.examples import Examples, examples_png, shown_text
from lvef.evaluation.exploration.explore import MEASURED, Exploration, plural
from lvef.evaluation.exploration.histograms import histograms_png
from lvef.evaluation.exploration.plots import counts_png, groups_png, volumes_png, z_scores_png
from lvef.evaluation.output import last_name, make_folder, write_all
from lvef.evaluation.page import render_page
from lvef.evaluation.report import Plot, Section, Table
from lvef.measure.environment import describe_machine, package_versions
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


def write_exploration(
    folder: Path, found: Exploration, examples: Examples | None, manifest: Path, seconds: float
) -> list[str]:
    """Write everything about an exploration. Files of an earlier one that this one does not have are removed.

    Args:
        folder: Made when it is missing.
        found: The exploration.
        examples: Opened items, or None where none were asked for.
        manifest: The manifest's file, for ``run.json``.
        seconds: Duration of reading, describing and opening, for ``run.json``.

    Returns:
        Names of the files written.

    Raises:
        DataError: The folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    plots = make_plots(found, examples)
    texts = {
        "summary.csv": tables.summary_csv(found),
        "outliers.csv": tables.outliers_csv(found),
        "summary.json": to_json(tables.to_summary(found)),
        "index.html": page_of(found, plots, examples),
    }

    def record(written: Sequence[str]) -> dict[str, Any]:
        opened = None
        if examples is not None:
            opened = {"shown": len(examples.tiles), "unreadable": list(examples.unreadable)}
        return {
            "schema": RUN_SCHEMA,
            "lvef_version": lvef.__version__,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "settings": {"manifest": last_name(manifest), "examples": examples is not None},
            "manifest_sha256": _digest(manifest),
            "examples": opened,
            "files": list(written),
            "machine": describe_machine(),
            "packages": package_versions(),
        }

    return write_all(folder, RUN_SCHEMA, texts, plots, record)


def make_plots(found: Exploration, examples: Examples | None) -> dict[str, Plot]:
    """File name -> plot, of all that there are values for.

    Args:
        found: The exploration.
        examples: Opened items, or None where none were asked for.
    """
    plots = {}
    known = [c for c in found.columns[: len(MEASURED)] if c.description.n]
    if known:
        words, n = _listed([c.quantity.words for c in known]), plural(found.n_measurements, "measurement")
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
        words = _listed([c.quantity.words.lower() for c in clips])
        plots["clips.png"] = Plot(
            histograms_png(clips, heading=heading), f"Histograms with box plots of {words}"
        )
    if examples is not None and examples.tiles:
        plots["examples.png"] = Plot(examples_png(examples, found.name), shown_text(examples))
    return plots


def page_of(found: Exploration, plots: Mapping[str, Plot], examples: Examples | None) -> str:
    """The page ``index.html``.

    Args:
        found: The exploration.
        plots: From `make_plots`.
        examples: Opened items, or None where none were asked for.
    """

    def shown(name: str) -> list[Plot]:
        return [plots[name]] if name in plots else []

    introduction = "\n\n".join([f"{tables.heading_text(found)}.", *found.notes, DISCLAIMER])
    statistics = f"{MEASUREMENT_TEXT} {STATISTICS_TEXT}" if found.n_measurements else STATISTICS_TEXT
    overlap = "A patient with items under several labels counts once under each." if found.groups else ""
    outliers = [tables.outlier_table(found), *tables.named_outlier_tables(found)]
    labels = [tables.class_table(found), tables.group_table(found)]
    sections = [
        Section("Statistics", statistics, [tables.statistics_table(found)]),
        Section("Distributions", "", plots=shown("distributions.png")),
        Section("Outliers", OUTLIER_TEXT, _with_rows(outliers), shown("zscores.png")),
        Section("Volumes", "", plots=shown("volumes.png")),
        Section("EF by class and label", overlap, _with_rows(labels), shown("ef_by_label.png")),
        Section("Contents", "", [tables.contents_table(found)], shown("counts.png")),
        Section("Clips and sizes", "", _with_rows([tables.size_table(found)]), shown("clips.png")),
    ]
    kept = [s for s in sections if any(t.rows for t in s.tables) or s.plots]
    if examples is not None:
        text = shown_text(examples)
        if examples.unreadable:
            text += (
                f"\n\nNot readable: {', '.join(examples.unreadable)}. lvef data check finds all such items."
            )
        kept.append(Section("Examples", text, plots=shown("examples.png")))
    return render_page(f"Exploration of {found.name}", introduction, kept)


def _with_rows(found: Sequence[Table]) -> list[Table]:
    return [table for table in found if table.rows]


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
