"""Traced frames from folders that ``lvef data prepare volume-traces`` made, as tensors.

All images are held in memory as bytes: the 17,494 frames of EchoNet-Dynamic's training and validation clips take 220 MB.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import torch

from lvef.core.errors import ConfigError, DataError
from lvef.core.records import FloatArray, FrameArray
from lvef.stores.traced_frames import INFO_NAME, SCHEMA
from lvef.training.cases import Case
from lvef.training.loading import Batch, CaseDataset, SampleIndex
from lvef.training.recipe import Recipe
from lvef.transforms.store import INDEX_NAME
from lvef.transforms.volume_tracing import N_LINES


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
        try:
            self.info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            index = pl.read_parquet(io.BytesIO((folder / INDEX_NAME).read_bytes()))
        except (OSError, ValueError, pl.exceptions.PolarsError):
            raise DataError(
                f"{folder}: is no folder of traced frames; make one with lvef data prepare volume-traces."
            ) from None
        if self.info.get("schema") != SCHEMA or not self.info.get("complete"):
            raise DataError(
                f"{path}: says schema {self.info.get('schema')}, complete {self.info.get('complete')}; a finished {SCHEMA} "
                "was expected: give the lvef data prepare command again."
            )
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
        try:
            data = np.frombuffer(path.read_bytes(), np.uint8)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); prepare the folder again.") from None
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
        if store.size != recipe.clip.size:
            raise ConfigError(
                f"{store.folder}: holds squares of {store.size} pixels, the recipe {recipe.name} wants {recipe.clip.size}; "
                f"prepare it with --size {recipe.clip.size}."
            )
        if (crop := store.info["settings"].get("crop")) != (first := stores[0].info["settings"].get("crop")):
            raise ConfigError(
                f"{store.folder}: shows the image's part {crop!r}, {stores[0].folder} shows {first!r}; prepare both with "
                "the same --crop."
            )
    return stores


def sha256_of_index(folder: Path) -> str:
    """SHA-256 of a prepared folder's index: names, places, labels and the hashes of the images stand in it."""
    return hashlib.sha256((folder / INDEX_NAME).read_bytes()).hexdigest()
