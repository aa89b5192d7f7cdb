"""Whether a contour has a shape that experts draw."""

from __future__ import annotations

import cv2
import numpy as np

from lvef.core.records import PixelGeometry, Tracing, aspect_of

MIN_SOLIDITY, MAX_SLENDERNESS, MIN_SLENDERNESS, MIN_ANNULUS = 0.82, 2.9, 1.2, 0.42
"""Cavity area over that of its convex hull; long axis over largest chord; distance of the hinge points over largest chord.
Extremes of 798 expert masks of CAMUS training patients, A4C: 0.816; 1.216 to 2.895; 0.426."""

DENTS, SLENDER, ROUND, NARROW_ANNULUS = "dents", "slender", "round", "narrow annulus"
"""What may be odd about an outline."""


def odd_outline(tracing: Tracing, spacing: PixelGeometry | None = None) -> set[str]:
    """What no expert mask of CAMUS shows of this outline; empty where it is plausible.

    Args:
        tracing: One frame's.
        spacing: Scale of the picture; only its ratio matters.
    """
    # In pixel widths: a scale in millimetres would change nothing but the unit.
    flat = np.array([1.0, aspect_of(spacing)])
    ends = (tracing.chords[:, 1] - tracing.chords[:, 0]) * flat
    widest = float(np.hypot(ends[:, 0], ends[:, 1]).max())
    slender = float(np.hypot(*((tracing.base - tracing.apex) * flat))) / widest
    annulus = float(np.hypot(*((tracing.mitral[1] - tracing.mitral[0]) * flat))) / widest
    contour = (tracing.contour * flat).astype(np.float32)
    hull = float(cv2.contourArea(cv2.convexHull(contour)))
    solidity = float(abs(cv2.contourArea(contour))) / max(hull, 1e-9)
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
