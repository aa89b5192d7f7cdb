import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.records import Measurement, PixelAspect
from lvef.core.terms import Status
from lvef.measure.serializers import measurement_json
from lvef.service.serializers import (
    deserialize_clip,
    deserialize_measurement,
    deserialize_result,
    serialize_clip,
    serialize_measurement,
)
from tests.measure.made_up import beating

PATHS = {"/spool/0123.avi": "clip.avi", "0123.avi": "clip.avi"}


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_measurement_comes_back_with_curve_and_tracings(calibrated):
    measurement, _ = beating(calibrated=calibrated)
    tracings = list(measurement.tracings)
    tracings[3] = None
    tracings[4] = replace(tracings[4], contour=tracings[4].contour[:37])
    measurement = replace(measurement, tracings=tuple(tracings))
    back = deserialize_measurement(serialize_measurement(measurement, {}))
    assert measurement_json(back) == measurement_json(measurement)
    for name in ("times_s", "volume", "length"):
        assert np.array_equal(getattr(back.curve, name), getattr(measurement.curve, name), equal_nan=True)
    assert back.curve.calibrated is calibrated
    for ours, theirs in zip(back.tracings, tracings, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            for name in ("contour", "apex", "base", "mitral", "chords"):
                assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_a_measurement_without_a_curve_comes_back():
    measurement = Measurement("clip.avi", Status.REFUSED, "no fan", "no_fan")
    assert deserialize_measurement(serialize_measurement(measurement, {})) == measurement


def test_paths_of_this_machine_are_not_reported():
    measurement = Measurement(
        "/spool/0123.avi", Status.FAILED, "/spool/0123.avi: bad; 0123.avi is", "unreadable"
    )
    files = serialize_measurement(measurement, PATHS)
    assert b"spool" not in b"".join(files.values())
    assert deserialize_measurement(files).reason == "clip.avi: bad; clip.avi is"


@pytest.mark.parametrize("spacing", [None, PixelAspect(2.0, "Pixel Aspect Ratio")])
def test_the_shape_of_a_pixel_comes_back(spacing):
    measurement, clip = beating(3)
    assert deserialize_clip(serialize_clip(replace(clip, spacing=spacing), {})).spacing == spacing
    files = serialize_measurement(replace(measurement, spacing=spacing), {})
    assert deserialize_measurement(files).spacing == spacing


def test_a_clip_that_version_0_1_packed_keeps_its_scale():
    _, clip = beating(3)
    packed = serialize_clip(clip, {})
    size = int.from_bytes(packed[:4], "little")
    head = json.loads(packed[4 : 4 + size])
    head["spacing"] = list(head["spacing"].values())
    text = json.dumps(head).encode()
    old = len(text).to_bytes(4, "little") + text + packed[4 + size :]
    assert deserialize_clip(old).spacing == clip.spacing


@pytest.mark.parametrize("n", [1, 2, 30])
def test_a_clip_comes_back_exactly(n, rng=None):
    rng = np.random.default_rng(n)
    _, clip = beating(max(n, 3))
    frames = rng.integers(0, 256, (n, 11, 13), dtype=np.uint8)
    clip = replace(clip, frames=frames, times_s=np.sort(rng.random(n)), source="/spool/0123.avi")
    back = deserialize_clip(serialize_clip(clip, PATHS))
    assert np.array_equal(back.frames, frames)
    assert back.frames.dtype == np.uint8
    assert np.array_equal(back.times_s, clip.times_s)
    assert (back.source, back.spacing, back.timing) == ("clip.avi", clip.spacing, clip.timing)


def test_of_a_person_nothing_is_packed():
    from lvef.core.terms import Sex

    _, clip = beating()
    assert deserialize_clip(serialize_clip(replace(clip, sex=Sex.FEMALE), {})).sex is None


def test_parts_of_a_study():
    measurement, clip = beating()
    files = serialize_measurement(replace(measurement, curve=None, tracings=()), {})
    for part in ("A4C", "A2C"):
        files |= {f"{part}/{name}": data for name, data in serialize_measurement(measurement, {}).items()}
    answer = deserialize_result(files, {"A4C": serialize_clip(clip, {})})
    assert answer.clip is None
    assert list(answer.views) == ["A4C", "A2C"]
    assert answer.views["A4C"][1] is not None
    assert answer.views["A2C"][1] is None
    assert answer.views["A2C"][0].curve is not None
