"""Signs of progress while a file is decoded, which tell the caller a slow file from one that hangs."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def listen(listener: Callable[[], None]) -> None:
    """Have a function called at each sign of progress in this process."""
    _listeners.append(listener)


def note_progress() -> None:
    """Say that a part of a file was read: a packet, a frame, a file of a folder."""
    for listener in _listeners:
        listener()
