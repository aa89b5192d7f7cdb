"""Both releases of CAMUS become manifests, and what is missing or odd in them is told."""

from __future__ import annotations

import shutil

import cv2
import nibabel as nib
import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.terms import Phase, View
from lvef.datasets.camus import read_stills
from lvef.datasets.readers.camus import EF_METHODS, READER
from tests.datasets import camus_folder

LISTS = {"patient0001": "val", "patient0002": "test", "patient0003": "train"}


def read(root):
    found = READER.read(root, None)
    return found.manifest, {f.code: f for f in found.findings}


def by_item(manifest):
    return {row["item"]: row for row in manifest.to_dicts()}


@pytest.fixture
def nifti(tmp_path):
    return camus_folder.write_nifti(tmp_path / "camus", 3)


@pytest.fixture
def older(tmp_path):
    return camus_folder.write_metaimage(tmp_path / "camus", 2)


def cfg(root, patient="patient0001", view="4CH", folder="database_nifti"):
    return root / folder / patient / f"Info_{view}.cfg"


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_nifti_release(nifti):
    manifest, findings = read(nifti)
    assert set(findings) == {"partial_collection"}
    assert len(manifest) == 3 * 2 * 3
    assert dict(zip(manifest["patient"], manifest["split"], strict=True)) == LISTS
    rows = by_item(manifest)
    ed = rows["patient0001_4CH_ED"]
    assert (ed["kind"], ed["view"], ed["phase"], ed["n_frames"]) == ("still", "A4C", "ED", 1)
    assert (ed["height_px"], ed["width_px"]) == camus_folder.VIEWS["4CH"]
    assert ed["spacing_x_mm"] == pytest.approx(camus_folder.SPACING_MM)
    assert ed["spacing_y_mm"] == pytest.approx(camus_folder.SPACING_MM)
    assert (ed["ef_percent"], ed["ef_method"], ed["edv_ml"]) == (40, EF_METHODS["EF"], None)
    assert (ed["sex"], ed["age_years"], ed["quality"], ed["split_name"]) == ("F", 50, "Good", "validation")
    assert ed["n_traced_frames"] == 1
    assert rows["patient0001_2CH_ED"]["quality"] == "Poor", "each view has its own quality"
    clip = rows["patient0002_2CH_half_sequence"]
    assert (clip["kind"], clip["view"], clip["phase"]) == ("clip", "A2C", None)
    assert (clip["n_frames"], clip["ed_frame"], clip["es_frame"]) == (5, 0, 4)
    assert clip["frame_rate_hz"] == 50
    assert clip["duration_s"] == pytest.approx(0.1)
    assert clip["n_traced_frames"] == 5
    for row in rows.values():
        assert (nifti / row["path"]).is_file()
        assert (nifti / row["mask_path"]).is_file()


def test_metaimage_release(older):
    manifest, findings = read(older)
    assert set(findings) == {"partial_collection", "testing_without_labels"}
    assert findings["testing_without_labels"].examples == ("testing_patient0001",)
    rows = by_item(manifest)
    assert len(rows) == 3 * 6
    ed = rows["patient0001_4CH_ED"]
    assert ed["path"] == "training/patient0001/patient0001_4CH_ED.mhd"
    assert (ed["spacing_x_mm"], ed["spacing_y_mm"]) == camus_folder.MHD_SPACING, "pixels are not square"
    assert (ed["edv_ml"], ed["esv_ml"], ed["ef_percent"]) == (101.5, 51, pytest.approx(49.8))
    assert ed["ef_method"] == EF_METHODS["LVef"]
    assert (ed["split"], ed["split_name"]) == ("train", "training")
    clip = rows["patient0002_2CH_half_sequence"]
    assert clip["path"].endswith("patient0002_2CH_sequence.mhd")
    assert (clip["n_frames"], clip["frame_rate_hz"], clip["mask_path"]) == (5, None, None)
    # The testing patients are numbered from 1 again and are other people.
    assert rows["testing_patient0001_4CH_ED"]["patient"] == "testing_patient0001"
    assert rows["testing_patient0001_4CH_ED"]["split"] == "test"
    assert rows["testing_patient0001_4CH_ED"]["ef_method"] is None


