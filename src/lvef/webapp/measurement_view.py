"""A measurement in words and tables: EF, categories, volumes, warnings, beats, method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st

from lvef.core.fields import Group, Shown, lines_of
from lvef.core.records import Beat, Measurement
from lvef.core.terms import Status
from lvef.core.wording import ef_text, ml_text, note_text, reason_text, status_text
from lvef.measure.options import MeasureOptions

NO_SEX = "choose the sex under Settings"
"""Stands in place of the ASE/EACVI category: its normal range differs between men and women."""


def show_answer(
    measurement: Measurement, options: MeasureOptions, *, known_ef_percent: float | None = None
) -> None:
    """Show the EF large, with its categories and volumes; or why there is none.

    Args:
        measurement: What was measured.
        options: Settings; the ASE/EACVI category is shown for their sex only.
        known_ef_percent: True EF of a phantom.
    """
    m = measurement
    if m.ef_percent is None:
        refused = m.status is Status.REFUSED
        head = "Not measured" if refused else "Not read"
        st.html(
            f'<section class="lvef-answer lvef-none" role="alert"><p class="lvef-label">{head}</p>'
            f'<p class="lvef-reason">{escape(reason_text(m))}</p></section>'
        )
        return
    tone = " lvef-partial" if m.status is Status.PARTIAL_CYCLE else ""
    corrected = ""
    if m.correction is not None:
        machine = ef_text(m.correction.machine_ef_percent)
        corrected = f'<p class="lvef-sub">Corrected by hand. The model measured {machine}.</p>'
    known = ""
    if known_ef_percent is not None:
        difference = m.ef_percent - known_ef_percent
        side = "above" if difference > 0 else "below"
        known = (
            f'<p class="lvef-sub">Known EF of this synthetic phantom: <strong>{known_ef_percent:.1f} %</strong>; '
            f"measured {abs(difference):.1f} points {side} it.</p>"
        )
    st.html(
        f'<section class="lvef-answer{tone}" aria-label="Result"><p class="lvef-label">Ejection fraction</p>'
        f'<p class="lvef-ef" data-ef="{m.ef_percent:.4f}">{escape(ef_text(m.ef_percent))}</p>'
        f'<p class="lvef-sub">{escape(status_text(m))} · {m.ef_percent:.1f} % to one decimal</p>{corrected}{known}</section>'
    )
    st.html(facts(result_lines(m, options), "Categories and volumes"))


def result_lines(m: Measurement, options: MeasureOptions) -> list[tuple[str, str]]:
    """Categories, volumes and what follows from them, as label and text; the ASE/EACVI category of a known sex only."""
    lines = lines_of(m, Shown.PAGE, Group.VOLUMES, Group.VALUES)
    if options.sex is None:
        lines = [line for line in lines if not line[0].startswith("ASE")]
        lines.insert(0, ("ASE/EACVI 2015", NO_SEX))
    return lines


def show_warnings(m: Measurement) -> None:
    """The warnings, in sentences."""
    if m.notices:
        items = "".join(f"<li>{escape(note_text(n.text))}</li>" for n in m.notices)
        st.html(f'<section class="lvef-warnings"><h3>Warnings</h3><ul>{items}</ul></section>')


def show_method(m: Measurement) -> None:
    """How it was measured: method, model, precision, file."""
    lines = lines_of(m, Shown.PAGE, Group.METHOD)
    if m.provenance is not None:
        lines.append(("Time", f"{m.provenance.seconds:.2f} s"))
    st.html(facts(lines, "How it was measured"))


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
            f"{beat.duration_s:.2f} s" if beat.duration_s is not None else "not whole",
            *([ml_text(beat.ed_volume), ml_text(beat.es_volume)] if unit == "ml" else []),
            f"{beat.ef_percent:.1f} %" if math.isfinite(beat.ef_percent) else "-",
            ("counted, shown" if (m.beats_averaged or 0) > 1 else "the answer")
            if is_shown
            else "left out"
            if beat.excluded
            else "counted",
            beat.excluded,
        ]
        rows.append((cells, "lvef-out" if beat.excluded else "lvef-chosen" if is_shown else ""))
    header[-2:] = ["Use", "Why left out"] if any(b.excluded for b in m.beats) else ["Use"]
    st.html(table(header, [(cells[: len(header)], style) for cells, style in rows], "Beats"))


def beat_name(m: Measurement, number: int, beat: Beat) -> str:
    """A beat in one line, to choose it."""
    left_out = ", left out" if beat.excluded else ""
    return f"Beat {number}: ED {beat.ed_frame}, ES {beat.es_frame}, EF {ef_text(beat.ef_percent)}{left_out}"


def facts(rows: Iterable[tuple[str, str]], label: str) -> str:
    """Names and values as HTML."""
    inner = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in rows)
    return f'<dl class="lvef-facts" aria-label="{escape(label)}">{inner}</dl>'


def table(header: Sequence[str], rows: Sequence[tuple[Sequence[str], str]], label: str) -> str:
    """A table as HTML; each row is its cells and its style."""
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr class="{style}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        for cells, style in rows
    )
    return (
        f'<div class="lvef-scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table class="lvef-table">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _frame(m: Measurement, frame: int) -> str:
    time = m.frame_time_s(frame)
    return str(frame) if time is None else f"{frame} ({time:.2f} s)"
