"""Work in threads: in order, named where it takes long, left behind where it is stuck."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from lvef.core.workers import ThreadPool, TimeLimitExceeded, has_abandoned_work


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("lvef.core.workers._POLL_S", 0.005)
    monkeypatch.setattr("lvef.core.workers.GRACE_S", 0.02)


@pytest.fixture
def stuck():
    """Work that does not end before the test does."""
    end = threading.Event()
    yield lambda: end.wait(30)
    end.set()


def test_work_that_takes_long_is_named_and_again_after_twice_the_time(stuck, monkeypatch):
    monkeypatch.setattr("lvef.core.workers.SLOW_S", 0.01)
    said = []
    with pytest.raises(KeyboardInterrupt), ThreadPool(1, on_message=said.append) as pool:
        future = pool.submit(stuck, "clip.avi")
        while len(said) < 3:
            pool.wait([future], 0.01)
        raise KeyboardInterrupt
    assert all(sentence.startswith("clip.avi: ") for sentence in said)
    assert len(said) < 12, "0.01, 0.02, 0.04 s ..."


def test_stuck_work_is_left_behind_and_another_thread_takes_over(stuck, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("lvef.core.workers.time", SimpleNamespace(monotonic=lambda: clock[0]))

    def takes_ten_seconds():
        clock[0] += 10
        stuck()

    with ThreadPool(1, limit_s=5) as pool:
        first, second = pool.submit(takes_ten_seconds, "clip.avi"), pool.submit(lambda: "done")
        while not first.done():
            pool.wait([first])
        assert pool.wait([second]) == {second}
    assert second.result() == "done"
    with pytest.raises(TimeLimitExceeded, match=r"clip\.avi: took longer than 5 s and was given up"):
        first.result()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_stop_waits_for_nothing_that_is_stuck(stuck, error):
    begun = []
    with pytest.raises(error), ThreadPool(1) as pool:
        running, waiting = pool.submit(stuck), pool.submit(lambda: begun.append(1))
        while not running.running():
            time.sleep(0.001)
        raise error
    assert not running.done()
    assert waiting.cancelled()
    assert not begun


def test_another_error_waits_for_what_runs():
    ended = threading.Event()

    def work():
        time.sleep(0.1)
        ended.set()

    with pytest.raises(ValueError, match="full"), ThreadPool(1) as pool:
        future = pool.submit(work)
        while not future.running():
            time.sleep(0.001)
        raise ValueError("full")
    assert ended.is_set()


def test_abandoned_work_is_known_until_its_thread_ends(monkeypatch):
    end, clock = threading.Event(), [0.0]
    monkeypatch.setattr("lvef.core.workers.time", SimpleNamespace(monotonic=lambda: clock[0]))

    def stuck():
        clock[0] += 10
        end.wait(30)

    with ThreadPool(1, limit_s=5) as pool:
        future = pool.submit(stuck)
        while not future.done():
            pool.wait([future])
    assert has_abandoned_work()
    end.set()
    while has_abandoned_work():
        time.sleep(0.001)


TRACKED = """
import os, signal, sys, time
from lvef.core.workers import start_resource_tracker
from multiprocessing import resource_tracker
signal.signal(signal.SIGHUP, signal.SIG_IGN)
start_resource_tracker()
os.killpg(0, signal.SIGHUP)
resource_tracker.register("/x", "semaphore")
resource_tracker.unregister("/x", "semaphore")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_closed_terminal_does_not_end_the_resource_tracker():
    done = subprocess.run(
        [sys.executable, "-c", TRACKED], capture_output=True, text=True, start_new_session=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
