"""The page *ED / ES images*: two stills of one view in, traced outlines and an ejection fraction out."""

from __future__ import annotations

from functools import partial

import streamlit as st

from lvef.measure.options import MeasureOptions
from lvef.webapp.answer_view import show_answer, show_warnings
from lvef.webapp.bench import STILLS, Bench, Entry, with_person
from lvef.webapp.choices import ask
from lvef.webapp.correction_panel import current_answer
from lvef.webapp.inbox import STILL_KINDS
from lvef.webapp.measuring import measure_pair
from lvef.webapp.phases import show_phases
from lvef.webapp.result import correct_and_take
from lvef.webapp.samples import phantom_stills
from lvef.webapp.shell import head, in_sentences, the_bench
from lvef.webapp.two_files import TwoFiles, entry_head, take_two

PAIR = TwoFiles(
    kind=STILLS,
    labels=("End-diastole (ED)", "End-systole (ES)"),
    zones=("ed-still", "es-still"),
    missing=("end-diastolic still", "end-systolic still"),
    words=STILL_KINDS,
    none_at_hand="No stills at hand?",
    sample_label="Stills of a computed heart",
    sample_help="ED and ES of a phantom.",
    sample=phantom_stills,
    measure=measure_pair,
    title="Outlining both stills",
    forget_help="Takes both stills and the answer out of memory.",
)
"""What this page asks for."""


@in_sentences
def page() -> None:
    """Draw the page."""
    bench = the_bench()
    head(
        "ED / ES images",
        "Two stills of the same apical view and depth: one at end-diastole, one at end-systole.",
    )
    entry, options = take_two(PAIR, bench, partial(ask, clock=False))
    if entry is not None:
        _show(bench, entry, options)


def _show(bench: Bench, entry: Entry, options: MeasureOptions) -> None:
    key = f"correct-{entry.number}"
    base = current_answer(entry.machine, options, key)
    m, clip = with_person(base, options).measurement, base.clip
    entry_head(PAIR, bench, entry)
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_answer(m, options, known_ef_percent=entry.known_ef_percent)
        show_warnings(m)
    with right:
        if clip is not None and any(m.tracings):
            show_phases(m, entry.shown(clip))
    correct_and_take(entry, base, options, key)
