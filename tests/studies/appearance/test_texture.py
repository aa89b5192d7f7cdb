"""Grain: closed forms of the width of a Gaussian autocorrelation, of a deviation, and what shading must not change."""

from __future__ import annotations

import numpy as np
import pytest

from studies.appearance.texture import (
    TREND_MM,
    correlation_width,
    erode,
    local_deviation,
    speckle_cell_mm,
    subtract_trend,
    trend,
)
from tests.studies.appearance.hearts import fwhm, grain

pytestmark = pytest.mark.slow


def disc(size, radius):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.hypot(x, y) < radius


def as_picture(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [(0.6, 0.9), (1.2, 1.0), (2.0, 3.0)])
def test_a_gaussian_autocorrelation_gives_its_width(sigma):
    values = grain((500, 500), sigma, np.random.default_rng(1))
    mask = disc(500, 240)
    for axis in (0, 1):
        assert correlation_width(values, mask, axis) == pytest.approx(fwhm(sigma[axis]), rel=0.05)


def detrended_fwhm(sigma, trend_sigma):
    """Width of the autocorrelation of Gaussian grain without its trend, along y: a difference of three Gaussians."""
    y = np.linspace(0, 12, 6001)
    r = np.zeros_like(y)
    for weight, times in ((1, 0), (-2, 1), (1, 2)):
        v = [2 * s**2 + times * trend_sigma**2 for s in sigma]
        r += (
            weight * np.sqrt(4 * sigma[0] ** 2 * sigma[1] ** 2 / (v[0] * v[1])) * np.exp(-(y**2) / (2 * v[0]))
        )
    return float(2 * y[np.argmax(r < r[0] / 2)])


@pytest.mark.parametrize("spacing", [0.5, 0.77])
@pytest.mark.parametrize("sigma", [(0.62, 0.62), (0.5, 0.8)])
def test_the_speckle_cell_in_millimetres(spacing, sigma):
    rng = np.random.default_rng(2)
    values = grain((400, 400), tuple(s / spacing for s in sigma), rng)
    found = speckle_cell_mm(as_picture(100 + 20 * values), disc(400, 180), spacing)
    expected = detrended_fwhm(sigma, TREND_MM), detrended_fwhm(sigma[::-1], TREND_MM)
    assert found == pytest.approx(expected, rel=0.05)
    # What the docstring says of the price of the trend.
    assert 0.88 * fwhm(sigma[0]) < expected[0] < fwhm(sigma[0])


def test_the_cell_does_not_see_brightness_contrast_or_shading():
    values = grain((300, 300), (0.9, 1.3), np.random.default_rng(3))
    mask, ramp = disc(300, 140), np.linspace(0, 60, 300)[:, None]
    plain = speckle_cell_mm(as_picture(100 + 15 * values), mask, 0.77)
    assert speckle_cell_mm(as_picture(130 + 30 * values), mask, 0.77) == pytest.approx(plain, rel=0.03)
    assert speckle_cell_mm(as_picture(70 + ramp + 15 * values), mask, 0.77) == pytest.approx(plain, rel=0.03)
    bright = 100 + 15 * values
    bright[140:150, 140:150] += 90
    assert speckle_cell_mm(as_picture(bright), mask, 0.77) == pytest.approx(plain, rel=0.05)


def test_turned_by_a_quarter_the_widths_change_places():
    image = as_picture(100 + 20 * grain((300, 300), (0.8, 1.6), np.random.default_rng(4)))
    down, across = speckle_cell_mm(image, disc(300, 140), 0.77)
    assert across > 1.5 * down
    assert speckle_cell_mm(np.ascontiguousarray(image.T), disc(300, 140), 0.77) == pytest.approx(
        (across, down)
    )


@pytest.mark.parametrize("deviation", [5, 10, 20])
def test_local_deviation_of_fine_grain_is_its_deviation(deviation):
    # Grain much finer than the windows, so that a window's own mean takes nothing away.
    values = np.random.default_rng(5).standard_normal((400, 400))
    found = local_deviation(as_picture(110 + deviation * values), disc(400, 180), 0.25)
    assert found == pytest.approx(deviation, rel=0.03)


def test_local_deviation_without_grain_and_under_a_ramp():
    mask = disc(200, 90)
    assert local_deviation(np.full((200, 200), 90, np.uint8), mask, 0.77) == pytest.approx(0, abs=1e-3)
    values = grain((200, 200), (1, 1), np.random.default_rng(6))
    plain = local_deviation(as_picture(100 + 12 * values), mask, 0.77)
    ramp = np.linspace(-40, 40, 200)
    assert local_deviation(as_picture(100 + ramp + 12 * values), mask, 0.77) == pytest.approx(plain, rel=0.03)


def test_what_lies_outside_the_mask_takes_no_part():
    values = as_picture(100 + 12 * grain((120, 120), (1, 1), np.random.default_rng(7)))
    mask, other = disc(120, 40), values.copy()
    other[~mask] = 255
    assert local_deviation(values, mask, 0.77) == local_deviation(other, mask, 0.77)
    assert speckle_cell_mm(values, mask, 0.77) == speckle_cell_mm(other, mask, 0.77)
    np.testing.assert_array_equal(subtract_trend(values, mask, 0.77), subtract_trend(other, mask, 0.77))


def test_the_trend_of_a_constant_is_the_constant_up_to_the_border():
    mask = disc(60, 20)
    np.testing.assert_allclose(trend(np.full((60, 60), 7.0), mask, 1.0)[mask], 7.0)


def test_eroded_square():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    # Border pixels have their centres half a millimetre inside; the second row one and a half.
    assert erode(mask, 1.0, 0.5).sum() == 20**2
    assert erode(mask, 1.0, 1.5).sum() == 18**2
    assert erode(mask, 0.5, 1.5).sum() == 14**2
    # The edge of the image is a border too.
    assert erode(np.ones((10, 10), bool), 1.0, 1.5).sum() == 8**2
    assert not erode(np.zeros((5, 5), bool), 1.0, 1.0).any()


def test_too_small_a_mask_tells_nothing():
    image = as_picture(100 + 12 * grain((30, 30), (1, 1), np.random.default_rng(8)))
    mask = np.zeros((30, 30), bool)
    mask[10:14, 10:14] = True
    assert np.isnan(local_deviation(image, mask, 0.77))
    assert np.isnan(speckle_cell_mm(image, mask, 0.77)).all()
    assert np.isnan(local_deviation(image, np.zeros((30, 30), bool), 0.77))
