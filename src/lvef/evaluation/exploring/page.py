"""The page ``index.html`` of an exploration."""

from __future__ import annotations

from collections.abc import Mapping

from lvef.evaluation.exploring.examples import Examples, shown_text
from lvef.evaluation.exploring.pictures import (
    CLIPS,
    COUNTS,
    DISTRIBUTIONS,
    EXAMPLES,
    GROUPS,
    VOLUMES,
    Z_SCORES,
)
from lvef.evaluation.exploring.records import MEASURED, Exploration, Outlier
from lvef.evaluation.exploring.summary import (
    TABLE_HEADER,
    cell_rows,
    class_rows,
    group_rows,
    heading_text,
    outlier_rows,
    size_rows,
    table_rows,
)
from lvef.evaluation.page import Picture, Section, Table, page_html
from lvef.measure.wording import DISCLAIMER
from lvef.stats.describe import WHISKER

MOST_NAMED = 10
"""Outliers that the page names on each side; ``outliers.csv`` holds all."""

MOST_SIZES = 8
"""Picture sizes that the page lists."""

MEASUREMENT_TEXT = (
    "A measurement is what the items of a patient say of EF, EDV and ESV: "
    "the same answer on several items is one."
)
"""What is counted."""

TABLE_TEXT = "Standard deviation (std, SD) with n - 1; quartiles by linear interpolation."
"""How it is described."""

OUTLIER_TEXT = (
    f"Outside the whiskers: more than {WHISKER:g} interquartile ranges below the lower quartile or above the upper one. "
    "The rule decides; it does not say that a value is wrong. A fence below 0 cannot be crossed."
)
"""What an outlier is."""


def page_of(found: Exploration, pictures: Mapping[str, Picture], examples: Examples | None) -> str:
    """The page.

    Args:
        found: What was found.
        pictures: From `lvef.evaluation.exploring.pictures.make_pictures`.
        examples: Opened items, or None where none were asked for.
    """
    introduction = "\n\n".join([f"{heading_text(found)}.", *found.notes, DISCLAIMER])
    sections = [
        Section(
            "Table",
            f"{MEASUREMENT_TEXT} {TABLE_TEXT}" if found.n_measurements else TABLE_TEXT,
            [Table(("Quantity", *TABLE_HEADER[1:]), table_rows(found))],
        ),
        _section("Distributions", pictures, DISTRIBUTIONS),
        _outliers(found, pictures),
        _section("Volumes", pictures, VOLUMES),
        _labels(found, pictures),
        Section(
            "What there is",
            "",
            [Table(("View", "Kind", "Split", "Items", "Patients"), cell_rows(found))],
            _shown(pictures, COUNTS),
        ),
        _clips(found, pictures),
    ]
    kept = [s for s in sections if any(t.rows for t in s.tables) or s.pictures]
    if examples is not None:
        text = shown_text(examples)
        if examples.unreadable:
            text += (
                f"\n\nNot readable: {', '.join(examples.unreadable)}. lvef data check finds all such items."
            )
        kept.append(Section("Examples", text, pictures=_shown(pictures, EXAMPLES)))
    return page_html(f"Exploration of {found.name}", introduction, kept)


def _outliers(found: Exploration, pictures: Mapping[str, Picture]) -> Section:
    rows = outlier_rows(found)
    tables = [Table(("Quantity", "Low fence", "Below", "High fence", "Above"), rows)] if rows else []
    for quantity in MEASURED:
        for side in ("low", "high"):
            mine = [o for o in found.outliers if (o.quantity, o.side) == (quantity.column, side)]
            if mine:
                more = f", the {MOST_NAMED} farthest of {len(mine):,}" if len(mine) > MOST_NAMED else ""
                tables.append(
                    Table(
                        ("Item", "Patient", quantity.title),
                        [_named(o) for o in mine[:MOST_NAMED]],
                        f"{quantity.words}, {side} outliers{more}",
                    )
                )
    return Section("Outliers", OUTLIER_TEXT, tables, _shown(pictures, Z_SCORES))


def _labels(found: Exploration, pictures: Mapping[str, Picture]) -> Section:
    tables = []
    if found.shares:
        tables.append(Table(("Table", "Class", "n", "Part"), class_rows(found), "Classes of EF"))
    if found.groups:
        header = ("By", "Label", "n", "mean", "SD", "25%", "50%", "75%")
        tables.append(Table(header, group_rows(found), "EF (%) by label"))
    text = "A patient with items under several labels counts once under each." if found.groups else ""
    return Section("EF by class and label", text, tables, _shown(pictures, GROUPS))


def _clips(found: Exploration, pictures: Mapping[str, Picture]) -> Section:
    rows = size_rows(found, MOST_SIZES)
    tables = [Table(("Width x height (px)", "Items"), rows, "Picture sizes")] if rows else []
    return Section("Clips and sizes", "", tables, _shown(pictures, CLIPS))


def _named(outlier: Outlier) -> tuple[str, ...]:
    return (outlier.item, outlier.patient, f"{outlier.value:,.2f}")


def _section(title: str, pictures: Mapping[str, Picture], name: str) -> Section:
    return Section(title, "", pictures=_shown(pictures, name))


def _shown(pictures: Mapping[str, Picture], name: str) -> list[Picture]:
    return [pictures[name]] if name in pictures else []
