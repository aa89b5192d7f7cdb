"""Areas under the curve: closed forms, no leak between patients, nothing found where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from studies.appearance.separability import auc, chance_band, joint_auc

pytestmark = pytest.mark.slow


def pairs(real, synthetic):
    return np.concatenate([real, synthetic]), np.arange(len(real) + len(synthetic)) >= len(real)


def test_known_areas():
    assert auc(*pairs(np.array([1.0, 2, 3]), np.array([4.0, 5]))) == 1
    assert auc(*pairs(np.array([4.0, 5]), np.array([1.0, 2, 3]))) == 0
    assert auc(*pairs(np.array([1.0, 1]), np.array([1.0, 1, 1]))) == 0.5
    assert auc(*pairs(np.array([1.0, 3]), np.array([2.0, np.nan]))) == 0.5


def test_an_empty_side_has_no_area():
    assert np.isnan(auc(*pairs(np.array([1.0, 2]), np.array([np.nan]))))
    assert np.isnan(auc(np.zeros(0), np.zeros(0, bool)))


def test_it_is_the_mann_whitney_statistic():
    rng = np.random.default_rng(1)
    real, synthetic = rng.integers(0, 9, 40).astype(float), rng.integers(2, 11, 25).astype(float)
    statistic = mannwhitneyu(synthetic, real).statistic
    assert auc(*pairs(real, synthetic)) == pytest.approx(statistic / (40 * 25))


def test_two_normals_that_lie_apart():
    rng = np.random.default_rng(2)
    values, synthetic = pairs(rng.standard_normal(20_000), 1 + rng.standard_normal(20_000))
    assert auc(values, synthetic) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)


def test_the_chance_band_holds_95_of_100():
    rng = np.random.default_rng(3)
    low, high = chance_band(50, 30)
    areas = [auc(*pairs(rng.standard_normal(50), rng.standard_normal(30))) for _ in range(2000)]
    assert np.mean([low <= a <= high for a in areas]) == pytest.approx(0.95, abs=0.015)
    assert np.isnan(chance_band(0, 5)).all()


def test_together_measures_tell_more_than_each_alone():
    rng = np.random.default_rng(4)
    n, d = 600, 6
    synthetic = np.arange(n) >= n // 2
    table = rng.standard_normal((n, d)) + 0.6 * synthetic[:, None]
    # The best linear score of d independent measures lies the root of d times as far apart.
    expected = norm.cdf(0.6 * np.sqrt(d) / np.sqrt(2))
    groups = [f"p{i}" for i in range(n)]
    assert joint_auc(table, synthetic, groups, np.random.default_rng(0)) == pytest.approx(expected, abs=0.03)


def test_scale_and_missing_values_do_not_decide():
    rng = np.random.default_rng(5)
    n = 400
    synthetic = np.arange(n) >= n // 2
    table = rng.standard_normal((n, 3)) + synthetic[:, None]
    groups = [f"p{i}" for i in range(n)]
    plain = joint_auc(table, synthetic, groups, np.random.default_rng(0))
    scaled = joint_auc(table * [1000, 1, 0.001] + 7, synthetic, groups, np.random.default_rng(0))
    assert scaled == pytest.approx(plain, abs=1e-3)
    holed = np.column_stack([table, np.full(n, np.nan), np.full(n, 3.0)])
    holed[rng.random(holed.shape) < 0.05] = np.nan
    assert joint_auc(holed, synthetic, groups, np.random.default_rng(0)) == pytest.approx(plain, abs=0.04)


def test_nothing_is_found_in_noise():
    rng = np.random.default_rng(6)
    n = 300
    synthetic = np.arange(n) % 3 == 0
    table = rng.standard_normal((n, 60))
    area = joint_auc(table, synthetic, [f"p{i}" for i in range(n)], np.random.default_rng(0))
    assert abs(area - 0.5) < 0.12


def test_a_patient_is_on_one_side_only():
    # Every patient has eight images with the patient's own mark and one label: only a leak can learn it.
    rng = np.random.default_rng(7)
    patients, repeats = 80, 8
    marks = rng.standard_normal((patients, 40)).repeat(repeats, axis=0)
    synthetic = (np.arange(patients) % 2 == 0).repeat(repeats)
    groups = [f"p{i}" for i in range(patients) for _ in range(repeats)]
    leaky = [f"q{i}" for i in range(patients * repeats)]
    clean = joint_auc(marks, synthetic, groups, np.random.default_rng(0))
    assert abs(clean - 0.5) < 0.2
    assert joint_auc(marks, synthetic, leaky, np.random.default_rng(0)) > 0.9


def test_too_few_to_cross_validate():
    table = np.arange(4.0)[:, None]
    synthetic = np.array([False, False, True, True])
    assert np.isnan(joint_auc(table, synthetic, ["a", "b", "c", "c"], np.random.default_rng(0)))
