"""The contact sheet: contours where the masks are, every image whole, any number of tiles."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.evaluation.plots.images import Tile, contact_sheet_png
from lvef.evaluation.plots.style import SKY, VERMILION, WIDTH_PX
from tests.evaluation.drawing import count, pixels

LEGEND_PX = 104
"""The legend and the heading end here."""


def disc(height, width, x, y, radius):
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(columns - x, rows - y) < radius


def tile(height=120, width=120, caption="patient0001 A4C ED\nDice 0.931", expert=None, network=None):
    picture = np.full((height, width), 90, np.uint8)
    none = np.zeros((height, width), bool)
    return Tile(picture, none if expert is None else expert, none if network is None else network, caption)


def sheet(*tiles):
    return pixels(contact_sheet_png(tiles, heading="Worst stills"))


def extent(picture, colour):
    """x0, x1, y0, y1 of that colour under the legend."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    rows, columns = np.nonzero((np.abs(picture[LEGEND_PX:].astype(int) - wanted) < 50).all(axis=-1))
    return columns.min(), columns.max(), rows.min() + LEGEND_PX, rows.max() + LEGEND_PX


def test_same_bytes_twice_and_rows_of_four():
    tiles = [tile(expert=disc(120, 120, 60, 60, 30), network=disc(120, 120, 62, 60, 30)) for _ in range(9)]
    heights = []
    for n in (1, 4, 5, 9):
        png = contact_sheet_png(tiles[:n], heading="Worst stills")
        assert png == contact_sheet_png(tiles[:n], heading="Worst stills")
        height, width, _ = pixels(png).shape
        assert width == WIDTH_PX
        heights.append(height)
    assert heights[0] == heights[1] < heights[2] < heights[3]


def test_no_tiles():
    picture = sheet()
    assert picture.shape[1] == WIDTH_PX
    assert (picture < 128).any()


def test_contours_are_drawn_and_empty_masks_are_not():
    mask = disc(120, 120, 60, 60, 30)
    bare = sheet(tile())
    expert, network = sheet(tile(expert=mask)), sheet(tile(network=mask))
    assert count(expert, VERMILION, 40) > count(bare, VERMILION, 40) + 200
    assert count(expert, SKY, 40) == count(bare, SKY, 40) > 0
    assert count(network, SKY, 40) > count(bare, SKY, 40) + 400
    assert count(network, VERMILION, 40) == count(bare, VERMILION, 40) > 0


def test_both_are_seen_where_they_agree():
    mask = disc(120, 120, 60, 60, 30)
    bare, both = sheet(tile()), sheet(tile(expert=mask, network=mask))
    assert count(both, VERMILION, 40) > count(bare, VERMILION, 40) + 100
    assert count(both, SKY, 40) > count(bare, SKY, 40) + 100


@pytest.mark.parametrize("scale", [1, 6])
@pytest.mark.parametrize("colour", [SKY, VERMILION])
def test_a_contour_lies_around_its_mask(scale, colour):
    side = 100 * scale
    mask = np.zeros((side, side), bool)
    mask[20 * scale : 70 * scale, 30 * scale : 60 * scale] = True
    which = "network" if colour == SKY else "expert"
    x0, x1, y0, y1 = extent(sheet(tile(side, side, **{which: mask})), colour)
    # The first image is 277.5 px wide and starts at (24, 104).
    found = (np.array([x0, x1, y0, y1]) - np.array([24, 24, 104, 104])) / 277.5 * 100
    np.testing.assert_allclose(found, [30, 60, 20, 70], atol=1.5)


@pytest.mark.parametrize(("height", "width"), [(60, 240), (240, 60), (1, 1), (300, 300), (7, 500)])
def test_images_of_any_shape_are_whole_and_keep_their_shape(height, width):
    picture = sheet(tile(height, width))
    square = picture[104:381, 24:301]
    rows, columns = np.nonzero((np.abs(square.astype(int) - 90) < 10).all(axis=-1))
    side = max(height, width)
    np.testing.assert_allclose(np.ptp(rows) + 1, 277 * height / side, atol=3)
    np.testing.assert_allclose(np.ptp(columns) + 1, 277 * width / side, atol=3)
    assert (square.reshape(-1, 3).max(axis=1) < 100).all()


def test_a_mask_that_fills_the_image_has_a_closed_contour():
    x0, x1, y0, y1 = extent(sheet(tile(network=np.ones((120, 120), bool))), SKY)
    assert x1 - x0 > 270 and y1 - y0 > 270


@pytest.mark.parametrize(
    "caption", ["", "W" * 200, "$\\frac{1}{2}$", "患者 漢字 " * 20, "a\nb\nc\nd", "one two " * 40]
)
def test_captions_stay_under_their_image(caption):
    picture = sheet(tile(caption=caption))
    assert (picture[LEGEND_PX:, 24 + 278 :] == 255).all()
    assert (picture[-18:] == 255).all()
    assert bool((picture[390:450, 24:301] < 128).any()) == bool(caption)


def test_grey_values_are_not_stretched():
    dark = sheet(tile())
    # 90 of 255 stays 90 although it is all there is.
    np.testing.assert_allclose(dark[240, 160], 90, atol=1)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"patient7.*\(120, 120\).*predicted.*\(60, 60\)"):
        tile(caption="patient7", network=np.zeros((60, 60), bool))
    none = np.zeros((4, 4, 3), bool)
    with pytest.raises(ValueError, match="one grey image"):
        Tile(none.astype(np.uint8), none, none, "colour")
