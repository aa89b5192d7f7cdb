"""The two stills of one patient, and which point of the ED still is which point of the ES still.

Both masks are cut at the same landmarks (hinge points, apex, outer corners of the wall, outer apex, ends of the atrium's
contour) and every stretch between two of them is divided evenly in arc length. Points with the same index correspond.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, GeometryError
from lvef.core.records import FloatArray, FrameArray, PixelSpacing
from lvef.core.terms import Structure, View
from lvef.geometry.contour import contour_of_field, field_of_mask
from lvef.geometry.simpson import signed_area, volume_of_tracing
from lvef.geometry.tracing import trace_labels, tracing_of_contour

MIN_SIDE_PX = 32
"""Smaller images hold no ventricle that could be deformed."""


@dataclass(frozen=True, slots=True)
class StillPair:
    """End-diastole and end-systole of one patient in one view, with their masks.

    Attributes:
        ed: ``(h, w)`` uint8, the image at end-diastole.
        es: ``(h, w)`` uint8, the image at end-systole.
        ed_labels: ``(h, w)`` uint8 of :class:`lvef.core.terms.Structure`.
        es_labels: The same at end-systole.
        spacing: Millimetres per pixel of both, None where the scale is lost: volumes are then in cubic pixels.
        view: A4C or A2C.
        patient: Name for messages and parameters; never a person's own.

    Raises:
        DataError: The images differ in size or type, are too small or without content, or a mask holds no ventricle.
    """

    ed: FrameArray
    es: FrameArray
    ed_labels: NDArray[np.uint8]
    es_labels: NDArray[np.uint8]
    spacing: PixelSpacing | None
    view: View
    patient: str

    def __post_init__(self) -> None:
        shape = self.ed.shape
        arrays = {"ED": self.ed, "ES": self.es, "ED mask": self.ed_labels, "ES mask": self.es_labels}
        for name, array in arrays.items():
            if array.ndim != 2 or array.shape != shape or array.dtype != np.uint8:
                raise DataError(
                    f"{self.patient} {self.view}: {name} is {array.shape} {array.dtype}, expected uint8 of the size "
                    f"of the ED image {shape}; both images and masks must be one 8-bit grid."
                )
        if min(shape) < MIN_SIDE_PX:
            raise DataError(
                f"{self.patient} {self.view}: the stills are {shape[1]} x {shape[0]} pixels, at least {MIN_SIDE_PX} "
                "are needed; give the images in their full size."
            )
        for name, labels in (("ED", self.ed_labels), ("ES", self.es_labels)):
            if labels.max() > max(Structure):
                raise DataError(
                    f"{self.patient} {self.view}: the {name} mask holds the value {labels.max()}, expected 0 to "
                    f"{max(Structure)}; map its labels to those of lvef.core.terms.Structure first."
                )
            if not (labels == Structure.LV).any():
                raise DataError(
                    f"{self.patient} {self.view}: the {name} mask holds no left ventricle (label 1); leave this pair out."
                )
        for name, image in (("ED", self.ed), ("ES", self.es)):
            if int(image.max()) == int(image.min()):
                raise DataError(
                    f"{self.patient} {self.view}: every pixel of the {name} image is {image.max()}; leave this "
                    "pair out."
                )

    @property
    def aspect(self) -> float:
        """Height over width of one pixel; 1 where the scale is lost."""
        return self.spacing.y_mm / self.spacing.x_mm if self.spacing else 1.0


SIDE_STEPS = 48
"""Steps along the endocardium from a hinge point to the apex, and as many along the epicardium from its corner."""

PLANE_STEPS = 16
"""Steps along the mitral plane, and on the side of the atrium that lies on it."""

BASE_STEPS = 24
"""Steps from one outer corner of the wall to the other, along the base."""

ATRIUM_STEPS = 32
"""Steps around the atrium from one hinge point to the other."""

CORNER_SLANT = 0.8
"""The wall's outer corner is its point furthest along (axis +- this times the normal), as in `lvef.geometry.landmarks`."""

MIN_STRUCTURE_PX = 60
"""A wall or atrium with fewer pixels in either mask carries no landmarks."""

LANDMARK_STRIDE = 2
"""Every second matched point steers the deformation; the others only draw the contours."""

MIN_GAP = 0.025
"""Marks closer than this part of the long axis to an earlier one are left out: they would only fight over a pixel."""

ANCHOR_GAP = 0.3
"""The sector's border stands still where it is at least this part of the long axis away from every mark."""


CUT_GAP = 0.08
"""An atrium's contour closer than this part of the long axis to the sector's border is a cut, not a wall: the image ends
there in both phases, whatever the tissue does."""


