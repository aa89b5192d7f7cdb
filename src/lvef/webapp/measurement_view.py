"""A measurement in words and tables: EF, categories, volumes, warnings, beats, method."""

from __future__ import annotations

import math

import streamlit as st

from lvef.core.fields import Group, Shown, lines_of
from lvef.core.quality_wording import advice_of, part_lines, quality_text
from lvef.core.records import Measurement
from lvef.core.terms import Decision, Status
from lvef.core.wording import (
    decision_badge,
    ef_text,
    interval_lines,
    ml_text,
    models_disagree,
    note_text,
    reason_text,
    second_opinion_lines,
    status_text,
)
from lvef.measure.options import MeasureOptions
from lvef.report.bars import INTERVAL_HEIGHT, SCORE_HEIGHT, draw_interval, draw_score, interval_bar, score_alt
from lvef.report.canvas import SvgCanvas
from lvef.webapp.drawing import show_drawing
from lvef.webapp.layout import show_element, show_error, show_facts, show_table, show_warning_list

BAR_WIDTH, BAR_LETTER = 310.0, 12.0
"""Width of the bars and size of their letters; they are scaled to the column."""

NO_SEX = "choose the sex under Settings"
"""Stands in place of the ASE/EACVI category: its normal range differs between men and women."""


def show_ef(
    measurement: Measurement, options: MeasureOptions, *, key: str, known_ef_percent: float | None = None
) -> None:
    """Show the EF large with its prediction interval, decision, categories and volumes; or why there is no EF.

    Args:
        measurement: What was measured.
        options: Of the visitor; the ASE/EACVI category is shown for their sex only.
        key: Unique on the page.
        known_ef_percent: True EF of a phantom.
    """
    m = measurement
    if m.ef_percent is None:
        show_error(reason_text(m), "Refused: not measured" if m.status is Status.REFUSED else "Not read")
        lines = lines_of(m, Shown.PAGE, Group.VALUES)
        if lines:
            show_facts(lines, "What was found")
        return
    level = (
        "lvef-caution" if m.status is Status.PARTIAL_CYCLE or m.decision == Decision.CAUTION else "lvef-plain"
    )
    with st.container(gap=None, key=f"{level}-{key}"):
        show_element("ef", m, ef_text(m.ef_percent), interval_lines(m), decision_badge(m))
        bar = interval_bar(m)
        assert bar is not None
        canvas = SvgCanvas()
        draw_interval(canvas, bar, 0, 0, BAR_WIDTH, BAR_LETTER)
        show_drawing(canvas.document(BAR_WIDTH, INTERVAL_HEIGHT * BAR_LETTER, bar.alt), f"interval-{key}")
        model_ef = "" if m.correction is None else ef_text(m.correction.machine_ef_percent)
        others = second_opinion_lines(m)
        show_element("ef_notes", m, status_text(m), others, models_disagree(m), model_ef, known_ef_percent)
    show_facts(result_lines(m, options), "Categories and volumes")


def show_quality(m: Measurement, key: str) -> None:
    """Show the image quality: score, what would help, and the readable parts; nothing where it was not assessed.

    Args:
        m: What was measured.
        key: Unique on the page.
    """
    quality = m.quality
    if quality is None:
        return
    with st.container(gap="small"):
        show_element("quality", quality_text(quality), advice_of(quality))
        if quality.score is not None:
            canvas = SvgCanvas()
            draw_score(canvas, quality.score, 0, 0, BAR_WIDTH, BAR_LETTER)
            show_drawing(
                canvas.document(BAR_WIDTH, SCORE_HEIGHT * BAR_LETTER, score_alt(quality)), f"quality-{key}"
            )
        parts = part_lines(quality)
        if parts:
            with st.expander("Image-quality values"):
                show_table(["Name", "Value"], [(line, "") for line in parts], "Image-quality values")


def result_lines(m: Measurement, options: MeasureOptions) -> list[tuple[str, str]]:
    """Categories, volumes and what follows from them, as label and text; the ASE/EACVI category of a known sex only."""
    lines = lines_of(m, Shown.PAGE, Group.VOLUMES, Group.VALUES)
    if options.sex is None:
        lines = [line for line in lines if not line[0].startswith("ASE")]
        lines.insert(0, ("ASE/EACVI 2015", NO_SEX))
    return lines


def show_warnings(m: Measurement) -> None:
    """The warnings, in sentences."""
    show_warning_list([note_text(n.text) for n in m.notices])


def show_method(m: Measurement) -> None:
    """How it was measured: method, model, precision, file."""
    lines = lines_of(m, Shown.PAGE, Group.METHOD)
    if m.provenance is not None:
        lines.append(("Time", f"{m.provenance.seconds:.2f} s"))
    show_facts(lines, "How it was measured")


def show_beats(m: Measurement) -> None:
    """All beats; those that do not count with their reason."""
    if not m.beats:
        return
    unit = m.volume_unit
    header = ["Beat", "ED frame", "ES frame", "Length", "EF", "", ""]
    if unit == "ml":
        header[4:4] = ["EDV", "ESV"]
    rows = []
    for number, beat in enumerate(m.beats, start=1):
        is_shown = m.is_shown(beat)
        cells = [
            str(number),
            _frame(m, beat.ed_frame),
            _frame(m, beat.es_frame),
            f"{beat.duration_s:.2f} s" if beat.duration_s is not None else "incomplete",
            *([ml_text(beat.ed_volume), ml_text(beat.es_volume)] if unit == "ml" else []),
            f"{beat.ef_percent:.1f} %"
            if m.ef_percent is not None and math.isfinite(beat.ef_percent)
            else "-",
            ("counted, shown" if (m.beats_averaged or 0) > 1 else "shown")
            if is_shown
            else "excluded"
            if beat.excluded
            else "counted",
            beat.excluded,
        ]
        rows.append((cells, "lvef-out" if beat.excluded else "lvef-chosen" if is_shown else ""))
    header[-2:] = ["Use", "Why excluded"] if any(b.excluded for b in m.beats) else ["Use"]
    show_table(header, [(cells[: len(header)], style) for cells, style in rows], "Beats")


def _frame(m: Measurement, frame: int) -> str:
    time = m.frame_time_s(frame)
    return str(frame) if time is None else f"{frame} ({time:.2f} s)"
