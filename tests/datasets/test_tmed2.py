"""TMED-2 is read as its owners hand it out."""

from __future__ import annotations

import json
import shutil

import pytest

from lvef.core.errors import DataError
from lvef.datasets.readers.tmed2 import READER
from tests.datasets import tmed2_folder as made


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return made.write(tmp_path_factory.mktemp("tmed"))


@pytest.fixture
def root(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "TMED2")


def rows(imported):
    return {row["item"]: row for row in imported.manifest.to_dicts()}


def found(imported):
    return {f.code: f for f in imported.findings}


def test_views_grades_and_patients(clean):
    by_item = rows(READER.read(clean, None))
    assert {name: row["view"] for name, row in by_item.items()} == {
        "1009s2_12": "PLAX",
        "1009s2_13": "A4C",
        "1009s1_1": "other",
        "2001s1_7": "PSAX",
        "3100s1_3": "A2C",
        "1009s2_14": "unknown",
        "5005s1_0": "unknown",
    }
    assert [row["diagnosis"] for row in by_item.values()] == [
        "severe_AS", "severe_AS", "no_AS", "mildtomod_AS", None, None, None,
    ]  # fmt: skip
    assert {n for n, row in by_item.items() if row["patient"] == "1009"} == {
        "1009s2_12", "1009s2_13", "1009s1_1", "1009s2_14",
    }  # fmt: skip
    row = by_item["1009s2_12"]
    assert (row["kind"], row["n_frames"], row["width_px"], row["height_px"]) == ("still", 1, 112, 112)
    assert row["path"] == f"{made.BOTH}/labeled/1009s2_12.png"
    assert row["told_by"] == "labels_per_image.csv, line 2"


def test_both_splits_are_kept_and_the_views_one_rules(clean):
    by_item = rows(READER.read(clean, None))
    assert [row["split"] for row in by_item.values()] == ["train"] * 3 + ["val", "test", "train", None]
    assert by_item["1009s2_14"]["split_name"] is None, "told of its patient, not of it"
    labels = json.loads(by_item["2001s1_7"]["labels"])
    assert (labels["view_split"], labels["diagnosis_split"]) == ("val", "test")
    assert labels["set"] == [made.BOTH, "labeled"]


def test_no_ef_is_said_and_unlabelled_stills_are_kept(clean):
    imported = READER.read(clean, None)
    codes = found(imported)
    assert set(codes) == {"no_ef", "unlabelled", "partial_list"}
    assert "no ejection fraction" in codes["no_ef"].text
    assert codes["unlabelled"].examples == made.UNLABELLED
    assert imported.manifest["ef_percent"].null_count() == len(imported.manifest) == 7
    assert not READER.has_ef


def test_names_without_suffix_are_the_same(root):
    before = READER.read(root, None).manifest
    made.write_table(root, [row.replace(".png", "") for row in made.ROWS])
    assert READER.read(root, None).manifest.equals(before)


def test_missing_and_damaged_stills_are_named_and_kept(root):
    labelled = root / made.BOTH / "labeled"
    (labelled / "1009s2_13.png").unlink()
    (labelled / "2001s1_7.png").write_bytes(b"no picture")
    whole = (labelled / "1009s1_1.png").read_bytes()
    (labelled / "1009s1_1.png").write_bytes(whole[:-20])
    imported = READER.read(root, None)
    codes = found(imported)
    assert codes["missing_file"].examples == ("1009s2_13",)
    assert codes["unreadable"].examples == (f"{made.BOTH}/labeled/2001s1_7.png",)
    assert codes["truncated"].examples == (f"{made.BOTH}/labeled/1009s1_1.png",)
    assert len(imported.manifest) == 7
    assert rows(imported)["2001s1_7"]["width_px"] is None


def test_bad_rows_are_found_and_counted(root):
    made.write_table(
        root,
        [
            *made.ROWS,
            made.ROWS[0],
            "3100s1_3.png,A4C,Not_Provided,test,not_used",
            "oddname.png,PLAX,AS_maybe,TRAIN,train",
            "7s1_1.png,,no_AS,fold3,train",
            ",PLAX,no_AS,train,train",
        ],
    )
    imported = READER.read(root, None)
    counts = {code: f.count for code, f in found(imported).items()}
    assert counts == {
        "contradicting_rows": 1,
        "missing_file": 2,
        "duplicate_rows": 1,
        "odd_name": 1,
        "unknown_view": 1,
        "unknown_diagnosis": 1,
        "unnamed_row": 1,
        "partial_list": 1,
        "unlabelled": 3,
        "no_ef": 1,
    }
    by_item = rows(imported)
    assert by_item["3100s1_3"]["view"] == "unknown", "labels that contradict each other are not used"
    assert (by_item["oddname"]["split"], by_item["oddname"]["patient"]) == ("train", "oddname")
    assert (by_item["7s1_1"]["split"], by_item["7s1_1"]["split_name"]) == (None, "fold3")


def test_a_still_in_two_sets_counts_once(root):
    (root / "unlabeled_set" / "labeled").mkdir()
    shutil.copy(root / made.BOTH / "labeled" / "2001s1_7.png", root / "unlabeled_set" / "labeled")
    imported = READER.read(root, None)
    assert found(imported)["duplicate_files"].examples == (f"{made.BOTH}/labeled/2001s1_7.png",)
    assert rows(imported)["2001s1_7"]["path"] == "unlabeled_set/labeled/2001s1_7.png"
    assert len(imported.manifest) == 7


def test_the_owners_fold_table_stands_in_for_missing_splits(root):
    made.write_table(root, name="DEV479/TMED2_fold0_labeledpart.csv")
    cut = [",".join(row.split(",")[:3]) for row in made.ROWS]
    made.write_table(root, cut, "query_key,view_label,diagnosis_label")
    imported = READER.read(root, None)
    assert found(imported)["splits_of_fold_0"].count == 1
    assert [row["split"] for row in rows(imported).values()] == ["train"] * 3 + ["val", "test", "train", None]
    (root / "labels_per_image.csv").unlink()
    alone = READER.read(root, None)
    assert rows(alone)["2001s1_7"]["told_by"] == "TMED2_fold0_labeledpart.csv, line 5"


def test_extra_and_missing_columns_are_named(root):
    made.write_table(root, [f"{i},{row}" for i, row in enumerate(made.ROWS)], "Unnamed: 0," + made.HEADER)
    imported = READER.read(root, None)
    assert found(imported)["extra_columns"].examples == ("labels_per_image.csv: Unnamed: 0",)
    assert rows(imported)["1009s2_12"]["view"] == "PLAX"


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda r: shutil.rmtree(r), "no such folder"),
        (lambda r: (r / "labels_per_image.csv").unlink(), "neither labels_per_image"),
        (lambda r: [p.unlink() for p in r.rglob("*.png")], "no PNG file"),
        (lambda r: made.write_table(r, ["a,b"], "FileName,EF"), "has no column query_key"),
        (lambda r: (r / "labels_per_image.csv").write_bytes(b""), "labels_per_image.csv"),
    ],
)
def test_a_wrong_root_is_refused_with_what_was_expected(root, break_it, words):
    break_it(root)
    with pytest.raises(DataError, match=words):
        READER.read(root, None)


def test_progress_counts_every_still(clean):
    steps = []
    READER.read(clean, lambda done, total: steps.append((done, total)))
    assert steps == [(i, 7) for i in range(1, 8)]
