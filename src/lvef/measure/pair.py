"""Two stills of the same view as one clip."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip, shape_of


def pair_of_stills(stills: list[Clip], source: str) -> Clip:
    """Two stills as one clip of two frames, the smaller image padded at its right and lower side.

    Args:
        stills: ED, then ES; one frame each.
        source: Name of the pair.

    Raises:
        QualityRefusal: A file with more than one frame, or stills whose scales differ or cannot be compared.
    """
    for still in stills:
        if len(still.frames) != 1:
            raise QualityRefusal(
                "not_a_still",
                f"{still.source}: {len(still.frames)} frames were found; one still was expected.",
            )
    shapes = [still.frames[0].shape for still in stills]
    ed, es = stills
    scales = [still.scale for still in stills]
    if shapes[0] != shapes[1] and None in scales:
        raise QualityRefusal(
            "different_size",
            f"{source}: the stills are {shapes[0][1]} x {shapes[0][0]} and {shapes[1][1]} x {shapes[1][0]} pixels without "
            "a scale; both must have the same scale for an EF. Export them in the same way.",
        )
    if not _alike(ed, es):
        raise QualityRefusal(
            "different_scale", f"{source}: the stills have different scales; export them at the same depth."
        )
    height, width = np.max(shapes, axis=0)
    frames = np.zeros((2, height, width), np.uint8)
    for target, still in zip(frames, stills, strict=True):
        h, w = still.frames[0].shape
        target[:h, :w] = still.frames[0]
    # One scale alone says how large its own still is, and the shape of the other's pixels.
    shape = shape_of(ed.spacing or es.spacing)
    return replace(
        ed,
        frames=frames,
        times_s=np.array([0.0, 1.0]),
        timing="none (two stills)",
        source=source,
        spacing=shape if None in scales else ed.spacing,
        spacing_note=ed.spacing_note or es.spacing_note,
        region=None,
        notices=tuple(dict.fromkeys((*ed.notices, *es.notices))),
    )


def _alike(ed: Clip, es: Clip) -> bool:
    """Whether nothing that is known of the two stills' pixels differs."""
    if ed.scale and es.scale:
        pairs = [(ed.scale.x_mm, es.scale.x_mm), (ed.scale.y_mm, es.scale.y_mm)]
    elif ed.spacing and es.spacing:
        pairs = [(ed.pixel_aspect, es.pixel_aspect)]
    else:
        pairs = []
    return all(math.isclose(one, other, rel_tol=0.01) for one, other in pairs)
