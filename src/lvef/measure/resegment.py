"""A contour from three clicks: the apex and the two hinge points of the mitral annulus.

The frame is moved, turned and scaled so that the clicked landmarks lie where a ventricle usually lies in the training
images: the segmentation model sees a ventricle of the usual size that stands upright. Its contour comes back into the image,
and its apex and hinge points are put onto the clicked ones; the walls between follow smoothly and keep their width.
Where the model finds nothing plausible, a bullet of the usual width goes through the three points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import Box, Clip, FloatArray, FrameArray, Tracing
from lvef.geometry.control_points import APEX, control_points_of_tracing, tracing_of_control_points
from lvef.measure.predictor import FrameContext, Predictor
from lvef.measure.predictors import trace_in_image
from lvef.transforms.frames import context_frames

POSE = ((0.47, 0.23), (0.55, 0.66))
"""Apex and middle of the mitral plane in the square that the model sees, in parts of its side: means of 1598 expert masks of
CAMUS training patients (standard deviation .04 across and .04 to .09 along). Source: ``python -m studies.three_clicks``."""

WIDTH, WIDEST_AT = 0.52, 0.7
"""Largest width of the ventricle in lengths of its long axis, and where it is on the way from apex to base. Means of the
same masks: .55 at ED, .50 at ES (standard deviation .09); .69 at ED, .75 at ES."""

MIN_LENGTH_PX = 20.0
"""A shorter long axis leaves the model nothing to see."""

MIN_LENGTH_PART = 0.08
"""Shortest long axis, as a part of the longer side of the image."""

ANNULUS_RANGE = (0.12, 1.0)
"""Distance of the hinge points in lengths of the long axis; the same masks: .145 to .70. Where the apex was clicked as a
hinge point it is 1.4 and more."""

MIN_ANGLE_DEG = 45.0
"""Smallest angle between long axis and mitral plane; the same masks: 59 and more."""

MAX_OFF_PART = 0.35
"""Largest distance of the model's apex and base from the clicked ones, in lengths of the long axis: beyond it the model has
drawn something else. On 320 stills of patients it had not seen, with the expert's landmarks: at most .28."""

HINGE_REACH = 0.4
"""Part of a wall, from its hinge point, that follows when the width of the annulus is changed. With the expert's landmarks
on the stills of 80 patients that the model had not seen, the mean absolute EF error is 4.5 points; 5.4 where the whole wall
follows, 10.1 with an affine map. Source: ``python -m studies.three_clicks --contours``."""

OTHER_STILL = "none"
"""Beginning of a clip's timing where its two frames are stills without times."""


@dataclass(frozen=True, slots=True)
class Resegmented:
    """A contour from three clicks.

    Attributes:
        points: Its control points as `lvef.geometry.control_points` has them, ``(15, 2)`` pixels of the image.
        by_model: Whether the model drew it; else it is the usual shape through the three points.
    """

    points: FloatArray
    by_model: bool


def resegment(
    clip: Clip,
    frame: int,
    apex: Sequence[float],
    annulus: Sequence[Sequence[float]],
    predictor: Predictor | None,
) -> Resegmented:
    """The contour of a frame through a clicked apex and two clicked hinge points.

    Args:
        clip: The clip, or two stills as one; black outside of the sector.
        frame: Frame, from 0.
        apex: ``(x, y)`` in pixels of the image.
        annulus: The two hinge points ``(x, y)``, in any order.
        predictor: A segmentation model; None, or another model, gives the usual shape.

    Raises:
        GeometryError: No such frame, or points that cannot be apex and mitral annulus.
    """
    if not 0 <= frame < len(clip.frames):
        raise GeometryError(f"Frame {frame} was clicked; the clip has frames 0 to {len(clip.frames) - 1}.")
    landmarks = check_landmarks(apex, annulus, clip.frames.shape[1:], clip.pixel_aspect)
    if predictor is not None and predictor.gives_masks:
        points = _by_model(clip, frame, landmarks, predictor)
        if points is not None:
            return Resegmented(points, by_model=True)
    points = usual_shape(landmarks, clip.pixel_aspect)
    tracing_of_control_points(points, aspect=clip.pixel_aspect)
    return Resegmented(points, by_model=False)


