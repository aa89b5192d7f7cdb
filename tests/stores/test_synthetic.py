"""A synthetic collection is the same from the same seed, goes on where it stopped, and mixes nothing."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lvef.core.errors import ConfigError, DataError, OutputError
from lvef.core.journal import JOURNAL_NAME
from lvef.stores.synthetic import synthesize
from lvef.stores.synthetic_files import TABLES
from tests.house import ROOT
from tests.stores.synthetic_made_up import MadeUp, tasks


def contents(folder, *, without=("run.json", "finished.jsonl")):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in without
    }


def without_root(found):
    """The manifest tells where the collection lies, which differs between two folders."""
    return {name: data for name, data in found.items() if name != "manifest.csv"}


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run_of(folder):
    return json.loads((folder / "run.json").read_text())


def test_the_layout(tmp_path):
    done = synthesize(MadeUp(), tasks(3), tmp_path / "out", seed=7)
    assert done.counts == {"made": 3, "kept": 0, "refused": 0, "failed": 0}
    assert done.exit_code == 0
    assert done.frames == 120
    found = contents(tmp_path / "out")
    names = [f"made00{k}" for k in (1, 2, 3)]
    files = [
        f"{folder}/{n}{end}"
        for n in names
        for folder, end in (("Videos", ".avi"), ("Masks", ".nii.gz"), ("Curves", ".csv"))
    ]
    assert set(found) == {*files, *TABLES}
    run = run_of(tmp_path / "out")
    assert run["complete"] is True
    assert run["settings"]["seed"] == 7
    assert (run["licence"], run["clips"], run["splits"]) == ("CC0-1.0", 3, {"TRAIN": 1, "VAL": 1, "TEST": 1})
    assert found["LICENCE.txt"] == b"Nobody's.\n"


def test_ef_of_the_list_is_that_of_volumes_lines_and_curve(tmp_path):
    out = tmp_path / "out"
    synthesize(MadeUp(), tasks(3), out, seed=1)
    lines = rows(out / "VolumeTracings.csv")
    for clip in rows(out / "FileList.csv"):
        ef, edv, esv = (float(clip[k]) for k in ("EF", "EDV", "ESV"))
        assert ef == pytest.approx(100 * (edv - esv) / edv, abs=1e-9)
        assert 30 < ef < 80
        own = [r for r in lines if r["FileName"] == f"{clip['FileName']}.avi"]
        frames = list(dict.fromkeys(int(r["Frame"]) for r in own))
        assert [sum(int(r["Frame"]) == f for r in own) for f in frames] == [21, 21]
        points = np.array([[float(r[k]) for k in ("X1", "Y1", "X2", "Y2")] for r in own]).reshape(2, 21, 2, 2)
        assert (points[:, 0, 0, 1] < points[:, 0, 1, 1]).all(), "apex first"
        length = np.hypot(*(points[..., 1, :] - points[..., 0, :]).transpose(2, 0, 1))
        volume = np.pi / 4 * (length[:, 1:] ** 2).sum(axis=1) * length[:, 0] / 20
        assert 100 * (1 - volume[1] / volume[0]) == pytest.approx(ef, abs=0.02)
        assert volume[0] * 1.2**3 / 1000 == pytest.approx(edv, rel=1e-3)
        curve = rows(out / "Curves" / f"{clip['FileName']}.csv")
        assert [int(r["frame"]) for r in curve] == list(range(40))
        assert float(curve[frames[0]]["plane_volume_ml"]) == pytest.approx(edv, abs=1e-4)
        assert float(curve[1]["time_s"]) == pytest.approx(0.04)
        beats = [b for b in rows(out / "Beats.csv") if b["FileName"] == clip["FileName"]]
        assert beats
        assert {b["rhythm"] for b in beats} == {"sinus"}
        assert any(int(b["ed_frame"]) == frames[0] and int(b["es_frame"]) == frames[1] for b in beats)
    made = [json.loads(line) for line in (out / "Parameters.jsonl").read_text().splitlines()]
    assert [m["FileName"] for m in made] == [f"made00{k}" for k in (1, 2, 3)]
    assert made[0]["parameters"]["list"] == [0, 1, 2]


def test_a_clip_does_not_depend_on_number_order_or_workers(tmp_path):
    synthesize(MadeUp(), tasks(5), tmp_path / "one", seed=3, workers=1)
    by_two = MadeUp(calls=str(tmp_path / "calls"))
    synthesize(by_two, tasks(5), tmp_path / "two", seed=3, workers=2)
    processes = dict(line.split() for line in (tmp_path / "calls").read_text().splitlines())
    assert len(processes) == 5
    assert str(os.getpid()) not in processes.values()
    synthesize(MadeUp(), tasks(2), tmp_path / "grown", seed=3)
    grown = synthesize(MadeUp(), tasks(5)[::-1], tmp_path / "grown", seed=3)
    assert grown.counts["kept"] == 2
    first = without_root(contents(tmp_path / "one"))
    assert first == without_root(contents(tmp_path / "two"))
    assert first == without_root(contents(tmp_path / "grown"))
    synthesize(MadeUp(), tasks(1), tmp_path / "other", seed=4)
    name = "Videos/made001.avi"
    assert contents(tmp_path / "other")[name] != first[name]


def test_started_again_it_does_nothing(tmp_path):
    calls = tmp_path / "calls"
    source = MadeUp(calls=str(calls), refused=(2,))
    first = synthesize(source, tasks(3), tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    again = synthesize(source, tasks(3), tmp_path / "out")
    assert first.counts == {"made": 2, "kept": 0, "refused": 1, "failed": 0}
    assert again.counts == {"made": 0, "kept": 2, "refused": 1, "failed": 0}
    assert again.finished[1].reason == first.finished[1].reason == "made002: The wall crosses itself."
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()} == before
    assert len(calls.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    "lost", ["Videos/made002.avi", "Masks/made002.nii.gz", "FileList.csv", "LICENCE.txt"]
)
def test_what_was_lost_is_made_again(tmp_path, lost):
    out = tmp_path / "out"
    synthesize(MadeUp(), tasks(3), out)
    before = contents(out)
    (out / lost).unlink()
    (out / "Videos" / ".made002.0011aabb.tmp.avi").write_bytes(b"half")
    synthesize(MadeUp(), tasks(3), out)
    assert contents(out) == before


def test_one_clip_does_not_stop_the_others(tmp_path):
    done = synthesize(MadeUp(refused=(1,), broken=(2,), short=(3,)), tasks(5), tmp_path / "out")
    assert [f.outcome for f in done.finished] == ["refused", "failed", "refused", "made", "made"]
    assert done.exit_code == 1
    assert "made003: its 12 frames show no complete beat" in done.finished[2].reason
    assert "RuntimeError" in done.finished[1].reason
    assert "secret" not in done.finished[1].reason
    assert [r["FileName"] for r in rows(tmp_path / "out" / "FileList.csv")] == ["made004", "made005"]
    run = run_of(tmp_path / "out")
    assert list(run["refused"]) == ["made001", "made003"]
    assert list(run["failed"]) == ["made002"]
    mended = synthesize(MadeUp(refused=(1,), short=(3,)), tasks(5), tmp_path / "out")
    assert mended.counts == {"made": 1, "kept": 2, "refused": 2, "failed": 0}, (
        "failures are tried again, refusals hold"
    )
    assert mended.exit_code == 0


def test_only_refusals(tmp_path):
    done = synthesize(MadeUp(refused=(1, 2)), tasks(2), tmp_path / "out")
    assert done.exit_code == 3
    assert rows(tmp_path / "out" / "FileList.csv") == []


def test_other_settings_are_refused(tmp_path):
    out = tmp_path / "out"
    synthesize(MadeUp(), tasks(1), out, seed=1)
    before = contents(out, without=())
    with pytest.raises(
        ConfigError, match=r"begun with seed 1, now it is 2: give the same or another folder\."
    ):
        synthesize(MadeUp(), tasks(1), out, seed=2)
    with pytest.raises(ConfigError, match="n_frames 40, now it is 41"):
        synthesize(MadeUp(n_frames=41), tasks(1), out, seed=1)
    assert contents(out, without=()) == before


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"schema": "lvef-run/1"}')
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "run.json").write_text('{"schema": ')
    for name, words in (
        ("other", "holds other files"),
        ("file", "cannot be made or used"),
        ("file/below", "cannot be made or used"),
        ("run", "has the layout lvef-run/1, lvef-synthetic/1 was expected; give an empty"),
        ("torn", "is not valid JSON .* give an empty or a new folder"),
    ):
        with pytest.raises(DataError, match=words) as error:
            synthesize(MadeUp(), tasks(1), tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
    assert (tmp_path / "other" / "thesis.txt").read_text() == "x"
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(DataError, match="could not be written"):
        synthesize(MadeUp(), tasks(1), tmp_path / "locked")


def test_a_full_disk_stops_the_run_and_the_next_goes_on(tmp_path, monkeypatch):
    from lvef.stores import synthetic_files

    real, room = synthetic_files.write_bytes_atomic, [5]

    def full(path, data):
        room[0] -= 1
        if room[0] < 0:
            raise OutputError(f"{path} could not be written (no space left on device): make room.")
        real(path, data)

    monkeypatch.setattr(synthetic_files, "write_bytes_atomic", full)
    out = tmp_path / "out"
    with pytest.raises(DataError, match="no space left on device"):
        synthesize(MadeUp(), tasks(3), out)
    assert [r["FileName"] for r in rows(out / "FileList.csv")] == ["made001"]
    assert run_of(out)["complete"] is False
    room[0] = 1000
    assert synthesize(MadeUp(), tasks(3), out).counts["kept"] == 1
    synthesize(MadeUp(), tasks(3), tmp_path / "straight")
    assert without_root(contents(out)) == without_root(contents(tmp_path / "straight"))


def test_ctrl_c_leaves_what_is_done(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        synthesize(MadeUp(interrupted=(3,)), tasks(3), out)
    assert [r["FileName"] for r in rows(out / "FileList.csv")] == ["made001", "made002"]
    assert synthesize(MadeUp(), tasks(3), out).counts == {"made": 1, "kept": 2, "refused": 0, "failed": 0}


def test_a_stopped_run_leaves_no_file_that_no_table_tells_of(tmp_path):
    out = tmp_path / "out"

    def stop(finished):
        if finished.task.name == "made002":
            # What a worker leaves that is ended while it writes.
            (out / "Videos" / ".made009.0123abcd.tmp.avi").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(MadeUp(), tasks(30), out, workers=2, on_finished=stop)
    listed = [r["FileName"] for r in rows(out / "FileList.csv")]
    assert listed == ["made001", "made002"]
    assert sorted(p.stem for p in (out / "Videos").iterdir()) == listed
    assert len(list((out / "Masks").iterdir())) == len(list((out / "Curves").iterdir())) == 2


def test_two_runs_at_once(tmp_path):
    from contextlib import closing

    from lvef.core.journal import Journal

    out = tmp_path / "out"
    synthesize(MadeUp(), tasks(1), out)
    with (
        closing(Journal(out / JOURNAL_NAME)),
        pytest.raises(DataError, match="another run is writing"),
    ):
        synthesize(MadeUp(), tasks(2), out)


def test_a_worker_that_is_killed_is_reported_in_a_sentence(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataError, match="worker process was ended from outside"):
        synthesize(MadeUp(killed=(4,)), tasks(6), out, workers=2)
    assert synthesize(MadeUp(), tasks(6), out, workers=1).exit_code == 0
    assert len(rows(out / "FileList.csv")) == 6


RUN = """
import sys
from pathlib import Path
from lvef.stores.synthetic import synthesize
from tests.stores.synthetic_made_up import MadeUp, tasks
if __name__ == "__main__":
    synthesize(MadeUp(calls=sys.argv[2]), tasks(400), Path(sys.argv[1]), workers=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_run_goes_on_and_leaves_no_process(tmp_path):
    out, calls, script = tmp_path / "out", tmp_path / "calls", tmp_path / "run.py"
    script.write_text(RUN)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, str(script), str(out), str(calls)], env=environment, stdout=subprocess.PIPE
    )
    journal = out / JOURNAL_NAME
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    # The workers hold the same output: it ends with the last of them.
    process.communicate()
    workers = {int(line.split()[1]) for line in calls.read_text().splitlines()}
    assert workers
    assert not any(_alive(pid) for pid in workers)
    done = synthesize(MadeUp(), tasks(8), out)
    assert done.counts["kept"] >= 3
    assert not [p for p in out.rglob("*") if ".tmp" in p.name]
    listed = {r["FileName"] for r in rows(out / "FileList.csv")}
    assert {f"made{k:03d}" for k in range(1, 9)} <= listed


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
