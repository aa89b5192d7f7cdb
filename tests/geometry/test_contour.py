import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.geometry.contour import MASK_BLUR_PX, contour_of_field, field_of_mask, mask_of_contour
from lvef.geometry.simpson import polygon_area


def disk(radius, centre=(40.0, 40.0), size=80):
    y, x = np.mgrid[:size, :size]
    return np.hypot(x - centre[0], y - centre[1]) <= radius


def test_area_of_a_mask_is_kept():
    for radius in (6, 12, 25):
        area = polygon_area(contour_of_field(field_of_mask(disk(radius))))
        assert area == pytest.approx(disk(radius).sum() - np.pi * MASK_BLUR_PX**2, abs=1.5)


def test_a_straight_edge_lies_between_the_pixels():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 8:20] = 1
    contour = contour_of_field(field_of_mask(mask))
    assert contour[:, 0].min() == pytest.approx(7.5, abs=0.02)
    assert contour[:, 0].max() == pytest.approx(19.5, abs=0.02)
    assert contour[:, 1].min() == pytest.approx(9.5, abs=0.02)
    assert contour[:, 1].max() == pytest.approx(29.5, abs=0.02)


def test_contour_runs_where_the_field_crosses_the_level():
    y, x = np.mgrid[:60, :60]
    field = np.clip(1 - np.hypot(x - 30.3, y - 29.6) / 30, 0, 1).astype(
        np.float32
    )  # a cone: 0.5 at radius 15
    radii = np.hypot(*(contour_of_field(field) - [30.3, 29.6]).T)
    assert np.abs(radii - 15).max() < 0.03


def test_contour_is_a_simple_closed_ring():
    contour = contour_of_field(field_of_mask(disk(15)))
    steps = np.hypot(*(np.roll(contour, -1, axis=0) - contour).T)
    assert steps.max() < 1.6
    filled = mask_of_contour(contour, (80, 80))
    assert abs(int(filled.sum()) - int(disk(15).sum())) <= 4


def test_holes_are_filled_and_small_pieces_left_out():
    whole = disk(20)
    broken = whole.copy()
    broken[35:44, 36:45] = False
    broken[2:8, 2:8] = True
    assert polygon_area(contour_of_field(field_of_mask(broken))) == pytest.approx(
        polygon_area(contour_of_field(field_of_mask(whole))), rel=1e-3
    )


def test_a_thread_that_leaks_out_is_cut():
    leak = disk(15)
    leak[39:41, 54:78] = True
    contour = contour_of_field(field_of_mask(leak))
    assert contour[:, 0].max() < 60  # the thread reached 77
    assert polygon_area(contour) == pytest.approx(np.pi * 15**2, rel=0.02)


def test_a_piece_at_the_image_border_is_closed_there():
    mask = np.zeros((40, 40), np.uint8)
    mask[0:20, 0:20] = 1
    contour = contour_of_field(field_of_mask(mask))
    assert contour.min() >= -0.5 - 1e-6
    assert polygon_area(contour) == pytest.approx(400, rel=0.02)


@pytest.mark.parametrize("pixels", [0, 1, 9])
def test_too_little_is_refused(pixels):
    mask = np.zeros((40, 40), np.uint8)
    mask.flat[20 * 40 + 20 : 20 * 40 + 20 + pixels] = 1
    with pytest.raises(GeometryError, match="No ventricle"):
        contour_of_field(mask.astype(np.float32))
    with pytest.raises(GeometryError, match="No ventricle"):
        contour_of_field(field_of_mask(mask))


def test_mask_of_contour_takes_pixels_whose_centre_is_inside():
    square = np.array([[1.6, 0.6], [4.4, 0.6], [4.4, 2.4], [1.6, 2.4]])
    mask = mask_of_contour(square, (5, 7))
    assert mask.sum() == 6
    assert mask[1:3, 2:5].all()
    assert mask_of_contour(square - 10, (5, 7)).sum() == 0
