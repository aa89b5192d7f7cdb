import os
import signal
from dataclasses import replace

import pytest

from lvef.service.pool import CANCELLED, ENDED_EARLY, Pool, QueuedTask, QueueFull, WorkerProcess
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Progress, Task
from tests.service.fakes import (
    BrokenWorker,
    ExitingWorker,
    FakeWorker,
    HungryWorker,
    ReportingWorker,
    WarmingWorker,
)
from tests.waiting import wait_until

SETTINGS = ServiceSettings(workers=1, threads=1, max_queue=2)


PATIENCE_S = 300
"""Only keeps a broken pool from hanging."""


class Bench:
    """A pool and files that tell its fakes what to do."""

    def __init__(self, folder, make=FakeWorker, **changes):
        self.folder, self.settings = folder, replace(SETTINGS, **changes)
        self.pool = Pool(make, self.settings, self.scratch)
        self.pool.start()

    def scratch(self, number):
        folder = self.folder / f"w{number}"
        folder.mkdir(exist_ok=True)
        return folder

    def queued_task(self, what):
        path = self.folder / f"{what.split()[0]}.avi"
        path.write_bytes(what.encode())
        values = {"input_kind": "clip", "paths": [str(path)], "names": [path.name], "options": {}}
        return QueuedTask(Task("measure", values))

    def do(self, what):
        queued_task = self.queued_task(what)
        self.pool.submit(queued_task)
        return queued_task

    def ready(self, n=1):
        wait_until(lambda: self.pool.ready == n)


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(*args, **changes):
        made.append(Bench(tmp_path, *args, **changes))
        return made[-1]

    yield make
    for one in made:
        one.pool.stop(0)


def test_a_task_is_done(bench):
    begun = []
    one = bench()
    queued_task = one.queued_task("ok")
    queued_task.on_start = lambda: begun.append(1)
    one.pool.submit(queued_task)
    reply = queued_task.reply.result(PATIENCE_S)
    assert (reply.status, reply.code) == ("ok", "")
    assert b'"ef_percent": 55.0' in reply.files["measurement.json"]
    assert begun == [1]


def test_crashes_and_bugs_end_alone(bench):
    one = bench(max_queue=9)
    tickets = {what: one.do(what) for what in ("crash", "exit", "bug", "ok")}
    codes = {what: queued_task.reply.result(PATIENCE_S).code for what, queued_task in tickets.items()}
    assert codes == {"crash": "worker_died", "exit": "worker_died", "bug": "bug", "ok": ""}
    assert one.pool.restarts == 2
    assert "secret" not in tickets["bug"].reply.result().message
    assert "fakes.py" in tickets["bug"].reply.result().message


def test_a_slow_file_ends_and_its_process_is_replaced(bench):
    one = bench(max_seconds=1)
    reply = one.do("sleep").reply.result(PATIENCE_S)
    assert reply.code == "too_slow"
    assert "1 seconds" in reply.message
    wait_until(lambda: one.pool.restarts == 1)
    one.ready()


def test_a_process_that_goes_while_idle_is_replaced(bench):
    one = bench()
    one.ready()
    os.kill(one.pool._workers[0].process.pid, signal.SIGKILL)
    wait_until(lambda: one.pool.restarts == 1)
    assert one.do("ok").reply.result(PATIENCE_S).status == "ok"


def test_the_queue_has_an_end_and_places(bench):
    one = bench()
    running = one.do("sleep")
    wait_until(lambda: running.started is not None)
    waiting = [one.do("ok"), one.do("ok")]
    with pytest.raises(QueueFull):
        one.do("ok")
    assert [one.pool.position(queued_task) for queued_task in (running, *waiting)] == [None, 1, 2]
    assert one.pool.waiting == 2
    one.pool.cancel(waiting[0])
    assert waiting[0].reply.result(PATIENCE_S) is CANCELLED
    first = one.queued_task("ok")
    one.pool.submit(first, first=True)
    assert [one.pool.position(queued_task) for queued_task in (first, waiting[1])] == [1, 2]
    one.pool.cancel(running)
    assert running.reply.result(PATIENCE_S) is CANCELLED
    assert waiting[1].reply.result(PATIENCE_S).status == "ok"


def test_stopping_gives_what_runs_its_time(bench, tmp_path):
    one = bench()
    running = one.do(f"until {tmp_path / 'go'}")
    wait_until(lambda: running.started is not None)
    waiting = one.do("ok")
    one.pool.begin_stop(PATIENCE_S)
    (tmp_path / "go").touch()
    assert waiting.reply.result(PATIENCE_S).code == "service_stopped"
    assert running.reply.result(PATIENCE_S).status == "ok"
    assert one.do("ok").reply.result(PATIENCE_S).code == "service_stopped"


