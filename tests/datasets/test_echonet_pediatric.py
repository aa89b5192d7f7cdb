"""EchoNet-Pediatric becomes a manifest: the view is the folder's, folds become splits, contours tell ED and ES."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest

from lvef.core.errors import DataError
from lvef.datasets.check import check_manifest
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.readers.echonet_pediatric import READER
from lvef.datasets.volume_tracings import read_contours, read_tracings
from lvef.geometry.simpson import disks_single_plane
from tests.datasets import pediatric_folder
from tests.datasets.pediatric_folder import ED, ES

N = 12


@pytest.fixture
def root(tmp_path):
    return pediatric_folder.write(tmp_path / "pediatric", N)


def read(root):
    found = READER.read(root, None)
    return found.manifest, {f.code: f for f in found.findings}


def edit(path, change):
    change(pl.read_csv(path, infer_schema=False)).write_csv(path)


def test_the_layout(root):
    manifest, findings = read(root)
    assert set(findings) == {"untraced_phase"}
    assert manifest["view"].value_counts(sort=True).rows() == [("A4C", N), ("PSAX", N)]
    row = manifest.row(3, named=True)
    assert row["item"] == "CR0000003-CR0000003-000103"
    assert row["path"] == "A4C/Videos/CR0000003-CR0000003-000103.avi"
    assert (row["patient"], row["split"], row["split_name"]) == ("CR0000003", "train", "3")
    assert (row["ef_percent"], row["edv_ml"], row["sex"], row["age_years"]) == (58.5, None, "M", 3)
    assert row["ef_method"].startswith("bullet")
    assert json.loads(row["labels"]) == {"visit": "CR0000003", "weight_kg": 13.5, "height_cm": 93.0}
    assert (row["n_frames"], row["frame_rate_hz"], row["height_px"]) == (32, 50, 112)
    assert row["duration_s"] == pytest.approx(0.64)
    assert (row["ed_frame"], row["es_frame"], row["n_traced_frames"]) == (ED, ES, 2)
    assert row["told_by"] == "A4C/FileList.csv, line 5"
    first = manifest.row(0, named=True)
    assert (first["sex"], json.loads(first["labels"])) == (None, {"visit": "CR0000000"})


def test_a_short_axis_view_never_becomes_apical(root):
    manifest, _ = read(root)
    for path, view, tracings in manifest.select("path", "view", "tracing_path").rows():
        assert path.startswith(f"{view}/")
        assert tracings == ("A4C/VolumeTracings.csv" if view == "A4C" else None)


def test_folds_become_splits_by_patient(root):
    manifest, _ = read(root)
    splits = dict(manifest.select("split_name", "split").unique().rows())
    assert splits == {str(f): "train" if f < 8 else "val" if f == 8 else "test" for f in range(10)}
    assert manifest.group_by("patient").agg(pl.col("split").n_unique())["split"].max() == 1
    assert manifest.filter(pl.col("patient") == "CR0000000").height == 4, "two visits, two views"


@pytest.mark.parametrize("view", ["A4C", "PSAX"])
def test_a_phase_that_was_not_traced(root, view):
    manifest, findings = read(root)
    rows = manifest.filter(pl.col("view") == view).select("n_traced_frames", "ed_frame", "es_frame").rows()
    assert rows[:4] == [(2, ED, ES), (1, ED, None), (1, None, ES), (2, ED, ES)]
    assert findings["untraced_phase"].count == 4
    assert findings["untraced_phase"].severity is Severity.NOTE


def test_the_order_of_the_frames_does_not_tell_the_phase(root):
    edit(root / "A4C" / "VolumeTracings.csv", lambda t: t.reverse())
    manifest, _ = read(root)
    assert manifest["ed_frame"][0] == ED


def test_the_check_works(root):
    manifest, _ = read(root)
    found = {f.code: f for f in check_manifest(manifest)}
    assert not [f for f in found.values() if f.severity is Severity.ERROR], found
    assert found["traced_frames"].count == 4


def test_lines_of_a_contour_keep_its_volume(root):
    """Half an ellipse of 16 x 56 px turned about its long axis: 2/3 pi a^2 L."""
    findings = Findings()
    tracings = read_tracings(root / "A4C" / "VolumeTracings.csv", findings)
    lines = tracings["CR0000003-CR0000003-000103"][ED]
    assert lines.shape == (21, 2, 2)
    lengths = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1)
    assert lengths[0] == pytest.approx(56, abs=1.5)
    assert disks_single_plane(lengths[1:], lengths[0]) == pytest.approx(2 / 3 * np.pi * 16**2 * 56, rel=0.05)
    assert lines[0, 0, 1] < lines[0, 1, 1], "from the apex, above, to the base"
    assert not findings.sorted()


def test_rows_that_are_no_points(root):
    path = root / "A4C" / "VolumeTracings.csv"
    path.write_text(
        path.read_text() + "CRa-CRb-1.avi,x,3,9\nCRa-CRb-1.avi,1,2,9\n,1,2,9\nCRa-CRb-1.avi,1,2,half\n"
    )
    findings = Findings()
    points, untraced = read_contours(path, findings)
    found = {f.code: f for f in findings.sorted()}
    assert found["bad_tracing_line"].count == 3
    assert found["few_points"].examples == ("CRa-CRb-1, frame 9",)
    assert len(untraced) == 2
    assert "CRa-CRb-1" not in points["item"].to_list()


def in_list(root, column, row, value, view="A4C"):
    change = (
        pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )
    edit(root / view / "FileList.csv", lambda t: t.with_columns(change))


def test_a_patient_in_two_folds_and_a_visit_with_two_efs(root):
    in_list(root, "Split", 2, "7", "PSAX")
    in_list(root, "EF", 3, "20", "PSAX")
    _, findings = read(root)
    assert findings["patient_in_two_folds"].examples == ("CR0000002",)
    assert findings["ef_of_visit_differs"].examples == ("CR0000003-CR0000003",)


@pytest.mark.parametrize(
    ("value", "split", "code"),
    [("10", None, "unknown_split"), ("x", None, "unknown_split"), ("8.0", "val", None)],
)
def test_other_folds(root, value, split, code):
    in_list(root, "Split", 4, value)
    manifest, findings = read(root)
    assert manifest["split"][4] == split
    assert (code in findings) == (code is not None)


def test_names_of_another_form_are_patients_of_their_own(root):
    in_list(root, "FileName", 5, "clip5")
    manifest, findings = read(root)
    assert (manifest["item"][5], manifest["patient"][5]) == ("clip5", "clip5")
    assert findings["unknown_patient"].examples == ("clip5",)
    assert findings["missing_file"].examples == ("clip5",)


def test_a_name_in_both_views_is_never_taken_for_the_other(root):
    in_list(root, "FileName", 0, "CR0000000-CR0000000-000100.avi", "PSAX")
    manifest, findings = read(root)
    twice = manifest.filter(pl.col("path").str.contains("CR0000000-CR0000000-000100"))
    assert twice.select("item", "view").rows() == [
        ("CR0000000-CR0000000-000100_A4C", "A4C"),
        ("CR0000000-CR0000000-000100_PSAX", "PSAX"),
    ]
    assert findings["in_both_views"].count == 1


def test_a_traced_frame_behind_the_end_is_left_out(root):
    edit(
        root / "A4C" / "VolumeTracings.csv",
        lambda t: t.with_columns(pl.col("Frame").replace({str(ES): "32"})),
    )
    manifest, findings = read(root)
    assert manifest.filter(pl.col("view") == "A4C")["es_frame"].null_count() == N
    assert findings["tracing_outside_clip"].count == N - 1


@pytest.mark.parametrize("depth", [1, 2])
def test_the_archives_own_folders_may_be_given(tmp_path, root, depth):
    top = tmp_path / "given"
    inner = top.joinpath(*["pediatric_echo_avi"] * depth)
    inner.parent.mkdir(parents=True)
    shutil.move(root, inner)
    manifest, _ = read(top)
    assert manifest["root"][0] == inner.as_posix()


def test_one_view_alone_and_the_folder_of_a_view(root):
    shutil.rmtree(root / "PSAX")
    manifest, findings = read(root)
    assert findings["missing_view"].examples == ("PSAX",)
    assert manifest["view"].unique().to_list() == ["A4C"]
    with pytest.raises(DataError, match=r"is the folder of one view; .*: give .*pediatric\.$"):
        read(root / "A4C")
