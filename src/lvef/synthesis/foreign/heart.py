"""A simple heart in space, whose tissues are known at every point: ventricles, atria, outflow tract, aorta, valves.

The body's frame is in millimetres: ``z`` along the left ventricle's axis from the apex (0) to the base, ``x`` to the lateral
wall, ``y`` to the front of the chest. The walls' angle is 0 at the lateral wall, 90 degrees in front. As in the segments of
the AHA, the four-chamber plane passes through 30 and 210 degrees, the two-chamber plane through 90 and 270 and the long-axis
plane through 150 (front of the septum, where the aorta leaves) and 330.

The heart is described once, at end-diastole. At any other moment a point is first carried back to where its tissue lay then:
levels move towards the apex, and outside the cavity the area between a point and the endocardium stays the same, so that
walls thicken. Only the valves move by themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.synthesis.phantom.anatomy import draw_fields, drawn

Float32 = NDArray[np.float32]

OUTFLOW_DEG = 150.0
"""Angle of the wall behind which the aorta leaves."""

RIGHT_DEG = 186.0
"""Angle of the middle of the right ventricle."""

AXIS = np.array([0, 0, 1], np.float32)
"""The left ventricle's axis, apex to base."""

VALVE_MM = 1.3
"""Half of a leaflet's thickness as a scanner shows it."""

NOTHING_DB = -60.0
"""Level of a place without tissue."""


def unit(degrees: float) -> Float32:
    """Direction ``(3,)`` across the axis at an angle of the wall."""
    angle = math.radians(degrees)
    return np.array([math.cos(angle), math.sin(angle), 0], np.float32)


@dataclass(frozen=True, slots=True)
class SimpleHeart:
    """Sizes of a heart at end-diastole, in millimetres unless said, with the clinical range each is drawn from."""

    length: float = drawn(80, 8, 62, 102)  # endocardial apex to mitral plane
    width_share: float = drawn(0.55, 0.05, 0.43, 0.68)  # largest width of the cavity over the length
    widest: float = drawn(0.62, 0.05, 0.5, 0.75)  # level of that, 0-1 from the apex
    bluntness: float = drawn(2.2, 0.25, 1.8, 3)  # exponent of the apical half; 2 is an ellipsoid
    base_share: float = drawn(0.86, 0.05, 0.74, 0.95)  # width at the base over the largest
    wall: float = drawn(10, 1.8, 6, 16)  # thickness at the widest level
    apical_wall: float = drawn(7, 1.2, 4, 10)  # thickness beyond the apex
    length_power: float = drawn(0.26, 0.05, 0.12, 0.38)  # exponent: how much of the emptying is shortening
    right_depth: float = drawn(24, 5, 14, 38)  # largest distance between septum and right free wall
    right_wall: float = drawn(4, 0.8, 2.5, 7)  # thickness of that wall
    right_reach: float = drawn(1.15, 0.1, 0.9, 1.4)  # half of the right ventricle's angle, radians
    aorta: float = drawn(13, 1.5, 10, 18)  # radius
    aorta_lean: float = drawn(0.3, 0.1, 0.05, 0.55)  # its slope to the front, as a tangent
    left_atrium: float = drawn(19, 2.5, 14, 27)  # radius towards the septum
    left_atrium_along: float = drawn(22, 3, 16, 31)  # radius along the axis
    right_atrium: float = drawn(20, 3, 14, 28)  # radius
    papillary: float = drawn(5.5, 1.2, 3, 8.5)  # radius of the papillary muscles
    weak_deg: float = drawn(180, 120, 0, 360)  # angle of a wall that moves less
    weak_loss: float = drawn(0, 0.4, 0, 0.9)  # missing part of its motion
    ripple: float = drawn(0.02, 0.015, 0, 0.05)  # share of the radius by which the endocardium is uneven
    ripple_phase: float = drawn(3, 2, 0, 6.3)  # radians
    septum_db: float = drawn(13, 5, 2, 26)  # echo of the septum over the plain wall
    shell_db: float = drawn(7, 4, -3, 16)  # walls of atria and vessels
    pericardium_db: float = drawn(14, 4, 4, 24)  # layer around the heart
    valve_db: float = drawn(10, 4, 0, 19)  # leaflets and cusps
    lining_db: float = drawn(9, 3, 1, 16)  # borders of the walls, where they face the beam
    grazing_db: float = drawn(4, 2, 0, 9)  # loss of walls along the beam

    @property
    def radius(self) -> float:
        """Largest radius of the cavity."""
        return 0.5 * self.length * self.width_share


