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

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

OUTFLOW_DEG = 150.0
"""Angle of the wall behind which the aorta leaves."""

RIGHT_DEG = 186.0
"""Angle of the middle of the right ventricle."""

NOTHING_DB = -60.0
"""Level of a place without tissue."""


def unit(degrees: float) -> Float32:
    """Direction ``(3,)`` across the axis at an angle of the wall."""
    angle = np.deg2rad(degrees)
    return np.array([np.cos(angle), np.sin(angle), 0], np.float32)


@dataclass(frozen=True, slots=True)
class SimpleHeart:
    """Sizes of a heart at end-diastole, millimetres unless said.

    Attributes:
        length: Endocardial apex to mitral plane.
        radius: Largest radius of the cavity.
        widest: Level of that, 0-1 from the apex.
        bluntness: Exponent of the apical half; 2 is an ellipsoid.
        base_share: Radius at the base over the largest.
        wall: Thickness at the widest level.
        apical_wall: Thickness beyond the apex.
        length_power: How much of the emptying is shortening.
        right_depth: Largest distance between septum and right free wall.
        right_wall: Thickness of that wall.
        right_reach: Half of the angle that the right ventricle takes around the left one, radians.
        aorta: Radius of the aorta.
        aorta_lean: Slope of the aorta to the front, as a tangent.
        left_atrium: Three radii: towards the septum, across, along the axis.
        right_atrium: Radius.
        papillary: Radius of the papillary muscles.
        weak: Angle (degrees) of a wall that moves less, and the missing part of the motion, 0-1.
        ripple: Share of the radius by which the endocardium is uneven, and its phase.
        septum_db: Echo of the septum over the plain wall.
        shell_db: Walls of atria and aorta.
        pericardium_db: The layer around the heart.
        valve_db: Leaflets and cusps.
        lining_db: Borders of the walls where they face the beam.
        grazing_db: Loss of walls along the beam.
    """

    length: float = 82.0
    radius: float = 24.0
    widest: float = 0.62
    bluntness: float = 2.3
    base_share: float = 0.85
    wall: float = 10.0
    apical_wall: float = 7.0
    length_power: float = 0.26
    right_depth: float = 24.0
    right_wall: float = 4.0
    right_reach: float = 1.15
    aorta: float = 13.0
    aorta_lean: float = 0.3
    left_atrium: tuple[float, float, float] = (19.0, 22.0, 22.0)
    right_atrium: float = 21.0
    papillary: float = 6.0
    weak: tuple[float, float] = (300.0, 0.0)
    ripple: tuple[float, float] = (0.03, 0.0)
    septum_db: float = 12.0
    shell_db: float = 7.0
    pericardium_db: float = 14.0
    valve_db: float = 10.0
    lining_db: float = 8.0
    grazing_db: float = 4.0


class Valves(NamedTuple):
    """How far the mitral and the aortic valve are open, 0-1."""

    mitral: float
    aortic: float


class Tissue(NamedTuple):
    """What lies at the points of a grid, each ``(n, m)``.

    Attributes:
        level_db: Echo over plain myocardium.
        blood: Whether it is blood.
        outside: Distance from the heart's surface in millimetres, about; negative inside.
        rest: Where the tissue lay at end-diastole, ``(n, m, 3)``.
    """

    level_db: Float32
    blood: NDArray[np.bool_]
    outside: Float32
    rest: Float32


