"""What sends echoes: points fixed in the tissue that move with it.

Points are placed uniformly in a slab around the scan plane at the usual end-diastole, sorted into tissues and carried
along. Points of the wall keep their level, their angle and the volume between them and the endocardium (less what the wall
loses); points of other walls keep their distance from the surface they belong to. Motion through the plane is real: points
leave the beam and others come in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.synthesis.phantom.anatomy import ATRIAL_WALL_MM, SEPTUM, Heart, drawn
from lvef.synthesis.phantom.plane import Placement

SKELETON_MM = 9.0
"""What the walls between the atria are thicker at the valves."""

PERICARDIUM_MM = 2.2
"""Thickness of the bright layer around the heart."""

Mover = Callable[[float], FloatArray]
"""From a relative volume to points in the probe's frame, ``(n, 3)``."""


@dataclass(frozen=True, slots=True)
class Echogenicity:
    """Strength of echoes in decibels over plain myocardium, and how it depends on where a wall faces.

    Attributes:
        septum_db: Of the septum's middle over the rest of the wall.
        right_wall_db: Wall of the right ventricle.
        atrial_db: Walls of the atria.
        pericardium_db: Layer around the heart.
        valve_db: Leaflets.
        compact_db: What the wall gains from the endocardium to the epicardium, outside the septum.
        apex_loss_db: What the wall at the apex is weaker.
        ring_db: Ends of the walls at the mitral ring.
        lining_db: Endocardium and epicardium, where they face the beam.
        trabeculae_db: What juts into the cavity.
        papillary: Share of a papillary muscle's full size, 0 for none in sight.
        grazing_loss_db: Loss of walls along the beam against walls across it.
        patchiness_db: Standard deviation of slow random changes within the tissue.
    """

    septum_db: float = drawn(22, 5, 8, 33)
    right_wall_db: float = drawn(4, 4, -5, 14)
    atrial_db: float = drawn(7, 4, -3, 16)
    pericardium_db: float = drawn(15, 4, 5, 25)
    valve_db: float = drawn(10, 4, 0, 19)
    compact_db: float = drawn(9, 4, 0, 18)
    apex_loss_db: float = drawn(9, 3, 0, 15)
    ring_db: float = drawn(9, 3, 1, 17)
    lining_db: float = drawn(9, 3, 1, 16)
    trabeculae_db: float = drawn(-3, 4, -12, 6)
    papillary: float = drawn(0.6, 0.3, 0, 1.1)
    grazing_loss_db: float = drawn(3, 1.5, 0, 8)
    patchiness_db: float = drawn(4.5, 1, 2, 7)


