"""How far the 21 lines of a network lie from those of the expert masks, still by still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvef.core.records import FloatArray, Tracing
from lvef.core.terms import Phase, View
from lvef.evaluation.figures import Named, make_figures
from lvef.evaluation.stills.records import StillScore
from lvef.inference.card import Figure

EXPERT_LINES = "lines of the expert masks"
"""What the lines are measured against."""


def line_figures(scores: Sequence[StillScore], views: Sequence[View], split: str, seed: int) -> list[Figure]:
    """Mean absolute error over both coordinates of both ends of all 21 lines, in lengths of the expert's long axis.

    Args:
        scores: Stills of one network.
        views: Views to look at.
        split: Which patients, in words.
        seed: Of the bootstrap.

    Returns:
        One a view and phase, over the stills that both have lines of.
    """
    found: list[Figure] = []
    for view in views:
        for phase in Phase:
            errors = [
                line_error(s.tracing, s.tracing_expert)
                for s in scores
                if s.view == view and s.phase == phase and s.tracing and s.tracing_expert
            ]
            named = Named(f"line_mae_lengths_{view}_{phase}".lower(), "LV lengths")
            found += make_figures(
                [named],
                lambda v: [v.mean()],
                np.array(errors),
                split=split,
                reference=EXPERT_LINES,
                seed=seed,
            )
    return found


def line_error(predicted: Tracing, expert: Tracing) -> float:
    """Mean absolute error of the lines' coordinates, in lengths of the expert's long axis."""
    axis = expert.base - expert.apex
    return float(np.abs(_lines(predicted) - _lines(expert)).mean() / np.hypot(*axis))


def _lines(tracing: Tracing) -> FloatArray:
    """Long axis and chords, ``(21, 2, 2)``."""
    return np.concatenate([np.stack([tracing.apex, tracing.base])[None], tracing.chords])
