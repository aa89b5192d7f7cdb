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


def cropped_fan(seed=0, scale=1.0):
    frames, inside = fan_frames(seed=seed)
    x0, y0, x1, y1 = tight(inside)
    cut = frames[:, y0:y1, x0:x1]
    return np.stack([cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for f in cut])


def joined(*parts, axis, gap=0):
    """Clips beside (2) or below (1) each other, with black around the smaller ones."""
    across = 3 - axis
    size = max(part.shape[across] for part in parts)
    padded = []
    for part in parts:
        room = [(0, 0), (0, 0), (0, 0)]
        room[across] = (0, size - part.shape[across])
        padded.append(np.pad(part, room))
        room[across], room[axis] = (0, 0), (0, gap)
        padded[-1] = np.pad(padded[-1], room)
    return np.concatenate(padded, axis=axis)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("scale", [1.0, 0.6, 0.5])
def test_two_sectors_that_touch_are_found_and_the_larger_one_is_measured(axis, gap, scale):
    large, other = cropped_fan(), cropped_fan(1, scale)
    for parts in ((large, other), (other, large)):
        sector = find_sector(as_clip(joined(*parts, axis=axis, gap=gap)))
        assert sector.second is not None
        assert abs(sector.box.width - large.shape[2]) <= 8
        assert abs(sector.box.height - large.shape[1]) <= 14
        assert abs(sector.second.width - other.shape[2]) <= 8


@pytest.mark.parametrize("rows", [1, 2])
def test_of_three_or_six_sectors_one_is_measured(rows):
    row = joined(*[cropped_fan(seed) for seed in range(3)], axis=2, gap=4)
    sector = find_sector(as_clip(joined(*[row] * rows, axis=1, gap=4)))
    assert sector.second is not None
    assert abs(sector.box.width - cropped_fan().shape[2]) <= 8


def ecg(n, width):
    """A sweeping ECG strip."""
    strip = np.zeros((n, 30, width), np.uint8)
    for i, frame in enumerate(strip):
        x = np.arange(width)
        y = 24 - 20 * np.exp(-((((x + 7 * i) % 80 - 40) / 3) ** 2))
        cv2.polylines(frame, [np.stack([x, y], 1).astype(np.int32)], False, 220, 2)
    return strip


def panel(n, height, width):
    """An M-mode that a bar sweeps over."""
    grain = cv2.GaussianBlur(np.random.default_rng(5).gamma(2, 40, (height, width)), (0, 0), 1.5)
    frames = np.repeat(np.clip(grain, 0, 255).astype(np.uint8)[None], n, axis=0)
    return np.stack([np.roll(frame, 9 * i, axis=1) for i, frame in enumerate(frames)])


def spectra(n, height, width):
    """Spectral Doppler: three domes over a base line."""
    grain = panel(n, height, width)
    top = height * (1 - 0.9 * np.abs(np.sin(np.arange(width) * 3 * np.pi / width)))
    return grain * (np.arange(height)[:, None] > top).astype(np.uint8)


def colour_bar(n):
    bar = np.zeros((n, 150, 30), np.uint8)
    bar[:, 20:120, 10:20] = np.linspace(255, 0, 100)[:, None]
    return bar


LAYOUTS = {
    "ECG strip": lambda fan: joined(fan, ecg(len(fan), fan.shape[2]), axis=1),
    "colour bar": lambda fan: joined(fan, colour_bar(len(fan)), axis=2),
    "thumbnail beside": lambda fan: joined(fan, cropped_fan(1, 0.35), axis=2, gap=3),
    "thumbnail above": lambda fan: joined(cropped_fan(1, 0.3), fan, axis=1, gap=3),
    "M-mode": lambda fan: joined(fan, panel(len(fan), 100, 280), axis=1, gap=4),
    "M-mode that touches": lambda fan: joined(fan, panel(len(fan), 130, fan.shape[2]), axis=1),
    "spectral Doppler": lambda fan: joined(fan, spectra(len(fan), 120, fan.shape[2]), axis=1, gap=4),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_else_a_scanner_shows_is_no_second_sector(name):
    assert find_sector(as_clip(LAYOUTS[name](cropped_fan()))).second is None


def test_black_frames_say_nothing_of_what_moves():
    frames, _ = fan_frames()
    frames[:, 10:14, 10:60] = 200  # stands still
    alone = find_sector(as_clip(frames))
    assert find_sector(as_clip(np.concatenate([np.zeros_like(frames[:4]), frames]))).box == alone.box
