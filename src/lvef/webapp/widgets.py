"""Upload widgets, the progress bar of a measurement, and keys of widgets that are replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lvef.core.workers import ThreadPool, TimeLimitExceeded
from lvef.io.formats import CLIP_FORMATS, STILL_FORMATS
from lvef.io.uploads import sanitize_name
from lvef.measure.results import Result, failed_measurement
from lvef.webapp.measuring import ProgressCallback, Upload

CLIP_KINDS = f"{CLIP_FORMATS}, also without a suffix"
"""What may be uploaded as a clip."""

STILL_KINDS = f"{STILL_FORMATS}, or DICOM with one frame"
"""What may be uploaded as a still."""

PROGRESS_INTERVAL_S = 0.1
"""Shortest interval of progress messages."""

MEASURE_LIMIT_S = 600.0
"""Longest time for one measurement; a longer one is abandoned with a message."""


def upload_widget(label: str, name: str, *, several: bool = False, formats: str = "") -> list[Any]:
    """A widget to upload files; empty again after `clear_uploads`.

    Args:
        label: What is wanted.
        name: Of the widget.
        several: Take several files.
        formats: Shown as help.
    """
    found = st.file_uploader(
        label, accept_multiple_files=several, key=current_key(name), help=formats or None
    )
    return list(found) if isinstance(found, list) else [found] if found is not None else []


def clear_uploads(name: str, uploads: Sequence[Any]) -> None:
    """Empty an upload widget, and remove its files from the server's memory."""
    context = get_script_run_ctx()
    for upload in uploads:
        if context is not None and hasattr(upload, "file_id"):
            context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    reset_widget(name)


def run_with_progress(work: Callable[[ProgressCallback], Result], title: str) -> Result:
    """Do something under a progress bar.

    Args:
        work: Called with a progress callback.
        title: Stands before its messages.
    """
    bar = st.progress(0.0, text=title)
    progress: tuple[str, float] | None = None
    slow = False
    gone = Event()

    def report(message: str, share: float) -> None:
        nonlocal progress
        if gone.is_set():
            raise _VisitorLeft
        progress = message, share

    def is_slow(_: str) -> None:
        nonlocal slow
        slow = True

    # In a thread of its own, because a decoder or an engine that hangs would block the script of the visitor.
    pool = ThreadPool(1, limit_s=MEASURE_LIMIT_S, on_message=is_slow)
    try:
        measuring = pool.submit(lambda: work(report))
        shown = None
        while not pool.wait([measuring], PROGRESS_INTERVAL_S):
            if (now := (progress, slow)) != shown and progress is not None:
                shown, (message, share) = now, progress
                text = f"{title}: {message}" + (" (this takes unusually long)" if slow else "")
                # Here Streamlit ends the script if the visitor has left or has clicked on something else.
                bar.progress(min(max(share, 0.0), 1.0), text=text)
        return measuring.result()
    except TimeLimitExceeded as error:
        return Result(failed_measurement("", error, None), None)
    finally:
        gone.set()
        pool.close()
        bar.empty()


class _VisitorLeft(BaseException):
    """This measurement is no longer wanted. Not an `Exception`, which would become a failed result."""


def progress_title(uploads: Sequence[Upload], number: int) -> str:
    """Title of the progress bar of one of several files."""
    name = escape_markdown(sanitize_name(uploads[number].name))
    return name if len(uploads) == 1 else f"{number + 1} of {len(uploads)}, {name}"


def escape_markdown(text: str) -> str:
    """Text with Markdown escaped: a file's name must not become a link or an image."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~$:])", r"\\\1", text)


def current_key(name: str) -> str:
    """The key of a widget until `reset_widget` replaces it.

    Args:
        name: Of the widget, on the page.
    """
    return f"{name}-{st.session_state.setdefault(_counter(name), 0)}"


def reset_widget(name: str) -> None:
    """Replace a widget by a new one, empty or with its default, from the next run on.

    Args:
        name: As given to `current_key`.
    """
    st.session_state[_counter(name)] = st.session_state.get(_counter(name), 0) + 1


def key_for_value(name: str, value: Any) -> str:  # noqa: ANN401
    """The key of a widget that shows a value; the value must be its default too.

    Undo or a loaded file changes such a value too. A browser sends the values of all widgets with each message. A message
    sent before the last run arrived holds old values, which would be taken for the visitor's input. So a widget whose
    value was changed by anything but itself is replaced, and the value of the old one is ignored. The new value is a
    default and not set in the session state, because a browser that receives two runs at once draws the last alone.

    Args:
        name: Of the widget, on the page.
        value: What it is to show.

    Returns:
        The key as long as the widget shows that value, so that input stays; else a new one.
    """
    key = current_key(name)
    if key in st.session_state and st.session_state[key] != value:
        reset_widget(name)
    return current_key(name)


def is_current_key(name: str, key: str) -> bool:
    """Whether a widget is still the one on the page.

    Args:
        name: As given to `key_for_value`.
        key: As it was returned.
    """
    return key == current_key(name)


def _counter(name: str) -> str:
    return f"{name}-turn"