def draw_heart(rng: np.random.Generator, ef_percent: float) -> SimpleHeart:
    """A heart whose sizes are drawn; a failing one is larger and rounder."""
    sizes = draw_fields(SimpleHeart, rng)
    dilated = float(np.clip((50 - ef_percent) / 35, 0, 1) * rng.uniform(0, 1))
    sizes["length"] += 8 * dilated
    sizes["width_share"] += 0.1 * dilated
    return SimpleHeart(**sizes)


class Valves(NamedTuple):
    """How far the mitral and the aortic valve are open, 0-1."""

    mitral: float
    aortic: float


class Points(NamedTuple):
    """Coordinates of the points of a grid in the body's frame, each ``(n, m)`` float32, mm."""

    x: Float32
    y: Float32
    z: Float32

    def along(self, direction: Float32) -> Float32:
        """Their component in a direction ``(3,)``."""
        return np.asarray(self.x * direction[0] + self.y * direction[1] + self.z * direction[2])

    def away(self, origin: Float32) -> Points:
        """The same, seen from an origin ``(3,)``."""
        return Points(self.x - origin[0], self.y - origin[1], self.z - origin[2])

    def squared(self) -> Float32:
        """Their squared distance from the origin."""
        return np.asarray(self.x * self.x + self.y * self.y + self.z * self.z)


class Tissue(NamedTuple):
    """What lies at the points of a grid, each ``(n, m)``.

    Attributes:
        level_db: Echo over plain myocardium.
        blood: Whether it is blood.
        outside: Distance from the heart's surface in millimetres, about; negative inside.
        rest: Where the tissue lay at end-diastole.
    """

    level_db: Float32
    blood: NDArray[np.bool_]
    outside: Float32
    rest: Points


def tissue_at(heart: SimpleHeart, points: Points, v: float, valves: Valves) -> Tissue:
    """Tissue at points of a plane.

    Args:
        heart: The heart.
        points: Where to look; n is along the beams.
        v: Volume of the left ventricle over that at end-diastole.
        valves: Where the valves are.
    """
    rest = at_rest(heart, points, v)
    z, front = rest.z, unit(OUTFLOW_DEG)
    r, phi = np.hypot(rest.x, rest.y), np.arctan2(rest.y, rest.x)
    endo = _signed_root(endo_squared(heart, z, phi))
    epi = _signed_root(_epi_squared(heart, z))
    below = heart.length - z  # positive on the ventricle's side of the base
    ventricle = np.minimum(endo - r, below)
    # aorta with its outflow tract, sinuses and lean to the front
    along_aorta, across_aorta = _aorta(heart, rest, front)
    bulge = 3.5 * np.sin(math.pi * np.clip(along_aorta / 20, 0, 1))
    size = np.where(along_aorta < 0, 0.85 * heart.aorta, 0.95 * heart.aorta + bulge)
    aorta = np.minimum(size - across_aorta, np.minimum(along_aorta + 16, 75 - along_aorta))
    wall_of_aorta = np.where(along_aorta > -2, aorta + 2.5, -99)
    centre = -6 * front + (heart.length + 0.86 * heart.left_atrium_along) * AXIS
    radii = (heart.left_atrium, 1.1 * heart.left_atrium, heart.left_atrium_along)
    left = _ellipsoid(rest, centre, radii, OUTFLOW_DEG)
    left = np.minimum(np.minimum(left, 1.0 - below), -wall_of_aorta)
    apart = heart.left_atrium + heart.right_atrium + 1.0
    radii = (heart.right_atrium, 1.1 * heart.right_atrium, 1.15 * heart.right_atrium)
    right = _ellipsoid(rest, apart * unit(RIGHT_DEG + 22) + (heart.length + 17) * AXIS, radii, RIGHT_DEG)
    right = np.minimum(np.minimum(right, 3.0 - below), np.minimum(-wall_of_aorta, -left - 2.0))
    # right ventricle: a crescent around the septum, and a tube in front of the aorta
    from_right = _turn(phi, RIGHT_DEG)
    around = np.maximum(np.cos(np.clip(from_right / heart.right_reach, -1, 1) * (math.pi / 2)), 0) ** 0.7
    level = np.clip((z / heart.length - 0.12) / 0.6, 0, 1)
    gap = heart.right_depth * around * level * level * (3 - 2 * level)
    crescent = np.minimum(np.minimum(r - epi, epi + gap - r), below + 1)
    start = (0.85 * heart.radius + heart.wall + 12) * unit(128) + 0.72 * heart.length * AXIS
    stop = (heart.aorta + 28) * unit(122) + (heart.length + 32) * AXIS
    outflow = 0.5 * heart.right_depth + 1 - _from_capsule(rest, start, stop)
    outflow = np.minimum(outflow, np.where(below > 0, r - epi, 99))
    right_ventricle = np.minimum(np.maximum(crescent, outflow), -wall_of_aorta)
    # descending aorta, which passes behind the left atrium
    behind = -(heart.left_atrium + 26) * front + (heart.length + 6) * AXIS
    downwards = 32 * unit(60) + 24 * AXIS
    descending = 0.85 * heart.aorta - _from_capsule(rest, behind - downwards, behind + downwards)
    # what lies where
    wall = np.where(below > -3, np.minimum(epi - r, below + 4), -99)
    surface = np.maximum(wall, np.maximum(np.maximum(left, right) + 2.5, right_ventricle + heart.right_wall))
    surface = np.maximum(surface, np.maximum(np.where(along_aorta > 0, aorta, -99), descending) + 2.5)
    vessels = np.maximum(aorta, np.minimum(descending, -wall))
    blood = np.maximum.reduce([ventricle, vessels, left, right, right_ventricle]) > 0
    facing = _facing(surface)
    depth = np.clip((r - endo) / np.maximum(epi - endo, 1.0), 0, 1)
    septal = np.exp(-((from_right / 0.9) ** 2))
    grazing = heart.grazing_db * (facing - 1)
    linings = 0.5 * np.exp(-((depth / 0.12) ** 2)) + np.exp(-(((1 - depth) / 0.15) ** 2))
    in_wall = heart.septum_db * septal * np.exp(-(((depth - 0.55) / 0.35) ** 2))
    in_wall = in_wall + heart.lining_db * facing * linings
    in_wall += grazing + 6 * np.clip(1 - below / 8, 0, 1)
    shell = heart.shell_db * (0.4 + 0.6 * facing) + grazing
    level_db = np.where(wall > 0, in_wall, np.where(surface > 0, shell, NOTHING_DB))
    layer = (surface > -2.2) & (surface <= 0)
    level_db = np.where(layer, heart.pericardium_db * (0.3 + 0.7 * facing) + grazing, level_db)
    muscle = blood & (ventricle > 0) & (_papillary(heart, rest) > 0)
    valve = _valves(heart, rest, front, valves, along_aorta, across_aorta) < VALVE_MM
    level_db = np.where(blood, np.where(muscle, -1.0, NOTHING_DB), level_db)
    level_db = np.where(valve, np.maximum(level_db, heart.valve_db * (0.5 + 0.5 * facing)), level_db)
    return Tissue(level_db, blood & ~muscle & ~valve, -surface, rest)


