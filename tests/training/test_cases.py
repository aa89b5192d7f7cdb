"""Parts by patient: nobody is on two sides."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from lvef.core.errors import DataError
from lvef.inference.card import patients_sha256
from lvef.training.cases import Case, read_cases, split_cases, split_fold

pytestmark = pytest.mark.training


def cases(n, per_patient=2, split=None):
    return [Case(0, i, f"c{i}", f"p{i // per_patient}", split, 50.0) for i in range(n)]


def names(part):
    return {case.patient for case in part}


def test_folds_are_by_patient_disjoint_and_whole():
    listed = cases(30, per_patient=3)
    folds = [split_fold(listed, k, 5, fraction=0.2, seed=1) for k in range(5)]
    held_out = [names(f.held_out) for f in folds]
    assert set().union(*held_out) == names(listed)
    assert sum(len(h) for h in held_out) == 10
    for fold in folds:
        sides = names(fold.train), names(fold.validation), names(fold.held_out)
        assert all(sides)
        assert sum(len(s) for s in sides) == len(set().union(*sides)) == 10
        assert len(fold.train) + len(fold.validation) + len(fold.held_out) == 30


def test_folds_do_not_move_with_another_order_of_the_cases():
    listed = cases(30)
    there = split_fold(listed, 1, 5, fraction=0.2, seed=1)
    back = split_fold(listed[::-1], 1, 5, fraction=0.2, seed=1)
    assert names(there.held_out) == names(back.held_out)
    assert names(there.validation) == names(back.validation)
    assert names(split_fold(listed, 1, 5, fraction=0.2, seed=2).held_out) != names(there.held_out)


def test_named_validation_is_used_and_testing_is_not():
    listed = [
        *cases(4, split="train"),
        *[Case(0, 9, "v", "pv", "val", 50.0), Case(0, 8, "t", "pt", "test", 50.0)],
    ]
    parts = split_cases(listed, fraction=0.5, seed=1)
    assert names(parts.train) == {"p0", "p1"}
    assert names(parts.validation) == {"pv"}
    fold = split_fold(listed, 0, 3, fraction=0.3, seed=1)
    assert "pt" not in names(fold.train) | names(fold.validation) | names(fold.held_out)


def test_validation_is_drawn_by_patient_where_none_is_named():
    parts = split_cases(cases(40), fraction=0.2, seed=1)
    assert len(names(parts.validation)) == 4
    assert not names(parts.train) & names(parts.validation)


def test_a_patient_on_two_sides_is_refused_across_stores():
    listed = [Case(0, 0, "a", "p", "train", 50.0), Case(1, 0, "b", "p", "test", 50.0), *cases(4)]
    for split in (
        lambda: split_cases(listed, fraction=0.2, seed=1),
        lambda: split_fold(listed, 0, 2, fraction=0.2, seed=1),
    ):
        with pytest.raises(DataError, match=r"in two parts \(p: test and train\)"):
            split()


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (cases(2, per_patient=2), "1 patient is left"),
        (cases(4, split="test"), "never trained on"),
        (cases(4, split="val"), "none is left to learn from"),
    ],
)
def test_too_few_patients(listed, said):
    with pytest.raises(DataError, match=said):
        split_cases(listed, fraction=0.2, seed=1)


def test_fewer_patients_than_folds():
    with pytest.raises(DataError, match="4 patients cannot be parted into 5 folds"):
        split_fold(cases(8), 0, 5, fraction=0.2, seed=1)
    with pytest.raises(DataError, match="no fold 5"):
        split_fold(cases(20), 5, 5, fraction=0.2, seed=1)


def test_without_ef_there_is_nothing_to_learn():
    index = {"item": ["a", "b"], "patient": ["p", "q"], "ef_percent": [None, None]}
    with pytest.raises(DataError, match="none of its 2 clips has an EF"):
        read_cases(index, 0, "store", needs_ef=True)
    with pytest.raises(DataError, match="names no patients"):
        read_cases({"item": ["a"]}, 0, "store", needs_ef=True)
    found, left_out = read_cases(index | {"ef_percent": [None, 40.0]}, 0, "store", needs_ef=True)
    assert ([case.item for case in found], left_out) == (["b"], 1)
    assert len(read_cases(index, 0, "store", needs_ef=False)[0]) == 2


def test_the_hash_of_patients_is_of_a_set():
    assert patients_sha256(["b", "a", "b"]) == patients_sha256(["a", "b"]) != patients_sha256(["a"])
