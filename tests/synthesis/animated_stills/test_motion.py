import numpy as np
import pytest

from lvef.core.terms import View
from lvef.geometry.ejection import ejection_fraction
from lvef.synthesis.animated_stills import motion
from lvef.synthesis.animated_stills.motion import AREA_LIMITS, fit_contraction
from tests.geometry.ventricle_shapes import true_volume
from tests.synthesis.animated_stills.drawn_pair import ED, ES, SPACING, drawn_pair


@pytest.fixture(scope="module")
def heart():
    return fit_contraction(drawn_pair())


def test_the_ends_have_the_volumes_of_the_bodies(heart):
    scale = SPACING.x_mm**3 / 1000
    for level, shape in ((0.0, ED), (1.0, ES)):
        assert heart.volume(level) == pytest.approx(
            true_volume(shape["length"], shape["radius"]) * scale, rel=0.03
        )


def test_volume_falls_and_its_level_is_found_again(heart):
    assert (np.diff(heart.volumes) < 0).all()
    wanted = np.linspace(heart.volumes[-1], heart.volumes[0], 37)
    levels = heart.levels_of(wanted)
    assert (np.diff(levels) < 0).all()
    measured = [motion._volume(heart.contour(heart.lv, level), heart.pair) for level in levels]
    assert np.abs(np.array(measured) / wanted - 1).max() < 1e-4
    beyond = heart.levels_of(np.array([2 * wanted[-1], 0.0]))
    assert beyond == pytest.approx([heart.levels[0], heart.levels[-1]])


@pytest.mark.parametrize("ef", [10.0, 25.0, 40.0, 55.0, 65.0, 75.0])
def test_every_usual_ef_can_be_had(heart, ef):
    ed, es, found = heart.levels_for_ef(ef)
    assert found == pytest.approx(ef, abs=0.2)
    assert found == pytest.approx(ejection_fraction(heart.volume(ed), heart.volume(es)), abs=1e-9)
    assert heart.levels[0] - 1e-9 <= ed < es <= heart.levels[-1] + 1e-9


def test_the_own_ef_needs_nothing_beyond_the_stills(heart):
    ed, es, _ = heart.levels_for_ef(heart.own_ef_percent)
    assert (ed, es) == pytest.approx((0.0, 1.0), abs=1e-3)


def test_an_ef_out_of_reach_gives_the_nearest(heart):
    ed, es, found = heart.levels_for_ef(99.0)
    assert (ed, es) == pytest.approx((heart.levels[0], heart.levels[-1]))
    assert found < 99


def test_nothing_folds_and_extrapolation_stays_within_its_limits(heart):
    low, high = heart.flow.range
    used = (heart.flow.times >= min(low, -1) - 1e-9) & (heart.flow.times <= max(high, 1) + 1e-9)
    assert heart.flow.areas[used, 0].min() > 0
    assert heart.levels[0] >= -high - 1e-9 and heart.levels[-1] <= 1 - low + 1e-9
    within = (heart.flow.times >= low) & (heart.flow.times <= high)
    assert heart.flow.areas[within, 0].min() >= AREA_LIMITS[0]
    assert heart.flow.areas[within, 1].max() <= AREA_LIMITS[1]


def test_without_a_scale_volumes_are_cubic_pixels():
    heart = fit_contraction(drawn_pair(spacing=None, view=View.A2C))
    assert heart.volume(0.0) == pytest.approx(true_volume(ED["length"], ED["radius"]), rel=0.03)
