"""The session of a visitor: measured clips, kept in memory for that browser tab alone and deleted with it.

Streamlit ends the session of a closed tab only when another visitor comes by, and clears session-scoped caches at once, even
when a tab is away for a moment. So a monitor checks which tabs are open and ends the sessions of those that stay away: the
frames of a patient must not stay in memory.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any, TypeVar

import streamlit as st
from streamlit import runtime
from streamlit.runtime.fragment import FragmentStorage
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lvef.core.memory import release_free_memory
from lvef.core.records import Clip, Measurement
from lvef.core.workers import ThreadPool
from lvef.measure.options import MeasureOptions, ScaleLine
from lvef.measure.results import Result, with_volumes
from lvef.transforms.sector import hide_outside_sector
from lvef.webapp.settings import SESSION_TIMEOUT_S

T = TypeVar("T")

MAX_CLIPS = 6
"""Most clips of a session with frames; the frames of the oldest are dropped first, its numbers stay."""

MAX_RESULTS = 200
"""Most results of a session."""

MAX_PIXELS = 400_000_000
"""Most pixels (bytes) of all clips of a session, unless a single clip has more."""

VIDEO, STILLS, STUDY = "video", "stills", "study"
"""Kinds of results: the page they were measured on."""

VIDEO_LIMIT_S = 300.0
"""Longest time for rendering a video."""

_numbers = count(1)
_loop: asyncio.AbstractEventLoop | None = None
_fragments: dict[str, FragmentStorage] = {}


@dataclass(eq=False)
class SessionResult:
    """A measured clip, pair or study of a session.

    Attributes:
        name: Its name on the page.
        result: What the model measured.
        options: With which it was measured.
        kind: `VIDEO`, `STILLS` or `STUDY`.
        known_ef_percent: True EF, of phantoms only.
        cache: What `cached` made, by name.
        number: Unique in this process.
        upload_id: Streamlit's id of the upload, so that none is measured twice.
        frames_dropped: Whether its frames were dropped to make room.
        scale_line: Line of known length that the visitor drew, or None; see `MeasureOptions.scale_line`.
    """

    name: str
    result: Result
    options: MeasureOptions
    kind: str = VIDEO
    known_ef_percent: float | None = None
    cache: dict[str, Any] = field(default_factory=dict)
    number: int = field(default_factory=lambda: next(_numbers))
    upload_id: str = ""
    frames_dropped: bool = False
    scale_line: ScaleLine | None = None

    def options_with_scale(self, options: MeasureOptions) -> MeasureOptions:
        """The visitor's options with this clip's own scale."""
        return replace(options, scale_line=self.scale_line, prefer_manual_scale=self.scale_line is not None)

    @property
    def pixels(self) -> int:
        """Bytes of its frames."""
        clips = [self.result.clip, *(clip for _, clip in self.result.views.values())]
        return sum(clip.frames.nbytes for clip in clips if clip is not None)

    def masked(self, clip: Clip) -> Clip:
        """The clip as it may be shown: black outside the ultrasound sector. Every image is made from it."""
        return self.cached(f"masked {id(clip)}", lambda: hide_outside_sector(clip))

    def drop_frames(self) -> None:
        """Keep the numbers, and nothing that takes memory."""

        def thin(m: Measurement) -> Measurement:
            return replace(m, tracings=())

        parts = {view: (thin(m), None) for view, (m, _) in self.result.views.items()}
        self.result = Result(thin(self.result.measurement), None, parts)
        self.cache.clear()
        self.frames_dropped = True

    def cached(self, name: str, make: Callable[[], T], of: object = None) -> T:
        """What ``make`` returns, computed once.

        Args:
            name: Of the value.
            make: Computes it.
            of: What it is made of; for another object it is computed anew, and the old one dropped.
        """
        if name not in self.cache or self.cache[name][0] is not of:
            self.cache[name] = of, make()
        made: T = self.cache[name][1]
        return made


@dataclass(eq=False)
class SessionState:
    """All results of one visitor."""

    items: list[SessionResult] = field(default_factory=list)

    def add(self, item: SessionResult) -> list[str]:
        """Add a result, and make room where there are too many.

        Returns:
            Names of those whose frames were dropped; their numbers stay.
        """
        self.items.append(item)
        dropped = []
        full = [one for one in self.items if one.pixels]
        while len(full) > 1 and (len(full) > MAX_CLIPS or sum(one.pixels for one in full) > MAX_PIXELS):
            oldest = full.pop(0)
            oldest.drop_frames()
            dropped.append(oldest.name)
        del self.items[:-MAX_RESULTS]
        return dropped

    def clear(self) -> None:
        """Drop everything."""
        for item in self.items:
            item.cache.clear()
        self.items.clear()


def current_session() -> SessionState:
    """The state of this visitor's session: it lives and ends with the browser tab."""
    if "session" not in st.session_state:
        st.session_state["session"] = state = SessionState()
        context = get_script_run_ctx()
        if context is not None and runtime.exists():
            _fragments[context.session_id] = context.fragment_storage
            _session_monitor().watch(context.session_id, state)
    found: SessionState = st.session_state["session"]
    return found


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
def _session_monitor() -> SessionMonitor:
    return SessionMonitor(has_open_tab, on_close=end_session)


