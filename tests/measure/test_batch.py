"""Many files: none stops the others, nothing is lost, and what holds is not measured again."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lvef.core.errors import ConfigError, DataError
from lvef.core.journal import file_key
from lvef.core.records import Measurement
from lvef.core.runner import Progress
from lvef.core.terms import Status
from lvef.inference.catalogue import find_model
from lvef.measure.batch import (
    BatchResult,
    Job,
    load_measurer,
    measure_settings,
    model_hashes,
    pinned_options,
    run_batch,
)
from lvef.measure.folder import folder_names
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.results import Outputs, Result
from lvef.measure.serializers import read_measurement
from lvef.report.outputs import write_outputs
from tests.measure.made_up import beating, failed, refused

PLAIN = Outputs(video=False, summary=False)
SETTINGS = {"weights_sha256": "ab" * 32, "precision": "f32"}


class FakeMeasurer:
    """Answers by the file's name, and remembers what it was asked."""

    def __init__(self):
        self.asked: list[str] = []

    def answer(self, path: Path) -> Result:
        self.asked.append(path.name)
        if "bug" in path.name:
            raise ValueError("Patient^Name")
        if "bad" in path.name:
            return Result(failed(str(path)), None)
        if "menu" in path.name:
            return Result(refused(str(path)), beating(10)[1])
        return Result(*beating(50, source=str(path)))

    def jobs(self, paths) -> list[Job]:
        return [Job((path,), lambda path=path: self.answer(path)) for path in paths]


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    paths = [folder / name for name in ("a.avi", "b.avi", "bad.avi", "menu.avi", "c.avi")]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


@pytest.fixture
def fake():
    return FakeMeasurer()


def batch(fake, paths, out, **options) -> BatchResult:
    return run_batch(
        fake.jobs(paths),
        out,
        **{"write": write_outputs, "settings": SETTINGS, "outputs": PLAIN, "workers": 1} | options,
    )


def results(out):
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("workers", [1, 3])
def test_one_bad_file_never_stops_the_rest(fake, files, tmp_path, workers):
    out = tmp_path / "out"
    bug = files[0].with_name("bug.avi")
    bug.write_bytes(b"x")
    result = batch(fake, [*files, bug], out, workers=workers)
    assert [row["status"] for row in result.rows] == ["ok", "ok", "failed", "refused", "ok", "failed"]
    assert [row["path"] for row in results(out)] == [str(path) for path in [*files, bug]]
    assert result.exit_code == 1
    assert result.counts == {"ok": 3, "partial_cycle": 0, "refused": 1, "failed": 2}
    for row in results(out):
        assert read_measurement(out / row["folder"] / "measurement.json").status == row["status"]


def test_a_bug_is_reported_without_what_the_file_says_of_a_person(fake, tmp_path):
    path = tmp_path / "bug.avi"
    path.write_bytes(b"x")
    row = batch(fake, [path], tmp_path / "out").rows[0]
    assert "ValueError" in row["reason"]
    assert "report" in row["reason"]
    assert "Patient" not in "".join(p.read_text() for p in (tmp_path / "out").rglob("*.*") if p.is_file())


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["a.avi", "b.avi"], 0),
        (["a.avi", "menu.avi"], 0),
        (["menu.avi", "menu2.avi"], 3),
        (["menu.avi", "bad.avi"], 1),
        (["a.avi", "bad.avi"], 1),
    ],
)
def test_exit_codes(fake, names, code, tmp_path):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert batch(fake, [tmp_path / name for name in names], None).exit_code == code


def test_everything_is_written_for_a_clip(fake, files, tmp_path):
    batch(fake, files[:1], tmp_path / "out", outputs=Outputs())
    names = {path.name for path in (tmp_path / "out" / "a").iterdir()}
    assert names == {"measurement.json", "curve.csv", "beats.csv", "overlay.mp4", "summary.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "a",
        "results.csv",
        "run.json",
        "finished.jsonl",
    }