@dataclass(frozen=True, slots=True)
class Contours:
    """Matched contours of one phase, in pixels of the still; the same index is the same piece of tissue.

    Attributes:
        lv: Closed ``(k, 2)``: first hinge point, up to the apex, down to the second, back along the mitral plane.
        wall: Closed contour of cavity and wall together, or None.
        atrium: Closed, or None.
    """

    lv: FloatArray
    wall: FloatArray | None
    atrium: FloatArray | None

    @property
    def apex(self) -> FloatArray:
        """``(2,)``."""
        return apex_of(self.lv)

    @property
    def hinges(self) -> FloatArray:
        """``(2, 2)``."""
        return hinges_of(self.lv)


def apex_of(lv: FloatArray) -> FloatArray:
    """Apex of a matched ventricle ``(..., k, 2)``."""
    return lv[..., SIDE_STEPS, :]


def hinges_of(lv: FloatArray) -> FloatArray:
    """Hinge points ``(..., 2, 2)`` of a matched ventricle ``(..., k, 2)``."""
    return lv[..., [0, 2 * SIDE_STEPS], :]


def match_contours(pair: StillPair) -> tuple[Contours, Contours]:
    """Matched contours of both phases.

    Raises:
        GeometryError: A ventricle cannot be traced, the two are mirror images, or the ES is not smaller than the ED.
    """
    keep = [
        all(int((labels == s).sum()) >= MIN_STRUCTURE_PX for labels in (pair.ed_labels, pair.es_labels))
        for s in (Structure.MYOCARDIUM, Structure.LA)
    ]
    contours = []
    for name, labels in (("ED", pair.ed_labels), ("ES", pair.es_labels)):
        try:
            contours.append(_contours(labels, pair.aspect, wall=keep[0], atrium=keep[1]))
        except GeometryError as error:
            raise GeometryError(
                f"{pair.patient} {pair.view}: the {name} mask cannot be traced ({error}); leave this pair out."
            ) from None
    ed, es = contours
    if signed_area(ed.lv) * signed_area(es.lv) <= 0:
        raise GeometryError(
            f"{pair.patient} {pair.view}: left and right are swapped between the ED and the ES mask; leave this pair out."
        )
    traced = (tracing_of_contour(one.lv, one.apex, one.hinges, aspect=pair.aspect) for one in (ed, es))
    volumes = [volume_of_tracing(tracing, pair.spacing) for tracing in traced]
    if volumes[1] >= volumes[0]:
        raise GeometryError(
            f"{pair.patient} {pair.view}: the ventricle is {volumes[1] / volumes[0]:.2f} times as large at ES as at ED, "
            "it should be smaller; the stills may be swapped, leave this pair out."
        )
    return ed, es


