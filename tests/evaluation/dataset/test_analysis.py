"""Metrics of EFs whose values are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lvef.evaluation.dataset.analysis import FILLED, GROUP_METRICS, METRICS, NAMED_FRAMES, analyse
from lvef.evaluation.dataset.files import count_predicted
from lvef.evaluation.metrics import EF_METRICS, bootstrap_metrics, classify, constant_pairs, majority_ef
from lvef.geometry.categories import report_class
from tests.evaluation.dataset.made_up import made_evaluation


def figures(pairs):
    return {name: metric.compute(np.array(pairs, dtype=float)) for name, metric in EF_METRICS.items()}


def test_by_hand():
    f = figures([(62, 60), (58, 60), (43, 45), (37, 35)])
    assert (f["mae"], f["mse"], f["rmse"], f["bias"]) == (2, 4, 2, 0)
    # Squares around the mean of 50: 100 + 100 + 25 + 225.
    assert f["r2"] == pytest.approx(1 - 16 / 450)
    # The errors 2, -2, -2, 2 have a standard deviation of sqrt(16 / 3).
    assert f["limit_high"] == pytest.approx(1.96 * math.sqrt(16 / 3))
    assert f["limit_low"] == pytest.approx(-f["limit_high"])
    assert f["accuracy"] == f["macro_sensitivity"] == 1
    assert f["auc_below_50"] == f["auc_at_most_40"] == f["auc_below_40"] == f["auc_at_most_35"] == 1


def test_borders_take_in_what_they_say():
    # Of references 40 and 41 with answers the wrong way round, only <= 40 has both kinds.
    f = figures([(50, 40), (45, 41)])
    assert f["auc_at_most_40"] == 0
    assert math.isnan(f["auc_below_40"]) and math.isnan(f["auc_below_50"])
    f = figures([(30, 35), (40, 50)])
    assert f["auc_at_most_35"] == 1 and f["auc_below_50"] == 1


@pytest.mark.parametrize("ef", [39.999, 40.0, 45.0, 50.0, 50.001, -3.0, 100.0])
def test_classes_are_those_of_the_report(ef):
    names = ("normal", "mild", "abnormal")
    assert names[classify(np.array([ef]))[0]] == report_class(ef)


def test_the_reports_test_row():
    """EFs in its classes with its counts: accuracy .5525 beside .768 of the majority, macro sensitivity .49."""
    counts = np.array([[561, 260, 159], [70, 26, 30], [20, 32, 118]])
    middle = (60.0, 45.0, 30.0)
    pairs = [(middle[j], middle[i]) for i in range(3) for j in range(3) for _ in range(int(counts[i, j]))]
    f = figures(pairs)
    assert f["accuracy"] == pytest.approx(0.5525, abs=5e-5)
    told = [f[f"sensitivity_{name}"] for name in ("normal", "mild", "abnormal")]
    assert told == pytest.approx([0.572, 0.206, 0.694], abs=5e-4)
    assert f["macro_sensitivity"] == pytest.approx(np.mean(told))
    reference = np.array([b for _, b in pairs])
    assert majority_ef(reference) == 60
    always = figures(constant_pairs(np.array(pairs), 60.0))
    assert always["accuracy"] == pytest.approx(0.768, abs=5e-4)
    assert always["macro_sensitivity"] == pytest.approx(1 / 3)
    assert math.isnan(always["r"]) and math.isnan(always["calibration_slope"])
    assert always["auc_below_50"] == 0.5


def test_calibration_slope_and_intercept():
    answer = np.array([35.0, 45.0, 55.0, 65.0])
    f = figures(np.stack([answer, 12 + 0.75 * answer], axis=1))
    assert (f["calibration_slope"], f["calibration_intercept"]) == pytest.approx((0.75, 12.0))
    assert f["r"] == pytest.approx(1)


def test_an_answer_without_spread_has_no_r_though_its_deviation_is_not_quite_0():
    f = figures([(55.1, 40), (55.1, 50), (55.1, 61)])
    assert math.isnan(f["r"]) and f["mae"] == pytest.approx((15.1 + 5.1 + 5.9) / 3)


def of(evaluation, seed=0):
    return analyse(evaluation, {}, seed).methods


def of_group(reference, answer, patients):
    found = bootstrap_metrics(
        GROUP_METRICS, np.stack([answer, reference], axis=1), patients, method="a", seed=0
    )
    return {row.metric: row for row in found}


def test_intervals_are_cut_at_2_5_and_97_5(all_draws):
    rng = np.random.default_rng(0)
    reference = rng.normal(55, 10, 400)
    error = rng.normal(1, 5, 400)
    bias = of_group(reference, reference + error, [str(i) for i in range(400)])["ef_bias"]
    half = 1.96 * error.std(ddof=1) / 20
    assert bias.level == 0.95 and bias.n == 400
    # Cut at 5 and 95 % it would be 16 % narrower.
    assert (bias.high - bias.low) / 2 == pytest.approx(half, rel=0.08)
    assert (bias.high + bias.low) / 2 == pytest.approx(error.mean(), abs=0.1 * half)


def test_patients_are_drawn_with_all_their_clips(all_draws):
    """Ten copies of each clip add nothing: the interval is that of the patients."""
    rng = np.random.default_rng(1)
    reference = rng.normal(55, 10, 30)
    answer = reference + rng.normal(0, 5, 30)
    one = of_group(reference, answer, [str(i) for i in range(30)])["ef_mae"]
    patients = [str(i) for i in range(30) for _ in range(10)]
    ten = of_group(np.repeat(reference, 10), np.repeat(answer, 10), patients)["ef_mae"]
    assert ten.n == 300 and ten.value == pytest.approx(one.value, abs=1e-3)
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high), abs=1e-3)


def test_what_is_not_defined_is_not_there():
    [s] = of(made_evaluation([55, 60, 65, 70], [56, 58, 66, 69]))
    assert not [name for name in s.metrics if "auc" in name or name.endswith(("_mild", "_abnormal"))]
    assert all(math.isfinite(f.value) for f in s.metrics.values())
    assert s.metrics["ef_macro_sensitivity"].value == 1


def test_refusals_are_left_out_and_filled():
    [s] = of(made_evaluation([60, 50, 30], [62, 52, None], typical=58.0))
    assert len(s.cases) == 2 and [r.reason_code for r in s.missing] == ["no_fan"]
    assert s.metrics["ef_mae"].value == 2 and s.metrics["ef_mae"].n == 2
    assert s.metrics[f"ef_mae{FILLED}"].value == pytest.approx((2 + 2 + 28) / 3, abs=1e-4)
    assert s.confusion.sum() == 2 and s.confusion_filled.sum() == 3
    assert s.confusion_filled[2].tolist() == [1, 0, 0]
    [whole] = of(made_evaluation([60, 50, 30], [62, 52, 31]))
    assert not [name for name in whole.metrics if name.endswith((FILLED, NAMED_FRAMES))]
    assert whole.confusion_filled is None


def test_nobody_answered():
    [s] = of(made_evaluation([60, 50, 30], [None] * 3))
    assert not [name for name in s.metrics if FILLED not in name]
    assert s.parts == () and s.unchecked.measured == 0


def test_trivial_answers():
    summary = analyse(made_evaluation([60, 62, 45, 30], [60, 62, 45, 30], typical=45.0), {}, 0)
    assert summary.majority == "normal"
    assert summary.majority_baseline["accuracy"] == 0.5
    assert summary.median_baseline["accuracy"] == 0.25
    assert summary.median_baseline["mae"] == pytest.approx((15 + 17 + 0 + 15) / 4)
    assert "r" not in summary.median_baseline and "mae" not in summary.majority_baseline
    assert summary.methods[0].metrics["ef_mae"].baseline == pytest.approx(47 / 4)


def test_the_same_seed_gives_the_same_figures():
    rng = np.random.default_rng(0)
    pairs = rng.normal(55, 10, (20, 2))
    first, again, other = (bootstrap_metrics(METRICS, pairs, method="a", seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_negative_answers_are_counted():
    e = made_evaluation([60, 50, 30], [-4, 52, None])
    [s] = of(e)
    assert (s.unchecked.measured, s.unchecked.negative) == (2, 1)


def test_groups():
    e = made_evaluation(
        [25, 30, 45, 50, 70],
        [25, 30, 45, 52, 74],
        quality=["Good", "Good", "", "Poor", "Poor"],
        rhythm=["sinus"] * 5,
    )
    a = analyse(e, {}, 0)
    found = {(g.by, g.label): (g, a.metrics.find("a", "ef_mae", g.key)) for g in a.groups}
    by_ef = [label for by, label in found if by == "manifest's EF"]
    assert by_ef == ["below 30 %", "30 to 40 %", "40 to 50 %", "50 to 60 %", "from 60 %"]
    assert found["quality", "Poor"][1].value == 3 and found["quality", "Good"][1].value == 0
    group, mae = found["quality", "not stated"]
    assert (count_predicted(a.methods[0], group), mae) == ((1, 0), None)
    # One label for all parts nothing.
    assert not [by for by, _ in found if by in ("rhythm", "view", "collection", "sex")]
