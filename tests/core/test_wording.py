"""Prediction interval, decision, view, second opinion and image quality in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvef.core.fields import Shown, lines_of
from lvef.core.quality_wording import SHOWN_ADVICE, part_label, part_lines, quality_lines, quality_text
from lvef.core.records import ImageQuality, SecondOpinion
from lvef.core.terms import Decision, Status
from lvef.core.wording import (
    category_probability_lines,
    decision_badge,
    ef_interval_text,
    interval_lines,
    models_disagree,
    second_opinion_lines,
    view_lines,
)
from tests.measure.made_up import assessed, beating, failed, refused

FULL, _ = beating(175, **assessed())


def test_the_ef_stands_with_its_interval():
    assert ef_interval_text(FULL) == "60 % (48-66)"
    assert interval_lines(FULL) == [("90 % prediction interval", "48 to 66 %")]
    assert ef_interval_text(replace(FULL, ef_low_percent=None)) == "60 %"
    assert ef_interval_text(refused()) == "-" and interval_lines(refused()) == []


def test_without_an_interval_the_reason_stands_in_its_place():
    bare = beating(175, interval_note="it is calibrated for camus-seg only")[0]
    assert interval_lines(bare) == [("Prediction interval", "It is calibrated for camus-seg only.")]


@pytest.mark.parametrize(
    ("measurement", "word"),
    [
        (replace(FULL, decision=Decision.ACCEPTED), "accepted"),
        (FULL, "caution"),
        (replace(FULL, decision=""), ""),
        (refused(), "refused"),
        (failed(), ""),
    ],
)
def test_the_decision_is_one_word_and_what_to_do(measurement, word):
    found, rest = decision_badge(measurement)
    assert found == word
    assert bool(rest) == (word == "caution")


def test_models_disagree_where_a_warning_says_so():
    assert models_disagree(FULL)
    assert not models_disagree(replace(FULL, notices=()))
    assert (
        second_opinion_lines(replace(FULL, notices=()))[0][1] == "71 % by two-stream-tuned 1 (+11.2 points)"
    )


def test_a_second_opinion_names_its_model_and_the_difference():
    assert second_opinion_lines(FULL) == [
        ("Second opinion", "71 % by two-stream-tuned 1 (+11.2 points): the models disagree")
    ]
    silent = replace(FULL, second_opinion=SecondOpinion("other 1", None, None, "the clip is too short"))
    assert second_opinion_lines(silent) == [("Second opinion", "other 1 gave no EF: The clip is too short.")]


def test_a_view_says_where_it_comes_from_and_what_the_image_says():
    assert view_lines(FULL) == [("View", "A4C, recognised from the image (probability 0.97)")]
    stated = replace(FULL, view_source="file")
    assert view_lines(stated) == [("View", "A4C, from the file (probability by the image 0.97)")]
    assert view_lines(beating()[0]) == []


def test_probabilities_stand_on_one_line():
    assert category_probability_lines(FULL) == [
        ("Range probabilities", "reduced 1 %, mildly reduced 7 %, preserved 92 %")
    ]


def test_image_quality_is_a_word_a_score_and_two_sentences():
    lines = quality_lines(FULL)
    assert lines[0] == ("Image quality", "fair, 0.52 of 1")
    assert len(lines) == 1 + SHOWN_ADVICE
    assert lines[1][1] == "The lateral wall is not visible in 40 % of its border; tilt the probe."
    assert quality_text(ImageQuality(2 / 3)) == "good, 0.67 of 1"
    assert quality_text(ImageQuality(0.0)) == "poor, 0.00 of 1"
    assert quality_text(ImageQuality(None)) == ""


def test_parts_have_labels_and_units_unknown_ones_their_names():
    parts = {
        "visible_right_wall": 0.812,
        "probe_drift_percent": 2.345,
        "some_new_sign": 0.5,
        "dwell_ms": 1250.0,
    }
    assert part_lines(ImageQuality(None, parts)) == [
        ("Visible border, wall on the right", "81 %"),
        ("Probe drift, share of the long axis", "2.3 %"),
        ("Some new sign", "0.5"),
        ("Dwell", "1250 ms"),
    ]
    assert part_label("s") == "S"


@pytest.mark.parametrize("measurement", [FULL, replace(FULL, status=Status.PARTIAL_CYCLE), refused()])
def test_nothing_is_said_twice_where_people_look(measurement):
    for shown in (Shown.TERMINAL, Shown.SUMMARY, Shown.REPORT, Shown.PAGE):
        labels = [label for label, _ in lines_of(measurement, shown) if label]
        assert len(set(labels)) == len(labels)
