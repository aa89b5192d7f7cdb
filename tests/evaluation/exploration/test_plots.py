"""Plots of a manifest: what is drawn, read back from the pixels; and which plots there are."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvef.datasets.manifest import make_manifest
from lvef.evaluation.exploration.explore import explore
from lvef.evaluation.exploration.plots import (
    BAR,
    FAR,
    MOST_BINS,
    bin_edges,
    counts_png,
    groups_png,
    histograms_png,
    volumes_png,
    z_scores_png,
)
from lvef.evaluation.exploration.report import make_plots
from lvef.evaluation.plots.style import VERMILION, WIDTH_PX
from lvef.stats.describe import describe
from tests.evaluation.drawing import count, modules_after, pixels
from tests.evaluation.exploration.made_up import camus_like, echonet_like, hmc_like, row


def explored(rows):
    return explore(make_manifest(rows), "made-up.parquet")


def edges_of(values):
    values = np.asarray(values, dtype=float)
    return bin_edges(values, describe(values))


@given(
    st.lists(st.one_of(st.floats(0, 700), st.integers(0, 100).map(float)), min_size=1, max_size=80),
    st.sampled_from([1.0, 1e-3, 1e9]),
)
def test_bars_hold_every_value_that_is_not_far(values, scale):
    x = np.asarray(values) * scale
    edges, d = edges_of(x), describe(x)
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= MOST_BINS + 3
    reach = FAR * (d.q75 - d.q25)
    near = x[(x >= d.q25 - reach) & (x <= d.q75 + reach)] if reach > 0 else x
    assert int(np.histogram(near, edges)[0].sum()) == len(near)


@pytest.mark.parametrize("values", [[0.0, 5e-324], [5e-324] * 3, [2.0, 2.0 + 1e-12], [0.0]])
def test_values_that_are_one_have_one_bar(values):
    edges = edges_of(values)
    assert (np.diff(edges) > 0).all()
    counts = np.histogram(values, edges)[0]
    assert counts.max() == counts.sum() == len(values)


def test_bars_stand_on_round_numbers():
    # Freedman and Diaconis: 2 x 44.5 / 10,000 ** (1/3) = 4.1, rounded up to 5.
    edges = edges_of(np.linspace(7, 96, 10_000))
    np.testing.assert_array_equal(edges, np.arange(5, 101, 5))


def test_whole_numbers_have_whole_bars_around_them():
    edges = edges_of([12.0, 13.0, 15.0, 15.0, 18.0])
    np.testing.assert_array_equal(edges, np.arange(11.5, 19))
    assert edges_of([45.0, 45.0]).mean() == 45.0


def test_one_far_value_does_not_flatten_the_rest():
    edges = edges_of([*np.linspace(50, 100, 100), 1e12])
    assert edges[-1] < 100 + FAR * 30


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (echonet_like(40), ["distributions", "zscores", "volumes", "ef_by_label", "counts", "clips"]),
        (camus_like(10), ["distributions", "zscores", "ef_by_label", "counts"]),
        (hmc_like(4), ["counts", "clips"]),
    ],
)
def test_which_images_there_are_as_wide_as_all_and_reported_in_words(rows, names):
    found = make_plots(explored(rows), None)
    assert set(found) == {f"{name}.png" for name in names}
    assert all(pixels(p.png).shape[1] == WIDTH_PX for p in found.values())
    assert all(p.alt for p in found.values())


def test_images_are_the_same_twice():
    first, second = (make_plots(explored(camus_like(4)), None) for _ in range(2))
    assert {name: p.png for name, p in first.items()} == {name: p.png for name, p in second.items()}


@pytest.mark.parametrize("values", [[55.0], [0.0] * 3, [0.1, 0.1, 0.1], [0.0, 100.0]])
def test_few_and_equal_values_are_drawn(values):
    rows = [
        row(f"v{i}", ef_percent=v, edv_ml=v, esv_ml=v, split=("train", "val")[i % 2])
        for i, v in enumerate(values)
    ]
    assert all(pixels(p.png).min() < 100 for p in make_plots(explored(rows), None).values())


def test_a_histogram_has_its_bars_and_its_median_where_they_belong():
    # EF 10, 11 .. 90: bars of equal height; the median is 50, in the middle of axes from 110 to 930 px.
    rows = [row(f"v{i}", ef_percent=float(i)) for i in range(10, 91)]
    found = explored(rows)
    picture = pixels(histograms_png(found.columns[:1], heading="EF"))
    # Rows 110 to 280 px are the bars; the median's line is dark from top to bottom.
    dark = (picture[115:275, 110:930].max(axis=2) < 70).all(axis=0)
    (columns,) = np.nonzero(dark)
    assert len(columns) in (3, 4)
    edges = edges_of(found.columns[0].values)
    low, high = edges[0], edges[-1]
    margin = 0.02 * (high - low)
    place = 110 + 820 * (50 - low + margin) / (high - low + 2 * margin)
    assert 110 + columns.mean() == pytest.approx(place, abs=1.5)


def test_bars_are_as_high_as_their_counts():
    # 30 measurements in one bar, 10 in another, nothing between.
    rows = [row(f"v{i}", ef_percent=20.0 if i < 30 else 80.0) for i in range(40)]
    picture = pixels(histograms_png(explored(rows).columns[:1], heading="EF"))
    bars = (np.abs(picture[110:280].astype(int) - np.array([0x7F, 0xB8, 0xD8])).max(axis=2) < 6).sum(axis=0)
    # Dashed lines and grid hide a row or two of some columns.
    assert bars[300:].max() / bars[:300].max() == pytest.approx(1 / 3, abs=0.03)


def test_boxes_of_z_scores_stand_at_the_quartiles():
    # Of 0, 1 .. 100 the quartiles are 25, 50 and 75; z of the middle is 0, of the quartiles -+ 25 / 29.3.
    found = explored([row(f"v{i}", ef_percent=float(i)) for i in range(101)])
    picture = pixels(z_scores_png(found.columns[:1], heading="EF"))
    dark = (picture[155:185, 110:900].max(axis=2) < 70).all(axis=0)
    (columns,) = np.nonzero(dark)
    # The axis runs from -3.4 to 3.4, so the middle is at 505 px.
    assert 110 + columns.mean() == pytest.approx(505, abs=1.5)
    blue = (np.abs(picture[155:185, 110:900].astype(int) - np.array([0, 114, 178])).max(axis=2) < 40).all(
        axis=0
    )
    (columns,) = np.nonzero(blue)
    z = 25 / np.std(np.arange(101), ddof=1)
    for side in (-z, z):
        assert np.abs(110 + columns - (505 + side * 790 / 6.8)).min() < 2


def test_swapped_volumes_are_triangles_of_another_colour():
    plain = pixels(volumes_png(np.array([[100.0, 40.0], [80.0, 30.0]]), heading="n"))
    swapped = pixels(volumes_png(np.array([[100.0, 40.0], [30.0, 80.0]]), heading="n"))
    assert count(plain, VERMILION) == 0
    assert count(swapped, VERMILION) > 40
    assert pixels(volumes_png(np.array([[0.0, 0.0]]), heading="nothing")).any()


def test_bars_of_counts_are_as_long_as_their_numbers():
    counts = pl.DataFrame(
        [("split", "train", 80, 8), ("split", "val", 20, 2)],
        ["by", "label", "items", "patients"],
        orient="row",
    )
    picture = pixels(counts_png(counts, heading="n"))
    lengths = (np.abs(picture.astype(int) - np.array([0x7F, 0xB8, 0xD8])).max(axis=2) < 6).sum(axis=1)
    lengths = np.unique(lengths[lengths > 50])
    # 580 px are the most.
    assert lengths.max() == pytest.approx(580, abs=3)
    assert lengths.min() == pytest.approx(145, abs=3)
    assert BAR == "#7fb8d8"


def test_odd_labels_are_drawn_and_left_as_they_are():
    names = ["$\\frac{1}{2}$", "_x", "漢字", "a" * 80]
    rows = [
        row(f"v{i}", ef_percent=40.0 + i, quality=names[i % 4], diagnosis=names[i % 4]) for i in range(16)
    ]
    found = explored(rows)
    assert len(found.groups) == 4
    assert pixels(groups_png(found.groups, heading="$x$")).any()
    assert pixels(counts_png(found.counts, heading="漢")).any()


def test_no_window_system():
    code = """
import numpy as np
from lvef.evaluation.exploration import plots
plots.volumes_png(np.array([[100.0, 40.0]]), heading="n")
"""
    loaded = modules_after(code)
    assert "matplotlib.figure" in loaded
    assert not {"matplotlib.pyplot", "torch", "openvino"} & loaded
