import os
import sqlite3
import stat
from dataclasses import replace

import pytest

from lvef.core.errors import DataError
from lvef.service.store import MAX_UNFETCHED_S, STORE_NAME, JobRecord, ResultRecord, ResultStore, open_store

NOW = 1_700_000_000.0
"""The time of these tests, in seconds since 1970."""


@pytest.fixture
def store(tmp_path):
    made = open_store(tmp_path, 1.0, 8)
    yield made
    made.close()


def put(store, name, *, created=NOW, parent=None, root=None, files=None, clips=None, job=True):
    result = ResultRecord(name, root or name, parent, created, "{}")
    record = JobRecord(name, "s", "done", "a.avi", created, created, created, result=name) if job else None
    store.save_result(result, files or {"measurement.json": b"{}"}, clips or {}, record)
    return result


def test_what_is_put_in_comes_out(store):
    job = JobRecord("j", "s", "queued", "a.avi", 1.0)
    store.save_job(job)
    assert store.job("j") == job
    store.save_job(replace(job, state="running", started=2.0))
    assert store.job("j").started == 2.0
    result = put(store, "r", files={"a": b"1", "b/a": b"2"}, clips={"": b"3"}, job=False)
    assert store.result("r") == result
    assert store.file("r", "b/a") == b"2"
    assert store.files("r", ("a",)) == {"a": b"1", "b/a": b"2"}
    assert store.clips("r") == {"": b"3"}
    assert (store.names("r"), store.clip_parts("r")) == (["a", "b/a"], [""])
    assert store.job("x") is None
    assert store.result("x") is None
    assert store.file("r", "x") is None


def test_a_result_is_written_whole_or_not_at_all(store):
    put(store, "r", clips={"": b"3"})
    with pytest.raises(sqlite3.IntegrityError):
        # The second clip of that name fails after the result itself was written.
        put(store, "q", root="r", clips={"": b"4"})
    assert store.result("q") is None
    assert store.file("q", "measurement.json") is None


def test_the_file_is_private(store, tmp_path):
    assert stat.S_IMODE((tmp_path / STORE_NAME).stat().st_mode) == 0o600


def test_kept_over_a_restart(store, tmp_path):
    put(store, "r")
    store.close()
    again = open_store(tmp_path, 1.0, 8)
    assert again.result("r") is not None
    again.close()


def test_what_is_old_goes_and_leaves_no_trace_in_the_file(store, tmp_path):
    mark = b"SECRET" * 100
    put(store, "old", created=NOW - 3700, files={"a": mark}, clips={"": mark})
    put(store, "new", clips={"": b"n"})
    path = tmp_path / STORE_NAME
    found = [p for p in tmp_path.iterdir() if mark in p.read_bytes()]
    assert found, "the test sees what is in the files"
    assert store.delete_expired(NOW) == 1
    assert store.result("old") is None
    assert store.job("old") is None
    assert store.clips("old") == {}
    assert store.result("new") is not None
    assert store.clips("new") == {"": b"n"}
    assert not [p for p in tmp_path.iterdir() if mark[:12] in p.read_bytes()]
    assert path.stat().st_size < 100_000


def test_room_that_is_free_is_given_back(store, tmp_path):
    put(store, "r", clips={"": os.urandom(2_000_000)})
    assert store.size() > 2_000_000
    store.delete(["r"])
    assert store.size() < 200_000
    assert (tmp_path / STORE_NAME).stat().st_size < 200_000


def test_forgetting_takes_the_corrections_along(store):
    put(store, "r", clips={"": b"c"})
    put(store, "c1", root="r", parent="r", job=False)
    put(store, "other")
    assert store.corrections("r") == ["c1"]
    store.delete(["r"])
    assert store.result("c1") is None
    assert store.clips("r") == {}
    assert store.result("other") is not None


def test_a_result_can_be_deleted_alone(store):
    put(store, "r", clips={"": b"1"})
    put(store, "c", parent="r", root="r", files={"a": b"1"}, job=False)
    store.delete_result("c")
    assert store.result("c") is None and store.names("c") == [] and store.corrections("r") == []
    assert store.result("r") is not None and store.clip("r", "") == b"1" and store.clip("r", "A4C") is None


def test_a_clip_lives_as_long_as_a_correction_needs_it(store):
    put(store, "r", created=NOW - 3700, clips={"": b"c"})
    put(store, "c1", root="r", parent="r", job=False)
    store.delete_expired(NOW)
    assert store.result("r") is None
    assert store.clips("r") == {"": b"c"}


def test_where_there_is_no_room_images_go_first(tmp_path):
    store = ResultStore(tmp_path / "s", 3600.0, 3_000_000)
    for i in range(14):
        put(store, f"r{i:02}", created=NOW - 100 + i, clips={"": os.urandom(300_000)})
    store.delete_expired(NOW)
    assert store.size() <= 3_000_000
    assert store.count() == 14
    assert store.clips("r00") == {}
    assert store.clips("r13") != {}
    store.max_bytes = 10_000
    assert store.delete_expired(NOW) == 14
    store.close()


def test_an_image_of_a_result_that_is_gone_is_not_kept(store):
    store.add_file("gone", "overlay.mp4", b"x")
    assert store.file("gone", "overlay.mp4") is None
    put(store, "r")
    store.add_file("r", "overlay.mp4", b"x")
    assert store.file("r", "overlay.mp4") == b"x"


def test_jobs_of_dead_services_are_reported_as_stopped(store):
    for name, service, state in (
        ("a", "dead", "queued"),
        ("b", "dead", "running"),
        ("c", "alive", "running"),
    ):
        store.save_job(JobRecord(name, service, state, "x", 1.0))
    put(store, "d")
    assert store.fail_orphaned_jobs({"alive"}, "stopped") == 2
    assert [(store.job(n).state, store.job(n).code) for n in "abcd"] == [
        ("failed", "service_stopped"),
        ("failed", "service_stopped"),
        ("running", ""),
        ("done", ""),
    ]


def test_in_memory_nothing_is_written(tmp_path):
    store = open_store(tmp_path, 0.0, 10_000)
    put(store, "r", clips={"": b"c"})
    assert list(tmp_path.iterdir()) == []
    assert store.keep_s == MAX_UNFETCHED_S
    assert store.max_bytes < 10_000 * 2**20
    store.close()


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / STORE_NAME).write_bytes(b"hello" * 1000)
    with pytest.raises(DataError, match="move it away"):
        open_store(tmp_path, 1.0, 8)


def test_a_database_of_another_version(store, tmp_path):
    store.close()
    base = sqlite3.connect(tmp_path / STORE_NAME)
    base.execute("PRAGMA user_version = 99")
    base.close()
    with pytest.raises(DataError, match="another version"):
        open_store(tmp_path, 1.0, 8)
