"""Whole phantoms: their truth agrees with itself, their seed decides all."""

from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import ConfigError
from lvef.core.terms import Structure, View
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.tracing import trace_labels, volume_curve_of_tracings
from lvef.synthesis.phantom.draw import PhantomOptions, Walls, draw_phantom
from lvef.synthesis.phantom.render import render_phantom, valve_opening
from lvef.synthesis.volume_curves import RhythmKind

SHORT = PhantomOptions(rhythm=RhythmKind.SINUS, heart_rate_bpm=70, frame_rate_hz=30, n_frames=64)


def make(seed, options=SHORT):
    rng = np.random.default_rng(seed)
    return render_phantom(draw_phantom(rng, options, name="x"), rng)


@pytest.fixture(scope="module")
def phantom():
    return make(5)


def test_shapes_and_truth_belong_together(phantom):
    clip = phantom.clip
    assert clip.frames.shape == phantom.labels.shape == (64, 112, 112)
    assert clip.frames.dtype == phantom.labels.dtype == np.uint8
    assert len(phantom.tracings) == 64
    curve = volume_curve_of_tracings(phantom.tracings, clip.times_s, clip.spacing)
    assert curve.calibrated
    assert phantom.plane_volume_ml == pytest.approx(curve.volume)
    for beat in phantom.beats:
        assert beat.ed_time_s < beat.es_time_s < beat.end_time_s <= clip.times_s[-1]
        assert beat.plane_ef_percent == pytest.approx(
            ejection_fraction(phantom.plane_volume_ml[beat.ed_frame], phantom.plane_volume_ml[beat.es_frame])
        )
        in_space = ejection_fraction(phantom.volume_ml[beat.ed_frame], phantom.volume_ml[beat.es_frame])
        assert in_space == pytest.approx(beat.ef_percent, abs=1.5)  # frames beside the true instants


def test_labels_are_the_contours(phantom):
    for frame in (0, 20, 40):
        traced = trace_labels(phantom.labels[frame])
        true = phantom.tracings[frame]
        assert np.hypot(*(traced.apex - true.apex)) < 2.5
        assert np.hypot(*(traced.base - true.base)) < 2.5
        lv = phantom.labels[frame] == Structure.LV
        spacing = phantom.clip.spacing.x_mm
        assert lv.sum() == pytest.approx(shoelace(true.contour), rel=0.03)
        assert lv.sum() * spacing**2 > 500  # square millimetres: a heart, not a dot
        assert set(np.unique(phantom.labels[frame])) == set(Structure)


def test_outside_the_sector_is_black(phantom):
    corners = [phantom.clip.frames[:, :20, :20], phantom.clip.frames[:, :20, -20:]]
    assert max(int(c.max()) for c in corners) == 0
    assert phantom.clip.frames.max() > 150


def test_the_image_moves_with_the_truth(phantom):
    """Blood is darker than the wall on every frame, where the truth says that they are."""
    for frame, labels in zip(phantom.clip.frames[::7], phantom.labels[::7], strict=True):
        assert frame[labels == Structure.MYOCARDIUM].mean() > frame[labels == Structure.LV].mean() + 10


def test_a_seed_decides_all():
    small = PhantomOptions(n_frames=6, size=64)
    first, again, other = make(3, small), make(3, small), make(4, small)
    assert np.array_equal(first.clip.frames, again.clip.frames)
    assert first.parameters == again.parameters
    assert first.beats == again.beats
    assert not np.array_equal(first.clip.frames, other.clip.frames)


@pytest.mark.slow
def test_walls_of_experts_leave_the_truth_of_the_cavity_as_it_is():
    """Same curve, EF and contours; masks are the drawn contours; thicker walls that gain no area in the plane."""
    options = PhantomOptions(
        ef_percent=60, rhythm=RhythmKind.SINUS, heart_rate_bpm=90, frame_rate_hz=20, n_frames=30
    )
    default = make(5, options)
    expert = make(5, replace(options, walls=Walls.EXPERT))
    assert default.parameters["walls"] == "incompressible"
    assert expert.parameters["walls"] == "expert"
    assert expert.parameters["shape"]["wall_loss"] > default.parameters["shape"]["wall_loss"] == 0
    assert expert.beats == default.beats
    assert np.array_equal(expert.volume_ml, default.volume_ml)
    assert np.array_equal(expert.labels == Structure.LV, default.labels == Structure.LV)
    beat = expert.representative
    areas = {}
    for kind, clip in (("default", default), ("expert", expert)):
        areas[kind] = [
            int((clip.labels[f] == Structure.MYOCARDIUM).sum()) for f in (beat.ed_frame, beat.es_frame)
        ]
        for frame, area in zip((beat.ed_frame, beat.es_frame), areas[kind], strict=True):
            contour, mm = clip.tracings[frame].contour, clip.clip.spacing.x_mm
            assert (clip.labels[frame] == Structure.LV).sum() == pytest.approx(shoelace(contour), rel=0.03)
            assert area * mm**2 > 1000
    assert areas["expert"][0] > 1.15 * areas["default"][0]
    assert areas["default"][1] / areas["default"][0] > 1.08
    assert areas["expert"][1] / areas["expert"][0] < 1.03


def shoelace(contour):
    x, y = contour.T
    return 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


@pytest.mark.parametrize("ef", [10, 40, 75])
def test_ef_is_as_asked(ef):
    phantom = make(
        11,
        PhantomOptions(
            ef_percent=ef, rhythm=RhythmKind.SINUS, heart_rate_bpm=90, frame_rate_hz=40, size=64, n_frames=80
        ),
    )
    assert {round(b.ef_percent, 6) for b in phantom.beats} == {ef}
    assert phantom.volume_ml.min() == pytest.approx((1 - ef / 100) * phantom.volume_ml.max(), rel=0.01)
    # the plane sees nearly the same, as long as it is not foreshortened much
    assert phantom.representative.plane_ef_percent == pytest.approx(ef, abs=9)


def test_two_chambers():
    phantom = make(2, PhantomOptions(view=View.A2C, n_frames=4))
    assert phantom.clip.view == View.A2C
    assert set(np.unique(phantom.labels[0])) == set(Structure)


def test_foreshortening_shortens_the_axis():
    lengths = []
    for out in (0.0, 14.0):
        phantom = make(8, PhantomOptions(foreshortening_mm=out, n_frames=2))
        tracing = phantom.tracings[0]
        lengths.append(np.hypot(*(tracing.base - tracing.apex)) * phantom.clip.spacing.x_mm)
    assert lengths[1] < 0.97 * lengths[0]


def test_the_valve_is_open_in_filling_and_shut_in_systole():
    rng = np.random.default_rng(0)
    case = draw_phantom(rng, SHORT)
    rhythm = case.acquisition.rhythm
    systole = (rhythm.ed_times_s[:3] + rhythm.es_times_s[:3]) / 2
    filling = rhythm.es_times_s[:3] + 0.14
    assert valve_opening(rhythm, systole).max() == 0
    assert valve_opening(rhythm, filling).min() > 0.6


@pytest.mark.parametrize(
    "wrong",
    [
        {"ef_percent": 90},
        {"heart_rate_bpm": 10},
        {"frame_rate_hz": 1000},
        {"n_frames": 1},
        {"size": 8},
        {"view": View.UNKNOWN},
        {"foreshortening_mm": -1},
        {"depth_mm": 20},
    ],
)
def test_what_cannot_be_is_said(wrong):
    with pytest.raises(ConfigError, match="phantom"):
        draw_phantom(np.random.default_rng(0), PhantomOptions(**wrong))
