"""Plots of the comparison: grey-level histograms, edge profiles, and sheets of real beside synthetic.

Pure functions: samples in, PNG out. A sheet with real images shows patients of a collection: it belongs into an ignored
folder, never into a repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lvef.core.records import FloatArray
from lvef.core.terms import Phase, Structure
from lvef.evaluation.plots.images import COLUMNS, Tile, contact_sheet_png
from lvef.evaluation.plots.style import (
    BLUE,
    GREEN,
    VERMILION,
    WIDTH_PX,
    add_axes,
    draw_legend,
    label_axes,
    new_figure,
    to_png,
    write_text,
)
from lvef.report.style import INK
from studies.appearance.edges import DISTANCES_MM, SIDES, profiles
from studies.appearance.measures import NAMES, sector_region, structure_regions
from studies.appearance.samples import ANIMATED, PHANTOM, REAL, Sample

COLOURS = {REAL: BLUE, PHANTOM: VERMILION, ANIMATED: GREEN}
"""Line of each kind."""

STYLES = {REAL: "-", PHANTOM: "--", ANIMATED: ":"}
"""The same without colour."""

BIN = 4
"""Grey levels in one bin of a histogram."""

_TOP_PX, _PANEL_PX, _LEFT_PX, _GAP_PX, _BOTTOM_PX = 70, 300, 90, 70, 70


def histograms_png(samples: Sequence[Sample], *, heading: str) -> bytes:
    """Share of pixels by grey level in the sector and in each structure; every image of a kind weighs the same."""
    names = ["fan", *NAMES.values()]
    figure, axes = _grid(names, heading)
    edges = np.arange(0, 257, BIN)
    for kind, found in _kinds(samples).items():
        for axis, name in zip(axes, names, strict=True):
            rows = [np.histogram(v, edges)[0] / len(v) for s in found if len(v := _levels(s, name))]
            if rows:
                axis.plot(
                    edges[:-1] + BIN / 2,
                    100 * np.mean(rows, axis=0),
                    color=COLOURS[kind],
                    ls=STYLES[kind],
                    lw=1.6,
                )
    for axis in axes:
        axis.set(xlim=(0, 255), ylim=(0, None))
        label_axes(axis, "grey level", f"% of pixels per {BIN} levels")
    _legend(figure, axes[0], samples)
    return to_png(figure)


def profiles_png(samples: Sequence[Sample], *, heading: str) -> bytes:
    """Mean grey level along the normals of the endocardium by side; shaded: the middle 50 % of images of a kind."""
    panels = [f"{side}, {phase}" for side in SIDES for phase in Phase]
    figure, axes = _grid(panels, heading)
    for kind, found in _kinds(samples).items():
        curves = [(s.phase, profiles(s.image.grey, s.image.labels, s.image.spacing_mm)) for s in found]
        for axis, (side, phase) in zip(axes, [(a, b) for a in SIDES for b in Phase], strict=True):
            rows = np.array([c[side] for p, c in curves if p == phase and np.isfinite(c[side]).all()])
            if len(rows):
                low, high = np.percentile(rows, (25, 75), axis=0)
                axis.fill_between(DISTANCES_MM, low, high, color=COLOURS[kind], alpha=0.12, lw=0)
                axis.plot(DISTANCES_MM, rows.mean(axis=0), color=COLOURS[kind], ls=STYLES[kind], lw=1.6)
    for axis in axes:
        axis.set(xlim=(DISTANCES_MM[0], DISTANCES_MM[-1]), ylim=(0, 220))
        axis.axvline(0, color=INK, lw=0.6, alpha=0.5)
        label_axes(axis, "mm from the endocardium, wall to the right", "grey level")
    _legend(figure, axes[0], samples)
    return to_png(figure)


def sheets(samples: Sequence[Sample], size: int) -> dict[str, bytes]:
    """Contact sheets by file name: a row a kind at each phase, and each synthetic kind by itself.

    Args:
        samples: All of one size; the first of each kind are shown.
        size: Side of the images in pixels, for the heading.
    """
    kinds = _kinds(samples)
    found: dict[str, bytes] = {}
    for phase in Phase:
        rows = {k: [s for s in v if s.phase == phase] for k, v in kinds.items()}
        # Whole rows, so that the kinds stay below each other.
        tiles = [_tile(s) for v in rows.values() for s in _spaced(v, COLUMNS) if len(v) >= COLUMNS]
        found[f"sheet_{phase.lower()}.png"] = contact_sheet_png(
            tiles, heading=f"{phase}, {size} x {size} pixels: {', '.join(kinds)}", note="One kind a row."
        )
    for kind, held in kinds.items():
        if kind != REAL:
            pairs = _spaced([s for s in held if s.phase == Phase.ED], 8)
            tiles = [_tile(s) for ed in pairs for s in held if s.name == ed.name]
            found[f"sheet_{kind.replace(' ', '_')}.png"] = contact_sheet_png(
                tiles, heading=f"{kind}: ED and ES", note=f"{size} x {size} pixels."
            )
    return found


def _kinds(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    return {k: found for k in COLOURS if (found := [s for s in samples if s.kind == k])}


def _spaced(samples: Sequence[Sample], n: int) -> list[Sample]:
    """At most ``n`` of them, evenly over the list: neighbours may be alike."""
    if len(samples) <= n:
        return list(samples)
    return [samples[round(i)] for i in np.linspace(0, len(samples) - 1, n)]


def _tile(sample: Sample) -> Tile:
    none = np.zeros(sample.image.grey.shape, bool)
    return Tile(sample.image.grey, none, none, f"{sample.kind}\n{sample.name} {sample.phase}")


def _levels(sample: Sample, name: str) -> FloatArray:
    """Grey levels of a structure or of the sector."""
    image = sample.image
    if name == "fan":
        return image.grey[sector_region(image)].astype(float)
    structure = next(s for s, n in NAMES.items() if n == name)
    return image.grey[structure_regions(image)[Structure(structure)]].astype(float)


def _grid(panels: Sequence[str], heading: str) -> tuple[Any, list[Any]]:
    """A chart of two columns, each panel with its name."""
    rows = -(-len(panels) // 2)
    height = _TOP_PX + rows * _PANEL_PX
    figure = new_figure(height, heading)
    wide = (WIDTH_PX - 2 * _LEFT_PX - _GAP_PX) // 2
    axes = []
    for place, name in enumerate(panels):
        left = _LEFT_PX + place % 2 * (wide + _LEFT_PX)
        top = _TOP_PX + place // 2 * _PANEL_PX + 30
        axis = add_axes(
            figure, left, top, WIDTH_PX - left - wide, height - top - (_PANEL_PX - 30 - _BOTTOM_PX)
        )
        write_text(axis, 0, 1.04, name, transform=axis.transAxes, weight="bold")
        axes.append(axis)
    return figure, axes


def _legend(figure: Any, axis: Any, samples: Sequence[Sample]) -> None:  # noqa: ANN401
    from matplotlib.lines import Line2D

    kinds = list(_kinds(samples))
    handles = [Line2D([], [], color=COLOURS[k], ls=STYLES[k], lw=1.6) for k in kinds]
    # Over the sheet: in a panel it would lie on a curve sooner or later.
    options = {
        "loc": "upper right",
        "ncols": 3,
        "bbox_to_anchor": (1, 1),
        "bbox_transform": figure.transFigure,
    }
    draw_legend(axis, handles, kinds, **options)
