"""The pictures of an exploration: file name -> PNG, with words for whoever does not see it."""

from __future__ import annotations

from lvef.evaluation.exploring.boxes import groups_png, z_scores_png
from lvef.evaluation.exploring.counts_chart import counts_png, volumes_png
from lvef.evaluation.exploring.examples import Examples, examples_png, shown_text
from lvef.evaluation.exploring.histograms import histograms_png
from lvef.evaluation.exploring.records import MEASURED, Exploration
from lvef.evaluation.page import Picture

DISTRIBUTIONS, Z_SCORES, VOLUMES = "distributions.png", "zscores.png", "volumes.png"
"""Pictures of EF, EDV and ESV."""

GROUPS, COUNTS, CLIPS, EXAMPLES = "ef_by_label.png", "counts.png", "clips.png", "examples.png"
"""Pictures of labels, clips and items."""


def make_pictures(found: Exploration, examples: Examples | None) -> dict[str, Picture]:
    """Those that there is something to show in.

    Args:
        found: What was found.
        examples: Opened items, or None where none were asked for.
    """
    pictures = {}
    known = [c for c in found.columns[: len(MEASURED)] if c.description.n]
    if known:
        words = _listed([c.quantity.words for c in known])
        n = f"{found.n_measurements:,} {'measurement' if found.n_measurements == 1 else 'measurements'}"
        heading = f"{words} of {', '.join(found.collections)}, n = {n}"
        pictures[DISTRIBUTIONS] = Picture(
            histograms_png(known, heading=heading), f"Histograms with box plots of {words}"
        )
        pictures[Z_SCORES] = Picture(
            z_scores_png(known, heading=f"z-scores of {words}, n = {n}"), f"Box plots of z-scores of {words}"
        )
    if len(found.edv_esv):
        heading = f"EDV and ESV, n = {len(found.edv_esv):,}"
        pictures[VOLUMES] = Picture(
            volumes_png(found.edv_esv, heading=heading), "Scatter of ESV against EDV with lines of equal EF"
        )
    if found.groups:
        ef = found.columns[0].description.n
        pictures[GROUPS] = Picture(
            groups_png(found.groups, heading=f"EF by label, n = {ef:,}"), "Box plots of EF by label"
        )
    if found.counts:
        heading = f"What there is: {found.n_items:,} {'item' if found.n_items == 1 else 'items'}"
        pictures[COUNTS] = Picture(counts_png(found.counts, heading=heading), "Bars: items by label")
    clips = [c for c in found.columns if c.quantity.of == "clips"]
    if clips:
        n = f"{max(c.description.n for c in clips):,}"
        pictures[CLIPS] = Picture(
            histograms_png(clips, heading=f"Clips, n = {n}"),
            f"Histograms with box plots of {_listed([c.quantity.words.lower() for c in clips])}",
        )
    if examples is not None and examples.tiles:
        pictures[EXAMPLES] = Picture(examples_png(examples, found.name), shown_text(examples))
    return pictures


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
