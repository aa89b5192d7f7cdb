"""The page *Video*: clips in, ejection fractions out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from lvef.core.wording import category_lines, cut_off_text, ef_text, ml_text, reason_text, status_text
from lvef.io.uploads import sanitize_name
from lvef.measure.options import MeasureOptions
from lvef.webapp import samples
from lvef.webapp.layout import current_session, show_errors, show_heading, show_section
from lvef.webapp.measurement_view import table
from lvef.webapp.measuring import Upload, measure_again, measure_upload
from lvef.webapp.options_form import same_measurement, show_options_form
from lvef.webapp.result import show_result
from lvef.webapp.samples import Sample
from lvef.webapp.session import VIDEO, SessionResult, SessionState, with_patient_data
from lvef.webapp.uploads import (
    CLIP_KINDS,
    clear_uploads,
    escape_markdown,
    progress_title,
    run_with_progress,
    upload_widget,
)

ZONE = "clips"
"""Name of the drop zone."""

CHOSEN = "video-chosen"
"""Under this name the session holds the number of the entry that is looked at."""


@show_errors
def page() -> None:
    """Draw the page."""
    session = current_session()
    show_heading(
        "Video",
        "Drop an apical echo clip. The left ventricle is outlined on every frame and the ejection fraction measured.",
    )
    uploads = upload_widget(f"Clips: {CLIP_KINDS}", ZONE, several=True)
    sample = _samples()
    options = show_options_form()
    if uploads:
        done = {entry.upload_id for entry in session.entries}
        for number in range(len(uploads)):
            if uploads[number].file_id in done:
                # Measured before somebody clicked on something and the run began anew.
                continue
            _measure(session, uploads[number], options, progress_title(uploads, number))
        clear_uploads(ZONE, uploads)
        st.rerun()
    if sample is not None:
        with st.spinner("Making the sample ..."):
            made = sample()
        _measure(session, made.upload, options, escape_markdown(made.upload.name), made.known_ef_percent)
        st.rerun()
    entry = _chosen(session, options)
    if entry is not None:
        show_result(_up_to_date(session, entry, options), options)


def _samples() -> Callable[[], Sample] | None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<p class="lvef-lead">No clip at hand?</p>', width="content")
        if st.button(
            "Real echo", key="sample-cine", help="An apical four-chamber cine that comes with pydicom."
        ):
            return samples.cine
        if st.button(
            "Synthetic phantom, EF known", key="sample-phantom", help="A phantom: its true EF stands beside."
        ):
            return samples.phantom
    return None


def _measure(
    session: SessionState,
    upload: Upload,
    options: MeasureOptions,
    title: str,
    known_ef_percent: float | None = None,
) -> None:
    answer = run_with_progress(lambda report: measure_upload(upload, options, report), title)
    entry = SessionResult(
        sanitize_name(upload.name),
        answer,
        options,
        VIDEO,
        known_ef_percent,
        upload_id=getattr(upload, "file_id", ""),
    )
    gone = session.add(entry)
    if gone:
        st.toast(f"Pictures let go to make room: {escape_markdown(', '.join(gone))}.")
    st.session_state[CHOSEN] = entry.number


def _chosen(session: SessionState, options: MeasureOptions) -> SessionResult | None:
    entries = [entry for entry in session.entries if entry.kind == VIDEO]
    if not entries:
        return None
    if len(entries) > 1:
        show_section("Results")
        st.html(results_table(entries, options))
    numbers = [entry.number for entry in entries]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(entries) > 1:
            kept = st.session_state.get(CHOSEN)
            number = st.selectbox(
                "Look at",
                numbers,
                index=numbers.index(kept) if kept in numbers else len(numbers) - 1,
                format_func=lambda n: next(e.name for e in entries if e.number == n),
                width=420,
            )
            st.session_state[CHOSEN] = number
        else:
            number = numbers[0]
            st.html(f'<h2 class="lvef-section">{_escaped(entries[0].name)}</h2>')
        if st.button("Forget all", key="forget", help="Takes all clips and answers out of memory."):
            session.clear()
            st.rerun()
    return next(entry for entry in entries if entry.number == number)


def results_table(entries: Sequence[SessionResult], options: MeasureOptions) -> str:
    """All results in one table, those without an EF with their reason."""
    rows = []
    for entry in entries:
        m = with_patient_data(entry.machine, options).measurement
        classes = dict(category_lines(m.categories))
        rows.append(
            (
                [
                    entry.name,
                    ef_text(m.ef_percent),
                    ml_text(m.edv_ml),
                    ml_text(m.esv_ml),
                    classes.get("Heart-failure range", "-"),
                    status_text(m)
                    if m.ef_percent is not None
                    else "; ".join(filter(None, (reason_text(m), cut_off_text(m)))),
                ],
                "lvef-out" if m.ef_percent is None else "",
            )
        )
    return table(
        ["File", "EF", "EDV", "ESV", "Heart-failure range", "What stands behind it"], rows, "Results"
    )


def _up_to_date(session: SessionState, entry: SessionResult, options: MeasureOptions) -> SessionResult:
    """The entry, measured anew where network, view or frame rate were changed since."""
    if same_measurement(entry.options, options) or entry.machine.clip is None:
        return entry
    answer = run_with_progress(
        lambda report: measure_again(entry.machine, options, report), escape_markdown(entry.name)
    )
    fresh = SessionResult(entry.name, answer, options, VIDEO, entry.known_ef_percent)
    session.entries[session.entries.index(entry)] = fresh
    st.session_state[CHOSEN] = fresh.number
    return fresh


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)
