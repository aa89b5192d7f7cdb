"""What one visitor has on the page: measured clips, kept in memory for that browser tab alone and let go with it.

Streamlit forgets a closed tab only when somebody else comes by. So a watchdog looks every few seconds which tabs are still
there and empties the benches of those that are not, so that the pictures of a patient do not stay in memory.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any, TypeVar

from lvef.core.records import Clip, Measurement
from lvef.core.workers import ThreadPool
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result, with_volumes
from lvef.transforms.sector import hide_outside_sector

T = TypeVar("T")

MAX_CLIPS = 6
"""Measured clips whose pictures a visitor may have at once; the oldest goes first, and its numbers stay."""

MAX_RESULTS = 200
"""Answers a visitor may have at once."""

MAX_PIXELS = 400_000_000
"""Most grey pixels (bytes) of all clips of one visitor, unless a single one has more."""

SESSION_TIMEOUT_S = 60.0
"""A tab that is away longer than this (a tablet that sleeps, a network that drops) is taken for closed."""

VIDEO, STILLS, STUDY = "video", "stills", "study"
"""Kinds of entries: the page they were measured on."""

VIDEO_LIMIT_S = 300.0
"""Longest time for drawing a film."""

_numbers = count(1)


@dataclass(eq=False)
class SessionResult:
    """One measured clip, pair or study.

    Attributes:
        name: What to call it on the page.
        machine: The network's own answer.
        options: Settings it was measured with.
        kind: `VIDEO`, `STILLS` or `STUDY`.
        known_ef_percent: True EF, of phantoms only.
        kept: Things made from it that take time, by name.
        number: Its own number, never given twice.
        upload_id: Streamlit's name of the upload, so that none is measured twice.
        thinned: Whether its pictures were let go to make room.
    """

    name: str
    machine: Result
    options: MeasureOptions
    kind: str = VIDEO
    known_ef_percent: float | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    number: int = field(default_factory=lambda: next(_numbers))
    upload_id: str = ""
    frames_dropped: bool = False

    @property
    def pixels(self) -> int:
        """Bytes of its frames."""
        clips = [self.machine.clip, *(clip for _, clip in self.machine.parts.values())]
        return sum(clip.frames.nbytes for clip in clips if clip is not None)

    def shown(self, clip: Clip) -> Clip:
        """The clip as it may be shown: black outside the ultrasound fan. Every picture comes from here."""
        return self.cached(f"shown {id(clip)}", lambda: hide_outside_sector(clip))

    def drop_frames(self) -> None:
        """Keep the numbers, and nothing that takes room."""

        def thin(m: Measurement) -> Measurement:
            return replace(m, tracings=())

        parts = {view: (thin(m), None) for view, (m, _) in self.machine.parts.items()}
        self.machine = Result(thin(self.machine.measurement), None, parts)
        self.kept.clear()
        self.frames_dropped = True

    def cached(self, name: str, make: Callable[[], T], of: object = None) -> T:
        """What ``make`` gives, made the first time it is asked for.

        Args:
            name: What to call it.
            make: Makes it.
            of: What it is made of: of another object it is made anew, and the old one let go.
        """
        if name not in self.kept or self.kept[name][0] is not of:
            self.kept[name] = of, make()
        made: T = self.kept[name][1]
        return made


@dataclass(eq=False)
class SessionState:
    """All entries of one visitor."""

    entries: list[SessionResult] = field(default_factory=list)

    def add(self, entry: SessionResult) -> list[str]:
        """Put an entry on the bench, and make room where there are too many.

        Returns:
            Names of those whose pictures had to go; their answers stay.
        """
        self.entries.append(entry)
        gone = []
        full = [e for e in self.entries if e.pixels]
        while len(full) > 1 and (len(full) > MAX_CLIPS or sum(e.pixels for e in full) > MAX_PIXELS):
            oldest = full.pop(0)
            oldest.drop_frames()
            gone.append(oldest.name)
        del self.entries[:-MAX_RESULTS]
        return gone

    def clear(self) -> None:
        """Let go of everything."""
        for entry in self.entries:
            entry.kept.clear()
        self.entries.clear()


def with_patient_data(answer: Result, options: MeasureOptions) -> Result:
    """An answer with classes and indices for the sex, height and weight of these options."""

    def person(m: Measurement) -> Measurement:
        return m if m.ef_percent is None else with_volumes(m, m.ef_percent, m.edv_ml, m.esv_ml, options)

    parts = {view: (person(m), clip) for view, (m, clip) in answer.parts.items()}
    return Result(person(answer.measurement), answer.clip, parts)


class SessionMonitor:
    """Clears the sessions of closed tabs.

    Args:
        is_open: Whether a session, by its id, has an open tab.
        timeout_s: How long a tab may be away.
        on_close: Called with the id of a session that was cleared.
    """

    def __init__(
        self,
        is_open: Callable[[str], bool],
        timeout_s: float = SESSION_TIMEOUT_S,
        on_close: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._is_open, self._timeout_s, self._on_close = is_open, timeout_s, on_close
        self._states: dict[str, weakref.ref[SessionState]] = {}
        self._last_seen: dict[str, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def watch(self, session_id: str, state: SessionState) -> None:
        """Watch a session; its state is cleared once its tab is closed."""
        with self._lock:
            self._states[session_id] = weakref.ref(state)
            self._last_seen[session_id] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="lvef-sessions")
                self._thread.start()

    def close(self) -> None:
        """End the thread; no session is cleared any more."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> list[str]:
        """Clear the sessions whose tabs are closed, and return their ids."""
        now, closed = time.monotonic(), []
        with self._lock:
            for session_id, reference in list(self._states.items()):
                state = reference()
                if state is not None and self._is_open(session_id):
                    self._last_seen[session_id] = now
                elif state is None or now - self._last_seen[session_id] >= self._timeout_s:
                    if state is not None:
                        state.clear()
                    closed.append(session_id)
                    del self._states[session_id], self._last_seen[session_id]
        for session_id in closed:
            self._on_close(session_id)
        return closed

    def _run(self) -> None:
        while not self._closed.wait(min(self._timeout_s / 4, 10.0)):
            self.check()


@cache
def _video_threads() -> ThreadPool:
    return ThreadPool(1, limit_s=VIDEO_LIMIT_S)


def in_background(work: Callable[[], Any]) -> Future[Any]:
    """Do something beside the page: films are drawn one after the other, while people already read the EF.

    Work that takes longer than `VIDEO_LIMIT_S` is given up; see `is_ready`.
    """
    return _video_threads().submit(work, "Film")


def is_ready(film: Future[Any], seconds: float | None = 0.0) -> bool:
    """Whether work of `in_background` has ended, or was given up.

    Args:
        film: Its future.
        seconds: Wait so long for it; None for as long as it takes.
    """
    return film.done() or bool(_video_threads().wait([film], seconds))