def check_landmarks(
    apex: Sequence[float], annulus: Sequence[Sequence[float]], size: tuple[int, ...], aspect: float
) -> FloatArray:
    """Apex, left and right hinge point, ``(3, 2)`` pixels of the image.

    Args:
        apex: ``(x, y)``.
        annulus: The two hinge points, in any order.
        size: Height and width of the image.
        aspect: Height of a pixel over its width.

    Raises:
        GeometryError: They are not three points in the image, or cannot be apex and mitral annulus.
    """
    try:
        points = np.array([apex, *annulus], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.shape != (3, 2) or not np.isfinite(points).all():
        raise GeometryError("Three points (x, y) are needed: the apex and both ends of the mitral annulus.")
    height, width = size[:2]
    if (points < -0.5).any() or (points > (width - 0.5, height - 0.5)).any():
        raise GeometryError("A point lies outside of the image: click apex and annulus inside it.")
    if tuple(points[1]) > tuple(points[2]):
        points = points[[0, 2, 1]]
    flat = points * (1.0, aspect)
    axis, plane = flat[1:].mean(axis=0) - flat[0], flat[2] - flat[1]
    length, across = float(np.hypot(*axis)), float(np.hypot(*plane))
    if length < max(MIN_LENGTH_PX, MIN_LENGTH_PART * max(height * aspect, width)):
        raise GeometryError(
            f"The points are too close together ({length:.0f} pixels from apex to annulus): click the apex and both ends "
            "of the mitral annulus."
        )
    if across > ANNULUS_RANGE[1] * length:
        raise GeometryError(
            "The mitral annulus would be longer than the ventricle: click the apex first, then both ends of the annulus."
        )
    if across < ANNULUS_RANGE[0] * length:
        raise GeometryError(
            "The two ends of the mitral annulus are too close together: click the hinge points on both sides."
        )
    angle = np.degrees(np.arccos(np.clip(abs(axis @ plane) / (length * across), 0.0, 1.0)))
    if angle < MIN_ANGLE_DEG:
        raise GeometryError(
            "The three points lie nearly on one line: click the apex, and the annulus across the long axis."
        )
    return points


def usual_shape(landmarks: FloatArray, aspect: float = 1.0) -> FloatArray:
    """The control points of a bullet of the usual width through apex and hinge points, ``(15, 2)``.

    From the apex it widens as half an ellipse, and narrows towards the annulus as a cosine.

    Args:
        landmarks: Apex, left and right hinge point, ``(3, 2)`` pixels of the image.
        aspect: Height of a pixel over its width.
    """
    flat = landmarks * (1.0, aspect)
    base, plane = flat[1:].mean(axis=0), flat[2] - flat[1]
    axis = base - flat[0]
    length, annulus = float(np.hypot(*axis)), float(np.hypot(*plane))
    widest = max(WIDTH * length, 1.05 * annulus)
    part = 1 - np.cos(np.linspace(0.0, np.pi / 2, 65))
    near = np.clip(part / WIDEST_AT, 0.0, 1.0)
    beyond = np.clip((part - WIDEST_AT) / (1 - WIDEST_AT), 0.0, 1.0)
    width = np.where(
        part < WIDEST_AT,
        widest * np.sqrt(1 - (1 - near) ** 2),
        widest + (annulus - widest) * (1 - np.cos(beyond * np.pi / 2)),
    )
    # Along the mitral plane, so that the walls end in the hinge points.
    across = np.multiply.outer(width / 2, plane / annulus)
    middle = flat[0] + np.multiply.outer(part, axis)
    contour = np.concatenate([(middle - across)[::-1], (middle + across)[1:]])
    points = control_points_of_tracing(Tracing(contour, flat[0], base, flat[1:], contour[:0]))
    return np.asarray(points / (1.0, aspect))


def _by_model(clip: Clip, frame: int, landmarks: FloatArray, predictor: Predictor) -> FloatArray | None:
    """The model's control points moved onto the landmarks, or None where it draws nothing plausible."""
    size = predictor.entry.card.input.size
    to_square = _pose(landmarks, clip.pixel_aspect, size)
    squares, context = _shown(clip, frame, to_square, predictor)
    probability, placement = next(
        iter(predictor.probabilities(squares, Box(0, 0, size, size), None, context))
    )
    tracing = trace_in_image(probability, placement, None)
    if tracing is None:
        return None
    target = _moved(landmarks, to_square)
    length = float(np.hypot(*(target[1:].mean(axis=0) - target[0])))
    off = tracing.apex - target[0], tracing.base - target[1:].mean(axis=0)
    if max(float(np.hypot(*one)) for one in off) > MAX_OFF_PART * length:
        return None
    points = control_points_of_tracing(tracing)
    if target[1, 0] > target[2, 0]:
        # The image is upside down: its left side is the right one of the square.
        points = points[::-1]
    points = _onto(points, target)
    points = _moved(points, np.asarray(cv2.invertAffineTransform(to_square), dtype=np.float64))
    try:
        tracing_of_control_points(points, aspect=clip.pixel_aspect)
    except GeometryError:
        return None
    return points


def _pose(landmarks: FloatArray, aspect: float, size: int) -> FloatArray:
    """The similarity that puts apex and base where they usually lie, as a map of image pixels to the square, ``(2, 3)``."""
    flat = landmarks * (1.0, aspect)
    found = flat[1:].mean(axis=0) - flat[0]
    apex, base = (np.array(point) * size for point in POSE)
    wanted = base - apex
    # A complex number turns and scales.
    turn = complex(*wanted) / complex(*found)
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]]) * (1.0, aspect)
    return np.concatenate([matrix, (apex - matrix @ landmarks[0])[:, None]], axis=1)


