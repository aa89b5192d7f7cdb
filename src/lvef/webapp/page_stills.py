"""The page *ED / ES images*: two stills of one view in, traced outlines and an ejection fraction out."""

from __future__ import annotations

from functools import partial

import streamlit as st

from lvef.measure.options import MeasureOptions
from lvef.webapp.correction_panel import current_answer
from lvef.webapp.layout import current_session, show_errors, show_heading
from lvef.webapp.measurement_view import show_answer, show_warnings
from lvef.webapp.measuring import measure_pair
from lvef.webapp.options_form import show_options_form
from lvef.webapp.phases import show_phases
from lvef.webapp.result import show_correction_and_downloads
from lvef.webapp.samples import phantom_stills
from lvef.webapp.session import STILLS, SessionResult, SessionState, with_patient_data
from lvef.webapp.two_file_page import TwoFilePage, measure_two_files, show_result_heading
from lvef.webapp.uploads import STILL_KINDS

PAIR = TwoFilePage(
    kind=STILLS,
    labels=("End-diastole (ED)", "End-systole (ES)"),
    zones=("ed-still", "es-still"),
    missing=("end-diastolic still", "end-systolic still"),
    words=STILL_KINDS,
    none_at_hand="No stills at hand?",
    sample_label="Stills of a synthetic phantom",
    sample_help="ED and ES of a phantom.",
    sample=phantom_stills,
    measure=measure_pair,
    title="Outlining both stills",
    forget_help="Takes both stills and the answer out of memory.",
)
"""What this page asks for."""


@show_errors
def page() -> None:
    """Draw the page."""
    session = current_session()
    show_heading(
        "ED / ES images",
        "Two stills of the same apical view and depth: one at end-diastole, one at end-systole.",
    )
    entry, options = measure_two_files(PAIR, session, partial(show_options_form, clock=False))
    if entry is not None:
        _show(session, entry, options)


def _show(session: SessionState, entry: SessionResult, options: MeasureOptions) -> None:
    key = f"correct-{entry.number}"
    base = current_answer(entry.machine, options, key)
    m, clip = with_patient_data(base, options).measurement, base.clip
    show_result_heading(PAIR, session, entry)
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_answer(m, options, known_ef_percent=entry.known_ef_percent)
        show_warnings(m)
    with right:
        if clip is not None and any(m.tracings):
            show_phases(m, entry.shown(clip))
    show_correction_and_downloads(entry, base, options, key)
