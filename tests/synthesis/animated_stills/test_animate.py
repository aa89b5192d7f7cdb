import cv2
import numpy as np
import pytest

from lvef.core.errors import ConfigError
from lvef.core.terms import Structure, View
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.synthesis.animated_stills.animate import AnimationOptions, animate_stills
from lvef.synthesis.animated_stills.appearance import Effects
from lvef.synthesis.animated_stills.motion import fit_contraction
from lvef.synthesis.volume_curves import RhythmKind
from tests.synthesis.animated_stills.drawn_pair import drawn_pair, image

PLAIN = {"rhythm": RhythmKind.SINUS, "heart_rate_bpm": 60.0, "frame_rate_hz": 50.0, "effects": Effects()}


@pytest.fixture(scope="module")
def heart():
    return fit_contraction(drawn_pair())


def _clip(heart, seed=4, **options):
    return animate_stills(heart, AnimationOptions(**options), np.random.default_rng(seed), name="drawn0001")


def _dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_ed_and_es_frames_are_the_stills(heart):
    made = _clip(heart, own_ef=True, size=None, **PLAIN)
    beat = made.beats[0]
    for frame, still in ((beat.ed_frame, heart.pair.ed), (beat.es_frame, heart.pair.es)):
        assert np.abs(made.clip.frames[frame].astype(int) - still).max() <= 1
    assert beat.plane_ef_percent == pytest.approx(heart.own_ef_percent, abs=0.05)


def test_resized_ed_frame_is_the_padded_resized_still(heart):
    made = _clip(heart, own_ef=True, **PLAIN)
    assert made.clip.frames.shape[1:] == (112, 112)
    square = np.zeros((140, 140), np.float32)
    square[6:134] = heart.pair.ed
    expected = cv2.resize(square, (112, 112), interpolation=cv2.INTER_AREA)
    assert np.abs(made.clip.frames[made.beats[0].ed_frame] - expected).max() <= 1
    assert made.clip.spacing.x_mm == pytest.approx(1.2 * 140 / 112)


@pytest.mark.parametrize(("kind", "ef"), list(zip(RhythmKind, (12.0, 50.0, 72.0), strict=True)))
def test_the_plane_volume_is_the_curve(heart, kind, ef):
    made = _clip(heart, ef_percent=ef, rhythm=kind, effects=Effects(drift_mm=4, drift_degrees=3))
    assert made.beats
    usual = [b for b in made.beats if b.kind == "normal"]
    for beat in usual:
        assert beat.plane_ef_percent == pytest.approx(
            beat.ef_percent, abs=1.5
        )  # a frame beside the flat top or bottom
    measured = np.array([volume_of_tracing(t, made.clip.spacing) for t in made.tracings])
    assert made.plane_volume_ml == pytest.approx(measured, rel=1e-9)
    assert made.volume_ml is made.plane_volume_ml
    if kind is RhythmKind.SINUS:
        assert made.plane_volume_ml.max() == pytest.approx(
            heart.volume(made.parameters["ed_level"]), rel=0.005
        )
        assert 100 * (1 - made.plane_volume_ml.min() / made.plane_volume_ml.max()) == pytest.approx(
            ef, abs=0.5
        )


def test_labels_agree_with_tracings_and_follow_the_breath(heart):
    made = _clip(heart, ef_percent=60.0, n_frames=40, effects=Effects(drift_mm=8, drift_degrees=4))
    for labels, tracing in zip(made.labels, made.tracings, strict=True):
        assert _dice(labels == Structure.LV, mask_of_contour(tracing.contour, labels.shape) > 0) > 0.97
    assert {int(v) for v in np.unique(made.labels)} == {0, 1, 2, 3}
    areas = np.array([(made.labels == Structure.MYOCARDIUM).sum(axis=(1, 2))])
    assert areas.min() > 0.6 * areas.max()


def test_the_masks_can_be_traced_to_the_same_volume(heart):
    made = _clip(heart, ef_percent=55.0, size=None, **PLAIN)
    again = [volume_of_tracing(trace_labels(labels), made.clip.spacing) for labels in made.labels[::4]]
    share = np.array(again) / made.plane_volume_ml[::4]
    assert abs(np.median(share) - 1) < 0.015
    assert np.abs(share - 1).max() < 0.08  # a hinge that is found a pixel beside its place