def ventricular(
    heart: Heart, placement: Placement, probe: FloatArray, echo: Echogenicity, rng: np.random.Generator
) -> list[tuple[Mover, FloatArray]]:
    """Walls of both ventricles, the layer around them, and what juts into the left one."""
    ventricle = heart.ventricle
    body = placement.to_body(probe)
    z = body[:, 2] - ventricle.shape.mitral_slope * body[:, 0]
    zeta = z / ventricle.length_mm(1.0)
    x = body[:, 0] - ventricle.bend(zeta)
    r, phi = np.hypot(x, body[:, 1]), np.arctan2(body[:, 1], x)
    near = (zeta < 1) & (zeta > -0.3) & (r < 95)
    zeta, phi, r, probe = zeta[near], phi[near], r[near], probe[near]
    endo2 = ventricle.endo_squared_at_rest(zeta, phi)
    endo, epi = np.sqrt(endo2), np.sqrt(ventricle.epi_squared_at_rest(zeta, phi))
    gap = heart.right_gap(zeta, phi, 1.0)
    outer = heart.outer_radius(zeta, phi, 1.0)
    facing = _facing(placement, probe, zeta, phi)
    grazing = echo.grazing_loss_db * (facing - 1)

    def carried(
        chosen: NDArray[np.bool_], radius: Callable[[FloatArray, FloatArray, float], FloatArray]
    ) -> Mover:
        level, angle = zeta[chosen], phi[chosen]
        return lambda v: placement.to_probe(ventricle.place(level, angle, radius(level, angle, v), v))

    wall = (r > endo) & (r < epi)
    q = (r * r - endo2)[wall]
    depth_in_wall = ((r - endo) / np.maximum(epi - endo, 1e-6))[wall]
    septal = np.exp(-((np.angle(np.exp(1j * (phi[wall] - SEPTUM))) / 0.9) ** 2))
    # experts draw the border inside the trabeculae, so the echo rises only slowly from there to the compact wall
    lining = 0.35 * np.exp(-((depth_in_wall / 0.12) ** 2)) + np.exp(-(((1 - depth_in_wall) / 0.15) ** 2))
    wall_db = (
        grazing[wall]
        + echo.septum_db * septal * np.exp(-(((depth_in_wall - 0.55) / 0.35) ** 2))
        + echo.compact_db * (depth_in_wall - 0.3) * (1 - septal)
        + echo.lining_db * lining * facing[wall]
        + echo.ring_db * np.clip((zeta[wall] - 0.9) / 0.08, 0, 1)
        - echo.apex_loss_db * np.clip(1 - zeta[wall] / 0.2, 0, 1)
    )
    right = (gap > 1) & (r > epi + gap) & (r < outer)
    right_offset = (r - epi - gap)[right]
    layer = (r > outer) & (r < outer + PERICARDIUM_MM) & (zeta > -0.15)
    layer_offset = (r - outer)[layer]
    juts = (r < endo) & _jutting(zeta, phi, r / np.maximum(endo, 1e-6), echo.papillary, rng)
    fraction = (r / np.maximum(endo, 1e-6))[juts]
    return [
        (
            carried(
                wall,
                lambda level, angle, v: np.sqrt(
                    ventricle.endo_squared(level, angle, v) + ventricle.wall_squared(q, v)
                ),
            ),
            wall_db,
        ),
        (
            carried(
                right,
                lambda level, angle, v: (
                    np.sqrt(ventricle.epi_squared(level, angle, v))
                    + heart.right_gap(level, angle, v)
                    + right_offset
                ),
            ),
            echo.right_wall_db + grazing[right],
        ),
        (
            carried(layer, lambda level, angle, v: heart.outer_radius(level, angle, v) + layer_offset),
            echo.pericardium_db * (0.35 + 0.65 * facing[layer]) + grazing[layer],
        ),
        (
            carried(
                juts, lambda level, angle, v: fraction * np.sqrt(ventricle.endo_squared(level, angle, v))
            ),
            np.full(int(juts.sum()), echo.trabeculae_db),
        ),
    ]


def atrial(
    heart: Heart, placement: Placement, probe: FloatArray, echo: Echogenicity
) -> list[tuple[Mover, FloatArray]]:
    """Walls of both atria; where they meet they make the septum between them."""
    slope = heart.ventricle.shape.mitral_slope
    body = placement.to_body(probe)
    z = body[:, 2] - slope * body[:, 0]
    low, high = heart.atrial_z(np.array([0.0, 1.0]), 1.0)
    eta = (z - low) / (high - low)
    near = (eta > 0) & (eta < 1.08)
    eta, body = eta[near], body[near]
    shift = -heart.right_atrium_centre_mm()
    left_r, right_r = np.hypot(body[:, 0], body[:, 1]), np.hypot(body[:, 0] - shift, body[:, 1])
    left, right = heart.left_atrium_radius(eta, 1.0), heart.right_atrium_radius(eta, 1.0)
    groups: list[tuple[Mover, FloatArray]] = []
    for r, size, other_r, other, centre, radius in (
        (left_r, left, right_r, right, 0.0, heart.left_atrium_radius),
        (right_r, right, left_r, left + ATRIAL_WALL_MM, shift, heart.right_atrium_radius),
    ):
        # towards the valves the walls run out into the broad fibrous skeleton
        thickness = ATRIAL_WALL_MM + SKELETON_MM * np.clip(1 - eta / 0.22, 0, 1)
        wall = (r > size) & (r < size + thickness) & (other_r > other)
        level, offset = eta[wall], (r - size)[wall]
        angle = np.arctan2(body[wall, 1], body[wall, 0] - centre)

        def move(
            v: float,
            level: FloatArray = level,
            offset: FloatArray = offset,
            angle: FloatArray = angle,
            centre: float = centre,
            radius: Callable[[FloatArray, float], FloatArray] = radius,
        ) -> FloatArray:
            out = radius(level, v) + offset
            x = centre + out * np.cos(angle)
            points = np.stack([x, out * np.sin(angle), heart.atrial_z(level, v) + slope * x], axis=1)
            return placement.to_probe(points)

        groups.append((move, echo.atrial_db + 4.0 * np.clip((level - 0.75) / 0.25, 0, 1)))
    return groups


