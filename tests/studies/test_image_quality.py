"""The fit of the score of image quality, and the tables of its evaluation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lvef.core.terms import View
from lvef.datasets.camus import read_split, read_stills
from lvef.inference.catalogue import find_model
from lvef.measure.options import MeasureOptions
from lvef.measure.predictors import load_predictor
from lvef.measure.quality_score import SCORED, read_quality_scale
from studies.image_quality import (
    LABELS,
    Pair,
    cross_validated_scores,
    errors_by_score,
    fit_scale,
    label_metrics,
    main,
    measure_pairs,
)
from tests.datasets import camus_folder


def simulated(n=300, strength=2.0, seed=0):
    """Pairs whose label follows the contrast alone, two views a patient."""
    rng = np.random.default_rng(seed)
    pairs = []
    for i in range(n):
        parts = dict(zip(SCORED, rng.normal(0, 1, len(SCORED)).tolist(), strict=True))
        latent = strength * parts["border_contrast"] + rng.logistic()
        label = int(latent > -1.5) + int(latent > 0.5)
        pairs.append(
            Pair(f"patient{i // 2:04d}", (View.A2C, View.A4C)[i % 2], label, parts, 10.0 - 3 * label)
        )
    return pairs


def test_the_fit_finds_the_coefficients_that_made_the_labels():
    scale = fit_scale(simulated(4000), "ab" * 32)
    weights = {part.name: part.weight / part.sd for part in scale.parts}
    assert weights.pop("border_contrast") == pytest.approx(2.0, rel=0.1)
    assert max(abs(weight) for weight in weights.values()) < 0.15
    mean = next(part.mean for part in scale.parts if part.name == "border_contrast")
    assert scale.medium == pytest.approx(-1.5 - 2 * mean, abs=0.2)
    assert scale.good == pytest.approx(0.5 - 2 * mean, abs=0.2)


def test_no_coefficient_has_the_wrong_sign():
    wrong = [Pair(p.patient, p.view, len(LABELS) - 1 - p.label, p.parts, p.ef_error) for p in simulated()]
    assert all(part.weight * SCORED[part.name] >= 0 for part in fit_scale(wrong).parts)


def test_cross_validation_leaves_the_patient_out_and_ranks_as_it_should():
    pairs = simulated()
    scores = cross_validated_scores(pairs)
    assert np.isfinite(scores).all()
    metrics = label_metrics(pairs, scores)
    assert metrics["spearman_a2c_low"] < metrics["spearman_a2c"] < metrics["spearman_a2c_high"]
    assert metrics["spearman_a2c"] > 0.5
    assert metrics["auc_poor_a4c"] > 0.8
    noise = [
        Pair(p.patient, p.view, p.label, q.parts, 0.0) for p, q in zip(pairs, simulated(seed=1), strict=True)
    ]
    assert abs(label_metrics(noise, cross_validated_scores(noise))["spearman_a2c"]) < 0.25


def test_errors_come_by_fifths_of_the_score_the_lowest_first():
    pairs = simulated(50)
    rows = errors_by_score(pairs, np.array([float(pair.label) for pair in pairs]))
    assert [row[0] for row in rows] == [10] * 5
    assert rows[0][2] > rows[-1][2]
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)


def test_program(tmp_path, capsys):
    data = camus_folder.write(tmp_path / "camus", 16)
    names = (data / "database_split" / "subgroup_training.txt").read_text().split()
    for i, name in enumerate(names):
        cfg = data / "database_nifti" / name / "Info_2CH.cfg"
        cfg.write_text(cfg.read_text().replace("Good", LABELS[i % 3]))
    main(["--data", str(data), "--out", str(tmp_path / "quality.json")])
    assert '"n_a2c": 8' in capsys.readouterr().out
    values = json.loads((tmp_path / "quality.json").read_text(encoding="utf-8"))
    assert [part["name"] for part in values["parts"]] == list(SCORED)
    assert "8 training patients" in values["trained_on"]


@pytest.mark.realdata
@pytest.mark.parametrize("change", ["sector shadow", "wall drop-out", "gain -40 %"])
def test_a_stronger_perturbation_has_a_lower_score(change, camus_root):
    predictor, scale = (
        load_predictor(MeasureOptions(precision="f32")),
        read_quality_scale(find_model("camus-seg")),
    )
    stills = list(read_stills(camus_root, read_split(camus_root, "training")[:12]))
    found = [
        {(p.patient, p.view): scale.score(p.parts) for p in measure_pairs(predictor, stills, change, share)}
        for share in (0.0, 0.5, 1.0)
    ]
    common = set(found[0]).intersection(*found[1:])
    assert len(common) > 18
    means = [np.mean([scores[key] for key in common]) for scores in found]
    assert means[0] > means[1] > means[2]
