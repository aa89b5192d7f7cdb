"""Render a phantom frame by frame: beams to pixels, contours to labels and tracings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import BoolArray, Clip, FloatArray, FrameArray, PixelSpacing, Tracing
from lvef.core.terms import Structure, View
from lvef.geometry.landmarks import find_apex
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import tracing_of_contour
from lvef.synthesis.phantom.draw import PhantomCase, PhantomOptions, draw_phantom
from lvef.synthesis.phantom.plane import Contours, ContourTable, Placement
from lvef.synthesis.phantom.scanner import Imaging
from lvef.synthesis.phantom.scatterers import place_scatterers
from lvef.synthesis.truth import SyntheticClip, beats_in_clip
from lvef.synthesis.volume_curves import KICK_S, Rhythm, RhythmKind, volume_at

SUB_PIXEL_BITS = 6
"""Contours are filled with this many binary places of a pixel."""

FINER = 5
"""Contours are filled on a grid so many times finer, of which the middle of each pixel counts: OpenCV also fills the pixels
that a border only touches, which would make a cavity half a pixel too wide on either side."""

FINEST_MM = 0.85
"""Pixels coarser than this are the mean of finer ones, as a scanner's image made smaller is."""


@dataclass(frozen=True)
class Fan:
    """A sector in a square image.

    Attributes:
        size: Side of the image in pixels.
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
        """The sector's tip, (x, y) pixels; the sector stands in the middle of the image."""
        rest = self.size - self.depth_mm / self.mm_per_pixel
        return np.array([(self.size - 1) / 2, rest / 2 - 0.5])

    def to_pixels(self, points_mm: FloatArray) -> FloatArray:
        """Points ``(..., 2)`` (u, depth) in mm to (x, y) pixels."""
        return np.asarray(points_mm / self.mm_per_pixel + self.probe_px)

    def spacing(self) -> PixelSpacing:
        """The image's scale."""
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
    """Grey levels ``(samples, beams)`` to an image ``(size, size)``, black outside the sector."""
    beam, sample, finer = maps
    fine = cv2.remap(polar, beam, sample, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    if finer == 1:
        return np.asarray(fine, dtype=np.float32)
    size = beam.shape[0] // finer
    return np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), dtype=np.float32)


def labels_of(contours: Contours, fan: Fan) -> FrameArray:
    """Labels ``(size, size)`` of :class:`lvef.core.terms.Structure`, cut off by the sector."""
    labels = np.zeros((fan.size, fan.size), np.uint8)
    for contour, structure in (
        (contours.left_atrium, Structure.LA),
        (contours.epicardium, Structure.MYOCARDIUM),
        (contours.cavity, Structure.LV),
    ):
        labels[inside(fan.to_pixels(contour), fan.size)] = int(structure)
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
        points = np.round(place * (1 << SUB_PIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(fine, [points], (1,), shift=SUB_PIXEL_BITS)
    middle = FINER // 2
    return np.asarray(fine[middle::FINER, middle::FINER] > 0)


def tracing_of(contours: Contours, fan: Fan) -> Tracing:
    """The true contour with its axis and disks, in pixels; the apex is found as on any other contour."""
    contour, hinges = fan.to_pixels(contours.cavity), fan.to_pixels(contours.hinges)
    return tracing_of_contour(contour, find_apex(contour, hinges), hinges)


def render_phantom(case: PhantomCase, rng: np.random.Generator) -> SyntheticClip:
    """Render the clip of a phantom.

    Args:
        case: Everything about it, from `lvef.synthesis.phantom.draw.draw_phantom`.
        rng: Random generator for speckle, blood and noise.

    Returns:
        The clip and its truth.
    """
    heart, acquisition = case.heart, case.acquisition
    times = acquisition.times_s
    volume = volume_at(acquisition.rhythm, times + acquisition.start_s)
    relative = volume / heart.ventricle.volume_ml
    low, high = float(relative.min()) - 0.01, max(float(relative.max()), 1.0) + 0.01
    placement = Placement(heart.ventricle, case.pose)
    table = ContourTable(heart, placement, low, high)
    depth, half_angle = case.scanner.depth_mm, case.scanner.half_angle
    scatterers = place_scatterers(heart, placement, case.echo, (low, high), depth, half_angle, rng)
    fan = Fan(case.size, depth, half_angle)
    maps = fan.maps(case.scanner.n_samples, case.scanner.n_beams)
    imaging = Imaging(case.scanner, acquisition.frame_rate_hz, rng)
    opening = valve_opening(acquisition.rhythm, times + acquisition.start_s)
    shift = case.drift_mm(times)
    amplitude = np.concatenate([scatterers.amplitude, scatterers.leaflet_amplitude])
    frames = np.empty((len(times), case.size, case.size), np.uint8)
    labels = np.empty_like(frames)
    tracings = []
    for i, v in enumerate(relative.tolist()):
        contours = table.at(v).moved(shift[i])
        leaflets = heart.leaflet(scatterers.leaflet_phi, scatterers.leaflet_along, float(opening[i]), v)
        leaflets = placement.to_probe(leaflets)
        points = np.concatenate([scatterers.at(v), leaflets.astype(np.float32)])
        points[:, :2] += shift[i].astype(np.float32)
        grey = imaging.frame(points, amplitude, contours)
        frames[i] = np.clip(np.round(scan_convert(grey, maps)), 0, 255)
        labels[i] = labels_of(contours, fan)
        tracings.append(tracing_of(contours, fan))
    spacing = fan.spacing()
    plane = np.array([volume_of_tracing(tracing, spacing) for tracing in tracings])
    clip = Clip(frames, times, "made so", case.name, spacing=spacing, view=case.view)
    beats = beats_in_clip(acquisition.rhythm, acquisition.start_s, times, plane)
    return SyntheticClip(clip, labels, tuple(tracings), volume, plane, beats, case.parameters())


def valve_opening(rhythm: Rhythm, times_s: FloatArray) -> FloatArray:
    """How far the mitral valve is open, 0-1: wide in early filling and at the kick, half closed between.

    Args:
        rhythm: The beats.
        times_s: ``(n,)`` on the rhythm's clock.
    """
    step = 0.004
    rate = (volume_at(rhythm, times_s + step) - volume_at(rhythm, times_s - step)) / (2 * step)
    stroke = float(np.median(rhythm.ed_volume - rhythm.es_volume))
    filling = rate / max(stroke / (4 * KICK_S), 1e-6)
    return np.asarray(np.clip(np.where(filling > 0.02, 0.35 + 0.65 * filling, 0.0), 0, 1))


SAMPLE_SEED = 1
"""Seed of the phantom: the first one, not selected by its result."""

SAMPLE_EF_PERCENT = 55.0
"""EF of the phantom's ventricle in space."""

SAMPLE_RATE_BPM, SAMPLE_FRAME_RATE_HZ, SAMPLE_FRAMES = 70.0, 50.0, 150
"""Heart rate, frames a second and number of frames: three seconds, in which two or three beats are whole."""


def sample_phantom(view: View = View.A4C) -> SyntheticClip:
    """Make the phantom.

    Args:
        view: Apical view.
    """
    rng = np.random.default_rng(SAMPLE_SEED)
    usual = (SAMPLE_EF_PERCENT, SAMPLE_RATE_BPM, RhythmKind.SINUS, SAMPLE_FRAME_RATE_HZ, SAMPLE_FRAMES)
    options = PhantomOptions(*usual, view=view)
    return render_phantom(draw_phantom(rng, options, name="phantom"), rng)
