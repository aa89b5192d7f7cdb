"""The clip is decoded again: size, times, and where the lines are."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from lvef.core.errors import DataError, VideoError
from lvef.core.records import PixelSpacing
from lvef.core.terms import Status
from lvef.report.overlay import write_overlay
from lvef.report.style import CONTOUR_ON_BLACK, ED_ON_BLACK, ES_ON_BLACK, rgb
from tests.measure.made_up import beating, refused


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            (float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in container.decode(stream)
        ]
        duration = float(stream.duration * stream.time_base)
        return (
            stream.codec_context,
            np.array([t for t, _ in frames]),
            np.stack([f for _, f in frames]),
            duration,
        )


def near(frame, colour, within=60):
    """Pixels of about this colour (4:2:0 and compression blur it)."""
    return np.abs(frame.astype(int) - np.array(colour)).sum(axis=-1) < within


def test_a_clip_has_every_frame_at_its_time(tmp_path):
    measurement, clip = beating(60)
    assert write_overlay(tmp_path / "o.mp4", clip, measurement)
    codec, times, frames, duration = decode(tmp_path / "o.mp4")
    assert codec.name == "h264"
    assert codec.pix_fmt == "yuv420p"
    assert frames.shape[0] == 60
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    np.testing.assert_allclose(times, clip.times_s, atol=1e-4)
    assert duration == pytest.approx(60 / 50, abs=1e-3)


def test_browsers_can_begin_before_the_end(tmp_path):
    measurement, clip = beating(20)
    write_overlay(tmp_path / "o.mp4", clip, measurement)
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_uneven_frame_times_are_kept(tmp_path):
    measurement, clip = beating(12)
    times = np.cumsum([0.0, *([0.02, 0.05] * 6)])[:12]
    uneven = replace(clip, times_s=times)
    write_overlay(tmp_path / "o.mp4", uneven, measurement)
    _, found, _, _ = decode(tmp_path / "o.mp4")
    np.testing.assert_allclose(found, times, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "expected_width"),
    [
        ((112, 112), 448),
        ((113, 111), 440),
        ((600, 800), 800),
        ((1200, 1600), 800),
        ((40, 30), 320),
        ((480, 100), 320),
    ],
)
def test_small_images_are_enlarged_and_large_ones_reduced(size, expected_width, tmp_path):
    measurement, clip = beating(4, size)
    write_overlay(tmp_path / "o.mp4", clip, measurement)
    codec, _, frames, _ = decode(tmp_path / "o.mp4")
    assert codec.width == expected_width
    assert len(frames) == 4


def test_the_contour_lies_where_it_was_traced(tmp_path):
    measurement, clip = beating(30, frames=np.zeros((30, 112, 112), np.uint8))
    write_overlay(tmp_path / "o.mp4", clip, measurement)
    _, _, frames, _ = decode(tmp_path / "o.mp4")
    picture = frames[8, :448]
    y, x = np.nonzero(near(picture, rgb(CONTOUR_ON_BLACK), 90))
    contour = (measurement.tracings[8].contour + 0.5) * 4
    assert (x.min(), x.max()) == pytest.approx((contour[:, 0].min(), contour[:, 0].max()), abs=3)
    assert (y.min(), y.max()) == pytest.approx((contour[:, 1].min(), contour[:, 1].max()), abs=3)


def test_ed_and_es_frames_are_marked_and_no_others(tmp_path):
    measurement, clip = beating(60, frames=np.zeros((60, 112, 112), np.uint8))
    write_overlay(tmp_path / "o.mp4", clip, measurement)
    _, _, frames, _ = decode(tmp_path / "o.mp4")
    tags = frames[:, 10:14, 10:46]
    ed = [i for i, tag in enumerate(tags) if near(tag, rgb(ED_ON_BLACK)).mean() > 0.5]
    es = [i for i, tag in enumerate(tags) if near(tag, rgb(ES_ON_BLACK)).mean() > 0.5]
    assert ed == [0]
    assert es == [16]


def test_the_cursor_runs_along_the_curve(tmp_path):
    measurement, clip = beating(60)
    write_overlay(tmp_path / "o.mp4", clip, measurement)
    _, _, frames, _ = decode(tmp_path / "o.mp4")
    white = [np.flatnonzero(frame[480:555].mean(axis=(0, 2)) > 180) for frame in frames]
    at = np.array([columns.mean() for columns in white])
    assert np.all(np.diff(at) > 0)
    np.testing.assert_allclose(np.diff(at), np.diff(at).mean(), atol=1.5)


def test_grey_stays_grey(tmp_path):
    grey = np.full((10, 112, 112), 120, np.uint8)
    measurement, clip = beating(10, frames=grey)
    write_overlay(tmp_path / "o.mp4", clip, measurement)
    _, _, frames, _ = decode(tmp_path / "o.mp4")
    np.testing.assert_allclose(frames[:, 380:440, 20:200], 120, atol=4)


def test_pixels_that_are_not_square_are_shown_true(tmp_path):
    measurement, clip = beating(4, (100, 200))
    tall = replace(clip, spacing=PixelSpacing(0.154, 0.308, "header"))
    write_overlay(tmp_path / "o.mp4", tall, measurement)
    codec, _, _, _ = decode(tmp_path / "o.mp4")
    assert codec.width == 448
    assert codec.height - 448 == pytest.approx(132, abs=2)


def test_odd_measurements_make_a_clip_all_the_same(tmp_path):
    measurement, clip = beating(30)
    volume = measurement.curve.volume.copy()
    volume[5:9] = np.nan
    flat = replace(measurement.curve, volume=np.full(30, 50.0))
    some = tuple(None if 5 <= i < 9 else t for i, t in enumerate(measurement.tracings))
    for odd in (
        replace(measurement, tracings=some, curve=replace(measurement.curve, volume=volume)),
        replace(measurement, curve=flat),
        replace(measurement, curve=replace(measurement.curve, volume=np.full(30, np.nan))),
        replace(measurement, status=Status.REFUSED, ef_percent=None, beats=(), ed_frame=None, es_frame=None),
    ):
        assert write_overlay(tmp_path / "o.mp4", clip, odd)
        assert len(decode(tmp_path / "o.mp4")[2]) == 30


def test_without_contours_or_motion_there_is_no_clip(tmp_path):
    measurement, clip = beating(30)
    assert not write_overlay(tmp_path / "o.mp4", clip, refused())
    still = replace(clip, frames=clip.frames[:2], times_s=clip.times_s[:2])
    assert not write_overlay(tmp_path / "o.mp4", still, measurement)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_encoder_is_reported(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise av.codec.codec.UnknownCodecError("libx264")

    measurement, clip = beating(10)
    monkeypatch.setattr(av.container.OutputContainer, "add_stream", refuse, raising=False)
    try:
        av.container.OutputContainer.add_stream  # noqa: B018
    except AttributeError:
        pytest.skip("PyAV does not let itself be patched")
    with pytest.raises(VideoError, match="--no-video"):
        write_overlay(tmp_path / "o.mp4", clip, measurement)


def test_a_folder_that_is_not_there_is_reported_and_an_old_clip_stays(tmp_path):
    measurement, clip = beating(10)
    with pytest.raises(DataError):
        write_overlay(tmp_path / "missing" / "o.mp4", clip, measurement)
