"""HMC-QU is read with all its irregularities, and everything left out is named."""

from __future__ import annotations

import json
import shutil

import pytest

from lvef.core.errors import DataError
from lvef.core.terms import View
from lvef.datasets.hmc_qu_table import parse_name, read_hmc_table, read_infarction, read_tick
from lvef.datasets.readers.hmc_qu import READER
from tests.datasets import hmc_qu_folder as made


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return made.write(tmp_path_factory.mktemp("hmc"))


@pytest.fixture
def root(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "HMC")


def rows(imported):
    return {row["item"]: row for row in imported.manifest.to_dicts()}


def found(imported):
    return {f.code: f for f in imported.findings}


def test_every_clip_with_its_labels(clean):
    imported = READER.read(clean, None)
    by_item = rows(imported)
    assert len(by_item) == 6
    assert set(found(imported)) == {"no_ef"}
    row = by_item["ES0001 _4CH_1"]
    assert (row["view"], row["kind"], row["patient"]) == ("A4C", "clip", "ES0001")
    assert (row["n_frames"], row["height_px"], row["width_px"]) == (12, 48, 64)
    assert row["frame_rate_hz"] == pytest.approx(25)
    assert row["duration_s"] == pytest.approx(12 / 25)
    assert row["path"] == "HMC-QU/A4C/ES0001 _4CH_1.avi"
    assert row["mask_path"] == "LV Ground-truth Segmentation Masks/Mask_ES0001 _4CH_1.mat"
    assert row["n_traced_frames"] == 8
    assert row["diagnosis"] == "MI"
    assert row["told_by"] == "A4C.xlsx line 3"
    labels = json.loads(row["labels"])
    assert labels["segments"] == dict(zip(made.A4C, made.SICK, strict=True))
    assert (labels["reference_frame"], labels["end_of_cycle_frame"]) == (1, 8), "counted from 0"
    assert labels["wall_mask"] is True


def test_no_ef_is_said_and_none_is_made_up(clean):
    imported = READER.read(clean, None)
    for column in ("ef_percent", "edv_ml", "esv_ml", "ef_method", "ed_frame", "es_frame", "split"):
        assert imported.manifest[column].null_count() == 6
    assert not READER.has_ef
    assert "no ejection fraction" in found(imported)["no_ef"].text


def test_views_of_a_patient_meet_in_spite_of_their_names(clean):
    patients = {}
    for row in rows(READER.read(clean, None)).values():
        patients.setdefault(row["patient"], set()).add(row["view"])
    assert patients == {name: {"A4C", "A2C"} for name in ("ES0001", "ES000100N", "ES00010")}


def test_starred_names_find_their_files(clean):
    row = rows(READER.read(clean, None))["ES00010_CH2_2"]
    labels = json.loads(row["labels"])
    assert labels["starred"] is True
    assert labels["recorded_name"] == "ES00010_CH2_2*"
    assert labels["take"] == 2
    assert list(labels["segments"]) == list(made.A2C)


def test_csv_copies_say_the_same(root):
    before = READER.read(root, None).manifest
    for name in ("A4C.xlsx", "A2C.xlsx"):
        (root / name).unlink()
    made.write_csv_copies(root)
    imported = READER.read(root, None)
    told = ["told_by", "labels"]
    assert imported.manifest.drop(told).equals(before.drop(told))
    labels = json.loads(rows(imported)["ES0001 _4CH_1"]["labels"])
    assert labels.pop("match_with_a2c") == "ES0001_CH2_1"
    assert labels == json.loads(before["labels"][0])
    assert set(found(imported)) == {"no_ef"}, "an index column without a title is nothing to tell"


def test_a_matched_clip_takes_the_patient_of_its_partner(root):
    (root / "A4C.xlsx").unlink()
    made.write_csv_copies(root)
    text = (root / "A4C.csv").read_text(encoding="utf-8")
    (root / "A4C.csv").write_text(text.replace("ES0001_CH2_1", "ES00010_CH2_2"), encoding="utf-8")
    imported = READER.read(root, None)
    assert found(imported)["match_disagrees"].count == 1
    # Named by two A4C clips; whichever counts, it is no third patient.
    assert rows(imported)["ES00010_CH2_2"]["patient"] in {"ES0001", "ES00010"}


