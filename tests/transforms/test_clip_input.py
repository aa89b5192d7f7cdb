"""Which frames of a clip a clip network sees, and on which scale."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.errors import ConfigError, DataError
from lvef.core.records import Box, Clip, PixelSpacing
from lvef.transforms.frames import (
    centred_start_s,
    clip_frames,
    clip_starts_s,
    network_clip,
    shown_frames,
)
from lvef.transforms.sampling import window
from lvef.transforms.sector import Sector
from lvef.transforms.spec import ClipSpec, InputSpec

SPEC = ClipSpec(n_frames=5, duration_s=0.4, size=16, crop="whole", clips=3)


def numbered(n, rate_hz=10.0, size=(16, 16), spacing=None):
    """Every frame is one grey level: its own number."""
    frames = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None], (n, *size)).copy()
    return Clip(frames, np.arange(n) / rate_hz, "made up", "numbered.avi", spacing)


def whole(clip):
    height, width = clip.frames.shape[1:]
    return Sector(Box(0, 0, width, height), np.ones((height, width), bool))


def test_the_first_clip_starts_with_the_clip_and_the_last_ends_with_it():
    times = np.arange(101) / 50
    starts = clip_starts_s(times, SPEC, 5)
    assert starts == pytest.approx(np.linspace(0, 1.6, 5))
    assert window(times, SPEC.sampling, starts[-1]).indices[-1] == 100
    assert clip_starts_s(times, SPEC, 1) == pytest.approx((0.8,)), "one clip comes from the middle"
    assert len(clip_starts_s(times, SPEC)) == SPEC.clips


def test_clips_less_than_a_frame_apart_are_not_read_twice():
    times = np.arange(6) / 10
    assert clip_starts_s(times, SPEC, 9) == pytest.approx((0.0, 0.1))
    assert clip_starts_s(times[:5], SPEC, 9) == (0.0,)
    assert clip_starts_s(times[:3], SPEC, 9) == (0.0,)


@pytest.mark.parametrize(("middle", "start"), [(0.5, 0.3), (0.0, 0.0), (0.1, 0.0), (1.0, 0.6), (0.9, 0.6)])
def test_a_clip_around_a_moment_stays_inside_the_clip(middle, start):
    assert centred_start_s(np.arange(11) / 10, SPEC, middle) == pytest.approx(start)


def test_a_clip_that_is_too_short_has_one_place_for_every_moment():
    assert centred_start_s(np.arange(3) / 10, SPEC, 0.2) == 0.0


def test_frames_are_picked_by_the_clock_and_kept_once():
    clip = numbered(11)
    found = clip_frames(clip, whole(clip), SPEC, (0.0, 0.3))
    assert [found.clip(i)[:, 0, 0].tolist() for i in (0, 1)] == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]]
    assert len(found.squares) == 8
    assert (found.mirrored, found.repeated) == (0, 0)
    short = clip_frames(numbered(3), whole(clip), SPEC, (0.0,))
    assert short.clip(0)[:, 0, 0].tolist() == [0, 1, 2, 1, 0]
    assert short.mirrored == 2
    slow = clip_frames(numbered(4, rate_hz=5.0), whole(clip), SPEC, (0.0,))
    assert slow.clip(0)[:, 0, 0].tolist() == [0, 0, 1, 1, 2]
    assert slow.repeated == 2


def test_a_start_outside_of_the_clip_raises():
    clip = numbered(11)
    with pytest.raises(DataError, match="cannot start"):
        clip_frames(clip, whole(clip), SPEC, (9.0,))


def test_wide_images_are_padded_and_pixels_made_square():
    clip = numbered(6, size=(16, 32))
    square = clip_frames(clip, whole(clip), SPEC, (0.1,)).clip(0)[0]
    assert square[0].max() == square[-1].max() == 0
    assert (square[4:12] == 1).all()
    tall = numbered(6, size=(16, 32), spacing=PixelSpacing(0.5, 1.0, "test"))
    assert (clip_frames(tall, whole(tall), SPEC, (0.1,)).clip(0)[0] == 1).all()


def test_what_is_outside_of_the_fan_is_black_with_the_crop_fan():
    clip = numbered(3, size=(100, 100))
    clip.frames[:] = 200
    mask = np.zeros((100, 100), bool)
    mask[20:80, 30:70] = True
    mask[20:50, 30:50] = False
    fan = Sector(Box(30, 20, 70, 80), mask)
    frames, box = shown_frames(clip, fan, InputSpec(crop="fan"))
    assert box == fan.box
    assert frames[:, 22, 32].max() == 0
    assert frames[:, 60, 60].min() == 200
    assert shown_frames(clip, fan, InputSpec(crop="fan"), np.array([1]))[0].shape == (1, 100, 100)
    frames, box = shown_frames(clip, fan, InputSpec(crop="whole"))
    assert box == Box(0, 0, 100, 100)
    assert frames is clip.frames


def test_the_grey_scale_of_the_card():
    frames = np.array([[[0, 51]], [[102, 255]]], np.uint8)
    raw = network_clip(frames, ClipSpec(2, 1.0, mean=0.0, std=1 / 255))
    assert raw.shape == (1, 2, 1, 2)
    assert raw.dtype == np.float32
    assert raw.flags["C_CONTIGUOUS"]
    assert np.allclose(raw.ravel(), [0, 51, 102, 255], atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_frames": 1},
        {"duration_s": 0.0},
        {"duration_s": float("inf")},
        {"clips": 0},
        {"size": 0},
        {"crop": "half"},
        {"std": 0.0},
    ],
)
def test_a_spec_that_nobody_can_mean(wrong):
    with pytest.raises(ConfigError, match=r"expected|needed"):
        ClipSpec(**{"n_frames": 5, "duration_s": 1.0} | wrong)
