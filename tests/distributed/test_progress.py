from types import SimpleNamespace

from lvef.core.runner import Progress
from lvef.distributed import archive as module
from lvef.distributed.archive import JobProgress


def test_speed_time_left_and_counts(monkeypatch):
    clock = iter([100.0, 101.0, 102.0, 103.0, 104.0])
    # The clock of this module alone: other threads of the tests read that of the process.
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    seen = []
    job = JobProgress(Progress(state=seen.append))
    job.start(10)
    for status in ("ok", "refused", "failed", "ok"):
        job.add(status)
    assert seen[-1] == "4 of 10 clips, 1 clips/s, 6 s left, 1 refused, 1 failed"


def test_clips_of_an_earlier_run_are_no_speed(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 4.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    seen = []
    job = JobProgress(Progress(state=seen.append))
    job.start(5)
    job.add("ok", resumed=True)
    job.add("ok", resumed=True)
    job.add("ok")
    assert seen[-1] == "3 of 5 clips, 0.25 clips/s, 8 s left"
