"""The page *ED / ES images*: two stills of one view in, traced outlines and an ejection fraction out."""

from __future__ import annotations

import streamlit as st

from lvef.measure.options import MeasureOptions
from lvef.webapp.answer_view import show_answer, show_warnings
from lvef.webapp.bench import STILLS, Bench, Entry, with_person
from lvef.webapp.choices import ask
from lvef.webapp.correction_panel import current_answer
from lvef.webapp.inbox import STILL_KINDS, drop_zone, let_go, with_progress
from lvef.webapp.measuring import Upload, measure_pair
from lvef.webapp.phases import show_phases
from lvef.webapp.private_files import shown_name
from lvef.webapp.result import correct_and_take
from lvef.webapp.samples import phantom_stills
from lvef.webapp.shell import head, in_sentences, section, the_bench


@in_sentences
def page() -> None:
    """Draw the page."""
    bench = the_bench()
    head(
        "ED / ES images",
        "Two stills of the same apical view and depth: one at end-diastole, one at end-systole.",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        ed = drop_zone("End-diastole (ED)", "ed-still", words=STILL_KINDS)
    with right:
        es = drop_zone("End-systole (ES)", "es-still", words=STILL_KINDS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<p class="lvef-lead">No stills at hand?</p>', width="content")
        sample = st.button("Stills of a computed heart", key="sample-stills", help="ED and ES of a phantom.")
    options = ask(clock=False)
    if ed and es:
        _measure(bench, ed[0], es[0], options)
        let_go("ed-still", ed)
        let_go("es-still", es)
        st.rerun()
    if sample:
        with st.spinner("Computing the heart ..."):
            pair = phantom_stills()
        _measure(bench, pair[0].upload, pair[1].upload, options, pair[0].known_ef_percent)
        st.rerun()
    if ed or es:
        st.html(f'<p class="lvef-lead">Now the {"end-systolic" if ed else "end-diastolic"} still.</p>')
    entry = next((e for e in reversed(bench.entries) if e.kind == STILLS), None)
    if entry is not None:
        _show(bench, entry, options)


def _measure(
    bench: Bench, ed: Upload, es: Upload, options: MeasureOptions, known_ef_percent: float | None = None
) -> None:
    answer = with_progress(lambda tell: measure_pair(ed, es, options, tell), "Outlining both stills")
    for old in [e for e in bench.entries if e.kind == STILLS]:
        bench.entries.remove(old)
    name = f"{shown_name(ed.name)} + {shown_name(es.name)}"
    bench.add(Entry(name, answer, options, STILLS, known_ef_percent))


def _show(bench: Bench, entry: Entry, options: MeasureOptions) -> None:
    key = f"correct-{entry.number}"
    base = current_answer(entry.machine, options, key)
    m, clip = with_person(base, options).measurement, base.clip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        section(entry.name)
        if st.button("Forget", key="forget-stills", help="Takes both stills and the answer out of memory."):
            bench.entries.remove(entry)
            st.rerun()
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_answer(m, options, known_ef_percent=entry.known_ef_percent)
        show_warnings(m)
    with right:
        if clip is not None and any(m.tracings):
            show_phases(m, entry.shown(clip))
    correct_and_take(entry, base, options, key)
