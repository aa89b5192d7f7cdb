"""Points find their way to the network's square and back; images are padded, never stretched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.core.records import Box, PixelSpacing
from lvef.transforms.frames import (
    BLACK,
    brightness_gamma,
    context_frames,
    fit,
    normalise,
    other_phase_channels,
    place,
)
from lvef.transforms.spec import InputSpec


@given(
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(20, 900),
    st.integers(20, 900),
    st.floats(-5, 900),
    st.floats(-5, 900),
    st.booleans(),
)
def test_points_go_there_and_back(x0, y0, width, height, x, y, upside_down):
    placement = place(Box(x0, y0, x0 + width, y0 + height, upside_down), 128)
    point = np.array([[x, y]])
    assert np.allclose(placement.to_image(placement.to_network(point)), point, atol=1e-6)


@pytest.mark.parametrize("upside_down", [False, True])
@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (300, 200), (112, 112)])
def test_a_blob_lands_where_the_map_says(shape, upside_down):
    height, width = shape
    y, x = np.mgrid[: height + 20, : width + 30]
    centre = np.array([12 + 0.6 * width, 8 + 0.4 * height])
    blob = (255 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 6.0**2))).astype(np.uint8)
    placement = place(Box(12, 8, 12 + width, 8 + height, upside_down), 128)
    square = fit(blob[None], placement, 128)[0].astype(float)
    yy, xx = np.mgrid[:128, :128]
    found = np.array([(xx * square).sum(), (yy * square).sum()]) / square.sum()
    assert np.allclose(found, placement.to_network(centre), atol=0.15)
    assert (found[1] > 64) == upside_down, "the blob lies above the middle of the image"


def test_one_scale_for_both_directions_and_black_beside():
    frames = np.full((1, 50, 100), 200, np.uint8)
    placement = place(Box(0, 0, 100, 50), 128)
    square = fit(frames, placement, 128)[0]
    assert placement.scale_x == pytest.approx(placement.scale_y)
    assert (square[:32] == 0).all()
    assert (square[96:] == 0).all()
    assert (square[32:96] == 200).all()


def test_pixels_that_are_not_square_are_made_square():
    # 100 x 200 pixels of 0.308 x 0.154 mm are a square of 30.8 mm.
    placement = place(Box(0, 0, 100, 200), 128, PixelSpacing(0.308, 0.154, "test"))
    assert (placement.width, placement.height) == (128, 128)


def test_labels_keep_their_values():
    labels = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((37, 41), np.uint8))
    out = fit(labels[None], place(Box(0, 0, 82, 74), 128), 128, labels=True)
    assert set(np.unique(out)) == {0, 1, 2, 3}


def test_normalise_follows_the_card():
    spec = InputSpec(size=2, mean=0.5, std=0.25)
    out = normalise(np.array([[[0, 255], [51, 102]]], np.uint8), spec)
    assert out.shape == (1, 1, 2, 2)
    assert out.dtype == np.float32
    assert np.allclose(out[0, 0], [[-2, 2], [-1.2, -0.4]], atol=1e-6)
    out = normalise(np.array([[[0, 255], [51, 102]]], np.uint8), spec, gamma=2.0)
    assert np.allclose(out[0, 0], [[-2, 2], [-1.84, -1.36]], atol=1e-6)


def half_of_the_light(squares, gamma):
    """Grey / 255 above which half of the light lies, shown with a gamma; an independent count, pixel by pixel."""
    shown = np.sort((squares[:, squares.max(axis=0) > BLACK].ravel() / 255) ** gamma)
    return shown[np.searchsorted(shown.cumsum(), shown.sum() / 2)]


def test_brightness_is_reached_and_does_not_depend_on_the_scanner():
    grey = np.random.default_rng(5).uniform(0.1, 0.9, (5, 32, 32))
    grey[:, :8] = 0
    own = brightness_gamma(np.round(255 * grey).astype(np.uint8), 0.6)
    for exponent in (0.7, 1.0, 1.4):
        clip = np.round(255 * grey**exponent).astype(np.uint8)
        gamma = brightness_gamma(clip, 0.6)
        assert half_of_the_light(clip, gamma) == pytest.approx(0.6, abs=0.005)
        assert gamma * exponent == pytest.approx(own, rel=0.03)


def test_brightness_is_that_of_tissue_however_much_black_blood_there_is():
    tissue = np.random.default_rng(6).uniform(60, 220, (3, 32, 32)).astype(np.uint8)
    blood = tissue.copy()
    blood[:, 8:28] = np.random.default_rng(7).integers(13, 25, (3, 20, 32))
    alone, with_blood = brightness_gamma(tissue, 0.44), brightness_gamma(blood, 0.44)
    assert with_blood == pytest.approx(alone, rel=0.2)
    seen = [(frames[:, frames.max(0) > BLACK] / 255).mean() for frames in (tissue, blood)]
    assert np.log(0.44) / np.log(seen[1]) < 0.6 * np.log(0.44) / np.log(seen[0]), (
        "the mean would change far more"
    )


def test_brightness_counts_what_is_not_black_in_any_frame():
    clip = np.zeros((2, 4, 4), np.uint8)
    assert brightness_gamma(clip, 0.44) == 1.0 == brightness_gamma(clip + 64, 0.0)
    clip[0, 0], clip[1, 1] = 128, 128
    # Half of the counted pixels are black and have no light.
    assert brightness_gamma(clip, 0.44) == pytest.approx(np.log(0.44) / np.log(128 / 255), rel=0.03)
    assert brightness_gamma(np.full((1, 2, 2), 254, np.uint8), 0.44) == 2.0, "the darkest that is shown"
    assert brightness_gamma(np.full((1, 2, 2), 20, np.uint8), 0.44) == pytest.approx(0.4), "the brightest"


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ((0.0,), [False]),
        ((-0.1, 0.0, 0.1), [True, False, True]),
        ((-0.3, -0.1, 0.0, 0.1, 0.3), [True, False, False, False, True]),
        ((-0.3, 0.0, 0.1), [True, False, False]),
    ],
)
def test_the_other_phase_stands_for_the_frames_farthest_away(offsets, expected):
    assert other_phase_channels(offsets).tolist() == expected


def test_context_frames_are_the_nearest_in_time_and_stop_at_the_ends():
    times = np.array([0.0, 0.1, 0.2, 0.35, 0.6])
    found = context_frames(times, (-0.12, 0.0, 0.12))
    assert found.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3], [4, 4, 4]]
    assert context_frames(np.array([0.0]), (-0.1, 0.0, 0.1)).tolist() == [[0, 0, 0]]
