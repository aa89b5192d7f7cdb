import re

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from lvef.core.errors import QualityRefusal
from lvef.io.dicom_timing import check_frames_follow_in_time, frame_times, read_r_wave_times
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
        ({"CineRate": "50", "FrameTime": "20"}, "FrameTime", np.arange(N) * 0.02),
        ({"CineRate": "30", "FrameTime": "33.3"}, "FrameTime", np.arange(N) * 0.0333),
        ({"RecommendedDisplayFrameRate": "49", "CineRate": "50"}, "CineRate", np.arange(N) / 50),
        ({"EffectiveDuration": "0.1"}, "EffectiveDuration", np.arange(N) / 50),
        ({"EffectiveDuration": "0", "CineRate": "50"}, "CineRate", np.arange(N) / 50),
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
    [
        ["0", "20", "0", "0", "20"],
        ["0", "-20", "-20", "-20", "20"],
        ["0", "20"],
        ["0"] + ["2000"] * 4,
        ["0"] * 5,
    ],
)
def test_impossible_vector_is_passed_over(vector):
    timing = frame_times(header(FrameTimeVector=vector, CineRate="25"), N)
    assert (timing.source, codes(timing)) == ("CineRate", ["bad_timing"])


@pytest.mark.parametrize("rate", ["0", "1", "401"])
def test_impossible_cine_rate_is_passed_over(rate):
    assert codes(frame_times(header(CineRate=rate), N)) == ["bad_timing", "assumed_frame_rate"]


@pytest.mark.parametrize(
    ("vector", "times", "said"),
    [
        (["20"] * 4, [0, 20, 40, 60, 80], ["time_vector"]),
        (["20"] * 5, [0, 20, 40, 60, 80], []),
        (["0", "20", "30", "20", "40", "30"], [0, 20, 50, 70, 110], ["time_vector"]),
        (["0", "20", "40", "60", "80"], [0, 20, 40, 60, 80], ["time_vector"]),
        (["100", "120", "145", "165", "185"], [0, 20, 45, 65, 85], ["time_vector"]),
        (["20", "40", "60", "80"], [0, 20, 40, 60, 80], ["time_vector"] * 2),
        (["0", "20", "0", "20", "20"], [0, 20, 40, 60, 80], ["bad_timing"]),
        (["0", "20", "-20", "30", "20"], [0, 20, 40, 70, 90], ["bad_timing"]),
        (["0", "20", "20", "300", "20"], [0, 20, 40, 340, 360], ["time_gap"]),
        (["0", "0.02", "0.02", "0.02", "0.02"], [0, 20, 40, 60, 80], ["bad_timing", "time_unit"]),
        (
            ["0", "20000", "40000", "60000", "80000"],
            [0, 20, 40, 60, 80],
            ["bad_timing", "time_vector", "time_unit"],
        ),
    ],
)
def test_vectors_that_are_not_as_the_standard_wants(vector, times, said):
    timing = frame_times(header(FrameTimeVector=vector), N)
    np.testing.assert_allclose(timing.times_s, np.array(times) / 1000)
    assert (timing.source, codes(timing)) == ("FrameTimeVector", said)


@pytest.mark.parametrize(("value", "unit"), [("0.02", "seconds"), ("20000", "microseconds")])
def test_frame_time_in_another_unit_is_assumed(value, unit):
    timing = frame_times(header(FrameTime=value), N)
    np.testing.assert_allclose(timing.times_s, np.arange(N) * 0.02)
    assert (timing.source, codes(timing)) == ("FrameTime", ["bad_timing", "time_unit"])
    assert f"{unit} are assumed" in timing.notices[1].text


@pytest.mark.parametrize(
    ("elements", "container", "contradicted"),
    [
        ({"FrameTime": "33.33", "CineRate": "50"}, None, True),
        ({"FrameTime": "20", "RecommendedDisplayFrameRate": "25"}, None, True),
        ({"FrameTime": "20", "EffectiveDuration": "5.2"}, None, True),
        ({"FrameTime": "20", "FrameTimeVector": ["0"] + ["40"] * 129}, None, True),
        ({"CineRate": "50", "RecommendedDisplayFrameRate": "30"}, None, True),
        ({"FrameTime": "20"}, 30.0, True),
        ({"FrameTime": "20"}, 50.0, False),
        ({"FrameTime": "20", "CineRate": "49", "EffectiveDuration": "2.58"}, None, False),
        # The mean rate of uneven steps is a rate as well.
        ({"FrameTimeVector": ["0", *["20", "20", "60"] * 43], "CineRate": "30"}, None, False),
    ],
)
def test_rates_that_contradict_each_other(elements, container, contradicted):
    stream = None if container is None else Timing(np.arange(130) / container, "container")
    assert codes(frame_times(header(**elements), 130, stream)) == ["contradictory_rate"] * contradicted


def pointing(*tags, **elements):
    ds = header(SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", Modality="US", **elements)
    ds.FrameIncrementPointer = list(tags)
    return ds


VOLUMES = {
    "Enhanced US Volume": header(SOPClassUID="1.2.840.10008.5.1.4.1.1.6.2", Modality="US", FrameTime="20"),
    "Enhanced MR": header(SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1", Modality="MR"),
    "modality is CT": header(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.2", Modality="CT"),
    "Spacing Between Slices": pointing(0x00180088),
    "Slice Location Vector": pointing(0x00182005, FrameTime="20"),
    "Angular View Vector": pointing(0x00540090, 0x00181063, FrameTime="20"),
    "the attribute (0019,1001)": pointing(0x00191001),
    "spacing between slices": header(Modality="US", SpacingBetweenSlices="0.5"),
}


@pytest.mark.parametrize("found", VOLUMES)
def test_volumes_and_slices_are_refused(found):
    check_frames_follow_in_time(VOLUMES[found], 1, "a.dcm")
    with pytest.raises(QualityRefusal, match=f"a.dcm is a volume .*{re.escape(found)}") as refusal:
        check_frames_follow_in_time(VOLUMES[found], 130, "a.dcm")
    assert refusal.value.code == "volume"


@pytest.mark.parametrize(
    "cine",
    [
        header(Modality="US"),
        header(FrameTime="20", SpacingBetweenSlices="0.5"),
        pointing(0x00181063),
        pointing(0x00181065, 0x00181063),
        pointing(0x00181060),
        pointing(0x00191001, FrameTime="20"),
    ],
)
def test_cines_are_not(cine):
    check_frames_follow_in_time(cine, 130, "a.dcm")


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
    assert read_r_wave_times(ds, times) == pytest.approx((0.02, 0.81, 0.98))
    assert read_r_wave_times(header(), times) == ()
