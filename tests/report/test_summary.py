"""The summary image: it is there for every measurement, of one size, and shows what it should."""

from __future__ import annotations

import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lvef.core.records import CodedWarning, PixelSpacing
from lvef.core.terms import Status
from lvef.measure.results import Result
from lvef.report.content import content_of
from lvef.report.summary import COLUMN_X_PT, HEIGHT_PT, POINT_PX, WIDTH_PT, summary_png
from tests.measure.made_up import beating, refused

WIDTH_PX, HEIGHT_PX, COLUMN_X_PX = (round(POINT_PX * pt) for pt in (WIDTH_PT, HEIGHT_PT, COLUMN_X_PT))
LONG = "The frame rate is missing in the file; 30 frames per second are assumed, and all times depend on it. "


def picture(clip, measurement):
    return cv2.imdecode(np.frombuffer(summary_png(clip, measurement), np.uint8), cv2.IMREAD_COLOR)


def full():
    measurement, clip = beating(175, indexed={"edv_index_ml_m2": 66.1, "esv_index_ml_m2": 26.0})
    notices = tuple(CodedWarning(f"n{i}", LONG * (1 + i % 2)) for i in range(6))
    beats = (
        *measurement.beats[:2],
        replace(measurement.beats[2], excluded="ectopic"),
        *measurement.beats[3:],
    )
    return clip, replace(
        measurement, notices=notices, beats=beats, source="folder/" * 20 + "a$b$_{c" * 15 + ".avi"
    )


def cases():
    measurement, clip = beating(60)
    yield "plain", clip, measurement
    yield "full", *full()
    yield "large", *reversed(beating(30, (768, 1024)))
    yield "tall", *reversed(beating(30, (400, 120)))
    yield "uncalibrated", *reversed(beating(calibrated=False, notices=()))
    yield "refused", clip, refused()
    yield (
        "refused with curve",
        clip,
        replace(
            measurement,
            status=Status.REFUSED,
            ef_percent=None,
            beats=(),
            ed_frame=None,
            es_frame=None,
            reason=LONG * 4,
        ),
    )
    volume = np.full(60, np.nan)
    volume[3] = 100.0
    yield "one traced frame", clip, replace(measurement, curve=replace(measurement.curve, volume=volume))
    yield "flat", clip, replace(measurement, curve=replace(measurement.curve, volume=np.zeros(60)))
    yield (
        "es before ed",
        clip,
        replace(
            measurement,
            beats=(replace(measurement.beats[0], ed_frame=20, es_frame=4, end_frame=None),),
            ed_frame=20,
            es_frame=4,
        ),
    )
    pair = replace(clip, frames=clip.frames[:2], times_s=np.array([0.0, 1.0]))
    curve = replace(measurement.curve, times_s=pair.times_s, volume=measurement.curve.volume[:2])
    yield "pair", pair, replace(
        measurement, status=Status.PARTIAL_CYCLE, n_frames=2, frame_rate_hz=None, duration_s=None, ed_frame=0,
        es_frame=1, curve=curve, beats=(replace(measurement.beats[0], es_frame=1, end_frame=None),),
    )  # fmt: skip
    yield "still", replace(clip, frames=clip.frames[:1], times_s=clip.times_s[:1]), refused()
    yield "foreign name", clip, replace(measurement, source="心エコー検査/四腔像 🫀.avi")
    yield "untraced ed", clip, replace(measurement, tracings=(None,) * 60)


@pytest.mark.parametrize(("clip", "measurement"), [c[1:] for c in cases()], ids=[c[0] for c in cases()])
def test_every_measurement_has_its_image(clip, measurement):
    page = picture(clip, measurement)
    assert page.shape == (HEIGHT_PX, WIDTH_PX, 3)
    # Nothing runs into the margins.
    for edge in (page[:12], page[-12:], page[:, :12], page[:, -12:]):
        assert (edge == 255).all()
    assert (page < 128).any()


@pytest.mark.parametrize("name", ["plain", "full", "uncalibrated", "refused with curve"])
def test_the_words_stay_in_their_column(name):
    clip, measurement = next(c[1:] for c in cases() if c[0] == name)
    page = picture(clip, measurement)
    assert (page[:, COLUMN_X_PX - 24 : COLUMN_X_PX - 10] == 255).all(), "between pictures and words"
    assert (page[:, WIDTH_PX - 18 :] == 255).all(), "right margin"


def test_ed_and_es_are_shown_side_by_side_with_their_contours():
    measurement, clip = beating(60, frames=np.zeros((60, 112, 112), np.uint8))
    page = picture(clip, measurement).astype(int)
    left, right = page[100:530, 60:460], page[100:530, 500:900]
    sky, orange = np.array([233, 180, 86]), np.array([30, 160, 240])
    count = [[int((np.abs(half - c).sum(-1) < 60).sum()) for c in (sky, orange)] for half in (left, right)]
    assert count[0][0] > 500
    assert count[0][1] == 0
    assert count[1][1] > 500
    assert count[1][0] == 0


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("/data/study/a.avi", "a.avi"),
        ("../x/ed.png + ../y/es.png", "ed.png + es.png"),
        ("C:\\eva\\a.dcm", "a.dcm"),
        ("a.avi", "a.avi"),
        ("odd + name.avi", "odd + name.avi"),
    ],
)
def test_the_image_names_files_without_their_folders(source, named):
    m = replace(
        refused(source),
        reason=f"{source}: is short.",
        notices=(CodedWarning("x", f"{source} has no clock."),),
    )
    shown = content_of(Result(m, None))
    assert (shown.title, shown.reason, shown.warnings) == (named, "Is short.", (f"{named} has no clock.",))


def test_folders_change_nothing_of_the_image():
    m, clip = beating(20, source="a.avi")
    assert summary_png(clip, replace(m, source="/data/study/a.avi")) == summary_png(clip, m)


def test_the_answer_changes_the_image():
    measurement, clip = beating(60)
    one, other = picture(clip, measurement), picture(clip, replace(measurement, ef_percent=31.0))
    assert (one != other).any()


def test_an_excluded_beat_looks_different():
    measurement, clip = beating(175)
    beats = (
        *measurement.beats[:2],
        replace(measurement.beats[2], excluded="ectopic"),
        *measurement.beats[3:],
    )
    one, other = picture(clip, measurement), picture(clip, replace(measurement, beats=beats))
    changed = np.flatnonzero((one[570:750] != other[570:750]).any(axis=(0, 2)))
    assert changed.min() > 87 + 825 * 1.6 / 3.48 - 10
    assert changed.max() < 87 + 825 * 2.4 / 3.48 + 10


def test_pixels_that_are_not_square_are_shown_true():
    frames = np.zeros((60, 100, 200), np.uint8)
    measurement, clip = beating(60, (100, 200), frames=frames)
    tall = replace(clip, spacing=PixelSpacing(0.154, 0.308, "header"))

    def shape(clip):
        page = picture(clip, measurement).astype(int)[150:530, 60:460]  # below the tag
        y, x = np.nonzero(np.abs(page - np.array([233, 180, 86])).sum(-1) < 60)
        return np.ptp(y) / np.ptp(x)

    assert shape(tall) == pytest.approx(2 * shape(replace(clip, spacing=None)), rel=0.05)


def test_it_is_drawn_without_matplotlib(monkeypatch):
    # Another test of the same process may have loaded it.
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    measurement, clip = beating(60)
    image = cv2.imdecode(np.frombuffer(summary_png(clip, measurement), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert "matplotlib" not in sys.modules
