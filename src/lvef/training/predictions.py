"""Predictions of a trained network for cases it did not learn from, as a table and as figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import torch

from lvef.core.records import FloatArray
from lvef.core.terms import Phase
from lvef.inference.card import CardMetric
from lvef.stats.agreement import agreement, r_squared, root_mean_square_error
from lvef.stats.bootstrap import interval
from lvef.training.cases import Case
from lvef.training.loading import CaseDataset, OrderedSampler, loader
from lvef.training.recipe import VOLUME_TRACE, Recipe
from lvef.training.regression import Task
from lvef.transforms.volume_tracing import N_LINES, volume_of_lines

LEVEL = 0.95
"""Of the interval of a card's figure."""

TABLE_COLUMNS = ("item", "patient", "part", "phase")
"""Columns of every table of predictions before the numbers."""

Table = pl.DataFrame
"""A row a case: `TABLE_COLUMNS`, then ``ef_percent`` and ``predicted_percent``, or the figures of a traced frame."""


def predict(task: Task, cases: CaseDataset, part: str, batch_size: int) -> Table:
    """Run the network over a part.

    Args:
        task: With the weights that count; it stays on its device.
        cases: Made for use outside of training.
        part: Name of the part, for the table.
        batch_size: Cases at once.
    """
    was_training = task.training
    task.eval()
    parts = []
    with torch.no_grad():
        for batch in loader(cases, OrderedSampler(len(cases)), batch_size, workers=0):
            moved = {k: v.to(task.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
            parts.append(torch.stack([task.predicted(moved).float(), task.wanted(moved)]).cpu().numpy())
    task.train(was_training)
    predicted, wanted = np.concatenate(parts, axis=1).astype(float)
    rows = _trace_rows if task.recipe.family == VOLUME_TRACE else _ef_rows
    return pl.DataFrame(rows(cases.cases, predicted, wanted, part, task.recipe))


def metrics_of(table: Table) -> dict[str, float]:
    """Figures of a table of predictions; those that need more cases than there are, are left out.

    Returns:
        For EF: ``n``, ``mae``, ``rmse``, ``bias``, ``r``, ``r2`` and ``median_mae``, the MAE of always predicting the
        median. For lines: ``n``, ``mae`` in parts of the side, ``mae_lengths`` in lengths of the long axis, and the
        figures of the EF from pairs of ED and ES, beginning with ``ef_``, in percent; ``ef_negative`` counts those below 0.
    """
    if "mae" not in table.columns:
        return _ef_figures(table["predicted_percent"].to_numpy(), table["ef_percent"].to_numpy())
    found = {
        "n": float(len(table)),
        "mae": float(table["mae"].mean() or 0.0),  # type: ignore[arg-type]
        "mae_lengths": float(table["mae_lengths"].mean() or 0.0),  # type: ignore[arg-type]
    }
    pairs = pairs_of(table)
    if len(pairs):
        predicted, wanted = pairs["predicted_percent"].to_numpy(), pairs["ef_percent"].to_numpy()
        found |= {f"ef_{key}": value for key, value in _ef_figures(predicted, wanted).items()}
        found["ef_negative"] = float((predicted < 0).sum())
    return found


def pairs_of(table: Table) -> Table:
    """EF of items with an ED and an ES frame, from predicted and from traced lines: item, patient and both EFs."""
    frames = {phase: table.filter(pl.col("phase") == str(phase)) for phase in (Phase.ED, Phase.ES)}
    joined = frames[Phase.ED].join(frames[Phase.ES], on=["item", "patient", "part"], suffix="_es")

    def ef(column: str) -> pl.Expr:
        return 100 * (pl.col(column) - pl.col(f"{column}_es")) / pl.col(column)

    return joined.select(
        "item", "patient", "part", ef_percent=ef("volume_px3"), predicted_percent=ef("predicted_volume_px3")
    )


def validation_metric(table: Table) -> CardMetric:
    """The mean absolute error on validation patients, with its interval over patients, for the card."""
    traces = "mae" in table.columns
    error = pl.col("mae") if traces else (pl.col("predicted_percent") - pl.col("ef_percent")).abs()
    by_patient = table.group_by("patient", maintain_order=True).agg(error.sum().alias("sum"), n=pl.len())
    units = by_patient.select("sum", "n").to_numpy().astype(float)

    def mean(rows: FloatArray) -> float:
        return float(rows[:, 0].sum() / rows[:, 1].sum())

    low, high = interval(mean, units, np.random.default_rng(0), level=LEVEL)
    trivial = metrics_of(table).get("median_mae")
    return CardMetric(
        name="mae_lines" if traces else "mae_ef",
        value=round(mean(units), 5),
        unit="of the picture's side" if traces else "percent",
        low=round(low, 5),
        high=round(high, 5),
        level=LEVEL,
        n=len(table),
        split="validation patients, on whom the epoch was chosen",
        reference="lines of the manifest" if traces else "EF of the manifest",
        trivial=None if trivial is None else round(trivial, 5),
    )


def table_csv(table: Table) -> str:
    """A table as CSV text, six digits."""
    buffer = io.StringIO()
    table.write_csv(buffer, float_precision=6)
    return buffer.getvalue()


def _ef_rows(
    cases: Sequence[Case], predicted: FloatArray, wanted: FloatArray, part: str, _: Recipe
) -> list[dict[str, Any]]:
    return [
        _names(case, part) | {"ef_percent": float(w), "predicted_percent": float(p)}
        for case, p, w in zip(cases, predicted, wanted, strict=True)
    ]


def _trace_rows(
    cases: Sequence[Case], predicted: FloatArray, wanted: FloatArray, part: str, recipe: Recipe
) -> list[dict[str, Any]]:
    rows = []
    for case, p, w in zip(cases, predicted, wanted, strict=True):
        error = float(np.abs(p - w).mean())
        ours, theirs = (v.reshape(N_LINES, 2, 2) * recipe.clip.size for v in (p, w))
        length = float(np.hypot(*(theirs[0, 1] - theirs[0, 0])))
        numbers = {
            "mae": error,
            "mae_lengths": error * recipe.clip.size / length,
            "volume_px3": volume_of_lines(theirs),
            "predicted_volume_px3": volume_of_lines(ours),
        }
        rows.append(_names(case, part) | numbers)
    return rows


def _names(case: Case, part: str) -> dict[str, Any]:
    return {"item": case.item, "patient": case.patient, "part": part, "phase": case.phase}


def _ef_figures(predicted: FloatArray, wanted: FloatArray) -> dict[str, float]:
    found = {"n": float(len(wanted)), "mae": float(np.abs(predicted - wanted).mean())}
    if len(wanted) < 2:
        return found
    both = agreement(predicted, wanted)
    found |= {"rmse": root_mean_square_error(predicted, wanted), "bias": both.bias, "r": both.pearson_r}
    found |= {"median_mae": both.baseline_mae, "r2": r_squared(predicted, wanted)}
    return {key: value for key, value in found.items() if np.isfinite(value)}
