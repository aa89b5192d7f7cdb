"""Measures of one contour or of the contours of one clip; pure functions.

The signed border distance is defined here once: along the border of the *reference*, how far the model's border lies inside
of it. Positive: the model draws the ventricle too small there, wall into blood. Negative: too large.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy import ndimage

from lvef.core.records import BoolArray, FloatArray, FrameArray, Tracing
from lvef.core.terms import Structure
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import axis_length
from lvef.geometry.tracing import implausible_shape
from lvef.measure.thresholds import Thresholds

REGIONS = ("septal", "lateral", "apical", "basal")
"""Parts of the border. Basal: between the two hinge points. Apical: the first `APICAL` of the long axis. Septal and lateral:
the remaining walls left and right of the axis, as an A4C shows them (every clip with a reference has its septum left)."""

APICAL = 0.25
"""Part of the long axis that counts as apical."""

CAMUS_WALL_RATIO = (0.968, 0.077)
"""Wall area at ES over that at ED, experts on 399 A4C of CAMUS training patients, mean and SD: a wall keeps its mass."""

REASONS = "untraced", "holes", "pieces", "no wall", "dents", "slender", "round", "narrow annulus", "jump"
"""Why a frame's shape is implausible."""

MAX_HOLES, MAX_PIECES = 0.01, 0.03
"""Part of the cavity that holes in it, or pieces beside its largest, may take. Expert masks have none."""

JUMP = 0.2
"""Part by which a cavity's area may differ from the mean of the frames before and after. The drawn beat of 14 frames stays
within .06."""


def filled(tracing: Tracing | None, shape: tuple[int, int]) -> BoolArray:
    """The cavity inside a contour, ``shape``; empty without one."""
    if tracing is None:
        return np.zeros(shape, dtype=bool)
    return mask_of_contour(tracing.contour, shape) > 0


def signed_distances(model: FloatArray, reference: FloatArray) -> FloatArray:
    """For each point of the reference's contour how far the model's border lies inside of it, ``(k,)`` pixels.

    Args:
        model: ``(m, 2)`` closed contour of the model.
        reference: ``(k, 2)`` points.
    """
    polygon = model.astype(np.float32)[:, None]
    # OpenCV's distance is positive inside of the polygon.
    return np.array([-cv2.pointPolygonTest(polygon, (float(x), float(y)), True) for x, y in reference])


def regions_of(contour: FloatArray, tracing: Tracing) -> FloatArray:
    """Place in `REGIONS` of each point ``(k, 2)`` of a contour, ``(k,)``, by axis and hinge points of its tracing."""
    axis = tracing.base - tracing.apex
    along = (contour - tracing.apex) @ axis / float(axis @ axis)
    across = (contour - tracing.apex) @ np.array([axis[1], -axis[0]])
    # With the apex up the axis points down the image, and this normal to the right.
    region = np.where(across > 0, REGIONS.index("lateral"), REGIONS.index("septal"))
    region = np.where(along < APICAL, REGIONS.index("apical"), region)
    left, right = tracing.mitral
    plane = right - left
    length = float(np.hypot(*plane))
    normal = np.array([-plane[1], plane[0]]) / length
    off = np.abs((contour - left) @ normal)
    between = (contour - left) @ plane / length**2
    basal = (along > 0.5) & (between > 0.05) & (between < 0.95) & (off < 0.15 * float(np.hypot(*axis)))
    return np.where(basal, REGIONS.index("basal"), region).astype(float)


def even_contour(contour: FloatArray, step: float = 1.0) -> FloatArray:
    """A closed contour with points every ``step`` pixels, ``(m, 2)``, so that each piece of border counts alike."""
    closed = np.vstack([contour, contour[:1]])
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.arange(0.0, way[-1], step)
    return np.stack([np.interp(at, way, closed[:, k]) for k in (0, 1)], axis=1)


def regional_distances(model: Tracing | None, reference: Tracing) -> dict[str, float]:
    """Mean signed border distance in pixels over each of `REGIONS` and over ``all``; NaN without a model's contour."""
    if model is None:
        return dict.fromkeys(("all", *REGIONS), float("nan"))
    contour = even_contour(reference.contour)
    distance, region = signed_distances(model.contour, contour), regions_of(contour, reference)
    found = {"all": float(distance.mean())}
    for place, name in enumerate(REGIONS):
        here = region == place
        found[name] = float(distance[here].mean()) if here.any() else float("nan")
    return found


def implausible(labels: FrameArray | None, tracings: Sequence[Tracing | None]) -> dict[str, BoolArray]:
    """Which frames have a shape that no expert draws, by reason (`REASONS`), ``(n,)`` each.

    Args:
        labels: ``(n, size, size)`` classes of the model before tracing, or None.
        tracings: One a frame.
    """
    n = len(tracings)
    found = {reason: np.zeros(n, dtype=bool) for reason in REASONS}
    for i, tracing in enumerate(tracings):
        reasons = {"untraced"} if tracing is None else implausible_shape(tracing)
        for reason in reasons | (set() if labels is None else _odd_labels(labels[i])):
            found[reason][i] = True
    areas = np.array([np.nan if t is None else _area(t.contour) for t in tracings])
    if n > 2:
        found["jump"][1:-1] = np.abs(2 * areas[1:-1] / (areas[:-2] + areas[2:]) - 1) > JUMP
    return found


def wall_area(labels: FrameArray, frame: int) -> float:
    """Area of the wall around a frame, pixels of the model's square: the mean of that frame and of those beside it."""
    near = labels[max(frame - 1, 0) : frame + 2]
    return float((near == Structure.MYOCARDIUM).sum(axis=(1, 2)).mean())


def jitter(tracings: Sequence[Tracing | None]) -> float:
    """Mean distance of the border from its place between the frames before and after, percent of the long axis.

    NaN where no three frames in a row are traced.
    """
    found = []
    for before, now, after in zip(tracings, tracings[1:], tracings[2:], strict=False):
        if before is not None and now is not None and after is not None:
            points = [
                np.concatenate([t.chords.reshape(-1, 2), t.apex[None], t.mitral])
                for t in (before, now, after)
            ]
            off = np.hypot(*(points[1] - (points[0] + points[2]) / 2).T)
            found.append(100 * float(off.mean()) / axis_length(now))
    return float(np.mean(found)) if found else float("nan")


def _odd_labels(labels: FrameArray) -> set[str]:
    cavity = labels == Structure.LV
    pieces, count = ndimage.label(cavity)
    if not count:
        return {"untraced"}
    sizes = np.bincount(pieces.ravel())[1:]
    largest = pieces == 1 + int(np.argmax(sizes))
    area = int(largest.sum())
    holes = int((ndimage.binary_fill_holes(largest) & (labels != Structure.LV)).sum())
    ring = ndimage.binary_dilation(largest, np.ones((5, 5))) & ~cavity
    # A model without wall labels cannot miss a wall.
    has_wall = bool((labels == Structure.MYOCARDIUM).any())
    return {
        reason
        for reason, odd in (
            ("holes", holes > MAX_HOLES * area),
            ("pieces", int(cavity.sum()) - area > MAX_PIECES * area),
            (
                "no wall",
                has_wall
                and float((labels[ring] >= Structure.MYOCARDIUM).mean()) < Thresholds.min_wall_contact,
            ),
        )
        if odd
    }


def _area(contour: FloatArray) -> float:
    return float(abs(cv2.contourArea(contour.astype(np.float32))))
