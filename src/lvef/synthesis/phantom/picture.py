"""From beams and depths to the pixels of a square picture, and from outlines in millimetres to labels and tracings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FloatArray, FrameArray, PixelSpacing, Tracing
from lvef.core.terms import Structure
from lvef.geometry.landmarks import find_apex
from lvef.geometry.tracing import tracing_of_contour
from lvef.synthesis.phantom.outlines import Outlines

SUB_PIXEL_BITS = 6
"""Outlines are filled with this many binary places of a pixel."""

FINER = 5
"""Outlines are filled on a grid so many times finer, of which the middle of each pixel counts: OpenCV also fills the pixels
that a border only touches, which would make a cavity half a pixel too wide on either side."""

FINEST_MM = 0.85
"""Pixels coarser than this are the mean of finer ones, as a scanner's picture made smaller is."""


@dataclass(frozen=True)
class Fan:
    """A sector in a square picture.

    Attributes:
        size: Side of the picture in pixels.
        depth_mm: Depth of the sector.
        half_angle: Half of its angle, radians.
    """

    size: int
    depth_mm: float
    half_angle: float

    @property
    def mm_per_pixel(self) -> float:
        """Side of a pixel."""
        return max(self.depth_mm, 2 * self.depth_mm * float(np.sin(self.half_angle))) / self.size

    @property
    def probe_px(self) -> FloatArray:
        """The sector's tip, (x, y) pixels; the sector stands in the middle of the picture."""
        rest = self.size - self.depth_mm / self.mm_per_pixel
        return np.array([(self.size - 1) / 2, rest / 2 - 0.5])

    def to_pixels(self, points_mm: FloatArray) -> FloatArray:
        """Points ``(..., 2)`` (u, depth) in mm to (x, y) pixels."""
        return np.asarray(points_mm / self.mm_per_pixel + self.probe_px)

    def spacing(self) -> PixelSpacing:
        """The picture's scale."""
        return PixelSpacing(self.mm_per_pixel, self.mm_per_pixel, "made so")

    def maps(self, n_samples: int, n_beams: int) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
        """For each (sub)pixel, the beam and the sample it shows, and how many subpixels make a pixel's side."""
        finer = max(1, round(self.mm_per_pixel / FINEST_MM))
        place = (np.arange(self.size * finer) + 0.5) / finer - 0.5
        u = (place[None, :] - self.probe_px[0]) * self.mm_per_pixel
        d = (place[:, None] - self.probe_px[1]) * self.mm_per_pixel
        angle, depth = np.arctan2(u, d), np.hypot(u, d)
        beam = (angle / self.half_angle + 1) / 2 * (n_beams - 1)
        sample = depth / self.depth_mm * (n_samples - 1)
        outside = (np.abs(angle) > self.half_angle) | (depth > self.depth_mm)
        beam = np.where(outside, -10, beam)
        return beam.astype(np.float32), sample.astype(np.float32), finer


def scan_convert(
    polar: NDArray[np.float32], maps: tuple[NDArray[np.float32], NDArray[np.float32], int]
) -> NDArray[np.float32]:
    """Grey levels ``(samples, beams)`` to a picture ``(size, size)``, black outside the sector."""
    beam, sample, finer = maps
    fine = cv2.remap(polar, beam, sample, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    if finer == 1:
        return np.asarray(fine, dtype=np.float32)
    size = beam.shape[0] // finer
    return np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), dtype=np.float32)


def labels_of(outlines: Outlines, fan: Fan) -> FrameArray:
    """Labels ``(size, size)`` of :class:`lvef.core.terms.Structure`, cut off by the sector."""
    labels = np.zeros((fan.size, fan.size), np.uint8)
    for outline, structure in (
        (outlines.left_atrium, Structure.LA),
        (outlines.epicardium, Structure.MYOCARDIUM),
        (outlines.cavity, Structure.LV),
    ):
        labels[inside(fan.to_pixels(outline), fan.size)] = int(structure)
    labels[~sector_mask(fan)] = int(Structure.BACKGROUND)
    return labels


def sector_mask(fan: Fan) -> BoolArray:
    """Whether a pixel's middle lies in the sector, ``(size, size)``."""
    angle = np.linspace(-fan.half_angle, fan.half_angle, 90)
    arc = fan.depth_mm * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return inside(fan.to_pixels(np.concatenate([[[0.0, 0.0]], arc])), fan.size)


def inside(polygon_px: FloatArray, size: int) -> BoolArray:
    """Whether a pixel's middle lies in a polygon ``(k, 2)``, ``(size, size)``."""
    fine = np.zeros((size * FINER, size * FINER), np.uint8)
    if len(polygon_px) >= 3:
        place = (polygon_px + 0.5) * FINER - 0.5
        cv2.fillPoly(
            fine, [np.round(place * (1 << SUB_PIXEL_BITS)).astype(np.int32)], (1,), shift=SUB_PIXEL_BITS
        )
    middle = FINER // 2
    return np.asarray(fine[middle::FINER, middle::FINER] > 0)


def tracing_of(outlines: Outlines, fan: Fan) -> Tracing:
    """The true contour with its axis and disks, in pixels; the apex is found as on any other contour."""
    contour, hinges = fan.to_pixels(outlines.cavity), fan.to_pixels(outlines.hinges)
    return tracing_of_contour(contour, find_apex(contour, hinges), hinges)
