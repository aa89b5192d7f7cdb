"""A measurement as the page shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvef.core.fields import FIELDS
from lvef.core.records import SecondOpinion
from lvef.core.terms import Sex
from lvef.geometry.categories import categories
from lvef.webapp.payload import category_of, needs_scale, payload, preview_values, summary, summary_without
from tests.measure.made_up import assessed, beating, failed, refused


def test_one_class_row():
    m, _ = beating()
    assert category_of(replace(m, categories=categories(45.0)))["text"] == "mildly reduced (41-49)"
    of_sex = category_of(replace(m, categories=categories(45.0, Sex.FEMALE)))
    assert (of_sex["table"], of_sex["key"]) == ("ase_2015", "mildly_abnormal")
    assert category_of(failed()) is None


def test_values_have_the_keys_of_the_fields_and_no_class():
    m, _ = beating(**assessed())
    shown = payload(m, known_ef_percent=50.0)
    keys = {field.key for field in FIELDS} | {"seconds"}
    lines = [*shown["values"], *shown["method"]]
    assert lines and all(line["key"].partition(".")[0] in keys and line["text"] for line in lines)
    assert {"edv_ml", "esv_ml", "stroke_volume_ml"} <= {line["key"] for line in shown["values"]}
    assert "categories" not in {line["key"] for line in lines}
    assert shown["known_ef_percent"] == 50.0 and shown["interval"]["text"] == "48 to 66 %"
    assert shown["decision"] == "caution" and shown["decision_text"].endswith(".")


def test_beats_say_which_is_shown():
    m, _ = beating(n=130)
    beats = payload(m)["beats"]
    assert [beat["number"] for beat in beats] == list(range(1, len(beats) + 1))
    assert sum(beat["shown"] for beat in beats) == 1 and beats[0]["edv_text"].endswith(" ml")
    assert payload(beating(calibrated=False)[0])["beats"][0]["edv_text"] == ""


def test_refused_and_failed():
    for m, decision in ((refused(), "refused"), (failed(), "")):
        shown = payload(m)
        assert (shown["ef_text"], shown["decision"], shown["category"]) == ("-", decision, None)
        assert shown["reason"] and summary(m)["reason"] == shown["reason"]
    assert summary_without()["decision"] == "" and summary_without()["ef_percent"] is None


def test_the_second_opinion():
    m, _ = beating()
    shown = payload(replace(m, second_opinion=SecondOpinion("other 1", 50.0, -8.0)))["second_opinion"]
    assert shown["difference_points"] == -8.0 and "other 1" in shown["text"] and shown["disagree"] is False
    assert payload(m)["second_opinion"] is None


def test_a_scale_is_needed_where_the_file_has_none():
    assert (
        needs_scale(beating(calibrated=False)[0])
        and not needs_scale(beating()[0])
        and not needs_scale(failed())
    )


def test_a_preview():
    m, _ = beating()
    shown = preview_values(m, m.ef_percent - 2)
    assert shown["difference_text"] == "+2.0 points" and shown["edv_text"].endswith("ml")
    assert preview_values(m, None)["difference_text"] == ""
    assert preview_values(m, 10.0)["ef_percent"] == pytest.approx(m.ef_percent)
