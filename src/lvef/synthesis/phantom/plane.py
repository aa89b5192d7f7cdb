"""Where the heart lies before the probe, and how the scan plane cuts its surfaces.

The probe's frame has its origin at the probe: ``u`` to the right of the picture, ``depth`` away from the probe, ``out`` out
of the scan plane. The scan plane is ``out = 0``. Surfaces are cut level by level: the plane meets a level of the body in a
straight line, and the first and last crossing of that line with the surface are the two sides of the outline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lvef.core.records import BoolArray, FloatArray
from lvef.synthesis.phantom.shape import Ventricle

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
        apex_out_mm: How far it lies out of the scan plane: more is a more foreshortened picture.
        base_out_mm: The same of the middle of the mitral plane at end-diastole.
        tilt_deg: Turn of the long axis in the picture; positive turns the base to the right.
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

    def outline(self) -> FloatArray:
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
        rotation, slope = (
            self.pose.rotation(self.ventricle.shape.length_mm),
            self.ventricle.shape.mitral_slope,
        )
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
