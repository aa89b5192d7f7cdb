"""Grey frames as Motion JPEG: any size and rate, read by FFmpeg and OpenCV, and as exact as asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.io.avi import BEST_QUALITY, encode_motion_jpeg
from lvef.io.open import open_clip
from lvef.io.probe import probe


def opencv_frames(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    return np.stack(frames)


@pytest.mark.parametrize("shape", [(3, 61, 83), (2, 112, 112), (1, 480, 641)])
@pytest.mark.parametrize("rate", [50.0, 29.97, 1000 / 33.333, 7.5])
def test_motion_jpeg_of_any_size_and_rate(tmp_path, shape, rate):
    rng = np.random.default_rng(1)
    frames = np.stack([cv2.GaussianBlur(rng.uniform(0, 255, shape[1:]), (0, 0), 3) for _ in range(shape[0])])
    path = tmp_path / "a.avi"
    path.write_bytes(encode_motion_jpeg(frames.astype(np.uint8), rate))
    header = probe(path)
    assert (header.n_frames, header.height_px, header.width_px) == shape
    assert header.frame_rate_hz == pytest.approx(rate, rel=1e-4)
    copy = open_clip(path)
    assert np.abs(copy.frames.astype(int) - frames.astype(np.uint8)).max() <= 6
    assert len(opencv_frames(path)) == shape[0]


def test_best_quality_keeps_speckle(tmp_path):
    frames = np.random.default_rng(2).integers(0, 256, (4, 112, 112)).astype(np.uint8)
    errors = {}
    for quality in (95, BEST_QUALITY):
        path = tmp_path / f"{quality}.avi"
        path.write_bytes(encode_motion_jpeg(frames, 50.0, quality=quality))
        errors[quality] = np.abs(open_clip(path).frames.astype(int) - frames)
    assert errors[BEST_QUALITY].max() <= 2
    assert errors[BEST_QUALITY].mean() < errors[95].mean()


def test_an_image_that_jpeg_cannot_hold():
    with pytest.raises((DataError, cv2.error)):
        encode_motion_jpeg(np.zeros((1, 1, 70_000), np.uint8), 50.0)
