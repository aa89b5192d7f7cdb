"""The start of a connection, without Ray: what it leaves as it was."""

from __future__ import annotations

import signal
from types import SimpleNamespace

from lvef.distributed.cluster import _start


def test_handlers_of_stop_signals_stay_those_of_the_program():
    def init(**_):
        signal.signal(signal.SIGTERM, lambda *_: None)

    def own(*_):
        pass

    before = signal.signal(signal.SIGTERM, own)
    try:
        _start(SimpleNamespace(init=init), {"address": "local"})
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
