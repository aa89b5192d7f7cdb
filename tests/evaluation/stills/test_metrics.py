"""EFs beside their references: who is paired with whom, and the metrics against closed forms and agreement()."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lvef.core.records import PixelSpacing
from lvef.evaluation.stills.metrics import CARD_METRICS, EfCase, EfComparison, ef_comparisons, ef_metrics
from lvef.evaluation.stills.scores import StillScore
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.stats.agreement import agreement

SCALE = PixelSpacing(0.5, 0.5, "test")


def ellipse(width, length=70.0):
    """Labels of a ventricle ``width`` wide and ``length`` long with an atrium under it."""
    y, x = np.mgrid[:140, :140].astype(float)
    labels = np.where(np.hypot((x - 70) / (width / 2), (y - 60) / (length / 2)) < 1, 1, 0)
    labels[(labels == 1) & (y > 60 + 0.4 * length)] = 3
    return labels.astype(np.uint8)


def still(patient, view, phase, width, width_expert, length=70.0):
    spacing = SCALE if view == "A4C" else None
    tracing, expert = (trace_labels(ellipse(w, length)) for w in (width, width_expert))
    volumes = [volume_of_tracing(t, spacing) for t in (tracing, expert)]
    return StillScore(
        patient, view, phase, "Good", 0.9, 0.9, 0.9, *volumes,
        tracing=tracing, tracing_expert=expert, spacing=spacing,
    )  # fmt: skip


def both_views(patient, es=40, es_expert=40):
    return [
        still(patient, view, phase, width, wanted)
        for view in ("A4C", "A2C")
        for phase, width, wanted in (("ED", 50, 50), ("ES", es, es_expert))
    ]


def test_every_comparison_names_its_reference():
    found = {c.key: c for c in ef_comparisons(both_views("a") + both_views("b", 36))}
    assert list(found) == ["a4c", "a2c", "biplane", "a4c_vs_biplane"]
    assert found["a4c"].reference == "method of disks on the expert masks, A4C"
    assert found["a2c"].reference.endswith("A2C")
    assert "biplane" in found["biplane"].reference
    assert "A4C axis" in found["biplane"].reference
    assert found["a4c_vs_biplane"].reference == found["biplane"].reference
    # Same length, widths 50 and 40: EF = 1 - .8^2 in one view and, with the same shape in the other, biplane too.
    for c in found.values():
        assert c.lost == 0
        assert [case.patient for case in c.cases] == ["a", "b"]
        assert c.pairs[0] == pytest.approx([36, 36], abs=1.5)
        assert c.pairs[1] == pytest.approx([100 * (1 - 0.72**2), 36], abs=1.5)


def test_biplane_mixes_the_two_views():
    """One view squeezed to .8, the other to .6, of one length: EF = 1 - .8 x .6."""
    scores = [s for s in both_views("a") if s.view == "A4C"] + [
        s for s in both_views("a", 30, 30) if s.view == "A2C"
    ]
    found = {c.key: c for c in ef_comparisons(scores)}
    assert found["biplane"].pairs[0, 0] == pytest.approx(52, abs=1.5)
    assert found["a4c_vs_biplane"].pairs[0] == pytest.approx([36, 52], abs=1.5)


def test_both_views_with_scale_take_the_longer_axis():
    scores = [replace(s, spacing=SCALE) for s in both_views("a")]
    [biplane] = [c for c in ef_comparisons(scores) if c.key == "biplane"]
    assert "longer axis" in biplane.reference


def test_lost_patients_are_counted():
    scores = both_views("a") + both_views("b")
    scores[5] = replace(scores[5], tracing=None, volume=float("nan"))
    found = {c.key: c for c in ef_comparisons(scores[:-1])}
    assert (len(found["a4c"].cases), found["a4c"].lost) == (1, 1)
    # The last still of b is not there at all: nothing was asked, nothing is lost.
    assert (len(found["a2c"].cases), found["a2c"].lost) == (1, 0)
    assert (len(found["biplane"].cases), found["biplane"].lost) == (1, 0)
    assert [c.key for c in ef_comparisons([s for s in scores if s.view == "A2C"])] == ["a2c"]
    assert ef_comparisons([]) == []


def comparison(method, reference, quality="Good"):
    cases = tuple(
        EfCase(f"p{i}", quality, float(a), float(b))
        for i, (a, b) in enumerate(zip(method, reference, strict=True))
    )
    return EfComparison("a4c", "A4C alone", "made up", cases, 0)


def metrics_of(method, reference, seed=0):
    return ef_metrics(comparison(method, reference), method="a", split="made up", seed=seed)


def test_metrics_are_those_of_agreement_with_intervals_around_them():
    rng = np.random.default_rng(0)
    reference = rng.uniform(25, 70, 80)
    method = reference + rng.normal(1.5, 5, 80)
    wanted = agreement(method, reference)
    found = {f.metric: f for f in metrics_of(method, reference)}
    for name, value in (
        ("mae", wanted.mae),
        ("bias", wanted.bias),
        ("limit_low", wanted.limits[0]),
        ("limit_high", wanted.limits[1]),
        ("r", wanted.pearson_r),
        ("rmse", np.sqrt(((method - reference) ** 2).mean())),
    ):
        figure = found[f"ef_{name}_a4c"]
        assert figure.value == pytest.approx(value, abs=1e-3)
        assert figure.low < figure.value < figure.high
        assert figure.n == 80
        assert figure.unit == ("" if name == "r" else "EF points")
    assert found["ef_mae_a4c"].baseline == pytest.approx(wanted.baseline_mae, abs=1e-3)
    assert found["ef_rmse_a4c"].baseline > found["ef_mae_a4c"].baseline
    assert found["ef_r_a4c"].baseline is None
    # 1.96 s / sqrt(n) each way, Bland and Altman 1986.
    half = 1.96 * wanted.sd / np.sqrt(80)
    assert found["ef_bias_a4c"].high - found["ef_bias_a4c"].low == pytest.approx(2 * half, rel=0.15)
    assert found["ef_mae_a4c_good"].value == found["ef_mae_a4c"].value


def test_categories_against_the_most_frequent_class():
    reference = [30, 35, 45, 55, 60, 65, 70, 62]
    method = [32, 45, 45, 56, 61, 49, 71, 60]
    found = {f.metric: f for f in metrics_of(method, reference)}
    assert found["ef_agreement_report_a4c"].value == pytest.approx(6 / 8)
    assert found["ef_agreement_report_a4c"].baseline == pytest.approx(5 / 8)
    # p_e: abnormal 1 x 2, mild 3 x 1, normal 4 x 5, of 64.
    expected = (6 / 8 - 25 / 64) / (1 - 25 / 64)
    assert found["ef_kappa_report_a4c"].value == pytest.approx(expected, abs=1e-4)
    assert found["ef_kappa_report_a4c"].baseline == 0
    assert found["ef_kappa_heart_failure_a4c"].value == pytest.approx(expected, abs=1e-4)


def test_the_same_seed_gives_the_same_intervals_and_one_patient_gives_none():
    rng = np.random.default_rng(1)
    pair = rng.uniform(30, 70, (2, 20))
    assert metrics_of(*pair) == metrics_of(*pair) != metrics_of(*pair, seed=1)
    assert metrics_of([50], [60]) == []


def test_a_card_holds_the_names_it_always_held():
    assert {"ef_mae_a4c", "ef_bias_a4c", "ef_r_a4c", "ef_mae_biplane"} <= CARD_METRICS
    assert "ef_mae_a4c_vs_biplane" not in CARD_METRICS