def at_rest(heart: SimpleHeart, points: Points, v: float) -> Points:
    """Where the tissue at points lay at end-diastole."""
    ratio = v**heart.length_power
    base = heart.length * ratio
    pulled = (heart.length - base) * np.exp(-np.clip(points.z - base, 0, None) / 25)
    z = np.where(points.z < base, points.z / ratio, points.z + pulled)
    phi = np.arctan2(points.y, points.x)
    squared = points.x * points.x + points.y * points.y + 1e-3
    weakened = heart.weak_loss * np.exp(-((_turn(phi, heart.weak_deg) / 0.7) ** 2))
    kept = 1 - (1 - v / ratio) * (1 - weakened)
    beyond = np.exp(-((np.clip(z - heart.length, 0, None) / 14) ** 2))
    endo2 = np.maximum(endo_squared(heart, np.minimum(z, heart.length), phi), 0) * beyond
    scale = np.sqrt(np.where(squared < kept * endo2, 1 / kept, 1 + (1 - kept) * endo2 / squared))
    return Points(points.x * scale, points.y * scale, z)


def endo_squared(heart: SimpleHeart, z: Float32, phi: Float32) -> Float32:
    """Squared radius of the cavity at end-diastole; negative beyond the apex."""
    level, phase = z / heart.length, heart.ripple_phase
    waves = np.cos(2 * phi + phase) + np.cos(3 * phi - phase) * np.sin(7 * level + phase)
    profile = _profile(level, heart.widest, heart.bluntness, heart.base_share)
    return np.asarray(heart.radius**2 * profile * (1 + heart.ripple * waves))


def _epi_squared(heart: SimpleHeart, z: Float32) -> Float32:
    outer, tip = heart.radius + heart.wall, heart.apical_wall / heart.length
    base = (heart.radius * heart.base_share + 0.75 * heart.wall) / outer
    level = (z / heart.length + tip) / (1 + tip)
    return np.asarray(outer**2 * _profile(level, (heart.widest + tip) / (1 + tip), heart.bluntness, base))