def tissue_at(heart: SimpleHeart, points: Float32, v: float, valves: Valves) -> Tissue:
    """Tissue at points of a plane.

    Args:
        heart: The heart.
        points: ``(n, m, 3)`` in the body's frame, millimetres; n is along the beams.
        v: Volume of the left ventricle over that at end-diastole.
        valves: Where the valves are.
    """
    rest = at_rest(heart, points, v)
    x, y, z = rest[..., 0], rest[..., 1], rest[..., 2]
    front = unit(OUTFLOW_DEG)
    r, phi = np.hypot(x, y), np.arctan2(y, x)
    endo = _signed_root(endo_squared(heart, z, phi))
    epi = _signed_root(_epi_squared(heart, z))
    below = heart.length - z  # positive on the ventricle's side of the base
    ventricle = np.minimum(endo - r, below)
    # aorta with its outflow tract, sinuses and lean to the front
    along_aorta, across_aorta = _aorta(heart, rest, front)
    bulge = 3.5 * np.sin(np.pi * np.clip(along_aorta / 20, 0, 1))
    size = np.where(along_aorta < 0, 0.85 * heart.aorta, 0.95 * heart.aorta + bulge)
    aorta = np.minimum(size - across_aorta, np.minimum(along_aorta + 16, 75 - along_aorta))
    wall_of_aorta = np.where(along_aorta > -2, aorta + 2.5, -99)
    left_size = np.array(heart.left_atrium, np.float32)
    left = _ellipsoid(rest, -6 * front, heart.length + 0.86 * left_size[2], left_size, OUTFLOW_DEG)
    left = np.minimum(np.minimum(left, 1.0 - below), -wall_of_aorta)
    apart = heart.left_atrium[0] + heart.right_atrium + 1.0
    right_size = np.array(
        [heart.right_atrium, 1.1 * heart.right_atrium, 1.15 * heart.right_atrium], np.float32
    )
    right = _ellipsoid(rest, apart * unit(RIGHT_DEG + 22), heart.length + 17.0, right_size, RIGHT_DEG)
    right = np.minimum(np.minimum(right, 3.0 - below), np.minimum(-wall_of_aorta, -left - 2.0))
    # right ventricle: a crescent around the septum, and a tube in front of the aorta
    around = (
        np.maximum(np.cos(np.clip(_turn(phi, RIGHT_DEG) / heart.right_reach, -1, 1) * np.pi / 2), 0) ** 0.7
    )
    level = np.clip((z / heart.length - 0.12) / 0.6, 0, 1)
    gap = heart.right_depth * around * level * level * (3 - 2 * level)
    crescent = np.minimum(np.minimum(r - epi, epi + gap - r), below + 1)
    start = (0.85 * heart.radius + heart.wall + 12) * unit(128) + np.array(
        [0, 0, 0.72 * heart.length], np.float32
    )
    stop = (heart.aorta + 28) * unit(122) + np.array([0, 0, heart.length + 32], np.float32)
    outflow = np.minimum(
        0.5 * heart.right_depth + 1 - _from_capsule(rest, start, stop), np.where(below > 0, r - epi, 99)
    )
    right_ventricle = np.minimum(np.maximum(crescent, outflow), -wall_of_aorta)
    # what lies where
    wall = np.where(below > -3, np.minimum(epi - r, below + 4), -99)
    surface = np.maximum.reduce(
        [
            wall,
            left + 2.5,
            right + 2.5,
            np.where(along_aorta > 0, aorta + 2.5, -99),
            right_ventricle + heart.right_wall,
        ]
    )
    blood = (ventricle > 0) | (aorta > 0) | (left > 0) | (right > 0) | (right_ventricle > 0)
    facing = _facing(surface)
    depth = np.clip((r - endo) / np.maximum(epi - endo, 1.0), 0, 1)
    septal = np.exp(-((_turn(phi, RIGHT_DEG) / 0.9) ** 2))
    grazing = heart.grazing_db * (facing - 1)
    in_wall = (
        grazing
        + heart.septum_db * septal * np.exp(-(((depth - 0.55) / 0.35) ** 2))
        + heart.lining_db
        * facing
        * (0.5 * np.exp(-((depth / 0.12) ** 2)) + np.exp(-(((1 - depth) / 0.15) ** 2)))
        + 6 * np.clip(1 - below / 8, 0, 1)
    )
    shell = heart.shell_db * (0.4 + 0.6 * facing) + grazing
    level_db = np.where(wall > 0, in_wall, np.where(surface > 0, shell, NOTHING_DB))
    layer = (surface > -2.2) & (surface <= 0)
    level_db = np.where(layer, heart.pericardium_db * (0.3 + 0.7 * facing) + grazing, level_db)
    level_db = np.where(blood, NOTHING_DB, level_db)
    muscle = np.minimum(_papillary(heart, rest), np.where(ventricle > 0, 99, -99))
    level_db = np.where((muscle > 0) & (level_db < 0), -1.0, level_db)
    valve = _valves(heart, rest, front, valves, along_aorta, across_aorta)
    level_db = np.maximum(level_db, np.where(valve < 1.3, heart.valve_db * (0.5 + 0.5 * facing), NOTHING_DB))
    blood &= (muscle <= 0) & (valve >= 1.3)
    return Tissue(level_db.astype(np.float32), blood, -surface, rest)


