"""Waiting for what another thread or process does, without a clock: no test depends on the machine's speed."""

from __future__ import annotations

import time
from collections.abc import Callable

POLLS = 6000
"""Looks before a test gives up. They only keep a broken program from hanging: a busy machine makes each pause longer."""


def wait_until(is_true: Callable[[], object], pause: Callable[[float], object] = time.sleep) -> None:
    """Wait until something holds.

    Args:
        is_true: Asked again and again.
        pause: Waits for so many seconds between two looks.
    """
    for _ in range(POLLS):
        if is_true():
            return
        pause(0.05)
    raise AssertionError("it did not come about")
