"""Frames of phantoms and of moving stills as further training pictures of the segmentation network.

They show hearts at contractions that no expert drew: any EF, any instant. Moving stills are made of the stills of the
training patients only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np

from lvef.core.errors import LvefError
from lvef.core.terms import Phase, View
from lvef.datasets.camus import CamusStill
from lvef.synthesis.motion.heart import heart_of
from lvef.synthesis.motion.pair import StillPair
from lvef.synthesis.motion.play import MotionOptions, moving_still
from lvef.synthesis.phantom.case import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render
from lvef.synthesis.truth import SyntheticClip

STREAM = 60417
"""Keeps the chance of these pictures apart from that of collections that `lvef synthesize` writes for the same seed."""

FRAMES = 4
"""Frames of a phantom, 0.1 s apart."""


def phantom_stills(n: int, size: int, seed: int) -> Iterator[CamusStill]:
    """`FRAMES` frames of each of ``n`` phantoms, every third in two chambers.

    Args:
        n: Number of phantoms.
        size: Side of their pictures in pixels.
        seed: From which all chance comes.
    """
    for k in range(n):
        rng = np.random.default_rng([seed, STREAM, k])
        view = View.A2C if k % 3 == 2 else View.A4C
        options = PhantomOptions(view=view, size=size, n_frames=FRAMES, frame_rate_hz=10.0)
        yield from _frames(render(draw_phantom(rng, options, name=f"phantom{k}"), rng))


def moving_stills(stills: Iterable[CamusStill], size: int, frames: int, seed: int) -> Iterator[CamusStill]:
    """So many frames of every pair of stills, at an EF drawn evenly; pairs that cannot be set in motion are left out.

    Args:
        stills: Stills, those of a patient and view one after the other.
        size: Side of the pictures in pixels.
        frames: Frames of each pair, 0.15 s apart.
        seed: From which all chance comes.
    """
    for k, ((patient, view), both) in enumerate(groupby(stills, key=lambda s: (s.patient, s.view))):
        by_phase = {still.phase: still for still in both}
        if len(by_phase) < 2:
            continue
        ed, es = by_phase[Phase.ED], by_phase[Phase.ES]
        rng = np.random.default_rng([seed, STREAM + 1, k])
        options = MotionOptions(size=size, n_frames=frames, frame_rate_hz=1 / 0.15)
        try:
            pair = StillPair(ed.picture, es.picture, ed.mask, es.mask, ed.spacing, view, patient)
            clip = moving_still(heart_of(pair), options, rng, name=patient)
        except LvefError:
            continue
        yield from _frames(clip)


def _frames(made: SyntheticClip) -> Iterator[CamusStill]:
    for picture, mask in zip(made.clip.frames, made.labels, strict=True):
        yield CamusStill(
            made.clip.source, made.clip.view, Phase.ED, picture, mask, made.clip.scale, "synthetic", None
        )
