"""The one runner: no item stops another, earlier results are kept, a stop records what ends at once."""

from __future__ import annotations

import errno
import operator
import os
import threading
import time
from contextlib import closing
from functools import partial

import pytest

from lvef.core.errors import DataError, LvefError, OutputError
from lvef.core.journal import Journal, file_stamp
from lvef.core.runner import Finished, Progress, reason_of, run
from lvef.core.workers import is_abandoned


def failure(item, error):
    return f"{item}: {type(error).__name__}"


def double(item):
    if item == 2:
        raise ValueError("patient's name")
    return 2 * item


@pytest.mark.parametrize("options", [{}, {"workers": 3}, {"workers": 3, "ordered": False}])
def test_an_error_of_one_item_is_its_result(options):
    finished = run(range(5), double, on_error=failure, **options)
    assert [done.item for done in finished] == [0, 1, 2, 3, 4]
    assert [done.result for done in finished] == [0, 2, "2: ValueError", 6, 8]


def test_results_are_recorded_in_order_and_the_queue_stays_short():
    begun, recorded, ahead = [], [], []

    def work(i):
        begun.append(i)
        time.sleep(0.002 * (5 - i % 5))
        return i * i

    def record(i, square):
        recorded.append((i, square))
        ahead.append(len(begun) - i)

    run(range(40), work, on_error=failure, record=record, workers=3)
    assert recorded == [(i, i * i) for i in range(40)]
    assert max(ahead) <= 8


def test_a_stop_drops_what_has_not_begun():
    begun = []

    def stop(item, result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(range(100), begun.append, on_error=failure, record=stop)
    # One taken, one queued behind it, and the one that may have begun meanwhile.
    assert len(begun) <= 3


def test_a_stop_that_a_library_turns_into_an_error_ends_the_run():
    begun = []

    def work(item):
        begun.append(item)
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as stop:
            raise ImportError("no module") from stop

    with pytest.raises(KeyboardInterrupt):
        run(range(3), work, on_error=failure)
    assert len(begun) <= 2


def test_processes_give_the_same():
    finished = run([1, 2, 3], double, on_error=failure, workers=2, processes=True)
    assert [done.result for done in finished] == [2, "2: ValueError", 6]
    pids = run([0, 0], _pid, on_error=failure, workers=2, processes=True)
    assert os.getpid() not in {done.result for done in pids}
    assert run([0], _pid, on_error=failure, workers=2, processes=True)[0].result == os.getpid()


def _pid(item):
    return os.getpid()


def test_a_process_ended_from_outside_is_reported():
    with pytest.raises(DataError, match="--workers"):
        run([1, 1], os._exit, on_error=failure, workers=2, processes=True)


def test_an_output_that_cannot_be_written_ends_the_run():
    def work(item):
        raise OutputError("full")

    with pytest.raises(OutputError, match="full"):
        run(range(3), work, on_error=failure)


def test_results_are_recorded_in_order_and_progress_counts_all():
    recorded, counted, seen = [], [], []
    progress = Progress(start=counted.append, advance=lambda: counted.append(1))
    finished = run(
        range(4),
        double,
        on_error=failure,
        earlier=lambda item: {1: "kept", 3: "kept"}.get(item),
        record=lambda item, result: recorded.append((item, result)),
        on_finished=seen.append,
        progress=progress,
        workers=2,
    )
    assert recorded == [(0, 0), (2, "2: ValueError")]
    assert counted == [4, 1, 1, 1, 1]
    assert [done.item for done in seen] == [1, 3, 0, 2], "those of an earlier run first"
    assert [done.result for done in finished] == [0, "kept", "2: ValueError", "kept"]
    assert finished[1] == Finished(1, "kept", resumed=True)


def test_a_stopped_run_goes_on_from_its_journal(tmp_path):
    worked = []

    def resumable(stop_at=None):
        with closing(Journal(tmp_path / "finished.jsonl")) as journal:

            def work(item):
                if item == stop_at:
                    raise KeyboardInterrupt
                worked.append(item)
                return 2 * item

            def earlier(item):
                entry = journal.matching(str(item), "stamp", "settings")
                return None if entry is None else entry["record"]

            def record(item, result):
                values = {"item": str(item), "stamp": "stamp", "made_with": "settings", "record": result}
                journal.append(values)

            return run(range(1, 6), work, on_error=failure, earlier=earlier, record=record)

    with pytest.raises(KeyboardInterrupt):
        resumable(stop_at=3)
    assert worked[:2] == [1, 2]
    assert [done.result for done in resumable()] == [2, 4, 6, 8, 10]
    assert worked.count(1) == worked.count(2) == 1
    assert set(worked) == {1, 2, 3, 4, 5}


def test_a_stop_records_what_ends_at_once_and_abandons_the_rest(monkeypatch):
    monkeypatch.setattr("lvef.core.workers.GRACE_S", 0.05)
    begun, end, abandoned = threading.Event(), threading.Event(), []
    recorded = []

    def work(item):
        if item == "stuck":
            begun.set()
            end.wait(30)
            abandoned.append(is_abandoned())
        return item

    def stop(done):
        begun.wait(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            ["first", "stuck"],
            work,
            on_error=failure,
            record=lambda item, _: recorded.append(item),
            on_finished=stop,
            workers=2,
            ordered=False,
        )
    end.set()
    for thread in threading.enumerate():
        if thread.name == "lvef-worker":
            thread.join(10)
    assert recorded == ["first"]
    assert abandoned == [True]


def test_reason_of():
    lost = OSError(errno.ESTALE, "Stale file handle", "/share/a.avi")
    assert reason_of(lost, "a").startswith(
        "a: /share/a.avi: cannot be used (stale file handle). Check the disk"
    )
    assert reason_of(LvefError("Why."), "a.avi") == "Why."
    with pytest.raises(ZeroDivisionError) as met:
        operator.truediv(1, 0)
    assert "division" not in reason_of(met.value, "a.avi")
    assert reason_of(met.value, "a.avi").startswith("a.avi: lvef met an error")
    assert "not enough memory" in reason_of(MemoryError(), "a.avi")


def test_a_journal_on_a_full_disk_says_so_once_and_closes(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "finished.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with closing(Journal(path, exclusive=False)) as journal:
            journal.append({"item": "a"})
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, before[1]))
            with pytest.raises(OutputError, match="could not be written"):
                journal.append({"item": "b"})
            assert set(journal.entries) == {"a"}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with closing(Journal(path)) as journal:
        assert set(journal.entries) == {"a"}
        journal.append({"item": "b"})
    with closing(Journal(path)) as journal:
        assert set(journal.entries) == {"a", "b"}


