"""Models against each other: who is subtracted from whom, on which patients, in which direction."""

from __future__ import annotations

import pytest

from lvef.evaluation.stills.metrics import EfCase, EfComparison, ModelScores, compare_models
from lvef.evaluation.stills.scores import StillScore
from lvef.stats.bootstrap import holm


def side(label, dice, errors, patients=range(10)):
    scores = [
        StillScore(
            f"p{i}",
            "A4C",
            "ED",
            "Good",
            dice + i / 100,
            0.8,
            0.7,
            1,
            1,
            distance_lv=2 - dice,
            distance_unit="mm",
        )
        for i in patients
    ]
    cases = tuple(EfCase(f"p{i}", "Good", 50 + errors, 50) for i in patients)
    return ModelScores(label, (), scores, comparisons=[EfComparison("a4c", "A4C alone", "made up", cases, 0)])


def test_second_minus_first_with_its_direction():
    found = {p.figure: p for p in compare_models([side("a", 0.8, -3), side("b", 0.85, 1)], 0)}
    dice, border, ef = found["LV Dice A4C ED"], found["LV border A4C ED"], found["EF error A4C alone"]
    assert dice.difference == pytest.approx(0.05)
    assert dice.more_is_better
    assert border.difference == pytest.approx(-0.05)
    assert border.unit == "mm"
    assert not border.more_is_better
    assert ef.difference == pytest.approx(-2)
    assert not ef.more_is_better
    assert all((p.first, p.second, p.n) == ("a", "b", 10) for p in found.values())
    assert [p.p_holm for p in found.values()] == pytest.approx(holm([p.p for p in found.values()]))


def test_only_patients_that_both_have():
    found = compare_models([side("a", 0.8, 1), side("b", 0.8, 1, range(4, 14))], 0)
    assert {p.n for p in found} == {6}
    assert compare_models([side("a", 0.8, 1), side("b", 0.8, 1, range(20, 24))], 0) == []


def test_every_pair_of_three_and_none_of_one():
    sides = [side(name, 0.8, 1) for name in "abc"]
    assert {(p.first, p.second) for p in compare_models(sides, 0)} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert compare_models(sides[:1], 0) == []
