"""Which colours three components are, and whether they lie by pixel or by plane, told by the pixels where the header errs.

An echo is grey nearly everywhere: as RGB its components are equal, as YBR the last two are 128. A header whose reading makes
most of the picture coloured is overruled by a reading that makes nearly all of it grey.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.io.dicom_codestream import RGB, YBR

GREY_TOLERANCE = 6
"""Difference of components, in grey levels, up to which a pixel counts as grey: JPEG leaves 2 or 3."""

LIT_LEVEL = 16
"""Darker pixels say nothing of RGB, where black is equal in every arrangement."""

UNLIKELY, LIKELY = 0.85, 0.95
"""Grey part of the picture below which a reading is doubted, and from which another one is believed."""

MIN_LIT = 0.01
"""Part of the picture that must be lit for a decision."""


def detect_colour_space(picture: NDArray[Any], stated: str) -> str:
    """Return the colour space of a frame.

    Args:
        picture: ``(h, w, 3)`` uint8, components as stored.
        stated: `RGB` or `YBR`, kept unless the picture speaks against it.
    """
    return _best({(colours, 0): picture for colours in (RGB, YBR)}, (stated, 0))[0]


def layout_of(frame: NDArray[Any], height: int, width: int, stated: tuple[str, int]) -> tuple[str, int]:
    """Return colour space and Planar Configuration of an uncompressed frame.

    Args:
        frame: ``(3 height width,)`` uint8 as stored.
        height: Rows.
        width: Columns.
        stated: What the header says; kept unless the frame speaks against it.
    """
    arranged = {0: frame.reshape(height, width, 3), 1: frame.reshape(3, height, width).transpose(1, 2, 0)}
    return _best({(colours, by): arranged[by] for colours in (RGB, YBR) for by in (0, 1)}, stated)


def _best(readings: dict[tuple[str, int], NDArray[Any]], stated: tuple[str, int]) -> tuple[str, int]:
    if (readings[stated].max(axis=2) > LIT_LEVEL).mean() < MIN_LIT:
        return stated
    shares = {reading: _grey_share(picture, reading[0]) for reading, picture in readings.items()}
    best = max(shares, key=lambda reading: shares[reading])
    return best if shares[stated] < UNLIKELY and shares[best] >= LIKELY else stated


def _grey_share(picture: NDArray[Any], colours: str) -> float:
    """Part of the picture that is grey in this reading: of the lit pixels as RGB, of all as YBR."""
    values = picture.astype(np.int16)
    if colours == YBR:
        return float((np.abs(values[..., 1:] - 128).max(axis=2) <= GREY_TOLERANCE).mean())
    high = values.max(axis=2)
    lit = high > LIT_LEVEL
    return float((high - values.min(axis=2) <= GREY_TOLERANCE)[lit].mean()) if lit.any() else 0.0
