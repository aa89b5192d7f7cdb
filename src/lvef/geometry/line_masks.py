"""The 21 lines as a mask or contour, and back: what keypoint networks see and what segmentation networks see.

Mask -> lines keeps the volume (the chords are its disks). Lines -> mask draws the polygon through the ends of the chords,
the apex and the hinge points. ``python -m lvef.evaluation.lines`` measures how far lines move on the way there and back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray
from lvef.geometry.contour import field_of_mask, mask_of_contour, outline
from lvef.geometry.lines import lines_from_tracing, tracing_from_lines
from lvef.geometry.tracing import trace_labels, tracing_of_contour


def lines_of_mask(labels: NDArray[np.uint8], *, aspect: float = 1.0) -> FloatArray:
    """The 21 lines of a mask.

    Args:
        labels: ``(h, w)`` with the values of `lvef.core.terms.Structure`; a cavity alone (0 and 1) is enough, then the
            shape tells apex from base.
        aspect: Pixel height over pixel width.

    Returns:
        ``(21, 2, 2)`` pixels: long axis from apex to base, then the chords from apex to base, each left to right.

    Raises:
        GeometryError: When no ventricle can be measured, with the reason.
    """
    return lines_from_tracing(trace_labels(labels, aspect=aspect))


def lines_of_contour(
    contour: FloatArray, apex: FloatArray, mitral: FloatArray, *, aspect: float = 1.0
) -> FloatArray:
    """The 21 lines of a contour whose apex and hinge points are known, ``(21, 2, 2)``.

    Args:
        contour: Closed contour without a repeated end point, ``(k, 2)``.
        apex: ``(2,)``.
        mitral: Hinge points, ``(2, 2)``, in any order.
        aspect: Pixel height over pixel width.

    Raises:
        GeometryError: When the axis has no length or a chord misses the contour.
    """
    return lines_from_tracing(tracing_of_contour(contour, apex, mitral, aspect=aspect))


def contour_of_lines(lines: FloatArray) -> FloatArray:
    """The closed contour of lines, ``(k, 2)``: apex, left ends, hinge points, right ends.

    Args:
        lines: ``(1 + n, 2, 2)``, the long axis and then n chords, their ends and the chords in any order.

    Raises:
        GeometryError: When the lines are no ventricle.
    """
    return tracing_from_lines(lines).contour


def mask_of_lines(lines: FloatArray, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The cavity inside lines, ``(h, w)`` of 0 and 1.

    Args:
        lines: As in `contour_of_lines`.
        shape: ``(h, w)`` of the mask.

    Raises:
        GeometryError: When the lines are no ventricle.
    """
    return mask_of_contour(contour_of_lines(lines), shape)


def contour_of_mask(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> FloatArray:
    """Sub-pixel contour of a cavity, ``(k, 2)``.

    Args:
        mask: ``(h, w)``, inside where it is not 0.

    Raises:
        GeometryError: When there is no piece that is large enough.
    """
    return outline(field_of_mask(mask))


def lines_of_mask_along(
    mask: NDArray[np.bool_] | NDArray[np.uint8], guide: FloatArray, *, aspect: float = 1.0
) -> FloatArray:
    """The 21 lines of a cavity's mask along a long axis that is known, for example that of the lines it was drawn from.

    Nothing is guessed from the shape, so lines come back from a mask as they went in, to a fraction of a pixel.

    Args:
        mask: ``(h, w)``, inside where it is not 0.
        guide: ``(1 + n, 2, 2)`` lines, or the long axis alone, ``(1, 2, 2)``, from apex to base.
        aspect: Pixel height over pixel width.

    Returns:
        ``(21, 2, 2)``; the axis is the guide's.

    Raises:
        GeometryError: When a chord misses the mask.
    """
    axis = np.asarray(guide, dtype=np.float64)[0]
    if axis.shape != (2, 2) or not np.isfinite(axis).all():
        raise GeometryError(f"A long axis is two finite points (apex, base); found {np.shape(guide)}.")
    return lines_of_contour(contour_of_mask(mask), axis[0], np.stack([axis[1], axis[1]]), aspect=aspect)


def end_distances(lines: FloatArray, others: FloatArray) -> FloatArray:
    """Distance between the corresponding ends of two sets of lines, ``(21, 2)`` pixels."""
    step = np.asarray(lines) - np.asarray(others)
    return np.asarray(np.hypot(step[..., 0], step[..., 1]))