def _profile(level: Float32, widest: float, bluntness: float, base_share: float) -> Float32:
    """Squared radius over its largest, from the apex (0) to the base (1)."""
    up = np.clip((widest - level) / widest, 0, 2) ** bluntness
    down = (1 - base_share**2) * (np.clip(level - widest, 0, None) / (1 - widest)) ** 2
    return np.asarray(1 - up - np.minimum(down, 1.0))


def _signed_root(squared: Float32) -> Float32:
    return np.asarray(np.copysign(np.sqrt(np.abs(squared)), squared))


def _turn(phi: Float32, degrees: float) -> Float32:
    """Angle from a direction, -pi to pi."""
    away = phi - math.remainder(math.radians(degrees), 2 * math.pi)
    return np.asarray(away - 2 * math.pi * np.rint(away / (2 * math.pi)))


def _aorta(heart: SimpleHeart, rest: Points, front: Float32) -> tuple[Float32, Float32]:
    """Place along the aorta's axis from its ring, and distance from that axis."""
    axis = AXIS + np.float32(heart.aorta_lean) * front
    away = rest.away(10 * front + np.float32(heart.length + 2) * AXIS)
    along = away.along(axis / np.linalg.norm(axis))
    return along, np.sqrt(np.maximum(away.squared() - along * along, 0))


def _ellipsoid(rest: Points, centre: Float32, radii: tuple[float, float, float], degrees: float) -> Float32:
    """Distance inside an ellipsoid, about, with its first radius at an angle of the wall."""
    away = rest.away(centre)
    first, second, third = away.along(unit(degrees)), away.along(unit(degrees + 90)), away.z
    scaled = (first / radii[0]) ** 2 + (second / radii[1]) ** 2 + (third / radii[2]) ** 2
    return np.asarray((1 - np.sqrt(scaled)) * min(radii))


def _from_capsule(rest: Points, start: Float32, stop: Float32) -> Float32:
    """Distance from a line between two points."""
    along, away = stop - start, rest.away(start)
    length = float(np.linalg.norm(along))
    on = away.along(along / np.float32(length))
    near = np.clip(on, 0, length)
    return np.asarray(np.sqrt(np.maximum(away.squared() + near * (near - 2 * on), 0)))


def _papillary(heart: SimpleHeart, rest: Points) -> Float32:
    """Distance inside the two papillary muscles."""
    distances = []
    for degrees in (18.0, 255.0):
        foot, head = 0.95 * heart.radius * unit(degrees), 0.62 * heart.radius * unit(degrees)
        foot[2], head[2] = 0.3 * heart.length, 0.6 * heart.length
        distances.append(_from_capsule(rest, foot, head))
    return np.asarray(heart.papillary - np.minimum(*distances))


def _valves(
    heart: SimpleHeart,
    rest: Points,
    front: Float32,
    valves: Valves,
    along_aorta: Float32,
    across_aorta: Float32,
) -> Float32:
    """Distance from the leaflets of the mitral and the cusps of the aortic valve, mm."""
    ring = 0.72 * heart.radius * heart.base_share
    s, t = rest.along(front) + 0.28 * heart.radius, rest.along(unit(OUTFLOW_DEG + 90))
    h = rest.z - heart.length
    edge = np.sqrt(np.maximum(ring**2 - t * t, 0.0))
    angle = math.radians(14 + 58 * valves.mitral)
    distance = np.full_like(s, 99)
    for side, share in ((1.0, 1.25), (-1.0, 0.72)):
        length, ds = share * edge, side * s - edge  # from the hinge, outwards
        along = np.clip(-ds * math.cos(angle) - h * math.sin(angle), 0, length)
        bend = 0.1 * (1 - 2 * valves.mitral) * length * np.sin(math.pi * along / np.maximum(length, 1e-3))
        off = np.hypot(ds + along * math.cos(angle), h + along * math.sin(angle) + bend)
        distance = np.minimum(distance, np.where(edge > 3, off, 99))
    radius, reach = 0.9 * heart.aorta, 10.0
    lie = radius * (1 - 0.15 * valves.aortic - (1 - valves.aortic) * np.clip(along_aorta / reach, 0, 1))
    near = (along_aorta > 0) & (along_aorta < reach + 3)
    return np.minimum(distance, np.where(near, np.abs(across_aorta - lie), 99))


def _facing(surface: Float32) -> Float32:
    """How squarely a surface lies to the beam, 0-1, on a grid of samples and beams."""
    # a millimetre down a beam is about two millimetres across to the next but one at mid depth
    down, across = cv2.Sobel(surface, cv2.CV_32F, 0, 1), cv2.Sobel(surface, cv2.CV_32F, 1, 0, scale=0.5)
    return np.asarray(np.abs(down) / (np.hypot(down, across) + 1e-2))
