import numpy as np
import pytest

from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import axis_length, volume_of_tracing
from lvef.geometry.smoothing import HALF_WIDTH_S, outliers, smooth_tracings
from lvef.geometry.tracing import trace_labels, tracing_of_contour
from studies.corrupted_masks import CORRUPTIONS
from tests.geometry.ventricle_shapes import half_ellipsoid, labels, trace_probabilities


def model(volume, turn=0.0):
    radius = np.cbrt(volume / (2 * np.pi))
    angle = np.linspace(0, np.pi, 61)
    contour = np.stack([-radius * np.cos(angle), -3 * radius * np.sin(angle)], axis=1)
    c, s = np.cos(turn), np.sin(turn)
    contour = contour @ np.array([[c, s], [-s, c]]) + 100
    apex = np.array([0, -3 * radius]) @ np.array([[c, s], [-s, c]]) + 100
    return tracing_of_contour(contour, apex, contour[[0, -1]])


def volumes(tracings):
    return np.array([volume_of_tracing(t) for t in tracings])


def beating(times, rate_hz=1.2, swing=0.6):
    return 3e4 * (1 - swing / 2 * (1 - np.cos(2 * np.pi * rate_hz * times)))


def test_a_repeated_still_becomes_steady():
    rng = np.random.default_rng(0)
    clean, found = half_ellipsoid(turn=0.2), []
    for _ in range(50):
        grain = rng.normal(0, 1.5, 2)
        noisy = half_ellipsoid(turn=0.2, length=50 + grain[0], radius=16 + 0.3 * grain[1])
        noisy += 0.05 * rng.standard_normal(clean.shape).astype(np.float32)
        found.append(trace_probabilities(noisy))
    steady = smooth_tracings(found, np.arange(50) / 50)
    assert volumes(steady).std() < 0.6 * volumes(found).std()
    assert volumes(steady).mean() == pytest.approx(volumes(found).mean(), rel=0.01)
    length = [np.std([axis_length(t) for t in run]) for run in (steady, found)]
    assert length[0] < 0.6 * length[1]


@pytest.mark.parametrize("frame_rate", [20, 30, 50, 100])
@pytest.mark.parametrize("rate_hz", [0.8, 1.25, 2.3])
def test_a_smooth_beat_is_not_flattened(frame_rate, rate_hz):
    times = np.arange(int(2 * frame_rate)) / frame_rate
    truth = beating(times, rate_hz)
    steady = volumes(smooth_tracings([model(v) for v in truth], times))
    ef = [100 * (1 - v.min() / v.max()) for v in (steady, truth)]
    assert ef[0] == pytest.approx(ef[1], abs=1.0)


def test_a_moving_and_turning_ventricle_keeps_its_volume():
    times = np.arange(40) / 50
    tracings = [model(3e4, turn=0.8 * t) for t in times]
    assert volumes(smooth_tracings(tracings, times)) == pytest.approx(volumes(tracings), rel=0.01)


def test_a_ventricle_that_lies_on_its_side_has_no_flipping_chords():
    times = np.arange(30) / 50
    tracings = [model(3e4, turn=np.pi / 2 + 0.02 * (-1) ** i) for i in range(30)]
    assert volumes(smooth_tracings(tracings, times)) == pytest.approx(volumes(tracings), rel=0.01)


def test_one_broken_frame_is_corrected_by_its_neighbours():
    times = np.arange(30) / 50
    truth = beating(times)
    tracings = [model(v) for v in truth]
    tracings[12] = model(0.3 * truth[12])
    steady = volumes(smooth_tracings(tracings, times))
    assert steady == pytest.approx(truth, rel=0.04)


def test_a_leak_on_one_frame_of_a_cine():
    mask = labels(size=160, centre=(80.0, 110.0), length=70.0, radius=20.0)
    whole = trace_labels(mask)
    leak = trace_labels(CORRUPTIONS["leak into the atrium, whole"](mask, whole, np.random.default_rng(0)))
    rng = np.random.default_rng(1)
    run = [model(volume_of_tracing(whole) * (1 + 0.005 * rng.standard_normal())) for _ in range(21)]
    run[10] = model(volume_of_tracing(leak) * 1.1)
    assert np.ptp(volumes(smooth_tracings(run, np.arange(21) / 50))) < 0.05 * volume_of_tracing(whole)


def test_chords_keep_the_contract_of_a_tracing():
    times = np.arange(20) / 50
    for aspect in (1.0, 1.6):
        fields = [half_ellipsoid(turn=0.4 + 0.01 * i, length=50 - 0.4 * i) for i in range(20)]
        steady = smooth_tracings(
            [trace_probabilities(f, aspect=aspect) for f in fields], times, aspect=aspect
        )
        for t in steady:
            metric = np.array([1, aspect])
            axis = (t.base - t.apex) * metric
            length = np.hypot(*axis)
            for end in (0, 1):
                along = ((t.chords[:, end] - t.apex) * metric) @ axis / length
                assert along == pytest.approx((np.arange(20) + 0.5) * length / 20)
            assert (t.chords[:, 0, 0] <= t.chords[:, 1, 0]).all()
            assert t.base == pytest.approx(t.mitral.mean(axis=0))


