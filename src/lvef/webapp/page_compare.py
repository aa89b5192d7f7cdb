"""The page *Compare models*: every installed network on the same clip."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import streamlit as st

from lvef.core.records import Measurement
from lvef.inference.card import EF_KINDS
from lvef.inference.card_text import experimental_text, marked_name
from lvef.inference.catalogue import NetworkEntry, list_networks
from lvef.measure.options import MeasureOptions
from lvef.measure.outputs import Answer
from lvef.measure.wording import category_lines, ef_text, ml_text, reason_text
from lvef.webapp import samples
from lvef.webapp.answer_view import table
from lvef.webapp.bench import VIDEO, Bench, Entry, with_person
from lvef.webapp.choices import ask
from lvef.webapp.drawing import Curve, show_curves
from lvef.webapp.inbox import CLIP_KINDS, drop_zone, let_go, plain, title_of, with_progress
from lvef.webapp.measuring import Upload, measure_again, measure_upload
from lvef.webapp.phases import show_phases
from lvef.webapp.private_files import shown_name
from lvef.webapp.shell import head, in_sentences, say, section, the_bench
from lvef.webapp.viewer import volumes

ZONE = "compare-clip"
"""Name of the drop zone."""

KIND_WORDS = {
    "segmentation": "marks the ventricle's pixels",
    "volume-trace": "draws 21 lines",
    "ef-clip": "EF of the film; no outline to check",
    "ef-two-stream": "EF of film and motion; no outline to check",
}
"""What each kind of network gives, and whether it can be checked by eye."""

_CHOSEN = "compare-chosen"


@in_sentences
def page() -> None:
    """Draw the page."""
    bench = the_bench()
    head(
        "Compare models",
        "Every installed network on one clip. Where they disagree, look at the outlines: those without cannot be checked.",
    )
    uploads = drop_zone(f"A clip: {CLIP_KINDS}", ZONE)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<p class="lvef-lead">No clip at hand?</p>', width="content")
        cine = st.button(
            "Real echo", key="compare-cine", help="An apical four-chamber cine that comes with pydicom."
        )
        phantom = st.button(
            "Computed heart, EF known", key="compare-phantom", help="A phantom: its true EF stands beside."
        )
    options = ask(network=False)
    given: Upload | None = uploads[0] if uploads else None
    known = None
    if cine or phantom:
        with st.spinner("Making the sample ..."):
            sample = samples.cine() if cine else samples.phantom()
        given, known = sample.upload, sample.known_ef_percent
    if given is not None:
        taken = given
        answer = with_progress(lambda tell: measure_upload(taken, options, tell), title_of([given], 0))
        entry = Entry(shown_name(given.name), answer, options, VIDEO, known)
        bench.add(entry)
        st.session_state[_CHOSEN] = entry.number
        let_go(ZONE, uploads)
        st.rerun()
    entry_ = _choose(bench)
    if entry_ is not None:
        _show(entry_, options)


def _choose(bench: Bench) -> Entry | None:
    entries = [
        e for e in bench.entries if e.kind == VIDEO and (e.machine.clip is not None or e is bench.entries[-1])
    ]
    if not entries:
        return None
    numbers = [e.number for e in entries]
    kept = st.session_state.get(_CHOSEN)
    number = st.selectbox(
        "Clip",
        numbers,
        index=numbers.index(kept) if kept in numbers else len(numbers) - 1,
        format_func=lambda n: next(e.name for e in entries if e.number == n),
        width=420,
    )
    st.session_state[_CHOSEN] = number
    return next(e for e in entries if e.number == number)


def _show(entry: Entry, options: MeasureOptions) -> None:
    if entry.machine.clip is None:
        say(reason_text(entry.machine.measurement), "Not read")
        return
    networks = list_networks()
    found = [(network, _measured(entry, network, options)) for network in networks]
    rows = []
    for network, answer in found:
        m = with_person(answer, options).measurement
        classes = dict(category_lines(m.categories))
        made = m.provenance
        rows.append(
            (
                [
                    marked_name(network.card),
                    ef_text(m.ef_percent),
                    f"{ml_text(m.edv_ml)} / {ml_text(m.esv_ml)}" if m.edv_ml is not None else "-",
                    classes.get("Heart-failure range", "-"),
                    f"{made.seconds:.2f} s" if made is not None else "-",
                    KIND_WORDS.get(network.card.kind, network.card.kind)
                    if m.ef_percent is not None
                    else reason_text(m),
                ],
                "lvef-out" if m.ef_percent is None else "",
            )
        )
    section("Answers", _spread([answer.measurement for _, answer in found], entry))
    st.html(
        table(["Network", "EF", "EDV / ESV", "Heart-failure range", "Time", "What it gives"], rows, "Answers")
    )
    marked = "".join(f"<li>{escape(experimental_text(n.card))}</li>" for n in networks if n.card.experimental)
    if marked:
        st.html(f'<section class="lvef-warnings"><h3>Keep in mind</h3><ul>{marked}</ul></section>')
    curves: list[Curve] = []
    for network, answer in found:
        volume = volumes(answer.measurement, len(entry.machine.clip.frames))
        if any(v is not None for v in volume):
            curves.append((marked_name(network.card), entry.machine.clip.times_s.tolist(), volume))
    if curves:
        section(
            "Volume curves",
            "Each in per cent of its own end-diastole: where they part, one of them lost the wall.",
        )
        show_curves(curves, f"curves-{entry.number}")
    section("Outlines")
    for network, answer in found:
        m, clip = answer.measurement, answer.clip
        if clip is not None and m.ed_frame is not None and any(m.tracings):
            show_phases(
                m,
                entry.shown(entry.machine.clip),
                names=(f"{marked_name(network.card)}, ED", f"{marked_name(network.card)}, ES"),
            )
    without = [marked_name(network.card) for network, _ in found if network.card.kind in EF_KINDS]
    if without:
        st.html(f'<p class="lvef-lead">No outline to check: {", ".join(without)}.</p>')


def _measured(entry: Entry, network: NetworkEntry, options: MeasureOptions) -> Answer:
    chosen = replace(options, weights=network.name)
    return entry.once(
        f"compare {network.name} {chosen.view} {chosen.frame_rate_hz}",
        lambda: with_progress(
            lambda tell: measure_again(entry.machine, chosen, tell), plain(marked_name(network.card))
        ),
    )


def _spread(measurements: list[Measurement], entry: Entry) -> str:
    efs = [m.ef_percent for m in measurements if m.ef_percent is not None]
    words = f"{len(efs)} of {len(measurements)} networks answered"
    if len(efs) > 1:
        words += f"; they lie {max(efs) - min(efs):.0f} points apart"
    if entry.known_ef_percent is not None:
        words += f". Known EF of this computed heart: {entry.known_ef_percent:.1f} %"
    return words + "."
