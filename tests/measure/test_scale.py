import math
import re
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import ConfigError, GeometryError
from lvef.core.records import Box, PixelAspect, PixelSpacing
from lvef.core.terms import View
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.scale import (
    check_scale_options,
    drop_invalid_region,
    options_of_view,
    plausible_curve,
    spacing_of_line,
    with_manual_scale,
)
from lvef.synthesis.phantom.render import sample_phantom
from lvef.transforms.sector import Sector
from tests.measure.made_up import beating

MEASUREMENT, CLIP = beating(30, (400, 400))
LENGTH_PX = float(np.linalg.norm(MEASUREMENT.tracings[0].base - MEASUREMENT.tracings[0].apex))
BARE = replace(CLIP, spacing=None)
FAN = Sector(Box(0, 0, 400, 400), np.ones((400, 400), bool))
BOTH = MeasureOptions(mm_per_px=0.5)


@pytest.mark.parametrize("aspect", [1.0, 2.0])
def test_a_line_in_any_direction_gives_one_scale(aspect):
    geometry = PixelAspect(aspect, "test")
    across = spacing_of_line([(10, 20), (210, 20)], 80.0, (300, 300), geometry)
    down = spacing_of_line([(10, 220), (10, 20)], 80.0 * aspect, (300, 300), geometry)
    slanted = spacing_of_line([(0, 0), (200, 100)], 80.0 * math.hypot(1, aspect / 2), (300, 300), geometry)
    for found in (across, down, slanted):
        assert (found.x_mm, found.y_mm) == pytest.approx((0.4, 0.4 * aspect))
        assert found.is_manual


@pytest.mark.parametrize(
    ("ends", "length", "says"),
    [
        ([(0, 0), (0, 0)], 50.0, "0 pixels long; at least 20"),
        ([(0, 0), (0, 10)], 50.0, "10 pixels long"),
        ([(0, 0), (0, 300)], 50.0, "leaves the image of 300 x 300 pixels"),
        ([(-1, 0), (0, 200)], 50.0, "leaves the image"),
        ([(0, 0), (0, 200)], 0.0, "above 0"),
        ([(0, 0), (0, 200)], -5.0, "above 0"),
        ([(0, 0), (0, 200)], math.nan, "five numbers"),
        ([(0, 0), (0, 200)], 5000.0, "25 mm per pixel; 0.01 to 5"),
    ],
)
def test_a_line_that_cannot_be(ends, length, says):
    with pytest.raises(GeometryError, match=says):
        spacing_of_line(ends, length, (300, 300))


@pytest.mark.parametrize("value", [0.0, -0.3, math.nan, math.inf, 50.0])
def test_millimetres_per_pixel_that_cannot_be(value):
    for name in ("mm_per_px", "a2c_mm_per_px"):
        with pytest.raises(ConfigError, match="mm per pixel cannot be"):
            check_scale_options(MeasureOptions(**{name: value}))


def test_one_way_of_giving_a_scale():
    line = (0.0, 0.0, 0.0, 100.0, 50.0)
    with pytest.raises(ConfigError, match="not both"):
        Measurer(MeasureOptions(mm_per_px=0.3, scale_line=line))
    with pytest.raises(ConfigError, match="5 pixels long"):
        check_scale_options(MeasureOptions(scale_line=(0.0, 0.0, 0.0, 5.0, 50.0)))
    check_scale_options(MeasureOptions(scale_line=line, a2c_mm_per_px=0.3))


def test_the_given_scale_keeps_the_shape_of_the_pixels():
    clip = with_manual_scale(replace(BARE, spacing=PixelAspect(2.0, "container")), FAN, BOTH)
    assert clip.spacing == PixelSpacing(0.25, 0.5, "manual: millimetres per pixel")
    line = MeasureOptions(scale_line=(0.0, 0.0, 0.0, 200.0, 100.0))
    assert with_manual_scale(BARE, FAN, line).spacing == PixelSpacing(0.5, 0.5, "manual: line of 100 mm")
    assert with_manual_scale(BARE, FAN, MeasureOptions()) is BARE
    with pytest.raises(GeometryError, match=r"clip\.avi: .* leaves the image"):
        with_manual_scale(BARE, FAN, replace(line, scale_line=(0.0, 0.0, 0.0, 400.0, 100.0)))


@pytest.mark.parametrize(("mm_per_px", "fits"), [(0.09, False), (0.11, True), (0.99, True), (1.01, False)])
def test_the_sector_has_the_depth_of_one(mm_per_px, fits):
    clip = with_manual_scale(BARE, FAN, MeasureOptions(mm_per_px=mm_per_px))
    assert (clip.scale is not None) == fits
    assert ("mm deep; 40 to 400 mm" in clip.spacing_note) == (not fits)
    assert ("implausible_scale" in {n.code for n in clip.notices}) == (not fits)


def test_a_scale_of_the_file_counts_more_unless_told_otherwise():
    own = replace(BARE, spacing=PixelSpacing(0.4, 0.4, "Pixel Spacing"))
    kept = with_manual_scale(own, FAN, BOTH)
    assert kept.spacing == own.spacing
    [notice] = kept.notices
    assert notice.code == "scale_contradicts_file"
    assert "25% more than the file's, volumes by 95%; that of the file is used" in notice.text
    taken = with_manual_scale(own, FAN, replace(BOTH, prefer_manual_scale=True))
    assert taken.spacing.is_manual
    assert taken.notices[0].text.endswith("the scale given is used.")
    assert with_manual_scale(own, FAN, MeasureOptions(mm_per_px=0.401)) is own