def test_pngs_in_place_of_a2c(tmp_path):
    root = camus_folder.write(tmp_path / "camus", 2)
    manifest, findings = read(root)
    row = by_item(manifest)["patient0001_2CH_ES"]
    assert row["path"] == "a2c_192/patient0001_2CH_ES.png"
    assert (row["spacing_x_mm"], row["height_px"], row["width_px"]) == (None, 192, 192)
    assert findings["lost_scale"].count == 4
    assert findings["no_half_sequence"].severity == "note", "a part without any half sequence is common"
    assert findings["no_split_list"].examples == ("subgroup_testing.txt",)
    # Frames of the A2C cfg say nothing of A4C; quality and EF are taken over, as read_stills does.
    assert findings["missing_cfg"].examples == ("patient0001: Info_4CH.cfg", "patient0002: Info_4CH.cfg")
    assert by_item(manifest)["patient0001_4CH_ED"]["quality"] == "Good"


@pytest.mark.parametrize("make", [camus_folder.write, camus_folder.write_nifti])
def test_the_same_truth_as_the_stills_that_networks_are_evaluated_on(tmp_path, make):
    root = make(tmp_path / "camus", 3)
    rows = {
        (r["patient"], r["view"], r["phase"]): r for r in read(root)[0].to_dicts() if r["kind"] == "still"
    }
    stills = list(read_stills(root, ["patient0001", "patient0002", "patient0003"]))
    assert len(stills) == len(rows) == 12
    for still in stills:
        row = rows[still.patient, still.view, still.phase]
        assert (row["height_px"], row["width_px"]) == still.image.shape
        assert row["spacing_x_mm"] == (None if still.spacing is None else still.spacing.x_mm)
        assert (row["quality"], row["ef_percent"]) == (still.quality, still.cfg_ef_percent)


def test_a_view_without_cfg_lends_no_frames(nifti):
    cfg(nifti, view="4CH").unlink()
    manifest, findings = read(nifti)
    clip = by_item(manifest)["patient0001_4CH_half_sequence"]
    assert (clip["ed_frame"], clip["es_frame"], clip["frame_rate_hz"]) == (None, None, None)
    assert (clip["ef_percent"], clip["told_by"]) == (40, "database_nifti/patient0001/Info_2CH.cfg")
    assert findings["missing_cfg"].count == 1
    cfg(nifti, view="2CH").unlink()
    manifest, findings = read(nifti)
    assert by_item(manifest)["patient0001_4CH_ED"]["told_by"] is None
    assert findings["no_ef"].examples == ("patient0001",)


@pytest.mark.parametrize("name", ["patient0185", "patient0217"])
def test_swapped_phases_are_reported(nifti, name):
    shutil.copytree(nifti / "database_nifti" / "patient0001", nifti / "database_nifti" / name)
    for path in (nifti / "database_nifti" / name).iterdir():
        path.rename(path.with_name(path.name.replace("patient0001", name)))
    change(cfg(nifti, name), "ED: 1\nES: 5", "ED: 5\nES: 1")
    manifest, findings = read(nifti)
    assert findings["es_before_ed"].examples == (name,)
    assert findings["es_before_ed"].count == 1
    clip = by_item(manifest)[f"{name}_4CH_half_sequence"]
    assert (clip["ed_frame"], clip["es_frame"]) == (4, 0)
    assert by_item(manifest)[f"{name}_4CH_ED"]["path"].endswith("_ED.nii.gz"), "stills keep their names"
    assert findings["unlisted_patient"].examples == (name,)
    assert by_item(manifest)[f"{name}_4CH_ED"]["split"] is None