def _shown(
    clip: Clip, frame: int, to_square: FloatArray, predictor: Predictor
) -> tuple[FrameArray, FrameContext]:
    """The frame, with those around it where the model is shown these, as squares."""
    size = predictor.entry.card.input.size
    if len(clip.frames) == 2 and clip.timing.startswith(OTHER_STILL):
        own, other = (_warped(clip.frames[i], to_square, size)[None] for i in (frame, 1 - frame))
        return own, FrameContext(other=other if predictor.sees_other_phase else None)
    part, at = clip_around(clip, frame, predictor.entry.card.input.offsets_s)
    squares = np.stack([_warped(one, to_square, size) for one in part.frames])
    return squares, FrameContext(times_s=part.times_s if len(squares) > 1 else None, only=[at])


def _warped(frame: NDArray[np.uint8], to_square: FloatArray, size: int) -> FrameArray:
    """A frame in the square; averaged first where it shrinks, as the model's usual input is."""
    scale = float(np.sqrt(abs(np.linalg.det(to_square[:, :2]))))
    matrix = to_square.copy()
    if scale < 1:
        height, width = frame.shape
        small = max(1, round(width * scale)), max(1, round(height * scale))
        by = np.array([small[0] / width, small[1] / height])
        frame = np.asarray(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        # Pixel centres have whole numbers: x_small = (x + .5) * by - .5.
        matrix[:, :2] = to_square[:, :2] / by
        matrix[:, 2] = to_square[:, 2] + matrix[:, :2] @ (0.5 - 0.5 * by)
    return np.asarray(cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def _onto(points: FloatArray, target: FloatArray) -> FloatArray:
    """Control points whose apex and hinge points lie on others; the points between follow smoothly.

    Args:
        points: ``(15, 2)``.
        target: Apex, first and last point, ``(3, 2)``.
    """
    shift = target - points[[APEX, 0, -1]]
    of_base = shift[1:].mean(axis=0)
    # From 0 at the apex to 1 at a hinge point.
    way = np.abs(np.arange(len(points)) - APEX) / APEX
    base = np.sin(way * np.pi / 2)[:, None] ** 2
    near = np.clip((way - 1 + HINGE_REACH) / HINGE_REACH, 0.0, 1.0)
    hinge = np.sin(near * np.pi / 2)[:, None] ** 2
    own = (shift[1:] - of_base)[(np.arange(len(points)) > APEX).astype(int)]
    return np.asarray(points + (1 - base) * shift[0] + base * of_base + hinge * own)


def _moved(points: FloatArray, matrix: FloatArray) -> FloatArray:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def clip_around(clip: Clip, frame: int, offsets_s: Sequence[float]) -> tuple[Clip, int]:
    """The few frames of a clip that `resegment` needs, and the place of the frame among them: less to send to a worker.

    Args:
        clip: The clip.
        frame: Frame, from 0.
        offsets_s: Of the model's input (`lvef.inference.card.Card.input`).
    """
    if len(clip.frames) <= max(2, len(offsets_s)):
        return clip, frame
    around = context_frames(clip.times_s, offsets_s)[frame]
    used = np.unique([*around.tolist(), frame])
    part = replace(clip, frames=clip.frames[used], times_s=clip.times_s[used])
    return part, int(np.flatnonzero(used == frame)[0])
