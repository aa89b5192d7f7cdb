"""The page *Study*: the four- and the two-chamber clip together, for a biplane ejection fraction."""

from __future__ import annotations

from functools import partial

import streamlit as st

from lvef.measure.options import MeasureOptions
from lvef.webapp.correction_panel import current_answer
from lvef.webapp.layout import current_session, show_errors, show_heading, show_section
from lvef.webapp.measurement_view import show_answer, show_beats, show_warnings
from lvef.webapp.measuring import measure_study
from lvef.webapp.options_form import show_options_form
from lvef.webapp.phases import show_phases
from lvef.webapp.result import show_correction_and_downloads
from lvef.webapp.samples import phantom_study
from lvef.webapp.session import STUDY, SessionResult, SessionState, with_patient_data
from lvef.webapp.two_file_page import TwoFilePage, measure_two_files, show_result_heading
from lvef.webapp.uploads import CLIP_KINDS
from lvef.webapp.viewer import viewer

VIEWS = TwoFilePage(
    kind=STUDY,
    labels=("Four-chamber clip (A4C)", "Two-chamber clip (A2C)"),
    zones=("a4c-clip", "a2c-clip"),
    missing=("four-chamber clip", "two-chamber clip"),
    words=CLIP_KINDS,
    none_at_hand="No clips at hand?",
    sample_label="Both views of a synthetic phantom",
    sample_help="Two films of one phantom.",
    sample=phantom_study,
    measure=measure_study,
    title="Both views",
    forget_help="Takes both clips and the answer out of memory.",
)
"""What this page asks for."""


@show_errors
def page() -> None:
    """Draw the page."""
    session = current_session()
    show_heading(
        "Study",
        "Both apical views of one patient: a biplane ejection fraction, and that of each view beside it.",
    )
    entry, options = measure_two_files(VIEWS, session, partial(show_options_form, view=False))
    if entry is not None:
        _show(session, entry, options)


def _show(session: SessionState, entry: SessionResult, options: MeasureOptions) -> None:
    key = f"correct-{entry.number}"
    base = current_answer(entry.machine, options, key)
    answer = with_patient_data(base, options)
    show_result_heading(VIEWS, session, entry)
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_answer(answer.measurement, options, known_ef_percent=entry.known_ef_percent)
        show_warnings(answer.measurement)
    with right:
        for view, (m, clip) in answer.parts.items():
            if clip is not None and m.ed_frame is not None and any(m.tracings):
                show_phases(m, entry.shown(clip), names=(f"{view}, end-diastole", f"{view}, end-systole"))
    for view, (m, clip) in base.parts.items():
        show_section(view, m.source)
        if m.ef_percent is None:
            show_answer(m, options)
        elif clip is not None:
            viewer(
                m, entry.shown(clip), identity=f"{entry.number}-{view}", key=f"viewer-{entry.number}-{view}"
            )
            show_beats(m)
    show_correction_and_downloads(entry, base, options, key)
