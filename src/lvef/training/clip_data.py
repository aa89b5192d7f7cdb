"""Clips and two-stream samples from prepared stores, as tensors.

A case gives ``frames``, uint8: ``(t, h, w)`` in training, from a random start; ``(clips, t, h, w)`` outside of training,
from evenly spaced starts. Bytes travel to the device and become grey levels there. A two-stream store holds one sample a
clip, which is taken as it is; of a store of clips the frames of two streams are sampled like any others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lvef.core.errors import ConfigError, DataError
from lvef.core.records import FloatArray, FrameArray
from lvef.stores.recipes import TwoStreamRecipe
from lvef.training.cases import Case
from lvef.training.loading import Batch, CaseDataset, SampleIndex
from lvef.training.recipe import TWO_STREAM, Recipe
from lvef.transforms.sampling import Sampling, random_start_s, window
from lvef.transforms.store import ClipStore

FORGET_AFTER = 200
"""Cases after which the maps of the frames' files are made anew: pages that were read then no longer count as this process's
memory, which would else grow to the size of the collection."""


class ClipCases(CaseDataset):
    """Cases of stores of clips or of two-stream samples.

    Args:
        cases: The part.
        stores: Opened stores, by the number in the cases.
        recipe: Sampling, and seed of the starts.
        train: One clip from a random start, instead of several evenly spaced ones.
    """

    def __init__(
        self, cases: Sequence[Case], stores: Sequence[ClipStore], recipe: Recipe, *, train: bool
    ) -> None:
        super().__init__(cases)
        self.stores, self.recipe, self.train = tuple(stores), recipe, train
        self._read = 0

    def __getitem__(self, draw: SampleIndex) -> Batch:
        """Frames, EF and number of a case."""
        case = self.cases[draw.case]
        store = self.stores[case.store]
        self._read += 1
        if self._read % FORGET_AFTER == 0:
            for opened in self.stores:
                opened.release()
        frames = self._frames(store, case.number, draw)
        return {
            "frames": torch.from_numpy(frames),
            "ef": torch.tensor(case.ef_percent, dtype=torch.float32),
            "case": draw.case,
        }

    def _frames(self, store: ClipStore, number: int, draw: SampleIndex) -> FrameArray:
        clip = store.frames(number)
        if store.info["settings"].get("kind") == TwoStreamRecipe.kind:
            # A copy: the tensor must not be a view of a file that is open for reading only.
            whole = np.array(clip)
            return whole if self.train else whole[None]
        times = store.times_s(number)
        settings = self.recipe.clip
        if self.train:
            rng = np.random.default_rng([self.recipe.seed, 3, draw.epoch, draw.case, draw.copy])
            spread = self.recipe.augmentation.log_speed
            speed = float(np.exp(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread))) if spread else 1.0
            sampling = Sampling(settings.frames, settings.duration_s * speed)
            start = random_start_s(times, sampling.duration_s, rng)
            return np.asarray(clip[window(times, sampling, start).indices])
        sampling = Sampling(settings.frames, settings.duration_s)
        starts = even_starts_s(times, sampling.duration_s, settings.clips)
        return np.stack([clip[window(times, sampling, start).indices] for start in starts])


def even_starts_s(times_s: FloatArray, duration_s: float, count: int) -> list[float]:
    """Starts of evenly spaced clips, the first at 0, the last where it still fits.

    Args:
        times_s: Time of each frame, seconds from 0.
        duration_s: Seconds of a clip.
        count: Number of clips; one that leaves no room for another start is repeated.

    Example:
        >>> even_starts_s(np.arange(5.0), 2.0, 3)
        [0.0, 1.0, 2.0]
    """
    room = max(0.0, float(times_s[-1]) - duration_s)
    return [float(start) for start in np.linspace(0.0, room, count)] if count > 1 else [room / 2]


def open_clip_stores(folders: Sequence[Path], recipe: Recipe) -> list[ClipStore]:
    """Open the stores of a run and see that they fit the recipe and each other.

    Raises:
        DataError: One is no store, or holds stills only.
        ConfigError: Its images have another size, crop or kind than the recipe or the other stores.
    """
    stores = [ClipStore(folder) for folder in folders]
    for store in stores:
        settings = store.info["settings"]
        kind, size = settings.get("kind"), settings.get("size")
        if kind == TwoStreamRecipe.kind and recipe.family != TWO_STREAM:
            raise ConfigError(
                f"{store.folder}: holds two-stream samples, {recipe.family} needs clips; prepare them with "
                "lvef data prepare clips."
            )
        if size != recipe.clip.size:
            raise ConfigError(
                f"{store.folder}: holds squares of {size} pixels, the recipe {recipe.name} wants {recipe.clip.size}; "
                f"prepare it with --size {recipe.clip.size}."
            )
        if kind == TwoStreamRecipe.kind and settings.get("frames") != recipe.clip.frames:
            raise ConfigError(
                f"{store.folder}: its samples have {settings.get('frames')} frames, the recipe {recipe.name} wants "
                f"{recipe.clip.frames}; prepare it with --frames {recipe.clip.frames}."
            )
        if kind == TwoStreamRecipe.kind and settings.get("duration") != recipe.clip.duration_s:
            raise ConfigError(
                f"{store.folder}: its samples span {settings.get('duration')} s, the recipe {recipe.name} wants "
                f"{recipe.clip.duration_s:g}; prepare it with --duration {recipe.clip.duration_s:g}."
            )
        if (crop := settings.get("crop")) != (first := stores[0].info["settings"].get("crop")):
            raise ConfigError(
                f"{store.folder}: shows the image's part {crop!r}, {stores[0].folder} shows {first!r}; prepare both with "
                "the same --crop."
            )
        if len(store) and int(store.n_frames.max()) < 2:
            raise DataError(f"{store.folder}: holds stills only; {recipe.family} needs clips.")
    return stores
