"""Every class gives a moving clip of its own, the same for the same random state."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.terms import View
from lvef.synthesis.foreign import FOREIGN_CLASSES, foreign_clip

ALL = tuple(FOREIGN_CLASSES)


@pytest.mark.parametrize("name", ALL)
def test_a_clip_is_repeated_by_the_same_random_state(name: str) -> None:
    first, second, other = (
        foreign_clip(name, np.random.default_rng(seed), n_frames=3, size=64) for seed in (1, 1, 2)
    )
    assert first.shape == (3, 64, 64) and first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_each_view_but_the_unknown_one_has_classes() -> None:
    assert set(FOREIGN_CLASSES.values()) == set(View) - {View.UNKNOWN}


@pytest.mark.parametrize("name", ["plax", "m_mode", "photograph"])
def test_one_frame_is_a_clip_too(name: str) -> None:
    assert foreign_clip(name, np.random.default_rng(4), n_frames=1, size=64).max() > 0
