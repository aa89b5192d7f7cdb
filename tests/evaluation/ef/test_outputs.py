"""Charts, tables, page and files of an evaluation."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.evaluation.ef.curve_charts import calibration_png, loss_png, roc_png
from lvef.evaluation.ef.losses import read_losses
from lvef.evaluation.ef.outputs import write_evaluation
from lvef.evaluation.ef.pictures import make_pictures
from lvef.evaluation.ef.residual_chart import residuals_png
from lvef.evaluation.ef.rows import headline
from lvef.evaluation.ef.run import EfPlan
from lvef.evaluation.ef.summary import summarise
from lvef.evaluation.ef.tables import cases_csv, confusion_csv, to_values
from lvef.evaluation.plots.style import NETWORK_COLOURS, WIDTH_PX
from lvef.evaluation.report import Bounded
from lvef.stats.agreement import calibration_parts
from lvef.stats.classification import roc_curve
from tests.evaluation.drawing import count, pixels
from tests.evaluation.ef.made_up import made_evaluation

ODD = ["$x$ 漢 network", "_underlined " + "long " * 20]
AREA = Bounded(0.9, 0.8, 1.0)


@pytest.fixture
def summary():
    rng = np.random.default_rng(0)
    reference = np.linspace(20, 70, 24)
    first = [float(v) for v in reference + rng.normal(0, 5, 24)]
    second = [float(v) for v in reference + rng.normal(3, 8, 24)]
    second[3] = None
    e = made_evaluation(reference, first, second, quality=["Good", "Poor"] * 12)
    return summarise(e, {}, 0)


def test_files_and_page(summary, tmp_path):
    plan = EfPlan(Path("made.csv"), "test", ("a", "b"))
    pictures = make_pictures(
        summary, {}, losses={"run": {"val_loss": (np.arange(3.0), np.array([3.0, 1.0, 2.0]))}}
    )
    written = write_evaluation(tmp_path, summary, plan, pictures)
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
        "Network against network",
        "p (Holm)",
    ):
        assert words in page, words
    assert "nan" not in page.lower().replace("finance", "").split("<body>")[1].split("data:image")[0]
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["settings"]["split"] == "test" and run["files"] == sorted(set(written) - {"run.json"})
    # A second run without losses takes the first one's chart away.
    write_evaluation(tmp_path, summary, plan, make_pictures(summary, {}))
    assert not (tmp_path / "losses.png").exists() and (tmp_path / "roc.png").exists()


def test_a_cut_off_clip_is_marked_in_table_summary_and_headline(summary):
    first = summary.evaluation.entrants[0]
    records = (replace(first.records[0], warnings=("truncated", "assumed_frame_rate")), *first.records[1:])
    cut = replace(
        summary.evaluation, entrants=(replace(first, records=records), *summary.evaluation.entrants[1:])
    )
    found = summarise(cut, {}, 0)
    rows = list(csv.DictReader(io.StringIO(cases_csv(found))))
    assert rows[0]["warnings"] == "truncated assumed_frame_rate" and rows[1]["warnings"] == ""
    assert [n["cut_off"] for n in to_values(found)["networks"]] == [["clip000"], []]
    assert "1 measured on the frames before a clip is damaged or cut off (clip000)" in headline(found)[3]
    assert "cut off" not in headline(found)[4]


def test_summary_is_json_without_nan(summary):
    text = json.dumps(to_values(summary), allow_nan=False)
    values = json.loads(text)
    assert values["schema"] == "lvef-ef-evaluation/1"
    b = values["networks"][1]
    assert b["answered"] == 23 and b["unanswered"] == [
        {"item": "clip003", "status": "refused", "reason_code": "no_fan"}
    ]
    names = {f["name"] for f in b["figures"]}
    assert {"ef_mae", "ef_mae_filled", "ef_auc_at_most_35", "ef_macro_sensitivity"} <= names
    assert values["line_error_of_the_report"]["note"] == "another crop than the report's: not comparable"


def test_tables(summary):
    rows = list(csv.DictReader(io.StringIO(cases_csv(summary))))
    assert len(rows) == 48
    lost = next(row for row in rows if row["network"] == "b" and row["item"] == "clip003")
    assert lost["ef_percent"] == lost["difference_points"] == lost["class"] == ""
    assert lost["class_reference"] == "abnormal" and lost["reason"] == "No fan was found."
    counts = list(csv.DictReader(io.StringIO(confusion_csv(summary))))
    assert sum(int(row["count"]) for row in counts if (row["network"], row["clips"]) == ("b", "filled")) == 24
    assert (
        sum(int(row["count"]) for row in counts if (row["network"], row["clips"]) == ("b", "answered")) == 23
    )


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
