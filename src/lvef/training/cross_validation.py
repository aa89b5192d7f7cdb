"""Cross-validation by patient: every patient is evaluated by the one network that has not met that patient.

::

    OUT/
      fold-0/ ... fold-4/    a run each, see `lvef.training.run_folder`
      held_out.csv           predictions of all folds on the patients they held out
      folds.json             figures of each fold, mean and spread, and figures of all held-out cases together
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lvef.core.errors import DataError, explained
from lvef.inference.card import HELD_OUT
from lvef.io.atomic import write_text_atomic
from lvef.training.fit import FitResult, fit
from lvef.training.predictions import TABLE_COLUMNS, metrics_of, table_csv
from lvef.training.recipe import Recipe
from lvef.training.run_folder import PREDICTIONS_NAME, RunOptions
from lvef.training.training_data import TrainingData

FOLDS_NAME, HELD_OUT_NAME = "folds.json", "held_out.csv"
"""Files of a cross-validation beside its runs."""

SCHEMA = "lvef-folds/1"
"""Version of ``folds.json``."""


@dataclass(frozen=True)
class CrossValidationResult:
    """What a cross-validation gave.

    Attributes:
        out: Its folder.
        folds: The runs.
        mean: Mean of each figure over the folds.
        spread: Standard deviation (n - 1) of each figure over the folds.
        pooled: Figures of all held-out cases together, each predicted by the fold that had not seen it.
    """

    out: Path
    folds: tuple[FitResult, ...]
    mean: dict[str, float]
    spread: dict[str, float]
    pooled: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json`` and ``folds.json``."""
        return {
            "schema": SCHEMA,
            "out": str(self.out),
            "folds": [fitted.as_dict() for fitted in self.folds],
            "mean": self.mean,
            "spread": self.spread,
            "pooled": self.pooled,
        }


def cross_validate(
    recipe: Recipe,
    data: TrainingData,
    options: RunOptions,
    n_folds: int,
    on_fold: Callable[[int, FitResult], None] = lambda _, __: None,
) -> CrossValidationResult:
    """Fit every fold; those that are done are not done again.

    Args:
        recipe: Settings.
        data: Data.
        options: Its folder gets a folder a fold.
        n_folds: Number of folds, at least 2.
        on_fold: Called after each fold.

    Raises:
        DataError: Fewer patients than folds, or the folder holds something else.
        LvefError: As `lvef.training.fit.fit`.
    """
    # All folds are made before the first is trained: too few patients are no matter of the last.
    partition = [data.partition(k, n_folds) for k in range(n_folds)]
    _check_folder(options.out)
    fitted = []
    for k, part in enumerate(partition):
        mine = replace(
            options, out=options.out / f"fold-{k}", fold=f"{k} of {n_folds}", title=f"Fold {k + 1}/{n_folds}"
        )
        fitted.append(fit(recipe, data, part, mine))
        on_fold(k, fitted[-1])
    held_out = pl.concat(_read_held_out(one.out) for one in fitted)
    write_text_atomic(options.out / HELD_OUT_NAME, table_csv(held_out))
    mean, spread = mean_and_spread([one.figures[HELD_OUT] for one in fitted])
    result = CrossValidationResult(options.out, tuple(fitted), mean, spread, metrics_of(held_out))
    plain = result.as_dict() | {"out": "", "folds": [one.figures[HELD_OUT] for one in fitted]}
    write_text_atomic(options.out / FOLDS_NAME, json.dumps(plain, indent=2) + "\n")
    return result


def mean_and_spread(figures: list[dict[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and standard deviation (n - 1) of the figures that every fold has.

    Example:
        >>> mean_and_spread([{"mae": 4.0}, {"mae": 6.0}])
        ({'mae': 5.0}, {'mae': 1.4142135623730951})
    """
    names = [name for name in figures[0] if all(name in one for one in figures)]
    values = {name: np.array([one[name] for one in figures]) for name in names}
    return (
        {name: float(v.mean()) for name, v in values.items()},
        {name: float(v.std(ddof=1)) if len(v) > 1 else 0.0 for name, v in values.items()},
    )


def _read_held_out(run: Path) -> pl.DataFrame:
    path = run / PREDICTIONS_NAME
    try:
        table = pl.read_csv(
            io.BytesIO(path.read_bytes()), schema_overrides=dict.fromkeys(TABLE_COLUMNS, pl.String())
        )
    except (OSError, pl.exceptions.PolarsError):
        raise DataError(
            f"{path}: the fold's predictions cannot be read; give the command again with --fresh."
        ) from None
    return table.filter(pl.col("part") == HELD_OUT)


def _check_folder(out: Path) -> None:
    with explained(DataError, f"{out}: cannot be used", "; choose another --out."):
        out.mkdir(parents=True, exist_ok=True)
        foreign = [
            entry.name
            for entry in out.iterdir()
            if entry.name not in (FOLDS_NAME, HELD_OUT_NAME) and not entry.name.startswith("fold-")
        ]
    if foreign:
        raise DataError(
            f"{out}: holds {foreign[0]}, which is of no cross-validation; choose an empty or a new folder with --out."
        )
