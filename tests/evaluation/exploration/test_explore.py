"""What an exploration finds: the report's table by hand, one answer a patient, labels, sentences."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.serialization import to_json
from lvef.datasets.manifest import make_manifest
from lvef.evaluation.exploration.explore import MOST_LABELS, explore
from lvef.evaluation.exploration.report import outliers_csv, summary_csv, to_summary
from lvef.evaluation.metrics import NOT_STATED
from tests.evaluation.exploration.made_up import camus_like, echonet_like, hmc_like, row


def found_in(rows):
    return explore(make_manifest(rows), "made-up.parquet")


def by_label(found):
    return {(g.by, g.label): g.values.tolist() for g in found.groups}


def test_the_report_table_to_the_last_digit():
    # FileList.csv of five videos: EF = 100 (EDV - ESV) / EDV.
    volumes = [(100.0, 40.0), (80.0, 30.0), (120.0, 30.0), (60.0, 45.0), (95.0, 38.0)]
    rows = [
        row(f"v{i}", edv_ml=edv, esv_ml=esv, ef_percent=100 * (edv - esv) / edv)
        for i, (edv, esv) in enumerate(volumes)
    ]
    # EF 60, 62.5, 75, 25, 60: mean 56.5; squares of 3.5, 6, 18.5, -31.5, 3.5 are 1395; sqrt(1395 / 4) = 18.674849.
    # EDV sorted 60, 80, 95, 100, 120: mean 91; squares 961 + 121 + 16 + 81 + 841 = 2020; sqrt(505) = 22.472205.
    # ESV sorted 30, 30, 38, 40, 45: mean 36.6; squares 43.56 + 43.56 + 1.96 + 11.56 + 70.56 = 171.2; sqrt(42.8) = 6.542171.
    assert summary_csv(found_in(rows)).splitlines() == [
        "quantity,unit,of,count,missing,mean,std,min,25%,50%,75%,max",
        "ef_percent,%,measurements,5,0,56.500000,18.674849,25.000000,60.000000,60.000000,62.500000,75.000000",
        "edv_ml,ml,measurements,5,0,91.000000,22.472205,60.000000,80.000000,95.000000,100.000000,120.000000",
        "esv_ml,ml,measurements,5,0,36.600000,6.542171,30.000000,30.000000,38.000000,40.000000,45.000000",
    ]


def test_the_table_of_many_computed_another_way():
    rows = echonet_like(1001)
    lines = summary_csv(found_in(rows)).splitlines()
    for line, name in zip(lines[1:4], ("ef_percent", "edv_ml", "esv_ml"), strict=True):
        values = [r[name] for r in rows]
        quartiles = np.percentile(values, [25, 50, 75], method="linear")
        expected = [statistics.fmean(values), statistics.stdev(values), min(values), *quartiles, max(values)]
        assert line.split(",")[5:] == [f"{value:.6f}" for value in expected]
    assert [line.split(",")[0] for line in lines[4:]] == [
        *("frame_rate_hz", "duration_s", "n_frames", "height_px", "width_px")
    ]


def test_outliers_are_counted_on_both_sides_and_named():
    efs = [50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0, 57.0, 20.0, 90.0, 30.0]
    rows = [row(f"v{i}", f"p{i}", ef_percent=ef) for i, ef in enumerate(efs)]
    found = found_in(rows)
    # Sorted 20 30 50 51 52 53 54 55 56 57 90: quartiles 50.5 and 55.5, fences 43 and 63.
    assert found.outliers.select("item", "value", "fence", "side").rows() == [
        ("v8", 20.0, 43.0, "low"),
        ("v10", 30.0, 43.0, "low"),
        ("v9", 90.0, 63.0, "high"),
    ]
    ef = found.columns[0]
    assert (ef.low, ef.high) == (2, 1)
    assert outliers_csv(found).splitlines()[:2] == [
        "item,quantity,value,fence,side,patient,n_items",
        "v8,ef_percent,20.000000,43.000000,low,p8,1",
    ]
    table = to_summary(found)["table"][0]
    assert (table["outliers_low"], table["outliers_high"], table["fence_low"]) == (2, 1, 43.0)


def test_no_low_outlier_below_a_negative_fence():
    found = found_in(echonet_like(2000))
    esv = found.column("esv_ml")
    assert esv.fences.low < 0
    assert esv.low == 0
    assert esv.high == len(found.outliers.filter(quantity="esv_ml")) > 0


def test_one_answer_of_a_patient_counts_once():
    rows = camus_like(30)
    found = found_in(rows)
    assert (found.n_items, found.n_patients, found.n_measurements) == (180, 30, 30)
    expected = [rows[i]["ef_percent"] for i in range(0, 180, 6)]
    assert found.columns[0].values.tolist() == expected
    assert any("30 measurements of 30 patients, on 180 items" in note for note in found.notes)


def test_two_answers_of_a_patient_count_twice_and_are_reported():
    rows = [row("a", "p", ef_percent=50.0), row("b", "p", ef_percent=60.0), row("c", "q", ef_percent=50.0)]
    found = found_in(rows)
    assert (found.n_patients, found.n_measurements) == (2, 3)
    assert any(note.startswith("1 patient with more than one measurement") for note in found.notes)


def test_the_same_name_in_two_collections_is_two_patients():
    rows = [
        row("a", "p1", collection="one", ef_percent=50.0),
        row("b", "p1", collection="two", ef_percent=50.0),
    ]
    found = found_in(rows)
    assert (found.n_patients, found.n_measurements) == (2, 2)
    assert [(g.by, g.label) for g in found.groups] == [("collection", "one"), ("collection", "two")]


def test_two_methods_are_not_mixed_in_silence():
    rows = [
        row("a", "p", ef_percent=50.0, ef_method="disks"),
        row("b", "p", ef_percent=50.0, ef_method="eye"),
    ]
    found = found_in(rows)
    assert found.n_measurements == 2
    assert any("EF comes from 2 methods (disks; eye)" in note for note in found.notes)
    assert by_label(found) == {("ef_method", "disks"): [50.0], ("ef_method", "eye"): [50.0]}


def test_a_patient_counts_once_under_each_label():
    good, poor = {"quality": "Good"}, {"quality": "Poor"}
    rows = [
        row("a", "p", ef_percent=50.0, view="A4C", **good),
        row("b", "p", ef_percent=50.0, view="A2C", **good),
        row("c", "p", ef_percent=50.0, view="A2C"),
        row("d", "q", ef_percent=70.0, view="A2C", **poor),
        row("e", "r", ef_percent=30.0, view="PLAX"),
        row("f", "s", view="PLAX", **poor),
    ]
    # The item c has no quality, its patient has one; r has none at all; s has no EF.
    assert by_label(found_in(rows)) == {
        ("view", "A4C"): [50.0],
        ("view", "A2C"): [50.0, 70.0],
        ("view", "PLAX"): [30.0],
        ("quality", "Good"): [50.0],
        ("quality", "Poor"): [70.0],
        ("quality", NOT_STATED): [30.0],
    }


def test_counts_contents_and_classes():
    found = found_in(camus_like(10))
    counts = {(by, label): numbers for by, label, *numbers in found.counts.rows()}
    assert counts["kind", "still"] == [40, 10]
    assert counts["phase", "ED"] == [20, 10]
    assert ("phase", NOT_STATED) not in counts, "a clip has no phase to tell"
    assert counts["split", "val"] == [12, 2]
    assert found.counts.filter(by="split")["label"].to_list() == ["train", "val"]
    assert found.contents["items"].sum() == 60
    assert found.contents.select("view", "kind", "items").row(0) == ("A4C", "clip", 8)
    rows = [row(f"v{i}", ef_percent=ef) for i, ef in enumerate((39.9, 40.0, 50.0, 50.1, 40.5))]
    classes = {(table, label): n for table, label, n in found_in(rows).classes.rows()}
    assert [classes["report", name] for name in ("normal", "mild", "abnormal")] == [1, 3, 1]
    ranges = [classes["heart_failure", name] for name in ("reduced", "mildly_reduced", "preserved")]
    assert ranges == [2, 1, 2]


def test_without_ef_it_is_said_and_the_rest_explored():
    found = found_in(hmc_like(6))
    assert found.notes[0] == "This manifest (hmc-qu) has no EF; the other columns are explored."
    assert (found.n_measurements, len(found.outliers), found.groups, len(found.classes)) == (0, 0, (), 0)
    assert {c.quantity.column for c in found.columns if c.description.n} == {
        *("frame_rate_hz", "duration_s", "n_frames")
    }
    assert set(found.counts.filter(by="diagnosis")["label"]) == {"MI", "non-MI"}
    assert to_summary(found)["has_ef"] is False
    assert summary_csv(found).splitlines()[1] == "ef_percent,%,measurements,0,6,,,,,,,"
    assert outliers_csv(found).count("\n") == 1


def test_volumes_without_ef():
    found = found_in([row("a", edv_ml=100.0, esv_ml=40.0), row("b", edv_ml=90.0)])
    assert found.notes[0].startswith("This manifest (made-up) has no EF but volumes;")
    assert found.edv_esv.tolist() == [[100.0, 40.0]]
    assert found.column("esv_ml").description.missing == 1


def test_what_is_not_reported_and_what_is_the_same():
    found = found_in([row(f"v{i}", ef_percent=50.0 + i, sex="F") for i in range(3)])
    assert any(
        note.startswith("Not known:") and "split" in note and "image quality" in note for note in found.notes
    )
    assert any("nothing is compared by it: sex (F), view (A4C)" in note for note in found.notes)
    assert found.groups == ()
    stills = found_in([row("s", kind="still")])
    assert not any("frame rate" in note or "duration" in note for note in stills.notes), "a still has none"


def test_no_rows_is_a_sentence():
    with pytest.raises(DataError, match=r"made-up.parquet has no rows"):
        found_in([])


def test_one_row():
    found = found_in([row("a", ef_percent=55.0)])
    assert "The manifest has one item: it has no spread." in found.notes
    assert to_summary(found)["table"][0]["std"] is None
    assert summary_csv(found).splitlines()[1].split(",")[5:7] == ["55.000000", ""]


def test_equal_values_are_reported():
    found = found_in([row(f"v{i}", ef_percent=0.1) for i in range(3)])
    assert "Every EF is 0.1 %: its standard deviation and z-scores are 0." in found.notes
    assert found.outliers.is_empty()


def test_swapped_volumes_and_missing_ef_are_reported():
    found = found_in([row("a", edv_ml=40.0, esv_ml=90.0, ef_percent=0.0), row("b")])
    assert any(note.startswith("In 1 measurement EDV is smaller than ESV") for note in found.notes)
    assert "1 of 2 patients without an EF." in found.notes


def test_free_text_is_no_label():
    rows = [
        row(f"v{i}", ef_percent=50.0, quality=f"quite {i}", diagnosis="x") for i in range(MOST_LABELS + 1)
    ]
    found = found_in(rows)
    assert "quality" not in found.counts["by"]
    assert any("different values" in note and "image quality" in note for note in found.notes)
    assert "quite" not in to_json(to_summary(found))


def test_a_number_that_cannot_be_one_is_named():
    with pytest.raises(DataError, match=r"edv_ml: 1e\+308 is too large"):
        found_in([row("a", edv_ml=1e308)])


@pytest.mark.parametrize("rows", [echonet_like(50), camus_like(5), hmc_like(3), [row("a")]])
def test_json_holds_no_nan_and_is_the_same_twice(rows):
    text = to_json(to_summary(found_in(rows)))
    assert text == to_json(to_summary(found_in(rows)))
    assert "NaN" not in text


def test_many_sizes_are_cut_short():
    found = found_in([row(f"v{i}", height_px=100 + i, width_px=200) for i in range(50)] + [row("w")])
    summary = to_summary(found)
    assert summary["different_sizes"] == 50
    assert len(summary["sizes"]) == 20
