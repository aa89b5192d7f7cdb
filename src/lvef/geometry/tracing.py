"""From a segmentation to a `Tracing`: contour, mitral plane, long axis and 20 chords.

A network's probabilities and an expert's label mask go through one code path: a mask becomes a lightly
blurred 0/1 field first. All geometry is done in isotropic coordinates (y times the pixel's aspect); the
points of a tracing are pixels of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import (
    BoolArray,
    FloatArray,
    PixelGeometry,
    PixelSpacing,
    Tracing,
    VolumeCurve,
    aspect_of,
    shape_of,
)
from lvef.core.terms import Structure
from lvef.geometry.contour import Field, Rings, contours_of_fields, field_of_mask, fill_gaps, rings_of
from lvef.geometry.landmarks import find_landmarks
from lvef.geometry.simpson import axis_length, chord_lengths, polygon_area, volume_of_tracing

N_DISKS = 20
"""Number of disks. Source: Lang et al., ASE/EACVI 2015."""

MIN_AXIS_PX = 3.0
"""A long axis shorter than this many pixels cannot carry 20 disks."""

MIN_STRUCTURE_PX = 8.0
"""An atrium or wall with less than this total probability is taken as not seen."""


def trace(
    lv: Field, atrium: Field | None = None, wall: Field | None = None, *, aspect: float = 1.0
) -> Tracing:
    """Trace the left ventricle of one frame.

    The base is found from the atrium and the wall, else from the shape (the base is the wider end); only where neither
    decides is the apex assumed to be up. See `lvef.geometry.landmarks.find_landmarks`. Gaps in the cavity are filled first.

    Args:
        lv: Probability of the LV cavity, ``(h, w)`` float32 in 0..1.
        atrium: Probability of the left atrium, or None.
        wall: Probability of the myocardium, or None.
        aspect: Pixel height over pixel width, ``y_mm / x_mm`` (1 for square pixels).

    Returns:
        The tracing, in pixels of the fields.

    Raises:
        GeometryError: When no ventricle can be measured, with the reason.
    """
    if lv.ndim != 2:
        raise GeometryError(f"A field must be (h, w); found {lv.shape}.")
    (found,) = trace_frames(
        lv[None],
        None if atrium is None else atrium[None],
        None if wall is None else wall[None],
        aspect=aspect,
    )
    if isinstance(found, GeometryError):
        raise found
    return found


def trace_frames(
    lv: Field, atrium: Field | None = None, wall: Field | None = None, *, aspect: float = 1.0
) -> list[Tracing | GeometryError]:
    """As `trace` for several frames: the tracing of each, or why there is none.

    What numpy can do on all frames at once costs little more than on one.

    Args:
        lv: Probability of the LV cavity, ``(n, h, w)`` float32 in 0..1.
        atrium: Probability of the left atrium, or None.
        wall: Probability of the myocardium, or None.
        aspect: Pixel height over pixel width.

    Raises:
        GeometryError: When the arguments do not go together.
    """
    if lv.ndim != 3 or not np.isfinite(aspect) or aspect <= 0:
        raise GeometryError(
            f"Fields must be (n, h, w) and the aspect above 0; found {lv.shape} and {aspect}."
        )
    for name, other in (("atrium", atrium), ("wall", wall)):
        if other is not None and other.shape != lv.shape:
            raise GeometryError(
                f"The {name} is {other.shape} and the cavity {lv.shape}; they must be as large."
            )
    atria, walls = _seen(atrium, len(lv)), _seen(wall, len(lv))
    fields = np.stack([fill_gaps(*one) for one in zip(np.asarray(lv, np.float32), atria, walls, strict=True)])
    found: list[Tracing | GeometryError] = []
    contours = contours_of_fields(fields)
    there = [i for i, contour in enumerate(contours) if not isinstance(contour, GeometryError)]
    if there:
        rings = rings_of([contour for contour in contours if not isinstance(contour, GeometryError)])
        apexes, hinges = find_landmarks(
            rings, fields[there], [atria[i] for i in there], [walls[i] for i in there], aspect
        )
        found = list(_tracings(rings, apexes, hinges, aspect))
    tracings = iter(found)
    return [one if isinstance(one, GeometryError) else next(tracings) for one in contours]


def trace_labels(labels: NDArray[np.uint8], *, aspect: float = 1.0) -> Tracing:
    """Trace an expert's label mask.

    Args:
        labels: ``(h, w)`` with the values of `lvef.core.terms.Structure`.
        aspect: Pixel height over pixel width.

    Raises:
        GeometryError: When no ventricle can be measured, with the reason.
    """
    lv, atrium, wall = (
        field_of_mask(labels == s) for s in (Structure.LV, Structure.LA, Structure.MYOCARDIUM)
    )
    return trace(lv, atrium, wall, aspect=aspect)


def tracing_of_contour(
    contour: FloatArray, apex: FloatArray, mitral: FloatArray, *, aspect: float = 1.0
) -> Tracing:
    """Tracing from a contour whose apex and hinge points are known, for example a reader's own.

    Chord i is cut out of the line across the axis at ``(i + 1/2) L / 20`` by its first and last crossing of
    the contour, so that it is the full width also where the contour is concave.

    Args:
        contour: Closed contour without a repeated end point, ``(k, 2)``.
        apex: ``(2,)``.
        mitral: Hinge points, ``(2, 2)``, in any order.
        aspect: Pixel height over pixel width.

    Raises:
        GeometryError: When the axis has no length or a chord misses the contour.
    """
    (found,) = _tracings(rings_of([contour]), apex[None], mitral[None], aspect)
    if isinstance(found, GeometryError):
        raise found
    return found


def volume_curve_of_tracings(
    tracings: Sequence[Tracing | None], times_s: FloatArray, spacing: PixelGeometry | None
) -> VolumeCurve:
    """Volumes and lengths of a clip's tracings.

    Args:
        tracings: One per frame, None where no ventricle could be traced.
        times_s: Time of each frame, ``(n,)``.
        spacing: The clip's scale or the shape of its pixels, or None.

    Returns:
        Millilitres and millimetres with a scale, cubic pixels and pixels without; NaN where there is no tracing.
    """
    volume, length = np.full(len(tracings), np.nan), np.full(len(tracings), np.nan)
    for i, tracing in enumerate(tracings):
        if tracing is not None:
            volume[i], length[i] = volume_of_tracing(tracing, spacing), axis_length(tracing, spacing)
    return VolumeCurve(
        np.asarray(times_s, dtype=np.float64), volume, length, isinstance(spacing, PixelSpacing)
    )


def _seen(fields: Field | None, n: int) -> list[Field | None]:
    """Those of n frames on which a structure is seen at all."""
    if fields is None:
        return [None] * n
    total = fields.sum(axis=(1, 2))
    return [
        field if enough else None for field, enough in zip(fields, total >= MIN_STRUCTURE_PX, strict=True)
    ]


def _tracings(
    rings: Rings, apex: FloatArray, mitral: FloatArray, aspect: float
) -> Iterator[Tracing | GeometryError]:
    """Tracings from contours whose apex ``(n, 2)`` and hinge points ``(n, 2, 2)`` are known; see `tracing_of_contour`."""
    metric = np.array([1.0, aspect])
    base = mitral.mean(axis=1)
    axis = (base - apex) * metric
    length = np.hypot(axis[:, 0], axis[:, 1])
    long_enough = length >= MIN_AXIS_PX
    axis = axis / np.where(long_enough, length, 1.0)[:, None]
    away = (rings.points - apex[:, None]) * metric
    chords = _chords(away, axis, np.where(long_enough, length, 0.0)) / metric + apex[:, None, None]
    chords = left_to_right(chords.reshape(-1, 2, 2)).reshape(chords.shape)
    mitral = left_to_right(mitral)
    spanned: BoolArray = np.asarray(np.isfinite(chords).all(axis=(1, 2, 3)))
    for i in range(len(apex)):
        if not long_enough[i]:
            yield GeometryError(
                f"The long axis is {length[i]:.1f} pixels long; at least {MIN_AXIS_PX:g} are needed."
            )
        elif not spanned[i]:
            yield GeometryError("The contour does not span the long axis from apex to base.")
        else:
            yield Tracing(rings.contour(i), apex[i], base[i], mitral[i], chords[i])


def _chords(points: FloatArray, axis: FloatArray, length: FloatArray) -> FloatArray:
    """Chords ``(n, 20, 2, 2)`` of rings relative to their apex, isotropic; NaN where a line misses the contour."""
    n, normal = len(points), np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    along, across = np.einsum("nkj,nj->nk", points, axis), np.einsum("nkj,nj->nk", points, normal)
    levels = (np.arange(N_DISKS) + 0.5) * (length / N_DISKS)[:, None]
    below = along[:, None] <= levels[:, :, None]
    frame, row, edge = np.nonzero(below[:, :, 1:] != below[:, :, :-1])
    before, after = along[frame, edge], along[frame, edge + 1]
    start, end = across[frame, edge], across[frame, edge + 1]
    cut = start + (levels[frame, row] - before) / (after - before) * (end - start)
    line = frame * N_DISKS + row
    first = np.flatnonzero(np.diff(line, prepend=-1))
    ends = np.full((n * N_DISKS, 2), np.nan)
    if len(first):
        ends[line[first], 0] = np.minimum.reduceat(cut, first)
        ends[line[first], 1] = np.maximum.reduceat(cut, first)
    on_axis = levels[:, :, None, None] * axis[:, None, None]
    return np.asarray(on_axis + ends.reshape(n, N_DISKS, 2, 1) * normal[:, None, None])


def left_to_right(lines: FloatArray) -> FloatArray:
    """Lines ``(n, 2, 2)`` with the left end first (the upper end for a line that stands upright)."""
    first, second = lines[:, 0], lines[:, 1]
    swap = (first[:, 0] > second[:, 0]) | ((first[:, 0] == second[:, 0]) & (first[:, 1] > second[:, 1]))
    return np.where(swap[:, None, None], lines[:, ::-1], lines)


MIN_SOLIDITY, MAX_SLENDERNESS, MIN_SLENDERNESS, MIN_ANNULUS = 0.82, 2.9, 1.2, 0.42
"""Cavity area over that of its convex hull; long axis over largest chord; distance of the hinge points over largest chord.
Extremes of 798 expert masks of CAMUS training patients, A4C: 0.816; 1.216 to 2.895; 0.426."""

DENTS, SLENDER, ROUND, NARROW_ANNULUS = "dents", "slender", "round", "narrow annulus"
"""What may be implausible about a contour."""


def implausible_shape(tracing: Tracing, spacing: PixelGeometry | None = None) -> set[str]:
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