@pytest.mark.parametrize(
    ("old", "new", "code", "column"),
    [
        ("EF: 40", "EF: nan", "odd_value", "ef_percent"),
        ("EF: 40", "EF: 140", "odd_value", "ef_percent"),
        ("EF: 40", "EF: forty", "odd_value", "ef_percent"),
        ("EF: 40", "EF:", "no_ef", "ef_percent"),
        ("Age: 50", "Age: -1", "odd_value", "age_years"),
        ("Sex: F", "Sex: X", "odd_value", "sex"),
    ],
)
def test_values_that_cannot_be(nifti, old, new, code, column):
    for view in camus_folder.VIEWS:
        change(cfg(nifti, view=view), old, new)
    manifest, findings = read(nifti)
    assert findings[code].count == 1
    assert "patient0001" in findings[code].examples[0]
    assert by_item(manifest)["patient0001_4CH_ED"][column] is None
    assert by_item(manifest)["patient0002_4CH_ED"][column] is not None
    if column == "ef_percent":
        assert by_item(manifest)["patient0001_4CH_ED"]["ef_method"] is None


def test_cfg_files_that_disagree(nifti):
    change(cfg(nifti), "EF: 40", "EF: 50")
    manifest, findings = read(nifti)
    assert findings["cfg_disagree"].examples == ("patient0001: EF 50 and 40",)
    assert by_item(manifest)["patient0001_4CH_ED"]["ef_percent"] == 40


def test_frames_that_do_not_fit_the_sequence(nifti):
    change(cfg(nifti), "ES: 5\nNbFrame: 5", "ES: 9\nNbFrame: 9")
    manifest, findings = read(nifti)
    assert findings["frame_count"].examples == ("patient0001_4CH_half_sequence: 9 stated, 5 found",)
    assert findings["phase_outside"].count == 1
    clip = by_item(manifest)["patient0001_4CH_half_sequence"]
    assert (clip["n_frames"], clip["ed_frame"], clip["es_frame"]) == (5, None, None)


def test_a_half_extracted_archive(nifti):
    folder = nifti / "database_nifti" / "patient0003"
    for path in folder.iterdir():
        if "half_sequence" in path.name or "2CH_ES" in path.name:
            path.unlink()
    cut = folder / "patient0003_4CH_ES.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-200])
    (folder / "patient0003_4CH_ED.nii.gz").write_bytes(b"")
    (nifti / "database_nifti" / "patient0004").mkdir()
    (nifti / "database_split" / "subgroup_training.txt").write_text("patient0003\npatient0004\npatient0005\n")
    manifest, findings = read(nifti)
    assert findings["cut_off"].examples == ("database_nifti/patient0003/patient0003_4CH_ES.nii.gz",)
    assert findings["unreadable"].examples == ("database_nifti/patient0003/patient0003_4CH_ED.nii.gz",)
    assert findings["missing_still"].count == 5
    assert findings["missing_still"].examples[0] == "patient0003_2CH_ES"
    assert findings["no_half_sequence"].count == 4
    assert findings["no_half_sequence"].severity == "warning"
    assert findings["missing_patient"].examples == ("patient0005",)
    assert list(manifest.filter(manifest["patient"] == "patient0003")["item"]) == ["patient0003_2CH_ED"]


def test_masks_that_are_missing_or_of_another_size(nifti):
    folder = nifti / "database_nifti" / "patient0001"
    (folder / "patient0001_4CH_ED_gt.nii.gz").unlink()
    image = nib.Nifti1Image(np.zeros((10, 12), np.uint8), np.eye(4))
    nib.save(image, folder / "patient0001_4CH_ES_gt.nii.gz")
    manifest, findings = read(nifti)
    assert findings["missing_mask"].count == findings["mask_size"].count == 1
    assert "10 x 12 x 1, not 118 x 98 x 1" in findings["mask_size"].examples[0]
    for phase in Phase:
        row = by_item(manifest)[f"patient0001_4CH_{phase}"]
        assert (row["mask_path"], row["n_traced_frames"]) == (None, 0)


