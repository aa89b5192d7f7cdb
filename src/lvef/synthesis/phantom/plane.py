"""Where the heart lies before the probe, and how the scan plane cuts its surfaces.

The probe's frame has its origin at the probe: ``u`` to the right of the image, ``depth`` away from the probe, ``out`` out
of the scan plane. The scan plane is ``out = 0``. Surfaces are cut level by level: the plane meets a level of the body in a
straight line, and the first and last crossing of that line with the surface are the two sides of the contour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lvef.core.records import BoolArray, FloatArray
from lvef.synthesis.phantom.anatomy import Heart, Ventricle

N_STEPS = 48
"""Samples along the line in which the plane meets a level; each end is then refined."""

Radius = Callable[[FloatArray], FloatArray]
"""From angles ``(m, k)`` around the centres of m levels to the radii of a surface there, ``(m, k)``."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the heart lies before the probe.

    Attributes:
        apex_u_mm: Endocardial apex, to the right of the probe's middle.
        apex_depth_mm: Its distance from the probe.
        apex_out_mm: How far it lies out of the scan plane: more is a more foreshortened image.
        base_out_mm: The same of the middle of the mitral plane at end-diastole.
        tilt_deg: Turn of the long axis in the image; positive turns the base to the right.
        rotation_deg: Turn of the heart about its axis: 0 a four-chamber, about 60 a two-chamber view.
    """

    apex_u_mm: float = 5.0
    apex_depth_mm: float = 18.0
    apex_out_mm: float = 3.0
    base_out_mm: float = 0.0
    tilt_deg: float = 0.0
    rotation_deg: float = 0.0

    def rotation(self, length_mm: float) -> FloatArray:
        """Matrix ``(3, 3)`` from the body's (x, y, z) to the probe's (u, depth, out)."""
        out = float(np.clip((self.base_out_mm - self.apex_out_mm) / length_mm, -0.5, 0.5))
        tilt, turn = np.deg2rad(self.tilt_deg), np.deg2rad(self.rotation_deg)
        flat = np.sqrt(1 - out * out)
        z = np.array([np.sin(tilt) * flat, np.cos(tilt) * flat, out])
        side = np.array([np.cos(tilt), -np.sin(tilt), 0.0])
        normal = np.cross(z, side)
        x = np.cos(turn) * side + np.sin(turn) * normal
        return np.stack([x, np.cross(z, x), z], axis=1)

    @property
    def apex(self) -> FloatArray:
        """Endocardial apex in the probe's frame, ``(3,)``."""
        return np.array([self.apex_u_mm, self.apex_depth_mm, self.apex_out_mm])


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of a surface in the plane, level by level.

    Attributes:
        left: ``(m, 2)`` points (u, depth) in mm.
        right: ``(m, 2)``.
        there: ``(m,)`` whether the plane meets the level at all; elsewhere the points mean nothing.
    """

    left: FloatArray
    right: FloatArray
    there: BoolArray

    def contour(self) -> FloatArray:
        """Closed polygon ``(k, 2)``: up the left side, down the right."""
        return np.concatenate([self.left[self.there][::-1], self.right[self.there]])


@dataclass(frozen=True, slots=True)
class Placement:
    """A ventricle before the probe."""

    ventricle: Ventricle
    pose: Pose

    def to_probe(self, body: FloatArray) -> FloatArray:
        """Points ``(..., 3)`` of the body's frame in the probe's."""
        rotation = self.pose.rotation(self.ventricle.shape.length_mm)
        return np.asarray(body @ rotation.T + self.pose.apex)

    def to_body(self, probe: FloatArray) -> FloatArray:
        """The reverse of `to_probe`."""
        rotation = self.pose.rotation(self.ventricle.shape.length_mm)
        return np.asarray((probe - self.pose.apex) @ rotation)

    def cut(self, z_mm: FloatArray, centre_x: FloatArray, turn: FloatArray, radius: Radius) -> Sides:
        """The points in which the plane meets closed curves, one on each level.

        Args:
            z_mm: ``(m,)`` places of the levels along the axis.
            centre_x: ``(m,)`` sideways places of the curves' centres.
            turn: ``(m,)`` turns of the levels, radians.
            radius: The curves around their centres.
        """
        shape = self.ventricle.shape
        rotation, slope = self.pose.rotation(shape.length_mm), shape.mitral_slope
        a, b = float(rotation[2, 0] + slope * rotation[2, 2]), float(rotation[2, 1])
        size = max(float(np.hypot(a, b)), 1e-9)
        offset = -(rotation[2, 2] * z_mm + self.pose.apex_out_mm + a * centre_x) / size
        foot = offset[:, None] * np.array([a, b]) / size
        along = np.array([-b, a]) / size

        def inside(s: FloatArray) -> FloatArray:
            x, y = foot[:, :1] + s * along[0], foot[:, 1:] + s * along[1]
            return np.asarray(radius(np.arctan2(y, x) - turn[:, None]) - np.hypot(x, y))

        every = np.linspace(-np.pi, np.pi, 24)
        reach = 1.15 * radius(np.broadcast_to(every, (len(z_mm), 24))).max(axis=1) + 1e-6
        s = reach[:, None] * np.linspace(-1, 1, N_STEPS)
        within = inside(s) > 0
        there = np.asarray(within.any(axis=1), dtype=bool)
        rows = np.arange(len(z_mm))
        first = np.maximum(within.argmax(axis=1), 1)
        last = np.minimum(N_STEPS - 1 - within[:, ::-1].argmax(axis=1), N_STEPS - 2)
        outer = np.stack([s[rows, first - 1], s[rows, last + 1]], axis=1)
        inner = np.stack([s[rows, first], s[rows, last]], axis=1)
        at = _crossing(inside, outer, inner)
        x = foot[:, :1] + at * along[0] + centre_x[:, None]
        y = foot[:, 1:] + at * along[1]
        body = np.stack([x, y, z_mm[:, None] + slope * x], axis=-1)
        ends = (body @ rotation.T + self.pose.apex)[..., :2]
        swap = ends[:, 0, 0] > ends[:, 1, 0]
        ends[swap] = ends[swap][:, ::-1]
        return Sides(ends[:, 0], ends[:, 1], there)


def _crossing(inside: Callable[[FloatArray], FloatArray], outer: FloatArray, inner: FloatArray) -> FloatArray:
    """Where a function that is at most 0 at ``outer`` and positive at ``inner`` crosses 0, by false position."""
    low, high = outer, inner
    at_low, at_high = inside(low), inside(high)
    middle = inner
    for _ in range(5):
        difference = at_high - at_low
        middle = low - at_low * (high - low) / np.where(difference == 0, 1.0, difference)
        value = inside(middle)
        positive = value > 0
        # the end that stays counts half the next time (Illinois rule), so that both ends close in
        at_low = np.where(positive, at_low / 2, value)
        at_high = np.where(positive, value, at_high / 2)
        low, high = np.where(positive, low, middle), np.where(positive, middle, high)
    return np.asarray(middle)


N_STATES = 15
"""States at which the plane is cut."""

N_LEVELS = 72
"""Levels on each side of a contour; they lie closer towards the apex."""

N_ATRIAL = 28
"""Levels of an atrium."""


@dataclass(frozen=True, slots=True)
class Contours:
    """Contours of one state, ``(k, 2)`` points (u, depth) in mm.

    Attributes:
        cavity: Endocardium, from the right end of the mitral plane over the apex to its left end.
        hinges: ``(2, 2)`` ends of the mitral plane, left then right.
        epicardium: Around the wall of the left ventricle.
        left_atrium: Its blood.
        blood: Right ventricle and right atrium, where the plane meets them.
        heart: Parts that together cover the whole heart, for what lies behind it to be hidden.
    """

    cavity: FloatArray
    hinges: FloatArray
    epicardium: FloatArray
    left_atrium: FloatArray
    blood: tuple[FloatArray, ...]
    heart: tuple[FloatArray, ...]

    def moved(self, shift_mm: FloatArray) -> Contours:
        """All of it shifted by ``(2,)`` mm."""
        return Contours(
            self.cavity + shift_mm,
            self.hinges + shift_mm,
            self.epicardium + shift_mm,
            self.left_atrium + shift_mm,
            tuple(contour + shift_mm for contour in self.blood),
            tuple(contour + shift_mm for contour in self.heart),
        )


class ContourTable:
    """Contours at any relative volume between two.

    Everything in the plane depends on the relative volume alone, so the plane is cut at a few states and interpolated.

    Args:
        heart: The heart.
        placement: Where it lies.
        low: Smallest relative volume.
        high: Largest.
    """

    def __init__(self, heart: Heart, placement: Placement, low: float, high: float) -> None:
        self.states = np.linspace(low, max(high, low + 1e-3), N_STATES)
        self._cuts = [_cut_all(heart, placement, float(v)) for v in self.states]
        self._names = list(self._cuts[0])

    def at(self, v: float) -> Contours:
        """Contours at a relative volume inside the table."""
        place = float(np.clip(np.interp(v, self.states, np.arange(N_STATES)), 0, N_STATES - 1 - 1e-9))
        i, share = int(place), place - int(place)
        first, second = self._cuts[i], self._cuts[i + 1]
        sides = {n: _between(first[n], second[n], share) for n in self._names}
        endo, epi = sides["endo"], sides["epi"]
        right = tuple(
            np.concatenate([a[both][::-1], b[both]])
            for a, b, both in (
                (epi.left, sides["right_in"].left, _open(epi, sides["right_in"], left=True)),
                (epi.right, sides["right_in"].right, _open(epi, sides["right_in"], left=False)),
            )
            if both.sum() > 3
        )
        atrium = sides["right_atrium"]
        blood = (*right, atrium.contour()) if atrium.there.sum() > 3 else right
        parts = [sides["outer"].contour(), sides["left_atrium_out"].contour()]
        if atrium.there.sum() > 3:
            parts.append(sides["right_atrium_out"].contour())
        return Contours(
            cavity=endo.contour(),
            hinges=np.stack([endo.left[-1], endo.right[-1]]),
            epicardium=epi.contour(),
            left_atrium=sides["left_atrium"].contour(),
            blood=blood,
            heart=tuple(parts),
        )


def _between(first: Sides, second: Sides, share: float) -> Sides:
    """A state between two neighbours; a level that only one of them has is taken from none."""
    return Sides(
        first.left + share * (second.left - first.left),
        first.right + share * (second.right - first.right),
        first.there & second.there,
    )


def _open(epi: Sides, inner: Sides, *, left: bool) -> BoolArray:
    gap = np.linalg.norm((inner.left - epi.left) if left else (inner.right - epi.right), axis=1)
    return np.asarray(epi.there & inner.there & (gap > 1.0))


def _cut_all(heart: Heart, placement: Placement, v: float) -> dict[str, Sides]:
    ventricle = heart.ventricle
    tip = ventricle.shape.apical_wall_mm / ventricle.shape.length_mm
    zeta = np.linspace(0, 1, N_LEVELS) ** 2
    zeta[0] = 1e-4
    over_tip = np.concatenate([-tip * (1 - np.linspace(0.02, 1, 14) ** 2), zeta[1:]])

    def levels(at: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        return ventricle.length_mm(v) * at, ventricle.bend(at), ventricle.twist(at, v)

    outer = over_tip[:, None]
    cuts = {
        "endo": placement.cut(
            *levels(zeta), lambda phi: np.sqrt(ventricle.endo_squared(zeta[:, None], phi, v))
        ),
        "epi": placement.cut(*levels(over_tip), lambda phi: np.sqrt(ventricle.epi_squared(outer, phi, v))),
        "outer": placement.cut(*levels(over_tip), lambda phi: heart.outer_radius(outer, phi, v)),
        "right_in": placement.cut(
            *levels(over_tip),
            lambda phi: np.sqrt(ventricle.epi_squared(outer, phi, v)) + heart.right_gap(outer, phi, v),
        ),
    }
    eta = np.linspace(0, 1, N_ATRIAL)
    eta[-1] = 0.999
    z, none = heart.atrial_z(eta, v), np.zeros(N_ATRIAL)
    for name, radius, centre in (
        ("left_atrium", heart.left_atrium_radius(eta, v), 0.0),
        ("right_atrium", heart.right_atrium_radius(eta, v), -heart.right_atrium_centre_mm()),
    ):
        for suffix, wall in (("", 0.0), ("_out", 2.5)):
            size = (radius + wall)[:, None]
            cuts[name + suffix] = placement.cut(z, none + centre, none, _circle(size))
    return cuts


def _circle(size: FloatArray) -> Radius:
    """Circles of radii ``(m, 1)``."""
    return lambda phi: np.broadcast_to(size, phi.shape)
