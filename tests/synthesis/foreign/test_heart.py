"""The cavity holds the volume it should, and chambers lie where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.synthesis.foreign.heart import Points, SimpleHeart, Valves, at_rest, endo_squared, tissue_at, unit

HEART = SimpleHeart(length=82, width_share=0.585)


def cavity_volume(v: float) -> float:
    """Cubic millimetres of the cavity, counted on a grid."""
    axis = np.arange(-36, 37, 1.5, dtype=np.float32)
    x, y, z = np.meshgrid(axis, axis, np.arange(0, 84, 1.5, dtype=np.float32), indexing="ij")
    rest = at_rest(HEART, Points(x, y, z), v)
    phi = np.arctan2(rest.y, rest.x)
    inside = (rest.x**2 + rest.y**2 < endo_squared(HEART, rest.z, phi)) & (rest.z < HEART.length)
    return float(inside.sum()) * 1.5**3


@pytest.mark.parametrize("v", [0.8, 0.5, 0.35])
def test_the_cavity_holds_the_volume_asked_for(v: float) -> None:
    assert cavity_volume(v) / cavity_volume(1.0) == pytest.approx(v, rel=0.02)


def test_at_end_diastole_nothing_is_carried_away() -> None:
    points = Points(*np.random.default_rng(0).uniform(-60, 120, (3, 40, 30)).astype(np.float32))
    assert np.allclose(at_rest(HEART, points, 1.0), points, atol=1e-3)


@pytest.mark.parametrize(
    ("place", "blood"),
    [
        (np.array([0, 0, 45]), True),  # left ventricle
        (29 * unit(60) + [0, 0, 50], False),  # its wall
        (46 * unit(186) + [0, 0, 60], True),  # right ventricle
        (-6 * unit(150) + [0, 0, 104], True),  # left atrium
        (41 * unit(208) + [0, 0, 99], True),  # right atrium
        (15 * unit(150) + [0, 0, 100], True),  # aorta
        (70 * unit(330) + [0, 0, 40], False),  # behind the heart
    ],
)
def test_blood_is_where_chambers_are(place: np.ndarray, blood: bool) -> None:
    grid = np.zeros((3, 3), np.float32)
    around = Points(*(grid + np.float32(value) for value in place))
    found = tissue_at(HEART, around, 1.0, Valves(0.0, 0.0))
    assert bool(found.blood.all()) is blood
    assert bool((found.outside > 0).all()) is (float(np.hypot(*place[:2])) > 60)
