import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.core.records import PixelAspect, PixelSpacing, Tracing
from lvef.geometry.simpson import (
    area_length,
    area_of_tracing,
    axis_length,
    chord_lengths,
    disks_biplane,
    disks_single_plane,
    volume_of_tracing,
)


def ellipsoid_chords(a, b, n=20):
    level = (np.arange(n) + 0.5) / n * 2 - 1
    return 2 * b * np.sqrt(1 - level**2)


def rectangle(width, height):
    contour = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=float)
    levels = (np.arange(20) + 0.5) * height / 20
    chords = np.stack([np.stack([0 * levels, levels], 1), np.stack([0 * levels + width, levels], 1)], 1)
    return Tracing(
        contour, np.array([width / 2, 0.0]), np.array([width / 2, height]), contour[[3, 2]], chords
    )


def test_ellipsoid():
    a, b = 45.0, 22.0
    truth = 4 / 3 * np.pi * a * b * b
    assert disks_single_plane(ellipsoid_chords(a, b), 2 * a) == pytest.approx(truth, rel=2e-3)
    assert area_length(np.pi * a * b, 2 * a) == pytest.approx(truth)


def test_biplane_ellipsoid_with_unequal_axes():
    a, b, c = 45.0, 22.0, 30.0
    volume = disks_biplane(ellipsoid_chords(a, b), ellipsoid_chords(a, c), 2 * a, 2 * a)
    assert volume == pytest.approx(4 / 3 * np.pi * a * b * c, rel=2e-3)


def test_biplane_takes_the_longer_axis_and_equal_planes_are_one():
    d = ellipsoid_chords(40, 20)
    assert disks_biplane(d, d, 80, 60) == pytest.approx(disks_single_plane(d, 80))
    assert disks_biplane(d, d, 60, 80) == pytest.approx(disks_single_plane(d, 80))


def test_cylinder_and_units():
    tracing = rectangle(40.0, 80.0)
    assert volume_of_tracing(tracing) == pytest.approx(np.pi / 4 * 40**2 * 80)
    spacing = PixelSpacing(0.5, 0.25, "test")
    assert axis_length(tracing, spacing) == pytest.approx(20)
    assert chord_lengths(tracing, spacing) == pytest.approx(np.full(20, 20.0))
    assert area_of_tracing(tracing, spacing) == pytest.approx(400)
    assert volume_of_tracing(tracing, spacing) == pytest.approx(np.pi / 4 * 20**2 * 20 / 1000)
    # Only the shape of a pixel is known: the same ratios, in pixel widths.
    shape = PixelAspect(0.5, "test")
    assert axis_length(tracing, shape) == pytest.approx(40)
    assert chord_lengths(tracing, shape) == pytest.approx(np.full(20, 40.0))
    assert volume_of_tracing(tracing, shape) == pytest.approx(np.pi / 4 * 40**2 * 40)


def test_diameters_squared_not_sums():
    assert disks_single_plane([1.0, 3.0], 2.0) == pytest.approx(np.pi / 4 * 10)


@pytest.mark.parametrize(
    ("diameters", "length"), [([], 1.0), ([1.0], 0.0), ([1.0], np.nan), ([-1.0], 1.0), ([np.inf], 1.0)]
)
def test_refusals(diameters, length):
    with pytest.raises(GeometryError):
        disks_single_plane(diameters, length)


def test_more_refusals():
    with pytest.raises(GeometryError, match="as many"):
        disks_biplane([1.0], [1.0, 2.0], 1.0, 1.0)
    for area, length in ((1.0, 0.0), (-1.0, 1.0), (np.nan, 1.0)):
        with pytest.raises(GeometryError):
            area_length(area, length)
