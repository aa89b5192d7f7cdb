"""DICOM studies become a manifest by their headers, and nobody's name comes along."""

from __future__ import annotations

import json
import shutil

import pytest
from pydicom.data import get_testdata_file

from lvef.core.errors import DataError
from lvef.datasets.readers.dicom_studies import READER
from lvef.io.dicom_header import quiet_pydicom
from tests.datasets import dicom_folder as made
from tests.io.io_fabrication import PERSON, region, regions, save


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return made.write(tmp_path_factory.mktemp("dicom"))


@pytest.fixture
def root(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "studies")


def rows(imported):
    return {row["path"]: row for row in imported.manifest.to_dicts()}


def found(imported):
    return {f.code: f for f in imported.findings}


def one(tmp_path, **elements):
    """Read one cine of its own folder."""
    tmp_path.joinpath("x").mkdir()
    with quiet_pydicom():
        save(made.cine(**elements), tmp_path / "x" / "a")
    imported = READER.read(tmp_path / "x", None)
    return imported.manifest.row(0, named=True), found(imported)


def test_every_cine_with_what_its_header_tells(clean):
    imported = READER.read(clean, None)
    by_path = rows(imported)
    assert list(by_path) == ["s1/series/IM_0001", "s1/series/IM_0002", "s2/a.dcm", "s2/b.dcm"]
    row = by_path["s1/series/IM_0001"]
    assert (row["kind"], row["view"], row["n_frames"]) == ("clip", "unknown", 8)
    assert (row["height_px"], row["width_px"]) == (64, 96)
    assert row["frame_rate_hz"] == pytest.approx(50)
    assert row["duration_s"] == pytest.approx(8 * 0.02)
    assert row["frame_times_s"] is None
    assert (row["spacing_x_mm"], row["spacing_y_mm"]) == (pytest.approx(0.5), pytest.approx(0.4))
    assert (row["sex"], row["age_years"], row["heart_rate_bpm"]) == ("F", 61, 72)
    assert by_path["s2/a.dcm"]["age_years"] == pytest.approx(1.5)


def test_what_is_no_cine_is_counted(clean):
    codes = found(READER.read(clean, None))
    assert codes["single_frames"].examples == ("s2/still.dcm",)
    assert codes["other_objects"].examples == ("s2/chest.dcm",)
    assert codes["other_files"].examples == ("readme.txt",)
    assert codes["no_frame_rate"].count == 1
    assert codes["no_scale"].count == 3
    assert codes["no_ef"].count == 1
    assert not READER.has_ef


def test_uneven_times_are_kept_and_an_unknown_rate_stays_empty(clean):
    by_path = rows(READER.read(clean, None))
    del_time = by_path["s1/series/IM_0002"]
    assert del_time["frame_times_s"] is None, (
        "Frame Time rules where both are there and nothing points at the vector"
    )
    assert by_path["s2/b.dcm"]["frame_rate_hz"] is None
    assert by_path["s2/b.dcm"]["duration_s"] is None


def test_the_vector_of_frame_times_is_obeyed(tmp_path):
    row, _ = one(tmp_path, frames=5, FrameIncrementPointer=0x00181065, FrameTimeVector=[0, 20, 20, 30, 20])
    assert row["frame_times_s"] == "0;0.02;0.04;0.07;0.09"
    assert row["frame_rate_hz"] == pytest.approx(50)
    assert row["duration_s"] == pytest.approx(0.11)


def test_a_playback_rate_is_reported(tmp_path):
    row, codes = one(tmp_path, FrameTime=None, RecommendedDisplayFrameRate=30)
    assert row["frame_rate_hz"] == pytest.approx(30)
    assert codes["playback_rate"].count == 1


def test_a_scale_of_another_image_is_void(tmp_path):
    far = regions(region(box=(84, 31, 595, 414)))
    row, codes = one(tmp_path, SequenceOfUltrasoundRegions=far)
    assert row["spacing_x_mm"] is None
    assert codes["no_scale"].count == 1


def test_the_cine_of_pydicom(tmp_path):
    shutil.copy(str(get_testdata_file("examples_ybr_color.dcm", download=False)), tmp_path / "cine")
    imported = READER.read(tmp_path, None)
    row = imported.manifest.row(0, named=True)
    assert (row["n_frames"], row["width_px"], row["height_px"]) == (30, 320, 240)
    assert row["duration_s"] == pytest.approx(1.0, abs=0.01)
    assert row["spacing_x_mm"] is None, "its region belongs to a picture of another size"
    assert found(imported)["no_scale"].count == 1


