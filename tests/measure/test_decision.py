"""Answer, caution and refusal at their thresholds."""

from __future__ import annotations

import dataclasses

import pytest

from lvef.core.config import read_toml
from lvef.core.errors import ConfigError
from lvef.core.records import CodedWarning
from lvef.core.terms import Decision, Status
from lvef.measure.decision import NO_INTERVAL, TOO_UNCERTAIN, WIDE_INTERVAL, decide, with_decision
from lvef.measure.thresholds import Thresholds
from tests.measure.made_up import beating


def _with_width(width: float, **changes):
    measurement, _ = beating()
    values = {"notices": (), "ef_percent": 50.0, "ef_low_percent": 20.0, "ef_high_percent": 20.0 + width}
    return dataclasses.replace(measurement, interval_level=0.9, **(values | changes))


LIMITS = Thresholds(max_interval_points=40, caution_interval_points=25)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (25, Decision.ACCEPTED),
        (25.1, Decision.CAUTION),
        (40, Decision.CAUTION),
        (40.1, Decision.REFUSED),
    ],
)
def test_width_decides_at_its_limits(width, expected):
    assert decide(_with_width(width), LIMITS) is expected
    found = with_decision(_with_width(width), LIMITS)
    assert found.decision == expected
    assert found.thresholds == LIMITS.as_numbers()
    codes = [notice.code for notice in found.notices]
    assert codes == ([WIDE_INTERVAL] if expected is Decision.CAUTION else [])


def test_an_uncertain_ef_is_withheld_and_the_curve_kept():
    found = with_decision(_with_width(41, edv_ml=100.0, categories={"report": "mild"}), LIMITS)
    assert (found.status, found.reason_code) == (Status.REFUSED, TOO_UNCERTAIN)
    assert found.ef_percent is found.edv_ml is found.ef_low_percent is None
    assert found.categories == found.category_probabilities == {}
    assert found.curve is not None
    assert found.tracings
    assert all(
        words in found.reason for words in ("clip.avi", "41 points wide (20 to 61 %)", "40", "--ed-frame")
    )


def test_without_an_interval_the_decision_is_caution_and_says_why():
    found = with_decision(
        _with_width(0, ef_low_percent=None, ef_high_percent=None, interval_note="No calibration."), LIMITS
    )
    assert found.decision == Decision.CAUTION
    assert [n.code for n in found.notices] == [NO_INTERVAL]
    assert found.notices[0].text.endswith("No calibration.")


@pytest.mark.parametrize(
    ("code", "expected"), [("weak_walls", Decision.CAUTION), ("coarse_times", Decision.ACCEPTED)]
)
def test_warnings_about_contours_ask_for_caution(code, expected):
    assert decide(_with_width(10, notices=(CodedWarning(code, "..."),)), LIMITS) is expected


def test_a_study_is_not_better_than_its_views():
    views = {"A4C": _with_width(10, decision="caution"), "A2C": _with_width(10, decision="accepted")}
    assert with_decision(_with_width(10), LIMITS, views).decision == Decision.CAUTION


def test_a_refused_clip_is_refused_and_a_corrected_one_is_the_readers():
    refused = with_decision(_with_width(10, ef_percent=None, status=Status.REFUSED), LIMITS)
    assert refused.decision == Decision.REFUSED
    assert refused.reason_code != TOO_UNCERTAIN
    failed = with_decision(_with_width(10, ef_percent=None, status=Status.FAILED), LIMITS)
    assert failed.decision == ""


def test_a_site_sets_its_own(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text("max_interval_points = 30\ncaution_interval_points = 20.5\n")
    found = read_toml(Thresholds, path)
    assert (found.max_interval_points, found.caution_interval_points) == (30, 20.5)
    assert found.min_wall_contact == Thresholds().min_wall_contact


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("min_wall_contact = 1.5", "from 0 to 1 was expected"),
        ("max_interval_points = 20", "caution_interval_points = 30 is above max_interval_points = 20"),
        ("min_wall = 0.5", "unknown key min_wall"),
        ("min_wall_contact = 'low'", "float was expected"),
    ],
)
def test_a_limit_that_cannot_be_is_an_error_that_names_the_file(tmp_path, text, words):
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"site\.toml") as caught:
        read_toml(Thresholds, path)
    assert words in str(caught.value)
