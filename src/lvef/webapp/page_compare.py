"""The page *Compare models*: every installed network on the same clip."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import streamlit as st

from lvef.core.records import Measurement
from lvef.core.terms import EF_KINDS
from lvef.core.wording import category_lines, ef_text, ml_text, reason_text
from lvef.inference.card import display_name, experimental_text
from lvef.inference.catalogue import ModelEntry, list_models
from lvef.io.uploads import sanitize_name
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.webapp import samples
from lvef.webapp.drawing import Curve, show_curves
from lvef.webapp.layout import current_session, show_error, show_errors, show_heading, show_section
from lvef.webapp.measurement_view import table
from lvef.webapp.measuring import Upload, measure_again, measure_upload
from lvef.webapp.options_form import show_options_form
from lvef.webapp.phases import show_phases
from lvef.webapp.session import VIDEO, SessionResult, SessionState, with_patient_data
from lvef.webapp.uploads import (
    CLIP_KINDS,
    clear_uploads,
    escape_markdown,
    progress_title,
    run_with_progress,
    upload_widget,
)
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


@show_errors
def page() -> None:
    """Draw the page."""
    session = current_session()
    show_heading(
        "Compare models",
        "Every installed network on one clip. Where they disagree, look at the outlines: those without cannot be checked.",
    )
    uploads = upload_widget(f"A clip: {CLIP_KINDS}", ZONE)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<p class="lvef-lead">No clip at hand?</p>', width="content")
        cine = st.button(
            "Real echo", key="compare-cine", help="An apical four-chamber cine that comes with pydicom."
        )
        phantom = st.button(
            "Synthetic phantom, EF known", key="compare-phantom", help="A phantom: its true EF stands beside."
        )
    options = show_options_form(network=False)
    given: Upload | None = uploads[0] if uploads else None
    known = None
    if cine or phantom:
        with st.spinner("Making the sample ..."):
            sample = samples.cine() if cine else samples.phantom()
        given, known = sample.upload, sample.known_ef_percent
    if given is not None:
        taken = given
        answer = run_with_progress(
            lambda report: measure_upload(taken, options, report), progress_title([given], 0)
        )
        entry = SessionResult(sanitize_name(given.name), answer, options, VIDEO, known)
        session.add(entry)
        st.session_state[_CHOSEN] = entry.number
        clear_uploads(ZONE, uploads)
        st.rerun()
    entry_ = _choose(session)
    if entry_ is not None:
        _show(entry_, options)


def _choose(session: SessionState) -> SessionResult | None:
    entries = [
        e
        for e in session.entries
        if e.kind == VIDEO and (e.machine.clip is not None or e is session.entries[-1])
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


def _show(entry: SessionResult, options: MeasureOptions) -> None:
    if entry.machine.clip is None:
        show_error(reason_text(entry.machine.measurement), "Not read")
        return
    networks = list_models()
    found = [(network, _measured(entry, network, options)) for network in networks]
    rows = []
    for network, answer in found:
        m = with_patient_data(answer, options).measurement
        classes = dict(category_lines(m.categories))
        made = m.provenance
        rows.append(
            (
                [
                    display_name(network.card),
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
    show_section("Answers", _spread([answer.measurement for _, answer in found], entry))
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
            curves.append((display_name(network.card), entry.machine.clip.times_s.tolist(), volume))
    if curves:
        show_section(
            "Volume curves",
            "Each in per cent of its own end-diastole: where they part, one of them lost the wall.",
        )
        show_curves(curves, f"curves-{entry.number}")
    show_section("Outlines")
    for network, answer in found:
        m, clip = answer.measurement, answer.clip
        if clip is not None and m.ed_frame is not None and any(m.tracings):
            show_phases(
                m,
                entry.shown(entry.machine.clip),
                names=(f"{display_name(network.card)}, ED", f"{display_name(network.card)}, ES"),
            )
    without = [display_name(network.card) for network, _ in found if network.card.kind in EF_KINDS]
    if without:
        st.html(f'<p class="lvef-lead">No outline to check: {", ".join(without)}.</p>')


def _measured(entry: SessionResult, network: ModelEntry, options: MeasureOptions) -> Result:
    chosen = replace(options, weights=network.name)
    return entry.cached(
        f"compare {network.name} {chosen.view} {chosen.frame_rate_hz}",
        lambda: run_with_progress(
            lambda report: measure_again(entry.machine, chosen, report),
            escape_markdown(display_name(network.card)),
        ),
    )


def _spread(measurements: list[Measurement], entry: SessionResult) -> str:
    efs = [m.ef_percent for m in measurements if m.ef_percent is not None]
    words = f"{len(efs)} of {len(measurements)} networks answered"
    if len(efs) > 1:
        words += f"; they lie {max(efs) - min(efs):.0f} points apart"
    if entry.known_ef_percent is not None:
        words += f". Known EF of this synthetic phantom: {entry.known_ef_percent:.1f} %"
    return words + "."
