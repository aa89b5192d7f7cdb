"""Frames over seconds of the clip's own clock."""

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.transforms.sampling import Sampling, mirrored, nearest, random_start_s, window


def clock(n, rate):
    return np.arange(n) / rate


@pytest.mark.parametrize(("rate", "step"), [(25, 1), (50, 2), (100, 4)])
def test_the_same_seconds_at_any_frame_rate(rate, step):
    found = window(clock(3 * rate, rate), Sampling(29, 1.12))
    assert found.indices.tolist() == list(range(0, 29 * step, step))
    assert found.mirrored == 0


def test_start_and_odd_rates():
    found = window(clock(100, 30), Sampling(5, 1.0), start_s=0.5)
    assert found.indices.tolist() == [15, 22, 30, 37, 45]  # 0.75 s lies as near to frame 22 as to 23


def test_uneven_clock():
    times = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
    assert window(times, Sampling(6, 1.0)).indices.tolist() == [0, 2, 2, 3, 3, 4]


def test_a_short_clip_is_played_back_and_forth():
    found = window(clock(6, 50), Sampling(15, 0.28))  # 0.1 s of clip for 0.28 s
    assert found.indices.tolist() == [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4]
    assert found.mirrored == 9
    assert (np.abs(np.diff(found.indices)) == 1).all()


def test_a_clip_that_just_fits_is_not_short():
    times = clock(57, 50)
    found = window(times, Sampling(29, 1.12))
    assert found.mirrored == 0
    assert found.indices[-1] == 56
    assert window(times * (1 - 1e-6), Sampling(29, 1.12)).mirrored == 0


def test_mirrored_numbers():
    assert mirrored(np.arange(9), 3).tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0]
    assert mirrored(np.arange(4), 1).tolist() == [0, 0, 0, 0]
    assert mirrored(np.array([[5, 4]]), 6).tolist() == [[5, 4]]


def test_nearest_at_the_ends():
    assert nearest(clock(4, 1), np.array([-3.0, 0.5, 0.51, 9.0])).tolist() == [0, 0, 1, 3]


def test_random_starts_are_everywhere_and_repeatable():
    times = clock(101, 50)
    starts = [random_start_s(times, 1.5, np.random.default_rng(i)) for i in range(300)]
    assert 0 <= min(starts) < 0.02
    assert 0.48 < max(starts) <= 0.5
    assert random_start_s(times, 1.5, np.random.default_rng(7)) == starts[7]
    assert random_start_s(times, 5.0, np.random.default_rng(7)) == 0.0


def test_refusals():
    with pytest.raises(DataError, match="no motion"):
        window(np.zeros(1), Sampling(2, 1.0))
    with pytest.raises(DataError, match="cannot start"):
        window(clock(5, 50), Sampling(2, 1.0), start_s=3.0)
    for bad in ((1, 1.0), (5, 0.0), (5, float("nan"))):
        with pytest.raises(DataError, match="not possible"):
            Sampling(*bad)
