"""Taking files in: the drop zone, the progress while they are measured, and letting go of the upload afterwards."""

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
from lvef.measure.results import Result, no_answer
from lvef.webapp.measuring import ProgressCallback, Upload
from lvef.webapp.widget_keys import current_key, reset_widget

CLIP_KINDS = f"{CLIP_FORMATS}, also without a suffix"
"""What may be dropped as a clip."""

STILL_KINDS = f"{STILL_FORMATS}, or DICOM with one frame"
"""What may be dropped as a still."""

PROGRESS_INTERVAL_S = 0.1
"""Progress is sent no more often than this: each message costs a little."""

MEASURE_LIMIT_S = 600.0
"""Longest time for one measurement; a longer one is left behind, and its visitor told."""


def upload_widget(label: str, name: str, *, several: bool = False, words: str = "") -> list[Any]:
    """A place to drop files; empty again after `clear_uploads`.

    Args:
        label: What is wanted.
        name: Of the zone.
        several: Take several files.
        words: A hint.
    """
    found = st.file_uploader(label, accept_multiple_files=several, key=current_key(name), help=words or None)
    return list(found) if isinstance(found, list) else [found] if found is not None else []


def clear_uploads(name: str, uploads: Sequence[Any]) -> None:
    """Empty a drop zone, and take its files out of the server's memory."""
    context = get_script_run_ctx()
    for upload in uploads:
        if context is not None and hasattr(upload, "file_id"):
            context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    reset_widget(name)


def run_with_progress(work: Callable[[ProgressCallback], Result], title: str) -> Result:
    """Do something that tells where it is, under a bar that shows it.

    Args:
        work: Called with what to tell.
        title: Stands before what it tells.
    """
    bar = st.progress(0.0, text=title)
    told: tuple[str, float] | None = None
    slow = False
    gone = Event()

    def report(words: str, share: float) -> None:
        nonlocal told
        if gone.is_set():
            raise _VisitorLeft
        told = words, share

    def is_slow(_: str) -> None:
        nonlocal slow
        slow = True

    # In a thread of its own, because a decoder or an engine that is stuck would keep the visitor's script with it.
    pool = ThreadPool(1, limit_s=MEASURE_LIMIT_S, on_message=is_slow)
    try:
        measuring = pool.submit(lambda: work(report))
        shown = None
        while not pool.wait([measuring], PROGRESS_INTERVAL_S):
            if (now := (told, slow)) != shown and told is not None:
                shown, (words, share) = now, told
                text = f"{title}: {words}" + (" (this takes unusually long)" if slow else "")
                # Here Streamlit ends the script where the visitor has gone or has clicked on something else.
                bar.progress(min(max(share, 0.0), 1.0), text=text)
        return measuring.result()
    except TimeLimitExceeded as error:
        return Result(no_answer("", error, None), None)
    finally:
        gone.set()
        pool.close()
        bar.empty()


class _VisitorLeft(BaseException):
    """Nobody waits for this measurement any more. Not an error of the measurement, which would become an answer."""


def progress_title(uploads: Sequence[Upload], number: int) -> str:
    """What to call one of several files while it is measured."""
    name = escape_markdown(sanitize_name(uploads[number].name))
    return name if len(uploads) == 1 else f"{number + 1} of {len(uploads)}, {name}"


def escape_markdown(text: str) -> str:
    """Text as Markdown that shows it as it stands: a file's name must not become a link or a picture."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~$:])", r"\\\1", text)