def test_a_file_of_another_format_than_its_name(nifti):
    path = nifti / "database_nifti" / "patient0001" / "patient0001_4CH_ED.nii.gz"
    cv2.imwrite(str(nifti / "a.png"), np.zeros((9, 9), np.uint8))
    path.write_bytes((nifti / "a.png").read_bytes())
    manifest, findings = read(nifti)
    assert findings["unreadable"].examples == ("database_nifti/patient0001/patient0001_4CH_ED.nii.gz",)
    assert "patient0001_4CH_ED" not in by_item(manifest)


def test_mhd_without_raw(older):
    folder = older / "training" / "patient0001"
    (folder / "patient0001_4CH_ED.raw").unlink()
    (folder / "patient0001_4CH_ES_gt.raw").unlink()
    short = folder / "patient0001_2CH_ES.raw"
    short.write_bytes(short.read_bytes()[:-1])
    manifest, findings = read(older)
    assert findings["mhd_without_raw"].count == 2
    assert findings["mhd_without_raw"].examples[0] == "training/patient0001/patient0001_4CH_ED.mhd"
    assert findings["cut_off"].examples == ("training/patient0001/patient0001_2CH_ES.mhd",)
    rows = by_item(manifest)
    assert not {"patient0001_4CH_ED", "patient0001_2CH_ES"} & set(rows)
    assert rows["patient0001_4CH_ES"]["mask_path"] is None


def test_a_patient_in_two_lists(nifti):
    with (nifti / "database_split" / "subgroup_testing.txt").open("a") as file:
        file.write("patient0001\n")
    manifest, findings = read(nifti)
    assert findings["two_splits"].severity == "error"
    assert findings["two_splits"].examples == ("patient0001",)
    assert by_item(manifest)["patient0001_4CH_ED"]["split"] is None


def test_two_releases_in_one_folder(nifti):
    camus_folder.write_metaimage(nifti, 1, 0)
    manifest, findings = read(nifti)
    assert findings["two_releases"].examples == ("training",)
    assert not [path for path in manifest["path"] if path.endswith(".mhd")]


def test_an_odd_scale_is_left_out(nifti):
    path = nifti / "database_nifti" / "patient0001" / "patient0001_4CH_ED.nii.gz"
    array = np.asarray(nib.load(path).dataobj)
    nib.save(nib.Nifti1Image(array, np.diag([-300.0, -300.0, 1, 1])), path)
    manifest, findings = read(nifti)
    assert findings["odd_spacing"].count == 1
    assert by_item(manifest)["patient0001_4CH_ED"]["spacing_x_mm"] is None


def test_wrong_roots_say_what_was_expected(nifti, tmp_path):
    for root, sentence in [
        (tmp_path / "nowhere", "no such folder"),
        (nifti / "database_nifti", f"give {nifti}."),
        (nifti / "database_split", "unpack the archive"),
    ]:
        with pytest.raises(DataError, match="database_nifti") as caught:
            READER.read(root, None)
        assert sentence in str(caught.value)
    for path in (nifti / "database_nifti").glob("*/*.nii.gz"):
        path.unlink()
    with pytest.raises(DataError, match="3 folders of CAMUS patients but no image"):
        READER.read(nifti, None)


def test_progress_ends_at_all(nifti):
    calls = []
    READER.read(nifti, lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 3)
    assert calls[-1] == (3, 3)


@pytest.mark.realdata
def test_the_real_collection(camus_root):
    manifest, findings = read(camus_root)
    assert manifest["patient"].n_unique() == 450
    assert len(manifest) == 450 * 4 - 2, "patient0039 has no A4C"
    assert findings["missing_still"].examples == ("patient0039_4CH_ED", "patient0039_4CH_ES")
    assert findings["es_before_ed"].examples == ("patient0185",)
    assert findings["lost_scale"].count == 900
    a4c = manifest.filter(manifest["view"] == View.A4C)
    assert a4c["spacing_x_mm"].is_between(0.7, 0.8).all()
    assert manifest["ef_percent"].null_count() == 0
    assert manifest.filter(manifest["split"] == "train")["patient"].n_unique() == 400
