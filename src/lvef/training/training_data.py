"""The data of a run: stores opened, cases read, partitions made, and what card and ``run.json`` state of them."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import torch

from lvef.core.errors import ConfigError, DataError, panics_become, reading
from lvef.core.records import FloatArray, FrameArray
from lvef.core.serialization import read_json
from lvef.stores.recipes import TwoStreamRecipe
from lvef.stores.traced_frames import INFO_NAME, SCHEMA
from lvef.training.cases import Case, Partition, count_by_split, read_cases, split_cases, split_fold
from lvef.training.loading import Batch, CaseDataset, SampleIndex
from lvef.training.recipe import TWO_STREAM, VOLUME_TRACE, Recipe
from lvef.transforms.sampling import Sampling, random_start_s, window
from lvef.transforms.store import INDEX_NAME, ClipStore
from lvef.transforms.volume_tracing import N_LINES


@dataclass(frozen=True)
class TrainingData:
    """Opened stores and their cases.

    Attributes:
        recipe: The run's recipe.
        stores: Opened stores.
        cases: Of all of them.
        without_ef: Clips that were left out because they have none.
    """

    recipe: Recipe
    stores: tuple[ClipStore | TraceStore, ...]
    cases: tuple[Case, ...]
    without_ef: int

    def partition(self, fold: int | None = None, n_folds: int = 5) -> Partition:
        """Training and validation; with a fold, also what is held out.

        Raises:
            DataError: Too few patients, or one on two sides.
        """
        settings = self.recipe.data
        draw = {"fraction": settings.validation_fraction, "seed": settings.split_seed}
        if fold is None:
            return split_cases(self.cases, **draw)  # type: ignore[arg-type]
        return split_fold(self.cases, fold, n_folds, **draw)  # type: ignore[arg-type]

    def part(self, cases: Sequence[Case], *, train: bool) -> CaseDataset:
        """A part's cases as tensors."""
        if self.recipe.family == VOLUME_TRACE:
            return TraceCases(cases, [s for s in self.stores if isinstance(s, TraceStore)])
        return ClipCases(
            cases, [s for s in self.stores if isinstance(s, ClipStore)], self.recipe, train=train
        )

    @property
    def crop(self) -> str:
        """Part of the image that is shown."""
        return str(self.stores[0].info["settings"].get("crop", "whole"))

    def describe(self) -> list[dict[str, Any]]:
        """What ``run.json`` says of each store; the folder's name only, as a path may name its owner."""
        rows = []
        for number, store in enumerate(self.stores):
            mine = [case for case in self.cases if case.store == number]
            rows.append(
                {
                    "store": store.folder.name,
                    "index_sha256": sha256_of_index(store.folder),
                    "settings": store.info["settings"],
                    "cases": len(mine),
                    "patients": len({case.patient for case in mine}),
                    "splits": count_by_split(mine),
                    "collections": self.words("collection", number),
                    "licences": self.words("licence", number),
                }
            )
        return rows

    def words(self, column: str, store: int | None = None) -> list[str]:
        """Distinct values of a text column of the indices, sorted; of one store or of all."""
        chosen = self.stores if store is None else self.stores[store : store + 1]
        values = (value for opened in chosen for value in _columns(opened).get(column, []))
        return sorted({str(value) for value in values if value is not None})


def open_training_data(recipe: Recipe, folders: Sequence[Path]) -> TrainingData:
    """Open the stores of a run.

    Args:
        recipe: Its ``data.stores`` count where no folders are given.
        folders: Prepared stores.

    Raises:
        DataError: One cannot be used, or has no EF.
        ConfigError: One does not fit the recipe, none is given, or there are not as many weights as stores.
    """
    chosen = list(folders) or [Path(name) for name in recipe.data.stores]
    if not chosen:
        raise ConfigError(f"{recipe.name}: no data given; give --data STORE, or stores under [data].")
    if recipe.data.weights and len(recipe.data.weights) != len(chosen):
        raise ConfigError(
            f"{recipe.name}: {len(recipe.data.weights)} weights for {len(chosen)} stores found; as many of each expected."
        )
    traces = recipe.family == VOLUME_TRACE
    stores: Sequence[ClipStore | TraceStore] = (
        open_trace_stores(chosen, recipe) if traces else open_clip_stores(chosen, recipe)
    )
    cases: list[Case] = []
    without = 0
    for number, store in enumerate(stores):
        found, lost = read_cases(_columns(store), number, str(store.folder), needs_ef=not traces)
        if isinstance(store, ClipStore):
            found = [case for case in found if store.n_frames[case.number] > 1]
        cases += found
        without += lost
    return TrainingData(recipe, tuple(stores), tuple(cases), without)


def mean_ef(cases: Sequence[Case]) -> float:
    """Mean EF in percent of the cases that have one; NaN where none has."""
    values = [case.ef_percent for case in cases if not np.isnan(case.ef_percent)]
    return float(np.mean(values)) if values else float("nan")


def with_stores(recipe: Recipe, folders: Sequence[Path], weights: Sequence[float]) -> Recipe:
    """The recipe with the stores and weights of the command line, where it gives them."""
    data = recipe.data
    if folders:
        data = dataclasses.replace(data, stores=tuple(folder.name for folder in folders))
    if weights:
        data = dataclasses.replace(data, weights=tuple(weights))
    return dataclasses.replace(recipe, data=data)


