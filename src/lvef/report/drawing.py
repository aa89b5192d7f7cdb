"""What every drawing of a measurement shares: the lock, the part of a picture that is shown, the curve in its unit."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from lvef.core.records import Clip, FloatArray, Measurement, Tracing

DRAWING = threading.Lock()
"""Held while matplotlib draws: its font machinery is not written for threads, and drawing holds the interpreter anyway."""

ED_COLOUR, ES_COLOUR, ANSWER_COLOUR = "#0072b2", "#d55e00", "#009e73"
"""End-diastole, end-systole and the answer's beat on white: blue, vermilion and green of the colour-blind-safe palette of
Okabe and Ito, 2008."""

ED_ON_BLACK, ES_ON_BLACK = "#56b4e9", "#f0a01e"
"""End-diastole and end-systole on an echo: sky blue and orange of the same palette."""

ZOOM_MARGIN = 0.45
"""Room around the ventricle in a picture, as a part of its longer side."""


def has_curve(measurement: Measurement) -> bool:
    """Whether there is a volume curve worth drawing: two stills have volumes, but no time between them."""
    curve = measurement.curve
    return curve is not None and len(curve.volume) > 2 and bool(np.isfinite(curve.volume).any())


def curve_values(measurement: Measurement) -> FloatArray:
    """The curve's volumes ``(n,)`` as they are drawn: ml, or per cent of the answer's ED where there is no scale.

    Args:
        measurement: One that has a curve.
    """
    curve = measurement.curve
    assert curve is not None
    if measurement.volume_unit == "ml":
        return curve.volume
    # Without a scale only the shape means something.
    ed = measurement.ed_frame
    reference = float(curve.volume[ed]) if ed is not None and ed < len(curve.volume) else float("nan")
    reference = reference if np.isfinite(reference) and reference > 0 else float(np.nanmax(curve.volume))
    return np.asarray(100 * curve.volume / (reference or 1.0), dtype=np.float64)


def tracing_of(measurement: Measurement, frame: int) -> Tracing | None:
    """The tracing of a frame, or None."""
    return measurement.tracings[frame] if 0 <= frame < len(measurement.tracings) else None


def window(clip: Clip, tracings: Sequence[Tracing | None], shape: float) -> tuple[float, float, float, float]:
    """The part of the picture to show: the ventricle with room around it.

    Args:
        clip: The clip.
        tracings: What must be seen; without any the whole picture is shown.
        shape: Width over height of the place where it is shown.

    Returns:
        x0, x1, y0, y1 in pixels of the picture, from the outer edge of the first pixel (-0.5); may reach over its edges.
    """
    _, height, width = clip.frames.shape
    aspect = clip.pixel_aspect
    points = [t.contour for t in tracings if t is not None]
    low, high = np.array([-0.5, -0.5]), np.array([width - 0.5, height - 0.5])
    if points:
        found = np.concatenate(points)
        margin = ZOOM_MARGIN * np.ptp(found, axis=0).max()
        low, high = np.maximum(low, found.min(axis=0) - margin), np.minimum(high, found.max(axis=0) + margin)
    (x, y), (wide, tall) = (low + high) / 2, high - low
    wide, tall = max(wide, tall * aspect * shape), max(tall, wide / shape / aspect)
    return float(x - wide / 2), float(x + wide / 2), float(y - tall / 2), float(y + tall / 2)
