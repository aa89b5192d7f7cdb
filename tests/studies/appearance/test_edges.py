"""The endocardium's step: height, width and place of a drawn edge, on the right side of the image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from studies.appearance.edges import DISTANCES_MM, SIDES, fit_step, profiles
from tests.studies.appearance.hearts import stepped

pytestmark = pytest.mark.slow


def step(height, width, offset=0.0):
    sigma = width / (2 * 1.2815515655446004)
    return 60 + height * (1 + erf((DISTANCES_MM - offset) / (sigma * np.sqrt(2)))) / 2


@pytest.mark.parametrize("height", [-50.0, 20.0, 100.0])
@pytest.mark.parametrize("width", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("offset", [-1.3, 0.0, 2.0])
def test_a_step_is_found_again(height, width, offset):
    edge = fit_step(step(height, width, offset))
    assert edge.height == pytest.approx(height, rel=0.02)
    assert edge.width_mm == pytest.approx(width, rel=0.05)
    assert edge.offset_mm == pytest.approx(offset, abs=0.05)


def test_a_flat_profile_has_no_height():
    assert fit_step(np.full(len(DISTANCES_MM), 80.0)).height == pytest.approx(0, abs=1e-6)


def test_noise_moves_a_step_little():
    rng = np.random.default_rng(1)
    edges = [fit_step(step(80, 3) + 3 * rng.standard_normal(len(DISTANCES_MM))) for _ in range(20)]
    assert np.mean([e.height for e in edges]) == pytest.approx(80, rel=0.03)
    assert np.mean([e.width_mm for e in edges]) == pytest.approx(3, rel=0.1)


def test_an_unknown_profile_has_no_step():
    profile = step(50, 2)
    profile[len(profile) // 2] = np.nan
    edge = fit_step(profile)
    assert np.isnan([edge.height, edge.width_mm, edge.offset_mm]).all()


@pytest.mark.parametrize("width", [3.0, 5.0])
def test_a_drawn_heart_gives_height_and_width_by_side(width):
    image = stepped(256, 0.5, 40, width)
    found = {side: fit_step(p) for side, p in profiles(image.grey, image.labels, 0.5).items()}
    assert found["septal"].height == pytest.approx(80, rel=0.04)
    assert found["lateral"].height == pytest.approx(40, rel=0.04)
    assert 40 < found["apical"].height < 80
    for side in SIDES:
        assert found[side].width_mm == pytest.approx(width, rel=0.06)
        assert found[side].offset_mm == pytest.approx(0, abs=0.3)


def test_an_edge_outside_the_contour_has_an_offset():
    image = stepped(256, 0.5, 40, 3, offset_mm=2.0)
    assert fit_step(profiles(image.grey, image.labels, 0.5)["septal"]).offset_mm == pytest.approx(2, abs=0.3)


def test_mirrored_left_and_right_change_places():
    image = stepped(200, 0.7, 40, 3)
    plain = profiles(image.grey, image.labels, 0.7)
    mirrored = profiles(
        np.ascontiguousarray(image.grey[:, ::-1]), np.ascontiguousarray(image.labels[:, ::-1]), 0.7
    )
    np.testing.assert_allclose(mirrored["septal"], plain["lateral"], atol=1.5)
    np.testing.assert_allclose(mirrored["lateral"], plain["septal"], atol=1.5)


def test_coarse_pixels_keep_the_height():
    image = stepped(80, 1.6, 40, 5)
    assert fit_step(profiles(image.grey, image.labels, 1.6)["septal"]).height == pytest.approx(80, rel=0.06)


@pytest.mark.parametrize("left", [[], [1], [2], [1, 3]])
def test_without_ventricle_or_wall_there_is_no_profile(left):
    image = stepped(128, 1.0, 40, 3)
    some = np.where(np.isin(image.labels, left), image.labels, 0).astype(np.uint8)
    assert all(np.isnan(p).all() for p in profiles(image.grey, some, 1.0).values())


def test_a_ventricle_closed_by_its_wall_has_no_base_to_go_by():
    image = stepped(128, 1.0, 40, 3)
    closed = np.where(image.labels == 0, 2, image.labels)
    closed[closed == 3] = 2
    assert all(np.isnan(p).all() for p in profiles(image.grey, closed.astype(np.uint8), 1.0).values())


def test_a_ventricle_cut_by_the_image_does_not_count_what_lies_beyond():
    image = stepped(128, 1.0, 40, 3)
    # The left wall begins 12 mm from the cavity's border; with 3 mm left, its far end is not known.
    cut = slice(128 // 2 - 25 - 3, None)
    found = profiles(
        np.ascontiguousarray(image.grey[:, cut]), np.ascontiguousarray(image.labels[:, cut]), 1.0
    )
    assert np.isfinite(found["lateral"]).all()
    known = found["septal"][np.isfinite(found["septal"])]
    assert known.min() > 50
