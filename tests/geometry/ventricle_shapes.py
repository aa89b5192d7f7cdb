"""Ventricles of known size: half an ellipsoid with a flat base, with wall and atrium, at any place and
angle."""

import numpy as np

from lvef.core.terms import Structure
from lvef.geometry.tracing import trace


def half_ellipsoid(size=128, centre=(64.0, 84.0), length=50.0, radius=16.0, *, edge=1.0, wall=6.0, turn=0.0):
    """Probabilities (4, h, w): LV = half ellipsoid, apex `length` above the flat base centred at `centre`.

    True volume by rotation: 2/3 pi radius^2 length. `edge` is the width of the soft border; 0 gives labels.
    """
    h, w = (size, size) if np.isscalar(size) else size
    y, x = np.mgrid[:h, :w].astype(float)
    c, s = np.cos(turn), np.sin(turn)
    across = (x - centre[0]) * c + (y - centre[1]) * s
    along = -(x - centre[0]) * s + (y - centre[1]) * c

    def inside(distance):
        if edge == 0:
            return (distance <= 0).astype(float)
        return 1 / (1 + np.exp(np.clip(4 * distance / edge, -50, 50)))

    def shell(a, b):
        return (np.sqrt((across / b) ** 2 + (np.minimum(along, 0) / a) ** 2) - 1) * min(a, b)

    above = inside(along)
    lv = inside(shell(length, radius)) * above
    wall_field = inside(shell(length + wall, radius + wall)) * above - lv
    atrium = (1 - above) * inside(np.hypot(across / (0.95 * radius), along / radius) * radius - radius)
    return np.stack([1 - lv - wall_field - atrium, lv, wall_field, atrium]).astype(np.float32)


def labels(**kwargs):
    return half_ellipsoid(edge=0, **kwargs).argmax(0).astype(np.uint8)


def true_volume(length, radius):
    return 2 / 3 * np.pi * radius**2 * length


def trace_probabilities(probabilities, *, aspect=1.0):
    """Trace probabilities ``(4, h, w)``, classes in the order of `Structure`."""
    lv, atrium, wall = probabilities[[Structure.LV, Structure.LA, Structure.MYOCARDIUM]]
    return trace(lv, atrium, wall, aspect=aspect)
