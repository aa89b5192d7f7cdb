"""One measured clip from top to bottom: EF, film, curve, both phases, beats, correction, files."""

from __future__ import annotations

import streamlit as st

from lvef.core.records import Clip, Measurement
from lvef.core.wording import reads_clips
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.webapp.correction_panel import correction_panel, current_answer
from lvef.webapp.downloads import show_downloads
from lvef.webapp.film import show_video
from lvef.webapp.layout import show_section
from lvef.webapp.measurement_view import show_answer, show_beats, show_method, show_warnings
from lvef.webapp.phases import show_phases
from lvef.webapp.session import SessionResult, with_patient_data
from lvef.webapp.viewer import viewer


def show_result(entry: SessionResult, options: MeasureOptions) -> None:
    """Show everything about a measured clip.

    Args:
        entry: The clip.
        options: Settings of the visitor.
    """
    key = f"correct-{entry.number}"
    base = current_answer(entry.machine, options, key)
    m, clip = with_patient_data(base, options).measurement, base.clip
    left, right = st.columns([5, 6], gap="large")
    with left:
        show_answer(m, options, known_ef_percent=entry.known_ef_percent)
        show_warnings(m)
        if entry.frames_dropped:
            st.html(
                '<p class="lvef-lead">Its pictures were let go to make room. Drop the file again to see them.</p>'
            )
    with right:
        if clip is not None and entry.machine.measurement.ef_percent is not None:
            show_video(entry, entry.machine.measurement, clip)
            if m.correction is not None:
                st.html(
                    '<p class="lvef-caption">The film shows the network\'s outlines; the film to take along has yours.</p>'
                )
        elif clip is not None and len(clip.frames):
            _show_still(entry, clip)
    if clip is not None and len(clip.frames) > 2 and (m.curve is not None or m.ef_percent is not None):
        _show_curve(entry, base.measurement, clip)
    if clip is not None and m.ed_frame is not None and any(m.tracings):
        show_section(
            "End-diastole and end-systole", "Outline, long axis and the disks that the volumes are made of."
        )
        show_phases(m, entry.shown(clip))
    if m.beats:
        show_section("Beats")
        show_beats(m)
    show_correction_and_downloads(entry, base, options, key)


def show_correction_and_downloads(
    entry: SessionResult, base: Result, options: MeasureOptions, key: str
) -> None:
    """The correction, the files to take along, and how it was measured.

    Args:
        entry: What was measured.
        base: The answer that the page above shows.
        options: Settings of the visitor.
        key: Names the panel.
    """
    m = base.measurement

    def below(answer: Result) -> None:
        if answer.measurement.ef_percent is not None or answer.clip is not None or answer.parts:
            show_section("Take it along")
            show_downloads(
                entry, with_patient_data(answer, options), answer.measurement, f"take-{entry.number}"
            )
        if answer is not base:
            # The panel runs alone and has shown the new EF already: now the page above follows.
            st.rerun()

    drawn = any(m.tracings) or any(any(part.tracings) for part, _ in base.parts.values())
    if drawn:
        show_section(
            "Correct it",
            "Choose another beat or other frames, or move the outline; EF and volumes follow at once.",
        )
        correction_panel(entry.machine, options, key, below)
    else:
        below(base)
    with st.expander("How it was measured"):
        show_method(m)


def _show_still(entry: SessionResult, clip: Clip) -> None:
    shown = entry.shown(clip)
    st.image(shown.frames[len(shown.frames) // 2], width="stretch", alt="A frame of the file")


def _show_curve(entry: SessionResult, m: Measurement, clip: Clip) -> None:
    if reads_clips(m) and not any(m.tracings):
        show_section(
            "Frame by frame",
            "This network reads the EF from the film: there is no outline and no curve to check.",
        )
    else:
        show_section(
            "Volume over time", "Click on the curve, or use the arrow keys, to see a frame with its outline."
        )
    viewer(m, entry.shown(clip), identity=f"{entry.number}", key=f"viewer-{entry.number}")
