"""A user's own table: many spellings are understood, and what is not is told."""

from __future__ import annotations

import json
import shutil

import pytest

from lvef.core.errors import DataError
from lvef.datasets.manifest import BY_NAME
from lvef.datasets.readers.folder import READER, SPELLINGS, match_titles, plain_title, read_number, read_word
from tests.datasets import own_folder as made


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return made.write(tmp_path_factory.mktemp("own"))


@pytest.fixture
def root(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "own")


def rows(imported):
    return {row["item"]: row for row in imported.manifest.to_dicts()}


def found(imported):
    return {f.code: f for f in imported.findings}


def read(root, lines, header="path,EF,patient", **options):
    made.write_table(root, lines, header, **options)
    return READER.read(root, None)


def test_a_table_of_clips_a_still_and_dicom(clean):
    imported = READER.read(clean, None)
    by_item = rows(imported)
    assert list(by_item) == ["clips/a", "clips/b", "clips/c", "stills/d", "dicom/e"]
    a = by_item["clips/a"]
    assert (a["ef_percent"], a["edv_ml"], a["esv_ml"], a["ef_method"]) == (55.5, 120, 53.4, "not stated")
    assert (a["view"], a["split"], a["age_years"], a["sex"]) == ("A4C", "train", 61, "F")
    assert (a["ed_frame"], a["es_frame"], a["kind"]) == (0, 4, "clip")
    assert (a["n_frames"], a["height_px"], a["width_px"]) == (8, 48, 64)
    assert a["frame_rate_hz"] == pytest.approx(40)
    assert a["path"] == "clips/a.avi"
    assert a["told_by"] == "list.csv, line 2"
    assert json.loads(a["labels"]) == {"Comment": "good"}
    assert [r["view"] for r in by_item.values()] == ["A4C", "A2C", "A4C", "PSAX", "unknown"]
    assert [r["split"] for r in by_item.values()] == ["train", "train", "val", "test", "test"]
    assert by_item["clips/b"]["split_name"] == "TRAIN"
    assert (by_item["stills/d"]["kind"], by_item["stills/d"]["ef_method"]) == ("still", None)
    assert (by_item["dicom/e"]["ef_percent"], by_item["dicom/e"]["frame_rate_hz"]) == (30, pytest.approx(50))
    assert set(found(imported)) == {"other_columns"}


def test_the_csv_itself_may_be_given(clean):
    whole = READER.read(clean, None).manifest
    assert READER.read(clean / "list.csv", None).manifest.equals(whole)


@pytest.mark.parametrize(
    "spelling", ["EF", "lvef", "LV_EF", "ef_percent", "EF [%]", "Ejection Fraction (%)", "LVEF%"]
)
def test_spellings_of_ef(root, spelling):
    imported = read(root, ["clips/a.avi,48,p"], f"FileName,{spelling},Subject")
    assert rows(imported)["clips/a"]["ef_percent"] == 48


def test_every_spelling_leads_to_one_column_of_the_schema():
    spelt = [s for spellings in SPELLINGS.values() for s in spellings]
    assert len(spelt) == len(set(spelt))
    assert all(plain_title(s) == s for s in spelt)
    assert all(name in BY_NAME for name in SPELLINGS)
    assert all(
        plain_title(name) in SPELLINGS[name] or name == "mask_path" for name in SPELLINGS if name != "patient"
    )


@pytest.mark.parametrize("value", ["0.55", "1", "1.0", "0,98"])
def test_a_fraction_is_reported_and_never_multiplied(root, value):
    header = "path;EF;patient"
    imported = read(root, [f"clips/a.avi;{value};p", "clips/b.avi;1.5;q"], header)
    by_item = rows(imported)
    assert by_item["clips/a"]["ef_percent"] is None
    assert by_item["clips/b"]["ef_percent"] == 1.5
    finding = found(imported)["ef_fraction"]
    assert (finding.count, finding.severity) == (1, "error")
    assert finding.examples == (f"line 2: {value}",)


