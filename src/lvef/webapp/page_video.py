"""The page *Video*: clips in, ejection fractions out."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lvef.core.wording import (
    category_lines,
    cut_off_text,
    decision_badge,
    ef_interval_text,
    ml_text,
    reason_text,
    status_text,
)
from lvef.io.uploads import sanitize_name
from lvef.measure.options import MeasureOptions
from lvef.webapp.layout import show_errors, show_heading, show_section, show_table
from lvef.webapp.measuring import Upload, measure_again, measure_upload
from lvef.webapp.options_form import same_measurement, show_options_form
from lvef.webapp.result import show_result
from lvef.webapp.samples import show_sample_buttons
from lvef.webapp.session import (
    VIDEO,
    SessionResult,
    SessionState,
    choose_result,
    current_session,
    with_patient_data,
)
from lvef.webapp.widgets import (
    CLIP_KINDS,
    clear_uploads,
    escape_markdown,
    progress_title,
    run_with_progress,
    upload_widget,
)

ZONE = "clips"
"""Name of the upload widget."""

CHOSEN = "video-chosen"
"""Under this name the session holds the number of the chosen result."""


@show_errors
def page() -> None:
    """Draw the page."""
    session = current_session()
    show_heading(
        "Video",
        "Upload an apical echo clip. The left ventricle is traced on every frame and the ejection fraction measured.",
    )
    uploads = upload_widget(f"Clips: {CLIP_KINDS}", ZONE, several=True)
    sample = show_sample_buttons("sample")
    options = show_options_form()
    if uploads:
        done = {item.upload_id for item in session.items}
        for number, upload in enumerate(uploads):
            # An upload that is done already was measured before a click started this run.
            if upload.file_id not in done:
                _measure(session, upload, options, progress_title(uploads, number))
        clear_uploads(ZONE, uploads)
        st.rerun()
    if sample is not None:
        title = escape_markdown(sample.upload.name)
        _measure(session, sample.upload, options, title, sample.known_ef_percent)
        st.rerun()
    item = _chosen(session, options)
    if item is not None:
        show_result(_up_to_date(session, item, options), options)


def _measure(
    session: SessionState,
    upload: Upload,
    options: MeasureOptions,
    title: str,
    known_ef_percent: float | None = None,
) -> None:
    result = run_with_progress(lambda report: measure_upload(upload, options, report), title)
    name, upload_id = sanitize_name(upload.name), getattr(upload, "file_id", "")
    item = SessionResult(name, result, options, VIDEO, known_ef_percent, upload_id=upload_id)
    dropped = session.add(item)
    if dropped:
        st.toast(f"Frames removed from memory to make room: {escape_markdown(', '.join(dropped))}.")
    st.session_state[CHOSEN] = item.number


def _chosen(session: SessionState, options: MeasureOptions) -> SessionResult | None:
    items = [item for item in session.items if item.kind == VIDEO]
    if not items:
        return None
    if len(items) > 1:
        show_section("Results")
        _show_results(items, options)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(items) > 1:
            item = choose_result("Show", items, CHOSEN)
        else:
            item = items[0]
            show_section(item.name)
        if st.button("Forget all", key="forget", help="Deletes all clips and results from memory."):
            session.clear()
            st.rerun()
    return item


def _show_results(items: Sequence[SessionResult], options: MeasureOptions) -> None:
    """All results in one table, those without an EF with their reason."""
    rows = []
    for item in items:
        m = with_patient_data(item.result, options).measurement
        is_measured = m.ef_percent is not None
        reason = "; ".join(filter(None, (reason_text(m), cut_off_text(m))))
        cells = [
            item.name,
            ef_interval_text(m),
            decision_badge(m)[0] or "-",
            ml_text(m.edv_ml),
            ml_text(m.esv_ml),
            dict(category_lines(m.categories)).get("Heart-failure range", "-"),
            status_text(m) if is_measured else reason,
        ]
        rows.append((cells, "" if is_measured else "lvef-out"))
    show_table(["File", "EF", "Decision", "EDV", "ESV", "Heart-failure range", "Basis"], rows, "Results")


def _up_to_date(session: SessionState, item: SessionResult, options: MeasureOptions) -> SessionResult:
    """The result, measured again where model, view, frame rate or scale were changed since."""
    options = item.options_with_scale(options)
    if same_measurement(item.options, options) or item.result.clip is None:
        return item
    result = run_with_progress(
        lambda report: measure_again(item.result, options, report), escape_markdown(item.name)
    )
    fresh = SessionResult(item.name, result, options, VIDEO, item.known_ef_percent)
    fresh.scale_line = item.scale_line
    session.items[session.items.index(item)] = fresh
    st.session_state[CHOSEN] = fresh.number
    return fresh
