import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from lvef.core.errors import VideoError
from lvef.core.records import PixelAspect
from lvef.io.limits import SizeLimits
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
        ([0.0, 0.04, 0.04, 0.12], 25.0, "average_rate", ["uneven_times"]),
        ([0.0, None, 0.08], 25.0, "average_rate", ["uneven_times"]),
        ([0.0, 0.04, 0.04, 0.08], 25.0, "average_rate", ["uneven_times", "contradictory_rate"]),
        ([0.0, None, 0.08], 20.0, "average_rate", ["uneven_times", "contradictory_rate"]),
        ([0.0, 0.04, 0.08, 0.12], 50.0, "container", ["contradictory_rate"]),
        ([0.0, 0.04, 0.08, 0.12], 26.0, "container", []),
        ([0.0, 0.04, 0.08, 0.24, 0.28], 25.0, "container", []),
        ([0.0, 0.04, 0.08, 0.25, 0.29], 25.0, "container", ["time_gap"]),
        ([0.0, 0.01, 0.02, 0.12, 0.13], 100.0, "container", []),
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


def test_sound_without_images_is_an_error(tmp_path):
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
        read_video(path, SizeLimits(8))
    assert len(read_video(path, SizeLimits(9)).frames) == 9


def test_too_many_pixels(tmp_path):
    path = encode(tmp_path / "a.mkv", moving_grey(9), "ffv1", "yuv420p")
    with pytest.raises(
        VideoError, match=r"a\.mkv has .* frames of 96 x 64 pixels, more than the 50,000 pixels"
    ):
        read_video(path, SizeLimits(max_pixels=50_000))


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


