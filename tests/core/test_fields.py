"""The table of result fields: each declared once, complete, and seen wherever it should be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvef.core.fields import FIELDS, Group, Shown, lines_of
from lvef.core.records import FROM_FILE
from tests.measure.made_up import beating, failed, refused


def test_keys_and_columns_are_unique_and_without_gaps():
    assert len({field.key for field in FIELDS}) == len(FIELDS)
    columns = sorted(field.column for field in FIELDS if field.column is not None)
    assert columns == list(range(len(columns)))


def test_every_key_of_the_json_is_described():
    assert all(field.description for field in FIELDS if field.schema is not None)


@pytest.mark.parametrize(
    "measurement", [beating(175)[0], refused(), failed()], ids=["ok", "refused", "failed"]
)
def test_people_see_no_empty_line_and_no_label_twice(measurement):
    for shown in (Shown.TERMINAL, Shown.SUMMARY, Shown.REPORT, Shown.PAGE):
        lines = lines_of(measurement, shown)
        assert all(text for _, text in lines)
        labels = [label for label, _ in lines if label]
        assert len(set(labels)) == len(labels)


def test_volumes_and_cardiac_output_need_a_scale_and_a_heart_rate():
    measurement, _ = beating(45, heart_rate_bpm=50.0, heart_rate_source=FROM_FILE)
    volumes = dict(lines_of(measurement, Shown.REPORT, Group.VOLUMES))
    assert volumes == {
        "EDV": "120 ml",
        "ESV": "48 ml",
        "Stroke volume": "72 ml",
        "Cardiac output": "3.6 l/min",
    }
    without = replace(measurement, heart_rate_bpm=None)
    assert "Cardiac output" not in dict(lines_of(without, Shown.REPORT, Group.VOLUMES))
    uncalibrated, _ = beating(45, calibrated=False)
    assert lines_of(uncalibrated, Shown.REPORT, Group.VOLUMES) == []
    assert [label for label, _ in lines_of(uncalibrated, Shown.PAGE, Group.VOLUMES)] == ["Volumes"]