@pytest.mark.parametrize(
    ("name", "key", "patient", "view", "take", "starred"),
    [
        ("ES0001 _4CH_1", "es0001_4ch_1", "ES0001", View.A4C, 1, False),
        ("ES000100 N_4CH_1", "es000100n_4ch_1", "ES000100N", View.A4C, 1, False),
        ("ES00010_CH2_2*", "es00010_2ch_2", "ES00010", View.A2C, 2, True),
        ("es0007_ch4", "es0007_4ch", "ES0007", View.A4C, None, False),
        (" ES 0003_2CH_01 ", "es0003_2ch_1", "ES0003", View.A2C, 1, False),
        ("clip 17", "clip17", "CLIP17", None, None, False),
    ],
)
def test_names(name, key, patient, view, take, starred):
    parsed = parse_name(name)
    assert (parsed.key, parsed.patient, parsed.view) == (key, patient, view)
    assert (parsed.take, parsed.starred) == (take, starred)


def test_ticks_are_letters_of_wingdings():
    assert [read_tick(c) for c in ("ü", "û", "u\u0308", "Ü", "Ã¼", "yes", "0")] == [
        True, False, True, True, True, True, False,
    ]  # fmt: skip
    assert [read_tick(c) for c in ("", "u", "x", "?")] == [None] * 4


def test_labels_in_any_spelling():
    assert [read_infarction(c) for c in ("MI", " mi ", "non-MI", "Non MI", "nonMI", "", "0")] == [
        True, True, False, False, False, None, None,
    ]  # fmt: skip


def test_merged_headers_give_each_column_its_own_title(clean):
    table = read_hmc_table(clean / "A4C.xlsx", View.A4C)
    assert table.missing == table.extra == ()
    assert table.rows[0].cells["SEG3"] == "MI"
    assert table.rows[0].cells["endofcycle"] == "9"


def test_missing_and_extra_columns_are_named(root):
    upper, _ = made.headers(made.A2C[:-1], wall=False)
    lines = [[*row[:6], *row[7:], "x"] for row in made.A2C_ROWS]
    made.write_xlsx(
        root / "A2C.xlsx", [[*upper[0][:6], *upper[0][7:], "Remark"], upper[1], *lines], ["A1:A2"]
    )
    imported = READER.read(root, None)
    assert found(imported)["missing_columns"].examples == ("A2C.xlsx: SEG1",)
    assert found(imported)["extra_columns"].examples == ("A2C.xlsx: remark",)
    labels = json.loads(rows(imported)["ES0001_CH2_1"]["labels"])
    assert labels["segments"]["SEG1"] is None
    assert labels["reference_frame"] == 1, "columns are found by title, not by place"
    assert rows(imported)["ES0001_CH2_1"]["diagnosis"] is None, "five known segments are not six"


def test_bad_rows_are_found_and_counted(root):
    made.write_tables(
        root,
        a4c=[
            *made.A4C_ROWS,
            made.A4C_ROWS[0],
            ["ES0099_4CH_1", *made.HEALTHY, 1, 5, "?"],
            ["", *made.HEALTHY, 1, 5, ""],
        ],
        a2c=[
            ["ES0001_CH2_1", "MI?", *made.HEALTHY[1:], 9, 2],
            ["ES000100 N_2CH_1", *made.HEALTHY, 1, 40],
            ["ES00010_CH2_2*", *made.SICK, "start", 12],
        ],
    )
    made.write_clip(root / "HMC-QU" / "A4C" / "ES0500_4CH_1.avi")
    (root / "LV Ground-truth Segmentation Masks" / "Mask_ES0001 _4CH_1.mat").unlink()
    (root / "LV Ground-truth Segmentation Masks" / "Mask_ES00010_4CH_2.mat").write_bytes(b"cut")
    imported = READER.read(root, None)
    counts = {code: f.count for code, f in found(imported).items()}
    assert counts == {
        "duplicate_rows": 1,
        "missing_file": 1,
        "nameless_row": 1,
        "unknown_label": 1,
        "unknown_tick": 1,
        "cycle_doubtful": 3,
        "unlisted_clip": 1,
        "missing_mask": 1,
        "unreadable_mask": 1,
        "one_view": 2,
        "no_ef": 1,
    }
    assert len(imported.manifest) == 8
    lost = rows(imported)["ES0099_4CH_1"]
    assert (lost["path"], lost["n_frames"], lost["diagnosis"]) == (
        "HMC-QU/A4C/ES0099_4CH_1.avi",
        None,
        "non-MI",
    )
    assert rows(imported)["ES0001_CH2_1"]["diagnosis"] is None
    assert json.loads(rows(imported)["ES0500_4CH_1"]["labels"]) == {"take": 1}


