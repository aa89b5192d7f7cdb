import re
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.records import Box, PixelAspect, PixelSpacing
from lvef.measure.scale import drop_invalid_region, plausible_curve
from lvef.transforms.sector import Sector
from tests.measure.made_up import beating

MEASUREMENT, CLIP = beating(30, (400, 400))
LENGTH_PX = float(np.linalg.norm(MEASUREMENT.tracings[0].base - MEASUREMENT.tracings[0].apex))
FAN = Sector(Box(0, 0, 400, 400), np.ones((400, 400), bool))


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
