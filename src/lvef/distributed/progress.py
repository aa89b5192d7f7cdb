"""One display for a whole job: clips a second, time left, refused and failed."""

from __future__ import annotations

import time
from collections import Counter, deque

from lvef.core.runner import Progress

SHOW_S = 1.0
"""How often the display changes."""


WINDOW_S = 120.0
"""The speed is that of so many last seconds."""


class JobProgress:
    """Counts what is done and shows it through progress callbacks.

    Args:
        progress: Its ``state`` gets the words, at most once in `SHOW_S`.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._total = 0
        self._counts: Counter[str] = Counter()
        self._resumed = 0
        self._recent: deque[float] = deque()
        self._shown = float("-inf")

    def start(self, total: int) -> None:
        """Begin with so many clips."""
        self._total = total
        self._recent.append(time.monotonic())
        self._progress.start(total)

    def add(self, status: str, *, resumed: bool = False) -> None:
        """Count a clip."""
        now = time.monotonic()
        self._counts[status] += 1
        self._resumed += resumed
        if not resumed:
            self._recent.append(now)
        while self._recent and self._recent[0] < now - WINDOW_S:
            self._recent.popleft()
        if now - self._shown >= SHOW_S:
            self._shown = now
            self._progress.state(self.words(now))

    def words(self, now: float) -> str:
        """The display.

        Args:
            now: Seconds on the monotonic clock.
        """
        done = sum(self._counts.values())
        seconds = now - self._recent[0] if self._recent else 0.0
        rate = (len(self._recent) - 1) / seconds if seconds > 0 else 0.0
        parts = [f"{done} of {self._total} clips"]
        if rate > 0:
            parts.append(f"{rate:.3g} clips/s")
            parts.append(f"{_duration((self._total - done) / rate)} left")
        parts += [f"{self._counts[name]} {name}" for name in ("refused", "failed") if self._counts[name]]
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
