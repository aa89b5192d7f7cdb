import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.geometry.simpson import area_of_tracing, volume_of_tracing
from lvef.geometry.tracing import trace_probabilities
from lvef.geometry.volume_tracing import tracing_of_volume_tracing, volume_tracing_of_tracing
from tests.geometry.ventricle_shapes import half_ellipsoid, true_volume


@pytest.fixture(scope="module")
def tracing():
    return trace_probabilities(half_ellipsoid(turn=0.25))


def test_there_and_back(tracing):
    lines = volume_tracing_of_tracing(tracing)
    assert lines.shape == (21, 2, 2)
    assert lines[0] == pytest.approx(np.stack([tracing.apex, tracing.base]))
    back = tracing_of_volume_tracing(lines)
    assert volume_tracing_of_tracing(back) == pytest.approx(lines)
    assert volume_of_tracing(back) == pytest.approx(volume_of_tracing(tracing))
    assert area_of_tracing(back) == pytest.approx(area_of_tracing(tracing), rel=0.03)
    assert np.hypot(*(back.mitral - tracing.mitral).T).max() < 3


def test_any_order_of_ends_and_chords(tracing):
    lines = volume_tracing_of_tracing(tracing)
    rng = np.random.default_rng(3)
    mixed = lines.copy()
    mixed[0] = mixed[0, ::-1]  # base first
    mixed[1:] = mixed[1 + rng.permutation(20)]
    swap = rng.random(21) < 0.5
    swap[0] = False
    mixed[swap] = mixed[swap, ::-1]
    assert volume_tracing_of_tracing(tracing_of_volume_tracing(mixed)) == pytest.approx(lines)


def test_upside_down(tracing):
    lines = volume_tracing_of_tracing(tracing)
    flipped = lines * [1, -1] + [0, 127]
    assert tracing_of_volume_tracing(flipped).apex == pytest.approx(flipped[0, 0])


@pytest.mark.parametrize("keep", [range(1, 21, 2), range(1, 19)])
def test_another_number_of_chords_becomes_twenty(tracing, keep):
    lines = volume_tracing_of_tracing(tracing)
    back = tracing_of_volume_tracing(lines[[0, *keep]])
    assert back.chords.shape == (20, 2, 2)
    assert volume_of_tracing(back) == pytest.approx(true_volume(50, 16), rel=0.04)


def test_refusals():
    with pytest.raises(GeometryError, match="traced frame"):
        tracing_of_volume_tracing(np.zeros((3, 2, 2)))
    with pytest.raises(GeometryError, match="no length"):
        tracing_of_volume_tracing(np.zeros((21, 2, 2)))
    bad = np.ones((21, 2, 2))
    bad[4, 0, 0] = np.nan
    with pytest.raises(GeometryError, match="finite"):
        tracing_of_volume_tracing(bad)
