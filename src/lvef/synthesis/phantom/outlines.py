"""Outlines of the chambers in the scan plane at any state of the heart.

Everything in the plane depends on the relative volume alone, so it is cut at a few states and interpolated between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lvef.core.records import BoolArray, FloatArray
from lvef.synthesis.phantom.plane import Placement, Radius, Sides
from lvef.synthesis.phantom.surroundings import Heart

N_STATES = 15
"""States at which the plane is cut."""

N_LEVELS = 72
"""Levels on each side of an outline; they lie closer towards the apex."""

N_ATRIAL = 28
"""Levels of an atrium."""


@dataclass(frozen=True, slots=True)
class Outlines:
    """Outlines of one state, ``(k, 2)`` points (u, depth) in mm.

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

    def moved(self, shift_mm: FloatArray) -> Outlines:
        """All of it shifted by ``(2,)`` mm."""
        return Outlines(
            self.cavity + shift_mm,
            self.hinges + shift_mm,
            self.epicardium + shift_mm,
            self.left_atrium + shift_mm,
            tuple(outline + shift_mm for outline in self.blood),
            tuple(outline + shift_mm for outline in self.heart),
        )


class OutlineTable:
    """Outlines at any relative volume between two.

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

    def at(self, v: float) -> Outlines:
        """Outlines at a relative volume inside the table."""
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
        blood = (*right, atrium.outline()) if atrium.there.sum() > 3 else right
        parts = [sides["outer"].outline(), sides["left_atrium_out"].outline()]
        if atrium.there.sum() > 3:
            parts.append(sides["right_atrium_out"].outline())
        return Outlines(
            cavity=endo.outline(),
            hinges=np.stack([endo.left[-1], endo.right[-1]]),
            epicardium=epi.outline(),
            left_atrium=sides["left_atrium"].outline(),
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
