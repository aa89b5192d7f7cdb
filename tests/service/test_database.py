import sqlite3

import pytest

from lvef.service.database import delete_anyway, open_database
from lvef.service.store import JobRecord, ResultRecord, open_store
from tests.full_disk import FullDisk


@pytest.fixture
def store(tmp_path):
    """A store with one result of each of three seconds, whose disk is full."""
    made = open_store(tmp_path, 1.0, 8)
    for i in range(3):
        job = JobRecord(f"r{i}", "s", "done", "a.avi", i, i, i)
        made.save_result(ResultRecord(f"r{i}", f"r{i}", None, i, "{}"), {"a": b"1" * 10_000}, {"": b"2"}, job)
    made._base = FullDisk(made._base)
    yield made
    made.close()


def test_results_are_deleted_on_a_full_disk(store):
    with pytest.raises(sqlite3.OperationalError):
        store.save_job(JobRecord("x", "s", "queued", "a.avi", 1.0))
    size = store.size()
    store.delete(["r1"])
    assert store.count() == 2 and store.job("r1") is None and store.clip_parts("r1") == []
    assert store.size() < size and store._base.mode == "wal"
    store.delete_result("r2")
    assert store.delete_expired(3602.0) == 1 and store.count() == 0


def test_other_errors_are_errors(tmp_path):
    base = open_database(tmp_path / "a.sqlite", "CREATE TABLE IF NOT EXISTS a (b TEXT)", 1)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        delete_anyway(base, lambda: base.execute("DELETE FROM c"))
    base.close()
