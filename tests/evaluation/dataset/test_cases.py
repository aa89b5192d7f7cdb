"""Which clips of a manifest are evaluated, and each sentence that says why none is."""

from __future__ import annotations

import math

import pytest

from lvef.core.errors import DataError
from lvef.evaluation.dataset.cases import read_cases
from tests.evaluation.dataset.made_up import labels, rows, write


def test_clips_of_the_split_with_an_ef(tmp_path):
    test = rows(
        [60.0, None, 30.0],
        root=tmp_path,
        quality=["Good", None, None],
        labels=[labels("sinus"), None, "no json"],
        edv_ml=[120.0, None, None],
    )
    stills = rows([50.0], root=tmp_path, start=9, kind="still", phase="ED")
    train = rows([50.0, 58.0, 70.0], root=tmp_path, split="train", start=20)
    found = read_cases(write(tmp_path / "m.csv", test, stills, train), "test")
    assert [case.item for case in found.cases] == ["clip001", "clip003"]
    first, second = found.cases
    assert (first.quality, first.rhythm, first.edv_ml, first.side_px) == ("Good", "sinus", 120.0, 112)
    assert (second.quality, second.rhythm) == ("", "") and math.isnan(second.edv_ml)
    assert found.baseline_percent == 58.0 and "3 training clips" in found.baseline_source
    assert found.reference == "EF of made-up: made up"
    assert "1 of the 3 clips" in found.notices[0] and "1 stills" in found.notices[1]
    assert found.patients.keys() == {"train", "test"}
    assert len(read_cases(tmp_path / "m.csv", "all").cases) == 5


def test_without_a_training_part_the_trivial_answer_says_so(tmp_path):
    found = read_cases(write(tmp_path / "m.csv", rows([60.0, 50.0, 30.0], root=tmp_path, split=None)), "all")
    assert found.baseline_percent == 50.0 and "no training part" in found.baseline_source


def test_two_references_are_two_quantities(tmp_path):
    parts = [rows([60.0], root=tmp_path), rows([50.0], root=tmp_path, start=2, ef_method=None)]
    found = read_cases(write(tmp_path / "m.csv", *parts), "test")
    assert "method not stated" in found.reference and "made up" in found.reference
    assert "not the same quantity" in found.notices[-1]


def test_views_that_are_not_apical_are_left_out(tmp_path):
    parts = [rows([60.0, 50.0], root=tmp_path), rows([40.0, 45.0], root=tmp_path, start=5, view="PSAX")]
    found = read_cases(write(tmp_path / "m.csv", *parts), "test")
    assert [case.item for case in found.cases] == ["clip001", "clip002"]
    assert found.notices[0] == "2 of the 4 clips of the split test are no apical view and are left out."
    with pytest.raises(DataError, match=r"none of its 2 clips in the split test is an apical view \(PSAX\)"):
        read_cases(write(tmp_path / "n.csv", parts[1]), "test")


@pytest.mark.parametrize(
    ("made", "split", "sentence"),
    [
        ({"efs": [60.0, 50.0]}, "val", "no clip is in the split val; it has test"),
        ({"efs": [None, None]}, "test", "none of its 2 clips in the split test has an ef_percent"),
        ({"efs": [60.0]}, "test", "of one patient"),
        ({"efs": [60.0, 50.0], "patient": "same"}, "test", "2 clips of one patient"),
        ({"efs": [60.0, 50.0], "kind": "still"}, "test", "holds no clips"),
        ({"efs": [60.0, 50.0], "split": None}, "test", "without a split"),
    ],
)
def test_what_cannot_be_evaluated_on(tmp_path, made, split, sentence):
    path = write(tmp_path / "m.csv", rows(made.pop("efs"), root=tmp_path, **made))
    with pytest.raises(DataError, match=sentence) as caught:
        read_cases(path, split)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("bad", ["nan", "inf", "140", "-3", "high"])
def test_an_ef_that_is_none(tmp_path, bad):
    path = write(tmp_path / "m.csv", rows([60.0, 50.0], root=tmp_path))
    path.write_text(path.read_text().replace(",60.0,", f",{bad},"))
    with pytest.raises(DataError, match="ef_percent"):
        read_cases(path, "test")