def _jutting(
    zeta: FloatArray, phi: FloatArray, fraction: FloatArray, papillary: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Trabeculae towards the apex and two papillary muscles, inside the cavity."""
    clumps = np.zeros_like(zeta)
    for _ in range(6):
        around, along, phase = rng.integers(2, 7), rng.uniform(8, 25), rng.uniform(0, 2 * np.pi)
        clumps += np.cos(around * phi + along * zeta + phase)
    reach = 0.04 + 0.08 * np.clip(1 - zeta / 0.7, 0, 1)
    trabeculae = (fraction > 1 - reach * (1 + 0.4 * clumps)) & (zeta < 0.75)
    muscle = np.zeros(len(zeta), dtype=bool)
    for middle in (0.85, -0.95):
        around = np.angle(np.exp(1j * (phi - middle)))
        muscle |= (
            (np.abs(zeta - 0.48) < 0.14 * papillary)
            & (np.abs(around) < 0.28 * papillary)
            & (fraction > 1 - 0.38 * papillary)
        )
    return np.asarray(trabeculae | muscle)


def _facing(placement: Placement, probe: FloatArray, zeta: FloatArray, phi: FloatArray) -> FloatArray:
    """How squarely the wall faces the beam, 0-1: the cosine between beam and the wall's normal, at rest."""
    ventricle, step = placement.ventricle, 0.01
    level = np.clip(zeta, 0.02, 0.98)
    slope = (
        np.sqrt(ventricle.endo_squared_at_rest(level + step, phi))
        - np.sqrt(ventricle.endo_squared_at_rest(level - step, phi))
    ) / (2 * step * ventricle.shape.length_mm)
    normal = np.stack([np.cos(phi), np.sin(phi), -slope], axis=1)
    normal = normal / np.linalg.norm(normal, axis=1)[:, None]
    normal = normal @ placement.pose.rotation(ventricle.shape.length_mm).T
    beam = probe / np.maximum(np.linalg.norm(probe, axis=1), 1e-6)[:, None]
    return np.asarray(np.abs(np.einsum("ij,ij->i", normal, beam)))


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


def place_scatterers(
    heart: Heart,
    placement: Placement,
    echo: Echogenicity,
    volumes: tuple[float, float],
    depth_mm: float,
    half_angle: float,
    rng: np.random.Generator,
) -> Scatterers:
    """Place scatterers in a heart.

    Args:
        heart: The heart.
        placement: Where it lies.
        echo: Strengths.
        volumes: Smallest and largest relative volume of the clip.
        depth_mm: Depth of the image.
        half_angle: Half of the sector's angle, radians.
        rng: Random generator.
    """
    width = depth_mm * np.sin(half_angle)
    n = rng.poisson(PER_MM3 * 2 * width * depth_mm * 2 * SLAB_MM)
    probe = rng.uniform([-width, 0, -SLAB_MM], [width, depth_mm, SLAB_MM], (n, 3))
    probe = probe[np.abs(np.arctan2(probe[:, 0], probe[:, 1])) < half_angle + 0.05]
    groups = ventricular(heart, placement, probe, echo, rng) + atrial(heart, placement, probe, echo)
    low, high = volumes
    states = np.linspace(low, max(high, low + 1e-3), N_STATES)
    moved = [np.stack([move(float(v)) for v in states]).astype(np.float32) for move, _ in groups]
    points = np.concatenate(moved, axis=1)
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
