"""The bar of the EF with its prediction interval, and that of the image quality."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from lvef.report.canvas import PixelCanvas, SvgCanvas
from lvef.report.charts import INTERVAL_HEIGHT, draw_interval, draw_score, interval_bar
from lvef.report.style import LIGHT, rgb
from tests.measure.made_up import assessed, beating, refused

FULL, _ = beating(175, **assessed())
WIDTH, SIZE = 400, 12.0


def pixels(measurement) -> np.ndarray:
    bar = interval_bar(measurement)
    assert bar is not None
    canvas = PixelCanvas(WIDTH, round(INTERVAL_HEIGHT * SIZE))
    draw_interval(canvas, bar, 0, 0, WIDTH, SIZE)
    return canvas.rgb_image()


def columns(image: np.ndarray, colour: str) -> tuple[float, float]:
    """First and last column of a colour, in percent of the scale."""
    near = np.abs(image.astype(int) - rgb(LIGHT[colour])).max(axis=2) < 40
    # The words below the bar have colours too.
    found = np.flatnonzero(near[: round(1.6 * SIZE)].any(axis=0)).astype(float)
    percent = (found - 0.6 * SIZE) / (WIDTH - 1.2 * SIZE) * 100
    return float(percent.min()), float(percent.max())


def test_dot_and_interval_stand_at_their_values():
    image = pixels(FULL)
    low, high = columns(image, "ink")
    assert low == pytest.approx(47.6, abs=0.6) and high == pytest.approx(66.4, abs=0.6)
    assert np.mean(columns(image, "ed")) == pytest.approx(60.0, abs=0.4)


def test_a_second_opinion_has_a_mark_of_its_own():
    left, right = columns(pixels(FULL), "es")
    assert (left + right) / 2 == pytest.approx(71.2, abs=0.5)
    assert interval_bar(FULL).alt == (
        "EF 60 % on a scale of 0 to 100 %, 90 % prediction interval 48 to 66 %, second opinion 71 %, models disagree; "
        "heart-failure ranges end at 40 and 50 %."
    )


def test_without_an_interval_only_the_dot_is_drawn():
    bare = beating(175)[0]
    bar = interval_bar(bare)
    assert bar.interval_percent is None and "prediction" not in bar.alt
    ink = np.abs(pixels(bare).astype(int) - rgb(LIGHT["ink"])).max(axis=2) < 20
    assert not ink.any()
    assert interval_bar(refused()) is None


def test_extremes_stay_inside():
    edge = replace(FULL, ef_percent=0.0, ef_low_percent=0.0, ef_high_percent=100.0)
    canvas = SvgCanvas()
    draw_interval(canvas, interval_bar(edge), 0, 0, WIDTH, SIZE)
    x = [
        float(n)
        for path in re.findall(r'd="M([^"]*)"', canvas.document(WIDTH, 40))
        for n in re.findall(r"(-?[\d.]+),", path)
    ]
    assert min(x) >= 0 and max(x) <= WIDTH


@pytest.mark.parametrize(("width", "names"), [(400, True), (90, False)])
def test_a_narrow_bar_leaves_out_the_names_of_the_ranges(width, names):
    canvas = SvgCanvas()
    draw_interval(canvas, interval_bar(FULL), 0, 0, width, SIZE)
    text = canvas.document(width, 40)
    assert (">reduced<" in text) is names and (">preserved<" in text) is names
    assert ">40<" in text and ">50<" in text


@pytest.mark.parametrize("score", [0.0, 0.52, 1.0])
def test_the_score_fills_its_part_of_the_bar(score):
    canvas = PixelCanvas(300, 20)
    draw_score(canvas, score, 0, 0, 300, SIZE)
    row = canvas.rgb_image()[7].astype(int)
    filled = (np.abs(row - rgb(LIGHT["ed"])).max(axis=1) < 40).sum()
    # The gaps at the thresholds are not filled.
    assert filled == pytest.approx(300 * score, abs=8)
