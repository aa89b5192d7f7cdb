from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

from lvef.core.errors import ConfigError
from lvef.synthesis.animated_stills.appearance import (
    Effects,
    Speckle,
    breathing,
    draw_effects,
    finished,
    gains,
    sector_of,
)
from tests.synthesis.animated_stills.drawn_pair import drawn_pair

TIMES = np.arange(200) / 50


def test_all_is_off_unless_asked_for_and_what_is_drawn_is_allowed():
    assert set(asdict(Effects()).values()) == {0.0}
    drawn = [draw_effects(np.random.default_rng(i)) for i in range(20)]
    assert len({d.noise_levels for d in drawn}) == 20
    assert any(d.blur_px == 0 for d in drawn) and any(d.blur_px > 0 for d in drawn)


@pytest.mark.parametrize(
    ("name", "value"), [("persistence", 1.0), ("noise_levels", -1.0), ("tissue_speckle", np.nan)]
)
def test_impossible_amounts_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        Effects(**{name: value})


def test_speckle_has_unit_deviation_and_forgets_itself():
    pair = drawn_pair()
    sector = sector_of(pair.ed, pair.es)
    speckle = Speckle(sector, pair.ed.shape, TIMES, np.random.default_rng(3))
    frames = np.stack([speckle.tissue(i)[sector.inside] for i in range(100)])
    assert 0.85 < frames.std(axis=1).mean() < 1.15
    near = np.mean([np.corrcoef(frames[i], frames[i + 1])[0, 1] for i in range(0, 80, 5)])
    far = np.mean([np.corrcoef(frames[i], frames[i + 20])[0, 1] for i in range(0, 80, 5)])
    assert near > 0.7 > abs(far) + 0.3
    blood = [speckle.blood()[sector.inside] for _ in range(12)]
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairwise(blood)]) < 0.3


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.5, 0.8)])
def test_breathing_is_a_rigid_motion_in_millimetres(scale):
    scale = np.array(scale)
    effects = Effects(drift_mm=4.0, drift_degrees=3.0)
    poses = breathing(TIMES, effects, np.array([60.0, 70.0]), scale, np.random.default_rng(0))
    points = np.array([[40.0, 50.0], [90.0, 60.0], [60.0, 110.0]])
    moved = points @ poses[:, :, :2].transpose(0, 2, 1) + poses[:, None, :, 2]

    def sides(p):
        return np.hypot(*np.moveaxis((p - np.roll(p, 1, axis=-2)) * scale, -1, 0))

    assert np.abs(sides(moved) - sides(points)).max() < 1e-9
    centre = np.array([60.0, 70.0]) @ poses[:, :, :2].transpose(0, 2, 1) + poses[:, :, 2]
    reach = np.hypot(*((centre - (60, 70)) * scale).T)
    assert 3.0 < reach.max() <= 4.0 + 1e-9
    assert np.hypot(*(np.diff(centre, axis=0) * scale).T).max() < 0.25


def test_without_drift_the_heart_rests():
    poses = breathing(TIMES, Effects(), np.array([60.0, 70.0]), np.ones(2), np.random.default_rng(0))
    assert np.abs(poses - [[1, 0, 0], [0, 1, 0]]).max() < 1e-12


def test_gain_wanders_slowly():
    found = gains(TIMES, Effects(gain_percent=5.0), np.random.default_rng(1))
    assert found.shape == TIMES.shape and 0.005 < found.std() < 0.1
    assert np.abs(np.diff(found)).max() < 0.02
    assert (gains(TIMES, Effects(), np.random.default_rng(1)) == 1).all()
    assert (gains(TIMES[:1], Effects(), np.random.default_rng(1)) == 1).all()


def test_noise_blur_and_persistence_stay_inside():
    frames = np.full((6, 40, 40), 50, np.float32)
    inside = np.zeros((40, 40), bool)
    inside[10:30, 10:30] = True
    frames[:, ~inside] = 0
    effects = Effects(noise_levels=4.0, persistence=0.5, blur_px=0.0)
    out = finished(frames, inside, effects, np.random.default_rng(0))
    assert (out[:, ~inside] == 0).all()
    first, last = out[0][inside].std(), out[-1][inside].std()
    assert first == pytest.approx(4.0, rel=0.25)
    assert last < 0.8 * first  # sqrt(1/3) once settled
    assert finished(frames, inside, Effects(), np.random.default_rng(0)) is frames
    blurred = finished(frames, inside, replace(Effects(), blur_px=1.0), np.random.default_rng(0))
    assert (blurred[:, ~inside] == 0).all() and blurred[0, 20, 20] == pytest.approx(50, abs=0.1)
