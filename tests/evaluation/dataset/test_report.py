"""Plots, tables, page and files of an evaluation on a dataset."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.evaluation.dataset.analysis import analyse
from lvef.evaluation.dataset.evaluation import Inputs, Plan, read_losses
from lvef.evaluation.dataset.files import make_csv_files, to_summary
from lvef.evaluation.dataset.report import headline, make_report
from lvef.evaluation.plots.boxes import residuals_png
from lvef.evaluation.plots.curves import calibration_png, loss_png, roc_png
from lvef.evaluation.plots.style import NETWORK_COLOURS, WIDTH_PX
from lvef.evaluation.report import Bounded, write_report
from lvef.stats.agreement import calibration_parts, roc_curve
from tests.evaluation.dataset.made_up import made_evaluation
from tests.evaluation.drawing import count, pixels

ODD = ["$x$ 漢 network", "_underlined " + "long " * 20]
AREA = Bounded(0.9, 0.8, 1.0)


@pytest.fixture
def analysis():
    rng = np.random.default_rng(0)
    reference = np.linspace(20, 70, 24)
    first = [float(v) for v in reference + rng.normal(0, 5, 24)]
    second = [float(v) for v in reference + rng.normal(3, 8, 24)]
    second[3] = None
    e = made_evaluation(reference, first, second, quality=["Good", "Poor"] * 12)
    return analyse(e, {}, 0)


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
def test_files_and_page(analysis, tmp_path):
    plan = Plan(Path("made.csv"), "test", ("a", "b"))
    inputs = Inputs(
        analysis.evaluation.selection,
        losses={"run": {"val_loss": (np.arange(3.0), np.array([3.0, 1.0, 2.0]))}},
    )
    written = write_report(tmp_path, make_report(analysis, inputs, plan, with_files=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(written)
    assert {
        "bland_altman_a.png",
        "scatter_b.png",
        "residuals.png",
        "roc.png",
        "calibration.png",
        "losses.png",
    } <= set(written)
    page = (tmp_path / "index.html").read_text()
    for words in (
        "EF of made-up: made up",
        "no_fan",
        "Not a medical device",
        "macro sensitivity",
        "cut at 2.5 and 97.5 %",
        "always normal",
        "Method against method",
        "p (Holm)",
    ):
        assert words in page, words
    assert "nan" not in page.lower().replace("finance", "").split("<body>")[1].split("data:image")[0]
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["settings"]["split"] == "test" and run["files"] == sorted(set(written) - {"run.json"})
    # A second run without losses takes the first one's plot away.
    without = Inputs(analysis.evaluation.selection)
    write_report(tmp_path, make_report(analysis, without, plan, with_files=True))
    assert not (tmp_path / "losses.png").exists() and (tmp_path / "roc.png").exists()


def test_metrics_are_a_tidy_table(analysis):
    report = make_report(
        analysis, Inputs(analysis.evaluation.selection), Plan(Path("m"), "test"), with_files=True
    )
    assert {row.method for row in report.metrics} == {"a", "b"}
    assert {row.group for row in report.metrics if row.group.startswith("quality")} == {
        "quality: Good",
        "quality: Poor",
    }
    assert all(row.baseline is not None for row in report.metrics if row.metric == "ef_mae")
    figures = read(report.csv["figures.csv"])
    assert len(figures) == len(report.metrics)
    assert {row["by"] for row in figures} == {"", "manifest's EF", "quality"}


def test_a_truncated_clip_is_marked_in_table_summary_and_headline(analysis):
    e = analysis.evaluation
    first = e.methods[0]
    result = replace(first.results[0], warnings=("truncated", "assumed_frame_rate"))
    cut = replace(first, results=(result, *first.results[1:]))
    found = analyse(replace(e, methods=(cut, *e.methods[1:])), {}, 0)
    rows = read(make_csv_files(found)["cases.csv"])
    assert rows[0]["warnings"] == "truncated assumed_frame_rate" and rows[1]["warnings"] == ""
    assert [n["cut_off"] for n in to_summary(found)["networks"]] == [["clip000"], []]
    assert "1 measured on the frames before a clip is damaged or cut off (clip000)" in headline(found)[3]
    assert "cut off" not in headline(found)[4]


def test_summary_is_json_without_nan(analysis):
    values = json.loads(json.dumps(to_summary(analysis), allow_nan=False))
    assert values["schema"] == "lvef-ef-evaluation/1"
    b = values["networks"][1]
    assert b["answered"] == 23 and b["unanswered"] == [
        {"item": "clip003", "status": "refused", "reason_code": "no_fan"}
    ]
    names = {f["name"] for f in b["figures"]}
    assert {"ef_mae", "ef_mae_filled", "ef_auc_at_most_35", "ef_macro_sensitivity"} <= names
    assert values["line_error_of_the_report"]["note"] == "another crop than the report's: not comparable"


def test_tables(analysis):
    files = make_csv_files(analysis)
    rows = read(files["cases.csv"])
    assert len(rows) == 48
    lost = next(row for row in rows if row["network"] == "b" and row["item"] == "clip003")
    assert lost["ef_percent"] == lost["difference_points"] == lost["class"] == ""
    assert lost["class_reference"] == "abnormal" and lost["reason"] == "No fan was found."
    for clips, total in (("filled", 24), ("answered", 23)):
        counts = [r for r in read(files["confusion.csv"]) if (r["network"], r["clips"]) == ("b", clips)]
        assert sum(int(row["count"]) for row in counts) == total


def test_roc_chart():
    curve = roc_curve([1.0, 2.0, 3.0, 4.0], [False, True, False, True])
    none = (np.empty(0), np.empty(0))
    panels = {"EF < 50": [(ODD[0], curve, AREA), (ODD[1], none, AREA)], "EF < 40": [("a", none, AREA)]}
    png = roc_png(panels, heading="ROC")
    assert png == roc_png(panels, heading="ROC")
    picture = pixels(png)
    assert picture.shape[1] == WIDTH_PX
    assert count(picture, NETWORK_COLOURS[0]) > 500 and not count(picture, NETWORK_COLOURS[1])
    assert pixels(roc_png({}, heading="Nothing")).any()


def test_calibration_chart():
    x = np.linspace(20, 70, 40)
    parts = calibration_parts(x, 10 + 0.8 * x)
    one = Bounded(0.8, 0.7, 0.9)
    picture = pixels(calibration_png([(n, parts, one, one) for n in ODD], heading="c", reference_name="r"))
    assert all(count(picture, colour) > 200 for colour in NETWORK_COLOURS[:2])
    assert pixels(calibration_png([], heading="Nothing", reference_name="")).any()


def test_residual_chart():
    groups = {
        "normal": [("a", np.array([-3.0, 0.0, 2.0, 30.0])), ("b", np.empty(0))],
        "mild": [("a", np.array([1.0]))],
    }
    picture = pixels(residuals_png(groups, heading="Errors", reference_name="r"))
    assert count(picture, NETWORK_COLOURS[0]) > 200 and not count(picture, NETWORK_COLOURS[1])


def test_losses_of_a_resumed_run(tmp_path):
    for version, text in (
        (0, "epoch,loss,val_loss\n0,5,6\n1,4,5\n2,9,9\n"),
        (10, "epoch,loss,val_loss\n2,3,\n2,,4.5\n3,2,4\n"),
    ):
        folder = tmp_path / "metrics" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(text)
    found = read_losses(tmp_path)
    assert found["loss"][0].tolist() == [0, 1, 2, 3] and found["loss"][1].tolist() == [5, 4, 3, 2]
    assert found["val_loss"][1].tolist() == [6, 5, 4.5, 4]
    png = loss_png({"run": found, "one": {"loss": (np.array([0.0]), np.array([1e-3]))}}, heading="Losses")
    assert count(pixels(png), NETWORK_COLOURS[0]) > 200


@pytest.mark.parametrize(
    ("text", "sentence"), [(None, "no metrics.csv"), ("a,b\n1,2\n", "no column of losses"), ("", "no column")]
)
def test_runs_without_losses(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_losses(tmp_path)
