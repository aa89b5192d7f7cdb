from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lvef.core.errors import VideoError
from lvef.io.timing import DEFAULT_FRAME_RATE_HZ, container_timing
from lvef.io.video import SPACING_NOTE, read_video
from tests.io.io_fabrication import codes, moving_grey, write_video

CONTAINERS = [
    ("a.avi", "mjpeg", "yuvj420p", 3),
    ("a.avi", "mjpeg", "yuvj422p", 3),
    ("a.avi", "rawvideo", "bgr24", 1),
    ("a.avi", "rawvideo", "gray", 1),
    ("a.avi", "ffv1", "yuv444p", 2),
    ("a.mp4", "libx264", "yuv420p", 4),
    ("a.mp4", "mpeg4", "yuv420p", 6),
    ("a.mov", "mjpeg", "yuvj420p", 3),
    ("a.mkv", "ffv1", "yuv420p10le", 4),
    ("a.mkv", "libx264", "yuv420p", 4),
    ("a.webm", "libvpx-vp9", "yuv420p", 5),
    ("a.mpg", "mpeg2video", "yuv420p", 6),
    ("a.wmv", "msmpeg4", "yuv420p", 6),
]


def encode(path, grey, codec, pix_fmt, **more):
    options = {"libx264": {"crf": "4"}, "libvpx-vp9": {"crf": "4", "deadline": "realtime", "cpu-used": "8"}}
    lossy = {} if codec in ("rawvideo", "ffv1", *options) else {"bit_rate": 8_000_000}
    return write_video(str(path), grey, codec, pix_fmt, options=options.get(codec), **lossy, **more)


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "tolerance"), CONTAINERS)
def test_grey_and_times_of_every_container(tmp_path, name, codec, pix_fmt, tolerance):
    grey = moving_grey()
    clip = read_video(encode(tmp_path / name, grey, codec, pix_fmt))
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape == grey.shape
    assert np.abs(clip.frames.astype(int) - grey).mean() < tolerance / 2
    assert np.abs(clip.frames.astype(int) - grey).max() <= 3 * tolerance
    np.testing.assert_allclose(clip.times_s, np.arange(12) / 25, atol=2e-3)
    assert clip.timing == "container"
    assert (clip.spacing, clip.spacing_note, clip.notices) == (None, SPACING_NOTE, ())
    assert (clip.chroma is None) == (pix_fmt == "gray")


def test_gif(tmp_path):
    grey = moving_grey()
    clip = read_video(write_video(str(tmp_path / "a.gif"), grey, "gif", "gray", rate=10))
    assert np.abs(clip.frames.astype(int) - grey).max() <= 8
    np.testing.assert_allclose(clip.times_s, np.arange(12) / 10, atol=1e-6)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("mjpeg", "yuvj420p"), ("ffv1", "yuv420p"), ("ffv1", "yuv422p")]
)
def test_grey_is_that_of_opencv(tmp_path, codec, pix_fmt):
    path = encode(tmp_path / "a.avi", moving_grey(4), codec, pix_fmt)
    capture, theirs = cv2.VideoCapture(path), []
    while (read := capture.read())[0]:
        theirs.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY))
    assert np.abs(read_video(path).frames.astype(int) - np.stack(theirs)).max() <= 2


def test_odd_sides_and_row_padding(tmp_path):
    grey = moving_grey(3, 37, 51)
    clip = read_video(encode(tmp_path / "a.avi", grey, "ffv1", "yuv420p"))
    assert clip.frames.shape == (3, 37, 51)
    assert np.abs(clip.frames.astype(int) - grey).max() <= 2
    assert clip.chroma.shape == (37, 51)


def test_variable_frame_rate_keeps_the_frames_own_times(tmp_path):
    stamps = [0, 20, 60, 80, 140, 160]
    path = write_video(
        str(tmp_path / "a.mkv"), moving_grey(6), "ffv1", "yuv420p", pts=stamps, time_base=(1, 1000)
    )
    clip = read_video(path)
    np.testing.assert_allclose(clip.times_s, np.array(stamps) / 1000, atol=1e-9)
    assert clip.timing == "container"


def test_first_stamp_need_not_be_zero(tmp_path):
    path = write_video(
        str(tmp_path / "a.mkv"),
        moving_grey(4),
        "ffv1",
        "yuv420p",
        pts=[500, 540, 580, 620],
        time_base=(1, 1000),
    )
    np.testing.assert_allclose(read_video(path).times_s, [0, 0.04, 0.08, 0.12], atol=1e-9)


