"""The phantom that demo, page and tests show: always the same heart, in either apical view."""

from __future__ import annotations

import numpy as np

from lvef.core.terms import View
from lvef.synthesis.acquisition import RhythmKind
from lvef.synthesis.phantom.case import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render
from lvef.synthesis.truth import SyntheticClip

SAMPLE_SEED = 1
"""Seed of the phantom: the first one. It is not chosen for its answer."""

SAMPLE_EF_PERCENT = 55.0
"""EF of the phantom's ventricle in space."""

SAMPLE_RATE_BPM, SAMPLE_FRAME_RATE_HZ, SAMPLE_FRAMES = 70.0, 50.0, 150
"""Heart rate, frames a second and number of frames: three seconds, in which two or three beats are whole."""


def sample_phantom(view: View = View.A4C) -> SyntheticClip:
    """Make the phantom.

    Args:
        view: Apical view that is filmed.
    """
    rng = np.random.default_rng(SAMPLE_SEED)
    options = PhantomOptions(
        ef_percent=SAMPLE_EF_PERCENT,
        heart_rate_bpm=SAMPLE_RATE_BPM,
        rhythm=RhythmKind.SINUS,
        frame_rate_hz=SAMPLE_FRAME_RATE_HZ,
        n_frames=SAMPLE_FRAMES,
        view=view,
    )
    return render(draw_phantom(rng, options, name="phantom"), rng)
