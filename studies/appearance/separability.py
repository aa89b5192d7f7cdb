"""Separation of synthetic from real images: by each measure alone, and by all together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from lvef.core.records import BoolArray, FloatArray

FOLDS = 5
"""Parts of the cross-validation."""

PENALTY = 1.0
"""Weight of the squared coefficients against the summed log loss, for measures of standard deviation 1."""

CHANCE_Z = 1.96
"""Normal quantile of a two-sided 95 % band."""


def auc(values: FloatArray, synthetic: BoolArray) -> float:
    """Chance that a synthetic image has the larger value than a real one (ties count half), 0-1.

    Args:
        values: ``(n,)``; those that are not finite are left out.
        synthetic: ``(n,)``.

    Returns:
        NaN where one side is empty. 0.5: the measure does not separate; 0 or 1: it separates fully.

    Source: Hanley and McNeil, Radiology 1982;143:29 (area under the ROC curve as a rank statistic).
    """
    known = np.isfinite(values)
    values, synthetic = values[known], synthetic[known]
    n_synthetic = int(synthetic.sum())
    n_real = len(values) - n_synthetic
    if not n_synthetic or not n_real:
        return float("nan")
    ranks = float(rankdata(values)[synthetic].sum())
    return (ranks - n_synthetic * (n_synthetic + 1) / 2) / (n_synthetic * n_real)


def chance_band(n_real: int, n_synthetic: int) -> tuple[float, float]:
    """Where an area lies in 95 % of cases when the two sides are drawn alike and each patient counts once.

    Source: variance of the Mann-Whitney statistic, Ann Math Stat 1947;18:50.
    """
    if not n_real or not n_synthetic:
        return float("nan"), float("nan")
    half = CHANCE_Z * float(np.sqrt((n_real + n_synthetic + 1) / (12 * n_real * n_synthetic)))
    return 0.5 - half, 0.5 + half


def joint_auc(
    table: FloatArray, synthetic: BoolArray, groups: Sequence[str], rng: np.random.Generator
) -> float:
    """Area under the curve of a logistic fit on several measures, on patients it was not fitted to.

    A measure that an image lacks counts as the mean. Both sides weigh the same. The scores of the folds are ranked within
    each fold and the areas averaged.

    Args:
        table: ``(n, measures)``; NaN allowed.
        synthetic: ``(n,)``.
        groups: Patient of each image; a patient is in one fold only.
        rng: Decides the folds.

    Returns:
        0.5: not separable; 1: separated without an error; NaN where there are too few to cross-validate.
    """
    folds = _folds(synthetic, groups, rng)
    areas = []
    for fold in range(FOLDS):
        test = folds == fold
        if min(synthetic[~test].sum(), (~synthetic[~test]).sum()) < 2:
            return float("nan")
        mean, spread = _moments(table[~test])
        scaled = np.nan_to_num((table - mean) / spread)
        weights = _fit(scaled[~test], synthetic[~test])
        area = auc(scaled[test] @ weights[1:] + weights[0], synthetic[test])
        if np.isfinite(area):
            areas.append(area)
    return float(np.mean(areas)) if areas else float("nan")


def _folds(synthetic: BoolArray, groups: Sequence[str], rng: np.random.Generator) -> NDArray[np.intp]:
    """Fold of each image. Patients with synthetic images are distributed first, so that each fold has some."""
    with_synthetic = sorted({g for g, s in zip(groups, synthetic, strict=True) if s})
    others = sorted(set(groups) - set(with_synthetic))
    dealt = [*rng.permutation(with_synthetic).tolist(), *rng.permutation(others).tolist()]
    fold_of = {g: i % FOLDS for i, g in enumerate(dealt)}
    return np.array([fold_of[g] for g in groups], dtype=np.intp)


def _moments(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the known values of each column; 0 and 1 where there are none or they do not vary."""
    known = np.isfinite(table)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, table, 0.0).sum(axis=0) / n
    spread = np.sqrt(np.where(known, (table - mean) ** 2, 0.0).sum(axis=0) / n)
    return mean, np.where(spread > 1e-9, spread, 1.0)


def _fit(x: FloatArray, y: BoolArray) -> FloatArray:
    """Intercept and coefficients of a logistic regression with a ridge penalty."""
    sign = np.where(y, 1.0, -1.0)
    share = np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean()))

    def loss(w: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (x @ w[1:] + w[0])
        slope = -share * sign * expit(-margin)
        gradient = np.concatenate([[slope.sum()], x.T @ slope + PENALTY * w[1:]])
        value = float((share * np.logaddexp(0.0, -margin)).sum() + PENALTY / 2 * w[1:] @ w[1:])
        return value, gradient

    return np.asarray(minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x)
