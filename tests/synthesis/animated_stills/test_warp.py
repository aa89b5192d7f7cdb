import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.synthesis.animated_stills.motion import AREA_LIMITS, fit_flow

SHAPE = (120, 150)
CENTRE = np.array([70.0, 60.0])


def _ring(radius, n=24):
    angle = np.arange(n) / n * 2 * np.pi
    return CENTRE + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _shrinking(factor):
    marks = np.concatenate([_ring(50), _ring(30), CENTRE[None]])
    return fit_flow(marks, CENTRE + factor * (marks - CENTRE), SHAPE, 60.0)


def test_a_uniform_contraction_goes_on_as_its_power():
    flow = _shrinking(0.8)
    for time in (-1.0, 0.5, 1.0, 1.5):
        moved = flow.carried(_ring(40), np.array([time]))[0]
        assert np.abs(moved - _ring(40 * 0.8**time)).max() < 0.1
        if time > 0:  # backwards the border of the grid comes in
            areas = flow.areas[int(np.argmin(np.abs(flow.times - time)))]
            assert areas == pytest.approx(0.8 ** (2 * time), rel=0.02)


def test_there_and_back_is_where_it_began():
    flow = _shrinking(0.75)
    there = flow.carried(_ring(35), np.array([1.0]))[0]
    assert np.abs(flow.carried(there, np.array([-1.0]))[0] - _ring(35)).max() < 0.02


def test_maps_and_points_are_one_flow():
    flow = _shrinking(0.8)
    at = np.array([20, 12])  # column and row of a node
    point = at * flow.step + flow.origin
    for time in (-0.7, 0.35, 1.0):
        carried = flow.carried(point[None], np.array([time]))[0, 0]
        assert np.abs(point + flow.at(time)[at[1], at[0]] - carried).max() < 0.05
    assert (flow.at(0.0) == 0).all()


def test_reach_ends_where_tissue_would_be_torn():
    flow = _shrinking(0.5)  # area factor 0.25 at time 1
    expected = np.log(AREA_LIMITS[0]) / np.log(0.25)
    low, high = flow.range
    assert low < 0
    assert expected - 0.11 < high <= expected


def test_what_would_fold_is_refused():
    marks = np.concatenate([_ring(50), _ring(20)])
    goal = np.concatenate([_ring(50), CENTRE + 0.05 * (_ring(20) - CENTRE)])
    with pytest.raises(GeometryError, match=r"squeezed to 0\.\d+ of its area"):
        fit_flow(marks, goal, SHAPE, 60.0)


def test_anchors_hold_the_border():
    h, w = SHAPE
    frame = np.array(
        [(x, y) for x in np.linspace(0, w, 9) for y in (0.0, h)] + [(x, h / 2) for x in (0.0, w)]
    )
    marks = np.concatenate([_ring(30), frame])
    flow = fit_flow(marks, np.concatenate([_ring(24), frame]), SHAPE, 60.0)
    assert np.hypot(*(flow.carried(frame, np.array([1.0]))[0] - frame).T).max() < 0.5
    assert np.hypot(*(flow.carried(_ring(30), np.array([1.0]))[0] - _ring(24)).T).max() < 0.5