def test_nothing_of_a_person_comes_along(clean):
    imported = READER.read(clean, None)
    text = imported.manifest.write_csv() + json.dumps([str(f) for f in imported.findings])
    for word in (*PERSON, "Musterfrau", "Erika", "4711", "1964", *made.STUDIES):
        assert word.lower() not in text.lower()


def test_patients_are_stable_pseudonyms(root):
    first, second = READER.read(root, None).manifest, READER.read(root, None).manifest
    assert first.equals(second)
    by_path = {row["path"]: row for row in first.to_dicts()}
    patients = [row["patient"] for row in by_path.values()]
    assert patients[0] == patients[1] != patients[2] == patients[3]
    # printf 'PID-4711\n' | sha256sum | cut -c-12: the ID, a line end, and no issuer.
    assert patients[0] == "2967aeaa073c"
    assert first["item"].n_unique() == 4


def test_the_issuer_parts_patients_of_two_hospitals(tmp_path):
    for name, issuer in (("a", ""), ("b", "HOSPITAL B")):
        save(made.cine(seed=name, IssuerOfPatientID=issuer), tmp_path / name)
    assert READER.read(tmp_path, None).manifest["patient"].n_unique() == 2


def test_without_an_id_the_study_is_the_patient(tmp_path):
    for name in "ab":
        save(made.cine(seed=name, PatientID=""), tmp_path / name)
    imported = READER.read(tmp_path, None)
    assert imported.manifest["patient"].n_unique() == 1
    assert found(imported)["no_patient"].count == 2


def test_folders_named_after_a_patient_are_reported_without_the_name(root):
    shutil.move(root / "s1", root / "MUSTERFRAU_E")
    finding = found(READER.read(root, None))["person_in_path"]
    assert finding.count == 2
    assert not any("muster" in name.lower() for name in finding.examples)


def test_a_report_is_no_damage(root):
    report = made.cine(seed="report", Modality="SR")
    for keyword in ("PixelData", "Rows", "Columns", "NumberOfFrames"):
        delattr(report, keyword)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    save(report, root / "s1" / "report.dcm")
    codes = found(READER.read(root, None))
    assert codes["other_objects"].examples == ("s1/report.dcm", "s2/chest.dcm")
    assert "unreadable" not in codes


def test_damaged_files_among_others_are_named(root):
    whole = (root / "s2" / "a.dcm").read_bytes()
    (root / "s2" / "cut.dcm").write_bytes(whole[:300])
    (root / "s2" / "empty.dcm").write_bytes(b"")
    imported = READER.read(root, None)
    assert found(imported)["unreadable"].examples == ("s2/cut.dcm", "s2/empty.dcm")
    assert len(imported.manifest) == 4


def test_copies_of_one_object_count_once(root):
    shutil.copy(root / "s1" / "series" / "IM_0001", root / "s2" / "copy.dcm")
    imported = READER.read(root, None)
    assert found(imported)["duplicate_files"].examples == ("s2/copy.dcm",)
    assert len(imported.manifest) == 4


@pytest.mark.parametrize(
    ("told", "years"), [("061Y", 61), ("018M", 1.5), ("61", None), ("999Y", None), ("", None)]
)
def test_ages(tmp_path, told, years):
    row, codes = one(tmp_path, PatientAge=told)
    assert row["age_years"] == years
    assert ("bad_age" in codes) == (bool(told) and years is None)


def test_a_view_code_is_read(tmp_path):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "399214001", "SCT", "Apical four chamber"
    row, _ = one(tmp_path, ViewCodeSequence=Sequence([code]))
    assert row["view"] == "A4C"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda r: shutil.rmtree(r), "no such folder"),
        (lambda r: [shutil.rmtree(r / s) for s in ("s1", "s2")], r"no multi-frame ultrasound.*1 other files"),
        (lambda r: [p.unlink() for p in r.rglob("*") if p.is_file()], "no file at all"),
    ],
)
def test_a_wrong_root_is_refused_with_what_was_expected(root, prepare, words):
    prepare(root)
    with pytest.raises(DataError, match=words):
        READER.read(root, None)
