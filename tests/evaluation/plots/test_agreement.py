"""Charts of agreement and overlap: what is drawn, read back from the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.evaluation.metrics import MetricRow
from lvef.evaluation.plots.agreement import EfPairs, bland_altman_png, scatter_png
from lvef.evaluation.plots.boxes import dice_png
from lvef.evaluation.plots.style import (
    BLUE,
    NAME_CHARACTERS,
    NETWORK_COLOURS,
    ORANGE,
    VERMILION,
    WIDTH_PX,
    add_axes,
    new_figure,
    place_names,
    short_name,
)
from lvef.evaluation.report import Bounded, bounded_text
from tests.evaluation.drawing import blobs, count, modules_after, pixels

NAN = float("nan")
NONE = Bounded(NAN, NAN, NAN)
ODD = (
    "$\\frac{1}{2}$ of a very long name of a patient with $",
    "Überdiagnose-ñandú-漢字",
    "_under",
    "",
    "line\nbreak",
)


def pairs_of(method, reference, quality, patients, heading, **values):
    """What is drawn; values are metrics by their statistic."""

    def metric(statistic):
        value = values.get(statistic)
        return None if value is None else MetricRow("a", "", f"ef_{statistic}", *value, 9)

    pairs = np.stack([np.asarray(method, float), np.asarray(reference, float)], axis=1)
    names = patients or [f"p{i}" for i in range(len(pairs))]
    return EfPairs(pairs, quality, names, metric, heading, "expert masks")


def bland_altman(method, reference, quality, patients=None, heading="EF", **values):
    return bland_altman_png(pairs_of(method, reference, quality, patients, heading, **values))


def scatter(method, reference, quality, patients=None, **values):
    return scatter_png(pairs_of(method, reference, quality, patients, "EF", **values))


def cases(n):
    rng = np.random.default_rng(n)
    reference = rng.uniform(20, 75, n)
    return reference + rng.normal(0, 6, n), reference, [("Good", "Medium", "Poor")[i % 3] for i in range(n)]


@pytest.mark.parametrize("draw", [bland_altman, scatter])
@pytest.mark.parametrize("n", [0, 1, 2, 400])
def test_any_number_of_patients_and_the_same_bytes_twice(draw, n):
    png = draw(*cases(n))
    assert png == draw(*cases(n))
    height, width, _ = pixels(png).shape
    assert (width, height) == (WIDTH_PX, 800 if draw is bland_altman else 1050)


@pytest.mark.parametrize("draw", [bland_altman, scatter])
def test_each_quality_has_its_colour(draw):
    only_good = pixels(draw([50.0], [60.0], ["Good"]))
    assert count(only_good, BLUE) >= 40
    assert count(only_good, VERMILION) == count(only_good, ORANGE) == 0
    both = pixels(draw([50.0, 40.0], [60.0, 41.0], ["Medium", "Poor"]))
    assert min(count(both, VERMILION), count(both, ORANGE)) >= 40
    assert count(both, BLUE) == 0


def test_points_of_the_scatter_stand_where_they_belong():
    # Three points on a line of the plane stay on one, in their order, evenly apart; the y axis points upwards.
    picture = pixels(scatter([30.0, 40.0, 50.0], [50.0, 55.0, 60.0], ["Good"] * 3))
    points = blobs(picture, BLUE, 40)
    points = points[points[:, 1] > 85]  # without the legend's mark
    points = points[np.argsort(points[:, 0])]
    steps = np.diff(points, axis=0)
    assert len(points) == 3
    np.testing.assert_allclose(steps[0], steps[1], atol=1)
    # The axes are of one scale: 10 points upwards are twice 5 to the right.
    np.testing.assert_allclose(steps[0][1], -2 * steps[0][0], atol=1.5)


def test_a_higher_network_stands_above_zero():
    x, y = 0, 1
    above = blobs(pixels(bland_altman([60.0], [50.0], ["Good"])), BLUE, 40)[-1]
    below = blobs(pixels(bland_altman([50.0], [60.0], ["Good"])), BLUE, 40)[-1]
    # Axes from 90 to 700: zero lies in the middle.
    assert above[y] < 395 < below[y]
    assert abs(above[y] + below[y] - 2 * 395) < 2
    assert abs(above[x] - below[x]) < 1


def test_intervals_are_bands_and_missing_ones_are_not():
    bare = pixels(bland_altman([50.0], [50.0], ["Good"], bias=Bounded(1.0, NAN, NAN)))
    banded = pixels(bland_altman([50.0], [50.0], ["Good"], bias=Bounded(1.0, -1.0, 3.0)))
    band = "#dbeaf5"
    assert count(bare, band) < 100
    # Four points of 22.4 on an axis of 610 px, 840 px wide.
    assert count(banded, band) == pytest.approx(840 * 610 * 4 / 22.4, rel=0.12)


@pytest.mark.parametrize("draw", [bland_altman, scatter])
def test_identical_values_and_odd_names(draw):
    n = len(ODD)
    assert pixels(draw([55.0] * n, [55.0] * n, ["Good"] * n)).any()
    assert pixels(draw([55.0] * n, [45.0] * n, list(ODD), list(ODD))).any()


def test_a_long_heading_stays_on_the_sheet():
    picture = pixels(bland_altman([50.0], [50.0], ["Good"], heading="W" * 300))
    assert (picture[:60, -20:] == 255).all()
    assert (picture[:60, -150:-60] < 128).any()


def test_dice_boxes_in_the_networks_colours_without_what_is_missing():
    groups = {"A4C ED": [[0.9, 0.95, NAN], [0.8, 0.85]], "A4C ES": [[0.7, 0.9], [0.75, 0.8]]}
    png = dice_png(groups, ["small", "large"], heading="Dice")
    assert png == dice_png(groups, ["small", "large"], heading="Dice")
    picture = pixels(png)
    assert picture.shape == (720, WIDTH_PX, 3)
    assert all(count(picture, colour) > 300 for colour in NETWORK_COLOURS[:2])
    assert not any(count(picture, colour) for colour in NETWORK_COLOURS[2:])
    without = groups | {"A4C ED": [[0.9, 0.95], [0.8, 0.85]]}
    assert dice_png(without, ["small", "large"], heading="Dice") == png


def test_a_lost_still_is_a_zero_in_sight():
    def lowest(values):
        points = blobs(pixels(dice_png({"A4C": [values]}, ["one"], heading="Dice")), "#80b8d9", 10, 40)
        return points[:, 1].max()

    # Axes from 130 to 640 px; a 0 stands just above the lower end.
    assert 620 < lowest([0.9] * 20 + [0.0]) < 640


@pytest.mark.parametrize("networks", [1, 4])
def test_dice_of_nothing_and_odd_names(networks):
    names = ODD[:networks]
    empty = {"A2C $x$ 漢": [[NAN]] * networks, "": [[]] * networks}
    assert pixels(dice_png(empty, names, heading="Nothing $x$")).any()


def test_boxes_are_quartiles():
    # Of 0.6, 0.7 .. 1.0 the quartiles are 0.7, 0.8 and 0.9; axes from 130 to 640 px show 0.49 to 1.005.
    values = [0.6, 0.7, 0.8, 0.9, 1.0]
    picture = pixels(dice_png({"A4C": [values]}, ["one"], heading="Dice"))
    dark = (picture[150:600, 400:870] < 60).all(axis=(1, 2)) | (
        picture[150:600, 400:870].max(axis=2) < 60
    ).all(axis=1)
    scale = 510 / (1.005 - 0.49)
    (rows,) = np.nonzero(dark)
    assert 150 + rows.mean() == pytest.approx(640 - (0.8 - 0.49) * scale, abs=1.5)
    blue = np.abs(picture[:, 400:870].astype(int) - np.array([0, 114, 178])).max(axis=2) < 40
    (rows,) = np.nonzero(blue.mean(axis=1) > 0.9)
    for quartile in (0.7, 0.9):
        assert np.abs(rows - (640 - (quartile - 0.49) * scale)).min() < 1.5


def test_a_whisker_never_runs_back_into_its_box():
    # The upper quartile of 0.9, 0.9, 0.9, 1.0 lies above every still within its reach.
    values = [0.9, 0.9, 0.9, 1.0]
    picture = pixels(dice_png({"A4C": [values]}, ["one"], heading="Dice"))
    scale = 510 / (1.005 - 0.79)
    inside = picture[int(640 - (0.92 - 0.79) * scale) : int(640 - (0.905 - 0.79) * scale), 500:780]
    assert (inside.min(axis=(1, 2)) > 200).any()


def test_words():
    assert bounded_text(Bounded(0.9, NAN, NAN), ".2f") == "0.90"
    assert bounded_text(Bounded(0.912, 0.9, 0.95), ".2f") == "0.91 (0.90 to 0.95)"
    assert short_name("a\n b") == "a b"
    long = short_name("beginning " + "x" * 90 + " end")
    assert len(long) == NAME_CHARACTERS
    assert long.startswith("beginning") and long.endswith("end")
    assert "漢" not in short_name("漢字")


def test_names_do_not_cover_each_other():
    figure = new_figure(600, "names")
    axes = add_axes(figure, 100, 50, 50, 50)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    x = y = [0.5, 0.51, 0.52, 0.99, 0.01]
    place_names(axes, x, y, [(i, f"patient{i}") for i in range(5)])
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    edge = axes.get_window_extent(renderer)
    assert all(edge.x0 <= b.x0 and b.x1 <= edge.x1 and edge.y0 <= b.y0 and b.y1 <= edge.y1 for b in boxes)


def test_no_window_system_and_no_global_figures():
    code = """
from lvef.evaluation.report import Bounded
from lvef.evaluation import report
from lvef.evaluation.plots import boxes
from lvef.evaluation.plots import images
from lvef.evaluation.plots import agreement
boxes.dice_png({"A4C": [[0.5, 0.9]]}, ["one"], heading="Dice")
agreement.robustness_png([], heading="Nothing")
images.contact_sheet_png([], heading="Nothing")
"""
    loaded = modules_after(code)
    assert "matplotlib.figure" in loaded
    assert "matplotlib.pyplot" not in loaded
    assert "torch" not in loaded
