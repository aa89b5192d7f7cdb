"""The endocardium as an edge: mean grey level along the normals of the cavity's contour, its step and its width."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import erf

from lvef.core.errors import GeometryError
from lvef.core.records import BoolArray, FloatArray
from lvef.core.terms import Structure
from lvef.geometry.contour import contour_of_field, field_of_mask

DISTANCES_MM: FloatArray = np.arange(-8.0, 8.01, 0.25)
"""Where profiles are sampled: below 0 in the cavity, above 0 in the wall and beyond."""

FIT_MM = (-7.0, 6.0)
"""Part of the profile that the step is fitted to: the wall is 7 to 11 mm thick, and what lies behind it is another edge."""

SIDES = ("septal", "lateral", "apical")
"""Left and right in an A4C image with the apex up, and the third of the long axis at the apex."""

WALL_MM = 2.0
"""A normal counts where the wall's label lies so far outside the contour: this leaves the mitral plane out."""

MIN_NORMALS = 10
"""A side with fewer normals (a millimetre apart) has no profile."""

MAX_OFFSET_MM, WIDTHS_MM = 4.0, (0.25, 10.0)
"""The step may lie so far from the contour; narrowest and widest step that is looked for."""

SMOOTH_MM = 2.0
"""Standard deviation of the smoothing of the contour before its normals are taken: labels are stairs."""

_PER_SIGMA = 2 * 1.2815515655446004
"""Width from 10 to 90 % of a Gaussian edge, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A step fitted to a profile.

    Attributes:
        height: Grey levels from cavity to wall; negative where the wall is darker.
        width_mm: From 10 to 90 % of the step.
        offset_mm: Where the step lies; above 0 it is outside the contour.
    """

    height: float
    width_mm: float
    offset_mm: float


def profiles(image: NDArray[np.uint8], labels: NDArray[np.uint8], spacing_mm: float) -> dict[str, FloatArray]:
    """Mean grey level along the outward normals of the endocardium, by side.

    Args:
        image: ``(h, w)``.
        labels: ``(h, w)`` of `lvef.core.terms.Structure`.
        spacing_mm: Millimetres per pixel.

    Returns:
        A profile at `DISTANCES_MM` for each of `SIDES`; NaN for a side with too few normals or without a ventricle.
    """
    found = {side: np.full(len(DISTANCES_MM), np.nan) for side in SIDES}
    h, w = image.shape
    for side, rays in normals(labels, spacing_mm).items():
        grey = values_at(image, rays, cv2.INTER_LINEAR)
        grey[(rays < 0).any(axis=-1) | (rays > [w - 1, h - 1]).any(axis=-1)] = np.nan
        if len(grey) >= MIN_NORMALS:
            known = np.isfinite(grey)
            total = np.where(known, grey, 0.0).sum(axis=0)
            found[side] = np.where(
                known.sum(axis=0) >= MIN_NORMALS / 2, total / np.maximum(known.sum(axis=0), 1), np.nan
            )
    return found


def normals(labels: NDArray[np.uint8], spacing_mm: float) -> dict[str, FloatArray]:
    """Points along the outward normals of the endocardium, by side.

    Args:
        labels: ``(h, w)`` of `lvef.core.terms.Structure`.
        spacing_mm: Millimetres per pixel.

    Returns:
        ``(k, d, 2)`` pixels (x, y) for each of `SIDES`: k normals about a millimetre apart, d `DISTANCES_MM`. Nothing
        without a ventricle.
    """
    try:
        contour = _even(contour_of_field(field_of_mask(labels == Structure.LV)), 1.0 / spacing_mm)
    except GeometryError:
        return {}
    # Points are a millimetre apart from here on.
    x, y = (gaussian_filter1d(contour[:, k], SMOOTH_MM, mode="wrap") for k in (0, 1))
    along = np.stack([np.roll(x, -1) - np.roll(x, 1), np.roll(y, -1) - np.roll(y, 1)], axis=1)
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
    normal /= np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
    if np.sum(normal * (contour - contour.mean(axis=0))) < 0:
        normal = -normal
    wall = (
        values_at(labels, contour + normal * WALL_MM / spacing_mm, cv2.INTER_NEAREST) == Structure.MYOCARDIUM
    )
    if wall.all() or not wall.any():
        return {}
    rays = contour[:, None] + normal[:, None] * (DISTANCES_MM / spacing_mm)[:, None]
    return {side: rays[here] for side, here in _sides(contour, wall).items()}


