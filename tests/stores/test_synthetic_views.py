"""A folder of clips of every view: readable files, a table, and the same clip whatever their number."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.runner import Progress
from lvef.io.open import open_clip
from lvef.stores import synthetic_sources
from lvef.stores.synthetic_sources import clip_rng, write_views


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips that cost nothing, of two classes."""

    def clip(name: str, rng: np.random.Generator, *, n_frames: int, size: int, rate_hz: float) -> np.ndarray:
        return rng.integers(0, 255, (n_frames, size, size), dtype=np.uint8)

    classes = {name: synthetic_sources.FOREIGN_CLASSES[name] for name in ("a4c", "m_mode")}
    monkeypatch.setattr(synthetic_sources, "FOREIGN_CLASSES", classes)
    monkeypatch.setattr(synthetic_sources, "foreign_clip", clip)


@pytest.mark.usefixtures("quick")
def test_the_table_names_each_clip_and_its_view(tmp_path: Path) -> None:
    assert write_views(tmp_path / "out", seed=1, each=2, size=64, progress=Progress()) == 4
    with (tmp_path / "out" / "views.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["class"], r["view"]) for r in rows] == [("a4c", "A4C")] * 2 + [("m_mode", "not_echo")] * 2
    clip = open_clip(tmp_path / "out" / rows[2]["file"])
    assert clip.frames.shape == (50, 64, 64)
    assert clip.times_s[-1] == pytest.approx(49 / 25)


@pytest.mark.usefixtures("quick")
def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="holds files already"):
        write_views(tmp_path, seed=1, each=1, size=64, progress=Progress())


def test_clips_depend_on_seed_class_and_number_alone() -> None:
    drawn = {(s, n, k): clip_rng(s, n, k).random() for s in (1, 2) for n in ("a4c", "plax") for k in (1, 2)}
    assert len(set(drawn.values())) == len(drawn)
    assert clip_rng(1, "plax", 2).random() == drawn[1, "plax", 2]
