"""The data of a run: stores opened, cases read, parts made, and what the run's papers say of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import ConfigError
from lvef.training.cases import Case, Partition, count_by_split, read_cases, split_cases, split_fold
from lvef.training.clip_data import ClipCases, open_clip_stores
from lvef.training.loading import CaseDataset
from lvef.training.recipe import VOLUME_TRACE, Recipe
from lvef.training.trace_data import TraceCases, TraceStore, open_trace_stores, sha256_of_index
from lvef.transforms.store import ClipStore


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
        """What ``run.json`` says of each store; the folder's name only, as a path may tell of its owner."""
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
        found: set[str] = set()
        for opened in chosen:
            columns = _columns(opened)
            found |= {str(value) for value in columns.get(column, []) if value is not None}
        return sorted(found)


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
