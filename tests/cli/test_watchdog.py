"""Ctrl-C ends a command in any state, also where no Python code comes by any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from lvef.cli import watchdog
from lvef.core.workers import GRACE_S
from tests.faults.processes import end_all, session

# `CDLL` lets go of the interpreter's lock for a call, `PyDLL` keeps it. A mutex that is locked twice is waited for for ever,
# and no signal ends the wait.
COMMAND = """
import ctypes, sys, time
import click
from lvef.cli import main as cli
from lvef.core.runner import run

def stuck(library):
    mutex = ctypes.create_string_buffer(256)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)

def say(words):
    print(words, flush=True)

def work(item):
    if where == "python":
        say("stuck")
        while True:
            time.sleep(0.01)
    say("stuck")
    stuck(ctypes.PyDLL(None) if where.endswith("locked") else ctypes.CDLL(None))

@click.command()
def batch():
    if where.startswith("main"):
        work(0)
    run(range(3), work, on_error=print)

where = sys.argv.pop()
cli.VERBS["batch"] = ("__main__", "batch", "")
cli.main()
"""

HEEDS_SIGNALS = (
    "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
)
"""Under nohup, or started in the background by a script, the tests ignore these signals, and so do their children."""

STATES = {
    "python": 130,
    "native": 130,
    "native-locked": -signal.SIGKILL,
    "main-native": -signal.SIGKILL,
    "main-native-locked": -signal.SIGKILL,
}
"""Where a batch is stuck, and the exit code: 130 where Python itself could end it."""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stop_signal_to_all_processes_ends_a_batch_as_ctrl_c_does(number, code):
    with subprocess.Popen(
        [sys.executable, "-c", HEEDS_SIGNALS + COMMAND, "batch", "python"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout.readline() == "stuck\n"
            os.killpg(process.pid, number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code
    assert said.startswith("lvef: stopped. Finished files stay")
    assert said.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_that_is_ignored_stays_so(monkeypatch):
    from lvef.cli import main as cli

    before = [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)]
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        cli._obey_stop_signals()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == cli._stop
    finally:
        for number, handler in zip((signal.SIGHUP, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_a_batch_wherever_it_is_stuck():
    started = {
        state: subprocess.Popen(
            [sys.executable, "-c", HEEDS_SIGNALS + COMMAND, "batch", state],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for state in STATES
    }
    try:
        for process in started.values():
            assert process.stdout.readline() == "stuck\n"
            process.send_signal(signal.SIGINT)
        for state, process in started.items():
            # Its stderr ends when the process that looked after it is gone, too.
            _, said = process.communicate(timeout=60)
            # The signal may come between the word and the call that is stuck; then Python itself ends the batch.
            assert process.returncode in (STATES[state], 130), state
            assert "lvef: stopped" in said
            assert "Traceback" not in said
            assert "the same command resumes" in said
    finally:
        for process in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_a_batch_gives_up_waiting_before_it_is_ended_and_both_are_within_two_seconds():
    assert GRACE_S < watchdog.BATCH_EXIT_S < 2


class Looked(Exception):
    """The process was ended."""


@pytest.fixture
def look(monkeypatch):
    """Look after a process: what comes through the pipe at each look, each a beat's time after the last."""

    def run(comes, *, server=False, stopped=False):
        said, clock, left = [], [0.0], iter(comes)
        came = [b""]

        def select(*_):
            clock[0] += watchdog.HEARTBEAT_S
            came[0] = next(left, None)
            return ([0] if came[0] != b"" else [], [], [])

        def end(process, words):
            said.append(words)
            raise Looked

        # In the watchdog's own sight alone: other threads of the process that runs the tests need the real clock.
        fakes = {
            "select": {"select": select},
            "time": {"monotonic": lambda: clock[0]},
            "os": {"read": lambda *_: came[0] or b""},
            "signal": {"signal": lambda *_: None, "pthread_sigmask": lambda *_: None},
        }
        for name, changed in fakes.items():
            seen = SimpleNamespace(**vars(getattr(watchdog, name)) | changed)
            monkeypatch.setattr(watchdog, name, seen)
        monkeypatch.setattr(watchdog, "_is_parent", lambda _: True)
        monkeypatch.setattr(watchdog, "_is_stopped", lambda _: stopped)
        monkeypatch.setattr(watchdog, "_print_line", said.append)
        monkeypatch.setattr(watchdog, "_end", end)
        try:
            watchdog.main(1, server)
            return said, False
        except Looked:
            return said, True

    return run


BEAT, INTERRUPT = b".", bytes([signal.SIGINT])


def test_who_beats_is_left_in_peace(look):
    assert look([BEAT] * 1000) == ([], False)


def test_who_no_longer_beats_is_named_then_ended(look):
    assert look([BEAT] + [b""] * 90) == (
        ["has not moved for 60 s: it is stuck in native code. Ctrl-C ends it."],
        False,
    )
    said, ended = look([BEAT] + [b""] * 400)
    assert ended
    assert len(said) == 2


def test_who_was_stopped_on_purpose_is_left_in_peace(look):
    assert look([b""] * 1000, stopped=True) == ([], False)


def test_a_server_that_beats_ends_in_its_own_time_and_one_that_does_not_is_ended(look):
    assert look([INTERRUPT, *[BEAT] * 60], server=True) == ([], False)
    assert look([INTERRUPT, *[b""] * 60], server=True)[1]
    assert look([INTERRUPT, *[BEAT] * 60])[1], "a batch is ended though it beats"


FAMILY = """
import subprocess, sys, time
sleeping = "import sys, time; time.sleep(100)"
child = (
    "import subprocess, sys, time;"
    "print(subprocess.Popen([sys.executable, '-c', sys.argv[2], *sys.argv[1:]]).pid, flush=True);"
    "time.sleep(100)"
)
subprocess.Popen([sys.executable, "-c", child, "/site-packages/" + "ray/raylet", sleeping])
subprocess.Popen([sys.executable, "-c", sleeping, "other"])
time.sleep(100)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_processes_of_ray_that_a_command_leaves_are_ended_and_no_others():
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, watchdog.MARK: "own"},
    ) as command:
        grandchild = int(command.stdout.readline())
        try:
            # Linux shows no command line for a moment after a program has been started, and while it ends.
            family = wait_for(lambda: watchdog.ray_processes(command.pid, {}), lambda found: len(found) == 2)
            assert grandchild in family and command.pid not in family
            wait_for(lambda: last_words(command.pid), lambda words: "other" in words)
            command.kill()
            command.wait()
            # Nothing leads from the command to them any more.
            assert watchdog.ray_processes(command.pid, {}) == {}
            # An id that is used again is another process.
            assert watchdog.ray_processes(command.pid, dict.fromkeys(family, b"1")) == {}
            # Nor does the mark of another command; its own does, where nothing was noted before.
            assert watchdog.ray_processes(command.pid, {}, "other") == {}
            assert watchdog.ray_processes(command.pid, {}, "own") == family
            watchdog._end_family(command.pid, {}, "own")
            assert watchdog.ray_processes(command.pid, family) == {}
            wait_for(lambda: last_words(command.pid), lambda words: words == ["other"])
        finally:
            end_all(command.pid)


def wait_for(look, is_right, tries=3000):
    for _ in range(tries):
        if is_right(found := look()):
            return found
        time.sleep(0.01)
    raise AssertionError(found)


def last_words(leader):
    return ["".join(line.split()[-1:]) for line in session(leader).values()]
