"""A metric is one function; its row has value, interval and baseline."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import fields

import numpy as np

from lvef.evaluation.metrics import Metric, MetricRow, MetricTable, bootstrap_metrics
from lvef.evaluation.report import pivot, records_csv

MEAN = Metric("mean", lambda rows: float(rows[:, 0].mean()), "mean", "points")
UNDEFINED = Metric("undefined", lambda _: math.nan)


def make_rows(**options):
    values = np.arange(20.0).reshape(-1, 1)
    return bootstrap_metrics([MEAN, UNDEFINED], values, method="model", **options)


def test_a_row_has_value_interval_and_baseline():
    [row] = make_rows(baseline=np.full((20, 1), 3.0), split="test", reference="expert")
    assert (row.metric, row.value, row.n, row.unit, row.baseline) == ("mean", 9.5, 20, "points", 3.0)
    assert row.low < 9.5 < row.high and row.level == 0.95
    figure = row.to_card_metric()
    assert (figure.name, figure.trivial, figure.reference) == ("mean", 3.0, "expert")


def test_patients_are_drawn_with_all_their_rows():
    [one] = make_rows()
    [copies] = bootstrap_metrics(
        [MEAN],
        np.repeat(np.arange(20.0), 5).reshape(-1, 1),
        [str(i) for i in range(20) for _ in range(5)],
        method="model",
    )
    assert (copies.low, copies.high) == (one.low, one.high) and copies.n == 100


def test_one_patient_has_no_metrics():
    assert bootstrap_metrics([MEAN], np.ones((3, 1)), ["a"] * 3, method="model") == []


def test_the_order_of_other_names_does_not_matter():
    assert make_rows(seed=1) == make_rows(seed=1) != make_rows(seed=2)
    [ending] = make_rows(ending="_filled")
    assert ending.metric == "mean_filled"


def test_table_and_views():
    rows = [
        MetricRow("a", "", "ef_mae", 4.25, 3.0, 5.5, 10, "EF points", 8.0),
        MetricRow("b", "", "ef_mae", 5.0, 4.0, 6.0, 9, "EF points", 8.0),
        MetricRow("a", "view: A4C", "ef_mae", 3.0, 2.0, 4.0, 5, "EF points"),
        MetricRow("a", "", "ef_bias", 1.0, -1.0, 3.0, 10, "EF points"),
    ]
    table = MetricTable(rows)
    assert (
        table.find("a", "ef_mae", "view: A4C") == rows[2] and table.find("b", "ef_mae", "view: A4C") is None
    )
    assert table.select("a") == [rows[0], rows[3]]
    assert table.select("a", None) == [rows[0], rows[2], rows[3]]
    lines = [(("error",), "ef_mae"), (("bias",), "ef_bias"), (("none",), "ef_r")]
    shown = pivot(table, ["a", "b"], lines, ".1f", facts=("baseline", "n"))
    assert shown == [
        ("error", "8.0", "10 / 9", "4.2 (3.0 to 5.5)", "5.0 (4.0 to 6.0)"),
        ("bias", "", "10", "1.0 (-1.0 to 3.0)", "-"),
    ]
    read = list(csv.DictReader(io.StringIO(records_csv(MetricRow, rows))))
    assert list(read[0]) == [field.name for field in fields(MetricRow)]
    assert read[2]["group"] == "view: A4C" and read[2]["baseline"] == ""
