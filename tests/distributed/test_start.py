"""The start of a connection, without Ray: what it leaves as it was."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from lvef.core.errors import DataError
from lvef.core.workers import THREAD_VARIABLES
from lvef.distributed import cluster, pool
from lvef.distributed.cluster import _start
from lvef.distributed.pool import PoolOptions, Worker
from lvef.distributed.storage import CLIP_PREFIX


def ray_that(starts):
    """As much of Ray as its start needs; its own handler of SIGTERM would end this test."""
    utils = SimpleNamespace(set_sigterm_handler=lambda handler: signal.signal(signal.SIGTERM, handler))

    def init(**_):
        utils.set_sigterm_handler(lambda *_: pytest.fail("Ray's handler"))
        starts()

    return SimpleNamespace(init=init, _private=SimpleNamespace(utils=utils))


@pytest.fixture
def calls():
    """What this program's handler of SIGTERM was called with."""
    found = []
    before = signal.signal(signal.SIGTERM, lambda number, _: found.append(number))
    yield found
    signal.signal(signal.SIGTERM, before)


def test_handlers_of_stop_signals_stay_those_of_the_program(calls):
    own = signal.getsignal(signal.SIGTERM)
    ray = ray_that(lambda: signal.signal(signal.SIGTERM, lambda *_: None))
    setter = ray._private.utils.set_sigterm_handler
    _start(ray, {"address": "local"})
    assert signal.getsignal(signal.SIGTERM) is own
    assert ray._private.utils.set_sigterm_handler is setter
    assert not calls


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
def test_a_stop_signal_that_another_thread_gets_while_ray_starts_takes_effect_after_it(calls):
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    during = []

    def starts():
        signal.pthread_kill(thread.ident, signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.001)
        during.extend(calls)

    try:
        _start(ray_that(starts), {"address": "local"})
    finally:
        done.set()
        thread.join()
    assert (during, calls) == ([], [signal.SIGTERM])


def test_a_stop_while_ray_starts_ends_the_cluster():
    def starts():
        raise KeyboardInterrupt

    ended = []
    ray = ray_that(starts)
    ray.shutdown = lambda: ended.append(True)
    with pytest.raises(KeyboardInterrupt):
        _start(ray, {"address": "local"})
    assert ended == [True]


@pytest.mark.parametrize("end", ["silent", "wrong"])
def test_what_listens_and_is_no_cluster_is_one_sentence(end, monkeypatch):
    pytest.importorskip("ray", reason="needs what make ray-env installs")
    asked = []

    def run(words, *, timeout, **_):
        asked.append(words[-1])
        if end == "silent":
            raise subprocess.TimeoutExpired(words, timeout)
        raise subprocess.CalledProcessError(1, words)

    monkeypatch.setattr(cluster.subprocess, "run", run)
    monkeypatch.setattr(cluster, "_start", lambda *_: pytest.fail("Ray waits for minutes"))
    with socket.create_server(("127.0.0.1", 0)) as peer:
        address = f"127.0.0.1:{peer.getsockname()[1]}"
        with (
            pytest.raises(DataError, match=f"No Ray cluster answers at {address}"),
            cluster.connected(address),
        ):
            pass
    assert asked == [address]


HOLDING = "data = bytearray(300_000_000); print('held', flush=True); import time; time.sleep(100)"

WORKING = f"""
import subprocess, sys, threading
from lvef.distributed.pool import _end_above, resident_bytes
before = resident_bytes()
child = subprocess.Popen([sys.executable, "-c", {HOLDING!r}], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, resident_bytes() - before > 250_000_000, flush=True)
_end_above(before + 200_000_000)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_memory_of_a_worker_is_that_of_its_decoder_too_and_both_end_above_the_limit():
    with subprocess.Popen([sys.executable, "-c", WORKING], stdout=subprocess.PIPE, text=True) as worker:
        child, grew = worker.stdout.readline().split()
        assert grew == "True"
        assert worker.wait() == 1
    # It is gone, or dead until its parent's parent looks.
    stat = Path(f"/proc/{child}/stat")
    for _ in range(500):
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.01)
    else:
        pytest.fail("the decoder goes on")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_worker_runs_in_the_folder_of_the_command_where_its_node_has_it(is_there, tmp_path, monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "7")
    (tmp_path / "node").mkdir()
    (tmp_path / "command").mkdir()
    (tmp_path / "command" / "clip.avi").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "node")
    Worker(1, 0, str(tmp_path / ("command" if is_there else "elsewhere")))
    assert Path("clip.avi").exists() == is_there
    assert {os.environ[name] for name in THREAD_VARIABLES} == {"1"}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks of folders there")
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, DataError])
def test_a_command_removes_the_clips_of_its_workers_once_they_are_ended(error, tmp_path, monkeypatch):
    clip = tmp_path / f"{CLIP_PREFIX}1" / "clip.avi"
    seen = []

    @contextmanager
    def connected(*_, **__):
        try:
            yield None
        finally:
            # Until here the workers are not ended yet, and this is what one leaves.
            seen.append("ended")
            clip.parent.mkdir()
            clip.write_bytes(b"a patient")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(pool, "connected", connected)
    monkeypatch.setattr(
        pool, "RayPool", lambda *_, **__: SimpleNamespace(close=lambda: seen.append("closed"))
    )
    if error is None:
        with pool.ray_pool(PoolOptions("local")):
            pass
    else:
        with pytest.raises(error), pool.ray_pool(PoolOptions("local")):
            raise error("stop")
    assert seen == ["closed", "ended"]
    assert not list(tmp_path.iterdir())
