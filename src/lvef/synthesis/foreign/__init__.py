"""Short synthetic clips of views from which no EF is measured, to train and test the recognition of views.

Labelled real images of them are not at hand; they are made: echo views as planes through a simple heart (`echo`, `heart`),
and what is no echo of the heart in two dimensions (`not_echo`). Apical four- and two-chamber views of the same
heart stand beside them, so that the plane is all that sets them apart.

Seed `FINAL_SEED` makes the clips of the final test of refusals: never train on it, and select nothing by it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lvef.core.records import FrameArray
from lvef.core.terms import View
from lvef.synthesis.foreign.echo import PLANES, echo_clip
from lvef.synthesis.foreign.not_echo import NOT_ECHO

FINAL_SEED = 20261
"""Seed of the final test; training and selection use any other."""

FOREIGN_CLASSES: Mapping[str, View] = {
    "a4c": View.A4C,
    "a2c": View.A2C,
    "a3c": View.OTHER_APICAL,
    "a5c": View.OTHER_APICAL,
    "plax": View.PLAX,
    "psax_mitral": View.PSAX,
    "psax_papillary": View.PSAX,
    "psax_apical": View.PSAX,
    "subcostal": View.SUBCOSTAL,
    **dict.fromkeys(NOT_ECHO, View.NOT_ECHO),
}
"""View of each class. The first two, ``a4c`` and ``a2c``, are not foreign: they are there for balance."""


def foreign_clip(
    name: str, rng: np.random.Generator, *, n_frames: int = 8, size: int = 160, rate_hz: float | None = None
) -> FrameArray:
    """Make a clip.

    Args:
        name: One of `FOREIGN_CLASSES`.
        rng: Random generator; the same state gives the same clip.
        n_frames: Frames.
        size: Side of the square in pixels.
        rate_hz: Frames per second of an echo; None spreads the frames over one beat or a little more.

    Returns:
        ``(n_frames, size, size)`` uint8 grey levels.
    """
    if name in PLANES:
        return echo_clip(name, rng, n_frames=n_frames, size=size, rate_hz=rate_hz)
    return NOT_ECHO[name](rng, n_frames, size)
