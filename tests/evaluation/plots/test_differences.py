"""Plots of differences: which drops are above the allowed one, and which model a difference speaks for."""

from __future__ import annotations

import pytest

from lvef.evaluation.metrics import PairedMetric
from lvef.evaluation.plots.agreement import (
    MAX_DICE_DROP,
    MAX_EF_DROP,
    PooledDrop,
    paired_png,
    robustness_png,
)
from lvef.evaluation.plots.style import BLUE, NETWORK_COLOURS, VERMILION, WIDTH_PX
from lvef.evaluation.report import Bounded
from tests.evaluation.drawing import blobs, count, pixels

NAN = float("nan")
LOST = Bounded(NAN, NAN, NAN)
ABOVE, WITHIN = "#f6c9ac", "#a9cfe6"
FIRST, SECOND = NETWORK_COLOURS[:2]


def paired(figure, unit, value, low, high, more_is_better):
    return PairedMetric(
        "one", "two", figure, unit, 9, 9, 0, 0, value, low, high, 0.95, None, None, more_is_better
    )


def cost(dice, ef_points, change="gamma"):
    return PooledDrop(change, Bounded(dice, dice - 0.01, dice + 0.01), Bounded(ef_points, NAN, NAN))


def fills(*costs):
    """Pixels of bars within, and of bars above, on the left (Dice) and on the right (EF)."""
    picture = pixels(robustness_png(costs, heading="Cost"))
    halves = picture[:, : WIDTH_PX // 2], picture[:, WIDTH_PX // 2 :]
    return [(count(half, WITHIN, 4), count(half, ABOVE, 4)) for half in halves]


def test_the_allowed_cost_itself_is_allowed():
    dice, ef = fills(cost(MAX_DICE_DROP, MAX_EF_DROP))
    assert dice[0] > 1000 and ef[0] > 1000
    assert dice[1] == ef[1] == 0


def test_each_panel_judges_its_own_figure():
    dice, ef = fills(cost(MAX_DICE_DROP + 0.001, 0.5))
    assert dice[0] == 0 and dice[1] > 1000
    assert ef[0] > 300 and ef[1] == 0


def test_what_was_lost_has_words_in_place_of_a_bar():
    lost = pixels(robustness_png([PooledDrop("black", LOST, LOST)], heading="Cost"))
    fine = pixels(robustness_png([cost(0.0, 0.0, "black")], heading="Cost"))
    warning = "#a34700"
    assert count(lost, WITHIN, 4) == count(lost, ABOVE, 4) == 0
    assert count(lost, warning) > count(fine, warning) + 100


@pytest.mark.parametrize("n", [0, 1, 2, 30])
def test_as_high_as_the_list_is_long(n):
    costs = [cost(0.01 * i, 0.2 * i, f"change {i} $x$ 漢 " + "long " * 9) for i in range(n)]
    png = robustness_png(costs, heading="Cost $x$")
    assert png == robustness_png(costs, heading="Cost $x$")
    assert pixels(png).shape == (190 + 44 * max(n, 2), WIDTH_PX, 3)


def test_long_names_stay_on_the_sheet():
    picture = pixels(robustness_png([cost(0.05, 1.0, "W" * 60)], heading="Cost"))
    assert (picture[100:-90, -4:] == 255).all()
    figures = [paired("M" * 60, "Dice", -0.123, -0.234, -0.111, True)]
    picture = pixels(paired_png(figures, "one", "two"))
    assert (picture[:, -4:] == 255).all()


def marks(value, low, high, *, more_is_better, unit="Dice"):
    difference = paired("figure", unit, value, low, high, more_is_better)
    picture = pixels(paired_png([difference], "one", "two"))
    return count(picture, FIRST), count(picture, SECOND), picture


@pytest.mark.parametrize("more_is_better", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clear_difference_has_the_colour_of_the_better_network(sign, more_is_better):
    low, high = sorted((sign * 0.2, sign * 0.4))
    first, second, _ = marks(sign * 0.3, low, high, more_is_better=more_is_better)
    if (sign > 0) == more_is_better:
        assert second > 300 and first == 0
    else:
        assert first > 300 and second == 0


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.3), (NAN, NAN), (0.0, 0.2)])
def test_an_interval_with_zero_or_none_at_all_speaks_for_neither(low, high):
    first, second, _ = marks(0.1, low, high, more_is_better=True)
    assert first == second == 0


def test_a_positive_difference_stands_on_the_right():
    _, _, right = marks(0.3, 0.2, 0.4, more_is_better=True)
    _, _, left = marks(-0.3, -0.4, -0.2, more_is_better=False)
    x_right, x_left = (blobs(p, SECOND, 200)[0][0] for p in (right, left))
    middle = (290 + WIDTH_PX - 275) / 2
    assert x_left < middle < x_right
    assert abs(x_left + x_right - 2 * middle) < 2


def test_a_panel_for_each_unit():
    one = paired("Dice", "Dice", 0.01, NAN, NAN, True)
    two = paired("MAE $x$ 漢", "EF points", 0.0, 0.0, 0.0, False)
    heights = [pixels(paired_png(rows, "a", "b")).shape[0] for rows in ([], [one], [one, one], [one, two])]
    assert heights[0] < heights[1] < heights[2] < heights[3]
    assert heights[2] - heights[1] == 46
    assert paired_png([one, two], "a $x$", "b 漢") == paired_png([one, two], "a $x$", "b 漢")


def test_blue_is_within_and_vermilion_above():
    within = pixels(robustness_png([cost(0.01, 1.0)], heading="Cost"))
    above = pixels(robustness_png([cost(0.06, 6.0)], heading="Cost"))
    assert count(within, BLUE) > 100 and count(above, BLUE) == 0
    assert count(above, VERMILION) > count(within, VERMILION) + 500
