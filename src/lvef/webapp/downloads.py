"""The files a visitor may take along; what takes time is made only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

import streamlit as st

from lvef.core.records import Clip, Measurement
from lvef.measure.results import Result
from lvef.measure.serializers import (
    BEATS_NAME,
    CURVE_NAME,
    MEASUREMENT_NAME,
    beats_csv,
    curve_csv,
    measurement_json,
)
from lvef.report.outputs import OVERLAY_NAME, REPORT_HTML_NAME, REPORT_PDF_NAME, report_html, report_pdf
from lvef.webapp.film import render_video, render_video_in_background
from lvef.webapp.session import SessionResult, is_ready

Data = str | bytes | Callable[[], str | bytes]


def show_downloads(entry: SessionResult, answer: Result, base: Measurement, key: str) -> None:
    """Buttons for all files of an answer.

    Args:
        entry: What was measured.
        answer: As it stands, with classes.
        base: The measurement before classes were put on: its film does not depend on them.
        key: Beginning of the widgets' keys.
    """
    m = answer.measurement
    shown = Result(
        m,
        None if answer.clip is None else entry.shown(answer.clip),
        {
            view: (part, None if clip is None else entry.shown(clip))
            for view, (part, clip) in answer.parts.items()
        },
    )
    files: list[tuple[str, str, str, Data]] = [
        ("Report, PDF", REPORT_PDF_NAME, "application/pdf", lambda: report_pdf(shown)),
        ("Report, HTML", REPORT_HTML_NAME, "text/html", lambda: report_html(shown)),
        ("All numbers, JSON", MEASUREMENT_NAME, "application/json", measurement_json(m)),
    ]
    for view, (part, _) in answer.parts.items():
        files.append(
            (f"{view}, JSON", f"{view}-{MEASUREMENT_NAME}", "application/json", measurement_json(part))
        )
    if m.curve is not None:
        files.append(("Volume curve, CSV", CURVE_NAME, "text/csv", curve_csv(m)))
        files.append(("Beats, CSV", BEATS_NAME, "text/csv", beats_csv(m)))
    clip = answer.clip
    if clip is not None and m.ef_percent is not None and len(clip.frames) > 2:
        files.append(("Film, MP4", OVERLAY_NAME, "video/mp4", lambda: _film(entry, base, clip)))
    stem = PurePosixPath(entry.name).stem or "echo"
    with st.container(horizontal=True):
        for label, name, mime, data in files:
            st.download_button(
                label, data, file_name=f"{stem}-{name}", mime=mime, on_click="ignore", key=f"{key}-{name}"
            )


def _film(entry: SessionResult, base: Measurement, clip: Clip) -> bytes:
    if base is entry.machine.measurement:
        film = render_video_in_background(entry, base, clip)
        is_ready(film, None)
        return film.result() or b""
    return render_video(base, entry.shown(clip)) or b""
