"""How far the borders of two masks lie apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lvef.core.errors import DataError
from lvef.core.records import BoolArray, FloatArray, PixelSpacing


class Distances(NamedTuple):
    """Distances of two borders, in `unit_of` the spacing; NaN where one of the masks is empty.

    Attributes:
        hausdorff: The farthest any border pixel of one lies from the border of the other.
        mean: Mean over all border pixels of both of the way to the other border (mean symmetric surface distance).
    """

    hausdorff: float
    mean: float


def unit_of(spacing: PixelSpacing | None) -> str:
    """``mm`` where the picture has a scale, ``px`` (pixels of the picture) where it has none."""
    return "px" if spacing is None else "mm"


def border_distances(predicted: BoolArray, truth: BoolArray, spacing: PixelSpacing | None) -> Distances:
    """Hausdorff and mean symmetric surface distance of two masks.

    Distances run between centres of border pixels: pixels of the mask with one of their four neighbours outside it. A mask
    that is cut off by the edge of the picture has a border there.

    Args:
        predicted: ``(height, width)``.
        truth: ``(height, width)``.
        spacing: Millimetres per pixel, or None for distances in pixels.

    Raises:
        DataError: The masks differ in size.

    Source:
        Definitions as in A. A. Taha, A. Hanbury, BMC Medical Imaging 15:29, 2015, and the challenge of CAMUS.

    Example:
        >>> a, b = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
        >>> a[2, 2] = b[5, 6] = True
        >>> border_distances(a, b, None)
        Distances(hausdorff=5.0, mean=5.0)
    """
    if predicted.shape != truth.shape:
        raise DataError(
            f"Masks of {predicted.shape} and {truth.shape} pixels cannot be compared; one size was expected."
        )
    if not (predicted.any() and truth.any()):
        return Distances(float("nan"), float("nan"))
    first, second = (_border(mask) for mask in _cut_to_both(predicted, truth))
    sampling = (1.0, 1.0) if spacing is None else (spacing.y_mm, spacing.x_mm)
    ways = np.concatenate([_ways(first, second, sampling), _ways(second, first, sampling)])
    return Distances(float(ways.max()), float(ways.mean()))


def _cut_to_both(predicted: BoolArray, truth: BoolArray) -> tuple[BoolArray, BoolArray]:
    # The distance transform costs by the pixel, and most pixels hold neither mask.
    rows, columns = (np.flatnonzero((predicted | truth).any(axis=axis)) for axis in (1, 0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return predicted[window], truth[window]


def _border(mask: BoolArray) -> BoolArray:
    return np.asarray(mask & ~ndimage.binary_erosion(mask), dtype=bool)


def _ways(start: BoolArray, goal: BoolArray, sampling: tuple[float, float]) -> FloatArray:
    """Way from each pixel of ``start`` to the nearest pixel of ``goal``, ``(k,)``."""
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~goal, sampling=sampling)
    return np.asarray(distance[start], dtype=np.float64)