def at_rest(heart: SimpleHeart, points: Float32, v: float) -> Float32:
    """Where the tissue at points ``(n, m, 3)`` lay at end-diastole."""
    ratio = np.float32(v**heart.length_power)
    z, base = points[..., 2], np.float32(heart.length * ratio)
    pulled = (heart.length - base) * np.exp(-np.clip(z - base, 0, None) / np.float32(25))
    z = np.where(z < base, z / ratio, z + pulled)
    phi = np.arctan2(points[..., 1], points[..., 0])
    squared = points[..., 0] ** 2 + points[..., 1] ** 2 + np.float32(1e-3)
    centre, missing = heart.weak
    weight = 1 - missing * np.exp(-((_turn(phi, centre) / 0.7) ** 2))
    kept = 1 - (1 - v / ratio) * weight
    beyond = np.exp(-((np.clip(z - heart.length, 0, None) / np.float32(14)) ** 2))
    endo2 = np.maximum(endo_squared(heart, np.minimum(z, heart.length), phi), 0) * beyond
    scale = np.sqrt(np.where(squared < kept * endo2, 1 / kept, 1 + (1 - kept) * endo2 / squared))
    return np.stack([points[..., 0] * scale, points[..., 1] * scale, z], axis=-1).astype(np.float32)


def endo_squared(heart: SimpleHeart, z: Float32, phi: Float32) -> Float32:
    """Squared radius of the cavity at end-diastole; negative beyond the apex."""
    share, phase = heart.ripple
    level = z / np.float32(heart.length)
    uneven = 1 + share * (np.cos(2 * phi + phase) + np.cos(3 * phi - phase) * np.sin(7 * level + phase))
    return np.asarray(
        heart.radius**2 * _profile(level, heart.widest, heart.bluntness, heart.base_share) * uneven
    )


def _epi_squared(heart: SimpleHeart, z: Float32) -> Float32:
    outer, tip = heart.radius + heart.wall, heart.apical_wall / heart.length
    base = (heart.radius * heart.base_share + 0.75 * heart.wall) / outer
    level = (z / np.float32(heart.length) + tip) / (1 + tip)
    return np.asarray(outer**2 * _profile(level, (heart.widest + tip) / (1 + tip), heart.bluntness, base))


def _profile(level: Float32, widest: float, bluntness: float, base_share: float) -> Float32:
    """Squared radius over its largest, from the apex (0) to the base (1)."""
    up = np.clip((widest - level) / widest, 0, 2) ** np.float32(bluntness)
    down = (1 - base_share**2) * (np.clip(level - widest, 0, None) / (1 - widest)) ** 2
    return np.asarray(1 - up - np.minimum(down, 1.0), dtype=np.float32)


def _signed_root(squared: Float32) -> Float32:
    return np.asarray(np.sign(squared) * np.sqrt(np.abs(squared)))


def _turn(phi: Float32, degrees: float) -> Float32:
    """Angle from a direction, -pi to pi."""
    return np.asarray((phi - np.float32(np.deg2rad(degrees)) + np.pi) % (2 * np.pi) - np.pi)


