"""The page *Study*: the four- and the two-chamber clip together, for a biplane ejection fraction."""

from __future__ import annotations

import streamlit as st

from lvef.measure.options import MeasureOptions
from lvef.webapp.answer_view import show_answer, show_beats, show_warnings
from lvef.webapp.bench import STUDY, Bench, Entry, with_person
from lvef.webapp.choices import ask
from lvef.webapp.correction_panel import current_answer
from lvef.webapp.inbox import CLIP_KINDS, drop_zone, let_go, with_progress
from lvef.webapp.measuring import Upload, measure_study
from lvef.webapp.phases import show_phases
from lvef.webapp.private_files import shown_name
from lvef.webapp.result import correct_and_take
from lvef.webapp.samples import phantom_study
from lvef.webapp.shell import head, in_sentences, section, the_bench
from lvef.webapp.viewer import viewer


@in_sentences
def page() -> None:
    """Draw the page."""
    bench = the_bench()
    head(
        "Study",
        "Both apical views of one patient: a biplane ejection fraction, and that of each view beside it.",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        a4c = drop_zone("Four-chamber clip (A4C)", "a4c-clip", words=CLIP_KINDS)
    with right:
        a2c = drop_zone("Two-chamber clip (A2C)", "a2c-clip", words=CLIP_KINDS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<p class="lvef-lead">No clips at hand?</p>', width="content")
        sample = st.button(
            "Both views of a computed heart", key="sample-study", help="Two films of one phantom."
        )
    options = ask(view=False)
    if a4c and a2c:
        _measure(bench, a4c[0], a2c[0], options)
        let_go("a4c-clip", a4c)
        let_go("a2c-clip", a2c)
        st.rerun()
    if sample:
        with st.spinner("Computing the heart ..."):
            both = phantom_study()
        _measure(bench, both[0].upload, both[1].upload, options, both[0].known_ef_percent)
        st.rerun()
    if a4c or a2c:
        st.html(f'<p class="lvef-lead">Now the {"two" if a4c else "four"}-chamber clip.</p>')
    entry = next((e for e in reversed(bench.entries) if e.kind == STUDY), None)
    if entry is not None:
        _show(bench, entry, options)


def _measure(
    bench: Bench, a4c: Upload, a2c: Upload, options: MeasureOptions, known_ef_percent: float | None = None
) -> None:
    answer = with_progress(lambda tell: measure_study(a4c, a2c, options, tell), "Both views")
    for old in [e for e in bench.entries if e.kind == STUDY]:
        bench.entries.remove(old)
    name = f"{shown_name(a4c.name)} + {shown_name(a2c.name)}"
    bench.add(Entry(name, answer, options, STUDY, known_ef_percent))


def _show(bench: Bench, entry: Entry, options: MeasureOptions) -> None:
    key = f"correct-{entry.number}"
    base = current_answer(entry.machine, options, key)
    answer = with_person(base, options)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        section(entry.name)
        if st.button("Forget", key="forget-study", help="Takes both clips and the answer out of memory."):
            bench.entries.remove(entry)
            st.rerun()
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_answer(answer.measurement, options, known_ef_percent=entry.known_ef_percent)
        show_warnings(answer.measurement)
    with right:
        for view, (m, clip) in answer.parts.items():
            if clip is not None and m.ed_frame is not None and any(m.tracings):
                show_phases(m, entry.shown(clip), names=(f"{view}, end-diastole", f"{view}, end-systole"))
    for view, (m, clip) in base.parts.items():
        section(view, m.source)
        if m.ef_percent is None:
            show_answer(m, options)
        elif clip is not None:
            viewer(
                m, entry.shown(clip), identity=f"{entry.number}-{view}", key=f"viewer-{entry.number}-{view}"
            )
            show_beats(m)
            show_warnings(m)
    correct_and_take(entry, base, options, key)
