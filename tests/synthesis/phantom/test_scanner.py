"""What the simulated scanner does to points, noise and levels."""

import numpy as np
import pytest

from lvef.synthesis.phantom.plane import Contours
from lvef.synthesis.phantom.scanner import Beam, Imaging, Scanner

QUIET = Scanner(
    noise_grey=-400,
    near_clutter_db=-200,
    haze_db=-200,
    far_haze_db=0,
    behind_grey=-400,
    rim_grey=0,
    uneven_db=0,
    persistence=0,
    cavity_grey=-400,
    n_beams=161,
)
NOWHERE = np.zeros((0, 2))
EMPTY = Contours(NOWHERE, NOWHERE, NOWHERE, NOWHERE, (), ())


def shown(points, scanner=QUIET, amplitude=None, contours=EMPTY, seed=0):
    rng = np.random.default_rng(seed)
    points = np.asarray(points, np.float32).reshape(-1, 3)
    weights = np.ones(len(points), np.complex64) if amplitude is None else amplitude
    return Imaging(scanner, 50.0, rng).frame(points, weights, contours)


def test_a_point_shows_where_it_is():
    angle = np.deg2rad(12)
    grey = shown([[90 * np.sin(angle), 90 * np.cos(angle), 0]])
    sample, beam = np.unravel_index(grey.argmax(), grey.shape)
    assert sample * 0.5 == pytest.approx(90, abs=0.5)
    assert -38 + beam * 76 / 160 == pytest.approx(12, abs=0.5)


def test_the_spread_is_as_set_in_depth_and_angle():
    scanner = Scanner(
        **{f: getattr(QUIET, f) for f in QUIET.__dataclass_fields__}
        | {"pulse_mm": 1.5, "beam_deg": 1.5, "smooth_mm": 0.0, "smooth_deg": 0.0, "dynamic_range_db": 120.0}
    )
    grey = shown([[0, 90, 0]], scanner)
    power = 10 ** (grey.astype(float) * 120 / 255 / 10)
    sample, beam = np.unravel_index(grey.argmax(), grey.shape)
    for profile, step, sigma in ((power[:, beam], 0.5, 1.5), (power[sample], 76 / 160, 1.5)):
        weight = profile - profile.min()
        x = np.arange(len(profile)) * step
        middle = (weight * x).sum() / weight.sum()
        # of the power; that of the amplitude is wider by the root of 2
        assert np.sqrt((weight * (x - middle) ** 2).sum() / weight.sum()) == pytest.approx(
            sigma / np.sqrt(2), rel=0.1
        )


def test_a_point_out_of_the_plane_is_weaker():
    assert shown([[0, 90, 4]]).max() < shown([[0, 90, 0]]).max() - 20


def tissue(rng, n_per_mm3=0.35):
    n = rng.poisson(n_per_mm3 * 80 * 80 * 18)
    points = rng.uniform([-40, 40, -9], [40, 120, 9], (n, 3)).astype(np.float32)
    white = (rng.standard_normal(n) + 1j * rng.standard_normal(n)) / np.sqrt(2)
    return points, white.astype(np.complex64)


def test_plain_myocardium_has_the_grey_level_that_is_asked_for():
    points, amplitude = tissue(np.random.default_rng(1))
    for wall in (80.0, 130.0):
        scanner = Scanner(**{f: getattr(QUIET, f) for f in QUIET.__dataclass_fields__} | {"wall_grey": wall})
        inside = shown(points, scanner, amplitude)[120:200, 70:91]
        assert inside.mean() == pytest.approx(wall, abs=8)


def test_a_shadow_darkens_its_beams_from_its_depth_on():
    points, amplitude = tissue(np.random.default_rng(2))
    shadow = Beam(angle=0.0, width=0.15, from_mm=80, to_mm=1000, loss_db=20)
    scanner = Scanner(**{f: getattr(QUIET, f) for f in QUIET.__dataclass_fields__} | {"weakened": (shadow,)})
    clear, dark = shown(points, amplitude=amplitude), shown(points, scanner, amplitude)
    behind, before = (slice(176, 220), slice(76, 85)), (slice(100, 144), slice(76, 85))
    assert clear[behind].mean() - dark[behind].mean() == pytest.approx(20 / 58 * 255, abs=12)
    assert clear[before].mean() == pytest.approx(dark[before].mean(), abs=2)


def test_blood_changes_from_frame_to_frame_and_still_tissue_does_not():
    square = np.array([[-20.0, 60], [20, 60], [20, 100], [-20, 100]])
    contours = Contours(square, NOWHERE, NOWHERE, NOWHERE, (), (square,))
    scanner = Scanner(**{f: getattr(QUIET, f) for f in QUIET.__dataclass_fields__} | {"cavity_grey": 60.0})
    imaging = Imaging(scanner, 50.0, np.random.default_rng(3))
    points, amplitude = tissue(np.random.default_rng(4))
    outside = (np.abs(points[:, 0]) > 22) | (points[:, 1] < 58) | (points[:, 1] > 102)
    frames = [imaging.frame(points[outside], amplitude[outside], contours).copy() for _ in range(2)]
    blood, wall = (slice(130, 190), slice(65, 95)), (slice(130, 190), slice(10, 25))
    assert frames[0][blood].mean() == pytest.approx(60, abs=10)

    def alike(where):
        return np.corrcoef(frames[0][where].ravel(), frames[1][where].ravel())[0, 1]

    assert alike(blood) < 0.6
    assert alike(wall) > 0.99
