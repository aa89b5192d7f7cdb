"""What the pages have in common that take two files and give one answer: two drop zones, a sample, the answer of before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from lvef.io.uploads import sanitize_name
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.webapp.layout import show_section
from lvef.webapp.measuring import ProgressCallback, Upload
from lvef.webapp.samples import Sample
from lvef.webapp.session import SessionResult, SessionState
from lvef.webapp.uploads import clear_uploads, run_with_progress, upload_widget


@dataclass(frozen=True, slots=True)
class TwoFilePage:
    """What such a page asks for, and what it does with it."""

    kind: str
    """Kind of its entries on the bench."""
    labels: tuple[str, str]
    """Over the drop zones."""
    zones: tuple[str, str]
    """Their names."""
    missing: tuple[str, str]
    """What each holds, as in "Now the ... "."""
    words: str
    """What may be dropped."""
    none_at_hand: str
    """Before the button with the sample."""
    sample_label: str
    """On it."""
    sample_help: str
    """What the sample is."""
    sample: Callable[[], tuple[Sample, Sample]]
    """Makes it."""
    measure: Callable[[Upload, Upload, MeasureOptions, ProgressCallback], Result]
    """Measures both."""
    title: str
    """Over the progress."""
    forget_help: str
    """What the button that forgets does."""


def measure_two_files(
    two: TwoFilePage, session: SessionState, show_options_form: Callable[[], MeasureOptions]
) -> tuple[SessionResult | None, MeasureOptions]:
    """Take two files in and measure them.

    Args:
        two: What the page asks for.
        session: The visitor's.
        show_options_form: Shows the choices, below the drop zones.

    Returns:
        The newest entry of this kind, if any, and what was chosen.
    """
    given = []
    for column, label, zone in zip(st.columns(2, gap="medium"), two.labels, two.zones, strict=True):
        with column:
            given.append(upload_widget(label, zone, words=two.words))
    first, second = given
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="lvef-lead">{two.none_at_hand}</p>', width="content")
        sample = st.button(two.sample_label, key=f"sample-{two.kind}", help=two.sample_help)
    options = show_options_form()
    if first and second:
        _measure(two, session, first[0], second[0], options)
        for zone, uploads in zip(two.zones, given, strict=True):
            clear_uploads(zone, uploads)
        st.rerun()
    if sample:
        with st.spinner("Computing the heart ..."):
            both = two.sample()
        _measure(two, session, both[0].upload, both[1].upload, options, both[0].known_ef_percent)
        st.rerun()
    if first or second:
        st.html(f'<p class="lvef-lead">Now the {two.missing[1 if first else 0]}.</p>')
    return next((e for e in reversed(session.entries) if e.kind == two.kind), None), options


def show_result_heading(two: TwoFilePage, session: SessionState, entry: SessionResult) -> None:
    """The name of an entry, and the button that forgets it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show_section(entry.name)
        if st.button("Forget", key=f"forget-{two.kind}", help=two.forget_help):
            session.entries.remove(entry)
            st.rerun()


def _measure(
    two: TwoFilePage,
    session: SessionState,
    first: Upload,
    second: Upload,
    options: MeasureOptions,
    known_ef_percent: float | None = None,
) -> None:
    answer = run_with_progress(lambda report: two.measure(first, second, options, report), two.title)
    for old in [e for e in session.entries if e.kind == two.kind]:
        session.entries.remove(old)
    name = f"{sanitize_name(first.name)} + {sanitize_name(second.name)}"
    session.add(SessionResult(name, answer, options, two.kind, known_ef_percent))
