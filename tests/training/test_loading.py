"""Processes that load: which signals they take, and what they import."""

from __future__ import annotations

import signal
import sys

import pytest

pytest.importorskip("torch")

from lvef.training.loading import CaseDataset, OrderedSampler, loader

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
    assert not any(bool(value) for value in own["ignores"])