def test_marks_that_are_no_ticks(root):
    made.write_tables(root, a4c=[[*row[:9], "?"] for row in made.A4C_ROWS])
    imported = READER.read(root, None)
    assert found(imported)["unknown_tick"].count == 3
    assert rows(imported)["ES0001 _4CH_1"]["mask_path"], "the file counts, whatever the mark"


def test_a_mask_of_another_length_is_reported(root):
    changed = [[*made.A4C_ROWS[0][:8], 11, made.TICK], *made.A4C_ROWS[1:]]
    made.write_tables(root, a4c=changed)
    imported = READER.read(root, None)
    assert found(imported)["mask_length"].examples == ("Mask_ES0001 _4CH_1.mat: 8, 10 in the table",)
    assert rows(imported)["ES0001 _4CH_1"]["n_traced_frames"] == 8


def test_a_mask_that_was_garbled_is_reported(root):
    path = root / "LV Ground-truth Segmentation Masks" / "Mask_ES0001 _4CH_1.mat"
    data = bytearray(path.read_bytes())
    data[136:] = bytes(len(data) - 136)
    path.write_bytes(data)
    imported = READER.read(root, None)
    assert found(imported)["unreadable_mask"].examples == (path.name,)
    assert rows(imported)["ES0001 _4CH_1"]["mask_path"] is None


def test_an_unreadable_clip_among_others(root):
    (root / "HMC-QU" / "A4C" / "ES000100 N_4CH_1.avi").write_bytes(b"RIFF\0\0\0\0AVI ")
    imported = READER.read(root, None)
    assert found(imported)["unreadable"].examples == ("HMC-QU/A4C/ES000100 N_4CH_1.avi",)
    lost = rows(imported)["ES000100 N_4CH_1"]
    assert (lost["n_frames"], lost["width_px"], lost["diagnosis"]) == (None, None, "non-MI")
    assert len(imported.manifest) == 6


def test_names_that_share_a_number_are_not_parted_in_silence(root):
    made.write_tables(root, a2c=[["ES000100_2CH_1", *made.HEALTHY, 1, 11], *made.A2C_ROWS[::2]])
    folder = root / "HMC-QU" / "A2C"
    (folder / "ES000100 N_2CH_1.avi").rename(folder / "ES000100_2CH_1.avi")
    imported = READER.read(root, None)
    assert found(imported)["doubtful_patient"].examples == ("ES000100 / ES000100N",)
    assert found(imported)["one_view"].count == 2


def test_one_table_of_two(root):
    (root / "A2C.xlsx").unlink()
    imported = READER.read(root, None)
    assert found(imported)["missing_table"].examples == ("A2C.xlsx",)
    assert found(imported)["unlisted_clip"].count == 3
    assert len(imported.manifest) == 6


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda r: shutil.rmtree(r), "is no folder"),
        (lambda r: [(r / f"{v}.xlsx").unlink() for v in ("A4C", "A2C")], r"neither A4C\.xlsx nor A2C\.xlsx"),
        (lambda r: shutil.rmtree(r / "HMC-QU"), "half unpacked"),
        (
            lambda r: (r / "A4C.xlsx").write_bytes(b"PK\x03\x04 cut off"),
            r"A4C\.xlsx: is no xlsx file or is damaged",
        ),
        (lambda r: made.write_xlsx(r / "A4C.xlsx", [["name", "EF"], ["a", 55]]), "has no column ECHO"),
    ],
)
def test_a_wrong_root_is_refused_with_what_was_expected(root, break_it, words):
    break_it(root)
    with pytest.raises(DataError, match=words):
        READER.read(root, None)


def test_progress_counts_every_clip(clean):
    steps = []
    READER.read(clean, lambda done, total: steps.append((done, total)))
    assert steps == [(i, 6) for i in range(1, 7)]
