"""Clips that are refused because contours, not the heart, make the curve."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from lvef.core.terms import Decision, Status
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.predictor import TracedFrames
from lvef.measure.results import RefusalWithCurve, failed_measurement
from tests.measure.broken_clips import noisy
from tests.measure.made_up import ellipse_tracing

CINE = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))


@pytest.fixture(scope="module")
def measurer():
    return Measurer(MeasureOptions(precision="f32"))


class _Drawn:
    """A network whose contours follow given cycles, with as much wall around them as is wanted."""

    structures, gives_masks = ("left ventricle", "myocardium"), False

    def __init__(self, real, times, cycles_s, contact=0.95, depth=0.12):
        self.entry, self.engine = real.entry, real.engine
        self.structures, self.gives_masks = real.structures, real.gives_masks
        ends = np.cumsum([0.0, *cycles_s])
        cycle = np.clip(np.searchsorted(ends, times, side="right") - 1, 0, len(cycles_s) - 1)
        phase = (times - ends[cycle]) / np.asarray(cycles_s)[cycle]
        self._size = 1 - depth * (1 - np.cos(2 * np.pi * phase))
        self._contact = contact

    def shown(self, clip, sector):
        return clip.frames, sector.box

    def corrected(self, tracings, borders, aspect):
        return tracings

    def trace(self, frames, box, spacing, context, *, seen=None):
        tracings = tuple(ellipse_tracing((160.0, 120.0), (30 * s, 60 * s)) for s in self._size)
        return TracedFrames(tracings, np.full(len(frames), self._contact), True, {})


def _long_clip(cycles_s):
    clip = open_clip(CINE)
    n = int(50 * sum(cycles_s))
    clip = replace(
        clip, frames=np.resize(clip.frames, (n, *clip.frames.shape[1:])), times_s=np.arange(n) / 50
    )
    # The same frames again would be a loop.
    return replace(clip, frames=noisy(clip.frames, 15))


@pytest.mark.parametrize(
    ("contact", "cycles_s", "status"),
    [
        (0.95, [0.8] * 6, Status.OK),
        (0.70, [0.8] * 6, Status.OK),
        (0.95, [0.6, 1.1, 0.7, 1.2, 0.6, 0.9], Status.OK),
        (0.70, [0.6, 1.1, 0.7, 1.2, 0.6, 0.9], Status.REFUSED),
    ],
)
def test_weak_walls_and_unsteady_cycles_at_once_are_no_answer(measurer, contact, cycles_s, status):
    """Each alone is a warning; both together may be the contour's own doing."""
    clip = _long_clip(cycles_s)
    drawn = copy(measurer)
    drawn.predictor = _Drawn(measurer.predictor, clip.times_s, cycles_s, contact)
    try:
        measurement = drawn.measure_clip(clip)
    except RefusalWithCurve as refusal:
        measurement = failed_measurement(clip.source, refusal, clip)
    assert measurement.status is status
    codes = {notice.code for notice in measurement.notices}
    assert ("weak_walls" in codes) == (contact < 0.8)
    assert ("irregular_rhythm" in codes) == (len(set(cycles_s)) > 1)
    assert measurement.curve is not None
    assert len(measurement.beats) >= 4
    if status is Status.REFUSED:
        assert (measurement.reason_code, measurement.ef_percent) == ("doubtful_contours", None)
        assert (
            "only 70% of the cavity border touches myocardium or atrium; in addition, the cycles vary by"
            in measurement.reason
        )
    else:
        assert measurement.ef_percent == pytest.approx(100 * (1 - 0.76**3), abs=2)


def test_a_ventricle_that_becomes_shorter_than_any_heart_is_no_answer_unless_a_reader_chose_the_frames(
    measurer,
):
    cycles_s = [0.8] * 4
    clip, drawn = _long_clip(cycles_s), copy(measurer)
    drawn.predictor = _Drawn(measurer.predictor, clip.times_s, cycles_s, depth=0.22)
    message = "at ES the ventricle has 56% of its length at ED, hearts have at least 60%"
    with pytest.raises(RefusalWithCurve, match=message) as found:
        drawn.measure_clip(clip)
    refused = failed_measurement(clip.source, found.value, clip)
    assert (refused.reason_code, refused.ef_percent, refused.ef_mean_percent) == (
        "doubtful_contours",
        None,
        None,
    )
    assert refused.curve is not None
    drawn.options = replace(drawn.options, ed_frame=40, es_frame=60)
    chosen = drawn.measure_clip(clip)
    assert chosen.ef_percent > 70
    assert chosen.decision == Decision.CAUTION
    assert "implausible_shortening" in {notice.code for notice in chosen.notices}