def test_nothing_is_written_without_a_folder(fake, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    seen: list[Measurement | None] = []
    batch(fake, files, None, outputs=Outputs(), on_finished=lambda f: seen.append(f.result.measurement))
    assert sorted(tmp_path.rglob("*")) == before
    assert len(seen) == 5


def test_rows_of_a_run_that_goes_on_are_in_the_order_given_whichever_ended_first(fake, files, tmp_path):
    out = tmp_path / "out"
    for some in (files[2:3], files[1:3], files[:1]):
        batch(fake, some, out)
    batch(fake, files[1:], out)
    assert [row["path"] for row in results(out)] == [str(path) for path in files]


def test_a_second_run_measures_only_what_is_new_or_failed(fake, files, tmp_path):
    out = tmp_path / "out"
    first = batch(fake, files[:4], out)
    assert first.resumed == 0
    fake.asked.clear()
    second = batch(fake, files, out)
    assert fake.asked == ["bad.avi", "c.avi"]
    assert second.resumed == 3
    assert second.rows[:4] == first.rows[:4]
    assert [row["path"] for row in results(out)] == [str(path) for path in files]


def test_what_changed_is_measured_again(fake, files, tmp_path):
    out = tmp_path / "out"
    path = files[0]
    batch(fake, [path], out)

    def asked(**options):
        fake.asked.clear()
        batch(fake, [path], out, **options)
        return bool(fake.asked)

    assert not asked()
    path.write_bytes(b"another length")
    assert asked()
    assert not asked()
    stamp = path.stat().st_mtime_ns
    os.utime(path, ns=(stamp, stamp + 1_000_000_000))
    assert asked()
    assert asked(settings=SETTINGS | {"weights_sha256": "cd" * 32})
    assert asked(), "back to the first network: the folder holds the answer of the other"
    assert asked(outputs=Outputs(video=False, summary=True))
    assert not asked(), "fewer outputs than there are"
    assert asked(resume=False)
    (out / "a" / "measurement.json").unlink()
    assert asked(), "an output is gone"


def test_results_of_earlier_files_stay_in_the_table(fake, files, tmp_path):
    out = tmp_path / "out"
    batch(fake, files[:2], out)
    batch(fake, files[4:], out)
    assert [Path(row["path"]).name for row in results(out)] == ["a.avi", "b.avi", "c.avi"]


def test_files_of_the_same_name_do_not_collide(fake, tmp_path):
    paths = [
        tmp_path / folder / name for folder, name in (("x", "clip.avi"), ("y", "clip.avi"), ("z", "CLIP.mp4"))
    ]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"x")
    out = tmp_path / "out"
    batch(fake, paths, out)
    folders = [row["folder"] for row in results(out)]
    assert folders[0] == "clip"
    assert len({folder.casefold() for folder in folders}) == 3
    for path, folder in zip(paths, folders, strict=True):
        assert read_measurement(out / folder / "measurement.json").source == str(path)
    fake.asked.clear()
    assert batch(fake, paths[::-1], out).resumed == 3, "in another order the names stay"


def test_a_file_given_twice_is_measured_once(fake, files, tmp_path, monkeypatch):
    monkeypatch.chdir(files[0].parent)
    (files[0].parent / "soft.avi").symlink_to("a.avi")
    (files[0].parent / "hard.avi").hardlink_to(files[0])
    names = ["a.avi", str(files[0]), "../in/a.avi", "soft.avi", "hard.avi"]
    said = []
    result = batch(
        fake, [Path(name) for name in names], tmp_path / "out", progress=Progress(message=said.append)
    )
    assert [row["path"] for row in result.rows] == ["a.avi"]
    assert fake.asked == ["a.avi"]
    assert said == [f"{name}: is the same as a.avi and measured once." for name in names[1:]]
    # A later run may call it otherwise: the table has the name that was given last.
    assert batch(fake, [files[0]], tmp_path / "out").resumed == 1
    assert [row["path"] for row in results(tmp_path / "out")] == [str(files[0])]


