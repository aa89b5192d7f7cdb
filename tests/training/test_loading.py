"""Processes that load: which signals they take, and what they import."""

from __future__ import annotations

import os
import signal
import sys
from threading import Timer

import pytest

pytest.importorskip("torch")

from lvef.core.errors import DataError
from lvef.training import loading
from lvef.training.loading import CaseDataset, OrderedSampler, loader, losses_named

pytestmark = pytest.mark.training

STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


class Reports(CaseDataset):
    """What the process that loads says of itself."""

    def __init__(self):
        super().__init__([])

    def __getitem__(self, draw):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []) if sys.platform != "win32" else ()
        return {
            "ignores": [signal.getsignal(number) == signal.SIG_IGN for number in STOPS],
            "can_be_ended": signal.SIGTERM not in blocked,
            "lightning": "lightning" in sys.modules,
        }


def test_a_loading_process_leaves_ctrl_c_to_the_first_one_and_starts_without_lightning():
    (said,) = loader(Reports(), OrderedSampler(1), 1, 1)
    assert [bool(value) for value in said["ignores"]] == [True] * len(STOPS)
    assert bool(said["can_be_ended"]) and not bool(said["lightning"])
    (own,) = loader(Reports(), OrderedSampler(1), 1, 0)
    # Without one, nothing changes: a shell's background job ignores Ctrl-C before it starts.
    here = [signal.getsignal(number) == signal.SIG_IGN for number in STOPS]
    assert [bool(value) for value in own["ignores"]] == here


class Ends(CaseDataset):
    """Ends the process that loads."""

    def __init__(self):
        super().__init__([])

    def __getitem__(self, draw):
        os._exit(1)


class Refuses(Ends):
    """Cannot read a file."""

    def __getitem__(self, draw):
        raise DataError("store/frames.u8: it is missing; make the store again.")


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
def test_a_stop_signal_that_ends_a_loading_process_first_is_a_stop(monkeypatch):
    monkeypatch.setattr(loading, "STOP_GRACE_S", 60.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = Timer(0.05, os.kill, [os.getpid(), signal.SIGINT])
    try:
        with pytest.raises(KeyboardInterrupt), losses_named():
            timer.start()
            raise RuntimeError("DataLoader worker (pid 5) is killed by signal: Terminated.")
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        (Ends(), "A worker process was ended from outside"),
        (Refuses(), r"^store/frames\.u8: it is missing; make"),
    ],
)
def test_what_happens_to_a_loading_process_is_one_sentence(cases, sentence):
    with pytest.raises(DataError, match=sentence) as met, losses_named():
        list(loader(cases, OrderedSampler(1), 1, 1))
    assert "\n" not in str(met.value)
