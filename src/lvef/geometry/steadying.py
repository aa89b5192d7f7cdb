"""Tracings of a cine, steadied over time: a local parabola through each landmark and each half chord.

Every frame is traced by itself, and the grain of the picture moves each tracing a little. The heart does not: within a
tenth of a second its landmarks run along a parabola. So apex, hinge points and the 40 chord ends (as distances from the
frame's own axis) are each fitted over the neighbours in time, in seconds on the clip's own clock. A parabola keeps the top
and the bottom of a beat where they are; a mean (or a Gaussian) would flatten them and read EF too low
(``docs/explanation/steadiness.md``).

The contour that comes out is the line through the steadied chord ends: what is shown is what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline

from lvef.core.records import FloatArray, Tracing
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.smoothing import HALF_WIDTH_S, MIN_FRAMES, local_parabola, outliers
from lvef.geometry.tracing import N_DISKS, left_to_right

OUTLIER_SIGMAS = 5.0
"""A frame whose volume is further than this from its neighbours' is replaced by what they say (as in `BeatConfig`)."""

SHOWN_POINTS = 40
"""Points of the contour on either side of the axis."""


def steadied(
    tracings: Sequence[Tracing | None],
    times_s: FloatArray,
    *,
    aspect: float = 1.0,
    half_width_s: float = HALF_WIDTH_S,
) -> list[Tracing | None]:
    """Steady the tracings of a cine over time.

    Args:
        tracings: One per frame, None where no ventricle could be traced; these stay None.
        times_s: Time of each frame, ``(n,)``, increasing.
        aspect: Pixel height over pixel width of the points.
        half_width_s: Half width of the window in seconds.

    Returns:
        One per frame. Frames without enough neighbours in time keep the tracing they had, so stills and clips of low frame
        rate come back unchanged.

    Source:
        Cleveland 1979, J Am Stat Assoc 74:829 (local regression, tricube weights).
    """
    there = np.array([i for i, t in enumerate(tracings) if t is not None], dtype=np.intp)
    found = [t for t in tracings if t is not None]
    if len(found) < MIN_FRAMES:
        return list(tracings)
    times = np.asarray(times_s, dtype=np.float64)[there]
    metric = np.array([1.0, aspect])
    values = _coordinates(found, metric)
    trusted = ~outliers(np.array([volume_of_tracing(t) for t in found]), OUTLIER_SIGMAS)
    fitted, enough = local_parabola(times, values, trusted, half_width_s)
    rebuilt = _tracings(fitted, metric)
    result = list(tracings)
    for frame, tracing, fits in zip(there.tolist(), rebuilt, enough.tolist(), strict=True):
        if fits:
            result[frame] = tracing
    return result


def _coordinates(tracings: Sequence[Tracing], metric: FloatArray) -> FloatArray:
    """Apex, the two hinge points and the half chords on either side of the axis, ``(n, 6 + 40)``, isotropic.

    Sides are those of the axis, not of the picture: "left" would jump for a ventricle that lies on its side.
    """
    apex = np.stack([t.apex for t in tracings]) * metric
    mitral = np.stack([t.mitral for t in tracings]) * metric
    chords = np.stack([t.chords for t in tracings]) * metric
    normal = _normal(apex, mitral)
    side = np.einsum("nkj,nj->nk", mitral - apex[:, None], normal)
    mitral = np.where((side[:, 0] > side[:, 1])[:, None, None], mitral[:, ::-1], mitral)
    across = np.sort(np.einsum("nikj,nj->nik", chords - apex[:, None, None], normal), axis=2)
    return np.concatenate([apex, mitral.reshape(-1, 4), across.reshape(-1, 2 * N_DISKS)], axis=1)


def _normal(apex: FloatArray, mitral: FloatArray) -> FloatArray:
    """Unit vectors across the axes, ``(n, 2)``."""
    along = mitral.mean(axis=1) - apex
    along = along / np.hypot(along[:, 0], along[:, 1])[:, None]
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def _tracings(values: FloatArray, metric: FloatArray) -> list[Tracing]:
    """Tracings of the coordinates of `_coordinates`."""
    n = len(values)
    apex, mitral = values[:, :2], values[:, 2:6].reshape(-1, 2, 2)
    base = mitral.mean(axis=1)
    along, normal = (base - apex)[:, None, None], _normal(apex, mitral)[:, None, None]
    across = values[:, 6:].reshape(-1, N_DISKS, 2)
    levels = ((np.arange(N_DISKS) + 0.5) / N_DISKS)[:, None, None]
    chords = apex[:, None, None] + levels * along + across[..., None] * normal
    shown_levels, spline = _shown()
    sides = np.einsum("si,nik->nsk", spline, across)
    shown = apex[:, None, None] + shown_levels[:, None, None] * along + sides[..., None] * normal
    # Where the mitral plane lies aslant, the last chords end on it and not on the wall, here or on an averaged frame:
    # over the last disk before the hinge point the contour runs straight to it.
    squared = np.einsum("nj,nj->n", base - apex, base - apex)
    hinge_levels = np.einsum("nkj,nj->nk", mitral - apex[:, None], base - apex) / squared[:, None]
    last = np.minimum(hinge_levels, 1.0) - 1.0 / N_DISKS
    on_wall = shown_levels[None, :, None] < last[:, None, :]
    contours = [
        np.concatenate(
            [apex[i, None], shown[i, on_wall[i, :, 0], 0], mitral[i], shown[i, on_wall[i, :, 1], 1][::-1]]
        )
        for i in range(n)
    ]
    ordered = left_to_right((chords / metric).reshape(-1, 2, 2)).reshape(n, N_DISKS, 2, 2)
    hinges = left_to_right(mitral / metric)
    return [
        Tracing(contours[i] / metric, apex[i] / metric, base[i] / metric, hinges[i], ordered[i])
        for i in range(n)
    ]


@cache
def _shown() -> tuple[FloatArray, FloatArray]:
    """Levels of the shown contour, ``(s,)`` in long axes, and the spline that leads there from the chords, ``(s, 20)``.

    A rounded apex widens with the root of the distance, so the spline runs over the root, from width 0 at the apex.
    """
    levels = (np.arange(N_DISKS) + 0.5) / N_DISKS
    knots = np.sqrt(np.concatenate([[0.0], levels]))
    at = np.linspace(0, knots[-1], SHOWN_POINTS + 1)[1:]
    unit = np.concatenate([np.zeros((1, N_DISKS)), np.eye(N_DISKS)])
    return at**2, np.asarray(CubicSpline(knots, unit)(at), dtype=np.float64)
