"""A heart rate names its source, and is compared with that of the file."""

from dataclasses import replace

import numpy as np
import pytest

from lvef.core.records import FROM_BEATS, FROM_FILE
from lvef.core.wording import heart_rate_text
from lvef.measure.quality import check_heart_rate, check_systole
from lvef.measure.serializers import measurement_to_dict
from tests.measure.made_up import beating

CLIP = beating(3)[1]


@pytest.mark.parametrize(
    ("told", "found", "duration_s", "said"),
    [
        (None, 70.0, 2.6, ""),
        (None, None, 12.9, ""),
        (70.0, 75.0, 2.6, ""),
        (70.0, 42.0, 4.3, "beats found come at 42/min"),
        (70.0, 140.0, 1.3, "beats found come at 140/min"),
        (70.0, None, 12.9, "in 12.9 s no complete beat was found, where 15 were expected"),
        (70.0, None, 1.2, ""),
    ],
)
def test_a_heart_rate_that_the_beats_contradict(told, found, duration_s, said):
    clip = replace(CLIP, heart_rate_bpm=told, times_s=np.array([0.0, duration_s / 2, duration_s]))
    notices = check_heart_rate(clip, found)
    assert [n.code for n in notices] == ["contradictory_heart_rate"] * bool(said)
    assert all(said in n.text for n in notices)


@pytest.mark.parametrize(
    ("speed", "said"),
    [
        (1.0, ""),
        (0.4, "Systole lasts 0.80 s at 30/min, usually about 0.48 s: the frame rate (20/s)"),
        (1.9, ""),
        (5.0, "Systole lasts 0.06 s at 375/min: the frame rate (250/s)"),
    ],
)
def test_a_systole_that_no_heart_has(speed, said):
    measurement, clip = beating(120)
    clip = replace(clip, times_s=clip.times_s / speed)
    warnings = check_systole(clip, measurement.beats, 75.0 * speed)
    assert [w.code for w in warnings] == ["implausible_systole"] * bool(said)
    assert all(said in w.text for w in warnings)


def test_a_systole_without_whole_beats_is_not_evaluated():
    measurement, clip = beating(120)
    assert check_systole(clip, (), 38.0) == () == check_systole(clip, measurement.beats, None)


@pytest.mark.parametrize(
    ("source", "text"),
    [(FROM_BEATS, "75/min (from the beats)"), (FROM_FILE, "75/min (from the file)"), ("", "75/min")],
)
def test_its_source_is_named(source, text):
    measurement = beating(heart_rate_source=source)[0]
    assert heart_rate_text(measurement) == text
    assert measurement_to_dict(measurement)["heart_rate_source"] == source
    assert heart_rate_text(replace(measurement, heart_rate_bpm=None)) == ""
