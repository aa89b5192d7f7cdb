import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from lvef.io.dicom_timing import frame_times, r_wave_times
from lvef.io.timing import Timing

N = 5


def header(**elements):
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def codes(timing):
    return [notice.code for notice in timing.notices]


@pytest.mark.parametrize(
    ("elements", "source", "times"),
    [
        ({"FrameTime": "33.333"}, "FrameTime", np.arange(N) * 0.033333),
        ({"FrameTimeVector": ["0", "20", "30", "20", "40"]}, "FrameTimeVector", [0, 0.02, 0.05, 0.07, 0.11]),
        ({"CineRate": "40"}, "CineRate", np.arange(N) / 40),
        ({"CineRate": "40", "FrameTime": "20"}, "FrameTime", np.arange(N) * 0.02),
        ({"RecommendedDisplayFrameRate": "30", "CineRate": "50"}, "CineRate", np.arange(N) / 50),
    ],
)
def test_each_attribute_tells_the_times(elements, source, times):
    timing = frame_times(header(**elements), N)
    assert timing.source == source
    np.testing.assert_allclose(timing.times_s, times, atol=1e-12)
    assert timing.notices == ()


def test_the_pointer_rules():
    vector = ["0", "10", "20", "30", "40"]
    both = header(FrameTime="20", FrameTimeVector=vector, FrameIncrementPointer=Tag("FrameTimeVector"))
    assert frame_times(both, N).source == "FrameTimeVector"
    both.FrameIncrementPointer = Tag("FrameTime")
    assert frame_times(both, N).source == "FrameTime"
    both.FrameIncrementPointer = [Tag("FrameTimeVector"), Tag("FrameTime")]
    assert frame_times(both, N).source == "FrameTimeVector"


def test_the_pointer_may_name_what_is_not_there():
    timing = frame_times(header(CineRate="25", FrameIncrementPointer=Tag("FrameTime")), N)
    assert (timing.source, timing.notices) == ("CineRate", ())


def test_display_rate_leaves_a_notice():
    timing = frame_times(header(RecommendedDisplayFrameRate="30"), N)
    assert codes(timing) == ["display_frame_rate"]
    np.testing.assert_allclose(timing.times_s, np.arange(N) / 30)


def test_nothing_is_an_assumption_with_a_notice():
    timing = frame_times(header(), N)
    assert (timing.source, codes(timing)) == ("assumed", ["assumed_frame_rate"])
    np.testing.assert_allclose(timing.times_s, np.arange(N) / 50)


@pytest.mark.parametrize("value", ["0", "-20", "1000", "0.5"])
def test_impossible_frame_time_is_passed_over(value):
    timing = frame_times(header(FrameTime=value, CineRate="50"), N)
    assert (timing.source, codes(timing)) == ("CineRate", ["bad_timing"])
    assert f"Frame Time (0018,1063) of {float(value):g} ms" in timing.notices[0].text
    assert codes(frame_times(header(FrameTime=value), N)) == ["bad_timing", "assumed_frame_rate"]


@pytest.mark.parametrize(
    "vector",
    [["0", "20", "0", "20", "20"], ["0", "20", "-20", "20", "20"], ["0", "20"], ["0"] + ["2000"] * 4],
)
def test_impossible_vector_is_passed_over(vector):
    timing = frame_times(header(FrameTimeVector=vector, CineRate="25"), N)
    assert (timing.source, codes(timing)) == ("CineRate", ["bad_timing"])


@pytest.mark.parametrize("rate", ["0", "1", "401"])
def test_impossible_cine_rate_is_passed_over(rate):
    assert codes(frame_times(header(CineRate=rate), N)) == ["bad_timing", "assumed_frame_rate"]


def test_vector_of_a_truncated_clip_is_cut():
    timing = frame_times(header(FrameTimeVector=["0", "20", "30", "20", "40"]), 3)
    np.testing.assert_allclose(timing.times_s, [0, 0.02, 0.05])


def test_video_streams_own_times_stand_in():
    container = Timing(np.arange(N) / 30.0, "container")
    assert frame_times(header(), N, container).source == "container"
    assert frame_times(header(FrameTime="20"), N, container).source == "FrameTime"


def test_a_still_needs_no_times():
    timing = frame_times(header(FrameTime="0"), 1)
    assert (timing.source, timing.times_s.tolist(), timing.notices) == ("still", [0.0], ())


def test_r_waves_outside_the_clip_are_dropped():
    times = np.arange(50) * 0.02
    ds = header(RWaveTimeVector=[810.0, -5.0, 20.0, 980.0, 981.0])
    assert r_wave_times(ds, times) == pytest.approx((0.02, 0.81, 0.98))
    assert r_wave_times(header(), times) == ()
