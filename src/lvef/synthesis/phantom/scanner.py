"""A simulated scanner: from scatterers and contours to grey levels in beams and depths.

Each frame: the echoes of all points are added up with their phases on a grid of beams and depths; blood and the
receiver's noise are random there and new in each frame (blood keeps a little of the frame before); tissue behind the heart
is a standing random field; attenuation, shadows and drop-out weaken all of it; the pulse and the beam blur it (the point
spread, in depth by the pulse's length, across by the beam's angle); clutter that stands still is added; then come the
magnitude, speckle reduction, the logarithm, and persistence.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.synthesis.phantom.plane import Contours
from lvef.synthesis.phantom.scatterers import PER_MM3, Float32

SAMPLE_MM = 0.5
"""Depth of a sample."""

WAVELENGTH_MM = 0.6
"""Of ultrasound at 2.5 MHz."""

MAX_LEVEL = 255.0
"""Brightest grey level."""


@dataclass(frozen=True, slots=True)
class Beam:
    """Weakening of the image between two beams.

    Attributes:
        angle: Its middle, as a share of the half angle, -1 to 1.
        width: Half width in the same unit.
        from_mm: Depth from which on it is weakened.
        to_mm: Depth up to which it is.
        loss_db: By how much.
    """

    angle: float
    width: float
    from_mm: float
    to_mm: float
    loss_db: float


@dataclass(frozen=True, slots=True)
class Scanner:
    """Settings of a scanner and state of the window it looks through.

    Attributes:
        depth_mm: Depth of the image.
        half_angle_deg: Half of the sector's angle.
        n_beams: Beams in a frame.
        pulse_mm: Standard deviation of the point spread in depth.
        beam_deg: The same across.
        slice_mm: Standard deviation of the beam's thickness, out of the plane.
        smooth_mm: Speckle reduction: standard deviation in depth.
        smooth_deg: The same across.
        dynamic_range_db: Decibels from black to white.
        wall_grey: Grey level that plain myocardium is set to, by gain.
        cavity_grey: Grey level of the blood at mid depth.
        behind_grey: Grey level of the tissue behind the heart, at mid depth.
        rim_grey: What the outside of the heart is brighter than that.
        rim_mm: Distance over which this falls to a third.
        blood_memory: Correlation of blood with itself one 50th of a second before.
        noise_grey: Grey level that the receiver's noise reaches at full depth.
        near_clutter_db: Level of clutter at the probe over plain myocardium.
        near_clutter_mm: Depth over which it falls to a third.
        haze_db: Level of clutter that stands all over the image.
        far_haze_db: What it gains towards the far end.
        gain_db: Coefficients of the gain over depth (-1 to 1): slope, bend.
        uneven_db: Standard deviation of slow changes of the gain over the sector.
        weakened: Shadows and drop-outs.
        persistence: Part of the frame before that stays.
    """

    depth_mm: float = 150.0
    half_angle_deg: float = 38.0
    n_beams: int = 128
    pulse_mm: float = 0.4
    beam_deg: float = 0.55
    slice_mm: float = 2.2
    smooth_mm: float = 0.4
    smooth_deg: float = 0.45
    dynamic_range_db: float = 58.0
    wall_grey: float = 105.0
    cavity_grey: float = 50.0
    behind_grey: float = 85.0
    rim_grey: float = 45.0
    rim_mm: float = 14.0
    blood_memory: float = 0.35
    noise_grey: float = 45.0
    near_clutter_db: float = 4.0
    near_clutter_mm: float = 9.0
    haze_db: float = -18.0
    far_haze_db: float = 8.0
    gain_db: tuple[float, float] = (0.0, 0.0)
    uneven_db: float = 2.0
    weakened: tuple[Beam, ...] = ()
    persistence: float = 0.2

    @property
    def half_angle(self) -> float:
        """Half of the sector's angle, radians."""
        return float(np.deg2rad(self.half_angle_deg))

    @property
    def n_samples(self) -> int:
        """Samples along a beam."""
        return round(self.depth_mm / SAMPLE_MM) + 1


