"""Frames, contours and curve as the viewer gets them."""

from __future__ import annotations

import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lvef.core.records import PixelSpacing
from lvef.report.charts import curve_values
from lvef.webapp import view_data as module
from lvef.webapp.view_data import (
    contour_of,
    depth_line,
    every_of,
    pack_frames,
    reader_view,
    thumbnail,
    view_data,
)
from tests.measure.made_up import beating, ellipse_tracing, failed


def unpacked(data):
    (n,) = struct.unpack_from("<I", data, 4)
    start, images = 8 + 4 * n, []
    for size in struct.unpack_from(f"<{n}I", data, 8):
        images.append(cv2.imdecode(np.frombuffer(data[start : start + size], np.uint8), cv2.IMREAD_UNCHANGED))
        start += size
    assert data[:4] == b"LVEF" and start == len(data)
    return images


def test_frames_are_shrunk_and_thinned(monkeypatch):
    _, clip = beating(n=12, frames=np.full((12, 300, 800), 90, np.uint8))
    assert {image.shape for image in unpacked(pack_frames(clip))} == {(240, 640)}
    monkeypatch.setattr(module, "LONG_CLIP", 10)
    assert {image.shape for image in unpacked(pack_frames(clip))} == {(168, 448)}
    monkeypatch.setattr(module, "MAX_FRAMES", 5)
    assert every_of(12) == 3 and len(unpacked(pack_frames(clip))) == 4
    m, _ = beating(n=12)
    view = view_data(m, clip)
    assert view["every"] == 3 and len(view["contours"]) == len(view["times"]) == 12


def test_black_stays_black():
    frames = np.zeros((3, 80, 80), np.uint8)
    frames[:, 30:50, 30:50] = 200
    images = unpacked(pack_frames(replace(beating(n=3)[1], frames=frames)))
    assert max(image[:20].max() for image in images) <= 2


def test_contours_are_those_of_the_measurement():
    m, clip = beating()
    view = view_data(m, clip)
    for frame in (m.ed_frame, m.es_frame):
        sent = np.array(view["contours"][frame]).reshape(-1, 2)
        assert len(sent) <= module.CONTOUR_POINTS + 3
        for point in (*m.tracings[frame].mitral, m.tracings[frame].apex):
            assert np.hypot(*(sent - point).T).min() < 1.0
        assert view["points"][str(frame)][7] == pytest.approx(m.tracings[frame].apex.tolist(), abs=0.01)


def test_a_clip_without_a_measurement():
    _, clip = beating(n=4)
    view = view_data(failed(), clip)
    assert (
        view["correctable"] is False and view["volume"] == [None] * 4 and view["beats"] == view["marks"] == []
    )


def test_a_thumbnail_has_square_pixels():
    m, clip = beating()
    flat = replace(clip, spacing=PixelSpacing(0.5, 0.25, "test"))
    image = cv2.imdecode(
        np.frombuffer(thumbnail(m, view_data(m, flat), pack_frames(flat)), np.uint8), cv2.IMREAD_COLOR
    )
    assert image.shape == (80, 160, 3)
    # The contour is blue: the colour of ED on an echo.
    blue, _, red = np.moveaxis(image.astype(int), 2, 0)
    assert (blue - red).max() > 50


def test_the_line_down_the_sector():
    assert depth_line([10, 5, 31, 41], 100, 100) == [20.0, 5.0, 20.0, 40.0]
    assert depth_line(None, 101, 50) == [50.0, 0.0, 50.0, 49.0]


def test_a_contour_keeps_apex_and_hinge_points_however_few_points_are_sent():
    tracing = ellipse_tracing((100.0, 90.0), (30.0, 60.0), 1000)
    sent = np.reshape(contour_of(tracing), (-1, 2))
    assert len(sent) < 70
    for landmark in (tracing.apex, *tracing.mitral):
        nearest = np.hypot(*(tracing.contour - landmark).T).min()
        assert np.hypot(*(sent - landmark).T).min() < nearest + 0.08


def test_the_readers_curve_is_in_the_units_of_the_models():
    machine, _ = beating(n=41, calibrated=False)
    reader = replace(machine, curve=replace(machine.curve, volume=1.2 * machine.curve.volume))
    view = reader_view(reader, machine)
    shown = np.array(view["reader_volume"], float)
    assert shown == pytest.approx(1.2 * curve_values(machine), abs=0.01)
    assert len(view["reader_contours"]) == 41
