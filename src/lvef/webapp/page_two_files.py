"""The pages *ED / ES images* and *Study*: two files in, one ejection fraction out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from lvef.io.uploads import sanitize_name
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.webapp.correction_panel import current_result
from lvef.webapp.layout import show_element, show_errors, show_heading, show_section
from lvef.webapp.measurement_view import show_beats, show_ef, show_quality, show_warnings
from lvef.webapp.measuring import ProgressCallback, Upload, measure_pair, measure_study
from lvef.webapp.options_form import show_options_form
from lvef.webapp.result import show_correction_and_downloads
from lvef.webapp.samples import Sample, phantom_stills, phantom_study
from lvef.webapp.session import (
    STILLS,
    STUDY,
    SessionResult,
    SessionState,
    current_session,
    with_patient_data,
)
from lvef.webapp.viewer import show_phases, viewer
from lvef.webapp.widgets import CLIP_KINDS, STILL_KINDS, clear_uploads, run_with_progress, upload_widget


@dataclass(frozen=True, slots=True)
class TwoFilePage:
    """What a page asks for, and how it measures it.

    Attributes:
        kind: Kind of its results in the session.
        labels: Of the upload widgets.
        zones: Names of the upload widgets.
        missing: What each of them takes, as in "Now the ...".
        formats: What may be uploaded.
        sample_lead: Stands before the button of the sample.
        sample_label: On that button.
        sample_help: What the sample is.
        sample: Makes it.
        measure: Measures both files.
        progress_title: Stands above the progress bar.
        forget_help: What the button that deletes does.
    """

    kind: str
    labels: tuple[str, str]
    zones: tuple[str, str]
    missing: tuple[str, str]
    formats: str
    sample_lead: str
    sample_label: str
    sample_help: str
    sample: Callable[[], tuple[Sample, Sample]]
    measure: Callable[[Upload, Upload, MeasureOptions, ProgressCallback], Result]
    progress_title: str
    forget_help: str


PAIR = TwoFilePage(
    kind=STILLS,
    labels=("End-diastole (ED)", "End-systole (ES)"),
    zones=("ed-still", "es-still"),
    missing=("end-diastolic still", "end-systolic still"),
    formats=STILL_KINDS,
    sample_lead="No stills to hand?",
    sample_label="Stills of a synthetic phantom",
    sample_help="ED and ES of a phantom.",
    sample=phantom_stills,
    measure=measure_pair,
    progress_title="Tracing both stills",
    forget_help="Deletes both stills and the result from memory.",
)
"""The page *ED / ES images*."""

VIEWS = TwoFilePage(
    kind=STUDY,
    labels=("Four-chamber clip (A4C)", "Two-chamber clip (A2C)"),
    zones=("a4c-clip", "a2c-clip"),
    missing=("four-chamber clip", "two-chamber clip"),
    formats=CLIP_KINDS,
    sample_lead="No clips to hand?",
    sample_label="Both views of a synthetic phantom",
    sample_help="Two clips of one phantom.",
    sample=phantom_study,
    measure=measure_study,
    progress_title="Both views",
    forget_help="Deletes both clips and the result from memory.",
)
"""The page *Study*."""


@show_errors
def stills_page() -> None:
    """Draw the page *ED / ES images*."""
    show_heading(
        "ED / ES images",
        "Two stills of the same apical view and depth: one at end-diastole, one at end-systole.",
    )
    found = _measure_two_files(PAIR, current_session(), partial(show_options_form, clock=False))
    if found is None:
        return
    item, options, base = found
    m, clip = with_patient_data(base, options).measurement, base.clip
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_ef(m, options, key=f"{item.number}", known_ef_percent=item.known_ef_percent)
        show_warnings(m)
        show_quality(m, f"{item.number}")
    with right:
        if clip is not None and any(m.tracings):
            show_phases(m, item.masked(clip))
    show_correction_and_downloads(item, base, options)


@show_errors
def study_page() -> None:
    """Draw the page *Study*."""
    show_heading(
        "Study",
        "Both apical views of one patient: a biplane ejection fraction, and that of each view.",
    )
    found = _measure_two_files(VIEWS, current_session(), partial(show_options_form, view=False))
    if found is None:
        return
    item, options, base = found
    result = with_patient_data(base, options)
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_ef(result.measurement, options, key=f"{item.number}", known_ef_percent=item.known_ef_percent)
        show_warnings(result.measurement)
    with right:
        for view, (m, clip) in result.views.items():
            if clip is not None and m.ed_frame is not None and any(m.tracings):
                show_phases(m, item.masked(clip), names=(f"{view}, end-diastole", f"{view}, end-systole"))
    for view, (m, clip) in base.views.items():
        show_section(view, m.source)
        if m.ef_percent is None:
            show_ef(m, options, key=f"{item.number}-{view}")
        elif clip is not None:
            identity = f"{item.number}-{view}"
            viewer(m, item.masked(clip), identity=identity, key=f"viewer-{identity}")
            show_beats(m)
        show_quality(m, f"{item.number}-{view}")
    show_correction_and_downloads(item, base, options)


def _measure_two_files(
    page: TwoFilePage, session: SessionState, show_form: Callable[[], MeasureOptions]
) -> tuple[SessionResult, MeasureOptions, Result] | None:
    """Take two files and measure them.

    Args:
        page: What it asks for.
        session: The visitor's.
        show_form: Shows the options, below the upload widgets.

    Returns:
        The newest result of this page, the options, and the result as corrected; None where there is none.
    """
    given = []
    for column, label, zone in zip(st.columns(2, gap="medium"), page.labels, page.zones, strict=True):
        with column:
            given.append(upload_widget(label, zone, formats=page.formats))
    first, second = given
    with st.container(horizontal=True, vertical_alignment="center"):
        show_element("lead", page.sample_lead, width="content")
        wants_sample = st.button(page.sample_label, key=f"sample-{page.kind}", help=page.sample_help)
    options = show_form()
    if first and second:
        _add_measured(page, session, (first[0], second[0]), options)
        for zone, uploads in zip(page.zones, given, strict=True):
            clear_uploads(zone, uploads)
        st.rerun()
    if wants_sample:
        with st.spinner("Generating the phantom ..."):
            one, other = page.sample()
        _add_measured(page, session, (one.upload, other.upload), options, one.known_ef_percent)
        st.rerun()
    if first or second:
        show_element("lead", f"Now the {page.missing[1 if first else 0]}.")
    item = next((one for one in reversed(session.items) if one.kind == page.kind), None)
    if item is None:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show_section(item.name)
        if st.button("Forget", key=f"forget-{page.kind}", help=page.forget_help):
            session.items.remove(item)
            st.rerun()
    return item, options, current_result(item, options)


def _add_measured(
    page: TwoFilePage,
    session: SessionState,
    files: tuple[Upload, Upload],
    options: MeasureOptions,
    known_ef_percent: float | None = None,
) -> None:
    result = run_with_progress(lambda report: page.measure(*files, options, report), page.progress_title)
    session.items[:] = [item for item in session.items if item.kind != page.kind]
    name = " + ".join(sanitize_name(file.name) for file in files)
    session.add(SessionResult(name, result, options, page.kind, known_ef_percent))
