import pytest

from lvef.core.errors import GeometryError
from lvef.core.terms import Sex
from lvef.geometry.categories import (
    ase_category,
    categories,
    heart_failure_range,
    report_class,
    round_half_up,
)


@pytest.mark.parametrize(
    ("ef", "men", "women"),
    [
        (-20, "severely_abnormal", "severely_abnormal"),
        (29.4, "severely_abnormal", "severely_abnormal"),
        (29.5, "moderately_abnormal", "moderately_abnormal"),
        (40.4, "moderately_abnormal", "moderately_abnormal"),
        (40.5, "mildly_abnormal", "mildly_abnormal"),
        (51.4, "mildly_abnormal", "mildly_abnormal"),
        (51.5, "normal", "mildly_abnormal"),
        (52, "normal", "mildly_abnormal"),
        (53.4, "normal", "mildly_abnormal"),
        (53.5, "normal", "normal"),
        (72.4, "normal", "normal"),
        (72.5, "above_range", "normal"),
        (74.4, "above_range", "normal"),
        (74.5, "above_range", "above_range"),
    ],
)
def test_ase(ef, men, women):
    assert ase_category(ef, Sex.MALE) == men
    assert ase_category(ef, Sex.FEMALE) == women


@pytest.mark.parametrize(
    ("ef", "expected"),
    [
        (39.5, "reduced"),
        (40.4, "reduced"),
        (40.5, "mildly_reduced"),
        (49.4, "mildly_reduced"),
        (49.5, "preserved"),
        (50, "preserved"),
    ],
)
def test_heart_failure(ef, expected):
    assert heart_failure_range(ef) == expected


@pytest.mark.parametrize(
    ("ef", "expected"),
    [(39.99, "abnormal"), (40, "mild"), (49.9, "mild"), (50, "mild"), (50.0001, "normal"), (-5, "abnormal")],
)
def test_report(ef, expected):
    assert report_class(ef) == expected


def test_all_tables():
    assert categories(50.2) == {
        "ase_2015_men": "mildly_abnormal",
        "ase_2015_women": "mildly_abnormal",
        "heart_failure": "preserved",
        "report": "normal",
    }
    assert categories(50.2, Sex.FEMALE)["ase_2015"] == "mildly_abnormal"


def test_rounding_and_nonsense():
    assert [round_half_up(x) for x in (0.5, 1.5, 2.5, 40.5, 39.49)] == [1, 2, 3, 41, 39]
    for table in (heart_failure_range, report_class):
        with pytest.raises(GeometryError):
            table(float("nan"))
