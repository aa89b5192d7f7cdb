"""The left ventricle in space: a truncated, bent and twisted body of the ellipsoid family that contracts.

The body's own coordinates are a level ``zeta`` (0 at the endocardial apex, 1 at the mitral plane), an angle ``phi`` around
the long axis (0 towards the lateral wall, pi towards the septum) and a distance ``r`` from it in millimetres. The state of
the heart is one number, its relative volume ``v`` (1 at the usual end-diastole):

- the length is ``L(v) = L0 v**k``, so lambda = v**k;
- the endocardium is ``r2(zeta, phi, v) = E2 (1 + (rho - 1) w)`` with rho = v / lambda and a regional weight ``w`` whose mean
  over the cavity is 1, hence the volume is exactly v times that at v = 1, whatever the regions do;
- tissue outside keeps ``q = (r2 - r2_endo) lambda``: it moves as an incompressible fluid does, so that the volume of the
  wall is constant and the wall thickens as it should. With a wall loss, q falls with the volume: the wall of experts' masks.

Bending (a shear across the axis), the slope of the mitral plane (a shear along it) and twist (a rotation of each level)
leave all volumes as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from lvef.core.records import FloatArray

MM3_PER_ML = 1000.0
"""Cubic millimetres in a millilitre."""

N_LEVELS, N_ANGLES = 48, 96
"""Nodes of the quadrature that fixes the mean of the regional weight and the volume: Gauss in two halves, even in angle."""


def normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """A normal value, kept within limits."""
    return float(np.clip(rng.normal(mean, sd), low, high))


def drawn(mean: float, sd: float, low: float, high: float, default: float | None = None) -> Any:  # noqa: ANN401  as `field`
    """A field of a dataclass that `draw_fields` draws: how it is drawn (see `normal`), and its default, else the mean."""
    return field(default=mean if default is None else default, metadata={"drawn": (mean, sd, low, high)})


def draw_fields(kind: type, rng: np.random.Generator) -> dict[str, float]:
    """Values of all fields of a dataclass that are `drawn`, in their order."""
    return {one.name: normal(rng, *one.metadata["drawn"]) for one in fields(kind) if "drawn" in one.metadata}


@dataclass(frozen=True, slots=True)
class WeakRegion:
    """A part of the wall that moves less than the rest, as after an infarction.

    Attributes:
        zeta: Its middle, 0-1.
        phi: Its middle, radians.
        reach_zeta: Standard deviation of its extent in levels.
        reach_phi: The same in radians.
        loss: Part of the motion that is missing in the middle, 0-1.
    """

    zeta: float
    phi: float
    reach_zeta: float
    reach_phi: float
    loss: float


@dataclass(frozen=True, slots=True)
class VentricleShape:
    """A ventricle at its usual end-diastole, and how it contracts.

    Attributes:
        length_mm: Endocardial apex to mitral plane.
        width_mm: Mean of the largest and smallest diameter at the widest level.
        widest: Level of the largest width, 0-1.
        bluntness: Exponent of the apical half; 2 is an ellipsoid, more is blunter.
        mitral_share: Width of the mitral ring over the largest width.
        flatness: Diameter towards septum and lateral wall over that across it.
        wall_mm: Wall at the widest level.
        apical_wall_mm: Wall beyond the apex.
        bend_mm: Sideways shift of the middle of the axis.
        mitral_slope: Slope of the mitral plane, as a tangent.
        twist_deg: Turn of the apex against the base when the volume has fallen by 60 %.
        length_power: The exponent k: how much of the emptying is shortening.
        ripples: Irregularities of the endocardium: (share of the squared radius, waves around, waves along, phase).
        weak_regions: Regions that move less.
        wall_loss: Share of its volume that the wall would lose if the ventricle emptied altogether; 0 is incompressible.
    """

    length_mm: float = 85.0
    width_mm: float = 46.0
    widest: float = drawn(0.6, 0.06, 0.45, 0.75, 0.62)
    bluntness: float = drawn(2.2, 0.25, 1.8, 3.0, 2.3)
    mitral_share: float = drawn(0.73, 0.06, 0.55, 0.9, 0.72)
    flatness: float = drawn(1.0, 0.06, 0.85, 1.15)
    wall_mm: float = drawn(10, 1.5, 6.5, 14)
    apical_wall_mm: float = drawn(7, 1.2, 4, 10)
    bend_mm: float = drawn(0, 2.5, -6, 6, 2.0)
    mitral_slope: float = drawn(-0.06, 0.08, -0.25, 0.15, 0.0)
    twist_deg: float = drawn(12, 4, 0, 22)
    length_power: float = drawn(0.26, 0.05, 0.12, 0.38, 0.25)
    ripples: tuple[tuple[float, int, int, float], ...] = ()
    weak_regions: tuple[WeakRegion, ...] = ()
    wall_loss: float = 0.0


@dataclass(frozen=True)
class Ventricle:
    """A shape with what is worked out once from it."""

    shape: VentricleShape
    volume_ml: float = field(init=False)
    _mean_weight: float = field(init=False)

    def __post_init__(self) -> None:
        zeta, phi, weight = _quadrature(self.shape.widest)
        squared = self.endo_squared_at_rest(zeta, phi)
        total = float((weight * squared).sum())
        mean = float((weight * squared * self._raw_weight(zeta, phi)).sum()) / total
        object.__setattr__(self, "volume_ml", 0.5 * total * self.shape.length_mm / MM3_PER_ML)
        object.__setattr__(self, "_mean_weight", mean)

    def length_ratio(self, v: float) -> float:
        """Length over that at v = 1."""
        return float(v**self.shape.length_power)

    def length_mm(self, v: float) -> float:
        """Apex to mitral plane in millimetres."""
        return self.shape.length_mm * self.length_ratio(v)

    def endo_squared_at_rest(self, zeta: FloatArray, phi: FloatArray) -> FloatArray:
        """Squared endocardial radius at v = 1, mm2; 0 beyond the apex."""
        s = self.shape
        squared = (s.width_mm / 2) ** 2 * _profile(zeta, s.widest, s.bluntness, s.mitral_share)
        rippled = np.ones(np.broadcast(zeta, phi).shape)
        for share, around, along, phase in s.ripples:
            wave = np.sin(np.pi * along * np.clip(zeta, 0, 1))
            rippled = rippled + share * np.cos(around * phi + phase) * wave
        return np.asarray(squared * _flattened(phi, s.flatness) * rippled)

    def epi_squared_at_rest(self, zeta: FloatArray, phi: FloatArray) -> FloatArray:
        """Squared epicardial radius at v = 1, mm2; 0 beyond its own apex."""
        s = self.shape
        radius, tip = s.width_mm / 2, s.apical_wall_mm / s.length_mm
        outer = radius + s.wall_mm
        at_base = (radius * s.mitral_share + 0.8 * s.wall_mm) / outer
        level, widest = (zeta + tip) / (1 + tip), (s.widest + tip) / (1 + tip)
        squared = outer**2 * _profile(level, widest, s.bluntness, at_base) * _flattened(phi, s.flatness)
        endo = self.endo_squared_at_rest(zeta, phi)
        least = np.where(endo > 0, (np.sqrt(endo) + 0.5 * s.wall_mm) ** 2, 0.0)
        return np.asarray(np.maximum(squared, least))

    def weight(self, zeta: FloatArray, phi: FloatArray) -> FloatArray:
        """Regional weight of the motion; its mean over the cavity is 1."""
        return np.asarray(self._raw_weight(zeta, phi) / self._mean_weight)

    def endo_squared(self, zeta: FloatArray, phi: FloatArray, v: float) -> FloatArray:
        """Squared endocardial radius at relative volume ``v``, mm2."""
        rho = v / self.length_ratio(v)
        scale = 1 + (rho - 1) * self.weight(zeta, phi)
        return np.asarray(self.endo_squared_at_rest(zeta, phi) * np.maximum(scale, 0.0))

    def epi_squared(self, zeta: FloatArray, phi: FloatArray, v: float) -> FloatArray:
        """Squared epicardial radius at relative volume ``v``, mm2."""
        wall = self.epi_squared_at_rest(zeta, phi) - self.endo_squared_at_rest(zeta, phi)
        return np.asarray(self.endo_squared(zeta, phi, v) + self.wall_squared(wall, v))

    def wall_squared(self, at_rest: FloatArray, v: float) -> FloatArray:
        """Squared radius of points of the wall less that of the endocardium, mm2, from the same at v = 1."""
        kept = 1 - self.shape.wall_loss * max(1 - v, 0.0)
        return np.asarray(at_rest * kept / self.length_ratio(v))

    def smallest_v(self) -> float:
        """The relative volume below which the strongest region would have closed up."""
        zeta, phi, _ = _quadrature(self.shape.widest)
        strongest = float(self.weight(zeta, phi).max())
        # rho = v ** (1 - k) must stay above 1 - 1 / strongest; a tenth is left open
        return float(max(1 - 0.9 / strongest, 0.02) ** (1 / (1 - self.shape.length_power)))

    def twist(self, zeta: FloatArray, v: float) -> FloatArray:
        """Turn of each level in radians: the apex one way, the base a third as much the other way."""
        full = np.deg2rad(self.shape.twist_deg) * (1 - v) / 0.6
        return np.asarray(full * (0.75 - np.clip(zeta, 0, 1)))

    def bend(self, zeta: FloatArray) -> FloatArray:
        """Sideways shift of the axis at each level, mm."""
        return np.asarray(self.shape.bend_mm * np.sin(np.pi * np.clip(zeta, 0, 1)))

    def place(self, zeta: FloatArray, phi: FloatArray, r: FloatArray, v: float) -> FloatArray:
        """Points in the body's frame, ``(..., 3)`` mm: x to the lateral wall, y across, z from apex to base."""
        angle = phi + self.twist(zeta, v)
        x = self.bend(zeta) + r * np.cos(angle)
        z = self.length_mm(v) * zeta + self.shape.mitral_slope * x
        return np.stack(np.broadcast_arrays(x, r * np.sin(angle), z), axis=-1)

    def _raw_weight(self, zeta: FloatArray, phi: FloatArray) -> FloatArray:
        weight = np.ones(np.broadcast(zeta, phi).shape)
        for region in self.shape.weak_regions:
            around = np.angle(np.exp(1j * (phi - region.phi))) / region.reach_phi
            along = (zeta - region.zeta) / region.reach_zeta
            weight = weight - region.loss * np.exp(-(around**2 + along**2) / 2)
        return np.maximum(weight, 0.0)


