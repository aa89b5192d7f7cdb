"""A ventricle that becomes far shorter than hearts do has no EF, or a warning where a reader chose ED and ES."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lvef.core.errors import QualityRefusal
from lvef.core.terms import Decision
from lvef.measure.decision import SHORTENING, decide, with_shortening_warning
from lvef.measure.shape_checks import MIN_LENGTH_RATIO, check_shortening
from lvef.measure.thresholds import DEFAULT
from tests.measure.made_up import beating


def _with_ratio(ratio):
    measurement, _ = beating()
    length = np.full(len(measurement.curve.length), 80.0)
    length[measurement.es_frame] = 80.0 * ratio
    curve = dataclasses.replace(measurement.curve, length=length)
    return dataclasses.replace(
        measurement, curve=curve, notices=(), ef_percent=80.0, ef_low_percent=70.0, ef_high_percent=90.0
    )


@pytest.mark.parametrize("ratio", [0.85, MIN_LENGTH_RATIO, np.nan])
def test_hearts_and_unknown_lengths_raise_no_warning(ratio):
    measurement = _with_ratio(ratio)
    assert with_shortening_warning(measurement) is measurement
    assert decide(measurement, DEFAULT) is Decision.ACCEPTED


def test_a_clip_is_refused():
    for ratio in (0.85, MIN_LENGTH_RATIO, np.nan):
        check_shortening("a.avi", np.array([80.0, 80.0 * ratio]), 0, 1)
    with pytest.raises(QualityRefusal, match=r"a\.avi: at ES the ventricle has 59% of its length") as refusal:
        check_shortening("a.avi", np.array([80.0, 47.2]), 0, 1)
    assert refusal.value.code == "doubtful_contours"


def test_a_ventricle_that_shrinks_with_the_image_asks_for_caution():
    found = with_shortening_warning(_with_ratio(0.5))
    [notice] = found.notices
    assert notice.code == SHORTENING
    for words in ("50%", "60%", "depth or zoom"):
        assert words in notice.text
    assert decide(found, DEFAULT) is Decision.CAUTION
