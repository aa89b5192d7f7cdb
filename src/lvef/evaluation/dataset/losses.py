"""Loss curves of a training run, from the ``metrics.csv`` that its logger wrote."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lvef.core.errors import DataError
from lvef.core.records import FloatArray

METRICS_NAME = "metrics.csv"
"""File of a run's figures; a run that was resumed has one a start, in folders ``version_0``, ``version_1`` ..."""

EPOCH = "epoch"
"""Column that counts the epochs, from 0."""

SHOWN = ("loss", "mae")
"""Columns whose names hold one of these are shown, the first of these words that any column has."""

Curves = dict[str, tuple[FloatArray, FloatArray]]
"""Name of a curve -> epochs and values."""


def read_losses(run: Path) -> Curves:
    """Curves of a run; where it was resumed, a later start counts for the epochs it did again.

    Args:
        run: Its folder.

    Raises:
        DataError: There is no ``metrics.csv`` there, or it holds no losses.
    """
    paths = _metrics_of(run)
    if not paths:
        raise DataError(
            f"{run}: no {METRICS_NAME} was found there; the folder of a training run was expected."
        )
    found: dict[str, dict[int, float]] = {}
    for path in paths:
        for row in _rows(path):
            epoch = _number(row.get(EPOCH))
            if epoch is None:
                continue
            for name, cell in row.items():
                value = _number(cell)
                if name and value is not None:
                    found.setdefault(name, {})[int(epoch)] = value
    for word in SHOWN:
        kept = {name: told for name, told in found.items() if word in name.lower() and _plain(name, found)}
        if kept:
            return {
                name: (np.array(sorted(told), dtype=float), np.array([told[epoch] for epoch in sorted(told)]))
                for name, told in sorted(kept.items())
            }
    raise DataError(
        f"{paths[0]}: has no column of losses by {EPOCH}; the log of a training run was expected."
    )


def _metrics_of(run: Path) -> list[Path]:
    """Files of all starts, the first start first."""
    if (run / METRICS_NAME).is_file():
        return [run / METRICS_NAME]
    return sorted(run.glob(f"**/{METRICS_NAME}"), key=lambda path: (len(path.parent.name), path.parent.name))


def _plain(name: str, names: Sequence[str] | dict[str, dict[int, float]]) -> bool:
    """Whether a column is not the same one a step that stands there an epoch as well."""
    return not (name.endswith("_step") and f"{name.removesuffix('_step')}_epoch" in names)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise DataError(f"{path}: cannot be read; the log of a training run was expected.") from None


def _number(cell: str | None) -> float | None:
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
