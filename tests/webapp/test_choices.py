"""A visitor's choices and the options of a measurement that follow."""

from __future__ import annotations

import pytest

from lvef.core.terms import Sex, View
from lvef.measure.options import AUTO, MeasureOptions
from lvef.service.errors import ApiError
from lvef.webapp.choices import DEFAULTS, measure_options, parse_choices, parse_scale
from lvef.webapp.sessions import CLIP, STILLS, STUDY

MODELS = {"own": "/somewhere/own", "other": "other"}
BASE = MeasureOptions(weights="/somewhere/own", threads=3)


def test_what_is_not_said_stays_as_it_was():
    before = parse_choices({"sex": "F", "height_cm": 170, "weight_kg": 60}, {}, MODELS)
    after = parse_choices({"view": "A4C", "sex": None}, before, MODELS)
    assert after == {**DEFAULTS, "height_cm": 170.0, "weight_kg": 60.0, "view": "A4C"}
    assert parse_choices({}, {}, MODELS) == DEFAULTS
    assert parse_choices({"view": None, "weights": None}, {}, MODELS) == DEFAULTS


def test_the_options_of_each_kind():
    choices = parse_choices(
        {"sex": "M", "view": "A2C", "frame_rate_hz": 40, "weights": "other", "second_opinion": True},
        {},
        MODELS,
    )
    clip, stills, study = (measure_options(choices, kind, BASE, MODELS) for kind in (CLIP, STILLS, STUDY))
    assert (clip.weights, clip.view, clip.frame_rate_hz, clip.second_opinion) == (
        "other",
        View.A2C,
        40.0,
        AUTO,
    )
    assert clip.sex is Sex.MALE and clip.threads == 3
    # Stills have no frame rate, and the views of a study are known.
    assert stills.frame_rate_hz is None and stills.view is View.A2C
    assert study.view is View.UNKNOWN
    assert measure_options(DEFAULTS, CLIP, BASE, MODELS).weights == BASE.weights


def test_a_scale_of_a_view():
    scale = parse_scale({"line": [1, 2, 1, 102], "length_mm": 50, "part": "A2C"}, STUDY)
    options = measure_options(DEFAULTS, STUDY, BASE, MODELS, scale)
    assert (
        options.a2c_scale_line == (1, 2, 1, 102, 50)
        and options.scale_line is None
        and options.prefer_manual_scale
    )
    scale = parse_scale({"line": [1, 2, 1, 102], "length_mm": 50}, CLIP)
    assert measure_options(DEFAULTS, CLIP, BASE, MODELS, scale).scale_line == (1, 2, 1, 102, 50)
    assert parse_scale(None, CLIP) is None
    with pytest.raises(ApiError, match="no such view"):
        parse_scale({"line": [1, 2, 1, 102], "length_mm": 50, "part": "A2C"}, CLIP)
    with pytest.raises(ApiError, match="pixels long"):
        parse_scale({"line": [1, 2, 1, 4], "length_mm": 50}, CLIP)
