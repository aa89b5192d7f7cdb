"""Each plane shows what its view shows, where a reader expects it."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.synthesis.foreign.echo import PLANES, Plane
from lvef.synthesis.foreign.heart import AXIS, OUTFLOW_DEG, RIGHT_DEG, Float32, SimpleHeart, unit

HEART = SimpleHeart()
APEX, BASE = 0 * AXIS, HEART.length * AXIS
AORTA = 12 * unit(OUTFLOW_DEG) + (HEART.length + 10) * AXIS
RIGHT = (HEART.radius + HEART.wall + 10) * unit(RIGHT_DEG) + 0.6 * HEART.length * AXIS
LATERAL, MIDDLE = HEART.radius * unit(20) + 0.5 * HEART.length * AXIS, 0.5 * HEART.length * AXIS


def planes(name: str) -> list[Plane]:
    return [PLANES[name](HEART, np.random.default_rng(seed)) for seed in range(30)]


def seen(plane: Plane, point: Float32) -> tuple[float, float, float]:
    """Where a point is shown: to the right, depth, and out of the plane, mm."""
    away = point - plane.probe
    out = np.cross(plane.right, plane.deep)
    return float(away @ plane.right), float(away @ plane.deep), float(away @ out)


@pytest.mark.parametrize("name", tuple(PLANES))
def test_directions_are_perpendicular_and_of_unit_length(name: str) -> None:
    for plane in planes(name):
        frame = np.stack([plane.right, plane.deep])
        assert np.allclose(frame @ frame.T, np.eye(2), atol=1e-5)


@pytest.mark.parametrize("name", ["a4c", "a2c", "a3c", "a5c"])
def test_apical_planes_pass_through_the_apex_with_the_base_below(name: str) -> None:
    for plane in planes(name):
        assert seen(plane, APEX)[2] == pytest.approx(0, abs=1e-3)
        assert seen(plane, BASE)[1] > seen(plane, APEX)[1] + 60


def test_the_right_heart_lies_to_the_left_in_four_and_five_chamber_planes() -> None:
    for plane in planes("a4c") + planes("a5c"):
        assert seen(plane, RIGHT)[0] < seen(plane, MIDDLE)[0] < seen(plane, LATERAL)[0]


def test_the_aorta_is_in_five_chamber_and_long_axis_planes_and_not_in_others() -> None:
    def distances(name: str) -> list[float]:
        return [abs(seen(plane, AORTA)[2]) for plane in planes(name)]

    assert max(distances("a5c")) < 0.6 * HEART.aorta
    assert max(distances("a3c")) < 0.9 * HEART.aorta
    assert max(distances("plax")) < 0.6 * HEART.aorta
    assert np.median(distances("a4c")) > 1.2 * HEART.aorta


def test_long_axis_shows_the_apex_left_the_aorta_right_and_the_right_ventricle_on_top() -> None:
    right_ventricle = (HEART.radius + HEART.wall + 8) * unit(OUTFLOW_DEG) + 0.7 * HEART.length * AXIS
    for plane in planes("plax"):
        assert seen(plane, APEX)[0] < seen(plane, MIDDLE)[0] < seen(plane, AORTA)[0]
        assert seen(plane, right_ventricle)[1] < seen(plane, MIDDLE)[1]


@pytest.mark.parametrize(
    ("name", "level"), [("psax_mitral", 0.9), ("psax_papillary", 0.52), ("psax_apical", 0.24)]
)
def test_short_axis_cuts_across_at_its_level(name: str, level: float) -> None:
    for plane in planes(name):
        normal = np.cross(plane.right, plane.deep)
        assert abs(normal @ AXIS) > 0.9
        assert abs(seen(plane, level * BASE)[2]) < 0.08 * HEART.length
        assert seen(plane, RIGHT)[0] < seen(plane, MIDDLE)[0] < seen(plane, LATERAL)[0]


def test_subcostal_shows_the_right_ventricle_near_the_probe_and_the_apex_to_the_right() -> None:
    for plane in planes("subcostal"):
        assert seen(plane, RIGHT)[1] < seen(plane, MIDDLE)[1]
        assert seen(plane, APEX)[0] > seen(plane, BASE)[0]