def fit_step(profile: FloatArray) -> Edge:
    """The Gaussian-blurred step nearest to a profile.

    Args:
        profile: Grey levels at `DISTANCES_MM`, from :func:`profiles`.

    Returns:
        All NaN where the profile is not known over `FIT_MM`.
    """
    inside = np.abs(DISTANCES_MM - sum(FIT_MM) / 2) <= (FIT_MM[1] - FIT_MM[0]) / 2
    values = profile[inside]
    if not np.isfinite(values).all():
        return Edge(float("nan"), float("nan"), float("nan"))
    best, shape = np.inf, (0.0, 1.0, 0.0)
    offsets = np.arange(-MAX_OFFSET_MM, MAX_OFFSET_MM + 0.01, 0.25)
    widths = np.geomspace(*WIDTHS_MM, 24)
    # Twice: over the whole range, then finely about the best, so that no start value decides.
    for _ in range(2):
        steps = _steps(DISTANCES_MM[inside], offsets, widths)
        centred = steps - steps.mean(axis=-1, keepdims=True)
        about = values - values.mean()
        heights = (centred @ about) / np.maximum((centred**2).sum(axis=-1), 1e-9)
        errors = ((about - heights[..., None] * centred) ** 2).sum(axis=-1)
        i, j = np.unravel_index(int(errors.argmin()), errors.shape)
        if errors[i, j] <= best:
            best, shape = float(errors[i, j]), (float(heights[i, j]), float(widths[j]), float(offsets[i]))
        offsets = shape[2] + np.linspace(-0.25, 0.25, 21)
        widths = np.clip(shape[1] * np.geomspace(0.85, 1.18, 21), *WIDTHS_MM)
    return Edge(*shape)


def _steps(x: FloatArray, offsets: FloatArray, widths: FloatArray) -> FloatArray:
    """Unit steps, ``(offsets, widths, len(x))``."""
    sigma = widths[None, :, None] / _PER_SIGMA
    return np.asarray((1 + erf((x - offsets[:, None, None]) / (sigma * np.sqrt(2)))) / 2)


def _sides(contour: FloatArray, wall: BoolArray) -> dict[str, BoolArray]:
    """Which points of the contour belong to which side; the mitral plane to none."""
    base = contour[~wall].mean(axis=0)
    apex = contour[int(np.hypot(*(contour - base).T).argmax())]
    axis = base - apex
    left = np.array([-axis[1], axis[0]])
    if left[0] > 0:
        left = -left
    along = (contour - apex) @ axis / max(float(axis @ axis), 1e-9)
    apical, is_left = along < 1 / 3, (contour - apex) @ left > 0
    return {
        "septal": wall & ~apical & is_left,
        "lateral": wall & ~apical & ~is_left,
        "apical": wall & apical,
    }


def _even(contour: FloatArray, step: float) -> FloatArray:
    """A closed contour with points about ``step`` apart."""
    closed = np.concatenate([contour, contour[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    n = max(8, round(length[-1] / step))
    at = np.arange(n) * length[-1] / n
    return np.stack([np.interp(at, length, closed[:, k]) for k in (0, 1)], axis=1)


def values_at(image: NDArray[np.uint8] | FloatArray, points: FloatArray, method: int) -> NDArray[np.float32]:
    """Values of an image at any points ``(..., 2)``, 0 beyond its edge."""
    x, y = (points[..., k].reshape(-1, 1).astype(np.float32) for k in (0, 1))
    found = cv2.remap(image.astype(np.float32), x, y, method, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(found, dtype=np.float32).reshape(points.shape[:-1])