def test_numbers_that_are_none(root):
    imported = read(
        root,
        [
            "clips/a.avi,NaN,p",
            "clips/b.avi,-3,p",
            "clips/c.avi,101,q",
            "stills/d.png,inf,r",
            "dicom/e.dcm,normal,s",
        ],
    )
    assert imported.manifest["ef_percent"].null_count() == 5
    assert found(imported)["ef_out_of_range"].count == 2
    assert found(imported)["no_number"].examples == ("line 5: EF inf", "line 6: EF normal")
    assert imported.manifest["ef_method"].null_count() == 5


@pytest.mark.parametrize(
    ("cell", "comma", "value"),
    [
        ("55.2", False, 55.2),
        ("55 %", False, 55),
        ("55,2", True, 55.2),
        ("55,2", False, None),
        ("x", True, None),
    ],
)
def test_numbers(cell, comma, value):
    assert read_number(cell, decimal_comma=comma) == value


def test_semicolons_commas_and_the_mark_of_excel(root):
    imported = read(
        root, ["clips/a.avi;55,5;Müller-1", "clips/b.avi;60;p"], "Pfad;EF;patient".replace("Pfad", "Path"),
        encoding="utf-8-sig",
    )  # fmt: skip
    assert rows(imported)["clips/a"]["ef_percent"] == 55.5
    windows = read(root, ["clips/a.avi;55,5;Müller-1"], "Path;EF;patient", encoding="cp1252")
    assert rows(windows)["clips/a"]["patient"] == "Müller-1"


def test_a_missing_suffix_is_looked_for(root):
    (root / "clips" / "c.mp4").write_bytes((root / "clips" / "c.avi").read_bytes())
    imported = read(root, ["clips/a,50,p", "clips/B,51,p", "clips/c,52,q", "clips/zz,53,r"])
    by_item = rows(imported)
    assert by_item["clips/a"]["path"] == "clips/a.avi"
    assert by_item["clips/b"]["path"] == "clips/b.avi", "names of files differ in case between systems"
    codes = found(imported)
    assert codes["suffix_added"].count == 2
    assert codes["ambiguous_path"].examples == ("line 4: clips/c",)
    assert codes["missing_file"].examples == ("clips/zz",)
    assert "clips/c" not in by_item


def test_absolute_paths_inside_and_outside(root, tmp_path):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    shutil.copy(root / "clips" / "b.avi", outside / "b.avi")
    imported = read(
        root, [f"{root / 'clips' / 'a.avi'},50,p", f"{outside / 'b.avi'},51,q", "../elsewhere/b.avi,51,q"]
    )
    a, b = imported.manifest.to_dicts()
    assert (a["root"], a["path"]) == (root.as_posix(), "clips/a.avi")
    assert (b["root"], b["path"]) == (outside.as_posix(), "b.avi")
    assert found(imported)["duplicate_rows"].count == 1, "two ways to the same file"
    assert a["n_frames"] == b["n_frames"] == 8


def test_masks_are_found_from_the_csv(root):
    (root / "stills" / "m.png").write_bytes(b"x")
    imported = read(
        root, ["clips/a.avi,50,p,stills/m.png", "clips/b.avi,50,p,stills/n.png"], "path,EF,patient,mask"
    )
    assert rows(imported)["clips/a"]["mask_path"] == "stills/m.png"
    assert found(imported)["missing_mask"].examples == ("stills/n.png",)


def test_double_rows_same_and_contrary(root):
    imported = read(root, ["clips/a.avi,50,p", "clips/a.avi,50,p", "clips/b.avi,50,p", "clips/b.avi,60,p"])
    assert list(rows(imported)) == ["clips/a"]
    assert found(imported)["duplicate_rows"].examples == ("line 3",)
    assert found(imported)["contradicting_rows"].severity == "error"
    assert found(imported)["contradicting_rows"].count == 1


def test_without_patients_each_file_is_its_own_and_that_is_said(root):
    imported = read(root, ["clips/a.avi,50", "clips/b.avi,51"], "file,ef")
    assert imported.manifest["patient"].to_list() == ["clips/a", "clips/b"]
    assert found(imported)["no_patient"].count == 1


def test_without_ef_that_is_said(root):
    imported = read(root, ["clips/a.avi,p"], "file,patient")
    assert found(imported)["no_ef"].severity == "warning"
    assert rows(imported)["clips/a"]["ef_percent"] is None


