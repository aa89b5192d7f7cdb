"""Example images of a manifest: chosen, opened, and laid out on a sheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lvef.core.errors import LvefError
from lvef.core.records import Box, Clip
from lvef.evaluation.exploration.explore import plural
from lvef.evaluation.plots.images import Tile, contact_sheet_png
from lvef.io.isolation import open_clip
from lvef.transforms.frames import fit, place
from lvef.transforms.sector import hide_outside_sector

MOST_EXAMPLES = 12
"""Most items that are opened: three rows of the sheet."""

SIDE_PX = 278
"""Side of an image on the sheet, see `lvef.evaluation.plots.images`."""

MOST_PIXELS = 2**28
"""Pixels of one clip, one byte each: more memory is not spent for one frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The chosen items, opened.

    Attributes:
        tiles: The readable ones.
        unreadable: Items that could not be opened.
        reasons: Why, a sentence each; it may name paths and is for the terminal only.
    """

    tiles: tuple[Tile, ...]
    unreadable: tuple[str, ...]
    reasons: tuple[str, ...]


def open_examples(manifest: pl.DataFrame, advance: Callable[[], None] = lambda: None) -> Examples:
    """Open up to `MOST_EXAMPLES` items, the first frame of each.

    They are spread over views, kinds, phases and datasets and, within these, evenly over the manifest; a manifest always
    shows the same ones. Outside the ultrasound sector the image is black, as in all images that are written.

    Args:
        manifest: Validated.
        advance: Called after each item.
    """
    tiles, unreadable, reasons = [], [], []
    for row in choose(manifest).iter_rows(named=True):
        try:
            clip = open_clip(Path(row["root"]) / row["path"], max_pixels=MOST_PIXELS)
        except LvefError as error:
            unreadable.append(row["item"])
            reasons.append(str(error))
        else:
            tiles.append(_tile(clip, row))
        advance()
    return Examples(tuple(tiles), tuple(unreadable), tuple(reasons))


def choose(manifest: pl.DataFrame, most: int = MOST_EXAMPLES) -> pl.DataFrame:
    """Rows to open: one of each dataset, view, kind and phase in turn, within these evenly spread.

    Args:
        manifest: Validated.
        most: How many.
    """
    numbered = manifest.with_row_index("row")
    parts = numbered.partition_by("collection", "view", "kind", "phase", maintain_order=True)
    taken = [0] * len(parts)
    while sum(taken) < min(most, len(manifest)):
        for number, part in enumerate(parts):
            if taken[number] < len(part) and sum(taken) < most:
                taken[number] += 1
    # One row of each of n equal intervals; the golden ratio shifts the place within them, or all views would show the same
    # patients.
    rows = [
        int(part["row"][int((i + (0.5 + number * 0.618034) % 1) * len(part) / n)])
        for number, (part, n) in enumerate(zip(parts, taken, strict=True))
        for i in range(n)
    ]
    return manifest[rows]


def examples_png(examples: Examples, name: str) -> bytes:
    """The sheet.

    Args:
        examples: What was opened.
        name: The manifest's file name.
    """
    return contact_sheet_png(
        examples.tiles, heading=f"{len(examples.tiles)} items of {name}", note=shown_text(examples)
    )


def shown_text(examples: Examples) -> str:
    """How many are shown and how many could not be read."""
    n, lost = len(examples.tiles), len(examples.unreadable)
    if lost and not n:
        return f"None of {lost} chosen items could be read: is the dataset still where it was imported from?"
    text = f"First frame of {plural(n, 'item')}; outside the ultrasound sector the image is black."
    return text + (f" {lost} of {n + lost} chosen items could not be read." if lost else "")


def _tile(clip: Clip, row: dict[str, Any]) -> Tile:
    shown = hide_outside_sector(clip).frames[:1]
    height, width = shown.shape[1:]
    square = fit(shown, place(Box(0, 0, width, height), SIDE_PX, clip.spacing), SIDE_PX)[0]
    facts = [row["view"], row["phase"] or row["kind"]]
    if len(clip.frames) > 1:
        facts.append(f"{len(clip.frames)} frames")
    if row["ef_percent"] is not None:
        facts.append(f"EF {row['ef_percent']:.0f} %")
    if not shown.any():
        facts = ["no ultrasound sector found: not shown"]
    no_mask = np.zeros_like(square, dtype=bool)
    return Tile(square, no_mask, no_mask, f"{_cut(row['item'])}\n{', '.join(facts)}")


def _cut(item: str, characters: int = 26) -> str:
    """An item's name on one line, cut at its beginning: names differ at their ends."""
    return item if len(item) <= characters else f"...{item[3 - characters :]}"
