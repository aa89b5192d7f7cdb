"""What an image shows of its quality, on images whose contrast, shadow and angle are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lvef.core.records import Box, PixelAspect
from lvef.geometry.tracing import trace_labels
from lvef.transforms.image_signs import (
    REGIONS,
    SIZE_PX,
    border_signs,
    grey_signs,
    haze_signs,
    sector_shape,
    squares_of,
)
from lvef.transforms.sector import Sector, find_sector
from tests.geometry.ventricle_shapes import labels
from tests.transforms.test_sector import as_clip, fan_frames

BLOOD, WALL, REST = 30, 80, 60
PROBE = np.array([64.0, -10.0])
LABELS = labels(size=SIZE_PX, centre=(64, 90), length=60, radius=20, wall=10)
TRACING = trace_labels(LABELS)
ALL = np.ones((SIZE_PX, SIZE_PX), bool)


def heart(wall=WALL, speckle=0.0, seed=0):
    """A ventricle with an even wall around it, ``(size, size)`` uint8."""
    grey = np.choose(LABELS, [REST, BLOOD, wall, BLOOD]).astype(float)
    if speckle:
        grain = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, grey.shape), (0, 0), 1.0)
        grey = grey * (1 + speckle * grain / grain.std())
    return np.clip(grey, 0, 255).astype(np.uint8)


def signs(image):
    return border_signs(image, ALL, TRACING, PROBE)


def by_region(values, border):
    return {name: float(values[border.region == place].mean()) for place, name in enumerate(REGIONS)}


def test_a_wall_of_known_contrast_differs_by_it_and_is_visible_everywhere():
    border = signs(heart())
    assert np.median(border.difference) == pytest.approx(WALL - BLOOD, abs=3)
    assert border.visible.mean() > 0.95
    assert not border.shadow.any()
    assert by_region(border.visible, border)["left_wall"] == 1.0


def test_speckle_does_not_hide_a_wall_or_make_one():
    assert signs(heart(speckle=0.3)).visible.mean() > 0.95
    assert signs(np.where(LABELS >= 0, heart(wall=BLOOD, speckle=0.3), 0)).difference.max() < WALL - BLOOD
    even = np.full((SIZE_PX, SIZE_PX), 100.0) * (
        1 + np.random.default_rng(1).normal(0, 0.3, (SIZE_PX, SIZE_PX))
    )
    assert signs(np.clip(even, 0, 255).astype(np.uint8)).visible.mean() < 0.05


def test_half_of_the_border_erased_is_not_visible_on_that_side_alone():
    image = heart()
    image[:, 64:] = BLOOD
    border = signs(image)
    found = by_region(border.visible, border)
    assert found["left_wall"] == 1.0
    assert found["right_wall"] == 0.0
    assert found["apical"] == pytest.approx(0.5, abs=0.15)


def test_the_mirror_image_changes_sides():
    image = heart(speckle=0.1)
    image[:, 64:] = BLOOD
    mirrored = trace_labels(np.ascontiguousarray(LABELS[:, ::-1]))
    border = border_signs(np.ascontiguousarray(image[:, ::-1]), ALL, mirrored, np.array([63.0, -10.0]))
    found = by_region(border.visible, border)
    assert (found["left_wall"], found["right_wall"]) == (0.0, 1.0)


def test_a_dark_stripe_from_the_probe_is_a_shadow_and_a_dark_spot_is_none():
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    angle = np.arctan2(x - PROBE[0], y - PROBE[1])
    stripe = np.where((angle > 0.15) & (angle < 0.35), 0.05, 1.0)
    shadowed = signs((heart() * stripe).astype(np.uint8))
    found = by_region(shadowed.shadow, shadowed)
    assert found["left_wall"] == 0.0
    assert found["right_wall"] > 0.8
    assert not (shadowed.visible & shadowed.shadow).any(), "only the shadow's own edge shows"
    assert shadowed.contrast < signs(heart()).contrast
    spot = heart()
    cv2.circle(spot, (84, 75), 8, 0, -1)
    assert not signs(spot).shadow.any()


def test_a_wall_beyond_the_sector_is_cut_off():
    inside = ALL.copy()
    inside[:, :46] = False
    border = border_signs(heart(), inside, TRACING, PROBE)
    found = by_region(border.cut_off, border)
    assert found["left_wall"] > 0.5
    assert found["right_wall"] == 0.0


@pytest.mark.parametrize("half_angle", [0.4, 0.6, 0.75])
def test_a_sector_of_known_angle(half_angle):
    frames, _ = fan_frames(half_angle=half_angle)
    shape = sector_shape(find_sector(as_clip(frames)))
    assert shape.width_deg == pytest.approx(np.degrees(2 * half_angle), abs=4)
    assert shape.probe == pytest.approx([160, 30], abs=8)


def test_the_angle_of_a_sector_upside_down_is_the_same_and_the_probe_below():
    frames, _ = fan_frames()
    upright, turned = (sector_shape(find_sector(as_clip(f))) for f in (frames, frames[:, ::-1].copy()))
    assert turned.width_deg == pytest.approx(upright.width_deg, abs=1e-6)
    height = frames.shape[1]
    assert turned.probe == pytest.approx([upright.probe[0], height - 1 - upright.probe[1]], abs=1e-6)


def test_the_angle_is_that_of_the_body_where_pixels_are_not_square():
    frames, _ = fan_frames(half_angle=0.6)
    flat = np.stack([cv2.resize(f, (320, 120), interpolation=cv2.INTER_AREA) for f in frames])
    shape = sector_shape(find_sector(as_clip(flat)), PixelAspect(2.0, "test"))
    assert shape.width_deg == pytest.approx(np.degrees(1.2), abs=5)


def test_a_rectangle_has_no_angle():
    shape = sector_shape(Sector(Box(10, 20, 110, 100), np.pad(np.ones((80, 100), bool), ((20, 0), (10, 0)))))
    assert shape.width_deg is None
    assert shape.probe == pytest.approx([59.5, 20])


def test_gain_of_an_image():
    image = np.full((SIZE_PX, SIZE_PX), 100, np.uint8)
    image[64:] = 50
    image[:, :32] = 0
    image[:, 96:] = 255
    half = np.zeros_like(ALL)
    half[:, 32:96] = True
    found = grey_signs(image, half)
    assert found["mean_grey"] == pytest.approx(75 / 255)
    assert found["far_to_near"] == pytest.approx(0.5)
    assert found["black_share"] == found["saturated_share"] == 0.0
    assert grey_signs(image, ALL)["black_share"] == pytest.approx(0.25)
    assert grey_signs(image, ALL)["saturated_share"] == pytest.approx(0.25)


def test_haze_is_the_grey_of_the_blood_and_lies_over_the_apex():
    assert haze_signs(heart(), TRACING) == pytest.approx({"haze": BLOOD / 255, "apical_haze": 0.0}, abs=0.01)
    veil = heart().astype(float) + 40 * (np.arange(SIZE_PX) < 60)[:, None]
    assert haze_signs(veil.astype(np.uint8), TRACING)["apical_haze"] == pytest.approx(40 / 255, abs=0.02)


def test_the_square_holds_the_sector_and_says_what_lies_in_it():
    frames, inside = fan_frames()
    sector = find_sector(as_clip(frames))
    squares, mask, placement = squares_of(frames[:2], sector, None)
    assert squares.shape == (2, SIZE_PX, SIZE_PX)
    assert mask.mean() == pytest.approx(
        inside.sum() * placement.scale_x * placement.scale_y / SIZE_PX**2, rel=0.05
    )
