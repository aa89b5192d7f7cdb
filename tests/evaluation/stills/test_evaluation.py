"""The evaluation as a whole, and its files, on a fabricated collection with the installed network."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.journal import JOURNAL_NAME
from lvef.core.runner import Progress
from lvef.datasets.camus import read_split, read_stills
from lvef.evaluation.metrics import MetricTable
from lvef.evaluation.report import RUN_NAME, write_report
from lvef.evaluation.runner import CaseRunner
from lvef.evaluation.stills.evaluation import WORST, Plan, card_metrics, evaluate, load_models
from lvef.evaluation.stills.report import make_csv_files, make_report, to_summary
from lvef.evaluation.stills.robustness import POOLED
from lvef.evaluation.stills.scores import other_phase, segment_and_score, unpack_cavity
from lvef.measure.options import MeasureOptions
from lvef.measure.predictors import SegmentationPredictor
from tests.evaluation.conftest import SOME_PERTURBATIONS

F32 = MeasureOptions(precision="f32")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_still_is_scored_once_as_if_alone(collection, evaluated):
    _, found = evaluated
    predictor = SegmentationPredictor(F32)
    stills = list(read_stills(collection, read_split(collection, "validation")))
    for model in found.models:
        assert list(model.scores) == [
            segment_and_score(predictor, still, other=other_phase(still, stills))[0] for still in stills
        ]
        assert list(model.perturbed) == list(SOME_PERTURBATIONS)
        assert all(len(scores) == len(stills) for scores in model.perturbed.values())
        assert model.patients == read_split(collection, "validation")
    assert found.split == "CAMUS validation, 4 patients"
    assert found.patients == 4


def test_the_worst_stills_come_first(evaluated):
    _, found = evaluated
    model = found.models[0]
    dice = [result.score.dice_lv for _, result in model.worst]
    assert dice == sorted(s.dice_lv for s in model.scores)[:WORST]
    for case, result in model.worst:
        expert = case.files.read().mask == 1
        predicted = unpack_cavity(result.cavity, expert.shape)
        overlap = 2 * (expert & predicted).sum() / (expert.sum() + predicted.sum())
        assert overlap == pytest.approx(result.score.dice_lv)


def test_twins_do_not_differ(evaluated):
    _, found = evaluated
    first, second = (
        [replace(row, method="") for row in found.metrics.select(label)] for label in found.labels
    )
    assert first == second
    assert found.paired
    assert all(p.difference == 0 and p.p == 1 and p.p_holm == 1 for p in found.paired)
    assert {p.n for p in found.paired} == {4}


def test_a_fold_is_scored_with_its_own_model_alone(collection, tmp_path):
    from tests.evaluation.stills.test_models import run_folder

    names = read_split(collection, "validation")
    runs = tuple(run_folder(tmp_path, f"fold{i}", names[2 * i : 2 * i + 2], f"{i}") for i in (0, 1))
    plan = Plan(collection, runs=runs, options=F32)
    totals, steps = [], []
    progress = Progress(start=totals.append, advance=lambda: steps.append(1))
    found = evaluate(plan, load_models(plan), CaseRunner(progress=progress))
    assert totals == [len(steps)] == [16]
    whole = Plan(collection, options=F32)
    values = [row.value for row in found.metrics.rows]
    assert values == [row.value for row in evaluate(whole, load_models(whole), CaseRunner()).metrics.rows]
    summary = to_summary(found)
    assert [w["patients"] for w in summary["networks"][0]["weights"]] == [2, 2]


def test_patients_without_stills_are_reported(collection, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("patient0001\npatient7777\npatient0002\n")
    plan = Plan(collection, patients=names, options=F32)
    found = evaluate(plan, load_models(plan), CaseRunner())
    assert found.patients == 2
    assert any(notice.startswith("1 of the 3 patients") for notice in found.notices)
    names.write_text("patient7777\n")
    with pytest.raises(DataError, match="no CAMUS stills of the 1 patients"):
        evaluate(plan, load_models(plan), CaseRunner())


def test_one_patient_has_cases_but_no_figures(collection, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("patient0001\n")
    plan = Plan(collection, patients=names, robustness=True, options=F32)
    found = evaluate(plan, load_models(plan), CaseRunner())
    assert not found.metrics.rows
    assert [len(c.cases) for c in found.models[0].comparisons] == [1, 1, 1, 1]
    assert "index.html" in write_report(tmp_path / "out", make_report(found, plan, with_files=True))


def test_the_summary_has_an_entry_for_every_figure(evaluated):
    _, found = evaluated
    summary = to_summary(found)
    json.dumps(summary, allow_nan=False)
    assert len(summary["figures"]) == len(found.metrics.rows)
    wanted = {
        "network",
        "name",
        "value",
        "low",
        "high",
        "level",
        "n",
        "unit",
        "split",
        "reference",
        "trivial",
    }
    assert all(set(figure) == wanted for figure in summary["figures"])
    names = {figure["name"] for figure in summary["figures"]}
    assert {"dice_lv_a4c_ed", "hausdorff_la_a2c_es", "distance_myocardium_a4c_es"} <= names
    assert {"ef_mae_a4c", "ef_bias_biplane", "ef_limit_high_a4c_vs_biplane", "ef_rmse_a2c"} <= names
    assert {"dice_lv_a2c_es_good", "ef_mae_biplane_good"} <= names
    units = {f["name"]: f["unit"] for f in summary["figures"]}
    assert units["hausdorff_lv_a4c_ed"] == "mm"
    assert units["hausdorff_lv_a2c_ed"] == "px"
    assert all(figure["reference"] for figure in summary["figures"])
    assert {c["change"] for c in summary["robustness"]} == set(SOME_PERTURBATIONS)
    assert len(summary["robustness_sums"]) == 2 * (1 + len(SOME_PERTURBATIONS))


def test_tables_hold_every_case(evaluated):
    _, found = evaluated
    assert len(rows(make_csv_files(found)["figures.csv"])) == len(found.metrics.rows)
    cases = rows(make_csv_files(found)["cases.csv"])
    assert len(cases) == 2 * 16
    assert {(r["view"], r["distance_unit"], r["volume_unit"]) for r in cases} == {
        ("A4C", "mm", "ml"),
        ("A2C", "px", "px3"),
    }
    efs = rows(make_csv_files(found)["ef.csv"])
    assert Counter(r["network"] for r in efs) == {"camus-seg": 16, "run/camus-seg": 16}
    for row in efs:
        difference = float(row["ef_percent"]) - float(row["ef_reference_percent"])
        assert float(row["difference_points"]) == pytest.approx(difference, abs=1e-4)
        assert row["heart_failure"]
        assert row["report_reference"]
    costs = rows(make_csv_files(found)["robustness.csv"])
    assert len(costs) == 2 * len(SOME_PERTURBATIONS) * 8
    assert {r["above"] for r in costs} <= {"true", "false"}
    assert len(rows(make_csv_files(found)["paired.csv"])) == len(found.paired)


def test_ef_figures_follow_from_the_table(evaluated):
    _, found = evaluated
    metrics = {row.metric: row for row in found.metrics.select("camus-seg")}
    table = [r for r in rows(make_csv_files(found)["ef.csv"]) if r["network"] == "camus-seg"]
    same_view = [r for r in table if r["measured"] == "A4C alone" and "biplane" not in r["reference"]]
    errors = np.array([float(r["difference_points"]) for r in same_view])
    assert metrics["ef_mae_a4c"].value == pytest.approx(np.abs(errors).mean(), abs=1e-3)
    assert metrics["ef_bias_a4c"].value == pytest.approx(errors.mean(), abs=1e-3)


def run(plan, out, *, messages=None, workers=1):
    """An evaluation into a folder, as the command makes it."""
    progress = Progress(message=(messages if messages is not None else []).append)
    with CaseRunner(out, workers=workers, progress=progress) as runner:
        return evaluate(plan, load_models(plan), runner)


def figures_and_files(found):
    """All that a reader sees of it but time and what was taken over."""
    pictures = [(case.item, result.score, result.cavity) for case, result in found.models[0].worst]
    return to_summary(found), make_csv_files(found), pictures


@pytest.fixture
def counted(monkeypatch):
    """Names of the stills that are measured; the n-th can be made to raise an error."""
    seen, raising = [], {}

    def score(predictor, still, **options):
        seen.append(f"{still.patient} {still.view} {still.phase}")
        if len(seen) in raising:
            raise raising[len(seen)]
        return segment_and_score(predictor, still, **options)

    monkeypatch.setattr("lvef.evaluation.stills.scores.segment_and_score", score)
    monkeypatch.setattr("lvef.evaluation.stills.evaluation.PERTURBATIONS", {})
    return seen, raising


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_a_stopped_run_goes_on_and_a_complete_one_computes_nothing(collection, tmp_path, counted, stop):
    seen, raising = counted
    plan = Plan(collection, options=F32)
    whole = run(plan, None)
    assert len(seen) == 16
    seen.clear()
    raising[6] = stop
    with pytest.raises(type(stop)):
        run(plan, tmp_path)
    raising.clear()
    kept = len((tmp_path / JOURNAL_NAME).read_text().splitlines())
    assert kept == 5
    seen.clear()
    found = run(plan, tmp_path)
    assert found.resumed == kept
    assert len(seen) == 16 - kept
    seen.clear()
    again = run(plan, tmp_path)
    assert (again.resumed, seen) == (16, [])
    assert figures_and_files(whole) == figures_and_files(found) == figures_and_files(again)


def test_robustness_is_taken_over_with_the_same_perturbations_only(collection, tmp_path, monkeypatch):
    (tmp_path / "names.txt").write_text("patient0001\npatient0002\n")
    plan = Plan(collection, patients=tmp_path / "names.txt", robustness=True, options=F32)
    for changes, resumed in ((("gamma 0.5",), 0), (("gamma 0.5",), 8), (("gamma 0.5", "wall drop-out"), 0)):
        chosen = {name: SOME_PERTURBATIONS[name] for name in changes}
        monkeypatch.setattr("lvef.evaluation.stills.evaluation.PERTURBATIONS", chosen)
        found = run(plan, tmp_path)
        assert found.resumed == resumed
        assert list(found.models[0].perturbed) == list(changes)
        assert to_summary(found) == to_summary(run(plan, None))
    assert run(replace(plan, robustness=False), tmp_path).resumed == 0


def test_results_of_another_model_or_other_files_are_not_taken_over(collection, twin, tmp_path, counted):
    seen, _ = counted
    data = tmp_path / "camus"
    shutil.copytree(collection, data)
    plan = Plan(data, options=F32)
    out = tmp_path / "out"
    out.mkdir()
    run(plan, out)
    assert run(replace(plan, seed=1), out).resumed == 16, "the seed is that of the bootstrap alone"
    assert run(replace(plan, split="training"), out).resumed == 0
    assert run(replace(plan, weights=("camus-seg", str(twin))), out).resumed == 16
    assert run(replace(plan, weights=(str(twin),)), out).resumed == 16
    path = data / "a2c_192" / "patient0005_2CH_ED_gt.png"
    path.write_bytes(path.read_bytes() + b"\0")
    seen.clear()
    run(plan, out)
    # The other phase is looked at as well.
    assert seen == ["patient0005 A2C ED", "patient0005 A2C ES"]


def test_a_broken_still_does_not_stop_the_others(collection, tmp_path, counted):
    seen, raising = counted
    data = tmp_path / "camus"
    shutil.copytree(collection, data)
    broken = data / "a2c_192" / "patient0006_2CH_ES.png"
    sound = broken.read_bytes()
    broken.write_bytes(sound[: len(sound) // 2])
    plan, messages = Plan(data, options=F32), []
    raising[1] = RuntimeError("of a patient")
    found = run(plan, tmp_path, messages=messages)
    names = ["patient0005 A4C ED", "patient0006 A2C ES"]
    assert found.failed == names
    assert f"2 of the 16 stills could not be evaluated: {', '.join(names)}." in found.notices
    assert "patient0005 A4C ED: lvef met an error it should not have" in messages[0]
    assert str(broken) in messages[1]
    assert len(messages) == 2
    [model] = found.models
    assert len(model.scores) == 14
    assert [len(c.cases) for c in model.comparisons] == [3, 3, 2, 2]
    make_report(found, plan, with_files=True)
    # Repaired: both are measured, and the still whose other phase was missing.
    broken.write_bytes(sound)
    seen.clear()
    raising.clear()
    again = run(plan, tmp_path)
    assert seen == ["patient0005 A4C ED", "patient0006 A2C ED", "patient0006 A2C ES"]
    assert not again.failed
    assert figures_and_files(again) == figures_and_files(run(plan, None))


def test_no_still_that_can_be_evaluated_is_an_error(collection, tmp_path, counted):
    _, raising = counted
    (tmp_path / "names.txt").write_text("patient0001\n")
    raising.update({n: DataError("not to be read") for n in range(1, 5)})
    plan = Plan(collection, patients=tmp_path / "names.txt", options=F32)
    with pytest.raises(DataError, match="none of the 4 stills could be evaluated: not to be read"):
        run(plan, tmp_path)


@pytest.mark.slow
def test_the_files_and_what_is_left_of_an_earlier_run(evaluated, tmp_path):
    plan, found = evaluated
    out = tmp_path / "out"
    written = write_report(out, make_report(found, plan, with_files=True))
    assert sorted(p.name for p in out.iterdir()) == sorted(written)
    assert {
        "index.html",
        "summary.json",
        "figures.csv",
        "metrics.csv",
        "cases.csv",
        "ef.csv",
        "robustness.csv",
        "paired.csv",
    } <= {*written}
    pictures = [p for p in out.iterdir() if p.suffix == ".png"]
    # Two charts a comparison and network, three of Dice, one of changes and one sheet a network, one pair.
    assert len(pictures) == 2 * 4 * 2 + 3 + 2 + 2 + 1
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == len(pictures)
    for c in found.models[0].comparisons:
        assert c.reference in page
    assert "Not a medical device" in page
    record = json.loads((out / RUN_NAME).read_text())
    assert record["settings"]["data"] == "camus"
    assert str(tmp_path.parent) not in json.dumps(record)
    assert set(record["networks"]) == {"camus-seg", "run/camus-seg"}
    (out / "mine.txt").write_text("kept")
    # A record that was edited must not reach outside the folder.
    outside = tmp_path / "precious.txt"
    outside.write_text("x")
    record["files"] += ["../precious.txt", str(outside), 3]
    (out / RUN_NAME).write_text(json.dumps(record))
    model = replace(found.models[0], drops=(), sums=())
    metrics = MetricTable(found.metrics.select("camus-seg"))
    alone = replace(found, models=[model], paired=[], metrics=metrics)
    again = write_report(out, make_report(alone, plan, with_files=True))
    assert sorted(p.name for p in out.iterdir()) == sorted([*again, "mine.txt"])
    assert "paired.csv" not in again
    assert outside.read_text() == "x"


def test_a_card_gets_the_names_it_always_had_and_the_costs(evaluated):
    _, found = evaluated
    figures = card_metrics(found, "camus-seg")
    names = [f.name for f in figures if not f.name.startswith("cost_")]
    assert {"dice_lv_a4c_ed", "dice_la_a2c_es", "ef_mae_a4c", "ef_bias_a2c", "ef_mae_biplane"} <= set(names)
    assert len(names) == len(set(names)) <= 21
    assert all(math.isfinite(f.low) and math.isfinite(f.high) for f in figures)
    costs = {f.name: f for f in figures if f.name.startswith("cost_")}
    pooled = {(c.change, c.figure): c for c in found.models[0].drops if c.figure in POOLED}
    assert len(costs) == len(pooled) > 0
    one = pooled["sector shadow", "dice_lv"]
    assert costs["cost_dice_lv_sector_shadow"].value == pytest.approx(one.cost.value, abs=1e-4)
    without = replace(found, models=[replace(found.models[0], drops=())])
    assert card_metrics(without, "camus-seg") == figures[: len(names)]