def test_avi_with_reordered_frames_falls_back_on_the_header_rate(tmp_path):
    grey = moving_grey(20)
    clip = read_video(encode(tmp_path / "a.avi", grey, "libx264", "yuv420p"))
    assert clip.timing == "average_rate"
    assert codes(clip) == ["uneven_times"]
    np.testing.assert_allclose(clip.times_s, np.arange(20) / 25)
    assert (np.diff(clip.frames.mean(axis=(1, 2))) > 0).all(), "frames must come in the order of presentation"


@pytest.mark.parametrize(
    ("stamps", "rate", "source", "expected_codes"),
    [
        ([-0.04, 0.0, 0.04], 25.0, "container", []),
        ([0.0, 0.04, 0.04, 0.08], 25.0, "average_rate", ["uneven_times"]),
        ([0.0, None, 0.08], 20.0, "average_rate", ["uneven_times"]),
        ([0.0, 0.08, 0.04], None, "assumed", ["assumed_frame_rate"]),
        ([None, None], None, "assumed", ["assumed_frame_rate"]),
        ([0.0, 1.0, 2.0], 1.0, "assumed", ["bad_timing", "assumed_frame_rate"]),
        ([0.0, 1e-4, 2e-4], 10000.0, "assumed", ["bad_timing", "assumed_frame_rate"]),
    ],
)
def test_container_timing(stamps, rate, source, expected_codes):
    timing = container_timing(stamps, rate)
    assert timing.source == source
    assert [notice.code for notice in timing.notices] == expected_codes
    assert timing.times_s[0] == 0
    assert (np.diff(timing.times_s) > 0).all()
    if source != "container":
        step = 1 / (rate if source == "average_rate" else DEFAULT_FRAME_RATE_HZ)
        np.testing.assert_allclose(np.diff(timing.times_s), step)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("a.avi", "mjpeg", "yuvj420p"), ("a.avi", "rawvideo", "bgr24"), ("a.mkv", "libx264", "yuv420p")],
)
def test_truncated_video_gives_what_is_there(tmp_path, capfd, name, codec, pix_fmt):
    rng = np.random.default_rng(0)
    grey = np.clip(moving_grey(40).astype(int) + rng.integers(-9, 9, (40, 64, 96)), 0, 255).astype(np.uint8)
    path = tmp_path / name
    encode(path, grey, codec, pix_fmt)
    whole = read_video(path)
    assert whole.notices == ()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    clip = read_video(path)
    assert 10 < len(clip.frames) < 35
    np.testing.assert_array_equal(clip.frames[:-2], whole.frames[: len(clip.frames) - 2])
    assert codes(clip) == ["truncated"]
    assert clip.notices[0].text.startswith(f"{len(clip.frames)} of ")
    assert len(clip.times_s) == len(clip.frames)
    assert capfd.readouterr() == ("", "")


def test_mp4_without_its_index_is_an_error(tmp_path, capfd):
    path = tmp_path / "cut.mp4"
    encode(path, moving_grey(40), "libx264", "yuv420p")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(VideoError, match=r"cut\.mp4 cannot be decoded \(.+\): .* export it again"):
        read_video(path)
    assert capfd.readouterr() == ("", "")


def test_damaged_content_is_an_error(tmp_path, capfd):
    path = tmp_path / "bad.avi"
    encode(path, moving_grey(6), "mjpeg", "yuvj420p")
    data = bytearray(path.read_bytes())
    start = data.index(b"movi")
    data[start + 12 :] = b"\x55" * (len(data) - start - 12)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"bad\.avi"):
        read_video(path)
    assert capfd.readouterr() == ("", "")


def test_metadata_that_is_not_utf8_does_no_harm(tmp_path):
    path = tmp_path / "a.mp4"
    encode(path, moving_grey(6), "libx264", "yuv420p")
    data = path.read_bytes()
    assert b"Lavf" in data
    path.write_bytes(data.replace(b"Lavf", b"L\xe4\xf6f"))
    assert len(read_video(path).frames) == 6


def test_change_of_frame_size_is_an_error(tmp_path):
    path = tmp_path / "two.mpg"
    first = encode(tmp_path / "1.mpg", moving_grey(6), "mpeg2video", "yuv420p")
    second = encode(tmp_path / "2.mpg", moving_grey(6, 96, 64), "mpeg2video", "yuv420p")
    path.write_bytes(Path(first).read_bytes() + Path(second).read_bytes())
    with pytest.raises(VideoError, match=r"two\.mpg changes from 96 x 64 pixels .* to 64 x 96 .* at frame"):
        read_video(path)


