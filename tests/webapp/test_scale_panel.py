"""A line of known length on the page: what a browser may send, where it starts, and the millilitres that follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.core.records import PixelAspect, PixelSpacing
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.webapp.scale_panel import depth_line, needs_scale, parse_line
from lvef.webapp.session import SessionResult
from tests.measure.made_up import beating, refused


@pytest.mark.parametrize(
    "found",
    [None, "1,2,3,4", [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 3, None], [1, 2, 3, True], [1, 2, 3, float("nan")]],
)
def test_what_is_no_line_is_dropped(found):
    assert parse_line(found) is None


def test_a_line_is_four_numbers():
    assert parse_line([1, 2.5, 3, 4]) == (1.0, 2.5, 3.0, 4.0)


def test_it_starts_down_the_middle_of_the_sector():
    _, clip = beating(30, (200, 300))
    x1, y1, x2, y2 = depth_line(clip)
    assert x1 == x2 == pytest.approx(150, abs=6)
    # The made-up sector is a half disc of radius 0.95 of the height.
    assert y1 == pytest.approx(0, abs=6) and y2 == pytest.approx(190, abs=6)
    black = replace(clip, frames=np.zeros_like(clip.frames))
    assert depth_line(black) == (149.5, 0.0, 149.5, 199.0)


def test_a_clip_without_millimetres_needs_a_scale():
    measured, _ = beating()
    assert not needs_scale(measured)
    assert needs_scale(replace(measured, spacing=None))
    assert needs_scale(replace(measured, spacing=PixelAspect(1.2, "Pixel Aspect Ratio")))
    assert needs_scale(replace(measured, spacing=PixelSpacing(0.5, 0.5, "manual: line of 120 mm")))
    assert not needs_scale(refused())


def test_a_line_belongs_to_its_clip_alone():
    item = SessionResult("a.avi", Result(*beating(calibrated=False)), MeasureOptions())
    assert item.options_with_scale(MeasureOptions()) == MeasureOptions()
    item.scale_line = (50.0, 0.0, 50.0, 100.0, 150.0)
    options = item.options_with_scale(MeasureOptions(frame_rate_hz=30.0))
    assert options.scale_line == item.scale_line and options.prefer_manual_scale
    assert options.frame_rate_hz == 30.0
