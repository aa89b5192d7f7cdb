import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.core.terms import Structure
from lvef.synthesis.animated_stills.matching import (
    ATRIUM_STEPS,
    MIN_GAP,
    SIDE_STEPS,
    match_contours,
    match_landmarks,
)
from tests.synthesis.animated_stills.drawn_pair import ED, ES, drawn_pair

WHOLE = np.array([[0.0, 0.0], [140.0, 0.0], [140.0, 128.0], [0.0, 128.0]])


def test_marks_lie_where_the_shape_has_them():
    for found, shape in zip(match_contours(drawn_pair()), (ED, ES), strict=True):
        (x, y), length, radius = shape["centre"], shape["length"], shape["radius"]
        assert np.abs(found.apex - (x, y - length)).max() < 1.5
        assert np.abs(found.hinges - [(x - radius, y), (x + radius, y)]).max() < 1.5
        assert np.abs(found.wall[SIDE_STEPS] - (x, y - length - shape["wall"])).max() < 1.5
        assert np.hypot(*(found.atrium[0] - found.hinges[0])) < 3
        assert np.hypot(*(found.atrium[ATRIUM_STEPS] - found.hinges[1])) < 3


def test_every_side_is_divided_evenly():
    ed, _ = match_contours(drawn_pair())
    steps = np.hypot(*np.diff(ed.lv[: SIDE_STEPS + 1], axis=0).T)
    assert np.median(steps) == pytest.approx(steps.max(), rel=0.01)
    assert steps.min() > 0.8 * steps.max()  # a chord across the corner at the hinge is shorter than its arc
    for contour in (ed.wall, ed.atrium):
        closed = np.hypot(*(np.roll(contour, -1, axis=0) - contour).T)
        assert closed.max() < 6


@pytest.mark.parametrize("turn", [-0.6, 0.4, 3.0])
def test_a_turned_heart_is_matched_as_well(turn):
    shapes = [s | {"centre": (70.0, 66.0), "turn": turn, "length": s["length"] * 0.8} for s in (ED, ES)]
    ed, es = match_contours(drawn_pair(shapes=shapes, fan=False))
    assert np.hypot(*(ed.lv - es.lv).T).max() < 14
    assert np.hypot(*(ed.wall - es.wall).T).max() < 14


def test_landmarks_keep_their_distance_and_the_border_stands():
    ed, es = match_contours(drawn_pair())
    border = np.array([[-30.0, -30.0], [170.0, 160.0], [66.0, 96.0]])
    first, second = match_landmarks(ed, es, border, WHOLE)
    for points in (first, second):
        gaps = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(points))
        assert gaps.min() >= 0.99 * MIN_GAP * ED["length"]
    assert (first[-2:] == border[:2]).all()
    assert (second[-2:] == border[:2]).all()
    assert not (first == border[2]).all(axis=1).any()


def test_an_atrium_cut_by_the_sector_carries_no_marks_where_it_is_cut():
    ed, es = match_contours(drawn_pair())
    nowhere = np.zeros((0, 2))
    cut = WHOLE * (1, 100 / 128)  # the sector ends 4 pixels below the mitral plane
    whole, fewer = (match_landmarks(ed, es, nowhere, sector)[0] for sector in (WHOLE, cut))
    assert (whole[:, 1] > 100).sum() > 5
    assert (fewer[:, 1] > 102).sum() == 0


def test_swapped_stills_are_refused():
    pair = drawn_pair(shapes=(ES, ED))
    with pytest.raises(GeometryError, match=r"drawn A4C: the ventricle is 2\.\d+ times as large at ES"):
        match_contours(pair)


def test_a_mirrored_mask_of_a_crooked_heart_is_no_partner():
    # hinges are told apart by left and right; turned upside down, left and right change their places around the apex
    shapes = (ED, ES | {"centre": (66.0, 40.0), "turn": np.pi})
    with pytest.raises(GeometryError, match="swapped between the ED and the ES mask"):
        match_contours(drawn_pair(shapes=shapes, fan=False))


def test_a_mask_without_a_measurable_ventricle_is_refused():
    speck = np.zeros((128, 140), np.uint8)
    speck[60, 60] = Structure.LV
    with pytest.raises(GeometryError, match="drawn A4C: the ES mask cannot be traced"):
        match_contours(drawn_pair(es_labels=speck))


def test_missing_wall_and_atrium_are_left_out_in_both():
    pair = drawn_pair()
    bare = np.where(pair.ed_labels == Structure.LV, 1, 0).astype(np.uint8)
    ed, es = match_contours(drawn_pair(ed_labels=bare))
    assert ed.wall is None and es.wall is None and ed.atrium is None and es.atrium is None
    assert ed.lv.shape == es.lv.shape
