"""Folders of stills: read as one cine, or explained once."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lvef.core.errors import DataError, QualityRefusal, VideoError
from lvef.io.open import find_clips, find_inputs, open_clip
from tests.io.io_fabrication import codes, moving_grey, write_video

GREY = moving_grey(12, 64, 96)
USUAL = ["series_of_stills", "assumed_frame_rate"]


def write(folder, frames=GREY, name="frame_{:04d}.png", numbers=None):
    folder.mkdir(exist_ok=True)
    for number, frame in zip(numbers or range(len(frames)), frames, strict=True):
        Image.fromarray(frame).save(
            folder / name.format(number), **({"quality": 95} if "jpg" in name else {})
        )
    return folder


@pytest.mark.parametrize(
    "name", ["frame_{:04d}.png", "{}.bmp", "IM{}.tif", "a7 (copy {}).png", "x{:03d}_us.jpg", "s2_{}.webp"]
)
def test_numbered_stills_are_a_cine(tmp_path, name):
    """Numbers count as numbers: 10 comes after 9."""
    clip = open_clip(write(tmp_path / "cine", name=name))
    assert clip.frames.shape == GREY.shape
    assert np.abs(clip.frames.astype(int) - GREY).max() <= (0 if name.endswith(("png", "bmp", "tif")) else 6)
    np.testing.assert_allclose(clip.times_s, np.arange(12) / 50)
    assert (clip.timing, codes(clip)) == ("assumed", USUAL)
    assert clip.source == str(tmp_path / "cine")


def test_deep_grey_is_stretched_alike_in_all_stills(tmp_path):
    deep = GREY.astype(np.uint16) * 50
    clip = open_clip(write(tmp_path / "cine", deep))
    low, high = float(GREY.min()), float(GREY.max())
    assert np.abs(clip.frames - (GREY - low) * 255 / (high - low)).max() <= 0.51


def test_missing_numbers_leave_their_times_free(tmp_path):
    clip = open_clip(write(tmp_path / "cine", numbers=[*range(0, 10, 2), *range(14, 28, 2)]))
    steps = np.diff(clip.times_s) * 50
    np.testing.assert_allclose(steps, [1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1])
    assert codes(clip) == ["series_of_stills", "missing_frames", "assumed_frame_rate"]


def test_other_stills_beside_a_series_are_reported(tmp_path):
    folder = write(tmp_path / "cine")
    Image.fromarray(GREY[0]).save(folder / "title.png")
    clip = open_clip(folder)
    assert len(clip.frames) == 12
    assert "other_stills" in codes(clip)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda d: write(d, GREY[:4]), "holds 4 stills without running numbers"),
        (
            lambda d: [write(d, GREY[:1], f"{name}.png") for name in ("ed", "es", "view")],
            "3 stills without running",
        ),
        (
            lambda d: [write(d, name=f"{name}_{{}}.png") for name in ("a4c", "a2c")],
            r"2 series .*a2c_\*\.png and a4c_",
        ),
        (
            lambda d: [write(d, name=name) for name in ("f_{}.png", "f_{:03d}.png")],
            "more than one still with the number 0",
        ),
        (
            lambda d: write(d, [*GREY[:6], *GREY[:6, :40]]),
            "96 x 40 pixels of 8 bits, the first still of the series 96 x 64",
        ),
        (
            lambda d: write(d, [*GREY[:6], *GREY[:6].astype(np.uint16)]),
            "of 16 bits, the first still of the series",
        ),
        (
            lambda d: write(d, np.random.default_rng(0).integers(0, 255, (8, 64, 96), dtype=np.uint8)),
            "8 numbered stills that do not follow each other",
        ),
        (lambda d: write(d, GREY[:1]), "is a folder: give a file in it"),
    ],
)
def test_what_is_no_cine_is_one_sentence(tmp_path, build, words):
    build(tmp_path / "stills")
    with pytest.raises((DataError, QualityRefusal), match=words) as caught:
        open_clip(tmp_path / "stills")
    assert str(caught.value).startswith(str(tmp_path / "stills"))


def test_a_damaged_still_is_named(tmp_path):
    folder = write(
        tmp_path / "cine", GREY + np.random.default_rng(0).integers(0, 9, GREY.shape, dtype=np.uint8)
    )
    path = folder / "frame_0005.png"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(VideoError, match=r"cine/frame_0005\.png is .*damaged or cut off"):
        open_clip(folder)


def test_limits(tmp_path):
    folder = write(tmp_path / "cine")
    with pytest.raises(VideoError, match="has 12 frames or more; at most 5"):
        open_clip(folder, max_frames=5)
    with pytest.raises(VideoError, match="more than the 9,000 pixels"):
        open_clip(folder, max_pixels=9000)


def test_find_clips(tmp_path):
    """All stills of a folder are one thing to measure; clips, and some of a folder's stills, are each one."""
    (tmp_path / "study").mkdir()
    series = write(tmp_path / "study" / "cine")
    write_video(str(tmp_path / "study" / "clip.avi"), GREY, "mjpeg", "yuvj420p")
    first, *others = (Image.fromarray(frame) for frame in GREY)
    for name in ("loop.gif", "loop2.png"):
        first.save(tmp_path / "study" / name, save_all=True, append_images=others, duration=80)
    Image.fromarray(GREY[0]).save(tmp_path / "study" / "single.png")
    found = [path.relative_to(tmp_path).as_posix() for path in find_clips(find_inputs([tmp_path]))]
    assert found == ["study/clip.avi", "study/loop.gif", "study/loop2.png", "study/single.png", "study/cine"]
    named = [series / "frame_0000.png", series / "frame_0001.png"]
    assert find_clips(named) == named
    assert find_clips(sorted(series.glob("*.png"))) == [series], "as a shell writes out cine/*.png"
    missing = [tmp_path / "gone.png", tmp_path / "gone2.png"]
    assert find_clips(missing) == missing
