import numpy as np
import pytest

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip, PixelAspect, PixelSpacing
from lvef.measure.pair import pair_of_stills

MM, OTHER_MM, TALL_MM = (PixelSpacing(0.5, y, "test") for y in (0.5, 0.6, 1.0))
TALL, WIDE = PixelAspect(2.0, "test"), PixelAspect(0.5, "test")


def still(spacing, shape=(4, 6)):
    return Clip(np.zeros((1, *shape), np.uint8), np.zeros(1), "still", "a.png", spacing=spacing)


@pytest.mark.parametrize(
    ("ed", "es", "common"),
    [
        (None, None, None),
        (MM, MM, MM),
        (TALL, TALL, TALL),
        (MM, None, None),
        (None, TALL_MM, TALL),
        (TALL, TALL_MM, TALL),
    ],
)
def test_what_is_known_of_one_still_holds_for_the_pair_but_for_millimetres(ed, es, common):
    assert pair_of_stills([still(ed), still(es)], "pair").spacing == common


@pytest.mark.parametrize(("ed", "es"), [(MM, OTHER_MM), (TALL, WIDE), (MM, TALL)])
def test_stills_whose_pixels_differ_are_refused(ed, es):
    with pytest.raises(QualityRefusal, match="different scales"):
        pair_of_stills([still(ed), still(es)], "pair")


def test_sizes_may_differ_only_with_a_scale():
    assert pair_of_stills([still(MM), still(MM, (5, 3))], "pair").frames.shape == (2, 5, 6)
    with pytest.raises(QualityRefusal, match="without a scale"):
        pair_of_stills([still(TALL), still(TALL, (5, 3))], "pair")
