"""Work in threads: in order, named where it takes long, left behind where it is stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import spawn
from pathlib import Path
from types import SimpleNamespace

import pytest

from lvef.core import workers
from lvef.core.workers import ProcessPool, ThreadPool, TimeLimitExceeded, has_abandoned_work, quiet_starts


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


@pytest.mark.skipif(sys.platform == "win32", reason="pipes by number")
def test_a_worker_whose_parent_is_killed_while_it_starts_says_nothing():
    reading, writing = os.pipe()
    with quiet_starts():
        words = spawn.get_command_line(tracker_fd=0, pipe_handle=reading)
    os.close(writing)
    done = subprocess.run(words, pass_fds=[reading], capture_output=True, text=True, timeout=300)
    os.close(reading)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert "EOFError" not in str(spawn.get_command_line(tracker_fd=0, pipe_handle=reading))


LEFT = """
import os
from multiprocessing import get_context
from lvef.core.workers import start_resource_tracker
start_resource_tracker()
left = get_context("spawn").Semaphore()
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX semaphores")
def test_what_a_command_that_is_ended_leaves_is_removed_in_silence():
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


POOLED = """
from multiprocessing import resource_tracker
from pathlib import Path
from lvef.core.workers import ProcessPool
if __name__ == "__main__":
    with ProcessPool(1):
        print(Path(f"/proc/{resource_tracker._resource_tracker._pid}/status").read_text())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_closed_terminal_does_not_end_the_resource_tracker_of_a_pool():
    done = subprocess.run([sys.executable, "-c", POOLED], capture_output=True, text=True, timeout=300)
    blocked = int(done.stdout.partition("SigBlk:")[2].split()[0], 16)
    assert blocked >> (signal.SIGHUP - 1) & 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_no_stop_signal_reaches_a_worker_that_starts():
    with ProcessPool(2) as pool:
        work = [pool.submit(partial(time.sleep, 0.1)) for _ in range(4)]
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in pool._pool._processes]
        assert sum(len(pool.wait([future])) for future in work) == 4
    for status in statuses:
        blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            assert blocked >> (number - 1) & 1, status


@pytest.mark.parametrize(
    ("met", "is_said"),
    [
        ("MemoryError()", False),
        ("ImportError('x.so: failed to map segment')", False),
        ("ImportError('x')", True),
    ],
)
def test_a_worker_that_finds_no_memory_while_it_starts_says_nothing(met, is_said):
    code = workers._QUIET.format(f"raise {met}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, "Traceback" in done.stderr, bool(done.stderr)) == (1, is_said, is_said)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_an_idle_worker_that_is_killed_with_a_lock_does_not_hold_up_the_end(number):
    # One of two idle workers reads the queue and holds its lock; the other waits for the lock and ignores SIGTERM.
    def block():
        with ProcessPool(2) as pool:
            for future in [pool.submit(partial(time.sleep, 1)) for _ in range(4)]:
                future.result()
            os.kill(list(pool._pool._processes)[number], signal.SIGKILL)
            # As where the last result is there already: an exception that leaves the block kills the workers.
            with pytest.raises(BrokenProcessPool):
                pool.submit(partial(time.sleep, 60)).result()

    thread = threading.Thread(target=block, daemon=True)
    thread.start()
    thread.join(120)
    assert not thread.is_alive()
