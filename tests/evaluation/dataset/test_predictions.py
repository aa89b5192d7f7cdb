"""Files of predictions: what is read, and what is refused."""

from __future__ import annotations

import pytest

from lvef.core.errors import DataError
from lvef.evaluation.dataset.predictions import match_predictions, read_predictions
from tests.evaluation.dataset.made_up import made_evaluation, write_predictions


def test_numbers_negative_ones_and_none(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "﻿item,ef_percent,edv_ml,esv_ml,other\na,61.5,120,46,x\nb,-4,,,\nc,,,,\n", encoding="utf-8"
    )
    found = read_predictions(path)
    assert [found[k].ef_percent for k in "ab"] == [61.5, -4.0]
    assert (found["a"].edv_ml, found["a"].esv_ml) == (120.0, 46.0)
    assert not found["c"].has_ef and found["c"].reason_code == "not_predicted"
    assert found["b"].was_negative and not found["a"].was_negative


def test_what_training_writes_holds_the_truth_too(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "item,patient,part,phase,ef_percent,predicted_percent\na,p,validation,,60,52\nb,q,validation,,40,41\n"
    )
    found = read_predictions(path)
    assert [found[k].ef_percent for k in "ab"] == [52.0, 41.0]


def test_reasons_come_along(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "item,ef_percent,status,reason_code,reason\na,,failed,unreadable,a is empty.\nb,,refused,no_fan,\n"
    )
    found = read_predictions(path)
    assert found["a"].is_failed and found["a"].reason == "a is empty."
    assert not found["b"].is_failed and found["b"].reason_code == "no_fan" and found["b"].reason


def test_one_record_a_case(tmp_path):
    cases = made_evaluation([60, 50, 40]).selection.cases
    found = read_predictions(write_predictions(tmp_path / "p.csv", {"clip002": 41, "clip000": 58, "x": 1}))
    records = match_predictions(found, cases, "p.csv")
    assert [r.item for r in records] == ["clip000", "clip001", "clip002"]
    assert [r.has_ef for r in records] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("item,ef\na,5\n", "the column ef_percent is missing; its columns are item, ef"),
        ("", "its columns are none"),
        ("item,ef_percent\n", "holds no prediction"),
        ("item,ef_percent\na,50\na,51\n", "line 3: a stands there twice"),
        ("item,ef_percent\n,50\n", "line 2: names no item"),
        ("item,ef_percent\na,nan\n", "line 2: ef_percent holds 'nan'"),
        ("item,ef_percent\na,high\n", "ef_percent holds 'high'"),
        ("item,ef_percent\na,1e9\n", "ef_percent holds '1e9'"),
        ("item,ef_percent\na,0.5\nb,0.61\n", "multiply by 100"),
    ],
)
def test_what_is_no_file_of_predictions(tmp_path, text, sentence):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_predictions(path)


def test_other_files(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read_predictions(tmp_path / "b.csv")


def test_predictions_of_something_else(tmp_path):
    cases = made_evaluation([60, 50]).selection.cases
    other = read_predictions(write_predictions(tmp_path / "p.csv", {"x": 41}))
    with pytest.raises(DataError, match="none of its 1 items is among the 2 clips"):
        match_predictions(other, cases, "p.csv")
    same = read_predictions(write_predictions(tmp_path / "p.csv", {"clip000": 60, "clip001": 50}))
    with pytest.raises(DataError, match="the manifest's own"):
        match_predictions(same, cases, "p.csv")