def _columns(store: ClipStore | TraceStore) -> dict[str, list[Any]]:
    if isinstance(store, TraceStore):
        return store.columns
    return {name: store.column(name) for name in store.names}


FORGET_AFTER = 200
"""Cases after which the maps of the frames' files are made anew: pages that were read then no longer count as this process's
memory, which would else grow to the size of the dataset."""


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
        _check_squares(store, size, stores[0], recipe)
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
        if len(store) and int(store.n_frames.max()) < 2:
            raise DataError(f"{store.folder}: holds stills only; {recipe.family} needs clips.")
    return stores


class TraceStore:
    """A folder of traced frames, opened for reading.

    Args:
        folder: The folder.

    Raises:
        DataError: It is no finished folder of traced frames.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / INFO_NAME
        remedy = "a folder of traced frames was expected: make one with lvef data prepare volume-traces"
        self.info: dict[str, Any] = read_json(path, remedy, SCHEMA)
        if not self.info.get("complete"):
            raise DataError(
                f"{folder}: the preparation is incomplete; give the lvef data prepare command again."
            )
        damaged = DataError(f"{folder / INDEX_NAME}: is damaged; {remedy}.")
        try:
            with panics_become(damaged), reading(folder / INDEX_NAME, remedy):
                index = pl.read_parquet(io.BytesIO((folder / INDEX_NAME).read_bytes()))
        except pl.exceptions.PolarsError:
            raise damaged from None
        self.columns: dict[str, list[Any]] = {name: index[name].to_list() for name in index.columns}
        missing = [name for name in ("item", "picture", "lines_px") if name not in self.columns]
        if missing:
            raise DataError(f"{folder / INDEX_NAME}: has no column {', '.join(missing)}; prepare it again.")
        self.size = int(self.info["settings"]["size"])

    def __len__(self) -> int:
        """Number of traced frames."""
        return len(self.columns["item"])

    def image(self, number: int) -> FrameArray:
        """The grey square of a row, ``(size, size)`` uint8.

        Raises:
            DataError: Its file is missing, damaged or of another size.
        """
        path = self.folder / self.columns["picture"][number]
        with reading(path, "prepare the folder again"):
            data = np.frombuffer(path.read_bytes(), np.uint8)
        grey = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
        if grey is None or grey.shape != (self.size, self.size):
            raise DataError(
                f"{path}: {'no image' if grey is None else grey.shape} found, a PNG of {self.size} x {self.size} pixels "
                "was expected; prepare the folder again."
            )
        return np.asarray(grey, np.uint8)

    def lines_px(self, number: int) -> FloatArray:
        """The lines of a row, ``(21, 2, 2)`` pixels of the square.

        Raises:
            DataError: There are not 84 finite numbers.
        """
        values = np.asarray(self.columns["lines_px"][number], dtype=np.float64)
        if values.shape != (4 * N_LINES,) or not np.isfinite(values).all():
            raise DataError(
                f"{self.folder / INDEX_NAME}: row {number} has no {4 * N_LINES} numbers of lines; prepare it again."
            )
        return values.reshape(N_LINES, 2, 2)


class TraceCases(CaseDataset):
    """Traced frames in memory.

    Args:
        cases: The part.
        stores: Opened folders, by the number in the cases.

    Raises:
        DataError: An image or its lines cannot be read.
    """

    def __init__(self, cases: Sequence[Case], stores: Sequence[TraceStore]) -> None:
        super().__init__(cases)
        self.images = np.stack([stores[c.store].image(c.number) for c in self.cases])
        self.lines_px = np.stack([stores[c.store].lines_px(c.number) for c in self.cases]).astype(np.float32)

    def __getitem__(self, draw: SampleIndex) -> Batch:
        """Frame ``(1, h, w)`` uint8, lines ``(42, 2)`` pixels, number of a case."""
        return {
            "frames": torch.from_numpy(self.images[draw.case][None]),
            "lines_px": torch.from_numpy(self.lines_px[draw.case].reshape(-1, 2)),
            "case": draw.case,
        }


def open_trace_stores(folders: Sequence[Path], recipe: Recipe) -> list[TraceStore]:
    """Open the folders of a run and see that they fit the recipe and each other.

    Raises:
        DataError: One is no folder of traced frames.
        ConfigError: Its images have another size or crop.
    """
    stores = [TraceStore(folder) for folder in folders]
    for store in stores:
        _check_squares(store, store.size, stores[0], recipe)
    return stores


def _check_squares(
    store: ClipStore | TraceStore, size: object, first: ClipStore | TraceStore, recipe: Recipe
) -> None:
    if size != recipe.clip.size:
        raise ConfigError(
            f"{store.folder}: holds squares of {size} pixels, the recipe {recipe.name} wants {recipe.clip.size}; "
            f"prepare it with --size {recipe.clip.size}."
        )
    own, other = (opened.info["settings"].get("crop") for opened in (store, first))
    if own != other:
        raise ConfigError(
            f"{store.folder}: shows the image's part {own!r}, {first.folder} shows {other!r}; prepare both with "
            "the same --crop."
        )


def sha256_of_index(folder: Path) -> str:
    """SHA-256 of a prepared folder's index: names, places, labels and the hashes of the images stand in it."""
    return hashlib.sha256((folder / INDEX_NAME).read_bytes()).hexdigest()
