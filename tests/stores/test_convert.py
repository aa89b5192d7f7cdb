"""Many files: none stops the others, a second run goes on, names and patients are what was asked for."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import cv2
import pytest

from lvef.core.errors import DataError
from lvef.core.runner import exit_code_of
from lvef.datasets.check import check_manifest
from lvef.datasets.findings import Severity
from lvef.datasets.manifest import make_manifest, read_manifest, write_manifest
from lvef.datasets.registry import find_reader
from lvef.io.dicom_header import pseudonym
from lvef.io.open import find_inputs
from lvef.stores.convert import KEY_COLUMNS, Settings, convert, sources_of, write_key_file
from lvef.stores.deidentify import Format
from tests.io.io_fabrication import PERSON, dicom, save, write_video
from tests.stores.screens import screen

INLINE = Settings(workers=1)


@pytest.fixture
def inputs(tmp_path):
    """A study with two good clips, one in which no fan is, and one that is no DICOM file."""
    folder = tmp_path / "in"
    folder.mkdir()
    save(dicom(screen(seed=1), FrameTime=20.0), folder / "a.dcm")
    write_video(folder / "b.avi", screen(seed=2), "mjpeg", "yuvj420p", rate=30)
    save(dicom(screen() * 0, FrameTime=20.0), folder / "black.dcm")
    (folder / "words.dcm").write_text("Erika Musterfrau\n" * 20)
    return folder


def run(inputs, out, settings=INLINE, **options):
    paths = [inputs] if isinstance(inputs, Path) else inputs
    return convert(sources_of(paths), out, settings, **options)


def outcomes(done):
    return {finished.source.path.name: finished.outcome for finished in done}


def table(out):
    return read_manifest(out / "manifest.csv")


def test_one_bad_file_never_stops_the_rest(inputs, tmp_path):
    out = tmp_path / "out"
    done = run(inputs, out)
    assert outcomes(done) == {
        "a.dcm": "converted", "b.avi": "converted", "black.dcm": "refused", "words.dcm": "failed",
    }  # fmt: skip
    assert exit_code_of(f.outcome for f in done) == 1
    assert {p.name for p in out.iterdir()} == {"a.avi", "b.avi", "manifest.csv", "run.json", "finished.jsonl"}
    assert table(out)["item"].to_list() == ["a", "b"]
    assert all(f.reason.count(str(f.source.path)) == 1 for f in done[2:])
    said = json.loads((out / "run.json").read_text())
    assert said["complete"] is True
    assert said["counts"] == {"converted": 2, "kept": 0, "refused": 1, "failed": 1}


def test_a_bug_is_reported_without_what_the_file_says_of_a_person(inputs, tmp_path, monkeypatch):
    def bug(*args):
        raise ValueError(PERSON[0])

    monkeypatch.setattr("lvef.stores.convert.deidentify", bug)
    done = run(inputs / "a.dcm", tmp_path / "out")
    assert "ValueError" in done[0].reason
    assert PERSON[0] not in done[0].reason


@pytest.mark.parametrize(
    ("names", "code"),
    [(["a.dcm"], 0), (["a.dcm", "black.dcm"], 0), (["black.dcm"], 3), (["black.dcm", "words.dcm"], 1), (["none.dcm"], 1)],
)  # fmt: skip
def test_exit_codes(inputs, tmp_path, names, code):
    assert exit_code_of(f.outcome for f in run([inputs / name for name in names], tmp_path / "out")) == code


def test_the_manifest_passes_the_check(inputs, tmp_path):
    run([inputs / "a.dcm", inputs / "b.avi"], tmp_path / "out")
    found = check_manifest(table(tmp_path / "out"))
    assert [f.code for f in found] == ["collection_without_ef"]
    assert found[0].severity is Severity.NOTE


def test_patients_are_pseudonyms_or_names_of_files(inputs, tmp_path):
    save(dicom(screen(seed=3), PatientID=""), inputs / "c.dcm")
    run(inputs, tmp_path / "out")
    patients = dict(table(tmp_path / "out").select("item", "patient").rows())
    assert patients == {"a": pseudonym(PERSON[1]), "b": "b", "c": "c"}
    imported = find_reader("dicom").read(inputs, None).manifest
    of_file = dict(zip(imported["path"], imported["patient"], strict=True))
    assert patients["a"] == of_file["a.dcm"], "the same person has one name in both"


def test_nothing_of_a_person_is_in_the_folder(inputs, tmp_path):
    for settings in (INLINE, Settings(Format.PNG, rename=True, workers=1)):
        out = tmp_path / settings.form
        run(inputs, out, settings)
        for path in (p for p in out.rglob("*") if p.is_file()):
            data = path.read_bytes()
            assert not any(word.encode() in data for word in PERSON), path
            if path.suffix in {".json", ".jsonl"}:
                assert str(inputs).encode() not in data


def test_a_second_run_converts_only_what_is_new_or_changed(inputs, tmp_path):
    out = tmp_path / "out"
    run(inputs, out)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.avi")}
    again = run(inputs, out)
    assert outcomes(again)["a.dcm"] == outcomes(again)["b.avi"] == "kept"
    assert {p.name: p.stat().st_mtime_ns for p in out.glob("*.avi")} == before
    assert table(out)["item"].to_list() == ["a", "b"]
    write_video(inputs / "b.avi", screen(6, seed=4), "mjpeg", "yuvj420p", rate=30)
    assert outcomes(run(inputs, out))["b.avi"] == "converted"
    assert table(out)["n_frames"].to_list() == [10, 6]
    (out / "a.avi").unlink()
    assert outcomes(run(inputs, out))["a.dcm"] == "converted", "a copy is gone"
    (out / "a.avi").write_bytes(b"short")
    assert outcomes(run(inputs, out))["a.dcm"] == "converted", "a copy has another length"
    assert outcomes(run(inputs, out, Settings(resume=False, workers=1)))["a.dcm"] == "converted"


def test_a_touched_file_with_the_same_content_is_kept(inputs, tmp_path):
    run(inputs, tmp_path / "out")
    os.utime(inputs / "a.dcm", ns=(1, 1))
    assert outcomes(run(inputs, tmp_path / "out"))["a.dcm"] == "kept"


def test_another_format_takes_the_place_of_the_first(inputs, tmp_path):
    out = tmp_path / "out"
    run(inputs / "a.dcm", out)
    run(inputs / "a.dcm", out, Settings(Format.PNG, workers=1))
    assert not (out / "a.avi").exists()
    assert len(list((out / "a").iterdir())) == 10
    assert len(table(out)) == 10
    run(inputs / "a.dcm", out)
    assert not (out / "a").exists()
    assert len(table(out)) == 1


def test_a_file_that_lost_its_fan_loses_its_copy(inputs, tmp_path):
    out = tmp_path / "out"
    run(inputs / "a.dcm", out)
    (inputs / "a.dcm").write_bytes((inputs / "black.dcm").read_bytes())
    assert exit_code_of(f.outcome for f in run(inputs / "a.dcm", out)) == 3
    assert not (out / "a.avi").exists()
    assert table(out).is_empty()


def test_files_of_the_same_name_do_not_collide(inputs, tmp_path):
    paths = []
    for index, name in enumerate(
        ("x/clip.dcm", "y/clip.dcm", "z/CLIP.dcm", "z/manifest.dcm", "z/clip-00001.dcm")
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        paths.append(save(dicom(screen(4, seed=index), FrameTime=20.0), path))
    out = tmp_path / "out"
    run(paths, out, Settings(Format.PNG, workers=1))
    names = [f.name for f in run(paths[::-1], out, Settings(Format.PNG, workers=1))]
    assert names[::-1] == ["clip", "clip-2", "CLIP-3", "manifest-2", "clip-00001_"]
    assert len(table(out)) == 20


def test_a_file_given_twice_is_converted_once(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(inputs)
    assert len(run([inputs / "a.dcm", Path("a.dcm"), Path("../in/a.dcm")], tmp_path / "out")) == 1


def test_running_numbers_stay_over_runs(inputs, tmp_path):
    out, settings = tmp_path / "out", Settings(rename=True, workers=1)
    save(dicom(screen(seed=7)), inputs / "erika.dcm")
    run([inputs / "b.avi", inputs / "erika.dcm"], out, settings)
    done = run(inputs, out, settings)
    assert {f.source.path.name: (f.name, f.patient) for f in done if f.outcome in {"converted", "kept"}} == {
        "b.avi": ("clip00001", "patient00001"),
        "erika.dcm": ("clip00002", "patient00002"),
        "a.dcm": ("clip00003", "patient00002"),
    }
    for path in out.iterdir():
        assert b"erika" not in path.read_bytes().lower()


def test_the_key_leads_back_and_grows(inputs, tmp_path):
    out, settings, key = tmp_path / "out", Settings(rename=True, workers=1), tmp_path / "key.csv"
    write_key_file(key, run(inputs / "b.avi", out, settings))
    write_key_file(key, run(inputs / "a.dcm", out, settings))
    write_key_file(key, run(inputs / "words.dcm", out, settings))
    assert key.read_text().splitlines() == [
        ",".join(KEY_COLUMNS),
        f"clip00001,patient00001,{inputs / 'b.avi'},b,b",
        f"clip00002,patient00002,{inputs / 'a.dcm'},a,{pseudonym(PERSON[1])}",
    ]
    key.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is no key"):
        write_key_file(key, [])
    assert key.read_text() == "a,b\n1,2\n"


def test_a_manifest_hands_its_labels_on(inputs, tmp_path):
    row = {
        "item": "first", "collection": "mine", "patient": "p1", "kind": "clip", "view": "A2C", "root": str(inputs),
        "path": "a.dcm", "frame_rate_hz": 44.0, "ef_percent": 55.0, "edv_ml": 100.0, "esv_ml": 45.0, "ed_frame": 1,
        "es_frame": 6, "age_years": 50, "sex": "F", "split": "val", "split_name": "VAL", "told_by": "list.csv, line 2",
        "labels": '{"name": "a"}', "mask_path": "a.png", "tracing_path": "t.csv", "n_traced_frames": 2, "licence": "CC0",
    }  # fmt: skip
    write_manifest(make_manifest([row]), tmp_path / "m.parquet")
    run(tmp_path / "m.parquet", tmp_path / "out")
    [copy] = table(tmp_path / "out").to_dicts()
    changed = {
        "root": (tmp_path / "out").as_posix(), "path": "first.avi", "mask_path": None, "tracing_path": None,
        "n_traced_frames": None,
    }  # fmt: skip
    assert {name: copy[name] for name in row} == row | changed
    assert copy["n_frames"] == 10
    run(tmp_path / "m.parquet", tmp_path / "numbers", Settings(rename=True, workers=1))
    [copy] = table(tmp_path / "numbers").to_dicts()
    assert (copy["item"], copy["patient"], copy["told_by"], copy["labels"]) == (
        "clip00001", "patient00001", None, None,
    )  # fmt: skip
    assert copy["ef_percent"] == 55.0


def test_the_folder_is_not_taken_for_input(inputs, tmp_path):
    run(inputs, inputs / "copies")
    assert {p.name for p in find_inputs([inputs])} == {"a.dcm", "b.avi", "black.dcm", "words.dcm"}
    assert set(outcomes(run(inputs, inputs / "copies"))) == {"a.dcm", "b.avi", "black.dcm", "words.dcm"}
    assert {p.name for p in find_inputs([inputs / "copies"])} == {"a.avi", "b.avi"}


def test_a_folder_with_other_files_or_the_sources_is_refused(inputs, tmp_path):
    with pytest.raises(DataError, match="holds other files"):
        run(inputs, inputs)
    out = tmp_path / "out"
    run(inputs / "a.dcm", out)
    with pytest.raises(DataError, match="lies in the output folder"):
        run(out / "a.avi", out)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="--out"):
        run(inputs, tmp_path / "file")


def test_folders_that_may_not_be_read(inputs, tmp_path, monkeypatch):
    (inputs / "closed").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed" and access(path, mode))
    done = run(inputs, tmp_path / "out")
    assert outcomes(done)["closed"] == "failed"
    assert "may not read" in done[-1].reason
    with pytest.raises(DataError, match="may not read"):
        sources_of([inputs / "closed"])
    (inputs / "empty").mkdir()
    with pytest.raises(DataError, match="holds no echo file"):
        sources_of([inputs / "empty"])


def test_a_stop_by_the_user_keeps_what_was_finished(inputs, tmp_path):
    out = tmp_path / "out"

    def stop(finished):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(inputs, out, on_finished=stop)
    assert table(out)["item"].to_list() == ["a"]
    assert json.loads((out / "run.json").read_text())["complete"] is False
    assert outcomes(run(inputs, out))["a.dcm"] == "kept"


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("n", range(4))
def test_a_disk_that_fills_up_leaves_what_was_written_whole(inputs, tmp_path, monkeypatch, n, form):
    out, settings = tmp_path / "out", Settings(form, workers=1)
    run(inputs / "a.dcm", out, settings)
    before = {p: p.read_bytes() for p in out.rglob("*.*") if p.suffix in {".avi", ".png"}}
    taken, write = iter(range(n)), Path.write_bytes

    def write_bytes(self, data):
        if next(taken, None) is None:
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(DataError, match="no space left"):
            run([inputs / "a.dcm", inputs / "b.avi", inputs / "words.dcm"], out, settings)
    assert before.items() <= {p: p.read_bytes() for p in out.rglob("*.*") if p.is_file()}.items()
    assert not list(out.rglob(".*")), "no temporary file stays"
    assert "a" in table(out)["item"][0]
    done = run([inputs / "a.dcm", inputs / "b.avi"], out, settings)
    assert exit_code_of(f.outcome for f in done) == 0
    assert outcomes(done)["a.dcm"] == "kept"


def test_several_processes_give_the_same_folder(inputs, tmp_path):
    for index in range(8):
        save(dicom(screen(3, seed=index), FrameTime=20.0), inputs / f"m{index}.dcm")
    for workers in (1, 2):
        done = run(inputs, tmp_path / str(workers), Settings(workers=workers))
        assert [f.outcome for f in done].count("converted") == 10
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / k).glob("*.avi")} for k in "12")
    assert one == two
    first, second = (table(tmp_path / k).drop("root") for k in "12")
    assert first.equals(second)


def test_stills_of_a_manifest_keep_their_phase(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rows = []
    for phase in ("ED", "ES"):
        cv2.imwrite(str(folder / f"s_{phase}.png"), screen(1)[0])
        rows.append(
            {"item": f"s_{phase}", "collection": "mine", "patient": "s", "kind": "still", "view": "A4C", "phase": phase,
             "root": str(folder), "path": f"s_{phase}.png", "licence": "CC0"}
        )  # fmt: skip
    write_manifest(make_manifest(rows), tmp_path / "m.csv")
    run(tmp_path / "m.csv", tmp_path / "out")
    assert table(tmp_path / "out").select("item", "phase", "kind").rows() == [
        ("s_ED", "ED", "still"), ("s_ES", "ES", "still"),
    ]  # fmt: skip
