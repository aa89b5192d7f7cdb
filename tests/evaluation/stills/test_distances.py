"""Distances of borders: known shapes, and every pixel against every pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.core.errors import DataError
from lvef.core.records import PixelSpacing
from lvef.evaluation.stills.scores import border_distances, unit_of


def border_points(mask, spacing):
    """Border pixels in length units, found by looking at the four neighbours one by one."""
    padded = np.pad(mask, 1)
    found = []
    for y, x in np.argwhere(mask):
        neighbours = (padded[y, x + 1], padded[y + 2, x + 1], padded[y + 1, x], padded[y + 1, x + 2])
        if not all(neighbours):
            found.append((y * spacing[0], x * spacing[1]))
    return np.array(found)


def brute_force(a, b, spacing):
    p, q = border_points(a, spacing), border_points(b, spacing)
    between = np.linalg.norm(p[:, None] - q[None], axis=2)
    ways = np.concatenate([between.min(axis=1), between.min(axis=0)])
    return ways.max(), ways.mean()


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([None, (0.308, 0.154), (0.769, 0.769)]))
def test_as_every_pixel_against_every_pixel(seed, scale):
    rng = np.random.default_rng(seed)
    shape = rng.integers(3, 24, 2)
    a, b = rng.random(shape) < rng.uniform(0.05, 0.95), rng.random(shape) < rng.uniform(0.05, 0.95)
    a[0, 0] = b[-1, -1] = True
    spacing = None if scale is None else PixelSpacing(scale[1], scale[0], "test")
    found = border_distances(a, b, spacing)
    assert found == pytest.approx(brute_force(a, b, scale or (1, 1)))
    assert border_distances(b, a, spacing) == pytest.approx(found)


def test_a_shifted_square_and_its_scale():
    a, b = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    a[10:20, 10:20] = True
    b[10:20, 13:23] = True
    assert border_distances(a, b, None).hausdorff == 3
    assert border_distances(a, b, PixelSpacing(0.5, 2.0, "test")).hausdorff == 1.5
    assert border_distances(a.T, b.T, PixelSpacing(0.5, 2.0, "test")).hausdorff == 6
    assert border_distances(a, a, None) == (0, 0)


def test_rings_of_a_circle():
    y, x = np.mgrid[:201, :201] - 100.0
    small, large = np.hypot(x, y) <= 60, np.hypot(x, y) <= 70
    found = border_distances(small, large, PixelSpacing(0.1, 0.1, "test"))
    assert found.mean == pytest.approx(1.0, abs=0.05)
    assert found.hausdorff == pytest.approx(1.0, abs=0.1)


def test_nothing_has_no_distance_and_sizes_must_agree():
    a, none = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    assert np.isnan(border_distances(a, none, None)).all()
    assert np.isnan(border_distances(none, none, None)).all()
    with pytest.raises(DataError, match="cannot be compared"):
        border_distances(a, np.ones((4, 5), bool), None)


def test_units():
    assert unit_of(None) == "px"
    assert unit_of(PixelSpacing(1, 1, "test")) == "mm"