def has_open_tab(session_id: str) -> bool:
    """Whether a session has an open tab."""
    return runtime.exists() and runtime.get_instance().is_active_session(session_id)


def set_event_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Set the loop on which Streamlit runs: sessions may be ended there alone."""
    global _loop
    _loop = loop


def end_session(session_id: str) -> None:
    """End a session and free all that it holds: uploads, results, corrections."""
    if runtime.exists() and _loop is not None:
        _loop.call_soon_threadsafe(_end, session_id)


def _end(session_id: str) -> None:
    if has_open_tab(session_id):
        return
    runtime.get_instance().close_session(session_id)
    # Streamlit's loop keeps a reference to the last session and to its fragments with the clips that they show, and sessions
    # are reference cycles: without this, frames would stay in memory until the next visitor.
    _fragments.pop(session_id).clear()
    gc.collect()
    release_free_memory()


def with_patient_data(result: Result, options: MeasureOptions) -> Result:
    """A result with categories and indexed values for the sex, height and weight of these options."""

    def person(m: Measurement) -> Measurement:
        return m if m.ef_percent is None else with_volumes(m, m.ef_percent, m.edv_ml, m.esv_ml, options)

    parts = {view: (person(m), clip) for view, (m, clip) in result.views.items()}
    return Result(person(result.measurement), result.clip, parts)


@cache
def _video_threads() -> ThreadPool:
    return ThreadPool(1, limit_s=VIDEO_LIMIT_S)


def in_background(work: Callable[[], Any]) -> Future[Any]:
    """Do something in the background: videos are rendered one after the other, while the EF is already shown.

    Work that takes longer than `VIDEO_LIMIT_S` is abandoned; see `is_ready`.
    """
    return _video_threads().submit(work, "Video")


def is_ready(future: Future[Any], seconds: float | None = 0.0) -> bool:
    """Whether work of `in_background` has ended, or was abandoned.

    Args:
        future: Of the work.
        seconds: Time to wait for it; None for as long as it takes.
    """
    return future.done() or bool(_video_threads().wait([future], seconds))


def choose_result(label: str, items: Sequence[SessionResult], state_key: str) -> SessionResult:
    """A select box of results; the last one chosen, or the newest, is preselected.

    Args:
        label: Of the box.
        items: The results, at least one.
        state_key: Under this name the session holds the number of the chosen one.
    """
    by_number = {item.number: item for item in items}
    numbers = list(by_number)
    chosen = st.session_state.get(state_key)
    number = st.selectbox(
        label,
        numbers,
        index=numbers.index(chosen) if chosen in by_number else len(numbers) - 1,
        format_func=lambda number: by_number[number].name,
        width=420,
    )
    st.session_state[state_key] = number
    return by_number[number]
