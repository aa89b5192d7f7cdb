"""Contact sheets: frames of a clip with the contours of every model, and of the reference where there is one.

They show images whose terms keep them out of repositories; they are written to the output folder alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lvef.core.errors import QualityRefusal
from lvef.core.records import BoolArray, Box, Clip
from lvef.evaluation.plots.style import (
    DPI,
    GREEN,
    NORMAL,
    ORANGE,
    PURPLE,
    SKY,
    SMALL,
    VERMILION,
    WIDTH_PX,
    new_figure,
    to_png,
)
from lvef.report.style import INK
from lvef.transforms.sector import find_sector
from studies.external.predictions import Prediction

COLUMNS, FRAMES = 4, 8
"""Images in a row, and frames of a clip."""

COLOURS = (SKY, ORANGE, GREEN, PURPLE)
"""Models, in their order."""

_TOP_PX, _CAPTION_PX, _GAP_PX = 100, 34, 8


def sheet_png(
    name: str, clip: Clip, predictions: Mapping[str, Prediction], truth: Mapping[int, BoolArray]
) -> bytes:
    """One clip or still.

    Args:
        name: Written over it.
        clip: What the models were shown.
        predictions: By model.
        truth: Cavity of the frames that have a reference, drawn dashed in red.
    """
    first = next(iter(predictions.values()))
    frames = chosen_frames(len(clip.frames), first)
    rows = -(-len(frames) // COLUMNS)
    columns = min(COLUMNS, len(frames))
    box = _box(clip)
    side = (WIDTH_PX - (columns + 1) * _GAP_PX) / columns
    height = round(_TOP_PX + rows * (side * box.height / box.width + _CAPTION_PX))
    figure = new_figure(height, name)
    for place, (label, prediction) in enumerate(predictions.items()):
        ef = (
            f"EF {prediction.ef_percent:.0f}"
            if np.isfinite(prediction.ef_percent)
            else prediction.measurement.reason_code
        )
        colour = COLOURS[place % len(COLOURS)]
        _words(figure, 24 + place * WIDTH_PX / 4, height - 58, f"{label}: {ef or 'no EF'}", colour, NORMAL)
    for place, frame in enumerate(frames):
        row, column = divmod(place, COLUMNS)
        tall = side * box.height / box.width
        left = _GAP_PX + column * (side + _GAP_PX)
        bottom = height - _TOP_PX - (row + 1) * (tall + _CAPTION_PX) + _CAPTION_PX
        axes = figure.add_axes(
            (left / WIDTH_PX, bottom / height, side / WIDTH_PX, tall / height), xticks=[], yticks=[]
        )
        axes.imshow(
            clip.frames[frame], cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="antialiased"
        )
        for number, prediction in enumerate(predictions.values()):
            tracing = prediction.tracings[frame] if prediction.tracings else None
            if tracing is not None:
                line = np.vstack([tracing.contour, tracing.contour[:1]])
                axes.plot(*line.T, color=COLOURS[number % len(COLOURS)], lw=1.2)
        if frame in truth:
            axes.contour(
                np.pad(truth[frame], 1)[1:-1, 1:-1],
                levels=[0.5],
                colors=VERMILION,
                linewidths=1.0,
                linestyles="--",
            )
        axes.set(xlim=(box.x0 - 0.5, box.x1 - 0.5), ylim=(box.y1 - 0.5, box.y0 - 0.5))
        _words(figure, left, bottom - 6, _caption(frame, first), INK, SMALL)
    return to_png(figure)


def chosen_frames(n: int, prediction: Prediction) -> list[int]:
    """Evenly spaced frames that include the measured ED and ES, where there are any."""
    frames = np.unique(np.linspace(0, n - 1, min(FRAMES, n)).round().astype(int))
    for special in (prediction.measurement.ed_frame, prediction.measurement.es_frame):
        if special is not None and special not in frames:
            frames[np.argmin(np.abs(frames - special))] = special
    return [int(frame) for frame in frames]


def _caption(frame: int, prediction: Prediction) -> str:
    m = prediction.measurement
    phase = " ED" if frame == m.ed_frame else " ES" if frame == m.es_frame else ""
    return f"frame {frame}{phase}"


def _box(clip: Clip) -> Box:
    try:
        return find_sector(clip).box
    except QualityRefusal:
        return Box(0, 0, clip.frames.shape[2], clip.frames.shape[1])


def _words(figure: Any, left: float, top: float, text: str, colour: str, size: float) -> None:  # noqa: ANN401
    height = figure.get_figheight() * DPI
    figure.text(left / WIDTH_PX, top / height, text, size=size, color=colour, va="top", parse_math=False)


def sheets(
    cases: Sequence[tuple[str, Clip, Mapping[int, BoolArray]]], found: Mapping[str, Mapping[str, Prediction]]
) -> dict[str, bytes]:
    """A sheet for each case, by file name."""
    return {
        f"{name}.png": sheet_png(name, clip, {label: by[name] for label, by in found.items()}, truth)
        for name, clip, truth in cases
    }
