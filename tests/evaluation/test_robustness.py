"""The fixed changes do what their names say, to picture and labels alike; costs are summed up rightly."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lvef.evaluation.perturbations import CHANGES
from lvef.evaluation.robustness import cost, main
from lvef.evaluation.stills import StillScore
from tests.datasets import camus_folder

GREY = ("gamma 0.5", "gamma 2", "gain -40 %", "gain +40 %", "dark blood", "saturated", "blur 1.5 px", "speckle",
        "sector shadow", "wall drop-out", "narrow fan")  # fmt: skip
MOVED = ("zoom 0.7", "zoom 1.4", "turned +20", "turned -20", "mirrored", "112 px, JPEG 50", "text and ECG")


@pytest.fixture(scope="module")
def still():
    return camus_folder.still(196, 237, 1.0, np.random.default_rng(0))


def changed(name, still):
    picture, labels = still
    return CHANGES[name](picture.copy(), labels.copy(), np.random.default_rng(5))


@pytest.mark.parametrize("name", CHANGES)
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
def test_labels_move_with_the_picture(name, still):
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


def test_cost_counts_what_was_lost():
    found = cost(
        "x",
        [score("ED", 0.9, 100, 100), score("ES", 0.8, 50, 40), score("ED", float("nan"), np.nan, 1, "A2C")],
    )
    assert found.dice_ed == pytest.approx(0.45)
    assert found.dice_es == pytest.approx(0.8)
    assert found.ef_mae["A4C"] == pytest.approx(10)
    assert np.isnan(found.ef_mae["A2C"])
    assert found.lost == 1


def test_the_command_writes_a_row_for_every_change(tmp_path, capsys):
    root = camus_folder.write(tmp_path / "camus", 2)
    out = tmp_path / "robustness.json"
    main(["--data", str(root), "--split", "training", "--out", str(out)])
    rows = json.loads(out.read_text())
    assert [r["change"] for r in rows] == ["clean", *CHANGES]
    printed = capsys.readouterr().out
    assert "| mirrored | " in printed
    assert "8 stills" not in printed
    assert "4 stills" in printed
