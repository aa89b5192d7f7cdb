"""The page *Compare models*: every installed model on the same clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from lvef.core.records import Measurement
from lvef.core.terms import EF_KINDS
from lvef.core.wording import (
    category_lines,
    decision_badge,
    ef_text,
    interval_text,
    ml_text,
    note_text,
    reason_text,
)
from lvef.inference.card import display_name, experimental_text
from lvef.inference.catalogue import ModelEntry, measuring_models
from lvef.io.uploads import sanitize_name
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.report.canvas import SvgCanvas
from lvef.report.curve import CurveChart, comparison_chart, draw_curve, has_curve, percent_of_ed
from lvef.webapp.drawing import show_drawing
from lvef.webapp.layout import (
    show_element,
    show_error,
    show_errors,
    show_heading,
    show_section,
    show_table,
    show_warning_list,
)
from lvef.webapp.measuring import Upload, measure_again, measure_upload
from lvef.webapp.options_form import show_options_form
from lvef.webapp.samples import show_sample_buttons
from lvef.webapp.session import (
    VIDEO,
    SessionResult,
    choose_result,
    current_session,
    with_patient_data,
)
from lvef.webapp.viewer import show_phases
from lvef.webapp.widgets import (
    CLIP_KINDS,
    clear_uploads,
    escape_markdown,
    progress_title,
    run_with_progress,
    upload_widget,
)

ZONE = "compare-clip"
"""Name of the upload widget."""

KIND_TEXTS = {
    "segmentation": "segments the ventricle",
    "volume-trace": "predicts volume tracings of 21 lines",
    "ef-clip": "EF from the clip; no contour to check",
    "ef-two-stream": "EF from clip and motion; no contour to check",
}
"""What each kind of model predicts, and whether it can be checked by eye."""

CHART_SIZE = (900.0, 300.0)
"""Width and height of the curves; they are scaled to the page."""

CHOSEN = "compare-chosen"
"""Under this name the session holds the number of the chosen result."""


@show_errors
def page() -> None:
    """Draw the page."""
    session = current_session()
    show_heading(
        "Compare models",
        "Every installed model on one clip. Where they disagree, check the contours; EF models have none to check.",
    )
    uploads = upload_widget(f"A clip: {CLIP_KINDS}", ZONE)
    sample = show_sample_buttons("compare")
    options = show_options_form(model=False, opinion=False)
    upload: Upload | None = uploads[0] if uploads else sample.upload if sample is not None else None
    if upload is not None:
        title = progress_title([upload], 0)
        result = run_with_progress(lambda report: measure_upload(upload, options, report), title)
        known = sample.known_ef_percent if sample is not None and not uploads else None
        item = SessionResult(sanitize_name(upload.name), result, options, VIDEO, known)
        session.add(item)
        st.session_state[CHOSEN] = item.number
        clear_uploads(ZONE, uploads)
        st.rerun()
    items = [
        item
        for item in session.items
        if item.kind == VIDEO and (item.result.clip is not None or item is session.items[-1])
    ]
    if items:
        _show(choose_result("Clip", items, CHOSEN), options)


def _show(item: SessionResult, options: MeasureOptions) -> None:
    clip = item.result.clip
    if clip is None:
        show_error(reason_text(item.result.measurement), "Not read")
        return
    models = measuring_models()
    found = [(model, _measured(item, model, options)) for model in models]
    show_section("Results", _agreement_text([result.measurement for _, result in found], item))
    header = [
        "Model",
        "EF",
        "Prediction interval",
        "Decision",
        "EDV / ESV",
        "Heart-failure range",
        "Time",
        "Method",
    ]
    show_table(header, [_row(model, result, options) for model, result in found], "Results")
    show_warning_list([experimental_text(model.card) for model in models if model.card.experimental])
    curves = [
        (display_name(model.card), clip.times_s, percent_of_ed(result.measurement))
        for model, result in found
        if has_curve(result.measurement)
    ]
    if curves:
        show_section(
            "Volume-time curves",
            "Each in per cent of its own end-diastolic volume. Where they diverge, check the contours.",
        )
        _show_curves(comparison_chart(curves), f"curves-{item.number}")
    show_section("Contours")
    for model, result in found:
        m, name = result.measurement, display_name(model.card)
        if result.clip is not None and m.ed_frame is not None and any(m.tracings):
            show_phases(m, item.masked(clip), names=(f"{name}, ED", f"{name}, ES"))
    without = [display_name(model.card) for model in models if model.card.kind in EF_KINDS]
    if without:
        show_element("lead", f"No contour to check: {', '.join(without)}.")


def _row(model: ModelEntry, result: Result, options: MeasureOptions) -> tuple[list[str], str]:
    m = with_patient_data(result, options).measurement
    is_measured = m.ef_percent is not None
    cells = [
        display_name(model.card),
        ef_text(m.ef_percent),
        interval_text(m) or note_text(m.interval_note) or "-",
        decision_badge(m)[0] or "-",
        f"{ml_text(m.edv_ml)} / {ml_text(m.esv_ml)}" if m.edv_ml is not None else "-",
        dict(category_lines(m.categories)).get("Heart-failure range", "-"),
        f"{m.provenance.seconds:.2f} s" if m.provenance is not None else "-",
        KIND_TEXTS.get(model.card.kind, model.card.kind) if is_measured else reason_text(m),
    ]
    return cells, "" if is_measured else "lvef-out"


def _measured(item: SessionResult, model: ModelEntry, options: MeasureOptions) -> Result:
    chosen = replace(item.options_with_scale(options), weights=model.name)
    return item.cached(
        f"compare {model.name} {chosen.view} {chosen.frame_rate_hz} {chosen.scale_line}",
        lambda: run_with_progress(
            lambda report: measure_again(item.result, chosen, report),
            escape_markdown(display_name(model.card)),
        ),
    )


def _agreement_text(measurements: Sequence[Measurement], item: SessionResult) -> str:
    efs = [m.ef_percent for m in measurements if m.ef_percent is not None]
    text = f"{len(efs)} of {len(measurements)} models measured an EF"
    if len(efs) > 1:
        text += f"; the range is {max(efs) - min(efs):.0f} points"
    if item.known_ef_percent is not None:
        text += f". Known EF of this synthetic phantom: {item.known_ef_percent:.1f} %"
    return f"{text}."


def _show_curves(chart: CurveChart, key: str) -> None:
    canvas = SvgCanvas()
    draw_curve(canvas, chart, (0, 0, *CHART_SIZE), 12)
    show_drawing(canvas.document(*CHART_SIZE, chart.alt), key)