def _profile(zeta: FloatArray, widest: float, bluntness: float, base_share: float) -> FloatArray:
    """Squared radius over its largest, from the apex (0) over the widest level (1) to the base."""
    towards_apex = np.clip((widest - zeta) / widest, 0, 1) ** bluntness
    towards_base = (1 - base_share**2) * np.clip((zeta - widest) / (1 - widest), 0, 1) ** 2
    return np.asarray(1 - np.where(zeta < widest, towards_apex, towards_base))


def _flattened(phi: FloatArray, flatness: float) -> FloatArray:
    """Squared radius of an ellipse of unit area, around the axis."""
    return np.asarray(1 / (np.cos(phi) ** 2 / flatness + np.sin(phi) ** 2 * flatness))


def _quadrature(widest: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Levels ``(m, 1)``, angles ``(n,)`` and weights ``(m, 1)`` (times the step in angle) over level and angle."""
    node, node_weight = np.polynomial.legendre.leggauss(N_LEVELS)
    zeta = np.concatenate([widest * (node + 1) / 2, widest + (1 - widest) * (node + 1) / 2])
    weight = np.concatenate([node_weight * widest / 2, node_weight * (1 - widest) / 2])
    phi = np.arange(N_ANGLES) * 2 * np.pi / N_ANGLES
    return zeta[:, None], phi, weight[:, None] * 2 * np.pi / N_ANGLES


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

    right_depth_mm: float = drawn(27, 5, 16, 40, 28.0)
    right_wall_mm: float = drawn(4, 0.7, 2.5, 6)
    right_reach: float = 0.9
    roof_mm: float = drawn(44, 7, 28, 62, 45.0)
    left_atrium_mm: float = drawn(36, 5, 25, 50)
    left_atrium_gain: float = drawn(1.16, 0.05, 1.04, 1.3, 1.15)
    right_atrium_mm: float = drawn(38, 5, 26, 52)
    leaflet_share: float = drawn(0.62, 0.04, 0.52, 0.72)


@dataclass(frozen=True, slots=True)
class Heart:
    """A ventricle and its surroundings, at any state.

    Everything is given in the ventricle's own coordinates. The right ventricle is a crescent on the septal side of the
    epicardium; the atria are bulbs between the valve plane, which moves, and their roof, which does not. They move with the
    ventricle, but are not part of the truth.
    """

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
