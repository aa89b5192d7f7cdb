"""Perturbations do what their names say, to image and labels alike; performance drops are paired."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lvef.evaluation.report import Bounded
from lvef.evaluation.stills.robustness import (
    PERTURBATIONS,
    PerformanceDrop,
    performance_drops,
    summarise_perturbed,
)
from lvef.evaluation.stills.scores import StillScore
from tests.datasets import camus_folder

GREY = ("gamma 0.5", "gamma 2", "gain -40 %", "gain +40 %", "dark blood", "saturated", "blur 1.5 px", "speckle",
        "sector shadow", "wall drop-out", "narrow fan")  # fmt: skip
MOVED = ("zoom 0.7", "zoom 1.4", "turned +20", "turned -20", "mirrored", "112 px, JPEG 50", "text and ECG")


@pytest.fixture(scope="module")
def still():
    return camus_folder.still(196, 237, 1.0, np.random.default_rng(0))


def changed(name, still):
    picture, labels = still
    return PERTURBATIONS[name](picture.copy(), labels.copy(), np.random.default_rng(5))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_every_change_changes_and_repeats_itself(name, still):
    picture, labels = changed(name, still)
    assert picture.shape == labels.shape
    assert picture.dtype == labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 1, 2, 3}
    assert not (picture.shape == still[0].shape and np.array_equal(picture, still[0]))
    again = changed(name, still)
    assert np.array_equal(picture, again[0])
    assert np.array_equal(labels, again[1])


@pytest.mark.parametrize("name", GREY)
def test_changes_of_grey_leave_the_labels(name, still):
    assert np.array_equal(changed(name, still)[1], still[1])


@pytest.mark.parametrize("name", MOVED)
def test_labels_move_with_the_image(name, still):
    """The cavity stays the dark part inside the bright wall, wherever it went."""
    picture, labels = changed(name, still)
    assert picture[labels == 1].mean() < 40 < 100 < picture[labels == 2].mean()


def test_amounts(still):
    picture, labels = still
    brighter = changed("gain +40 %", still)[0][labels == 1].astype(float)
    assert brighter.mean() == pytest.approx(1.4 * picture[labels == 1].mean(), rel=0.02)
    area = (labels == 1).sum()
    assert (changed("zoom 0.7", still)[1] == 1).sum() == pytest.approx(0.49 * area, rel=0.05)
    assert max(changed("112 px, JPEG 50", still)[0].shape) == 112
    shadow = changed("sector shadow", still)[0]
    assert (shadow[picture > 40] < 0.5 * picture[picture > 40]).mean() == pytest.approx(0.2, abs=0.07)


def score(phase, dice, volume, expert, view="A4C"):
    return StillScore("p1", view, phase, "Good", dice, 0.8, 0.7, volume, expert)


def test_lost_stills_are_counted():
    found = summarise_perturbed(
        "x",
        [score("ED", 0.9, 100, 100), score("ES", 0.8, 50, 40), score("ED", float("nan"), np.nan, 1, "A2C")],
    )
    assert found.dice_ed == pytest.approx(0.45)
    assert found.dice_es == pytest.approx(0.8)
    assert found.ef_mae["A4C"] == pytest.approx(10)
    assert np.isnan(found.ef_mae["A2C"])
    assert found.lost == 1


def patient(name, dice, ef, view="A4C"):
    """Stills of one patient whose expert EF is 60."""
    return [
        StillScore(name, view, "ED", "Good", dice, 0.8, 0.7, 100, 100),
        StillScore(name, view, "ES", "Good", dice, 0.8, 0.7, 100 - ef, 40),
    ]


def test_a_drop_is_paired_and_has_its_interval():
    rng = np.random.default_rng(0)
    clean, changed = [], []
    for i in range(40):
        dice, error = rng.uniform(0.6, 0.95), rng.uniform(0, 15)
        clean += patient(f"p{i}", dice, 60 + error)
        changed += patient(f"p{i}", dice - 0.05, 60 + error + 2)
    found = {c.figure: c for c in performance_drops("dark", clean, changed, 0)}
    assert list(found) == ["dice_lv_a4c_ed", "dice_lv_a4c_es", "ef_mae_a4c", "dice_lv", "ef_mae"]
    # Patients differ widely, but each loses the same: pairing makes the interval narrow.
    for name in ("dice_lv_a4c_ed", "dice_lv"):
        assert found[name].cost == pytest.approx((0.05, 0.05, 0.05))
        assert found[name].above
    for name in ("ef_mae_a4c", "ef_mae"):
        assert found[name].cost == pytest.approx((2, 2, 2))
        assert not found[name].above
        assert found[name].unit == "EF points"
    assert all(c.n == 40 and c.change == "dark" for c in found.values())
    assert found["ef_mae"].clean == pytest.approx(summarise_perturbed("clean", clean).ef_mae["A4C"])


def test_pooled_drops_are_over_all_stills_and_a_lost_ef_is_left_out():
    clean = patient("a", 0.9, 60) + patient("b", 0.9, 60) + patient("a", 0.8, 50, "A2C")
    changed = patient("a", 0.9, 61) + patient("b", 0.0, 60) + patient("a", 0.7, 46, "A2C")
    changed[3] = replace(changed[3], volume=float("nan"))
    found = {c.figure: c for c in performance_drops("x", clean, changed, 0)}
    assert found["dice_lv_a4c_ed"].cost.value == pytest.approx(0.45)
    assert found["dice_lv"].cost.value == pytest.approx((0.9 + 0.9 + 0.1 + 0.1) / 6)
    assert (found["dice_lv"].n, found["ef_mae_a4c"].n, found["ef_mae_a2c"].n) == (2, 1, 1)
    assert found["ef_mae_a4c"].cost.value == pytest.approx(1)
    assert found["ef_mae"].cost.value == pytest.approx((1 + 4) / 2)
    assert found["ef_mae"].clean == pytest.approx(5)


def test_what_is_above_what_is_allowed():
    costs = [
        PerformanceDrop("x", "dice_lv", "", 0.9, Bounded(value, 0, 1), 0.95, 9, 0.03)
        for value in (0.02, 0.03, 0.031, float("nan"))
    ]
    assert [c.above for c in costs] == [False, False, True, True]
