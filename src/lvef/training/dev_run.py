"""``lvef train --fast-dev-run``: everything of a run once, on a few cases and in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lvef.training.cases import Partition
from lvef.training.recipe import Recipe
from lvef.training.run_folder import RunOptions
from lvef.training.segmentation import SegmentationRecipe
from lvef.training.view import ViewRecipe

T = TypeVar("T")

BATCH_SIZE = 4
"""Cases of the only batch."""


@contextmanager
def dev_options(options: RunOptions) -> Iterator[RunOptions]:
    """The options of a trial run, whose folder is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="lvef-dev-run-") as folder:
        yield replace(options, out=Path(folder), fast_dev_run=True, loggers=(), fresh=False)


def small_recipe(recipe: Recipe) -> Recipe:
    """A recipe for one epoch of one batch."""
    return replace(recipe, epochs=1, batch_size=BATCH_SIZE)


def small_partition(partition: Partition) -> Partition:
    """As many cases of each part as make one batch, spread over all."""
    return replace(
        partition,
        train=_few(partition.train),
        validation=_few(partition.validation),
        held_out=_few(partition.held_out),
    )


def small_segmentation(recipe: SegmentationRecipe) -> SegmentationRecipe:
    """A recipe for two epochs, the second with validation, without animated stills."""
    # Few steps: OneCycleLR divides by zero at ten.
    return replace(recipe, epochs=2, batch_size=4 * BATCH_SIZE, animated_share=0.0)


def small_view(recipe: ViewRecipe) -> ViewRecipe:
    """A recipe for one epoch of one batch."""
    return replace(recipe, epochs=1, steps=1, batch_size=BATCH_SIZE)


def _few(cases: Sequence[T]) -> tuple[T, ...]:
    return tuple(cases[:: max(1, len(cases) // BATCH_SIZE)][:BATCH_SIZE])