def test_what_names_a_person_is_left_out(root):
    imported = read(
        root, ["clips/a.avi,50,p,Erika Musterfrau,1964-08-12,7"], "path,EF,patient,Patient Name,DOB,Ward"
    )
    finding = found(imported)["personal_columns"]
    assert finding.examples == ("Patient Name", "DOB")
    text = imported.manifest.write_csv()
    assert "Erika" not in text
    assert "1964" not in text
    assert json.loads(rows(imported)["clips/a"]["labels"]) == {"Ward": "7"}


def test_words_that_are_not_known_are_reported(root):
    imported = read(
        root,
        ["clips/a.avi,50,p,subcostal,fold3,1,mid"],
        "path,EF,patient,view,split,sex,phase",
    )
    row = rows(imported)["clips/a"]
    assert (row["view"], row["split"], row["split_name"], row["sex"]) == ("unknown", None, "fold3", None)
    assert {c for c in found(imported) if c.startswith("unknown")} == {
        "unknown_view", "unknown_split", "unknown_sex", "unknown_phase",
    }  # fmt: skip
    assert json.loads(row["labels"]) == {"view": "subcostal", "split": "fold3", "sex": "1", "phase": "mid"}
    assert read_word("sex", "0") is None


def test_an_unreadable_file_among_others_is_named_and_kept(root):
    (root / "clips" / "b.avi").write_bytes(b"not a video at all")
    whole = (root / "clips" / "c.avi").read_bytes()
    (root / "clips" / "c.avi").write_bytes(whole[: len(whole) // 2])
    imported = READER.read(root, None)
    assert found(imported)["unreadable"].examples == ("clips/b.avi",)
    assert found(imported)["truncated"].examples == ("clips/c.avi",)
    assert len(imported.manifest) == 5
    assert (rows(imported)["clips/b"]["n_frames"], rows(imported)["clips/b"]["ef_percent"]) == (None, 41)


def test_frames_behind_the_end_are_not_believed(root):
    imported = read(root, ["clips/a.avi,50,p,7,8"], "path,EF,patient,ED,ES")
    row = rows(imported)["clips/a"]
    assert (row["ed_frame"], row["es_frame"]) == (7, None)
    assert found(imported)["frame_outside"].examples == ("clips/a.avi: 8 of 8",)


def test_rows_of_the_wrong_length_and_without_path(root):
    imported = read(root, ["clips/a.avi,50", ",51,p", "clips/b.avi,52,p,too,many", ""])
    assert found(imported)["ragged_rows"].examples == ("line 2", "line 4")
    assert found(imported)["no_path"].examples == ("line 3",)
    assert list(rows(imported)) == ["clips/a", "clips/b"]


def test_a_rate_from_the_table_stands_before_the_headers(root):
    imported = read(root, ["clips/a.avi,50,p,20"], "path,EF,patient,fps")
    assert rows(imported)["clips/a"]["frame_rate_hz"] == 20
    assert rows(imported)["clips/a"]["duration_s"] == pytest.approx(8 / 20)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda r: shutil.rmtree(r), "no such file or folder"),
        (lambda r: (r / "list.csv").unlink(), "holds no CSV file"),
        (lambda r: made.write_table(r, name="second.csv"), r"holds 2 CSV files \(list\.csv, second\.csv\)"),
        (lambda r: made.write_table(r, ["a,1"], "recording,EF"), "no column of paths among recording, EF"),
        (lambda r: made.write_table(r, ["a,1,2"], "path,EF,LVEF"), "EF and LVEF mean the same"),
        (lambda r: made.write_table(r, ["a,1,2"], "path,EF,EF"), "more than one column is called 'EF'"),
        (lambda r: made.write_table(r, []), "none of its 0 rows"),
        (lambda r: (r / "list.csv").write_text(" \n"), "is empty"),
        (lambda r: (r / "list.csv").write_bytes(b"PK\x03\x04\0\0"), "is not text"),
    ],
)
def test_a_wrong_table_is_refused_with_what_was_expected(root, break_it, words):
    break_it(root)
    with pytest.raises(DataError, match=words):
        READER.read(root, None)


def test_titles_are_sorted():
    meanings, personal, others = match_titles(("Video Path", "Name", "Fancy"))
    assert meanings == {"path": ["Video Path"]}
    assert personal == ["Name"]
    assert others == ["Fancy"]
