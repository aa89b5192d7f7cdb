"""A visitor's choices and the options of a measurement that follow."""

from __future__ import annotations

import pytest

from lvef.core.terms import Sex, View
from lvef.measure.options import AUTO, MeasureOptions
from lvef.service.errors import ApiError
from lvef.webapp.choices import DEFAULTS, measure_options, parse_choices, parse_scales
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


def test_scales_of_the_views():
    a4c, a2c = (
        {"line": [1, 2, 1, 102], "length_mm": mm, "part": part} for mm, part in ((50, "A4C"), (60, "A2C"))
    )
    scales = parse_scales(a2c, None, STUDY)
    options = measure_options(DEFAULTS, STUDY, BASE, MODELS, scales)
    assert options.a2c_scale_line == (1, 2, 1, 102, 60) and options.scale_line is None
    assert options.prefer_manual_scale
    options = measure_options(DEFAULTS, STUDY, BASE, MODELS, parse_scales([a4c], scales, STUDY))
    assert options.scale_line == (1, 2, 1, 102, 50) and options.a2c_scale_line == (1, 2, 1, 102, 60)
    # The line of the one is not laid on the other.
    options = measure_options(DEFAULTS, STUDY, BASE, MODELS, parse_scales(a4c, None, STUDY))
    assert options.a2c_keeps_scale and options.a2c_scale_line is None
    line = {"line": [1, 2, 1, 102], "length_mm": 50}
    options = measure_options(DEFAULTS, CLIP, BASE, MODELS, parse_scales(line, None, CLIP))
    assert options.scale_line == (1, 2, 1, 102, 50) and not options.a2c_keeps_scale
    assert parse_scales(None, {"": line}, CLIP) is None
    for kind, given, message in (
        (CLIP, a2c, "no such view"),
        (STUDY, line, "no such view"),
        (CLIP, line | {"line": [1, 2, 1, 4]}, "pixels long"),
    ):
        with pytest.raises(ApiError, match=message):
            parse_scales(given, None, kind)