def test_a_file_that_is_not_there_fails_and_leaves_nothing(fake, files, tmp_path):
    out = tmp_path / "out"
    broken = tmp_path / "bad.avi"
    broken.symlink_to("nowhere")
    result = batch(fake, [tmp_path / "no" / "bad.avi", broken, files[0]], out)
    assert [row["status"] for row in result.rows] == ["failed", "failed", "ok"]
    assert [row["folder"] for row in result.rows] == ["", "", "a"]
    assert result.exit_code == 1
    assert [Path(row["path"]).name for row in results(out)] == ["a.avi"]
    assert {path.name for path in out.iterdir()} == {"a", "results.csv", "run.json", "finished.jsonl"}
    assert json.loads((out / "run.json").read_text())["counts"]["failed"] == 2
    # One that was there before keeps the answer that it had.
    files[0].rename(files[0].with_name("bad-a.avi"))
    assert batch(FakeMeasurer(), files[:1], out).exit_code == 0, "the fake reads nothing"
    assert [row["status"] for row in results(out)] == ["ok"]


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("a/b/clip.avi", "clip"),
        ("scan.nii.gz", "scan"),
        ("IM_0001", "IM_0001"),
        ("1.2.840.113619", "1.2.840"),
        ("ES0001 _4CH_1*.avi", "ES0001 _4CH_1_"),
        ("con.avi", "con_"),
        (".avi", "avi"),
        ("..", "_"),
        ("x" * 300 + ".avi", "x" * 80),
        ("results.csv.avi", "results.csv-key00000"),
        ("a:b?.avi", "a_b_"),
    ],
)
def test_folder_names_are_safe_on_every_system(file, folder):
    assert folder_names([("key00000", file)], {}) == {"key00000": folder}


