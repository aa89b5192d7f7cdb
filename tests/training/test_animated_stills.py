"""Animated stills as training cines."""

from __future__ import annotations

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.training.animated_stills import read_animated


def test_cines_of_the_named_patients_are_read(tmp_path):
    path = tmp_path / "animated.npz"
    frames = np.arange(3, dtype=np.uint8)[:, None, None, None].repeat(2, 1)
    np.savez(path, frames=frames, labels=frames + 10, patients=np.array(["a", "b", "a"]))
    shown, labels = read_animated(path, ["a"])
    assert shown[:, 0, 0, 0].tolist() == [0, 2]
    assert labels[:, 0, 0, 0].tolist() == [10, 12]
    assert len(read_animated(path, ["nobody"])[0]) == 0


@pytest.mark.parametrize("content", [None, b"", b"no archive", "array", "other"])
def test_another_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "animated.npz"
    if content == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif content == "other":
        np.savez(path, frames=np.zeros(3))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="was expected"):
        read_animated(path, ["a"])
