import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.records import PixelSpacing
from tests.synthesis.animated_stills.drawn_pair import drawn_pair


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"es": np.zeros((64, 64), np.uint8)}, "ES is"),
        ({"ed_labels": np.ones((128, 140), np.int64)}, "ED mask is"),
        ({"ed": np.zeros((128, 140, 3), np.uint8)}, "ED is"),
        ({"es_labels": np.zeros((128, 140), np.uint8)}, "ES mask holds no left ventricle"),
        ({"ed_labels": np.full((128, 140), 7, np.uint8)}, "holds the value 7"),
        ({"ed": np.full((128, 140), 9, np.uint8)}, "every pixel of the ED image is 9"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_reason(changes, words):
    with pytest.raises(DataError, match=words) as found:
        drawn_pair(**changes)
    assert str(found.value).startswith("drawn A4C: ")


def test_a_thumbnail_is_refused():
    small = np.ones((20, 140), np.uint8)
    with pytest.raises(DataError, match="140 x 20"):
        _thumbnail(small)


def _thumbnail(small):
    whole = drawn_pair()
    type(whole)(small, small, small, small, None, whole.view, "drawn")


def test_aspect_is_that_of_the_scale():
    assert drawn_pair(spacing=PixelSpacing(0.5, 0.75, "drawn")).aspect == 1.5
    assert drawn_pair(spacing=None).aspect == 1.0