def patched_matrix(path, a, b, c, d):
    """Write another display matrix into an MP4: ``(x', y') = (a x + c y, b x + d y)``, as thousandths of 1."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 16
    assert data[at : at + 4] == b"\0\1\0\0", "the identity matrix stands here"
    unit = 1 << 16
    values = [a * unit, b * unit, 0, c * unit, d * unit, 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join((int(v) & 0xFFFFFFFF).to_bytes(4, "big") for v in values)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [
        ((0, 1, -1, 0), lambda x: np.rot90(x, -1, axes=(1, 2))),
        ((0, -1, 1, 0), lambda x: np.rot90(x, 1, axes=(1, 2))),
        ((-1, 0, 0, -1), lambda x: x[:, ::-1, ::-1]),
        ((-1, 0, 0, 1), lambda x: x[:, :, ::-1]),
        ((1, 0, 0, -1), lambda x: x[:, ::-1]),
        ((0, 1, 1, 0), lambda x: x.transpose(0, 2, 1)),
    ],
)
def test_display_matrix_is_obeyed(tmp_path, matrix, wanted):
    """A phone writes its image lying, or in a mirror, and a matrix that brings it upright."""
    path = tmp_path / "phone.mp4"
    grey = moving_grey(3)
    encode(path, grey, "libx264", "yuv420p")
    patched_matrix(path, *matrix)
    clip = read_video(path)
    assert clip.frames.shape == wanted(grey).shape
    assert clip.chroma.shape == clip.frames.shape[1:]
    assert np.abs(clip.frames.astype(int) - wanted(grey)).max() <= 12
    assert clip.notices == ()


def test_a_slanting_display_matrix_is_reported(tmp_path):
    path = tmp_path / "phone.mp4"
    encode(path, moving_grey(3), "libx264", "yuv420p")
    patched_matrix(path, 0.866, 0.5, -0.5, 0.866)
    clip = read_video(path)
    assert clip.frames.shape == (3, 64, 96)
    assert codes(clip) == ["not_turned"]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.mov", "mpeg4", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
)
@pytest.mark.parametrize(
    ("ratio", "aspect"), [("2/1", 0.5), ("64/45", 45 / 64), ("16/11", 11 / 16), ("1/1", None)]
)
def test_sample_aspect_ratio(tmp_path, name, codec, pix_fmt, ratio, aspect):
    path = encode(tmp_path / name, moving_grey(3), codec, pix_fmt, sample_aspect_ratio=Fraction(ratio))
    clip = read_video(path)
    assert codes(clip) == []
    assert clip.spacing_note == SPACING_NOTE
    assert clip.spacing == (
        None if aspect is None else PixelAspect(pytest.approx(aspect), "sample aspect ratio")
    )


def test_shape_of_a_pixel_turns_with_the_image(tmp_path):
    path = tmp_path / "a.mp4"
    encode(path, moving_grey(3), "libx264", "yuv420p", sample_aspect_ratio=Fraction(2, 1))
    patched_matrix(path, 0, 1, -1, 0)
    assert read_video(path).pixel_aspect == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("ratio", "size", "code"),
    [
        ("9/1", (64, 96), "bad_aspect"),
        (None, (576, 720), "assumed_square_pixels"),
        (None, (64, 96), None),
    ],
)
def test_a_shape_of_pixels_that_cannot_be_or_is_not_stated(tmp_path, ratio, size, code):
    more = {} if ratio is None else {"sample_aspect_ratio": Fraction(ratio)}
    clip = read_video(encode(tmp_path / "a.mkv", moving_grey(2, *size), "libx264", "yuv420p", **more))
    assert codes(clip) == ([] if code is None else [code])
    assert clip.pixel_aspect == 1


def with_empty_frames(path, empty):
    """Write an AVI again with frames of 0 bytes, header and index to match."""
    data = path.read_bytes()
    movi, index = data.index(b"movi"), data.index(b"idx1")
    content, entries, at, number = b"movi", b"", movi + 4, 0
    while at < index:
        name, length = struct.unpack_from("<4sI", data, at)
        frame = b"" if number in empty else data[at + 8 : at + 8 + length]
        entries += struct.pack("<4s3I", name, 16, len(content), len(frame))
        content += struct.pack("<4sI", name, len(frame)) + frame + b"\0" * (len(frame) % 2)
        at, number = at + 8 + length + length % 2, number + 1
    body = data[12 : movi - 8] + b"LIST" + struct.pack("<I", len(content)) + content
    body += b"idx1" + struct.pack("<I", len(entries)) + entries
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"AVI " + body)


@pytest.mark.parametrize(("codec", "pix_fmt"), [("mjpeg", "yuvj420p"), ("rawvideo", "bgr24")])
@pytest.mark.parametrize(
    ("empty", "shown"),
    [
        ({3, 4, 7}, [0, 1, 2, 2, 2, 5, 6, 6, 8, 9]),
        ({8, 9}, [0, 1, 2, 3, 4, 5, 6, 7, 7, 7]),
        ({0, 1, 5}, [2, 3, 4, 4, 6, 7, 8, 9]),
    ],
)
def test_empty_frames_of_avi_repeat_the_one_before(tmp_path, codec, pix_fmt, empty, shown):
    path = tmp_path / "a.avi"
    encode(path, moving_grey(10), codec, pix_fmt)
    whole = read_video(path)
    with_empty_frames(path, empty)
    clip = read_video(path)
    np.testing.assert_array_equal(clip.frames, whole.frames[shown])
    np.testing.assert_allclose(clip.times_s, np.arange(len(shown)) / 25)
    assert codes(clip) == ["repeated_frames"]
    assert clip.notices[0].text.startswith(f"{len(empty)} of 10 frames are empty")


def test_an_avi_of_empty_frames_alone_is_an_error(tmp_path):
    path = tmp_path / "a.avi"
    encode(path, moving_grey(10), "mjpeg", "yuvj420p")
    with_empty_frames(path, set(range(10)))
    with pytest.raises(VideoError, match=r"All 10 frames of .*a\.avi are empty"):
        read_video(path)


def test_two_rates_in_the_header_of_an_avi(tmp_path):
    path = tmp_path / "a.avi"
    encode(path, moving_grey(10), "mjpeg", "yuvj420p")
    data = bytearray(path.read_bytes())
    at = data.index(b"avih") + 8
    data[at : at + 4] = struct.pack("<I", 20_000)
    path.write_bytes(data)
    clip = read_video(path)
    assert clip.frame_rate_hz == pytest.approx(25)
    assert codes(clip) == ["contradictory_rate"]
    assert "50 Hz" in clip.notices[0].text


def test_a_stated_rate_that_the_frames_contradict(tmp_path):
    path = write_video(
        str(tmp_path / "a.mkv"),
        moving_grey(8),
        "ffv1",
        "yuv420p",
        rate=50,
        pts=range(0, 320, 40),
        time_base=(1, 1000),
    )
    clip = read_video(path)
    assert clip.frame_rate_hz == pytest.approx(25)
    assert codes(clip) == ["contradictory_rate"]
    assert clip.notices[0].text.startswith("The file states 50 Hz, but its frames come every 40 ms (25 Hz)")


def test_a_jump_of_the_times_is_reported(tmp_path):
    stamps = [0, 40, 80, 120, 1120, 1160, 1200]
    path = write_video(
        str(tmp_path / "a.mkv"), moving_grey(7), "ffv1", "yuv420p", pts=stamps, time_base=(1, 1000)
    )
    clip = read_video(path)
    np.testing.assert_allclose(clip.times_s, np.array(stamps) / 1000, atol=1e-9)
    assert codes(clip) == ["time_gap"]
    assert "jump by 1 s (after frame 3" in clip.notices[0].text


def test_an_edit_list_hides_frames_and_nothing_is_called_damaged(tmp_path):
    path = tmp_path / "a.mov"
    grey = moving_grey(12)
    encode(path, grey, "mjpeg", "yuvj420p")
    data = bytearray(path.read_bytes())
    if b"elst" not in data:
        pytest.fail("the writer has stopped to write an edit list")
    at = data.index(b"elst") + 4 + 8
    duration, start, _ = struct.unpack_from(">3I", data, at)
    scale = struct.unpack_from(">I", data, data.index(b"mdhd") + 4 + 12)[0]
    data[at : at + 8] = struct.pack(">2I", duration * 8 // 12, start + 4 * scale // 25)
    path.write_bytes(data)
    clip = read_video(path)
    assert len(clip.frames) == 8
    assert np.abs(clip.frames.astype(int) - grey[4:]).max() <= 9
    np.testing.assert_allclose(clip.times_s, np.arange(8) / 25, atol=1e-6)
    assert codes(clip) == ["edit_list"]
    assert "hides 4 of the frames" in clip.notices[0].text


def test_of_two_video_streams_the_larger_is_read(tmp_path):
    path, grey = tmp_path / "two.mkv", moving_grey(6)
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=25) for codec in ("mjpeg", "ffv1")]
        for stream, size, pix_fmt in zip(streams, ((32, 32), (64, 96)), ("yuvj420p", "gray"), strict=True):
            stream.height, stream.width, stream.pix_fmt = *size, pix_fmt
        for frame in grey:
            for stream, picture in zip(streams, (frame[:32, :32], frame), strict=True):
                picture = np.ascontiguousarray(picture)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
        for stream in streams:
            container.mux(stream.encode())
    clip = read_video(path)
    np.testing.assert_array_equal(clip.frames, grey)
    assert codes(clip) == ["other_video_streams"]


def test_interlaced_video_is_reported(tmp_path):
    path = encode(tmp_path / "a.mkv", moving_grey(4), "mpeg2video", "yuv420p", flags=1 << 18 | 1 << 29)
    assert codes(read_video(path)) == ["interlaced"]


@pytest.mark.parametrize("pix_fmt", ["gray10le", "gray12le", "gray16le"])
@pytest.mark.parametrize("used", [None, 10])
def test_deep_grey(tmp_path, pix_fmt, used):
    """Values of 10 bits in words of 16 are not black."""
    path, grey = tmp_path / "a.mkv", moving_grey(4)
    bits = int(pix_fmt[4:6])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *grey.shape[1:], pix_fmt
        for frame in grey:
            values = np.rint(frame * ((2 ** (used or bits) - 1) / 255)).astype(np.uint16)
            made = av.VideoFrame(96, 64, pix_fmt)
            rows = np.zeros((64, made.planes[0].line_size // 2), np.uint16)
            rows[:, :96] = values
            made.planes[0].update(rows.tobytes())
            container.mux(stream.encode(made))
        container.mux(stream.encode())
    clip = read_video(path)
    assert np.abs(clip.frames.astype(int) - grey).max() <= 1
    assert codes(clip) == (["grey_depth"] if used and bits > used + 1 else [])


def test_full_range_that_is_not_marked(tmp_path):
    """Luma far below 16 cannot be of limited range: it is not stretched and cut off."""
    path = tmp_path / "a.mkv"
    luma = np.where(np.arange(96) < 30, 0, moving_grey(3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv444p"
        for frame in luma:
            planes = np.stack([frame, np.full_like(frame, 128), np.full_like(frame, 128)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv444p")))
        container.mux(stream.encode())
    np.testing.assert_array_equal(read_video(path).frames, luma)


def test_a_play_list_is_never_followed(tmp_path):
    path = tmp_path / "list.avi"
    path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/clip.ts\n")
    with pytest.raises(VideoError, match=r"list\.avi has an unknown format \(text\)"):
        read_video(path)