def test_same_seed_same_clip_and_another_seed_another(heart):
    first, second = (_clip(heart, seed=7, n_frames=12) for _ in range(2))
    assert (first.clip.frames == second.clip.frames).all()
    assert (first.labels == second.labels).all()
    assert first.parameters == second.parameters
    assert not np.array_equal(first.clip.frames, _clip(heart, seed=8, n_frames=12).clip.frames)


def test_a_pair_and_its_heart_give_the_same(heart):
    options = AnimationOptions(n_frames=5)
    made = [animate_stills(x, options, np.random.default_rng(1), name="a") for x in (heart, heart.pair)]
    assert (made[0].clip.frames == made[1].clip.frames).all()


def test_the_sector_stands_still_while_the_heart_moves(heart):
    effects = Effects(drift_mm=8, drift_degrees=4, tissue_speckle=0.5, noise_levels=3, persistence=0.2)
    made = _clip(heart, ef_percent=60.0, n_frames=30, size=None, effects=effects, frame_rate_hz=25.0)
    dark = made.clip.frames.max(axis=0) == 0
    assert (dark == ((heart.pair.ed == 0) & (heart.pair.es == 0))).mean() > 0.999
    lit = made.clip.frames[:, heart.sector.inside]
    assert lit.mean() > 40 and (lit == 0).mean() < 0.01


@pytest.mark.parametrize(
    ("effects", "most"), [(Effects(), 0.08), (Effects(tissue_speckle=0.5, blood_speckle=0.9), 0.12)]
)
def test_local_deviation_stays_over_the_beat(heart, effects, most):
    grey = np.zeros_like(heart.pair.ed_labels)
    pair = drawn_pair(ed=image(grey, 1), es=image(grey, 2))  # speckle alone, no edges
    made = animate_stills(
        pair,
        AnimationOptions(own_ef=True, size=None, n_frames=55, **PLAIN | {"effects": effects}),
        np.random.default_rng(3),
        name="a",
    )
    for structures in ((Structure.LV, Structure.LA), (Structure.MYOCARDIUM, Structure.BACKGROUND)):
        found = np.array(
            [
                frame[np.isin(labels, structures) & heart.sector.inside].std()
                for frame, labels in zip(made.clip.frames, made.labels, strict=True)
            ]
        )
        assert np.abs(found / found.mean() - 1).max() < most  # a plain blend falls to 0.7


def test_motion_is_smooth_in_time(heart):
    made = _clip(heart, ef_percent=70.0, n_frames=70, **PLAIN | {"frame_rate_hz": 80.0})
    contours = np.stack([t.contour for t in made.tracings])
    steps = np.hypot(*np.moveaxis(np.diff(contours, axis=0), -1, 0))
    assert steps.max() < 1.5
    assert np.abs(np.diff(made.clip.frames.astype(int), axis=0)).mean() < 8


def test_what_cannot_be_reached_is_drawn_as_near_as_can_be_and_reported(heart):
    made = _clip(heart, ef_percent=99.5, **PLAIN)
    assert made.parameters["asked_ef_percent"] == 99.5
    assert made.parameters["ef_percent"] < 99
    assert any("nearest" in note for note in made.parameters["notes"])
    assert made.representative.plane_ef_percent == pytest.approx(made.parameters["ef_percent"], abs=0.3)


def test_fibrillation_beyond_reach_is_held_and_its_truth_is_what_was_drawn(heart):
    made = _clip(heart, seed=3, ef_percent=99.5, **PLAIN | {"rhythm": RhythmKind.FIBRILLATION})
    assert any("limited" in note for note in made.parameters["notes"])
    assert made.plane_volume_ml.max() <= heart.volumes[0] * 1.001
    for beat in made.beats:
        assert beat.plane_ef_percent == pytest.approx(beat.ef_percent, abs=1.5)


def test_without_a_scale_there_are_no_millimetres(heart):
    made = animate_stills(
        drawn_pair(spacing=None, view=View.A2C),
        AnimationOptions(n_frames=4),
        np.random.default_rng(0),
        name="a",
    )
    assert made.clip.spacing is None and made.clip.spacing_note
    assert made.parameters["volume_unit"] == "cubic pixels"
    assert made.clip.view is View.A2C


@pytest.mark.parametrize(
    "values", [{"own_ef": True, "ef_percent": 40.0}, {"ef_percent": 100.0}, {"size": 8}, {"n_frames": 0}]
)
def test_impossible_wishes_are_refused(values):
    with pytest.raises(ConfigError):
        AnimationOptions(**values)


def test_one_frame_is_a_clip(heart):
    made = _clip(heart, n_frames=1)
    assert made.clip.frames.shape == (1, 112, 112) and made.beats == ()
