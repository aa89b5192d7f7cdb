"""Whether a contour has a shape that experts draw."""

from __future__ import annotations

import cv2
import numpy as np

from lvef.core.records import PixelGeometry, Tracing, aspect_of, shape_of
from lvef.geometry.simpson import axis_length, chord_lengths, polygon_area

MIN_SOLIDITY, MAX_SLENDERNESS, MIN_SLENDERNESS, MIN_ANNULUS = 0.82, 2.9, 1.2, 0.42
"""Cavity area over that of its convex hull; long axis over largest chord; distance of the hinge points over largest chord.
Extremes of 798 expert masks of CAMUS training patients, A4C: 0.816; 1.216 to 2.895; 0.426."""

DENTS, SLENDER, ROUND, NARROW_ANNULUS = "dents", "slender", "round", "narrow annulus"
"""What may be implausible about a contour."""


def odd_outline(tracing: Tracing, spacing: PixelGeometry | None = None) -> set[str]:
    """What about this contour no expert mask of CAMUS shows; empty where it is plausible.

    Args:
        tracing: One frame's.
        spacing: Scale of the image; only its ratio matters.
    """
    # Without a unit: lengths in pixel widths, whatever the scale.
    shape = shape_of(spacing)
    widest = float(chord_lengths(tracing, shape).max())
    slender = axis_length(tracing, shape) / widest
    across = (tracing.mitral[1] - tracing.mitral[0]) * (1.0, aspect_of(spacing))
    annulus = float(np.hypot(*across)) / widest
    # A ratio of areas does not depend on the pixels' shape.
    hull = cv2.convexHull(tracing.contour.astype(np.float32))[:, 0]
    solidity = polygon_area(tracing.contour) / max(polygon_area(hull.astype(np.float64)), 1e-9)
    return {
        reason
        for reason, odd in (
            (DENTS, solidity < MIN_SOLIDITY),
            (SLENDER, slender > MAX_SLENDERNESS),
            (ROUND, slender < MIN_SLENDERNESS),
            (NARROW_ANNULUS, annulus < MIN_ANNULUS),
        )
        if odd
    }
