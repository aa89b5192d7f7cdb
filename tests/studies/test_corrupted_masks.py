import numpy as np
import pytest

from lvef.core.terms import Structure
from lvef.geometry.tracing import trace_labels
from studies.corrupted_masks import CORRUPTIONS
from tests.geometry.ventricle_shapes import labels


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_damage_changes_part_of_a_mask_and_nothing_else(name):
    mask = labels(turn=0.3)
    kept, tracing = mask.copy(), trace_labels(mask)
    broken = CORRUPTIONS[name](mask, tracing, np.random.default_rng(0))
    assert broken.shape == mask.shape
    assert broken.dtype == np.uint8
    assert set(np.unique(broken)) <= set(Structure)
    assert np.array_equal(mask, kept), "the mask that was given stays as it is"
    changed = (broken != mask).mean()
    assert 0.001 < changed < 0.25
    assert np.array_equal(broken, CORRUPTIONS[name](mask, tracing, np.random.default_rng(0)))


def test_a_damage_is_the_same_at_any_scale_and_turn():
    small, large = (
        labels(turn=0.3),
        labels(size=256, centre=(128, 168), length=100, radius=32, wall=12, turn=-0.4),
    )
    for name in (
        "two pieces, middle",
        "holes",
        "leak through the wall, wide",
        "cut by the sector, 35 %",
        "lost wall",
    ):
        share = []
        for mask in (small, large):
            broken = CORRUPTIONS[name](mask, trace_labels(mask), np.random.default_rng(0))
            share.append((broken != mask).sum() / (mask == Structure.LV).sum())
        assert share[0] == pytest.approx(share[1], rel=0.25), name