def test_the_contour_that_is_shown_is_the_one_that_is_measured():
    times = np.arange(20) / 50
    own = [trace_probabilities(half_ellipsoid(turn=0.3)) for _ in times]
    for before, after in zip(own, smooth_tracings(own, times), strict=True):
        a, b = (mask_of_contour(t.contour, (128, 128)) for t in (before, after))
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.985


@pytest.mark.parametrize("tilt", [-0.5, -0.2, 0.0, 0.3, 0.6])
def test_a_slanting_mitral_plane_leaves_no_fold_in_the_contour(tilt):
    # A half ellipse cut off by an aslant plane: its hinge points lie at different depths.
    angle = np.linspace(0, np.pi, 81)
    contour = np.stack([-20 * np.cos(angle), -60 * np.sin(angle)], axis=1) + 100
    contour = np.concatenate([contour, [[120, 100 + 20 * tilt]], [[80, 100 - 20 * tilt]]])
    whole = tracing_of_contour(contour, np.array([100.0, 40.0]), contour[-2:])
    for t in smooth_tracings([whole] * 12, np.arange(12) / 50):
        middle = t.mitral.mean(axis=0)
        half = (t.mitral[1] - t.mitral[0]) / 2
        hinges = np.isclose(np.abs((t.contour - middle) @ half), half @ half) & np.isclose(
            np.cross(np.append(half, 0), np.c_[t.contour - middle, np.zeros(len(t.contour))])[:, 2],
            0,
            atol=1e-6,
        )
        assert hinges.sum() == 2
        normal = np.array([-half[1], half[0]]) / np.hypot(*half)
        depth = (t.contour[~hinges] - middle) @ normal
        towards_apex = np.sign((t.apex - middle) @ normal)
        assert (depth * towards_apex > 0.3).all(), "only the hinge points lie on the mitral plane"
        mask = mask_of_contour(t.contour, (128, 200))
        area = (
            abs(
                np.sum(
                    np.cross(
                        np.c_[t.contour, np.zeros(len(t.contour))],
                        np.c_[np.roll(t.contour, -1, 0), np.zeros(len(t.contour))],
                    )[:, 2]
                )
            )
            / 2
        )
        assert mask.sum() == pytest.approx(area, rel=0.02)


def test_stills_and_slow_clips_come_back_as_they_were():
    few = [model(3e4), model(2e4), model(1e4)]
    assert smooth_tracings(few, np.arange(3) / 50) == few
    slow = [model(v) for v in np.linspace(1e4, 3e4, 12)]
    assert all(a is b for a, b in zip(smooth_tracings(slow, np.arange(12) * HALF_WIDTH_S), slow, strict=True))
    assert smooth_tracings([], np.zeros(0)) == []
    assert smooth_tracings([None, None], np.arange(2.0)) == [None, None]


def test_frames_without_a_ventricle_stay_without():
    times = np.arange(30) / 50
    tracings = [model(v) for v in beating(times)]
    gaps = [None if i in (4, 5, 20) else t for i, t in enumerate(tracings)]
    steady = smooth_tracings(gaps, times)
    assert [t is None for t in steady] == [t is None for t in gaps]
    there = [i for i, t in enumerate(gaps) if t is not None]
    assert volumes([steady[i] for i in there]) == pytest.approx(beating(times)[there], rel=0.03)


def test_uneven_times():
    times = np.cumsum(np.random.default_rng(2).uniform(0.01, 0.04, 60))
    truth = beating(times)
    assert volumes(smooth_tracings([model(v) for v in truth], times)) == pytest.approx(truth, rel=0.03)


def test_a_low_near_its_neighbours_is_kept_and_a_lost_frame_is_not():
    """At 20 frames a second: the curve of a public clip whose end-systole stood one frame before its minimum."""
    curve = np.array(
        [81, 77, 70, 64, 57, 52, 48, 47, 45, 44, 42, 43, 43, 42, 41, 39, 40, 37, 35, 42, 45, 51, 57, 63.0]
    )
    assert np.flatnonzero(outliers(curve, 5.0)).tolist() == [18]
    assert not outliers(curve, 5.0, keep_lows=True).any()
    lost = curve.copy()
    lost[10] = 12.0
    assert np.flatnonzero(outliers(lost, 5.0, keep_lows=True)).tolist() == [10]
    assert outliers(200 - curve, 5.0, keep_lows=True)[18]
