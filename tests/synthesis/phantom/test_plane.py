"""Cuts of bodies whose cut is known."""

import numpy as np
import pytest

from lvef.geometry.simpson import polygon_area
from lvef.synthesis.phantom.anatomy import Heart, Surroundings, Ventricle, VentricleShape
from lvef.synthesis.phantom.plane import ContourTable, Placement, Pose


def table(shape, pose, low=0.4, high=1.0):
    ventricle = Ventricle(shape)
    return ContourTable(Heart(ventricle, Surroundings()), Placement(ventricle, pose), low, high)


@pytest.mark.parametrize("tilt", [-20, 0, 25])
@pytest.mark.parametrize("turn", [0, 60, 130])
def test_a_plane_through_the_axis_cuts_half_an_ellipse(tilt, turn):
    shape = VentricleShape(
        80, 50, widest=0.999, bluntness=2, mitral_share=1, bend_mm=0, mitral_slope=0, twist_deg=0
    )
    pose = Pose(apex_u_mm=3, apex_depth_mm=20, apex_out_mm=0, base_out_mm=0, tilt_deg=tilt, rotation_deg=turn)
    contours = table(shape, pose).at(1.0)
    assert polygon_area(contours.cavity) == pytest.approx(np.pi / 2 * 25 * 80, rel=0.003)
    tip = contours.cavity[np.argmin(np.hypot(*(contours.cavity - [3, 20]).T))]
    assert tip == pytest.approx([3, 20], abs=0.5)
    base = contours.hinges.mean(axis=0) - [3, 20]
    assert np.hypot(*base) == pytest.approx(80, rel=1e-3)
    assert np.rad2deg(np.arctan2(*base)) == pytest.approx(tilt, abs=0.1)
    assert contours.hinges[0, 0] < contours.hinges[1, 0]


def test_a_plane_beside_the_apex_shows_a_shorter_ventricle():
    shape = VentricleShape(bend_mm=0, mitral_slope=0)
    straight = table(shape, Pose(apex_out_mm=0)).at(1.0)
    beside = table(shape, Pose(apex_out_mm=12)).at(1.0)
    reach = [float(np.ptp(o.cavity[:, 1])) for o in (straight, beside)]
    assert reach[1] < 0.97 * reach[0]


def test_states_between_the_kept_ones_are_those_of_the_body():
    shape, pose = VentricleShape(bend_mm=3, mitral_slope=0.1), Pose(apex_out_mm=4, tilt_deg=10)
    coarse, exact = table(shape, pose).at(0.63), table(shape, pose, 0.63, 0.64).at(0.63)
    assert polygon_area(coarse.cavity) == pytest.approx(polygon_area(exact.cavity), rel=1e-3)


def test_body_and_probe_frames_are_inverse():
    placement = Placement(Ventricle(VentricleShape()), Pose(4, 25, 6, -2, 15, 40))
    points = np.random.default_rng(0).normal(0, 40, (50, 3))
    assert placement.to_body(placement.to_probe(points)) == pytest.approx(points)
    assert np.linalg.norm(placement.to_probe(points), axis=1) != pytest.approx(np.linalg.norm(points, axis=1))


def test_right_heart_is_seen_in_four_chambers_and_not_in_two():
    shape = VentricleShape()
    four = table(shape, Pose(rotation_deg=0)).at(1.0)
    two = table(shape, Pose(rotation_deg=75)).at(1.0)
    area = [sum(polygon_area(b) for b in o.blood) for o in (four, two)]
    assert area[0] > 1000
    assert area[1] < 0.1 * area[0]
