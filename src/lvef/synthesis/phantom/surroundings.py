"""What lies around the left ventricle: right ventricle, atria, valves. They move with the ventricle, but hold no truth.

All is told in the ventricle's own coordinates (`shape`): the right ventricle is a crescent laid onto the septal side of the
epicardium, the atria are bulbs that hang between the valve plane, which moves, and their roof, which does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvef.core.records import FloatArray
from lvef.synthesis.phantom.shape import Ventricle

SEPTUM = float(np.pi)
"""Angle of the middle of the septum."""

ATRIAL_WALL_MM = 2.5
"""Thickness of the walls of the atria."""

CLOSED_TENT_DEG, OPEN_DEG = 12.0, 78.0
"""Angle of a leaflet against the valve plane, towards the ventricle: closed (slightly tented), wide open."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Sizes of what is around the left ventricle, at its usual end-diastole.

    Attributes:
        right_depth_mm: Largest distance of the right ventricle's free wall from the septum.
        right_wall_mm: Thickness of that wall.
        right_reach: Half of the angle around the axis that the right ventricle takes, radians.
        roof_mm: Distance of the atrial roofs from the mitral plane.
        left_atrium_mm: Largest diameter of the left atrium at the ventricle's end-diastole.
        left_atrium_gain: The same at end-systole over that.
        right_atrium_mm: Largest diameter of the right atrium.
        leaflet_share: Length of the anterior leaflet over the mitral ring's diameter; the posterior has the rest.
    """

    right_depth_mm: float = 28.0
    right_wall_mm: float = 4.0
    right_reach: float = 0.9
    roof_mm: float = 45.0
    left_atrium_mm: float = 36.0
    left_atrium_gain: float = 1.15
    right_atrium_mm: float = 38.0
    leaflet_share: float = 0.62


@dataclass(frozen=True, slots=True)
class Heart:
    """A ventricle and its surroundings, at any state."""

    ventricle: Ventricle
    around: Surroundings

    def right_gap(self, zeta: FloatArray, phi: FloatArray, v: float) -> FloatArray:
        """Distance of the right ventricle's free wall from the epicardium, mm; 0 where there is none."""
        angle = np.angle(np.exp(1j * (phi - SEPTUM))) / self.around.right_reach
        around = np.cos(np.clip(angle, -1, 1) * np.pi / 2) ** 0.7
        along = np.clip((zeta - 0.18) / 0.6, 0, 1)
        along = along * along * (3 - 2 * along)
        return np.asarray(self.around.right_depth_mm * (0.45 + 0.55 * v) * around * along)

    def outer_radius(self, zeta: FloatArray, phi: FloatArray, v: float) -> FloatArray:
        """Distance of the outermost surface of both ventricles from the axis, mm."""
        gap = self.right_gap(zeta, phi, v)
        wall = self.around.right_wall_mm * np.clip(gap / 3, 0, 1)
        return np.asarray(np.sqrt(self.ventricle.epi_squared(zeta, phi, v)) + gap + wall)

    def left_atrium_radius(self, eta: FloatArray, v: float) -> FloatArray:
        """Radius of the left atrium at a level from the mitral plane (0) to its roof (1), mm."""
        shape = self.ventricle.shape
        emptied = np.clip((1 - v) / 0.55, 0, 1.2)
        size = self.around.left_atrium_mm / 2 * (1 + (self.around.left_atrium_gain - 1) * emptied)
        neck = min(0.46 * shape.width_mm * shape.mitral_share, size)
        return _bulb(eta, size, neck)

    def right_atrium_radius(self, eta: FloatArray, v: float) -> FloatArray:
        """The same of the right atrium."""
        size = self.around.right_atrium_mm / 2 * (1 + 0.1 * np.clip((1 - v) / 0.55, 0, 1.2))
        return _bulb(eta, float(size), 0.75 * float(size))

    def right_atrium_centre_mm(self) -> float:
        """Distance of the right atrium's axis from the ventricle's, towards the septum."""
        left = self.around.left_atrium_mm / 2 * self.around.left_atrium_gain
        return left + self.around.right_atrium_mm / 2 * 1.1 + ATRIAL_WALL_MM / 2

    def atrial_z(self, eta: FloatArray, v: float) -> FloatArray:
        """Place along the axis of a level of the atria, mm from the endocardial apex."""
        base = self.ventricle.length_mm(v)
        roof = self.ventricle.shape.length_mm + self.around.roof_mm
        return np.asarray(base + eta * (roof - base))

    def leaflet(self, phi: FloatArray, along: FloatArray, opening: float, v: float) -> FloatArray:
        """Points of the mitral leaflets in the body's frame, ``(n, 3)`` mm.

        Args:
            phi: Angle of the hinge around the ring.
            along: Place from hinge (0) to free edge (1).
            opening: 0 closed, 1 wide open.
            v: Relative volume.
        """
        ventricle, one = self.ventricle, np.ones_like(phi)
        ring = np.sqrt(ventricle.endo_squared(one, phi, v))
        anterior = 0.5 - 0.5 * np.cos(phi)  # 1 at the septum
        share = self.around.leaflet_share
        length = 2 * ring * (share * anterior + (1.06 - share) * (1 - anterior))
        angle = np.deg2rad(CLOSED_TENT_DEG + (OPEN_DEG - CLOSED_TENT_DEG) * opening)
        bulge = 0.12 * length * np.sin(np.pi * along)
        inwards = along * length * np.cos(angle) + bulge * np.sin(angle)
        up = along * length * np.sin(angle) - bulge * np.cos(angle) * (1 - 2 * opening)
        x = (ring - inwards) * np.cos(phi)
        z = ventricle.length_mm(v) - up + ventricle.shape.mitral_slope * x
        return np.stack([x, (ring - inwards) * np.sin(phi), z], axis=-1)


def _bulb(eta: FloatArray, size: float, neck: float) -> FloatArray:
    """Radius of a bulb with a neck at 0, its widest at 0.5 and its end at 1."""
    towards_neck = (size - neck) * np.clip((0.5 - eta) / 0.5, 0, 1) ** 2
    towards_roof = np.sqrt(np.clip(1 - (np.clip(eta - 0.5, 0, 0.5) / 0.5) ** 2.4, 0, 1))
    return np.asarray(np.where(eta < 0.5, size - towards_neck, size * towards_roof))