def test_stopping_ends_what_takes_longer(bench):
    one = bench()
    running = one.do("sleep")
    wait_until(lambda: running.started is not None)
    process = one.pool._workers[0].process
    pid = process.pid
    one.pool.stop(0.2)
    assert running.reply.result(PATIENCE_S).code == "service_stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_processes_start_one_after_the_other(tmp_path):
    def scratch(number):
        folder = tmp_path / f"w{number}"
        folder.mkdir(exist_ok=True)
        started.append((number, pool.ready))
        return folder

    started = []
    pool = Pool(FakeWorker, replace(SETTINGS, workers=3), scratch)
    pool.start(one_by_one=True)
    wait_until(lambda: pool.ready == 3)
    # Each was started when all before it were ready.
    assert sorted(ready for _, ready in started) == [0, 1, 2]
    pool.stop(0)


def test_progress_comes_before_the_result(bench, tmp_path):
    one = bench(ReportingWorker)
    one.ready()
    gate = tmp_path / "gate"
    queued_task = one.queued_task(f"until {gate}")
    assert queued_task.progress is None
    one.pool.submit(queued_task)
    wait_until(lambda: queued_task.progress == Progress("tracing", 0.5))
    assert not queued_task.reply.done()
    gate.touch()
    assert queued_task.reply.result(PATIENCE_S).status == "ok"


def test_a_network_that_cannot_be_loaded_is_reported(bench):
    one = bench(BrokenWorker)
    wait_until(lambda: "install the weights again" in one.pool.trouble)
    assert one.pool.ready == 0
    queued_task = one.do("ok")
    one.pool.stop(0)
    assert queued_task.reply.result(PATIENCE_S).code == "service_stopped"


def test_want_of_memory_is_a_sentence(bench, capfd):
    one = bench(HungryWorker)
    wait_until(lambda: one.pool.trouble)
    assert one.pool.trouble.startswith("There is not enough memory to load the model")
    one.pool.stop(0)
    assert "Traceback" not in capfd.readouterr().err


def test_a_process_that_ends_before_it_is_ours_prints_nothing(bench, monkeypatch, capfd):
    monkeypatch.setattr("lvef.core.workers._CALL", "raise MemoryError")
    one = bench()
    wait_until(lambda: one.pool.trouble)
    assert one.pool.trouble == ENDED_EARLY
    one.pool.stop(0)
    assert capfd.readouterr().err == ""


def test_a_process_that_the_system_does_not_give_is_tried_again(bench, monkeypatch):
    refused = []

    def refuse_once(*args):
        if not refused:
            refused.append(args)
            raise BlockingIOError
        return WorkerProcess(*args)

    monkeypatch.setattr("lvef.service.pool.WorkerProcess", refuse_once)
    one = bench()
    assert one.do("ok").reply.result(PATIENCE_S).status == "ok"
    assert refused
    assert not one.pool.trouble


def test_a_process_that_cannot_start_is_tried_again_at_leisure(bench):
    one = bench(ExitingWorker)
    wait_until(lambda: one.pool.trouble)
    assert "ended while it started" in one.pool.trouble


def test_a_file_that_comes_during_the_warm_up_waits_and_is_measured(bench):
    one = bench(WarmingWorker)
    folder = one.scratch(0)
    wait_until((folder / "warming").exists)
    assert one.pool.ready == 1
    queued_task = one.do("ok")
    # It waits in the queue, where it can be cancelled and another process may take it.
    assert (one.pool.position(queued_task), queued_task.started, queued_task.progress) == (1, None, None)
    (folder / "go").touch()
    reply = queued_task.reply.result(PATIENCE_S)
    assert (reply.status, reply.code) == ("ok", "") and b'"ef_percent": 55.0' in reply.files[
        "measurement.json"
    ]
    assert queued_task.progress is None and one.pool.restarts == 0


def test_a_file_that_came_before_needs_no_warm_up(bench):
    one = bench(WarmingWorker)
    # Long before the process is there.
    assert one.do("ok").reply.result(PATIENCE_S).status == "ok"
    assert not (one.scratch(0) / "warming").exists()


def test_a_process_that_ends_in_its_warm_up_is_replaced_by_one_without(bench):
    one = bench(WarmingWorker)
    folder = one.scratch(0)
    wait_until((folder / "warming").exists)
    queued_task = one.do("ok")
    (folder / "crash").touch()
    assert queued_task.reply.result(PATIENCE_S).status == "ok"
    assert one.pool.restarts == 1
