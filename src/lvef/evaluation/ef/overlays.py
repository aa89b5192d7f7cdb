"""Frames with the lines a network predicted, in blue, over those drawn by people, in red; as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import LvefError
from lvef.core.records import FloatArray
from lvef.core.terms import Phase
from lvef.evaluation.ef.manual_lines import Manual
from lvef.evaluation.ef.records import Case, EfRecord, as_lines
from lvef.evaluation.plots.style import SMALL, WIDTH_PX, draw_title, new_figure, short_name, to_png
from lvef.io.open import open_clip
from lvef.report.summary_words import INK, SOFT, drawable

PREDICTED, MANUAL = "#4aa3ff", "#ff4b3e"
"""Blue and red, as the report has them, light enough for lines on black."""

COLUMNS = 4
"""Frames in one row: ED and ES of two cases."""

ROOM = 1.5
"""Side of the part that is shown, in heights of the ventricle."""

_EDGE_PX, _GAP_PX, _TOP_PX, _CAPTION_PX = 24, 14, 100, 64
_SIDE_PX = (WIDTH_PX - 2 * _EDGE_PX - (COLUMNS - 1) * _GAP_PX) / COLUMNS


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """One frame with both sets of lines.

    Attributes:
        picture: ``(h, w)`` uint8.
        predicted: ``(21, 2, 2)`` pixels.
        manual: ``(21, 2, 2)`` pixels.
        caption: Two lines beneath.
    """

    picture: NDArray[np.uint8]
    predicted: FloatArray
    manual: FloatArray
    caption: tuple[str, str]


def chosen_cases(
    cases: Sequence[Case], records: Sequence[EfRecord], manual: Manual, number: int
) -> list[tuple[Case, EfRecord]]:
    """Cases to show: from the best drawn to the worst in even steps, so that neither kind is picked.

    Args:
        cases: They.
        records: Of one network, in their order.
        manual: Lines drawn by people.
        number: How many at most.

    Returns:
        Those that have both sets of lines on both frames, by their error.
    """
    known = [
        (_error(case, record, manual), case, record)
        for case, record in zip(cases, records, strict=True)
        if record.lines_ed and record.lines_es and len(manual.get(case.item, {})) == len(Phase)
    ]
    known.sort(key=lambda entry: (entry[0], entry[1].item))
    places = np.unique(np.linspace(0, len(known) - 1, min(number, len(known))).round().astype(int))
    return [(known[i][1], known[i][2]) for i in places.tolist()] if known else []


def overlays_of(chosen: Sequence[tuple[Case, EfRecord]], manual: Manual) -> list[Overlay]:
    """ED and ES frame of each case; a file that cannot be read any more is passed over."""
    found = []
    for case, record in chosen:
        try:
            clip = open_clip(case.path)
        except LvefError:
            continue
        for phase, numbers in ((Phase.ED, record.lines_ed), (Phase.ES, record.lines_es)):
            drawn = manual[case.item][phase]
            if drawn.frame >= len(clip.frames):
                continue
            lines = as_lines(numbers)
            side = case.side_px or max(clip.frames.shape[1:])
            error = float(np.abs(lines - drawn.lines).mean()) / side
            first = short_name(case.item)
            if phase is Phase.ES:
                first = f"EF {record.ef_at_named_percent:.0f}, manifest {case.ef_percent:.0f}"
            facts = f"{phase}, frame {drawn.frame}: error {error:.4f}"
            found.append(Overlay(clip.frames[drawn.frame], lines, drawn.lines, (first, facts)))
    return found


def overlay_png(overlays: Sequence[Overlay], *, heading: str) -> bytes:
    """Frames in rows of `COLUMNS`.

    Args:
        overlays: In the order they are to be read.
        heading: The line over the sheet.

    Returns:
        PNG, `lvef.evaluation.plots.style.WIDTH_PX` wide.
    """
    rows = max(1, -(-len(overlays) // COLUMNS))
    height = round(_TOP_PX + rows * (_SIDE_PX + _CAPTION_PX) + 12)
    figure = new_figure(height)
    draw_title(figure, heading)
    for x, words, colour in ((_EDGE_PX, "predicted", PREDICTED), (_EDGE_PX + 170, "manual", MANUAL)):
        _line(figure, x, height, colour)
        _words(figure, x + 50, height - 62, words, INK)
    for place, overlay in enumerate(overlays):
        row, column = divmod(place, COLUMNS)
        left = _EDGE_PX + column * (_SIDE_PX + _GAP_PX)
        bottom = height - _TOP_PX - row * (_SIDE_PX + _CAPTION_PX) - _SIDE_PX
        _frame(figure, left, bottom, height, overlay)
        for number, line in enumerate(overlay.caption):
            _words(figure, left, bottom - 8 - 22 * number, line, INK if number == 0 else SOFT)
    return to_png(figure)


def _error(case: Case, record: EfRecord, manual: Manual) -> float:
    pairs = ((record.lines_ed, Phase.ED), (record.lines_es, Phase.ES))
    return float(np.mean([np.abs(as_lines(n) - manual[case.item][phase].lines).mean() for n, phase in pairs]))


def _frame(figure: Any, left: float, bottom: float, height: int, overlay: Overlay) -> None:  # noqa: ANN401
    axes = figure.add_axes(
        (left / WIDTH_PX, bottom / height, _SIDE_PX / WIDTH_PX, _SIDE_PX / height),
        facecolor="black",
        xticks=[],
        yticks=[],
    )
    axes.spines[:].set_visible(False)
    h, w = overlay.picture.shape
    axes.imshow(overlay.picture, cmap="gray", vmin=0, vmax=255, interpolation="antialiased", aspect="auto")
    for lines, colour in ((overlay.manual, MANUAL), (overlay.predicted, PREDICTED)):
        for number, line in enumerate(lines):
            axes.plot(
                line[:, 0],
                line[:, 1],
                color=colour,
                lw=1.6 if number == 0 else 0.9,
                alpha=0.9,
            )
    # The ventricle fills an eighth of most pictures; cut out, the lines can be told apart.
    ends = np.concatenate([overlay.manual, overlay.predicted]).reshape(-1, 2)
    (x, y), reach = (ends.min(axis=0) + ends.max(axis=0)) / 2, np.ptp(ends, axis=0).max()
    half = min(max(h, w, 1) / 2, ROOM * reach / 2)
    axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half))


def _line(figure: Any, x: float, height: int, colour: str) -> None:  # noqa: ANN401
    from matplotlib.lines import Line2D

    at = [x / WIDTH_PX, (x + 40) / WIDTH_PX]
    figure.add_artist(
        Line2D(at, [(height - 72) / height] * 2, color=colour, lw=2, transform=figure.transFigure)
    )


def _words(figure: Any, x: float, y: float, text: str, colour: str) -> None:  # noqa: ANN401
    height = figure.get_figheight() * figure.dpi
    figure.text(
        x / WIDTH_PX, y / height, drawable(text), size=SMALL, color=colour, va="top", parse_math=False
    )
