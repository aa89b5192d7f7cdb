"""The fan is found under text, menus and ECG strips, and refused where there is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.data import get_testdata_file

from lvef.core.errors import QualityRefusal
from lvef.core.records import Box, Clip
from lvef.io.open import open_clip
from lvef.transforms.sector import find_sector, hide_outside_sector


def fan_frames(n=12, height=240, width=320, apex=(160, 30), radius=170, half_angle=0.7, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    inside = (np.hypot(x - apex[0], y - apex[1]) < radius) & (
        np.abs(np.arctan2(x - apex[0], y - apex[1])) < half_angle
    )
    grain = rng.gamma(2, 40, (n, height, width))
    frames = np.stack([cv2.GaussianBlur(g, (0, 0), 1.5) for g in grain]) * inside
    return np.clip(frames, 0, 255).astype(np.uint8), inside


def as_clip(frames, **kwargs):
    return Clip(frames, np.arange(len(frames)) / 30, "test", "test.avi", **kwargs)


def tight(inside):
    ys, xs = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1])


def corners(box: Box):
    return np.array([box.x0, box.y0, box.x1, box.y1])


def test_box_of_a_clean_fan_is_tight_but_for_its_tip():
    frames, inside = fan_frames()
    off = np.abs(corners(find_sector(as_clip(frames)).box) - tight(inside))
    assert off[[0, 2, 3]].max() <= 6
    assert off[1] <= 12  # the opening rounds the tip off


def test_menus_text_and_a_sweeping_ecg_do_not_widen_the_box():
    frames, _ = fan_frames()
    clean = corners(find_sector(as_clip(frames)).box)
    for i, frame in enumerate(frames):
        cv2.putText(frame, "Gen THI 19 cm", (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 200, 1)
        cv2.rectangle(frame, (20, 225), (300, 238), 90, -1)
        for x in range(0, 320):
            frame[212 + int(5 * np.sin((x + 9 * i) / 6)), x] = 255
    assert np.abs(corners(find_sector(as_clip(frames)).box) - clean).max() <= 6


def test_a_region_named_by_the_file_limits_the_search_to_one_of_two_images():
    left, _ = fan_frames(width=320)
    right, _ = fan_frames(width=320, seed=1)
    both = np.concatenate([left, right], axis=2)
    box = find_sector(as_clip(both, region=Box(320, 0, 640, 240))).box
    assert box.x0 >= 320


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.75, 0.9, 1.0])
def test_a_region_that_cuts_the_fan_is_void(factor):
    frames, inside = fan_frames(height=480, width=640, apex=(320, 60), radius=340)
    tight_box = Box(*tight(inside).tolist())
    shrunk = np.stack(
        [cv2.resize(f, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) for f in frames]
    )
    height, width = shrunk.shape[1:]
    region = Box(tight_box.x0, tight_box.y0, min(width, tight_box.x1), min(height, tight_box.y1))
    fan = find_sector(as_clip(shrunk, region=region))
    assert fan.region_void == (factor < 1)
    # The box is that of the fan without any region.
    assert fan.box == find_sector(as_clip(shrunk)).box


def test_a_region_that_shows_nothing_is_void():
    frames, _ = fan_frames()
    assert find_sector(as_clip(frames, region=Box(0, 0, 40, 40))).region_void


def test_a_region_beside_another_is_not_void():
    frames, _ = fan_frames()
    spectrum = np.random.default_rng(1).integers(0, 255, (len(frames), 100, frames.shape[2]), dtype=np.uint8)
    screen = np.concatenate([frames[:, :210], spectrum], axis=1)
    upper, lower = Box(0, 0, 320, 205), Box(0, 206, 320, 310)
    fan = find_sector(as_clip(screen, region=upper, other_regions=(lower,)))
    assert not fan.region_void
    assert fan.box.y1 <= 205


def test_a_region_chooses_one_of_two_images_that_touch():
    one, _ = fan_frames(width=230, apex=(115, 30))
    both = np.concatenate([one, fan_frames(width=230, apex=(115, 30), seed=1)[0]], axis=2)
    fan = find_sector(as_clip(both, region=Box(230, 0, 460, 240)))
    assert (fan.region_void, fan.box.x0 >= 230) == (False, True)


def test_a_still_and_a_frozen_clip_are_searched_by_brightness():
    frames, inside = fan_frames(n=1)
    for still in (frames, np.repeat(frames, 8, axis=0)):
        assert np.abs(corners(find_sector(as_clip(still)).box) - tight(inside))[[0, 2, 3]].max() <= 8


def fading(frames, apex_y=30, depth=170):
    """As an image at low gain: most tissue between 2 and 10, only the near field brighter."""
    away = np.clip((np.arange(frames.shape[1]) - apex_y) / depth, 0, 1)[:, None]
    return np.round(frames * (0.5 * (1 - away) ** 3 + 0.07)).astype(np.uint8)


@pytest.mark.parametrize("n", [1, 12])
def test_a_dark_fan_is_found_whole(n):
    frames, inside = fan_frames(n)
    dark = fading(frames)
    assert (dark[:, inside] > 10).mean() < 0.4
    fan = find_sector(as_clip(dark))
    assert fan.mask.sum() > 0.85 * inside.sum()
    assert np.abs(corners(fan.box) - tight(inside))[[0, 2, 3]].max() <= 12
    assert not (fan.mask & ~cv2.dilate(inside.astype(np.uint8), np.ones((9, 9))).astype(bool)).any()


def test_the_grey_ground_of_a_screen_is_no_dark_fan():
    frames, inside = fan_frames(1)
    dim = np.maximum(np.round(frames * 0.3).astype(np.uint8), 8)
    fan = find_sector(as_clip(dim))
    assert fan.mask.sum() < 1.1 * inside.sum()


@pytest.mark.parametrize("gap", [0, 12])
@pytest.mark.parametrize("dim", [1.0, 0.12])
def test_a_painted_bar_with_a_name_on_a_still_does_not_get_out(gap, dim):
    # The bar is larger than what is lit of the fan, and may touch it.
    frames, inside = fan_frames(1, height=300, width=800, apex=(400, 60 + gap), radius=150)
    still = np.round(frames * dim).astype(np.uint8)
    still[0, :60] = 61
    for row in (20, 45):
        cv2.putText(
            still[0], "DOE JANE  1950-01-01  11-05-25", (20, row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 230, 2
        )
    shown = hide_outside_sector(as_clip(still)).frames[0]
    assert not shown[:50].any()
    assert (shown > 0).sum() > 0.5 * (still[0] * inside > 0).sum()


def test_a_bar_alone_is_no_fan():
    still = np.zeros((1, 300, 800), np.uint8)
    still[0, 20:100] = np.random.default_rng(0).integers(30, 200, (80, 800))
    with pytest.raises(QualityRefusal, match="no ultrasound sector"):
        find_sector(as_clip(still))


def test_a_square_crop_without_black_is_taken_whole():
    frames, _ = fan_frames(height=112, width=112, apex=(56, -60), radius=400, half_angle=2)
    assert corners(find_sector(as_clip(frames)).box).tolist() == [0, 0, 112, 112]


@pytest.mark.parametrize("level", [0, 7])
def test_black_is_refused_by_name(level):
    with pytest.raises(QualityRefusal, match=r"test\.avi: every pixel is black") as caught:
        find_sector(as_clip(np.full((8, 112, 112), level, np.uint8)))
    assert caught.value.code == "black"


def test_text_alone_is_no_fan():
    frame = np.zeros((240, 320), np.uint8)
    cv2.putText(frame, "NO SIGNAL", (60, 120), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    with pytest.raises(QualityRefusal, match="no ultrasound sector") as caught:
        find_sector(as_clip(np.repeat(frame[None], 6, axis=0)))
    assert caught.value.code == "no_fan"


def test_a_name_burned_into_the_image_does_not_get_out():
    frames, inside = fan_frames()
    clean = hide_outside_sector(as_clip(frames)).frames
    for frame in frames:
        cv2.putText(frame, "DOE JOHN", (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    shown = hide_outside_sector(as_clip(frames)).frames
    assert (shown[:, :40, :120] == 0).all()
    assert np.array_equal(shown, clean)
    kept = (shown.max(0) > 0)[inside].mean()
    assert kept > 0.97, "the fan itself stays"


def test_without_a_fan_nothing_is_shown():
    frame = np.zeros((240, 320), np.uint8)
    cv2.putText(frame, "DOE JOHN", (60, 120), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    assert not hide_outside_sector(as_clip(np.repeat(frame[None], 6, axis=0))).frames.any()


@pytest.mark.parametrize(("turns", "side"), [(0, "top"), (1, "left"), (2, "bottom"), (3, "right")])
def test_the_side_of_the_probe(turns, side):
    frames, _ = fan_frames()
    turned = np.ascontiguousarray(np.rot90(frames, turns, axes=(1, 2)))
    assert find_sector(as_clip(turned)).apex_side == side


@pytest.mark.parametrize("upside_down", [False, True])
def test_a_still_whose_dark_side_is_not_found_is_not_taken_for_a_turned_one(upside_down):
    clip = open_clip(Path(str(get_testdata_file("examples_ybr_color.dcm", download=False))))
    expected = {"", "bottom" if upside_down else "top"}
    for frame in clip.frames[::3]:
        still = np.ascontiguousarray(frame[::-1] if upside_down else frame)
        assert find_sector(as_clip(still[None])).apex_side in expected


def test_one_sector_has_no_second():
    frames, _ = fan_frames()
    frames[:, 5:25, 5:90] = 200  # a menu
    assert find_sector(as_clip(frames)).second is None


@pytest.mark.parametrize("frozen", [None, 0, 1])
def test_a_second_sector_is_found_live_or_frozen(frozen):
    pair = [fan_frames(seed=seed)[0] for seed in (0, 1)]
    if frozen is not None:
        pair[frozen] = np.repeat(pair[frozen][:1], 12, axis=0)
    sector = find_sector(as_clip(np.concatenate(pair, axis=2)))
    assert sector.second is not None
    boxes = sorted([sector.box, sector.second], key=lambda box: box.x0)
    assert boxes[0].x1 <= 320 <= boxes[1].x0
    if frozen is not None:
        assert boxes[frozen] == sector.second, "the live one is measured"


def test_two_sectors_that_touch_are_told_apart():
    frames, inside = fan_frames()
    x0, _, x1, _ = tight(inside)
    cropped = frames[:, :, x0:x1]
    sector = find_sector(as_clip(np.concatenate([cropped, fan_frames(seed=1)[0][:, :, x0:x1]], axis=2)))
    assert sector.second is not None
    assert abs(sector.box.width - (x1 - x0)) <= 6
    assert abs(sector.second.width - (x1 - x0)) <= 6


def test_black_frames_say_nothing_of_what_moves():
    frames, _ = fan_frames()
    frames[:, 10:14, 10:60] = 200  # stands still
    alone = find_sector(as_clip(frames))
    assert find_sector(as_clip(np.concatenate([np.zeros_like(frames[:4]), frames]))).box == alone.box