def test_keys_tell_files_and_kinds_apart(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    keys = {file_key([a]), file_key([b]), file_key([a, b]), file_key([b, a]), file_key([a, b], "pair")}
    assert len(keys) == 5
    assert file_key([a]) == file_key([tmp_path / "x" / ".." / "a"])


def test_a_torn_journal_is_read_as_far_as_it_goes(fake, files, tmp_path):
    out = tmp_path / "out"
    batch(fake, files[:2], out)
    journal = out / "finished.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data[: len(data) - 40])
    fake.asked.clear()
    assert batch(fake, files[:2], out).resumed == 1
    assert fake.asked == ["b.avi"]
    fake.asked.clear()
    assert batch(fake, files[:2], out).resumed == 2, "the line after a torn one is whole"


def test_a_stop_by_the_user_keeps_what_was_finished(fake, files, tmp_path):
    out = tmp_path / "out"

    def stop(finished):
        if finished.item.name == files[1].name:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch(fake, files, out, on_finished=stop)
    assert json.loads((out / "run.json").read_text())["complete"] is False
    kept = len(results(out))
    assert 2 <= kept < 5
    fake.asked.clear()
    result = batch(fake, files, out)
    assert result.resumed >= 2
    assert len(results(out)) == 5
    assert json.loads((out / "run.json").read_text())["complete"] is True


def test_jobs_under_way_at_a_stop_are_recorded(fake, files, tmp_path):
    out = tmp_path / "out"
    begun = threading.Event()

    def slow():
        begun.set()
        time.sleep(0.2)
        return Result(*beating(50, source="slow"))

    def stop(finished):
        begun.wait(300)
        raise KeyboardInterrupt

    jobs = [*fake.jobs(files[:1]), Job((files[1],), slow)]
    with pytest.raises(KeyboardInterrupt):
        run_batch(
            jobs, out, write=write_outputs, settings=SETTINGS, outputs=PLAIN, workers=2, on_finished=stop
        )
    assert len(results(out)) == 2


@pytest.fixture
def stuck():
    """A job that does not end before the test does; it tells that it has begun, and moves a clock by 10 s."""
    begun, end, clock = threading.Event(), threading.Event(), [0.0]

    def measure():
        begun.set()
        clock[0] += 10
        end.wait(30)
        return Result(*beating(50, source="late"))

    measure.begun, measure.end, measure.clock = begun, end, clock
    yield measure
    end.set()


def test_a_file_that_is_stuck_fails_and_the_others_go_on(fake, files, tmp_path, stuck, monkeypatch):
    monkeypatch.setattr("lvef.core.workers._POLL_S", 0.01)
    monkeypatch.setattr("lvef.core.workers.SLOW_S", 2.0)
    # Nothing else takes any time, however busy the machine is.
    monkeypatch.setattr("lvef.core.workers.time", SimpleNamespace(monotonic=lambda: stuck.clock[0]))
    out, said = tmp_path / "out", []
    jobs = [Job((files[0],), stuck), *fake.jobs(files[1:2])]
    options = {"max_seconds": 5, "progress": Progress(message=said.append)}
    result = run_batch(jobs, out, write=write_outputs, settings=SETTINGS, outputs=PLAIN, workers=1, **options)
    assert [(row["status"], row["reason_code"]) for row in result.rows] == [
        ("failed", "too_slow"),
        ("ok", ""),
    ]
    assert str(files[0]) in result.rows[0]["reason"]
    assert not said, "it was given up at once"
    stuck.end.set()
    for thread in threading.enumerate():
        if thread.name == "lvef-worker":
            thread.join(10)
    # What it finds too late is not written over the answer that stands.
    assert read_measurement(out / "a" / "measurement.json").reason_code == "too_slow"
    assert batch(fake, files[:1], out).rows[0]["status"] == "ok", "it is tried again"


def test_a_stop_does_not_wait_for_a_file_that_is_stuck(fake, files, tmp_path, stuck, monkeypatch):
    monkeypatch.setattr("lvef.core.workers.GRACE_S", 0.05)
    out = tmp_path / "out"

    def stop(finished):
        stuck.begun.wait(10)
        raise KeyboardInterrupt

    jobs = [*fake.jobs(files[:1]), Job((files[1],), stuck)]
    with pytest.raises(KeyboardInterrupt):
        run_batch(
            jobs, out, write=write_outputs, settings=SETTINGS, outputs=PLAIN, workers=2, on_finished=stop
        )
    assert not stuck.end.is_set()
    assert len(results(out)) == 1
    assert json.loads((out / "run.json").read_text())["complete"] is False


def test_the_table_is_there_while_the_run_goes_on(fake, files, tmp_path):
    out = tmp_path / "out"
    seen = []
    batch(fake, files[:2], out, on_finished=lambda finished: seen.append(len(results(out))))
    assert seen[0] == 1
    assert json.loads((out / "run.json").read_text())["schema"] == "lvef-run/1"


def full_disk_after(monkeypatch, n):
    """The disk takes ``n`` more files."""
    taken = iter(range(n))
    write = Path.write_bytes

    def write_bytes(self, data):
        if next(taken, None) is None:
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


@pytest.mark.parametrize("n", range(10))
def test_a_disk_that_fills_up_leaves_what_was_written_whole(fake, files, tmp_path, monkeypatch, n):
    out = tmp_path / "out"
    batch(fake, files[:1], out)
    before = {path: path.read_bytes() for path in (out / "a").iterdir()}
    with monkeypatch.context() as patch:
        full_disk_after(patch, n)
        with pytest.raises(DataError, match="no space left"):
            batch(fake, files[:1] + files[1:2] + files[4:], out)
    assert {path: path.read_bytes() for path in (out / "a").iterdir()} == before
    for path in out.rglob("*"):
        assert not path.name.startswith("."), "no temporary file stays"
        if path.suffix == ".json":
            json.loads(path.read_text())
    assert results(out)[0]["folder"] == "a"
    assert batch(fake, files[:1] + files[1:2] + files[4:], out).exit_code == 0
    assert len(results(out)) == 3


def test_a_disk_that_fills_up_under_the_journal(fake, files, tmp_path, monkeypatch):
    out = tmp_path / "out"
    batch(fake, files[:1], out)
    opened = Path.open

    def half(self, mode="r", *args, **kwargs):
        if self.name == "finished.jsonl" and mode == "ab":
            with opened(self, "ab") as file:
                file.write(b'{"key": "torn')
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, mode, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", half)
        with pytest.raises(DataError, match="no space left"):
            batch(fake, files[:2], out)
    assert batch(fake, files[:2], out).resumed == 1
    assert batch(fake, files[:2], out).resumed == 2


def test_a_full_disk_stops_the_batch(fake, tmp_path, monkeypatch):
    paths = [tmp_path / f"{i}.avi" for i in range(50)]
    for path in paths:
        path.write_bytes(b"x")
    full_disk_after(monkeypatch, 6)
    with pytest.raises(DataError):
        batch(fake, paths, tmp_path / "out")
    assert len(fake.asked) < 10


def test_a_folder_that_cannot_be_made_is_reported(fake, files, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="--out"):
        batch(fake, files, tmp_path / "out")
    with pytest.raises(DataError, match="cannot be made"):
        write_outputs(tmp_path / "out" / "a", Result(*beating(10)), PLAIN)


def test_a_folder_never_shows_two_measurements(tmp_path):
    write_outputs(tmp_path / "a", Result(*beating(50)), Outputs())
    assert (tmp_path / "a" / "overlay.mp4").exists()
    write_outputs(tmp_path / "a", Result(failed(), None), Outputs())
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["measurement.json"]


def test_a_biplane_study_has_both_views_beneath_it(tmp_path):
    four, two = beating(50, source="4.avi"), beating(50, source="2.avi")
    both = replace(four[0], curve=None, tracings=(), single_plane={"A4C": 60.0, "A2C": 61.0})
    written = write_outputs(tmp_path / "s", Result(both, None, {"A4C": four, "A2C": two}), Outputs())
    assert {"measurement.json", "A4C/summary.png", "A2C/overlay.mp4", "A2C/measurement.json"} <= set(written)
    assert all((tmp_path / "s" / name).is_file() for name in written)
    assert read_measurement(tmp_path / "s" / "measurement.json").single_plane == {"A4C": 60.0, "A2C": 61.0}


def test_run_json_says_what_was_done(fake, files, tmp_path):
    out = tmp_path / "out"
    batch(fake, files, out, settings=SETTINGS | {"device": "Test CPU"})
    run = json.loads((out / "run.json").read_text())
    assert run["complete"] is True
    assert run["counts"] == {"ok": 3, "partial_cycle": 0, "refused": 1, "failed": 1}
    assert run["settings"]["device"] == "Test CPU"
    assert run["packages"]["numpy"]
    assert run["machine"]["python"]
    assert run["seconds"] > 0


def test_several_files_run_at_once(tmp_path):
    barrier = threading.Barrier(3, timeout=300)

    def measure():
        barrier.wait()
        return Result(replace(failed(), status=Status.REFUSED), None)

    jobs = [Job((tmp_path / str(i),), measure) for i in range(3)]
    result = run_batch(jobs, None, write=write_outputs, settings={}, workers=3)
    assert result.exit_code == 3, "a barrier that nobody joins would have been a failure"


def test_a_machine_with_other_models_is_refused(tmp_path):
    here = Measurer(MeasureOptions(threads=1))
    models = model_hashes(here)
    assert load_measurer(pinned_options(here), models).options.backend == here.predictor.engine.backend

    other = tmp_path / "camus-seg"
    shutil.copytree(here.predictor.entry.folder, other)
    (other / "interval.json").unlink()
    there = MeasureOptions(threads=1, weights=str(other))
    with pytest.raises(
        ConfigError, match=r"another model .*camus-seg.* interval_key is missing there, [0-9a-f]{12} was"
    ):
        load_measurer(there, models)
    with pytest.raises(ConfigError, match=r"view_sha256 is .* there, 000000000000 was expected"):
        load_measurer(there, (("view_sha256", "0" * 64),))
    assert load_measurer(there).calibration is None


def test_settings_of_a_measurement_hold_the_hashes_of_all_its_models():
    measurer = Measurer(MeasureOptions(threads=1, second_opinion="small-video"))
    settings = measure_settings(measurer)
    shas = {find_model(name).card.model_sha256 for name in ("camus-seg", "camus-view", "small-video")}
    assert {settings[name] for name in ("weights_sha256", "view_sha256", "second_sha256")} == shas
    assert settings["precision"] == measurer.predictor.engine.precision != "auto"
