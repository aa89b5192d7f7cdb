"""A tracing as fifteen control points that a reader can drag, and back.

The points run along the contour: left hinge, six on the left wall from base to apex, the apex, six on the right wall from
apex to base, right hinge. Hinges and apex are the ends of the mitral plane and of the long axis; the others lie at equal
lengths along their wall. Through them runs a centripetal Catmull-Rom spline: it passes through each point, moves only near a
point that is dragged, and makes no loops between points that lie unevenly. The mitral plane is a straight line.

Source of the spline: Catmull and Rom 1974; its centripetal form: Yuksel et al., Computer-Aided Design 43:747-755, 2011.
"""

from __future__ import annotations

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray, Tracing
from lvef.geometry.contour import roll
from lvef.geometry.tracing import tracing_of_contour

WALL_POINTS = 6
"""Points on each wall between hinge and apex. With six, expert contours come back within a fraction of a point of EF."""

N_CONTROL_POINTS = 2 * WALL_POINTS + 3
"""Number of points."""

APEX = WALL_POINTS + 1
"""Place of the apex among them."""

STEPS = 8
"""Straight pieces of the drawn contour from one point to the next."""


def control_points_of_tracing(tracing: Tracing) -> FloatArray:
    """The points of a tracing.

    Args:
        tracing: Any tracing; its contour may begin anywhere and run either way.

    Returns:
        ``(15, 2)`` pixels of the image.
    """
    one, other = walls_of_tracing(tracing, WALL_POINTS + 2)
    return np.concatenate([one[:-1], tracing.apex[None], other[1:]])


def walls_of_tracing(tracing: Tracing, points: int) -> tuple[FloatArray, FloatArray]:
    """Both walls of a tracing without the mitral plane.

    Args:
        tracing: Any tracing; its contour may begin anywhere and run either way.
        points: Points on each wall at equal lengths along it, its ends among them.

    Returns:
        From the left hinge to the apex, and from the apex to the right hinge, ``(points, 2)`` each.
    """
    left, right = tracing.mitral
    one, other = _walls(tracing.contour, left, tracing.apex, right)
    return _evenly(one, points), _evenly(other, points)


def contour_of_control_points(points: FloatArray) -> FloatArray:
    """The smooth contour through the points.

    Args:
        points: ``(15, 2)``, as `control_points_of_tracing` gives them.

    Returns:
        ``(14 * 8 + 1, 2)``, from the left hinge over the apex to the right hinge; closed by the mitral plane.

    Raises:
        GeometryError: Not as many points, or one is not a number.
    """
    points = _checked(points)
    # Beyond the hinges the wall goes on as it came: the neighbour mirrored at the hinge.
    ring = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    return np.concatenate([_pieces(ring).reshape(-1, 2), points[-1:]])


def tracing_of_control_points(points: FloatArray, *, aspect: float = 1.0) -> Tracing:
    """The tracing that the control points define.

    Args:
        points: ``(15, 2)``, as `control_points_of_tracing` gives them, perhaps dragged.
        aspect: Pixel height over pixel width.

    Raises:
        GeometryError: The points make no ventricle: the contour crosses itself, the axis has no length, or a disk misses the
            contour.
    """
    points = _checked(points)
    contour = contour_of_control_points(points)
    if crosses_itself(contour):
        raise GeometryError("The contour crosses itself.")
    return tracing_of_contour(contour, points[APEX], points[[0, -1]], aspect=aspect)


def crosses_itself(contour: FloatArray) -> bool:
    """Whether two sides of a closed polygon ``(k, 2)`` cross.

    Examples:
        >>> crosses_itself(np.array([[0.0, 0], [2, 2], [2, 0], [0, 2]]))
        True
        >>> crosses_itself(np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]]))
        False
    """
    x, y = contour.T
    along_x, along_y = roll(x, 1) - x, roll(y, 1) - y
    # On which side of line i (row) each point (column) lies.
    side = along_x[:, None] * (y - y[:, None]) - along_y[:, None] * (x - x[:, None])
    parted = side * np.concatenate([side[:, 1:], side[:, :1]], axis=1) < 0
    return bool((parted & parted.T).any())


def _checked(points: FloatArray) -> FloatArray:
    points = np.asarray(points, dtype=np.float64)
    if points.shape != (N_CONTROL_POINTS, 2) or not np.isfinite(points).all():
        raise GeometryError(f"A contour is {N_CONTROL_POINTS} finite points (x, y); found {points.shape}.")
    return points


def _walls(
    contour: FloatArray, left: FloatArray, apex: FloatArray, right: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The contour from the left hinge to the apex, and on to the right hinge, each with its ends.

    The hinges and the apex lie on the contour or near it; the vertices nearest to them are where it is cut.
    """
    from_left = np.roll(contour, -_nearest(contour, left), axis=0)
    tip, other = _nearest(from_left, apex), _nearest(from_left, right)
    if other < tip:  # the contour meets the right hinge first: it runs the other way
        from_left = np.concatenate([from_left[:1], from_left[:0:-1]])
        tip, other = (len(from_left) - i if i else 0 for i in (tip, other))
    first = np.concatenate([left[None], from_left[1:tip], apex[None]])
    second = np.concatenate([apex[None], from_left[tip + 1 : other], right[None]])
    return first, second


def _nearest(points: FloatArray, target: FloatArray) -> int:
    return int(np.argmin(((points - target) ** 2).sum(axis=1)))


def _evenly(line: FloatArray, points: int) -> FloatArray:
    """Points at equal lengths along a line, its two ends among them."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, at[-1], points)
    return np.stack([np.interp(wanted, at, line[:, k]) for k in (0, 1)], axis=1)


def _pieces(ring: FloatArray) -> FloatArray:
    """The spline from each point of a ring to the next, without its end: ``(points - 3, STEPS, 2)``."""
    before, start, end, after = (ring[i : len(ring) - 3 + i, None] for i in range(4))
    # The square root of the distance makes it centripetal; two points in one place must not divide by nothing.
    gaps = np.maximum(np.hypot(*np.diff(ring, axis=0).T), 1e-6) ** 0.5
    t1 = gaps[:-2, None, None]
    t2 = t1 + gaps[1:-1, None, None]
    t3 = t2 + gaps[2:, None, None]
    t = t1 + (t2 - t1) * (np.arange(STEPS) / STEPS)[:, None]
    a1 = (t1 - t) / t1 * before + t / t1 * start
    a2 = (t2 - t) / (t2 - t1) * start + (t - t1) / (t2 - t1) * end
    a3 = (t3 - t) / (t3 - t2) * end + (t - t2) / (t3 - t2) * after
    b1 = (t2 - t) / t2 * a1 + t / t2 * a2
    b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
    return np.asarray((t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2)