def test_unknown_codec_is_an_error(tmp_path):
    path = tmp_path / "odd.avi"
    encode(path, moving_grey(6), "mjpeg", "yuvj420p")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"ZZZZ"))
    with pytest.raises(VideoError, match=r"odd\.avi .*codec"):
        read_video(path)


def test_sound_without_pictures_is_an_error(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match=r"sound\.mkv holds no video stream"):
        read_video(path)


@pytest.mark.parametrize("name", ["long.avi", "long.mkv"])
def test_too_many_frames(tmp_path, name):
    path = encode(tmp_path / name, moving_grey(9), "ffv1", "yuv420p")
    with pytest.raises(VideoError, match=rf"{name} has 9 frames or more; at most 8 .*--max-frames"):
        read_video(path, max_frames=8)
    assert len(read_video(path, max_frames=9).frames) == 9


def test_too_many_pixels(tmp_path):
    path = encode(tmp_path / "a.mkv", moving_grey(9), "ffv1", "yuv420p")
    with pytest.raises(
        VideoError, match=r"a\.mkv has .* frames of 96 x 64 pixels, more than the 50,000 pixels"
    ):
        read_video(path, max_pixels=50_000)


def test_too_large_frames(tmp_path):
    path = write_video(str(tmp_path / "wide.avi"), moving_grey(2, 16, 5000), "ffv1", "yuv420p")
    with pytest.raises(VideoError, match=r"wide\.avi has frames of 5000 x 16 pixels; at most 4096"):
        read_video(path)


def coloured(tint):
    """Grey frames with the given RGB factors."""
    return np.clip(moving_grey(20)[..., None] * np.array(tint), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "yuv420p"), ("ffv1", "yuv444p"), ("rawvideo", "bgr24")]
)
class TestChroma:
    def read(self, tmp_path, rgb, codec, pix_fmt):
        return read_video(write_video(str(tmp_path / "a.avi"), rgb, codec, pix_fmt)).chroma

    def test_grey_in_colour_is_none(self, tmp_path, codec, pix_fmt):
        assert self.read(tmp_path, coloured((1, 1, 1)), codec, pix_fmt).max() <= 2

    def test_sepia_is_no_colour(self, tmp_path, codec, pix_fmt):
        chroma = self.read(tmp_path, coloured((1, 0.9, 0.7)), codec, pix_fmt)
        assert chroma.max() <= 4

    def test_even_blue_cast_is_no_colour(self, tmp_path, codec, pix_fmt):
        rgb = np.clip(moving_grey(20)[..., None].astype(int) * 0.7 + np.array([0, 0, 50]), 0, 255).astype(
            np.uint8
        )
        assert self.read(tmp_path, rgb, codec, pix_fmt).max() <= 4

    def test_colour_doppler_shows_where_it_is(self, tmp_path, codec, pix_fmt):
        rgb = coloured((1, 0.9, 0.7))
        rgb[8:11, 20:40, 30:60] = (220, 30, 20)
        chroma = self.read(tmp_path, rgb, codec, pix_fmt)
        assert chroma.shape == (64, 96)
        assert chroma[24:36, 34:56].min() > 60
        outside = np.ones((64, 96), bool)
        outside[16:44, 26:64] = False
        assert chroma[outside].max() <= 5


def test_rotation_mark_is_obeyed(tmp_path):
    """A phone writes its picture lying and a matrix that turns it a quarter to the right (clockwise)."""
    path = tmp_path / "phone.mp4"
    grey = moving_grey(4)
    encode(path, grey, "libx264", "yuv420p")
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 4 + 20 + 16
    assert data[matrix : matrix + 4] == b"\0\1\0\0", "the identity matrix stands here"
    turned = [0, 1 << 16, 0, (-1) & 0xFFFFFFFF, 0, 0, 0, 0, 1 << 30]
    turned[3] = (-(1 << 16)) & 0xFFFFFFFF
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big") for value in turned)
    path.write_bytes(data)
    clip = read_video(path)
    assert clip.frames.shape == (4, 96, 64)
    assert clip.chroma.shape == (96, 64)
    assert np.abs(clip.frames.astype(int) - np.rot90(grey, -1, axes=(1, 2))).max() <= 12


def test_a_play_list_is_never_followed(tmp_path):
    path = tmp_path / "list.avi"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/clip.ts\n")
    with pytest.raises(VideoError, match=r"list\.avi is not a video that can be recognised"):
        read_video(path)
