import cv2
import numpy as np

from lvef.synthesis.animated_stills.appearance import Painter, handover, sector_of
from tests.synthesis.animated_stills.drawn_pair import drawn_pair, sector


def _grid(shape):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.stack([x, y], axis=-1)


def _painter(ed, es):
    return Painter(ed, es, sector_of(ed, es))


def test_either_still_comes_out_as_it_went_in():
    pair = drawn_pair()
    painter, rest = _painter(pair.ed, pair.es), _grid(pair.ed.shape)
    for level, still in ((0.0, pair.ed), (-0.4, pair.ed), (1.0, pair.es), (1.7, pair.es)):
        smooth, speckle, _ = painter.parts(level, rest, rest)
        assert np.abs(painter.framed(smooth + speckle, level) - still).max() < 0.5


def test_speckle_keeps_its_deviation_where_a_plain_blend_loses_it():
    pair = drawn_pair(fan=False)
    noise = [
        np.clip(
            100
            + 15
            * (g := cv2.GaussianBlur(np.random.default_rng(i).standard_normal((160, 160)), (0, 0), 1))
            / g.std(),
            0,
            255,
        ).astype(np.uint8)
        for i in (1, 2)
    ]
    assert pair.ed.size and ((noise[0] / 2.0 + noise[1] / 2.0).std() < 0.75 * noise[0].std())
    painter, rest = _painter(*noise), _grid((160, 160))
    for level in np.linspace(0, 1, 9):
        smooth, speckle, _ = painter.parts(float(level), rest, rest)
        assert abs(speckle.std() / painter.stills[0][..., 1].std() - 1) < 0.02
        assert abs((smooth + speckle).std() / noise[0].std() - 1) < 0.06


def test_one_and_the_same_still_is_not_doubled():
    pair = drawn_pair()
    painter, rest = _painter(pair.ed, pair.ed), _grid(pair.ed.shape)
    smooth, speckle, _ = painter.parts(0.5, rest, rest)
    inside = painter.sector.inside
    assert np.abs(smooth + speckle - pair.ed)[inside].mean() < 0.5


def test_the_sector_is_found_and_what_lies_beyond_mirrors_what_lies_inside():
    pair = drawn_pair()
    found = sector_of(pair.ed, pair.es)
    true = sector(pair.ed.shape)
    assert not (found.inside & ~true).any()
    assert found.inside.sum() > 0.94 * true.sum()
    assert np.abs(found.top - (70, 2)).max() < 3
    painter = _painter(pair.ed, pair.es)
    filled = painter.stills[0][..., 0] + painter.stills[0][..., 1]
    ring = cv2.dilate(found.inside.astype(np.uint8), np.ones((9, 9))).astype(bool) & ~found.inside
    assert filled[ring].min() > 5
    assert abs(filled[ring].mean() - pair.ed[found.inside].mean()) < 25


def test_an_image_without_a_dark_border_is_all_sector():
    pair = drawn_pair(fan=False)
    assert sector_of(pair.ed, pair.es).inside.mean() > 0.97


def test_the_handover_is_smooth_and_ends_at_the_stills():
    weights = np.array([handover(s) for s in np.linspace(-0.5, 1.5, 201)])
    assert weights[0] == 0 and weights[-1] == 1
    assert (np.diff(weights) >= 0).all() and np.diff(weights).max() < 0.03
    assert handover(0.0) == 0 and handover(1.0) == 1
