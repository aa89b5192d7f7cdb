"""What sends echoes: points fixed in the tissue that move with it.

Points are strewn evenly over a slab around the scan plane at the usual end-diastole, sorted into tissues (`tissue`), and
carried along. Motion through the plane is real: points leave the beam and others come in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.synthesis.phantom.plane import Placement
from lvef.synthesis.phantom.surroundings import Heart
from lvef.synthesis.phantom.tissue import Echogenicity, atrial, ventricular

PER_MM3 = 0.35
"""Points in a cubic millimetre: about ten in what one beam sees at once, enough for full speckle."""

SLAB_MM = 9.0
"""Half thickness of the slab: the beam's half thickness and the way that twisting tissue makes through the plane."""

N_STATES = 9
"""States at which points are placed; between them they move along straight lines."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scatterers:
    """Points in the tissue at any state.

    Attributes:
        states: ``(s,)`` relative volumes.
        points: ``(s, n, 3)`` float32 in the probe's frame, mm.
        amplitude: ``(n,)`` complex64.
        leaflet_phi: ``(k,)`` hinge angles of the points on the leaflets, which move by themselves.
        leaflet_along: ``(k,)`` their place from hinge to edge.
        leaflet_amplitude: ``(k,)`` complex64.
    """

    states: FloatArray
    points: Float32
    amplitude: NDArray[np.complex64]
    leaflet_phi: FloatArray
    leaflet_along: FloatArray
    leaflet_amplitude: NDArray[np.complex64]

    def at(self, v: float) -> Float32:
        """Points at a relative volume, ``(n, 3)``."""
        last = len(self.states) - 1
        place = float(np.clip(np.interp(v, self.states, np.arange(last + 1)), 0, last - 1e-6))
        i, share = int(place), np.float32(place - int(place))
        return np.asarray(self.points[i] + share * (self.points[i + 1] - self.points[i]))


def strew(
    heart: Heart,
    placement: Placement,
    echo: Echogenicity,
    *,
    low: float,
    high: float,
    depth_mm: float,
    half_angle: float,
    rng: np.random.Generator,
) -> Scatterers:
    """Strew points over a heart.

    Args:
        heart: The heart.
        placement: Where it lies.
        echo: Strengths.
        low: Smallest relative volume that will be asked for.
        high: Largest.
        depth_mm: Depth of the picture.
        half_angle: Half of the sector's angle, radians.
        rng: Random generator.
    """
    width = depth_mm * np.sin(half_angle)
    n = rng.poisson(PER_MM3 * 2 * width * depth_mm * 2 * SLAB_MM)
    probe = rng.uniform([-width, 0, -SLAB_MM], [width, depth_mm, SLAB_MM], (n, 3))
    probe = probe[np.abs(np.arctan2(probe[:, 0], probe[:, 1])) < half_angle + 0.05]
    groups = ventricular(heart, placement, probe, echo, rng) + atrial(heart, placement, probe, echo)
    states = np.linspace(low, max(high, low + 1e-3), N_STATES)
    points = np.concatenate(
        [np.stack([move(float(v)) for v in states]).astype(np.float32) for move, _ in groups], axis=1
    )
    level = np.concatenate([db for _, db in groups])
    at_rest = np.concatenate([move(1.0) for move, _ in groups])
    level = level + echo.patchiness_db * _patches(at_rest, rng)
    phi, along, leaf_db = _leaflet_seeds(heart, placement, echo, rng)
    return Scatterers(states, points, _random_phase(level, rng), phi, along, _random_phase(leaf_db, rng))


def _leaflet_seeds(
    heart: Heart, placement: Placement, echo: Echogenicity, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points on the mitral leaflets that can come near the plane."""
    ring = heart.ventricle.shape.width_mm * heart.ventricle.shape.mitral_share
    n = int(PER_MM3 * 1.2 * np.pi * ring * 0.5 * ring * 1.5)
    phi, along = rng.uniform(-np.pi, np.pi, n), rng.uniform(0, 1, n)
    closed = placement.to_probe(heart.leaflet(phi, along, 0.0, 1.0))
    near = np.abs(closed[:, 2]) < SLAB_MM
    return phi[near], along[near], np.full(int(near.sum()), echo.valve_db)


def _patches(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A slow random field of mean 0 and standard deviation 1 over the tissue (wavelengths of 5 to 28 mm)."""
    field = np.zeros(len(points))
    n = 12
    for _ in range(n):
        wave = rng.standard_normal(3)
        wave *= 2 * np.pi / rng.uniform(5, 28) / np.linalg.norm(wave)
        field += np.cos(points @ wave + rng.uniform(0, 2 * np.pi))
    return np.asarray(field / np.sqrt(n / 2))


def _random_phase(level_db: FloatArray, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Circular complex amplitudes of unit mean power, scaled by a level."""
    n = len(level_db)
    white = (rng.standard_normal(n) + 1j * rng.standard_normal(n)) / np.sqrt(2)
    return np.asarray(white * 10 ** (level_db / 20), dtype=np.complex64)