def test_a_view_may_have_a_scale_of_its_own():
    options = MeasureOptions(mm_per_px=0.3, a2c_mm_per_px=0.4)
    assert options_of_view(options, View.A4C) == MeasureOptions(mm_per_px=0.3)
    assert options_of_view(options, View.A2C) == MeasureOptions(mm_per_px=0.4)
    assert options_of_view(MeasureOptions(mm_per_px=0.3), View.A2C).mm_per_px == 0.3
    assert options_of_view(MeasureOptions(mm_per_px=0.3, a2c_keeps_scale=True), View.A2C) == MeasureOptions()


@pytest.mark.parametrize(("length_mm", "says"), [(45.0, "50 to 130 mm"), (90.0, ""), (140.0, "50 to 130 mm")])
def test_the_ventricle_has_the_size_of_an_adult_one(length_mm, says):
    length_px = float(np.linalg.norm(MEASUREMENT.tracings[0].base - MEASUREMENT.tracings[0].apex))
    side = length_mm / length_px
    clip, curve = plausible_curve(
        replace(CLIP, spacing=PixelSpacing(side, side, "manual: x")), MEASUREMENT.tracings
    )
    assert curve.calibrated == (not says)
    assert says in clip.spacing_note


@pytest.mark.slow
def test_a_clip_without_millimetres_gets_them():
    made = sample_phantom().clip
    bare = replace(made, spacing=None, frames=made.frames[:50], times_s=made.times_s[:50])
    plain = Measurer(MeasureOptions(precision="f32"))
    without, known = plain.measure_clip(bare), plain.measure_clip(replace(bare, spacing=made.spacing))
    line = (100.0, 0.0, 100.0, 100.0, 100 * made.spacing.y_mm)
    given = plain.with_options(MeasureOptions(scale_line=line)).measure_clip(bare)
    assert without.edv_ml is None
    assert given.spacing.source.startswith("manual")
    assert "manual_scale" in {n.code for n in given.notices}
    assert (given.ef_percent, given.edv_ml) == pytest.approx((known.ef_percent, known.edv_ml))
    wrong = plain.with_options(MeasureOptions(mm_per_px=0.12)).measure_clip(bare)
    assert (wrong.edv_ml, wrong.spacing) == (None, None)
    assert wrong.ef_percent == pytest.approx(without.ef_percent)
    assert "scale is not used" in wrong.volume_note
    assert "manual_scale" not in {n.code for n in wrong.notices}


@pytest.mark.parametrize(
    ("length_mm", "fits"), [(20.0, False), (27.0, True), (90.0, True), (155.0, True), (175.0, False)]
)
@pytest.mark.parametrize("aspect", [1.0, 2.0])
def test_the_ventricle_has_the_size_of_one(length_mm, fits, aspect):
    # The long axis of these tracings is upright.
    y = length_mm / LENGTH_PX
    clip = replace(CLIP, spacing=PixelSpacing(y / aspect, y, "Pixel Spacing"))
    found, curve = plausible_curve(clip, MEASUREMENT.tracings)
    assert curve.calibrated == fits
    assert found.pixel_aspect == aspect
    relative = plausible_curve(replace(clip, spacing=PixelAspect(aspect, "test")), MEASUREMENT.tracings)[1]
    np.testing.assert_allclose(curve.volume / curve.volume[0], relative.volume / relative.volume[0])
    if fits:
        assert found is clip
    else:
        assert found.scale is None
        told = float(re.search(r"would be (\S+) mm long", found.spacing_note)[1])
        assert told == pytest.approx(length_mm, rel=0.05)
        assert [n.code for n in found.notices] == ["implausible_scale"]


def test_one_frame_gone_wrong_does_not_cost_the_scale():
    odd = replace(MEASUREMENT.tracings[0], base=MEASUREMENT.tracings[0].apex + np.array([0.0, 390.0]))
    clip = replace(CLIP, spacing=PixelSpacing(0.5, 0.5, "test"))
    assert plausible_curve(clip, (odd, *MEASUREMENT.tracings[1:]))[1].calibrated


def test_nothing_traced_and_no_scale_are_left_alone():
    assert plausible_curve(CLIP, (None,) * 30)[0] is CLIP
    assert plausible_curve(replace(CLIP, spacing=None), MEASUREMENT.tracings)[0].spacing is None


def test_a_void_region_takes_the_scale_with_it():
    clip = replace(CLIP, region=Box(10, 10, 300, 300), spacing=PixelSpacing(0.5, 1.0, "region"))
    assert drop_invalid_region(clip, FAN) is clip
    void = drop_invalid_region(clip, replace(FAN, region_void=True))
    assert (void.region, void.spacing) == (None, PixelAspect(2.0, "region"))
    assert "(10,10)-(299,299)" in void.spacing_note
    assert [n.code for n in void.notices] == ["region_void"]
    bare = drop_invalid_region(
        replace(clip, spacing=None, spacing_note="none"), replace(FAN, region_void=True)
    )
    assert bare.spacing_note == "none"