class Imaging:
    """A scanner at work on one clip; `frame` is called in the order of time.

    Args:
        scanner: Settings.
        frame_rate_hz: Frames per second.
        rng: Random generator.
    """

    def __init__(self, scanner: Scanner, frame_rate_hz: float, rng: np.random.Generator) -> None:
        self.scanner, self._rng = scanner, rng
        n, m = scanner.n_samples, scanner.n_beams
        self._beam_sigma = scanner.beam_deg / (2 * scanner.half_angle_deg) * (m - 1)
        self._pulse_sigma = scanner.pulse_mm / SAMPLE_MM
        depth = np.linspace(0, 1, n)[:, None]
        self._energy = _kernel_energy(self._pulse_sigma) * _kernel_energy(self._beam_sigma)
        step = 2 * scanner.half_angle / (m - 1)
        cell = SAMPLE_MM * np.maximum(depth * scanner.depth_mm, 4.0) * step
        points = PER_MM3 * cell * scanner.slice_mm * np.sqrt(np.pi)
        self._tissue = (1 / np.sqrt(points * self._energy)).astype(np.float32)
        self._gain = self._gain_map().astype(np.float32)
        field = self.field = np.float32(1 / np.sqrt(self._energy))
        noise = field * 10 ** (self._below_wall(scanner.noise_grey) / 20) * depth**1.5
        self._noise = np.broadcast_to(noise, (n, m)).astype(np.float32)
        self._blood = np.float32(field * 10 ** (self._below_wall(scanner.cavity_grey) / 20))
        behind = self._below_wall(scanner.behind_grey) + 4 * _slow(n, m, 5, rng) + 5 * _slow(n, m, 16, rng)
        behind = behind + 8 * (depth - 0.5)
        self._behind = self._white() * (field * 10 ** (behind / 20)).astype(np.float32)[..., None]
        reach = 2 * scanner.near_clutter_mm
        near = scanner.near_clutter_db - 20 * np.log10(np.e) * depth * scanner.depth_mm / reach
        haze = scanner.haze_db + 5 * _slow(n, m, 6, rng)
        haze = haze + scanner.far_haze_db * np.clip((depth - 0.6) / 0.4, 0, 1)
        clutter = field * (10 ** (near / 20) + 10 ** (haze / 20))
        self._clutter = self._spread(self._white() * clutter.astype(np.float32)[..., None])
        self._memory = scanner.blood_memory ** (50 / frame_rate_hz)
        self._random = self._white()
        self._shown: Float32 | None = None

    def frame(self, points: Float32, amplitude: NDArray[np.complex64], contours: Contours) -> Float32:
        """Grey levels of the next frame, ``(samples, beams)`` float32, 0-255.

        Args:
            points: ``(n, 3)`` scatterers in the probe's frame, mm.
            amplitude: ``(n,)`` complex64, in units of plain myocardium.
            contours: Where blood is, and where the heart hides what is behind.
        """
        echo = self._echoes(points, amplitude) * self._tissue[..., None]
        blood = self._covered((contours.cavity, contours.left_atrium, *contours.blood))
        return self.develop(echo, blood, self._covered(contours.heart))

    def develop(self, echo: Float32, blood: Float32, heart: Float32) -> Float32:
        """Grey levels of the next frame from the echoes of its tissue, ``(samples, beams)`` float32, 0-255.

        Args:
            echo: ``(samples, beams, 2)`` real and imaginary part; that of plain myocardium has the power `field` squared.
            blood: ``(samples, beams)`` how much of a cell is blood, 0-1.
            heart: How much of a cell is heart, which hides the standing tissue behind it, 0-1.
        """
        fresh = np.float32(np.sqrt(1 - self._memory**2))
        self._random = np.float32(self._memory) * self._random + fresh * self._white()
        echo = echo + self._behind * ((1 - heart) * self._rim(heart))[..., None]
        # blood and noise are both random: one field with the sum of their powers
        power = (self._blood * blood * self._gain) ** 2 + self._noise**2
        echo = echo * self._gain[..., None] + self._random * np.sqrt(power)[..., None]
        echo = self._spread(echo) + self._clutter
        intensity = echo[..., 0] ** 2 + echo[..., 1] ** 2
        across = self.scanner.smooth_deg / (2 * self.scanner.half_angle_deg) * (self.scanner.n_beams - 1)
        intensity = _blurred(intensity, self.scanner.smooth_mm / SAMPLE_MM, across)
        level = 10 * np.log10(np.maximum(intensity, 1e-12))
        grey = self.scanner.wall_grey + level * np.float32(MAX_LEVEL / self.scanner.dynamic_range_db)
        grey = np.clip(grey, 0, MAX_LEVEL).astype(np.float32)
        keep = np.float32(self.scanner.persistence)
        self._shown = grey if self._shown is None else keep * self._shown + (1 - keep) * grey
        return self._shown

    def _echoes(self, points: Float32, amplitude: NDArray[np.complex64]) -> Float32:
        """Sum of all echoes on the grid, each shared between its two nearest beams; ``(samples, beams, 2)``."""
        s, (n, m) = self.scanner, self._gain.shape
        depth = np.hypot(points[:, 0], points[:, 1])
        angle = np.arctan2(points[:, 0], points[:, 1])
        beam = (angle / np.float32(s.half_angle) + 1) * np.float32((m - 1) / 2)
        sample = depth * np.float32(1 / SAMPLE_MM)
        out = points[:, 2] * np.float32(1 / s.slice_mm)
        seen = (beam > 0) & (beam < m - 1) & (sample < n - 1) & (np.abs(out) < 3)
        beam, sample, out, depth = beam[seen], sample[seen], out[seen], depth[seen]
        turn = depth * np.float32(4 * np.pi / WAVELENGTH_MM)
        echo = amplitude[seen] * np.exp(-(out * out) / 2) * (np.cos(turn) + 1j * np.sin(turn))
        first = beam.astype(np.int32)
        share = beam - first
        index = (sample + np.float32(0.5)).astype(np.int32) * m + first
        total = np.empty((n, m, 2), np.float32)
        for part, values in ((0, echo.real), (1, echo.imag)):
            grid = np.bincount(index, values * (1 - share), n * m)
            grid[1:] += np.bincount(index, values * share, n * m)[:-1]
            total[..., part] = grid.reshape(n, m)
        return total

    def _white(self) -> Float32:
        """Circular complex noise of unit power, ``(samples, beams, 2)``."""
        n, m = self.scanner.n_samples, self.scanner.n_beams
        return self._rng.standard_normal((n, m, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))

    def _spread(self, echo: Float32) -> Float32:
        return _blurred(echo, self._pulse_sigma, self._beam_sigma)

    def _below_wall(self, grey: float) -> float:
        """Decibels of a grey level under plain myocardium."""
        return (grey - self.scanner.wall_grey) / MAX_LEVEL * self.scanner.dynamic_range_db

    def _covered(self, contours: tuple[FloatArray, ...]) -> Float32:
        """How much of each cell lies in any of the contours, with a soft edge, ``(samples, beams)``."""
        s = self.scanner
        mask = np.zeros((s.n_samples, s.n_beams), np.uint8)
        for contour in contours:
            depth = np.hypot(contour[:, 0], contour[:, 1]) / SAMPLE_MM
            beam = (np.arctan2(contour[:, 0], contour[:, 1]) / s.half_angle + 1) / 2 * (s.n_beams - 1)
            polygon = np.round(np.stack([beam, depth], axis=1) * 16).astype(np.int32)
            if len(polygon) >= 3:
                cv2.fillPoly(mask, [polygon], (1,), shift=4)
        return _blurred(mask.astype(np.float32), 1.0, 0.7)

    def _rim(self, heart: Float32) -> Float32:
        """Gain of what is behind, more just outside the heart."""
        away = cv2.distanceTransform((heart < 0.5).astype(np.uint8), cv2.DIST_L2, 3) * SAMPLE_MM
        brighter = self.scanner.rim_grey / MAX_LEVEL * self.scanner.dynamic_range_db
        return np.asarray(10 ** (brighter / 20 * np.exp(-away / self.scanner.rim_mm)), dtype=np.float32)

    def _gain_map(self) -> FloatArray:
        """Amplitude gain over depth and angle, ``(samples, beams)``."""
        s = self.scanner
        depth, angle = np.linspace(0, 1, s.n_samples)[:, None], np.linspace(-1, 1, s.n_beams)[None, :]
        x = 2 * depth - 1
        level = s.gain_db[0] * x + s.gain_db[1] * (x * x - 1 / 3)
        level = level + s.uneven_db * _slow(s.n_samples, s.n_beams, 6, self._rng)
        for one in s.weakened:
            across = np.clip((one.width - np.abs(angle - one.angle)) / 0.06 + 0.5, 0, 1)
            mm = depth * s.depth_mm
            along = np.clip((mm - one.from_mm) / 5 + 0.5, 0, 1) * np.clip((one.to_mm - mm) / 5 + 0.5, 0, 1)
            level = level - one.loss_db * across * along
        return np.asarray(10 ** (level / 20))


def _blurred(values: Float32, down: float, across: float) -> Float32:
    """Gaussian blur of ``(samples, beams)`` or ``(samples, beams, 2)``."""
    size = [2 * max(1, round(3 * s)) + 1 for s in (across, down)]
    x, y = max(across, 1e-3), max(down, 1e-3)
    return np.asarray(cv2.GaussianBlur(values, size, x, sigmaY=y, borderType=cv2.BORDER_REFLECT))


def _kernel_energy(sigma: float) -> float:
    """Sum of the squares of a Gaussian kernel that sums to 1."""
    kernel = cv2.getGaussianKernel(2 * max(1, round(3 * sigma)) + 1, max(sigma, 1e-3))
    return float((kernel**2).sum())


def _slow(n: int, m: int, cells: int, rng: np.random.Generator) -> FloatArray:
    """A smooth random field ``(n, m)`` of standard deviation about 1, with so many cells along each side."""
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (m, n), interpolation=cv2.INTER_CUBIC), dtype=np.float64)