def match_landmarks(
    ed: Contours, es: Contours, anchors: FloatArray, sector: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Positions of landmarks at ED and at ES, ``(m, 2)`` each: contours that move, and anchors that do not.

    Args:
        ed: Contours at ED.
        es: Contours at ES.
        anchors: Points ``(n, 2)`` that stand still where they are far enough from the contours.
        sector: ``(k, 2)`` convex border of the sector.
    """
    length = float(np.hypot(*(ed.apex - ed.hinges.mean(axis=0))))
    first, second = [ed.lv[::LANDMARK_STRIDE]], [es.lv[::LANDMARK_STRIDE]]
    if ed.wall is not None and es.wall is not None:
        n = 2 * SIDE_STEPS + 1
        first.append(ed.wall[:n:LANDMARK_STRIDE])
        second.append(es.wall[:n:LANDMARK_STRIDE])
    if ed.atrium is not None and es.atrium is not None:
        n = ATRIUM_STEPS + 1
        roof = ed.atrium[:n:LANDMARK_STRIDE], es.atrium[:n:LANDMARK_STRIDE]
        free = np.minimum(*(_depth(points, sector) for points in roof)) > CUT_GAP * length
        first.append(roof[0][free])
        second.append(roof[1][free])
    moving = _thinned(np.concatenate(first), np.concatenate(second), MIN_GAP * length)
    still = anchors[_distance(anchors, np.concatenate(moving)) > ANCHOR_GAP * length]
    return np.concatenate([moving[0], still]), np.concatenate([moving[1], still])


def _contours(labels: NDArray[np.uint8], aspect: float, *, wall: bool, atrium: bool) -> Contours:
    tracing = trace_labels(labels, aspect=aspect)
    ring = tracing.contour
    start, mid, end = (_position(ring, p) for p in (tracing.mitral[0], tracing.apex, tracing.mitral[1]))
    total = float(_steps(ring).sum())
    if (mid - start) % total > (end - start) % total:
        ring = ring[::-1]
    marks = [_position(ring, p) for p in (tracing.mitral[0], tracing.apex, tracing.mitral[1])]
    lv = _divided(ring, marks, [SIDE_STEPS, SIDE_STEPS, PLANE_STEPS])
    axis = tracing.base - tracing.apex
    axis = axis / np.hypot(*axis)
    outer = inner = None
    if wall:
        outer = _outer(labels, tracing.mitral, tracing.base, axis, signed_area(lv))
    if atrium:
        inner = _atrium(labels, tracing.mitral, -signed_area(lv))
    return Contours(lv, outer, inner)


def _outer(
    labels: NDArray[np.uint8], hinges: FloatArray, base: FloatArray, axis: FloatArray, turn: float
) -> FloatArray:
    """Contour of cavity and wall from the first outer corner over the outer apex to the second and back, ``(k, 2)``."""
    solid = (labels == Structure.LV) | (labels == Structure.MYOCARDIUM)
    ring = _turning(contour_of_field(field_of_mask(solid)), turn)
    normal = np.array([-axis[1], axis[0]])
    if (hinges[1] - hinges[0]) @ normal < 0:
        normal = -normal
    corners = [ring[int(np.argmax(ring @ (axis + side * CORNER_SLANT * normal)))] for side in (-1, 1)]
    along, across = (ring - base) @ axis, np.abs((ring - base) @ normal)
    tip = ring[int(np.argmin(np.where(along < along.min() / 2, across, np.inf)))]
    marks = [_position(ring, p) for p in (corners[0], tip, corners[1])]
    return _divided(ring, marks, [SIDE_STEPS, SIDE_STEPS, BASE_STEPS])


def _atrium(labels: NDArray[np.uint8], hinges: FloatArray, turn: float) -> FloatArray:
    """Contour of the atrium from the first hinge point around its roof to the second and back, ``(k, 2)``."""
    ring = _turning(contour_of_field(field_of_mask(labels == Structure.LA)), turn)
    ends = [ring[int(np.argmin(np.hypot(*(ring - hinge).T)))] for hinge in hinges]
    return _divided(ring, [_position(ring, p) for p in ends], [ATRIUM_STEPS, PLANE_STEPS])


def _turning(ring: FloatArray, turn: float) -> FloatArray:
    """The ring in the direction whose signed area has the sign of ``turn``."""
    return ring if signed_area(ring) * turn > 0 else ring[::-1]


def _steps(ring: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(*(np.roll(ring, -1, axis=0) - ring).T))


def _position(ring: FloatArray, point: FloatArray) -> float:
    """Arc length, from the ring's first point, of the place on the ring that is nearest to a point."""
    ahead = np.roll(ring, -1, axis=0) - ring
    length2 = np.maximum((ahead**2).sum(axis=1), 1e-12)
    share = np.clip(((point - ring) * ahead).sum(axis=1) / length2, 0, 1)
    best = int(np.argmin(np.hypot(*(ring + share[:, None] * ahead - point).T)))
    steps = np.sqrt(length2)
    return float(steps[:best].sum() + share[best] * steps[best])


def _divided(ring: FloatArray, marks: list[float], steps: list[int]) -> FloatArray:
    """Closed ring that starts at the first mark, with that many even steps from each mark to the next."""
    arc = np.concatenate([[0.0], np.cumsum(_steps(ring))])
    total = arc[-1]
    closed = np.concatenate([ring, ring[:1]])
    at = []
    for here, there, n in zip(marks, [*marks[1:], marks[0]], steps, strict=True):
        at.append(here + np.arange(n) / n * ((there - here) % total))
    where = np.concatenate(at) % total
    return np.stack([np.interp(where, arc, closed[:, i]) for i in (0, 1)], axis=1)


def _thinned(first: FloatArray, second: FloatArray, gap: float) -> tuple[FloatArray, FloatArray]:
    """Marks without those that lie closer than ``gap`` to an earlier one, at ED or at ES."""
    kept: list[int] = []
    for i in range(len(first)):
        near = [bool((np.hypot(*(points[kept] - points[i]).T) < gap).any()) for points in (first, second)]
        if not any(near):
            kept.append(i)
    return first[kept], second[kept]


def _depth(points: FloatArray, sector: FloatArray) -> FloatArray:
    """How far each point lies inside a convex border, negative outside, ``(n,)``."""
    ring = sector.astype(np.float32)
    return np.array([cv2.pointPolygonTest(ring, (float(x), float(y)), True) for x, y in points])


def _distance(points: FloatArray, others: FloatArray) -> FloatArray:
    """Distance of each point to the nearest of the others, ``(n,)``."""
    return np.asarray(np.hypot(*(points[:, None] - others[None]).transpose(2, 0, 1)).min(axis=1))
