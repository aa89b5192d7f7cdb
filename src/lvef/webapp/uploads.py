"""Upload widgets, the progress while a file is measured, and removal of the upload afterwards."""

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
from lvef.webapp.widget_keys import current_key, reset_widget

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
    """Nobody waits for this measurement any more. Not an `Exception`, which would become a failed result."""


def progress_title(uploads: Sequence[Upload], number: int) -> str:
    """Title of the progress bar of one of several files."""
    name = escape_markdown(sanitize_name(uploads[number].name))
    return name if len(uploads) == 1 else f"{number + 1} of {len(uploads)}, {name}"


def escape_markdown(text: str) -> str:
    """Text with Markdown escaped: a file's name must not become a link or an image."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~$:])", r"\\\1", text)