def test_a_journal_keeps_the_latest_and_survives_a_torn_line(tmp_path):
    path = tmp_path / "finished.jsonl"
    with closing(Journal(path)) as journal:
        journal.append({"item": "a", "n": 1})
        journal.append({"item": "b", "n": 1}, sync=True)
        journal.append({"item": "a", "n": 2})
        journal.remove("b")
        with pytest.raises(OutputError, match="another run is writing"):
            Journal(path)
    with path.open("ab") as file:
        file.write(b'{"item": "torn')
    with closing(Journal(path)) as journal:
        assert journal.entries == {"a": {"item": "a", "n": 2}}
        journal.append({"item": "c"})
    with closing(Journal(path)) as journal:
        assert set(journal.entries) == {"a", "c"}


def test_a_shared_journal_is_made_with_its_first_entry(tmp_path):
    path = tmp_path / "finished.jsonl"
    open_both = partial(Journal, path, key="key", exclusive=False)
    with closing(open_both()) as one, closing(open_both()) as two:
        assert not path.exists()
        one.append({"key": "a"})
        two.append({"key": "b"})
    with closing(open_both()) as journal:
        assert set(journal.entries) == {"a", "b"}


def test_file_stamp(tmp_path):
    file = tmp_path / "a.avi"
    assert file_stamp([file]) == ""
    file.write_bytes(b"x")
    before = file_stamp([file, None])
    assert before == file_stamp([file])
    file.write_bytes(b"xy")
    assert file_stamp([file]) != before
    (tmp_path / "b.avi").write_bytes(b"x")
    assert len(file_stamp([tmp_path])) == 64, "that of a folder counts all its files"
