"""What collections are made of, phantoms and stills: in the right part, and read by everything that reads collections."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.terms import View
from lvef.datasets.check import check_manifest
from lvef.datasets.check_files import decode_row
from lvef.datasets.findings import Severity
from lvef.datasets.manifest import read_manifest
from lvef.datasets.readers.echonet_dynamic import read
from lvef.io.images import read_labels
from lvef.io.open import open_clip
from lvef.stores.prepare import prepare
from lvef.stores.recipes import ClipRecipe, TwoStreamRecipe
from lvef.stores.synthetic import synthesize
from lvef.stores.synthetic_sources import (
    EIGHTHS,
    AnimatedStillsSource,
    Between,
    ClipOptions,
    PhantomSource,
    animated_stills_tasks,
    camus_patients,
    phantom_tasks,
    validation_patients,
)
from lvef.stores.traced_frames import TraceRecipe
from tests.datasets import camus_folder

pytestmark = pytest.mark.slow

QUICK = {
    "n_frames": 32,  # two beats less a frame: one of them is whole
    "frame_rate_hz": Between(20, 20),
    "heart_rate_bpm": Between(80, 80),
    "rhythm": "sinus",
}


@pytest.fixture(scope="module")
def camus(tmp_path_factory):
    return camus_folder.write(tmp_path_factory.mktemp("camus"), n_patients=4)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "phantoms"
    done = synthesize(PhantomSource(ClipOptions(**QUICK)), phantom_tasks(8, 11), out, seed=11, workers=1)
    assert done.counts["made"] == 8, done.finished
    return out


@pytest.fixture(scope="module")
def moving(tmp_path_factory, camus):
    out = tmp_path_factory.mktemp("made") / "moving"
    patients, _ = camus_patients(camus)
    done = synthesize(
        AnimatedStillsSource(camus, ClipOptions(**QUICK)),
        animated_stills_tasks(camus, patients, 2),
        out,
        seed=3,
        workers=1,
    )
    assert done.counts["made"] == 8, done.finished
    return out


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(params=["phantoms", "moving"])
def collection(request):
    return request.getfixturevalue(request.param)


def test_the_echonet_reader_finds_nothing_wrong(collection):
    imported = read(collection)
    assert {f.code for f in imported.findings} == {"partial_list"}
    findings = check_manifest(imported.manifest, decode=decode_row)
    assert not findings, findings


def test_lvefs_own_table_is_checked_with_masks(collection):
    table = read_manifest(collection / "manifest.csv")
    assert not [f for f in check_manifest(table, decode=decode_row) if f.severity is not Severity.NOTE]
    for row in table.iter_rows(named=True):
        frames = open_clip(collection / row["path"]).frames
        labels = read_labels(collection / row["mask_path"])
        assert labels.shape == frames.shape
        assert {0, 1} <= set(np.unique(labels)) <= {0, 1, 2, 3}
        area = (labels == 1).sum(axis=(1, 2))
        assert area[row["ed_frame"]] > area[row["es_frame"]]
        assert row["spacing_x_mm"] == pytest.approx(row["spacing_y_mm"])


@pytest.mark.parametrize("own", [False, True])
def test_every_preparation_takes_it(collection, tmp_path, own):
    table = read_manifest(collection / "manifest.csv") if own else read(collection).manifest
    n = len(table)
    for name, recipe in (("clips", ClipRecipe()), ("two", TwoStreamRecipe())):
        done = prepare(table, tmp_path / name, recipe)
        assert (done.written, len(done.failed), done.exit_code) == (n, 0, 0)
    done = prepare(table, tmp_path / "traces", TraceRecipe())
    assert (done.written, len(done.failed), done.frames) == (n, 0, 2 * n)
    assert not done.notes


def test_ef_of_traces_is_the_lists(phantoms, tmp_path):
    import polars as pl

    prepare(read(phantoms).manifest, tmp_path, TraceRecipe())
    index = pl.read_parquet(tmp_path / "index.parquet")
    difference = (index["lines_ef_percent"] - index["ef_percent"]).abs().max()
    assert difference < 0.05


def test_parts_of_phantoms(phantoms):
    assert [r["Split"] for r in rows(phantoms / "FileList.csv")] == list(EIGHTHS)
    many = [t.split for t in phantom_tasks(800, 1)]
    assert {s: many.count(s) for s in set(many)} == {"TRAIN": 600, "VAL": 100, "TEST": 100}
    assert {t.split for t in phantom_tasks(9, 1, "TEST")} == {"TEST"}
    assert len({t.key for t in phantom_tasks(800, 1)}) == 800


def test_no_phantom_is_a_patient_of_two_seeds(phantoms):
    one, other = ({t.patient for t in phantom_tasks(8, seed)} for seed in (11, 12))
    assert len(one) == len(other) == 8
    assert not one & other
    assert {r["patient"] for r in rows(phantoms / "manifest.csv")} == one


def test_phantoms_differ_and_obey(phantoms, tmp_path):
    made = [
        json.loads(line)["parameters"] for line in (phantoms / "Parameters.jsonl").read_text().splitlines()
    ]
    assert len({m["ef_percent"] for m in made}) == 8
    assert {m["frame_rate_hz"] for m in made} == {20.0}
    source = PhantomSource(ClipOptions(ef_percent=Between(30, 34), view=View.A2C, size=64, **QUICK))
    synthesize(source, phantom_tasks(2, 11), tmp_path / "low", seed=11)
    low = [json.loads(line) for line in (tmp_path / "low" / "Parameters.jsonl").read_text().splitlines()]
    assert all(30 <= m["parameters"]["ef_percent"] <= 34 and m["view"] == "A2C" for m in low)
    assert {r["FrameWidth"] for r in rows(tmp_path / "low" / "FileList.csv")} == {"64"}
    assert set(read_manifest(tmp_path / "low" / "manifest.csv")["view"]) == {"A2C"}


def test_walls_are_recorded_where_they_were_chosen(phantoms, tmp_path):
    options = ClipOptions(size=64, **QUICK)
    assert "walls" not in PhantomSource(options).settings
    synthesize(
        PhantomSource(options, "expert"), phantom_tasks(1, 11), tmp_path / "expert", seed=11, workers=1
    )
    made = json.loads((tmp_path / "expert" / "Parameters.jsonl").read_text().splitlines()[0])["parameters"]
    usual = json.loads((phantoms / "Parameters.jsonl").read_text().splitlines()[0])["parameters"]
    assert (made["walls"], usual["walls"]) == ("expert", "incompressible")
    assert made["ef_percent"] == usual["ef_percent"]
    assert made["shape"]["wall_mm"] == pytest.approx(1.25 * usual["shape"]["wall_mm"])
    assert json.loads((tmp_path / "expert" / "run.json").read_text())["settings"]["walls"] == "expert"


def test_patients_are_never_parted(moving, camus):
    parts = {}
    for row in read_manifest(moving / "manifest.csv").iter_rows(named=True):
        parts.setdefault(row["patient"], set()).add(row["split"])
    assert len(parts) == 4
    validation = set(validation_patients(camus, list(parts)))
    assert len(validation) == 2
    assert all(part == {"test"} for patient, part in parts.items() if patient in validation)
    assert all(
        part <= {"train", "val"} and len(part) == 1 for p, part in parts.items() if p not in validation
    )
    names = [r["FileName"] for r in rows(moving / "FileList.csv")]
    assert names[:3] == ["patient0001-1", "patient0001-2", "patient0002-1"]
    run = json.loads((moving / "run.json").read_text())
    assert run["licence"] == "CC-BY-NC-SA-4.0"
    assert "10.1109/TMI.2019.2900516" in run["citation"]
    licence = (moving / "LICENCE.txt").read_text()
    assert "CC BY-NC-SA 4.0" in licence
    assert "Leclerc" in licence
    assert str(camus) not in (moving / "run.json").read_text()


def test_a_patients_part_and_clip_do_not_depend_on_the_others(camus, moving, tmp_path):
    (tmp_path / "names.txt").write_text("patient0003\n")
    one, _ = camus_patients(camus, names=tmp_path / "names.txt")
    tasks = animated_stills_tasks(camus, one)
    synthesize(AnimatedStillsSource(camus, ClipOptions(**QUICK)), tasks, tmp_path / "one", seed=3)
    file = "Videos/patient0003-1.avi"
    assert (tmp_path / "one" / file).read_bytes() == (moving / file).read_bytes()
    clips = {r["FileName"]: r["Split"] for r in rows(moving / "FileList.csv")}
    assert clips["patient0003-1"] == tasks[0].split


def test_one_in_eight_training_patients_is_val(tmp_path):
    (tmp_path / "database_split").mkdir()
    names = [f"patient{k:04d}" for k in range(1, 401)]
    (tmp_path / "database_split" / "subgroup_training.txt").write_text("\n".join(names))
    splits = [t.split for t in animated_stills_tasks(tmp_path, names)]
    assert set(splits) == {"TRAIN", "VAL"}
    assert 35 <= splits.count("VAL") <= 65


def test_stills_that_cannot_be_used_are_refused(tmp_path):
    root = camus_folder.write(tmp_path / "camus", n_patients=4)
    folder = root / "database_nifti"
    (folder / "patient0001" / "patient0001_4CH_ES.nii.gz").unlink()
    (folder / "patient0002" / "patient0002_4CH_ED.nii.gz").write_bytes(b"torn")
    patients, _ = camus_patients(root)
    done = synthesize(
        AnimatedStillsSource(root, ClipOptions(**QUICK)),
        animated_stills_tasks(root, patients),
        tmp_path / "out",
    )
    assert [f.outcome for f in done.finished] == ["refused", "failed", "made", "made"]
    assert "patient0001: has no A4C stills of both ED and ES" in done.finished[0].reason
    assert "patient0002_4CH_ED.nii.gz" in done.finished[1].reason


def test_a2c_without_a_scale_tells_no_millilitres(camus, tmp_path):
    source = AnimatedStillsSource(camus, ClipOptions(view=View.A2C, **QUICK))
    done = synthesize(source, animated_stills_tasks(camus, ["patient0001", "patient0003"]), tmp_path / "out")
    assert done.counts["made"] == 2, done.finished
    listed = rows(tmp_path / "out" / "FileList.csv")
    assert all(r["EDV"] == r["ESV"] == "" and 5 < float(r["EF"]) < 90 for r in listed)
    table = read_manifest(tmp_path / "out" / "manifest.csv")
    assert table["edv_ml"].null_count() == table["spacing_x_mm"].null_count() == 2
    header = (tmp_path / "out" / "Curves" / "patient0001-1.csv").read_text().splitlines()[0]
    assert header == "frame,time_s,volume_px3,plane_volume_px3"
    assert not [f for f in check_manifest(table, decode=decode_row) if f.severity is Severity.ERROR]


def test_patients_who_are_not_there(camus, tmp_path):
    lists = tmp_path / "names.txt"
    lists.write_text("patient0001\npatient0001\n")
    assert camus_patients(camus, names=lists) == (["patient0001"], [])
    with pytest.raises(DataError, match="the testing patients stay closed"):
        lists.write_text("patient0001\npatient0499\n")
        camus_patients(camus, names=lists)
    with pytest.raises(DataError, match="holds no patient name"):
        lists.write_text(" \n")
        camus_patients(camus, names=lists)
    with pytest.raises(DataError, match="cannot be read"):
        camus_patients(camus, names=tmp_path / "none.txt")
    with pytest.raises(DataError, match="no such folder"):
        camus_patients(tmp_path / "none")
    with pytest.raises(DataError, match="the list of CAMUS training patients is missing"):
        camus_patients(tmp_path)
    (tmp_path / "database_split").mkdir()
    for name in ("training", "validation"):
        (tmp_path / "database_split" / f"subgroup_{name}.txt").write_text("patient0009\n")
    with pytest.raises(DataError, match="holds stills of none of the 1 patients"):
        camus_patients(tmp_path)


@pytest.mark.realdata
def test_real_stills(camus_root, tmp_path):
    patients, missing = camus_patients(camus_root)
    assert len(patients) + len(missing) == 450
    tasks = animated_stills_tasks(camus_root, patients)
    splits = {s: sum(t.split == s for t in tasks) for s in ("TRAIN", "VAL", "TEST")}
    assert splits["TEST"] == 50
    assert 35 <= splits["VAL"] <= 65
    done = synthesize(AnimatedStillsSource(camus_root, ClipOptions(**QUICK)), tasks[:3], tmp_path / "out")
    assert done.counts["made"] == 3, done.finished
    assert not check_manifest(read(tmp_path / "out").manifest, decode=decode_row)
