"""Both streams, by hand."""

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.transforms.two_stream import DEFAULT_SAMPLING, READ_FRAMES, two_streams


@pytest.fixture
def frames(request):
    return np.random.default_rng(1).integers(0, 256, (READ_FRAMES, 112, 112), dtype=np.uint8)


def test_29_frames_give_28_of_each(frames):
    streams = two_streams(frames)
    assert streams.spatial.shape == streams.temporal.shape == (28, 112, 112)
    assert streams.spatial.dtype == streams.temporal.dtype == np.float32
    assert READ_FRAMES == 29
    assert pytest.approx(0.04) == DEFAULT_SAMPLING.step_s


def test_spatial_is_grey_over_255_of_the_later_frame(frames):
    spatial = two_streams(frames).spatial
    assert (spatial == frames[1:].astype(np.float32) / np.float32(255)).all()
    assert two_streams(np.array([[[0]], [[255]]], np.uint8)).spatial.item() == 1.0


def test_each_difference_is_scored_on_its_own(frames):
    frames[5] = frames[4] // 8 * 8  # a small difference beside large ones
    temporal = two_streams(frames).temporal.astype(np.float64)
    assert np.abs(temporal.mean(axis=(1, 2))).max() < 1e-6
    assert temporal.std(axis=(1, 2)) == pytest.approx(np.ones(28), abs=1e-6)
    difference = frames[11].astype(float) - frames[10]
    assert temporal[10] == pytest.approx((difference - difference.mean()) / difference.std(), abs=1e-6)


def test_by_hand():
    frames = np.array([[[10, 200], [3, 0]], [[11, 203], [6, 5]]], np.uint8)  # differences 1 3 3 5
    assert two_streams(frames).temporal[0] == pytest.approx(np.array([[-2, 0], [0, 2]]) / np.sqrt(2))


def test_darker_is_negative_and_no_byte_wraps_round():
    frames = np.array([[[255, 0]], [[0, 255]]], np.uint8)
    assert two_streams(frames).temporal.tolist() == [[[-1.0, 1.0]]]


@pytest.mark.parametrize("shift", [0, 7])
def test_a_constant_difference_gives_zeros_never_nan(frames, shift):
    frames = frames // 2
    frames[3] = frames[2] + shift
    temporal = two_streams(frames).temporal
    assert (temporal[2] == 0).all()
    assert np.isfinite(temporal).all()
    assert temporal[3].std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 4, 4), np.uint8), np.zeros((3, 4, 4)), np.zeros((3, 0, 4), np.uint8)]
)
def test_refusals(bad):
    with pytest.raises(DataError, match="at least 2 grey-scale frames"):
        two_streams(bad)