def _aorta(heart: SimpleHeart, rest: Float32, front: Float32) -> tuple[Float32, Float32]:
    """Place along the aorta's axis from its ring, and distance from that axis."""
    ring = 10.0 * front + np.array([0, 0, heart.length + 2], np.float32)
    axis = np.array([0, 0, 1], np.float32) + heart.aorta_lean * front
    axis = axis / np.linalg.norm(axis)
    away = rest - ring
    along = away @ axis
    return along, np.sqrt(np.maximum((away**2).sum(axis=-1) - along**2, 0))


def _ellipsoid(rest: Float32, centre: Float32, z: float, size: Float32, degrees: float) -> Float32:
    """Distance inside an ellipsoid, about, with its first radius at an angle of the wall."""
    away = rest - (centre + np.array([0, 0, z], np.float32))
    first = unit(degrees)
    second = np.array([-first[1], first[0], 0], np.float32)
    scaled = (away @ first / size[0]) ** 2 + (away @ second / size[1]) ** 2 + (away[..., 2] / size[2]) ** 2
    return np.asarray((1 - np.sqrt(scaled)) * size.min())


def _from_capsule(rest: Float32, start: Float32, stop: Float32) -> Float32:
    """Distance from a line between two points."""
    along = stop - start
    share = np.clip((rest - start) @ along / float(along @ along), 0, 1)
    return np.asarray(np.linalg.norm(rest - start - share[..., None] * along, axis=-1))


def _papillary(heart: SimpleHeart, rest: Float32) -> Float32:
    """Distance inside the two papillary muscles."""
    inside = np.full(rest.shape[:2], -99, np.float32)
    for degrees in (18.0, 255.0):
        foot, head = 0.95 * heart.radius * unit(degrees), 0.62 * heart.radius * unit(degrees)
        foot[2], head[2] = 0.3 * heart.length, 0.6 * heart.length
        inside = np.maximum(inside, heart.papillary - _from_capsule(rest, foot, head))
    return inside


def _valves(
    heart: SimpleHeart,
    rest: Float32,
    front: Float32,
    valves: Valves,
    along_aorta: Float32,
    across_aorta: Float32,
) -> Float32:
    """Distance from the leaflets of the mitral and the cusps of the aortic valve, mm."""
    ring = 0.72 * heart.radius * heart.base_share
    s = rest @ front + 0.28 * heart.radius
    t = rest[..., 0] * -front[1] + rest[..., 1] * front[0]
    h = rest[..., 2] - heart.length
    edge = np.sqrt(np.maximum(ring**2 - t**2, 0.0))
    distance = np.full(s.shape, 99, np.float32)
    angle = np.deg2rad(14 + 58 * valves.mitral)
    for side, share in ((1.0, 1.25), (-1.0, 0.72)):
        length = share * edge
        ds, dh = side * (s - side * edge), h  # from the hinge, outwards
        along = np.clip(-ds * np.cos(angle) - dh * np.sin(angle), 0, length)
        bend = 0.1 * length * np.sin(np.pi * along / np.maximum(length, 1e-3)) * (1 - 2 * valves.mitral)
        off = np.hypot(ds + along * np.cos(angle), dh + along * np.sin(angle) + bend)
        distance = np.where(edge > 3, np.minimum(distance, off), distance)
    radius, reach = 0.9 * heart.aorta, 10.0
    lie = radius * (1 - (1 - valves.aortic) * np.clip(along_aorta / reach, 0, 1) - 0.15 * valves.aortic)
    cusps = np.where((along_aorta > 0) & (along_aorta < reach + 3), np.abs(across_aorta - lie), 99)
    return np.asarray(np.minimum(distance, cusps))


def _facing(surface: Float32) -> Float32:
    """How squarely a surface lies to the beam, 0-1, on a grid of samples and beams."""
    down = np.gradient(surface, axis=0)
    # a millimetre down a beam is about two millimetres across to the next but one at mid depth
    across = np.gradient(surface, axis=1) * np.float32(0.5)
    return np.asarray(np.abs(down) / (np.hypot(down, across) + np.float32(1e-3)))
